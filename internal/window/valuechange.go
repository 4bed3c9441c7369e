package window

// NextValueChange is the first instant after the watermark at which the number that the condition
// is about may become another one, because something enters or leaves a window; Never if there is
// none before another event is added. It is for rules that are no mere counting. What time alone
// changes, an age, does not count.
func (g *Group) NextValueChange(p *Condition) int64 {
	if g.late {
		return g.swept + 1
	}
	st, at := g.state, int64(Never)
	soon := func(t int64) {
		if t > g.swept {
			at = min(at, t)
		}
	}
	g.moveOfLogs(p, soon)
	for i, c := range p.calls {
		s, cur := &st.series[c.series], &st.final.cursors[i]
		if cur.hi < len(s.times) {
			soon(max(s.times[cur.hi]+c.offset, g.swept+1))
		}
		if cur.lo < cur.hi {
			st.leaving(p, c, cur, soon)
		}
		if c.offset > 0 {
			soon(st.known + c.offset + c.window)
		}
	}
	if len(p.history) > 0 && st.remembers(p, g.swept) {
		soon(Floor(max(g.swept, st.known), p.grid) + p.grid)
	}
	return at
}

// moveOfLogs calls soon with the instants at which the next event enters, and the first one of the
// window leaves.
func (g *Group) moveOfLogs(p *Condition, soon func(int64)) {
	st := g.state
	logs := st.logs
	if logs == nil {
		logs = &series{times: g.times}
	}
	if n := after(logs.times, g.swept); n < len(logs.times) {
		soon(logs.times[n])
	}
	if n := st.left(p, &p.logs, logs, g.swept-p.Span()); n < len(logs.times) {
		t := logs.times[n]
		if d := st.departure(p, logs, t); logs.coarse(p, &p.logs) && d.highVolume {
			t = d.last
		}
		soon(t + p.Span())
	}
}

// Late says whether an event has entered that came after its time was swept: what it changes, it
// changes from now on.
func (g *Group) Late() bool { return g.late }

// Events is how many events of the group are in the window at the watermark.
func (g *Group) Events(p *Condition) int64 {
	return g.Entered(g.swept) - g.EnteredBefore(p, g.swept)
}
