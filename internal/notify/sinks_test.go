package notify

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// When the queue of the file is full, the rule with most of it loses its oldest notifications, and
// others lose none; also when the queue was read from the disk.
func TestQueueIsSharedAmongRules(t *testing.T) {
	dir := t.TempDir()
	o := Options{
		DataDir: dir, File: filepath.Join(dir, "alerts.jsonl"), Outbox: newOutbox(),
		MaxQueueBytes: 20_000, Logger: slog.New(slog.DiscardHandler),
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	add := func(rule string, i int) {
		n.queue.add(models.Alert{
			ID: fmt.Sprint(rule, i), Rule: "g/" + rule, State: models.AlertFiring,
			Reason: strings.Repeat("r", 500), At: time.Unix(int64(i), 0),
		})
	}
	add("quiet", 0)
	for i := range 100 {
		add("flood", i)
	}
	check := func() {
		t.Helper()
		left, bytes, sum := map[string]int{}, 0, 0
		for _, one := range n.queue.items {
			left[one.Rule]++
			bytes += len(one.Line)
		}
		for _, part := range n.queue.ofRule {
			sum += part
		}
		if left["g/quiet"] != 1 || left["g/flood"] < 5 || bytes != n.queue.bytes || bytes != sum ||
			bytes > o.MaxQueueBytes {
			t.Errorf("left are %v, %d bytes, counted %d and %d", left, bytes, n.queue.bytes, sum)
		}
	}
	check()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = New(o); err != nil {
		t.Fatal(err)
	}
	check()
	add("flood", 100)
	check()
	n.Close()
}
