package web

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/history"
)

// The hours of the last day in which a rule fired are those that an alert overlaps.
func TestLastDay(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 20, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		var list []history.Span
		for range random.IntN(4) {
			e := history.Span{From: now.Add(-time.Duration(random.IntN(30*4)) * 15 * time.Minute)}
			if random.IntN(3) > 0 {
				e.To = e.From.Add(time.Duration(random.IntN(12)) * 15 * time.Minute)
			}
			list = append(list, e)
		}
		day, fired := lastDay(list, now)
		within := 0
		for i, h := range day {
			from := now.Truncate(time.Hour).Add(time.Duration(i-23) * time.Hour)
			to := from.Add(time.Hour)
			up := false
			for _, e := range list {
				up = up || e.From.Before(to) && (e.To.IsZero() || e.To.After(from))
				if !e.From.Before(from) && e.From.Before(to) {
					within++
				}
			}
			if up != (h.Class == "up") {
				t.Fatalf("%v: hour %d is %q", list, i, h.Class)
			}
		}
		if len(day) != 24 || fired != within {
			t.Fatalf("%v: %d hours, %d fired, want %d", list, len(day), fired, within)
		}
	}
}
