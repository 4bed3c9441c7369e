package window

import (
	"encoding/binary"
	"math"
	"slices"
)

// How many logs an alert is about does not depend on when they came. So a group knows how many
// events it has had up to any instant of which it may still be asked: those whose times it keeps,
// and the number of those before. What an alert counts is the difference between two instants.

// Entered is how many events the group has had up to an instant. Of instants before the watermark
// less the window it knows too little.
func (g *Group) Entered(at int64) int64 {
	n := g.gone + int64(after(g.times, at))
	if g.state != nil && g.state.logs != nil {
		n += g.state.logs.count(after(g.state.logs.times, at))
	}
	if g.thinned {
		for _, d := range g.state.thinned {
			if d.at <= at {
				n += d.n
			}
		}
	}
	return n
}

// EnteredBefore is how many events the group had had that an alert which begins at an instant does
// not count: those before the span, and before the instant of an event that resolved. Of very many
// events it is coarser, see paneLimit.
func (g *Group) EnteredBefore(p *Condition, at int64) int64 {
	from := at - p.Span()
	if g.state == nil {
		return g.Entered(from)
	}
	if n := resetsUntil(g.state.resets, at); n > 0 {
		from = max(from, g.state.resets[n-1].at-1)
	}
	logs := g.state.logs
	if logs == nil {
		return g.Entered(from)
	}
	return g.gone + logs.count(g.state.left(p, &p.logs, logs, from))
}

// Span is how far back from its beginning an alert counts events: the window or, of a sequence, the
// longest that it may take.
func (p *Condition) Span() int64 {
	if p.sequence != nil {
		return p.sequence.keep()
	}
	return p.window
}

// within is how many events there are in the window at an instant.
func (g *Group) within(p *Condition, at int64) int {
	if st := g.state; st != nil && (st.logs != nil || len(st.resets) > 0) {
		return int(g.Entered(at) - g.EnteredBefore(p, at))
	}
	return after(g.times, at) - after(g.times, at-p.Span())
}

// note puts a time among the others, and returns its place.
func (g *Group) note(t int64) int {
	at := after(g.times, t)
	// nearly all groups are small, and there may be millions
	if n := len(g.times); n == cap(g.times) && n < 16 {
		g.times = append(make([]int64, 0, n+min(max(n, 1), 2)), g.times...)
	}
	if at == len(g.times) {
		g.times = append(g.times, t)
	} else {
		g.times = slices.Insert(g.times, at, t)
	}
	return at
}

// enter counts an event of a rule that is more than counting, if any part of its condition looks at
// it.
func (g *Group) enter(p *Condition, ev *Event) {
	if p.ownFilter >= 0 && ev.Bits>>p.ownFilter&1 == 0 ||
		p.lookedAt != 0 && p.lookedAt&ev.Bits == 0 {
		return
	}
	st := g.state
	if st.logs == nil {
		if g.note(ev.Time); len(g.times) > p.paneLimit {
			st.logs, g.times = &series{times: g.times}, nil
		}
		return
	}
	st.logs.add(&p.logs, ev, Value{})
	if n := len(st.logs.times); n > maxTimes {
		g.cutLogs(after(st.logs.times, st.logs.times[n/4]))
	}
}

// cutLogs drops the first n events, as they stand.
func (g *Group) cutLogs(n int) {
	logs := g.state.logs
	g.gone += logs.count(n)
	if logs.cut(n); len(logs.times) == 0 {
		g.state.logs = nil
	}
}

// evictLogs is evict for the events of a group that has very many.
func (g *Group) evictLogs(p *Condition) {
	st := g.state
	switch n := st.left(p, &p.logs, st.logs, g.swept-p.Span()); {
	case n == len(st.logs.times) || n >= (len(st.logs.times)+1)/2:
		g.cutLogs(n)
	}
	if st.logs != nil {
		st.fold(p, &p.logs, st.logs, g.swept)
	}
}

// evict drops the times that no count begins after, once they are half of all, so that each time
// is moved no more than once.
func (g *Group) evict(p *Condition) {
	until := g.swept - p.Span()
	switch {
	case g.thinned:
		g.compactThinned(until)
	case g.state != nil && g.state.logs != nil:
		g.evictLogs(p)
		return
	}
	switch n := after(g.times, until); {
	case n == len(g.times):
		g.gone += int64(n)
		g.times, g.touched = nil, math.MaxInt32
	case n >= (len(g.times)+1)/2:
		g.cut(n)
	}
}

// cut drops the first n times.
func (g *Group) cut(n int) {
	g.gone += int64(n)
	g.times = append(g.times[:0], g.times[n:]...)
	// what came while an alert was open is checked when it ends
	if g.touched != math.MaxInt32 {
		g.touched = max(0, g.touched-int32(n))
	}
}

// leaves is when the last of the times is dropped.
func (g *Group) leaves(p *Condition) int64 {
	times := g.times
	if g.state != nil && g.state.logs != nil {
		times = g.state.logs.times
	}
	if n := len(times); n > 0 {
		return times[n-1] + p.Span()
	}
	return unswept
}

// thinned is events that a counting rule dropped because they decide nothing: how many, and the
// instant from which on they count.
type thinned struct{ at, n int64 }

// dropped takes note of events that are dropped: those of the first instant, at which an alert may
// begin, and all others at the instant of the last, since it can neither begin nor end between
// them.
func (g *Group) dropped(times []int64) {
	if !g.thinned {
		g.state, g.thinned = &state{}, true
	}
	first := after(times, times[0])
	g.state.thinned = append(g.state.thinned, thinned{times[0], int64(first)})
	if rest := times[first:]; len(rest) > 0 {
		g.state.thinned = append(g.state.thinned, thinned{rest[len(rest)-1], int64(len(rest))})
	}
}

func (g *Group) compactThinned(until int64) {
	g.state.thinned = slices.DeleteFunc(g.state.thinned, func(d thinned) bool {
		if d.at > until {
			return false
		}
		g.gone += d.n
		return true
	})
	if len(g.state.thinned) == 0 {
		g.state, g.thinned = nil, false
	}
}

func (st *state) appendThinned(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(st.thinned)))
	for _, d := range st.thinned {
		dst = binary.AppendUvarint(binary.AppendVarint(dst, d.at), uint64(d.n))
	}
	return dst
}

func (r *reading) thinned() (list []thinned) {
	for range r.Count() {
		list = append(list, thinned{r.time(), r.count()})
	}
	return list
}
