package window

import "slices"

// state is what a group of any but a counting rule has seen, and where its windows stand.
type state struct {
	known    int64 // since when the key is known
	series   []series
	history  []history
	steps    stepEvents
	resolves []reset // events that resolve, after the final view
	resets   []reset // those that did while the condition held: what came before counts no more

	final *view // at the watermark or before
	early *view // of an eager condition: where Eager looked last

	earlyFrom     int64 // the first event that Eager has not looked at
	credit        int   // events that Eager may go through again
	evaluationDue bool  // something has happened since the last multiple of every
	recovered     bool  // the resolve condition holds, and the condition does not
	// a log resolved while the condition held, which needs no logs: it has to cease before it
	// holds again
	spent bool
	level int // of the last edge while the condition holds, as in Edge

	// the events of the group, as far back as an alert counts, once they are too many for the times
	// of the group
	logs    *series
	thinned []thinned // all that a counting rule has of this
}

func (p *Condition) newState() *state {
	st := &state{
		series:    make([]series, len(p.series)),
		history:   make([]history, len(p.history)),
		final:     p.newView(),
		earlyFrom: Never,
		level:     -1,
	}
	switch {
	case p.eager && p.sequence != nil:
		st.early = &view{at: unswept} // only the chain is looked at
	case p.eager:
		st.early = p.newView()
	}
	return st
}

// add adds an event, which is late if the group was swept beyond it.
func (st *state) add(p *Condition, ev *Event, late bool) {
	if p.MakesKnown(ev.Bits) {
		st.known = min(st.known, ev.Time)
	}
	if p.resolveFilter >= 0 && ev.Bits>>p.resolveFilter&1 != 0 {
		st.addResolve(ev, late)
	}
	if p.ownFilter >= 0 && ev.Bits>>p.ownFilter&1 == 0 {
		return
	}
	for i := range p.series {
		if sp := &p.series[i]; sp.kind == novel {
			st.series[i].addNovel(p, sp, ev, func(at, by int) { st.moved(p, i, at, by) })
		} else if sp.kind == numbers && len(ev.value(sp.field).List) > 0 {
			st.addList(p, i, ev)
		} else if at := st.series[i].add(sp, ev, ev.value(sp.field)); at >= 0 {
			st.moved(p, i, at, 1)
			st.dropOldest(p, i)
		}
	}
	if p.sequence != nil {
		st.addStep(p, ev, late)
		st.dropOldestSteps()
	}
	st.earlyFrom = min(st.earlyFrom, ev.Time)
	st.credit = min(st.credit+creditPerEvent, maxCredit)
}

// addList adds the numbers of a list: each member counts.
func (st *state) addList(p *Condition, i int, ev *Event) {
	for _, member := range ev.value(p.series[i].field).List {
		if at := st.series[i].add(&p.series[i], ev, member); at >= 0 {
			st.moved(p, i, at, 1)
			st.dropOldest(p, i)
		}
	}
}

// addResolve notes that an event resolves. One that is late counts from the watermark on.
func (st *state) addResolve(ev *Event, late bool) {
	r := reset{ev.Time, ev.Order}
	if late {
		r = reset{st.final.at + 1, Order{Partition: -1}} // before any event of that instant
	}
	at, _ := slices.BinarySearchFunc(st.resolves, r, reset.compare)
	st.resolves = slices.Insert(st.resolves, at, r)
}

// takeResolve takes the last event until an instant that resolves.
func (st *state) takeResolve(at int64) (last reset, found bool) {
	n := 0
	for n < len(st.resolves) && st.resolves[n].at <= at {
		last, found = st.resolves[n], true
		n++
	}
	st.resolves = slices.Delete(st.resolves, 0, n)
	return last, found
}

// cut stops counting everything until a resolving event. The final view stands at its instant.
func (st *state) cut(p *Condition, r reset) {
	st.resets = append(st.resets, r)
	for i := range st.series { // a pane ends here
		st.rebuildFoldedPanes(p, &st.series[i])
	}
	if st.logs != nil {
		st.rebuildFoldedPanes(p, st.logs)
	}
	if p.sequence != nil {
		st.cutChain(p, r)
	}
	for i := range st.final.cursors {
		st.final.cursors[i].next = departure{}
	}
	st.seek(p, r.at)
}

