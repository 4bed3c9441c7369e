package window

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkConditions is what an event costs in a busy group: a thousand events a second over five
// minutes, swept ten times a second.
func BenchmarkConditions(b *testing.B) {
	for _, when := range []string{
		"count() > 1000000", "count(f:x) > 1000000", "count(f:x) / count() > 90% and count() >= 10",
		"distinct(u) > 1000000", "avg(n) > 1000", "max(n) > 1000",
		"p99(n) > 1000 and count() >= 10",
		"stddev(n) > 1000", "new(u) > 1000", "changed(u) > 1000000",
	} {
		b.Run(when, func(b *testing.B) {
			r := ruleOf(b, "match: a, window: 5m, when: '"+when+"'")
			p, err := Compile(r)
			if err != nil {
				b.Fatal(err)
			}
			events := make([]Event, 10_000)
			for i := range events {
				s := sample{
					num:  float64(i*7919%1000) / 3,
					kind: []string{"x", "y"}[i%2],
					user: []string{fmt.Sprint("user", i*7919%5000)},
				}
				events[i] = eventOf(p, r, &s)
			}
			g := p.NewGroup(0)
			add := func(i int) {
				ev := events[i%len(events)]
				ev.Time, ev.Order.Offset = int64(i)*int64(time.Millisecond), int64(i)
				g.Add(p, &ev)
				g.Eager(p)
				if i%100 == 99 {
					g.Sweep(p, ev.Time-10*second, nil, func(Edge) {})
				}
			}
			i := 0
			for ; i < 310_000; i++ {
				add(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				add(i)
				i++
			}
			b.ReportMetric(float64(g.Bytes()), "B/group")
		})
	}
}

// BenchmarkFlood is what an event costs in a group in which every pane of the window is high-volume
// and every value is another one.
func BenchmarkFlood(b *testing.B) {
	for _, when := range []string{
		"distinct(u) > 50", "distinct(u) > 1000000", "distinct(u) > count() / 2 and count() > 10",
		"p99(n) > 100000", "p99(n) > 100000 * p50(n)",
	} {
		b.Run(when, func(b *testing.B) {
			r := ruleOf(b, "match: a, window: 5m, when: '"+when+"'")
			p, err := Compile(r)
			if err != nil {
				b.Fatal(err)
			}
			g, i := p.NewGroup(0), 0
			add := func() {
				s := sample{
					at:    int64(i) * int64(time.Millisecond) / 10,
					order: Order{Offset: int64(i)},
					num:   float64(i * 7919 % 100_003),
					user:  []string{fmt.Sprint("user", i)},
				}
				g.Add(p, new(eventOf(p, r, &s)))
				g.Eager(p)
				if i++; i%1000 == 0 {
					g.Sweep(p, s.at-10*second, nil, func(Edge) {})
				}
			}
			for range 500_000 {
				add()
			}
			b.ReportAllocs()
			for b.Loop() {
				add()
			}
			b.ReportMetric(float64(g.Bytes()), "B/group")
		})
	}
}

// BenchmarkMillionGroups is a counting rule with a million live groups, in a slab as an engine
// keeps them, with four events each. Finding the group of a key is the engine's affair and not
// counted, but every update goes to another place in memory.
func BenchmarkMillionGroups(b *testing.B) {
	const groups = 1_000_000
	p := planOf(b, "when: count() > 10, window: 5m")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	slab := make([]Group, groups)
	for i := range slab {
		slab[i] = *p.NewGroup(0)
	}
	const step = 300 * second / (4 * groups)
	now, longest := int64(0), time.Duration(0)
	add := func(i int) {
		now += step
		g := &slab[i*524_287%groups]
		if g.Due(p) <= now-10*second || now-g.SweptTo() > 300*second {
			g.Sweep(p, now-10*second, nil, func(Edge) {})
		}
		g.Add(p, &Event{Time: now})
		g.Eager(p)
	}
	i := 0
	for ; i < 8*groups; i++ {
		add(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		add(i)
		i++
	}
	b.StopTimer()
	start := time.Now()
	runtime.GC()
	longest = time.Since(start)
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/groups, "B/group")
	b.ReportMetric(float64(longest.Milliseconds()), "ms/GC")
	runtime.KeepAlive(slab)
}
