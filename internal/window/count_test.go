package window

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// planOf compiles a rule that stands in a file as such.
func planOf(t testing.TB, text string) *Plan {
	t.Helper()
	set, err := rule.Read("test.rules.yml", []byte("groups: [{name: g, rules: [{alert: A, "+text+"}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(set.Rules[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const second = int64(time.Second)

// edgesOf adds events at seconds, sweeps, and says when truth changed, in seconds.
func edgesOf(p *Plan, times ...int64) (up []int64) {
	g := p.NewGroup(times[0] * second)
	for _, at := range times {
		g.Add(p, Event{Time: at * second})
	}
	g.Sweep(p, 1000*second, nil, func(e Edge) { up = append(up, e.At/second) })
	return up
}

func TestMoreThanTwoInFiveSeconds(t *testing.T) {
	p := planOf(t, `when: count() > 2, window: 5s`)
	f := func(want []int64, times ...int64) {
		t.Helper()
		if diff := cmp.Diff(want, edgesOf(p, times...)); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", times, diff)
		}
	}
	f(nil, 1, 2)
	f([]int64{3, 6}, 1, 2, 3)
	f([]int64{3, 6}, 3, 1, 2)
	f([]int64{1, 6}, 1, 1, 1)
	f(nil, 1, 3, 6) // the first leaves as the third enters
	f([]int64{5, 6}, 1, 3, 5)
	f([]int64{3, 8}, 1, 2, 3, 4, 5)
	f([]int64{3, 6, 13, 16}, 1, 2, 3, 11, 12, 13)
}

func TestAnAlertLeavesWithTheEventThatCompletesIt(t *testing.T) {
	p := planOf(t, `when: count() >= 3, window: 5m`)
	g := p.NewGroup(0)
	for i, at := range []int64{60, 20} {
		g.Add(p, Event{Time: at * second})
		if e, ok := g.Eager(p); ok {
			t.Errorf("after %d events: %+v", i+1, e)
		}
	}
	g.Add(p, Event{Time: 40 * second})
	got, ok := g.Eager(p)
	want := Edge{At: 60 * second, True: true, Value: 3, Threshold: ">= 3", Reason: "3 >= 3 in 5m", Count: 3, Level: -1}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

func TestALateEventCountsFromTheWatermarkOn(t *testing.T) {
	p := planOf(t, `when: count() > 1, window: 1m`)
	g := p.NewGroup(0)
	var edges []Edge
	sweep := func(at int64) { g.Sweep(p, at*second, nil, func(e Edge) { edges = append(edges, e) }) }
	sweep(0)
	g.Add(p, Event{Time: 100 * second})
	sweep(130)
	if got := g.Add(p, Event{Time: 110 * second}); got != Late {
		t.Error("an event before the watermark is", got)
	}
	if e, ok := g.Eager(p); !ok || e.At != 130*second+1 || !e.Late {
		t.Error(e, ok)
	}
	if got := g.Add(p, Event{Time: 70 * second}); got != Refused {
		t.Error("an event that has left is", got)
	}
	sweep(200)
	want := []Edge{
		{At: 130*second + 1, True: true, Late: true, Value: 2, Threshold: "> 1", Reason: "2 > 1 in 1m", Count: 2, Level: -1},
		{At: 160 * second, Value: 1, Threshold: "> 1", Reason: "1 in 1m", Count: 1, Level: -1},
	}
	if diff := cmp.Diff(want, edges); diff != "" {
		t.Error(diff)
	}
	if !g.Empty() || g.Due(p) != Never {
		t.Error("still held:", g.Due(p))
	}
}

func TestWithoutWhenItHoldsUntilQuietForTheWindow(t *testing.T) {
	p := planOf(t, `match: boom, window: 15m`)
	var reasons []string
	g := p.NewGroup(0)
	g.Add(p, Event{Time: 0})
	g.Add(p, Event{Time: 600 * second})
	g.Sweep(p, 5000*second, nil, func(e Edge) { reasons = append(reasons, time.Duration(e.At).String()+" "+e.Reason) })
	if want := []string{"0s 1 in 15m", "25m0s quiet for 15m"}; !slices.Equal(reasons, want) {
		t.Errorf("%q", reasons)
	}
}
