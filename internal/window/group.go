package window

import "math"

// Group is the state of one group of one rule. Its condition, which it does not hold, is given to
// every method.
type Group struct {
	swept   int64   // truth is final up to here
	times   []int64 // of the events, in order, as far back as an alert counts
	gone    int64   // events that are no longer among times
	state   *state  // what a counting rule needs no more than when it is thinned
	touched int32   // of a counting rule: the first of times that was not looked at eagerly
	up      bool    // the truth at swept
	late    bool    // a late event has entered since
	thinned bool    // of a counting rule: times are fewer than there were
}

// NewGroup returns the state of a group whose key is known since an instant: that of its first
// event, or an earlier one, such as the start of a rule that expects the key; Unknown if its first
// event does not make it known. Sweep it to the watermark before the first event is added, so that
// it can tell what is late.
func (p *Condition) NewGroup(known int64) *Group {
	g := &Group{swept: unswept, touched: math.MaxInt32}
	if p.count == nil {
		g.state = p.newState()
		g.state.known = known
	}
	return g
}

// Know makes the key of the group known since an instant, if it was not known before.
func (g *Group) Know(since int64) {
	if g.state != nil && !g.thinned {
		g.state.known = min(g.state.known, since)
	}
}

// KnownSince is since when the key of the group is known, as far as its rule asks for it; Unknown
// if it is not.
func (g *Group) KnownSince() int64 {
	if g.state == nil || g.thinned {
		return Unknown
	}
	return g.state.known
}

// WaitsFor is the time of the newest event that resolves and is not swept yet; before all events if
// there is none.
func (g *Group) WaitsFor() int64 {
	if g.state == nil || len(g.state.resolves) == 0 {
		return unswept
	}
	return g.state.resolves[len(g.state.resolves)-1].at
}

// SweptTo is the instant up to which truth is final.
func (g *Group) SweptTo() int64 { return g.swept }

// Newest is the time of the newest event that it keeps; 0 if there is none.
func (g *Group) Newest() int64 {
	times := g.times
	if g.state != nil && g.state.logs != nil { // very many
		times = g.state.logs.times
	}
	if n := len(times); n > 0 {
		return times[n-1]
	}
	return 0
}

// Holds is the truth at the instant up to which it is final.
func (g *Group) Holds() bool { return g.up }

// Add adds an event. It keeps neither the event nor anything that it refers to.
func (g *Group) Add(p *Condition, ev *Event) Arrival {
	if ev.Time+p.retains <= g.swept+1 {
		return TooLate
	}
	late := ev.Time <= g.swept
	if p.count != nil {
		g.insert(p, ev.Time)
	} else {
		g.state.add(p, ev, late)
		g.enter(p, ev)
	}
	if !late {
		return OnTime
	}
	g.late = true
	return Late
}

// Eager says whether, for what is known now, the condition holds at an instant that is not yet
// swept, and yields the first one that it finds. It is to be asked after Add, as long as no alert
// is open. It is cheap when the answer is no: then it may miss an instant between events that
// arrived out of order, which Sweep finds. Of a condition that is not eager the answer is always
// no.
func (g *Group) Eager(p *Condition) (Edge, bool) {
	switch {
	case !p.eager:
		return Edge{}, false
	case p.count != nil:
		return g.eagerCount(p)
	}
	return g.eager(p)
}

// Renew restarts the group: events until the watermark no longer count, and its key is known since
// an instant after that.
func (g *Group) Renew(p *Condition, known int64) {
	g.up, g.late = false, false
	if p.count != nil {
		return
	}
	st := g.state
	for i := range st.series {
		s := &st.series[i]
		s.cut(after(s.times, g.swept))
		s.pruned = nil
		s.evictSeen(g.swept)
	}
	st.steps.cut(after(st.steps.times, g.swept))
	for i := range st.history {
		st.history[i] = history{}
	}
	st.known, st.resets, st.recovered, st.spent, st.level = known, nil, false, false, -1
	st.evaluationDue, st.earlyFrom = false, g.swept+1
	st.final = p.newView()
	st.final.start(p, st, g.swept)
	if st.early != nil {
		st.early.chain = nil
		st.early.start(p, st, g.swept)
	}
}

