package alerting_test

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A delay belongs to the first class that it does not exceed; the last class has no bound.
func TestClassesOfDelays(t *testing.T) {
	var d alerting.Delays
	if _, ok := d.Within(0.5); ok || d.Count() != 0 {
		t.Error("none were measured, and they lie within a bound")
	}
	for _, delay := range []time.Duration{
		-time.Second, 0, 100 * time.Millisecond, 100*time.Millisecond + 1, time.Minute,
		24 * time.Hour, 24*time.Hour + 1,
	} {
		d.Note(int64(delay))
	}
	want := alerting.Delays{0: 3, 1: 1, 9: 1, 14: 1, 15: 1}
	if d != want || d.Count() != 7 {
		t.Errorf("got %v", d)
	}
	for part, want := range map[float64]time.Duration{
		0: 100 * time.Millisecond, 3.0 / 7: 100 * time.Millisecond, 0.5: 250 * time.Millisecond,
		5.0 / 7: time.Minute, 6.0 / 7: 24 * time.Hour,
	} {
		if got, ok := d.Within(part); got != want || !ok {
			t.Errorf("%v of them lie within %v, %v", part, got, ok)
		}
	}
	if got, ok := d.Within(1); ok {
		t.Errorf("all lie within %v", got)
	}
	var sum alerting.Delays
	sum.Add(d)
	sum.Add(d)
	if sum.Count() != 14 || sum[0] != 6 {
		t.Errorf("the sum is %v", sum)
	}
}

// Old delays lose their weight: when there are many, all counts are halved.
func TestOldDelaysAreHalved(t *testing.T) {
	var d alerting.Delays
	for range 1<<14 - 1 {
		d.Note(0)
	}
	if d[0] != 1<<14-1 {
		t.Errorf("got %v", d)
	}
	d.Note(int64(time.Hour))
	if d[0] != 1<<13-1 || d[13] != 0 {
		t.Errorf("got %v", d)
	}
}

// The lateness covers all but one of a thousand delays, within bounds; few delays say nothing.
func TestLatenessOfDelays(t *testing.T) {
	f := func(want time.Duration, few time.Duration, n int, many time.Duration, m int) {
		t.Helper()
		var d alerting.Delays
		for range n {
			d.Note(int64(few))
		}
		for range m {
			d.Note(int64(many))
		}
		if got := d.Lateness(); got != want {
			t.Errorf("%d of %v and %d of %v: %v, want %v", n, few, m, many, got, want)
		}
	}
	first := new(alerting.Delays).Lateness()
	f(first, 0, 99, 0, 0)
	f(time.Second, 0, 100, 0, 0)
	f(time.Second, time.Hour, 1, 0, 999)
	f(time.Minute, time.Minute, 2, 0, 998)
	f(2*time.Second, 0, 0, 1500*time.Millisecond, 100)
	most := time.Duration(rule.MostLateness)
	f(most, time.Hour, 100, 0, 0)
	f(most, 48*time.Hour, 100, 0, 0)
}
