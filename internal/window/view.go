package window

// view is a position in event time and the windows of all calls there. A group has one at the watermark and, if its plan is eager, one at the newest event.
type view struct {
	at      int64
	cursors []cursor
	chain   *chain // of a sequence
}

// cursor is the window of one call: events lo to hi of its series, and what they add up to.
type cursor struct {
	lo, hi int
	acc    accumulator
}

func (p *Plan) newView() *view {
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
func (v *view) seek(p *Plan, st *state, at int64) {
	v.at = at
	for i := range v.cursors {
		c := p.calls[i]
		s, cur := &st.series[c.series], &v.cursors[i]
		for cur.hi < len(s.times) && s.times[cur.hi] <= at-c.offset {
			if cur.acc != nil {
				cur.acc.add(s, cur.hi)
			}
			cur.hi++
		}
		from := st.from(p, c, at)
		for cur.lo < cur.hi && s.times[cur.lo] <= from {
			if cur.acc != nil {
				cur.acc.remove(s, cur.lo)
			}
			cur.lo++
		}
	}
}

// from is the instant after which events are in the window of the call at at.
func (st *state) from(p *Plan, c *call, at int64) int64 {
	from := at - c.offset - p.window
	if c.offset == 0 {
		if n := after(st.resets, at); n > 0 {
			from = max(from, st.resets[n-1])
		}
	}
	return from
}

// start places the windows at at, from nothing. Windows whose events are merely counted are placed by search.
func (v *view) start(p *Plan, st *state, at int64) {
	v.at = at
	for i := range v.cursors {
		c, cur := p.calls[i], &v.cursors[i]
		s := &st.series[c.series]
		cur.lo, cur.hi, cur.acc = after(s.times, st.from(p, c, at)), after(s.times, at-c.offset), c.accumulate(p)
		cur.lo = min(cur.lo, cur.hi)
		for j := cur.lo; cur.acc != nil && j < cur.hi; j++ {
			cur.acc.add(s, j)
		}
	}
}

// inserted accounts for an event that entered a series at a place, or left it.
func (v *view) inserted(p *Plan, st *state, series, at, by int) {
	for i := range v.cursors {
		c, cur := p.calls[i], &v.cursors[i]
		if c.series != series || at >= cur.hi {
			continue
		}
		cur.hi += by
		switch {
		case at < cur.lo:
			cur.lo += by
		case c.of == changed:
			v.recount(p, st, i)
		case cur.acc != nil:
			cur.acc.add(&st.series[series], at)
		}
	}
}

// recount adds up the window of a call anew.
func (v *view) recount(p *Plan, st *state, i int) {
	cur := &v.cursors[i]
	cur.acc = p.calls[i].accumulate(p)
	for j := cur.lo; j < cur.hi; j++ {
		cur.acc.add(&st.series[p.calls[i].series], j)
	}
}

// forgotten accounts for events that were dropped from the front of a series.
func (v *view) forgotten(p *Plan, series, n int) {
	for i := range v.cursors {
		if p.calls[i].series == series {
			v.cursors[i].lo -= n
			v.cursors[i].hi -= n
		}
	}
}
