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
// with the last of them. The zero value is about no part.
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
		v.chain = &chain{cleared: unswept}
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
		from := st.from(p, c, at)
		if cur.lo == cur.hi || s.times[cur.lo] > from {
			continue
		}
		for to := min(st.left(p, &p.series[c.series], s, from), cur.hi); cur.lo < to; cur.lo++ {
			cur.leave(s, cur.lo)
		}
	}
}

// from is the instant after which events are in the window of the call at at.
func (st *state) from(p *Condition, c *call, at int64) int64 {
	from := at - c.offset - p.window
	if c.offset == 0 {
		if n := after(st.resets, at); n > 0 {
			from = max(from, st.resets[n-1])
		}
	}
	return from
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
	cur.lo = min(st.left(p, &p.series[c.series], s, st.from(p, c, v.at)), cur.hi)
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
		past := by > 0 && at == cur.lo && st.series[series].times[at] <= st.from(p, c, v.at)
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
		case c.of == changed:
			v.recount(p, st, i)
		default:
			cur.enter(&st.series[series], at)
		}
		// its pane has become high-volume, or lasts longer
		if s, sp := &st.series[series], &p.series[series]; cur.lo > 0 && s.coarse(p, sp) &&
			st.left(p, sp, s, st.from(p, c, v.at)) != cur.lo {
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

// forgotten accounts for events that were dropped from the front of a series.
func (v *view) forgotten(p *Condition, series, n int) {
	for i := range v.cursors {
		if p.calls[i].series == series {
			v.cursors[i].lo -= n
			v.cursors[i].hi -= n
		}
	}
}
