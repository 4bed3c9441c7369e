package window

import (
	"math"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// counting is the condition that the window holds n events or more, which most rules are about. It
// is decided from the times alone, so it needs no more state than them: the window holds n at T if
// the n-th newest time not after T is still inside.
type counting struct {
	n     int
	shown *rule.Binary // nil for any match
}

// countingOf is the counting that a rule amounts to, or nil.
func countingOf(r *rule.Rule) *counting {
	if r.Every > 0 || len(r.Sequence) > 0 || r.Resolve.Match != nil || r.Resolve.When != nil ||
		len(r.Levels) > 0 {
		return nil
	}
	if r.When == nil {
		return &counting{n: 1}
	}
	b, _ := r.When.(*rule.Binary)
	if b == nil {
		return nil
	}
	call, _ := b.Left.(*rule.Call)
	limit, _ := b.Right.(*rule.Number)
	if call == nil || limit == nil || call.Func != "count" || call.Filter != nil ||
		call.Offset != 0 ||
		call.Over != 0 ||
		limit.Value < 0 ||
		limit.Value > 1e6 {
		return nil
	}
	n := int(limit.Value) // the least whole number that satisfies the comparison
	switch whole := float64(n) == limit.Value; {
	case b.Op == ">" || b.Op == ">=" && !whole:
		n++
	case b.Op != ">=":
		return nil
	}
	if n == 0 {
		return nil
	}
	return &counting{n, b}
}

// enters is the first instant from from on at which the window holds n times, or Never. The times
// are in order.
func (c *counting) enters(times []int64, window, from int64) int64 {
	if c.holds(times, window, from) {
		return from
	}
	for j := max(after(times, from), c.n-1); j < len(times); j++ {
		if times[j]-times[j-c.n+1] < window {
			return times[j]
		}
	}
	return Never
}

// leaves is the first instant after at, at which the window holds n times, at which it does not.
func (c *counting) leaves(times []int64, window, at int64) int64 {
	hi := after(times, at)
	for hi < len(times) && times[hi] <= times[hi-c.n]+window {
		hi++
	}
	return times[hi-c.n] + window
}

func (c *counting) holds(times []int64, window, at int64) bool {
	hi := after(times, at)
	return hi >= c.n && times[hi-c.n] > at-window
}

// after is the number of times not after at.
func after(times []int64, at int64) int {
	if n := len(times); n == 0 || times[n-1] <= at {
		return n
	}
	i, _ := slices.BinarySearch(times, at+1)
	return i
}

// thinAbove is how many times a group of a counting rule may hold before it is thinned.
const thinAbove = 4096

// thin drops times that can never decide, whatever else arrives. Of each half window it keeps the
// first n and the last n: a window covers whole halves, the end of one and the beginning of
// another, and each of these holds n or as many as before.
func (c *counting) thin(times []int64, window int64, dropped func(times []int64)) []int64 {
	half, kept := max(window/2, 1), times[:0]
	for len(times) > 0 {
		slot := Floor(times[0], half)
		n := after(times, slot+half-1)
		if n <= 2*c.n {
			kept = append(kept, times[:n]...)
		} else {
			dropped(times[c.n : n-c.n])
			kept = append(append(kept, times[:c.n]...), times[n-c.n:n]...)
		}
		times = times[n:]
	}
	return kept
}

// Floor is the greatest multiple of step not after t.
func Floor(t, step int64) int64 {
	if r := t % step; r < 0 {
		return t - r - step
	} else {
		return t - r
	}
}

func (g *Group) insert(p *Condition, t int64) {
	at := g.note(t)
	g.touched = min(g.touched, int32(at))
	if len(g.times) > thinAbove+8*p.count.n {
		g.times, g.touched = p.count.thin(g.times, p.window, g.dropped), 0
	}
}

// eagerCount looks at the runs of n times of which a new one is part.
func (g *Group) eagerCount(p *Condition) (Edge, bool) {
	touched := int(g.touched)
	g.touched = math.MaxInt32
	if touched >= len(g.times) || len(g.times) < p.count.n {
		return Edge{}, false
	}
	at := p.count.enters(g.times[max(0, touched-p.count.n+1):], p.window,
		max(g.swept+1, g.times[touched]))
	if at == Never {
		return Edge{}, false
	}
	return g.countEdge(p, at, true), true
}

func (g *Group) sweepCount(p *Condition, upTo int64, each func(Edge)) {
	for at := g.changeCount(p); at <= upTo; at = g.changeCount(p) {
		g.late = g.late && at == g.swept+1
		g.swept, g.up = at, !g.up
		each(g.countEdge(p, at, g.up))
		g.late = false
	}
	g.swept, g.late = upTo, false
}

// changeCount is the first instant after swept at which truth changes, or Never.
func (g *Group) changeCount(p *Condition) int64 {
	if g.up {
		return p.count.leaves(g.times, p.window, g.swept)
	}
	return p.count.enters(g.times, p.window, g.swept+1)
}

func (g *Group) countEdge(p *Condition, at int64, holds bool) Edge {
	n := g.within(p, at)
	e := Edge{At: at, Holds: holds, Late: g.late, Value: float64(n), Count: int64(n), Level: -1}
	e.Threshold, e.Reason = p.count.describe(p, n, holds)
	return e
}

// dueCount is the next change or, when there is none, the instant at which the last event has left.
func (g *Group) dueCount(p *Condition) (at int64, expires bool) {
	switch {
	case g.late:
		return g.swept + 1, false
	case len(g.times) == 0:
		return Never, false
	case !g.up && len(g.times) < p.count.n: // as of nearly all groups
		return g.times[len(g.times)-1] + p.window, true
	}
	if at := g.changeCount(p); at != Never {
		return at, false
	}
	return g.times[len(g.times)-1] + p.window, true
}