// cutChain has the sequence begin again after a resolving event.
func (st *state) cutChain(p *Condition, r reset) {
	c, s := st.final.chain, &st.series[0]
	for c.hi > 0 && r.before(st.steps.times[c.hi-1], st.steps.orders[c.hi-1]) {
		c.hi--
		c.taken--
	}
	*c = chain{hi: c.hi, taken: c.taken, cleared: r}
	for n := len(s.times) - 1; n >= 0 && r.before(s.times[n], s.orders[n]); n-- {
		s.times, s.orders = s.times[:n], s.orders[:n]
		st.moved(p, 0, n, -1)
	}
	if st.early != nil {
		st.early.chain = nil
	}
}

// Eager may go through the window again for an event that arrived out of order, but on average
// through no more than so many events for each one added.
const (
	creditPerEvent = 64
	maxCredit      = 1 << 16
)

func (st *state) moved(p *Condition, series, at, by int) {
	st.final.inserted(p, st, series, at, by)
	if st.early != nil {
		st.early.inserted(p, st, series, at, by)
	}
}

// addStep adds a step of a sequence. Where it comes too late for the chain of steps, the chain is
// made again.
func (st *state) addStep(p *Condition, ev *Event, late bool) {
	at := st.steps.add(ev)
	if st.early != nil && (late || st.early.chain != nil && at < st.early.chain.hi) {
		st.early.chain = nil
	}
	if late {
		st.rechain(p)
	}
}

// rechain goes through the steps again, until where the sweep was.
func (st *state) rechain(p *Condition) {
	s := &st.series[0]
	s.times, s.orders = s.times[:0], s.orders[:0]
	st.final.chain = newChain()
	st.chain(p, st.final.at)
	st.final.start(p, st, st.final.at)
}

// chain advances the chain of the sweep to at. What completes becomes an event of the first series.
func (st *state) chain(p *Condition, at int64) {
	s := &st.series[0]
	st.final.chain.seek(
		p.sequence,
		&st.steps,
		st.resets,
		at,
		func(t int64, o Order) { s.times, s.orders = append(s.times, t), append(s.orders, o) },
	)
}

// seek moves the windows of the sweep to at.
func (st *state) seek(p *Condition, at int64) {
	if p.sequence != nil {
		st.chain(p, at)
	}
	st.final.seek(p, st, at)
}

// next is the first instant after swept at which the sweep has something to do.
func (g *Group) next(p *Condition, env Env) int64 {
	st, at := g.state, g.change(p, env)
	if p.every > 0 {
		if st.evaluationDue {
			at = min(at, g.swept+1)
		}
		if at != Never {
			at = Floor(at-1, p.every) + p.every
		}
	}
	if len(st.resolves) > 0 {
		at = min(at, max(st.resolves[0].at, g.swept+1))
	}
	if len(p.history) > 0 && st.remembers(p, g.swept) {
		at = min(at, Floor(max(g.swept, st.known), p.grid)+p.grid)
	}
	return at
}

// change is the first instant after swept at which truth may change. What leaves is of no interest
// if leaving cannot make the condition hold.
func (g *Group) change(p *Condition, env Env) int64 {
	if g.late {
		return g.swept + 1
	}
	st, at := g.state, int64(Never)
	soon := func(t int64) {
		if t > g.swept {
			at = min(at, t)
		}
	}
	leaving, looked := g.up || !p.steady, g.lookedEarly(p)
	for i, c := range p.calls {
		s, cur := &st.series[c.series], &st.final.cursors[i]
		if cur.hi < len(s.times) && !looked {
			soon(max(s.times[cur.hi]+c.offset, g.swept+1))
		}
		if cur.lo < cur.hi && leaving {
			st.leaving(p, c, cur, soon)
		}
		if c.offset > 0 {
			soon(st.known + c.offset + c.window)
		}
		g.ages(p, c, cur, soon)
	}
	if p.sequence != nil {
		st.nextStep(p, soon)
	}
	if !looked {
		soon(st.known)
	}
	if p.undefinedAtFirst {
		soon(st.known + p.window)
	}
	for _, alert := range p.alerts {
		if env != nil {
			soon(env.Change(alert, g.swept))
		}
	}
	switch {
	case len(p.history) == 0:
	case st.remembers(p, g.swept):
		soon(Floor(max(g.swept, st.known), p.grid) + p.grid)
	case p.known:
		st.historyChanges(p, g.swept, soon)
	}
	return at
}

