package alerting

import (
	"maps"
	"slices"
)

// advance moves every rule to the time that its partitions have reached.
func (st *state) advance() {
	st.resolveOrphans()
	st.expirations = expirationsPerAdvance
	domains := st.watermarks.progressCache()
	// of rules about logs, and of suppressed rules about alerts
	slowest, about := int64(never), int64(never)
	readsLogs := slices.ContainsFunc(st.rules, func(rs *ruleState) bool { return !rs.readsAlerts })
	for _, rs := range st.rules {
		if rs.backfilling {
			continue
		}
		if rs.readsAlerts {
			st.evaluateAlerts()
			all := st.watermarks.progressOf(nil)
			if !readsLogs { // there is no alert that it could wait for
				slowest = st.decides(rs, all)
			}
			to := slowest
			if len(rs.suppressedBy) > 0 { // whose logs may be on any topic
				to = min(to, st.decides(rs, all))
				about = min(about, to)
			}
			st.advanceRule(rs, to, all)
			continue
		}
		d := domains(rs)
		if d.known {
			rs.autoLateness = d.lateness
			to := st.decides(rs, d)
			if len(rs.suppressedBy) > 0 { // whose logs may be on any topic
				all := st.watermarks.progressOf(nil)
				all.caughtUp = d.caughtUp
				to = min(to, st.decides(rs, all))
			}
			st.advanceRule(rs, to, d)
			slowest = min(slowest, rs.watermark, st.decides(rs, d))
		}
		rs.behind = !d.known || !d.caughtUp
	}
	for _, rs := range st.rules {
		st.expireSpans(rs)
	}
	if slowest = min(slowest, about); slowest != never && slowest != always {
		for _, s := range st.suppressions {
			s.expire(slowest)
		}
	}
}

// decides is the last instant that a rule decides. Where nothing comes after what was read it
// waits for nothing.
func (st *state) decides(rs *ruleState, d topicsProgress) int64 {
	if st.opts.atWatermark && d.caughtUp {
		return d.base
	}
	return rs.decides(d.base, d.watermark)
}

// advanceRule moves one rule's watermark, and decides what it reaches.
func (st *state) advanceRule(rs *ruleState, watermark int64, d topicsProgress) {
	if d.base == always || watermark == never {
		return
	}
	rs.base = max(rs.base, d.base)
	st.startRule(rs, min(d.oldest, d.base))
	for name := range rs.observes {
		for _, other := range st.byName[name] {
			if other != rs && !other.backfilling && !st.unread(other, rs, d) {
				watermark = min(watermark, other.watermark)
			}
		}
	}
	if watermark > rs.watermark {
		rs.watermark, rs.changed = watermark, true
	}
	if rs.watermark == always {
		return
	}
	if n := st.observedChanges(rs); n != rs.observedAt {
		rs.observedAt = n
		rs.groups.each(func(number uint32, _ *group) { st.decide(rs, number) })
	}
	st.decideDue(rs)
	st.expirations -= st.expireGroups(rs, st.expirations)
	st.notifyDeferred(rs, d)
	st.resolveRefusals(rs, rs.watermark)
}

// startRule notes when a rule began to look: with the oldest log, or the first time that was given.
// From then on the keys that must exist are known. Partitions are read at different paces, so an
// older log may come later; it moves the beginning as long as nothing there is decided.
func (st *state) startRule(rs *ruleState, at int64) {
	switch {
	case at == always || at == never:
	case rs.started == always:
		rs.started, rs.changed = at, true
		st.expect(rs, at)
	case at < rs.started && at > rs.watermark:
		rs.started, rs.changed = at, true
		rs.groups.each(func(number uint32, g *group) {
			if g.expected {
				m := st.at(rs, number)
				g.win.Know(at)
				m.schedule()
				rs.touch(number, g)
			}
		})
	}
}

// expect makes the groups that must exist since an instant, whether a log of them was seen or not.
func (st *state) expect(rs *ruleState, since int64) {
	if !rs.condition.HoldsEmpty() && !rs.rule.Record {
		return
	}
	keys := make(map[string]bool)
	if len(rs.by) == 0 {
		keys[""] = true
	}
	if len(rs.by) == 1 {
		for _, v := range rs.expected {
			keys[keyOf([]string{v})] = true
		}
	}
	rs.groups.each(func(number uint32, g *group) {
		if g.expected && !keys[g.key] {
			st.at(rs, number).g.expected = false
		}
	}) // the list may be shorter than it was
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		number, ok := rs.groups.find([]byte(key))
		if !ok {
			number = st.newGroup(rs, key, since)
		}
		m := st.at(rs, number)
		m.g.extend().expected = true
		m.schedule()
		rs.touch(number, m.g)
	}
}

// unread reports whether a rule asks in vain about the alerts of another, since no partition of
// that one's topics is read: none exists yet, or they were deleted. As with a partition that is
// missing, the rule waits for a minute of event time. Where nothing comes after what was read, as
// in a backtest of one topic, it does not wait.
func (st *state) unread(rs, asking *ruleState, d topicsProgress) bool {
	if !d.caughtUp || st.watermarks.progressOf(rs.topics).known {
		return false
	}
	if st.opts.atWatermark && rs.watermark == always {
		return true
	}
	return d.base >= max(asking.started, rs.watermark)+goneAfter
}

