package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A log of another century neither takes memory for the windows since then nor makes the usual
// count 0. Old logs that are most of a topic count, though.
func TestStatOfLogsFarAway(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	query, err := rule.ParseQuery("level>=ERROR")
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, window time.Duration, far []time.Time, n, windows, median, beyond int) {
		t.Helper()
		c := statCommand{
			query: query, window: window,
			counts: map[string]map[int64]int{}, logs: map[int64]int{},
		}
		d, err := decode.New(decode.Config{}, decode.NewFields())
		if err != nil {
			t.Fatal(err)
		}
		count := func(at, record time.Time) {
			value := fmt.Sprintf(`{"timestamp":%q,"level":"ERROR"}`, at.Format(time.RFC3339Nano))
			d.Decode(&models.Record{Value: []byte(value), Timestamp: record}, func(l *decode.Log) {
				if err := c.count(l); err != nil {
					t.Fatal(err)
				}
			}, func(reason decode.Reason, detail string) { t.Fatal(reason, detail) })
		}
		for i := range n {
			at := now.Add(time.Duration(i) * window / 2)
			count(at, at)
		}
		for _, at := range far {
			count(at, now)
		}
		rows := c.rows()
		if len(rows) != 1 {
			t.Fatalf("%s: %d rows", name, len(rows))
		}
		_, _, left := c.span()
		if r := rows[0]; int(r.Windows) != windows || r.Median != median || left != beyond {
			t.Errorf("%s: %+v, %d left out", name, r, left)
		}
	}
	of := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	f("none far", time.Minute, nil, 40, 20, 2, 0)
	f("a year without a date", 5*time.Minute, []time.Time{of(1971)}, 40, 20, 2, 0)
	f("2001", 5*time.Minute, []time.Time{of(2001)}, 40, 20, 2, 1)
	f("2001 by seconds", time.Second, []time.Time{of(2001)}, 40, 20, 2, 1)
	f("two years", time.Minute, []time.Time{of(1999), of(2001)}, 40, 20, 2, 2)
	f("an hour late", time.Minute, []time.Time{now.Add(-time.Hour)}, 400, 260, 2, 0)
	f("a topic of two", time.Minute, []time.Time{now.Add(-time.Minute)}, 1, 2, 1, 0)
}
