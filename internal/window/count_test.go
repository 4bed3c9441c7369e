package window

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// planOf compiles a rule that stands in a file as such.
func planOf(t testing.TB, text string) *Condition {
	t.Helper()
	set, err := rule.Read(
		"test.rules.yml",
		[]byte("groups: [{name: g, rules: [{alert: A, "+text+"}]}]"),
	)
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
func edgesOf(p *Condition, times ...int64) (up []int64) {
	g := p.NewGroup(times[0] * second)
	for _, at := range times {
		g.Add(p, &Event{Time: at * second})
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

func TestAlertCarriesCompletingEvent(t *testing.T) {
	p := planOf(t, `when: count() >= 3, window: 5m`)
	g := p.NewGroup(0)
	for i, at := range []int64{60, 20} {
		g.Add(p, &Event{Time: at * second})
		if e, ok := g.Eager(p); ok {
			t.Errorf("after %d events: %+v", i+1, e)
		}
	}
	g.Add(p, &Event{Time: 40 * second})
	got, ok := g.Eager(p)
	want := Edge{
		At:        60 * second,
		Holds:     true,
		Value:     3,
		Threshold: ">= 3",
		Reason:    "3 >= 3 in 5m",
		Count:     3,
		Level:     -1,
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

func TestLateEventCountsFromWatermark(t *testing.T) {
	p := planOf(t, `when: count() > 1, window: 1m`)
	g := p.NewGroup(0)
	var edges []Edge
	sweep := func(at int64) {
		g.Sweep(p, at*second, nil, func(e Edge) { edges = append(edges, e) })
	}
	sweep(0)
	g.Add(p, &Event{Time: 100 * second})
	sweep(130)
	if got := g.Add(p, &Event{Time: 110 * second}); got != Late {
		t.Error("an event before the watermark is", got)
	}
	if e, ok := g.Eager(p); !ok || e.At != 130*second+1 || !e.Late {
		t.Error(e, ok)
	}
	if got := g.Add(p, &Event{Time: 70 * second}); got != TooLate {
		t.Error("an event that has left is", got)
	}
	sweep(200)
	want := []Edge{
		{
			At:        130*second + 1,
			Holds:     true,
			Late:      true,
			Value:     2,
			Threshold: "> 1",
			Reason:    "2 > 1 in 1m",
			Count:     2,
			Level:     -1,
		},
		{At: 160 * second, Value: 1, Threshold: "> 1", Reason: "1 in 1m", Count: 1, Level: -1},
	}
	if diff := cmp.Diff(want, edges); diff != "" {
		t.Error(diff)
	}
	if !g.Empty() || g.Due(p) != Never {
		t.Error("still held:", g.Due(p))
	}
}

func TestRuleWithoutWhenResolvesWhenQuiet(t *testing.T) {
	p := planOf(t, `match: boom, window: 15m`)
	var reasons []string
	g := p.NewGroup(0)
	g.Add(p, &Event{Time: 0})
	g.Add(p, &Event{Time: 600 * second})
	g.Sweep(p, 5000*second, nil, func(e Edge) {
		reasons = append(reasons, time.Duration(e.At).String()+" "+e.Reason)
	})
	if want := []string{"0s 1 in 15m", "25m0s quiet for 15m"}; !slices.Equal(reasons, want) {
		t.Errorf("%q", reasons)
	}
}

func TestCountingAgreesWithTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, window := rapid.IntRange(1, 5).
			Draw(t, "least"),
			rapid.Int64Range(1, 12).
				Draw(t, "window")
		r := ruleOf(t, fmt.Sprintf("match: boom, window: %ds, when: count() >= %d", window, n))
		p, _ := Compile(r)
		lateness := 4 * second
		list := drawSamples(t, 40)
		var got []string
		g := p.NewGroup(0)
		g.Sweep(p, -lateness, nil, nil)
		newest := int64(0)
		each := func(e Edge) {
			got = append(got, fmt.Sprint(e.At, e.Holds))
			for _, at := range []int64{e.At, e.At - p.Span()} {
				if had := g.Entered(at); (e.Holds || at == e.At) && had != entered(list, at) {
					t.Fatalf("at %d there were %d events, not %d", at, entered(list, at), had)
				}
			}
		}
		var so []sample
		open := false
		for _, s := range arrive(t, list, lateness) {
			s.own = true
			if g.Add(p, new(eventOf(p, r, &s))) != OnTime {
				t.Fatal("late")
			}
			so = append(so, s)
			d := define(r, p, so)
			e, found := g.Eager(p)
			if found && (e.At <= g.SweptTo() || !d.truth(r.When, true, e.At)) {
				t.Fatalf("it does not hold at %d", e.At)
			}
			for at := max(s.at, g.SweptTo()+1); at < s.at+window*second && !found; at += second {
				if d.truth(r.When, true, at) {
					t.Fatalf("holds at %d with the event at %d, but is not found", at, s.at)
				}
			}
			open = open || found
			newest = max(newest, s.at)
			if rapid.Bool().Draw(t, "sweep") {
				g.Sweep(p, newest-lateness, nil, each)
			}
			if rapid.IntRange(0, 3).Draw(t, "thin") == 0 {
				g.times = p.count.thin(g.times, p.window, g.dropped)
			}
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				var err error
				if g, err = p.Decode(g.Append(nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		g.Sweep(p, 200*second, nil, each)
		for i := range list {
			list[i].own = true
		}
		d := define(r, p, list)
		d.known = 0
		want := d.edges(func(at int64) bool {
			return d.truth(r.When, true, at)
		}, 200*second, second)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if open != (len(got) > 0) {
			t.Fatal("what was said early is not confirmed, or the other way round")
		}
	})
}

func TestFloodKeepsDecidingEventsOnly(t *testing.T) {
	p := planOf(t, `when: count() > 10, window: 5m`)
	g := p.NewGroup(0)
	for i := range int64(200_000) { // a thousand a second, and the watermark stands still
		g.Add(p, &Event{Time: i * int64(time.Millisecond)})
	}
	if g.Bytes() > 100_000 {
		t.Errorf("it takes %d bytes", g.Bytes())
	}
	var edges []int64
	g.Sweep(p, 1000*second, nil, func(e Edge) {
		edges = append(edges, e.At/int64(time.Millisecond))
	})
	if want := []int64{10, 499_989}; !slices.Equal(edges, want) {
		t.Errorf("edges at %d, not %d", edges, want)
	}
	if n := g.Entered(1000 * second); n != 200_000 || g.state != nil {
		t.Errorf("it has had %d events", n)
	}
}
