package window

// A window that holds very many events is kept in panes: the stretches of a thirtieth of its length
// that end at multiples of that length. A pane that holds more events than paneLimit is
// high-volume, and what the window says of it is coarser: each of its events enters with its own
// time, but they all leave together, a window after the last of them. So the window is longer than
// it should be, by less than a pane, as long as a high-volume one is leaving it; a pane that is not
// high-volume is exact.
//
// Whether a pane is high-volume, and when its last event was, depends on the events alone. So does
// every answer, whether the events of a pane are still held one by one or were folded into an
// aggregate, which happens behind the watermark and changes nothing but the memory that they take.
// Only what folds is kept so: numbers, and times that are counted. Texts are bounded in another
// way, see prune.
const (
	panes     = 30
	paneLimit = 4096
)

// pane is the pane of a window that an instant is in: after from, until to. Where a log resolved, a
// pane ends, for what came before counts no more.
func (st *state) pane(p *Condition, t int64) (from, to int64) {
	from = Floor(t-1, p.paneLength)
	to = from + p.paneLength
	n := resetsUntil(st.resets, t-1)
	if n > 0 {
		from = max(from, st.resets[n-1].at)
	}
	if n < len(st.resets) {
		to = min(to, st.resets[n].at)
	}
	return from, to
}

// folds says whether the events of a series may be folded into aggregates.
func (sp *seriesSpec) folds() bool { return sp.kind == numbers || sp.kind == times }

// coarse says whether the series may have a high-volume pane.
func (s *series) coarse(p *Condition, sp *seriesSpec) bool {
	return sp.folds() && (s.aggregates != nil || len(s.times) > p.paneLimit)
}

// left is how many events of a series are no longer in a window that begins after an instant.
func (st *state) left(p *Condition, sp *seriesSpec, s *series, from int64) int {
	gone := after(s.times, from)
	if gone == 0 || gone == len(s.times) || !s.coarse(p, sp) {
		return gone
	}
	begin, end := st.pane(p, from)
	if end == from || s.times[gone-1] <= begin {
		return gone
	}
	first, past := after(s.times, begin), after(s.times, end)
	if past > gone && (past-first > p.paneLimit || s.hasAggregate(end)) {
		return first
	}
	return gone
}

// leaving calls soon with the instants at which a window of the sweep loses something.
func (st *state) leaving(p *Condition, c *call, cur *cursor, soon func(int64)) {
	soon(st.leaves(p, c.series, cur) + c.offset + c.window)
	if c.of == distinct && c.estimates(p, cur) {
		_, end := st.pane(p, st.from(p, c, st.final.at)+1)
		soon(end + c.offset + c.window)
	}
}

// leaves is the time with which the first event of a window leaves it.
func (st *state) leaves(p *Condition, series int, cur *cursor) int64 {
	s := &st.series[series]
	t := s.times[cur.lo]
	if !s.coarse(p, &p.series[series]) {
		return t
	}
	d := cur.next
	if t <= d.begin || t > d.end {
		if d = st.departure(p, s, t); d.end <= st.final.at { // the pane has ended
			cur.next = d
		}
	}
	if d.highVolume {
		return d.last
	}
	return t
}

// departure is that of the pane that an event is in.
func (st *state) departure(p *Condition, s *series, t int64) (d departure) {
	d.begin, d.end = st.pane(p, t)
	if past := after(s.times, d.end); past-after(s.times, d.begin) > p.paneLimit ||
		s.hasAggregate(d.end) {
		d.last, d.highVolume = s.times[past-1], true
	}
	return d
}

// fold makes one aggregate of the events of every high-volume pane, as far as all windows have
// taken them in, once there are enough to make it worthwhile.
func (st *state) fold(p *Condition, sp *seriesSpec, s *series, swept int64) (folded bool) {
	upTo := after(s.times, swept-sp.lag)
	if s.hardly(upTo, p.paneLimit) {
		return false
	}
	for at := 0; at < upTo; {
		begin, end := st.pane(p, s.times[at])
		first, past := after(s.times, begin), min(after(s.times, end), upTo)
		// of the instant at which a log resolved some may still count
		if n := resetsUntil(st.resets, end); n > 0 && st.resets[n-1].at == end {
			past = min(past, s.afterReset(st.resets[n-1]))
		}
		if past-first > 1 && (past-first > p.paneLimit || s.hasAggregate(end)) {
			s.fold(sp, first, past)
			upTo -= past - first - 1
			folded = true
			s.addFoldedPane(end, first)
		}
		at = after(s.times, end)
	}
	if s.checked = upTo; folded {
		s.clip()
	}
	return folded
}

// hardly says whether too few events until a place are new to make it worth looking at all of them
// again, after which the windows have to be placed again.
func (s *series) hardly(upTo, most int) bool {
	return upTo-s.checked <= max(most, (len(s.times)-upTo)/2)
}

// rebuildFoldedPanes notes which panes hold an aggregate.
func (st *state) rebuildFoldedPanes(p *Condition, s *series) {
	s.foldedPanes = s.foldedPanes[:0]
	for i, c := range s.aggregates {
		if c != nil {
			_, end := st.pane(p, s.times[i])
			s.addFoldedPane(end, i)
		}
	}
}

// restart places the windows of a series anew.
func (st *state) restart(p *Condition, series int) {
	for _, v := range []*view{st.final, st.early} {
		if v == nil {
			continue
		}
		for i := range v.cursors {
			if p.calls[i].series == series {
				v.place(p, st, i)
			}
		}
	}
}
