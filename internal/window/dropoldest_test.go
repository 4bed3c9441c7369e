package window

import "testing"

func TestFloodDropsOldestEvents(t *testing.T) {
	r := ruleOf(t, "match: a, window: 1h, when: 'avg(n) > 5 and max(n) < 10'")
	p, err := Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	g := p.NewGroup(0)
	for i := range int64(maxEvents + 10) { // all of them ahead of the watermark
		s := sample{at: i * 1000, num: float64(i % 10), user: []string{"a"}}
		g.Add(p, new(eventOf(p, r, &s)))
	}
	if n := len(g.state.series[0].times); n > maxEvents {
		t.Error("it holds", n)
	}
	g.Sweep(p, maxEvents*2000, nil, func(Edge) {})
	if n := len(g.state.series[0].times); n > paneLimit {
		t.Error("it still holds", n)
	}
	if got := g.Value(p, maxEvents*2000, nil); got < 4.49 || got > 4.51 {
		t.Error("average is", got)
	}
	g.Sweep(p, 5000*second, nil, func(Edge) {})
	for i := range g.state.final.cursors {
		if cur := &g.state.final.cursors[i]; cur.lo != cur.hi ||
			len(g.state.series[p.calls[i].series].times) > 0 {
			t.Errorf("window %d is not empty: %+v", i, cur)
		}
	}
}
