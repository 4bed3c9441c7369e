package window

// view is a position in event time and the windows of all calls there. A group has one at the
// watermark and, if its condition is eager, one at the newest event.
type view struct {
	at      int64
	cursors []cursor
	chain   *chain // of a sequence
}

// cursor is the window of one call: events lo to hi of its series, and what they add up to.
type cursor struct {
	lo, hi   int
	folded   int // events in aggregates beyond one for each
	headroom int // so many more events may enter before a pane can be high-volume
	next     departure
	acc      accumulator
}

// departure is when events of a pane, after begin and until end, leave: if it is high-volume, all
// with the last of them. The zero value is about no pane.
type departure struct {
	begin, end, last int64
	highVolume       bool
}

// size is how many events there are in the window.
func (cur *cursor) size() int { return cur.hi - cur.lo + cur.folded }

func (cur *cursor) enter(s *series, i int) {
	cur.folded += s.weight(i)
	cur.headroom--
	if cur.acc != nil {
		cur.acc.add(s, i)
	}
}

// highVolume says whether a pane of the window is, as far as its events have entered.
func (cur *cursor) highVolume(p *Condition, st *state, series int) bool {
	switch {
	case cur.folded > 0:
		return true
	case cur.headroom > 0 || cur.hi-cur.lo <= p.paneLimit:
		return false
	}
	s, most := &st.series[series], 0
	for at := cur.lo; at < cur.hi; {
		_, end := st.pane(p, s.times[at])
		past := min(after(s.times, end), cur.hi)
		most = max(most, past-at)
		at = past
	}
	cur.headroom = p.paneLimit - most
	return most > p.paneLimit
}

func (cur *cursor) leave(s *series, i int) {
	cur.folded -= s.weight(i)
	if cur.acc != nil {
		cur.acc.remove(s, i)
	}
}

func (p *Condition) newView() *view {
	v := &view{at: unswept, cursors: make([]cursor, len(p.calls))}
	for i := range p.calls {
		v.cursors[i].acc = p.calls[i].accumulate(p)
	}
	if p.sequence != nil {
		v.chain = newChain()
	}
	return v
}

// seek moves the windows forward to at.
func (v *view) seek(p *Condition, st *state, at int64) {
	v.at = at
	for i := range v.cursors {
		c := p.calls[i]
		s, cur := &st.series[c.series], &v.cursors[i]
		for cur.hi < len(s.times) && s.times[cur.hi] <= at-c.offset {
			cur.enter(s, cur.hi)
			cur.hi++
		}
		if cur.lo == cur.hi || len(st.resets) == 0 && s.times[cur.lo] > at-c.offset-c.window {
			continue
		}
		to := min(st.firstIn(p, c, at), cur.hi)
		if to > cur.lo && to < cur.hi && s.times[to-1] == s.times[to] {
			v.place(p, st, i) // accumulators have no places within an instant
			continue
		}
		for ; cur.lo < to; cur.lo++ {
			cur.leave(s, cur.lo)
		}
	}
}

// from is the instant after which events are in the window of the call at at, but for those of the
// instant of a reset.
func (st *state) from(p *Condition, c *call, at int64) int64 {
	from := at - c.offset - c.window
	if r, ok := st.resetOf(at); ok {
		from = max(from, r.at)
	}
	return from
}

// resetOf is the reset that windows at an instant begin after, if there is one.
func (st *state) resetOf(at int64) (reset, bool) {
	n := resetsUntil(st.resets, at)
	if n == 0 {
		return reset{}, false
	}
	return st.resets[n-1], true
}

// firstIn is the place of the first event in the window of a call at an instant.
func (st *state) firstIn(p *Condition, c *call, at int64) int {
	s := &st.series[c.series]
	first := st.left(p, &p.series[c.series], s, at-c.offset-c.window)
	if r, ok := st.resetOf(at); ok {
		first = max(first, s.afterReset(r))
	}
	return first
}

// lastOf is the time of the last event until an instant, for an age, or when the age began without
// one; false if it is endless.
func (st *state) lastOf(p *Condition, c *call, cur *cursor, at int64) (last int64, ok bool) {
	s := &st.series[c.series]
	if r, found := st.resetOf(at); cur.hi > 0 && (!found || s.afterReset(r) < cur.hi) {
		return s.times[cur.hi-1], true
	}
	return st.known, p.remember > 0
}

// start places the windows at at, from nothing. Windows whose events are merely counted are placed
// by search.
func (v *view) start(p *Condition, st *state, at int64) {
	v.at = at
	for i := range v.cursors {
		v.place(p, st, i)
	}
}

// place finds the window of a call again.
func (v *view) place(p *Condition, st *state, i int) {
	c, cur := p.calls[i], &v.cursors[i]
	s := &st.series[c.series]
	*cur = cursor{hi: after(s.times, v.at-c.offset), acc: c.accumulate(p)}
	cur.lo = min(st.firstIn(p, c, v.at), cur.hi)
	for j := cur.lo; (cur.acc != nil || s.aggregates != nil) && j < cur.hi; j++ {
		cur.enter(s, j)
	}
}

// inserted accounts for an event that entered a series at a place, or left it.
func (v *view) inserted(p *Condition, st *state, series, at, by int) {
	for i := range v.cursors {
		c, cur := p.calls[i], &v.cursors[i]
		if c.series != series {
			continue
		}
		if t := st.series[series].times; cur.next.end != 0 &&
			(by < 0 || t[at] > cur.next.begin && t[at] <= cur.next.end) {
			cur.next = departure{} // the pane may be high-volume now, or leave later
		}
		// it has left the window before it came
		past := by > 0 && at == cur.lo && at < st.firstIn(p, c, v.at)
		if at >= cur.hi && !past {
			continue
		}
		cur.hi += by
		cur.next = departure{}
		switch {
		case at < cur.lo || past:
			cur.lo += by
			if v, ok := cur.acc.(*values); ok {
				v.union = nil // which is about the whole of the pane that the window begins in
			}
			if c.of == changed { // it may be the event before the first one of the window
				v.recount(p, st, i)
			}
		case c.of == changed:
			v.recount(p, st, i)
		default:
			cur.enter(&st.series[series], at)
		}
		// its pane has become high-volume, or lasts longer
		if s, sp := &st.series[series], &p.series[series]; cur.lo > 0 && s.coarse(p, sp) &&
			st.firstIn(p, c, v.at) != cur.lo {
			v.place(p, st, i)
		}
	}
}

// recount adds up the window of a call anew.
func (v *view) recount(p *Condition, st *state, i int) {
	cur := &v.cursors[i]
	cur.acc = p.calls[i].accumulate(p)
	for j := cur.lo; j < cur.hi; j++ {
		cur.acc.add(&st.series[p.calls[i].series], j)
	}
}

// evicted accounts for events that were dropped from the front of a series.
func (v *view) evicted(p *Condition, series, n int) {
	for i := range v.cursors {
		if p.calls[i].series == series {
			v.cursors[i].lo -= n
			v.cursors[i].hi -= n
		}
	}
}