// historyChanges calls soon with the instants at which the past of a group without logs, which is
// known for long enough then, is no longer undefined, or that of days of another kind counts.
func (st *state) historyChanges(p *Condition, swept int64, soon func(int64)) {
	if st.known == Unknown {
		return
	}
	first := Floor(st.known+p.window-1, p.grid) + p.grid
	for _, ago := range p.ago {
		soon(first + ago)
	}
	if p.daily {
		soon(Floor(swept, day) + day)
	}
}

// lookedEarly says whether Eager has looked at every instant after swept, and the condition holds
// at none of them.
func (g *Group) lookedEarly(p *Condition) bool {
	return p.eager && p.steady && p.sequence == nil && !g.up && !p.known &&
		g.state.earlyFrom == Never
}

// ages calls soon with the instants at which an age passes what it is compared with.
func (g *Group) ages(p *Condition, c *call, cur *cursor, soon func(int64)) {
	if len(c.limits) == 0 {
		return
	}
	last, ok := g.state.lastOf(p, c, cur, g.swept)
	if !ok {
		return
	}
	for _, limit := range c.limits {
		soon(last + limit)
		soon(last + limit + 1)
	}
}

func (st *state) nextStep(p *Condition, soon func(int64)) {
	c := st.final.chain
	if c.hi < len(st.steps.times) {
		soon(st.steps.times[c.hi])
	}
	if len(c.pending) > 0 {
		soon(c.pending[0].time + p.sequence.decide)
	}
}

// remembers says whether the past of some aggregate is not that of an empty window, or will not be.
func (st *state) remembers(p *Condition, swept int64) bool {
	for i := range st.history {
		if n := len(st.history[i].times); n > 0 &&
			st.history[i].times[n-1]+p.history[i].keep > swept {
			return true
		}
	}
	for i := range st.final.cursors {
		if cur := &st.final.cursors[i]; cur.lo < cur.hi {
			return true
		}
	}
	return false
}

// sweep advances to the watermark.
func (g *Group) sweep(p *Condition, upTo int64, env Env, each func(Edge)) {
	st := g.state
	for at := g.next(p, env); at <= upTo; at = g.next(p, env) {
		late := g.late
		r, resolved := st.takeResolve(at)
		judged := p.every == 0 || at%p.every == 0
		st.evaluationDue = !judged && (st.evaluationDue || g.change(p, env) <= at)
		st.seek(p, at)
		g.swept, g.late = at, false
		x := &instant{p: p, g: g, v: st.final, at: at, env: env}
		if len(p.history) > 0 && at%p.grid == 0 {
			st.record(x)
		}
		if judged || resolved {
			g.evaluate(x, late, r, resolved, each)
		}
	}
	st.evaluationDue = p.every > 0 && (st.evaluationDue || g.change(p, env) <= upTo)
	g.swept, g.late = upTo, false
}

func (st *state) record(x *instant) {
	for i := range st.history {
		st.history[i].record(&x.p.history[i], x)
	}
}

// moves says whether a window of the sweep is another one at an instant at or after it.
func (st *state) moves(p *Condition, at int64) bool {
	for i, c := range p.calls {
		s, cur := &st.series[c.series], &st.final.cursors[i]
		if cur.hi < len(s.times) && s.times[cur.hi] <= at-c.offset ||
			cur.lo < cur.hi && st.firstIn(p, c, at) > cur.lo {
			return true
		}
	}
	return false
}

// evaluate yields what changes at the instant. An event that resolves while the condition holds
// ends it: the condition is evaluated again, without what came until that event.
func (g *Group) evaluate(x *instant, late bool, r reset, resolved bool, each func(Edge)) {
	st, p := g.state, x.p
	was, holds, judged := g.up, g.up, p.every == 0 || x.at%p.every == 0
	if judged {
		holds = x.at >= st.known && p.when.holds(x)
		st.spent = st.spent && holds
		holds = holds && !st.spent
	}
	cut := resolved && holds
	if cut {
		st.cut(p, r)
		holds = p.when.holds(x)
		st.spent = (holds || !judged) &&
			p.when.holds(&instant{p: p, g: g, v: p.newView(), at: x.at, env: x.env})
		holds = judged && holds && !st.spent
		st.evaluationDue = st.evaluationDue || !judged
		e := p.edge(x, false)
		e.Late, e.Resolves, e.Cut, e.Reason = late, true, was, p.whyRecovered(x, true)
		each(e)
		was = false
	}
	recovered := p.recovery != nil && !holds && p.recovery.holds(x)
	level := -1
	if holds != was || resolved || recovered != st.recovered || holds && len(p.levels) > 0 {
		e := p.edge(x, holds)
		e.Late, level = late, e.Level
		if e.Same = holds && holds == was && level == st.level; holds || was {
			each(e)
		}
		e.Same = false
		if resolved && !cut || recovered && !st.recovered {
			e.Resolves, e.Holds = true, false
			e.Reason = p.whyRecovered(x, resolved)
			each(e)
		}
	}
	g.up, st.recovered, st.level = holds, recovered, level
}