// Sweep advances to the watermark, and yields every change of truth after the last one, in order.
// Then it forgets.
func (g *Group) Sweep(p *Condition, upTo int64, env Env, each func(Edge)) {
	if upTo > g.swept {
		g.Decide(p, upTo, env, each)
		g.Evict(p)
	}
}

// Decide is Sweep without the end: until Evict, Entered still knows of every instant since the
// watermark before.
func (g *Group) Decide(p *Condition, upTo int64, env Env, each func(Edge)) {
	switch {
	case upTo <= g.swept:
	case p.count != nil:
		g.sweepCount(p, upTo, each)
	default:
		g.sweep(p, upTo, env, each)
	}
}

// Evict drops what does not matter after the watermark.
func (g *Group) Evict(p *Condition) {
	if p.count == nil {
		g.state.compact(p, g.swept)
	}
	g.evict(p)
}

// Due is the first instant at which Sweep may yield an edge, or at which the group may have become
// empty; Never if there is none before another event is added. A condition that asks about another
// alert is also due whenever that changes.
func (g *Group) Due(p *Condition) int64 {
	at, _ := g.Next(p, nil)
	return at
}

// Next is Due, and says whether nothing can change then: the group only expires.
func (g *Group) Next(p *Condition, env Env) (at int64, expires bool) {
	if p.count != nil {
		return g.dueCount(p)
	}
	if at := g.next(p, env); at != Never {
		return at, false
	}
	if at := max(g.state.expires(p), g.leaves(p)); at > g.swept {
		return at, true
	}
	return Never, false
}

// Value is the value of the condition at an instant, for graphs and explanations; NaN when it is
// undefined. Of instants before the watermark less the window it knows too little.
func (g *Group) Value(p *Condition, at int64, env Env) float64 {
	if p.count != nil {
		return float64(g.within(p, at))
	}
	x := g.instant(p, at, env)
	if c := p.when.leading(x); c != nil {
		return c.left.value(x)
	}
	return math.NaN()
}

// DecidingValue is Value, and what it is held against.
func (g *Group) DecidingValue(p *Condition, at int64, env Env) (value float64, threshold string) {
	if p.count != nil {
		n := g.within(p, at)
		threshold, _ = p.count.describe(p, n, true)
		return float64(n), threshold
	}
	x := g.instant(p, at, env)
	c := p.when.leading(x)
	if c == nil {
		return math.NaN(), ""
	}
	value, threshold, _ = p.compared(c, x, true)
	return value, threshold
}

// EdgeAt describes the condition, which holds, at an instant at which an alert fires without a
// change of truth: after a time, or with the hours of its rule.
func (g *Group) EdgeAt(p *Condition, at int64, env Env) Edge {
	if p.count != nil {
		return g.countEdge(p, at, true)
	}
	return p.edge(g.instant(p, at, env), true)
}

// instant places the windows at an instant, by those of the sweep if they stand there.
func (g *Group) instant(p *Condition, at int64, env Env) *instant {
	v := g.state.final
	if at < v.at || g.state.moves(p, at) {
		v = p.newView()
		v.start(p, g.state, at)
	}
	return &instant{p: p, g: g, v: v, at: at, env: env}
}

// Empty says that the group holds nothing that a new one would not: it may be dropped, unless the
// condition is Known and the key is still to be watched.
func (g *Group) Empty() bool {
	return !g.up && !g.late && len(g.times) == 0 && (g.state == nil || g.thinned || g.state.empty())
}

// Bytes estimates the memory that the group takes.
func (g *Group) Bytes() int {
	n := 64 + 8*cap(g.times)
	if g.state != nil {
		n += g.state.bytes()
	}
	return n
}