// decideDue decides what is due.
func (st *state) decideDue(rs *ruleState) {
	for {
		number, due := rs.timers.first()
		if due > rs.watermark {
			return
		}
		st.decide(rs, number)
	}
}

// expirationsPerAdvance is how many groups are dropped at once that have expired: some
// milliseconds.
const expirationsPerAdvance = 1024

// expireGroups drops groups that have expired, at most so many: a million at once must not
// delay notifications. Dropping a group later makes no difference, since a log of such a group
// drops it first.
func (st *state) expireGroups(rs *ruleState, most int) (dropped int) {
	for ; dropped < most; dropped++ {
		number, due := rs.expiring.first()
		if due > rs.watermark {
			break
		}
		st.decide(rs, number)
	}
	return dropped
}

// decide sweeps a group to the watermark, and drops it when nothing is left of it.
func (st *state) decide(rs *ruleState, number uint32) {
	if rs.watermark != always {
		st.decideTo(rs, number, rs.watermark)
	}
}

func (st *state) decideTo(rs *ruleState, number uint32, watermark int64) {
	m := st.at(rs, number)
	rs.touch(number, m.g)
	ends := watermark + 1
	if rs.refused.first != 0 {
		ends = m.endsBy(watermark)
	}
	expired := m.expireKey(watermark)
	if !expired {
		m.sweep(watermark)
	}
	if expired || !rs.condition.KeepsKeys() && m.g.alert == nil && m.g.win.Empty() {
		rs.drop(number)
		rs.madeRoom(ends)
		st.live--
		return
	}
	if m.g.alert == nil && m.firesEarly() {
		if ed, ok := m.g.win.Eager(rs.condition); ok {
			m.fireEarly(ed)
		}
	}
	m.schedule()
}

// sweep decides the group's life up to an instant before which nothing more is expected.
func (m *machine) sweep(upTo int64) {
	if m.u.recorded {
		m.record(upTo)
		return
	}
	m.sweepTo(upTo)
}

func (m *machine) sweepTo(upTo int64) {
	win := &m.g.win
	before := win.SweptTo()
	win.Decide(m.u.condition, upTo, m.env(), m.onEdge)
	m.runTimers(upTo)
	if win.SweptTo() > before {
		win.Evict(m.u.condition)
	}
	if a := m.g.alert; a != nil {
		a.decidedTo = max(a.decidedTo, upTo)
		m.addPoint(upTo)
	}
	if s := m.g.samples; s != nil {
		s.decide(m.u.compiledRule, upTo)
	}
}

// schedule puts the group where it is due.
func (m *machine) schedule() {
	due, expires := m.nextDue()
	if due != never {
		due = max(due, m.u.watermark+1) // everything before was decided
	}
	m.u.setTimer(m.number, due, expires)
}

// scheduleEarlier moves a group forward if need be, but not back: where it then is due too early,
// it is looked at once in vain, which is cheaper than moving it with every event.
func (m *machine) scheduleEarlier() {
	if due, expires := m.nextDue(); due < m.g.due || m.g.expires && !expires {
		m.u.setTimer(m.number, due, expires)
	}
}

// timerHeap is where a group stands when it is due.
func (rs *ruleState) timerHeap(expires bool) *timerHeap {
	if expires {
		return &rs.expiring
	}
	return &rs.timers
}

// setTimer puts a group where it is due.
func (rs *ruleState) setTimer(number uint32, due int64, expires bool) {
	g := rs.groups.at(number)
	if g.expires != expires {
		rs.timerHeap(g.expires).set(number, never)
		g.expires = expires
	}
	rs.timerHeap(expires).set(number, due)
}

// drop removes a group.
func (rs *ruleState) drop(number uint32) {
	if rs.saving != nil {
		rs.saving.keep(rs, number)
	}
	g := rs.groups.at(number)
	rs.setTimer(number, never, false)
	if g.alert != nil {
		rs.uncount(g.alert)
	}
	delete(rs.alerts, number)
	delete(rs.lastSeen, number)
	delete(rs.gaps, number)
	if g.samples != nil && g.samples.counted {
		rs.sampled--
	}
	rs.removed = append(rs.removed, g.key)
	rs.groups.remove(number)
}

// decideSuppressed decides what a suppression mutes up to the watermark, before a log of it is
// noted that comes too late to change that.
func (st *state) decideSuppressed(s *suppressionState, at int64) {
	for _, rs := range st.rules {
		if rs.shown[shownSuppressed] == 0 || !slices.Contains(rs.suppressedBy, s) ||
			at > rs.watermark {
			continue
		}
		for number := range rs.alerts {
			m := st.at(rs, number)
			if to := m.u.watermark; m.g.alert.phase == suppressed && to != always {
				m.sweep(to)
				rs.touch(number, m.g)
			}
		}
	}
}

// wake has the groups that a suppression mutes looked at again.
func (st *state) wake(s *suppressionState) {
	for _, rs := range st.rules {
		for _, by := range rs.suppressedBy {
			if by != s || rs.shown[shownSuppressed] == 0 {
				continue
			}
			for number := range rs.alerts {
				if m := st.at(rs, number); m.g.alert.phase == suppressed {
					due, _ := m.nextDue()
					rs.setTimer(number, min(m.g.due, max(due, m.u.watermark+1)), false)
				}
			}
		}
	}
}