// compact drops what no longer matters once every edge until swept was yielded.
func (st *state) compact(p *Condition, swept int64) {
	st.seek(p, swept)
	if st.early != nil && st.early.at < swept {
		st.early.seek(p, st, swept)
	}
	for i := range st.series {
		s := &st.series[i]
		if n := st.evict(p, i, swept); n > 0 {
			st.final.evicted(p, i, n)
			if st.early != nil {
				st.early.evicted(p, i, n)
			}
		}
		switch sp := &p.series[i]; {
		case sp.kind == novel:
			s.purgeSeen(p.remember, p.retains, swept)
		case sp.folds():
			if st.fold(p, sp, s, swept) {
				st.restart(p, i)
			}
		case sp.prunes():
			st.prune(p, i, swept)
		}
	}
	for i := range st.history {
		st.history[i].evict(&p.history[i], swept)
	}
	if n := resetsUntil(st.resets, swept-p.retains-p.paneLength); n > 0 {
		st.evictBefore(p, st.resets[n-1])
		st.resets = slices.Delete(st.resets, 0, n)
	}
	if p.sequence != nil {
		st.evictSteps(p, swept)
	}
}

// evictBefore drops the events that are kept however old they are, but came before a reset that is
// forgotten: without it they would count again. The one that resolved stays where it is the event
// before the next one.
func (st *state) evictBefore(p *Condition, r reset) {
	for i := range st.series {
		s, sp := &st.series[i], &p.series[i]
		if sp.spare == 0 {
			continue
		}
		n := s.afterReset(r)
		if sp.kind == texts && n > 0 && r == (reset{s.times[n-1], s.orders[n-1]}) {
			n--
		}
		if n > 0 {
			s.cut(n)
			st.restart(p, i)
		}
	}
}

// evict drops events of a series that no window will hold after the watermark. Of texts, whole
// panes: an estimate is about all of the pane that it begins in.
func (st *state) evict(p *Condition, series int, swept int64) int {
	s, sp := &st.series[series], &p.series[series]
	gone := st.left(p, sp, s, swept-sp.keep)
	if sp.prunes() {
		begin, _ := st.pane(p, swept-sp.keep+1)
		gone = after(s.times, begin)
		s.evictPruned(begin)
	}
	return s.evict(sp, gone)
}

func (st *state) evictSteps(p *Condition, swept int64) {
	n := st.steps.evict(swept - p.retains)
	st.final.chain.hi -= n
	if st.early == nil || st.early.chain == nil {
		return
	}
	if st.early.chain.hi -= n; st.early.chain.hi < 0 {
		st.early.chain = nil
	}
}

// eager looks at the instants from the first event that was not looked at until the newest.
func (g *Group) eager(p *Condition) (Edge, bool) {
	st := g.state
	if st.earlyFrom == Never || st.spent {
		// a condition that a log resolved must cease first, which the sweep finds
		return Edge{}, false
	}
	from := max(st.earlyFrom, g.swept+1)
	at, whole := st.comeFrom(p, from)
	for ; at != Never; at = st.entry(p, at) {
		if p.sequence != nil {
			if st.completes(p, at) {
				st.earlyFrom = Never
				return st.completed(p, g, at), true
			}
			continue
		}
		st.early.seek(p, st, at)
		if x := (&instant{p: p, g: g, v: st.early, at: at}); p.when.holds(x) {
			e := p.edge(x, true)
			e.Late = g.late && at == g.swept+1
			st.earlyFrom = at // what comes after is checked once this has ended
			return e, true
		}
	}
	if whole {
		st.earlyFrom = Never
	}
	return Edge{}, false
}

