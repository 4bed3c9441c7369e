package window

import "testing"

// While an alert is active no one looks ahead, but events go on coming out of order: those that are
// older than the window that was looked at last are none of its.
func TestOldEventIsNotInWindow(t *testing.T) {
	r := ruleOf(t, "match: a, window: 10s, when: 'max(n) > 5'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	add := func(at int64) { g.Add(p, new(eventOf(p, r, &sample{at: at * second, num: 8}))) }
	add(100)
	if e, ok := g.Eager(p); !ok || e.At != 100*second {
		t.Fatalf("it looks ahead to %+v", e)
	}
	var edges []int64
	for _, step := range []struct{ event, sweep int64 }{{3, 20}, {25, 40}, {45, 90}, {95, 300}} {
		add(step.event)
		g.Sweep(p, step.sweep*second, nil, func(e Edge) { edges = append(edges, e.At/second) })
	}
	want := []int64{3, 13, 25, 35, 45, 55, 95, 110}
	if len(edges) != len(want) {
		t.Fatalf("it changes at %d, want %d", edges, want)
	}
	for i := range want {
		if edges[i] != want[i] {
			t.Errorf("it changes at %d, want %d", edges, want)
		}
	}
}
