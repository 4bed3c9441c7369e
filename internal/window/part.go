package window

// A window that holds very many events is kept in parts: the stretches of a thirtieth of its length
// that end at multiples of that length. A part that holds more events than crowd is crowded, and
// what the window says of it is coarser: each of its events enters with its own time, but they all
// leave together, a window after the last of them. So the window is longer than it should be, by
// less than a part, as long as a crowded one is leaving it; a part that is not crowded is exact.
//
// Whether a part is crowded, and when its last event was, depends on the events alone. So does
// every answer, whether the events of a part are still held one by one or were folded into a piece,
// which happens behind the watermark and changes nothing but the memory that they take. Only what
// folds is kept so: numbers, and times that are counted. Texts are bounded in another way, see
// prune.
const (
	parts = 30
	crowd = 4096
)

// part is the part of a window that an instant is in: after from, until to. Where a log resolved, a
// part ends, for what came before counts no more.
func (st *state) part(p *Plan, t int64) (from, to int64) {
	from = floor(t-1, p.part)
	to = from + p.part
	n := after(st.resets, t-1)
	if n > 0 {
		from = max(from, st.resets[n-1])
	}
	if n < len(st.resets) {
		to = min(to, st.resets[n])
	}
	return from, to
}

// folds says whether the events of a series may be folded into pieces.
func (sp *seriesPlan) folds() bool { return sp.kind == numbers || sp.kind == times }

// coarse says whether the series may have a crowded part.
func (s *series) coarse(p *Plan, sp *seriesPlan) bool {
	return sp.folds() && (s.pieces != nil || len(s.times) > p.crowd)
}

// left is how many events of a series are no longer in a window that begins after an instant.
func (st *state) left(p *Plan, sp *seriesPlan, s *series, from int64) int {
	gone := after(s.times, from)
	if gone == 0 || gone == len(s.times) || !s.coarse(p, sp) {
		return gone
	}
	begin, end := st.part(p, from)
	if end == from || s.times[gone-1] <= begin {
		return gone
	}
	first, past := after(s.times, begin), after(s.times, end)
	if past > gone && (past-first > p.crowd || s.holdsPiece(end)) {
		return first
	}
	return gone
}

// leaving calls soon with the instants at which a window of the sweep loses something.
func (st *state) leaving(p *Plan, c *call, cur *cursor, soon func(int64)) {
	soon(st.leaves(p, c.series, cur) + c.offset + p.window)
	if c.of == distinct && c.estimates(p, cur) {
		_, end := st.part(p, st.from(p, c, st.done.at)+1)
		soon(end + c.offset + p.window)
	}
}

// leaves is the time with which the first event of a window leaves it.
func (st *state) leaves(p *Plan, series int, cur *cursor) int64 {
	s := &st.series[series]
	t := s.times[cur.lo]
	if !s.coarse(p, &p.series[series]) {
		return t
	}
	d := cur.next
	if t <= d.begin || t > d.end {
		if d = st.departure(p, s, t); d.end <= st.done.at { // the part is over
			cur.next = d
		}
	}
	if d.crowded {
		return d.last
	}
	return t
}

// departure is that of the part that an event is in.
func (st *state) departure(p *Plan, s *series, t int64) (d departure) {
	d.begin, d.end = st.part(p, t)
	if past := after(s.times, d.end); past-after(s.times, d.begin) > p.crowd ||
		s.holdsPiece(d.end) {
		d.last, d.crowded = s.times[past-1], true
	}
	return d
}

// fold makes one piece of the events of every crowded part, as far as all windows have taken them
// in, once there are enough to make it worthwhile.
func (st *state) fold(p *Plan, sp *seriesPlan, s *series, swept int64) (folded bool) {
	upTo := after(s.times, swept-sp.lag)
	if s.hardly(upTo, p.crowd) {
		return false
	}
	for at := 0; at < upTo; {
		begin, end := st.part(p, s.times[at])
		first, past := after(s.times, begin), min(after(s.times, end), upTo)
		if past-first > 1 && (past-first > p.crowd || s.holdsPiece(end)) {
			s.fold(sp, first, past)
			upTo -= past - first - 1
			past, folded = first+1, true
			s.mark(end, first)
		}
		at = past
	}
	if s.settled = upTo; folded {
		s.clip()
	}
	return folded
}

// hardly says whether too few events until a place are new to look at all of them again: the
// windows have to be placed anew then, with whatever is ahead.
func (s *series) hardly(upTo, most int) bool {
	return upTo-s.settled <= max(most, (len(s.times)-upTo)/2)
}

// markPieces notes which parts hold a piece.
func (st *state) markPieces(p *Plan, s *series) {
	s.marked = s.marked[:0]
	for i, c := range s.pieces {
		if c != nil {
			_, end := st.part(p, s.times[i])
			s.mark(end, i)
		}
	}
}

// restart places the windows of a series anew.
func (st *state) restart(p *Plan, series int) {
	for _, v := range []*view{st.done, st.ahead} {
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