// comeFrom brings the view ahead before from, or, if that would cost more than there is credit for,
// leaves it where it is, so that only the newest events are looked at. It returns where to look
// first, and whether nothing else is pending.
func (st *state) comeFrom(p *Condition, from int64) (at int64, whole bool) {
	v := st.early
	if p.sequence != nil {
		return st.comeFromChain(from)
	}
	if v.at <= from {
		return from, true
	}
	cost := 0
	for i := range v.cursors {
		if v.cursors[i].acc != nil {
			cost += v.cursors[i].hi - v.cursors[i].lo
		}
	}
	if cost > st.credit {
		return v.at, false
	}
	st.credit -= cost
	v.start(p, st, from)
	return from, true
}

func (st *state) comeFromChain(from int64) (at int64, whole bool) {
	v := st.early
	if v.chain == nil || v.at > from {
		if cost := len(st.steps.times) - st.final.chain.hi; cost > st.credit {
			return Never, false
		} else {
			st.credit -= cost
		}
		v.chain, v.at = st.final.chain.clone(), st.final.at
	}
	return from, true
}

// completes says whether an instance of the sequence completes at an instant.
func (st *state) completes(p *Condition, at int64) bool {
	found := false
	st.early.at = at
	st.early.chain.seek(
		p.sequence,
		&st.steps,
		st.resets,
		at,
		func(t int64, _ Order) { found = found || t == at },
	)
	return found
}

// completed is the edge of an instance that completes early.
func (st *state) completed(p *Condition, g *Group, at int64) Edge {
	return Edge{
		At:        at,
		Holds:     true,
		Late:      g.late,
		Value:     1,
		Threshold: "> 0",
		Reason:    completedReason,
		Count:     int64(g.within(p, at)),
		Level:     -1,
	}
}

// entry is the first instant after at at which an event enters.
func (st *state) entry(p *Condition, at int64) int64 {
	next := int64(Never)
	for i := range st.series {
		if n := after(st.series[i].times, at); n < len(st.series[i].times) {
			next = min(next, st.series[i].times[n])
		}
	}
	if n := after(st.steps.times, at); n < len(st.steps.times) {
		next = min(next, st.steps.times[n])
	}
	return next
}

// expires is the instant at which nothing is left to remember, or at which to see whether something
// is.
func (st *state) expires(p *Condition) int64 {
	at := int64(unswept)
	for i := range st.series {
		s := &st.series[i]
		if n := len(s.times); n > 0 {
			last := s.times[n-1]
			if p.series[i].prunes() {
				_, last = st.pane(p, last)
			}
			at = max(at, last+p.series[i].keep)
		}
		if len(s.seen) > 0 && p.remember > 0 {
			at = max(at, s.purge)
		}
	}
	for i := range st.history {
		if n := len(st.history[i].times); n > 0 {
			at = max(at, st.history[i].times[n-1]+p.history[i].keep)
		}
	}
	if n := len(st.steps.times); n > 0 {
		at = max(at, st.steps.times[n-1]+p.retains)
	}
	if n := len(st.resets); n > 0 {
		at = max(at, st.resets[n-1].at+p.retains+p.paneLength)
	}
	return at
}

func (st *state) empty() bool {
	if st.logs != nil || len(st.steps.times) > 0 || len(st.resolves) > 0 || len(st.resets) > 0 {
		return false
	}
	for i := range st.series {
		if len(st.series[i].times) > 0 || len(st.series[i].seen) > 0 {
			return false
		}
	}
	for i := range st.history {
		if len(st.history[i].times) > 0 {
			return false
		}
	}
	return true
}

func (st *state) bytes() int {
	n := 200 + 40*(cap(st.resolves)+cap(st.resets)) + 40*cap(st.steps.times)
	for i := range st.series {
		n += st.series[i].bytes()
	}
	if st.logs != nil {
		n += st.logs.bytes()
	}
	for i := range st.history {
		n += 48 + 16*cap(st.history[i].times)
	}
	for _, v := range []*view{st.final, st.early} {
		if v == nil {
			continue
		}
		n += 64
		for i := range v.cursors {
			n += 32
			if acc := v.cursors[i].acc; acc != nil {
				n += acc.bytes()
			}
		}
	}
	return n
}
