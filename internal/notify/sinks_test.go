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
			if !one.dropped {
				left[one.Rule]++
				bytes += len(one.Line)
			}
		}
		for _, list := range n.queue.ofRule {
			sum += len(list)
		}
		count, counted, _ := n.queue.waiting()
		if left["g/quiet"] != 1 || left["g/flood"] < 5 || bytes != counted ||
			count != sum || count != left["g/quiet"]+left["g/flood"] || bytes > o.MaxQueueBytes ||
			len(n.queue.items) > 2*count+1 {
			t.Errorf("left are %v, %d bytes, counted %d and %d", left, bytes, count, sum)
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
