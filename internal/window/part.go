package window

// A window that holds very many events is kept in parts: the stretches of a thirtieth of its length that end at multiples of that length. A part that holds more
// events than crowd is crowded, and what the window says of it is coarser: each of its events enters with its own time, but they all leave together, a window after
// the last of them. So the window is longer than it should be, by less than a part, as long as a crowded one is leaving it; a part that is not crowded is exact.
//
// Whether a part is crowded, and when its last event was, depends on the events alone. So does every answer, whether the events of a part are still held one by
// one or were folded into a piece, which happens behind the watermark and changes nothing but the memory that they take. Only what folds is kept so: numbers, and
// times that are counted. Texts are bounded in another way, see prune.
const (
	parts = 30
	crowd = 4096
)

// part is the part of a window that an instant is in: after from, until to. Where a log resolved, a part ends, for what came before counts no more.
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

// coarse says whether a series may have a crowded part.
func (st *state) coarse(p *Plan, series int) bool {
	s := &st.series[series]
	return p.series[series].folds() && (s.pieces != nil || len(s.times) > p.crowd)
}

// left is how many events of a series are no longer in a window that begins after an instant.
func (st *state) left(p *Plan, series int, from int64) int {
	s := &st.series[series]
	gone := after(s.times, from)
	if gone == 0 || gone == len(s.times) || !st.coarse(p, series) {
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

// leaves is the time with which the first event of a window leaves it.
func (st *state) leaves(p *Plan, series int, cur *cursor) int64 {
	t := st.series[series].times[cur.lo]
	if !st.coarse(p, series) {
		return t
	}
	d := cur.next
	if t <= d.begin || t > d.end {
		if d = st.departure(p, series, t); d.end <= st.done.at { // the part is over
			cur.next = d
		}
	}
	if d.crowded {
		return d.last
	}
	return t
}

// departure is that of the part that an event is in.
func (st *state) departure(p *Plan, series int, t int64) (d departure) {
	s := &st.series[series]
	d.begin, d.end = st.part(p, t)
	if past := after(s.times, d.end); past-after(s.times, d.begin) > p.crowd || s.holdsPiece(d.end) {
		d.last, d.crowded = s.times[past-1], true
	}
	return d
}

// fold makes one piece of the events of every crowded part, as far as all windows have taken them in, once there are enough to make it worthwhile.
func (st *state) fold(p *Plan, series int, swept int64) {
	s, sp := &st.series[series], &p.series[series]
	upTo := after(s.times, swept-sp.lag)
	if upTo-s.settled <= p.crowd {
		return
	}
	folded := false
	for at := 0; at < upTo; {
		begin, end := st.part(p, s.times[at])
		first, past := after(s.times, begin), min(after(s.times, end), upTo)
		if past-first > 1 && (past-first > p.crowd || s.holdsPiece(end)) {
			s.fold(sp, first, past)
			upTo -= past - first - 1
			past, folded = first+1, true
			s.mark(end)
		}
		at = past
	}
	if s.settled = upTo; folded {
		s.clip()
		st.restart(p, series)
	}
}

// markPieces notes which parts hold a piece.
func (st *state) markPieces(p *Plan, series int) {
	s := &st.series[series]
	for i, c := range s.pieces {
		if c != nil {
			_, end := st.part(p, s.times[i])
			s.mark(end)
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
