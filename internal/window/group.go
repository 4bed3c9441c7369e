package window

import (
	"math"
	"slices"
)

// Group is the state of one group of one rule. Its plan, which it does not hold, is given to every method.
type Group struct {
	known   int64   // since when the key is known
	swept   int64   // truth is final up to here
	times   []int64 // of a counting rule: in order
	touched int32   // of a counting rule: the first of times that was not looked at eagerly
	up      bool    // the truth at swept
	late    bool    // a late event has entered since
	thinned bool    // times are fewer than there were
}

// NewGroup returns the state of a group whose key is known since an instant: that of its first event, or an earlier one, such as the start of a rule that expects
// the key. Sweep it to the watermark before the first event is added, so that it can tell what is late.
func (p *Plan) NewGroup(known int64) *Group {
	return &Group{known: known, swept: unswept, touched: math.MaxInt32}
}

// Known is the event time since which the key is known.
func (g *Group) Known() int64 { return g.known }

// Swept is the instant up to which truth is final.
func (g *Group) Swept() int64 { return g.swept }

// True is the truth at the instant up to which it is final.
func (g *Group) True() bool { return g.up }

// Add takes an event in. It keeps nothing that the event refers to.
func (g *Group) Add(p *Plan, ev Event) Arrival {
	g.known = min(g.known, ev.Time)
	if ev.Time+p.retains <= g.swept+1 {
		return Refused
	}
	g.insert(ev.Time)
	if len(g.times) > thinAbove+8*p.count.n {
		g.times, g.touched, g.thinned = p.count.thin(g.times, p.window), 0, true
	}
	if ev.Time > g.swept {
		return InTime
	}
	g.late = true
	return Late
}

func (g *Group) insert(t int64) {
	at := after(g.times, t)
	if at == len(g.times) {
		g.times = append(g.times, t)
	} else {
		g.times = slices.Insert(g.times, at, t)
	}
	g.touched = min(g.touched, int32(at))
}

// Eager says whether, for what is known now, the condition holds at an instant that is not yet swept, and yields the first one. To be asked after Add, as long as
// no alert is open, and only of an eager plan.
func (g *Group) Eager(p *Plan) (Edge, bool) {
	from := g.swept + 1
	touched := int(g.touched)
	g.touched = math.MaxInt32
	if touched >= len(g.times) || len(g.times) < p.count.n {
		return Edge{}, false
	}
	at := p.count.enters(g.times[max(0, touched-p.count.n+1):], p.window, max(from, g.times[touched]))
	if at == Never {
		return Edge{}, false
	}
	return g.edge(p, at, true), true
}

// Sweep advances to the watermark, and yields every change of truth after the last one, in order.
func (g *Group) Sweep(p *Plan, upTo int64, env Env, each func(Edge)) {
	if upTo <= g.swept {
		return
	}
	for at := g.change(p); at <= upTo; at = g.change(p) {
		g.swept, g.up, g.late = at, !g.up, g.late && at == g.swept+1
		each(g.edge(p, at, g.up))
		g.late = false
	}
	g.swept, g.late = upTo, false
	g.forget(p)
}

// change is the first instant after swept at which truth changes, or Never.
func (g *Group) change(p *Plan) int64 {
	if g.up {
		return p.count.leaves(g.times, p.window, g.swept)
	}
	return p.count.enters(g.times, p.window, g.swept+1)
}

// forget drops what has left the window for good.
func (g *Group) forget(p *Plan) {
	gone := after(g.times, g.swept-p.window)
	switch {
	case gone == 0:
	case gone == len(g.times):
		g.times = nil
	default:
		g.times = append(g.times[:0], g.times[gone:]...)
	}
}

func (g *Group) edge(p *Plan, at int64, holds bool) Edge {
	n := after(g.times, at) - after(g.times, at-p.window)
	e := Edge{At: at, True: holds, Late: g.late, Value: float64(n), Count: int64(n)}
	e.Threshold, e.Reason = p.count.tell(p, n, holds)
	return e
}

// Due is the first instant at which Sweep may yield an edge, or at which the group is empty; Never if there is none before another event is added.
func (g *Group) Due(p *Plan) int64 {
	if g.late {
		return g.swept + 1
	}
	if len(g.times) == 0 {
		return Never
	}
	if at := g.change(p); at != Never {
		return at
	}
	return g.times[len(g.times)-1] + p.window
}

// Value is the left side of the deciding comparison at an instant, for graphs and explanations; NaN when it is undefined. Of instants before the watermark less
// the window it knows too little.
func (g *Group) Value(p *Plan, at int64) float64 {
	return float64(after(g.times, at) - after(g.times, at-p.window))
}

// Empty says that the group holds nothing that a new one would not: it may be dropped, unless the plan is Known and the key is still to be watched.
func (g *Group) Empty() bool { return len(g.times) == 0 && !g.up }

// Bytes is the memory that the group takes, about.
func (g *Group) Bytes() int { return 64 + 8*cap(g.times) }
