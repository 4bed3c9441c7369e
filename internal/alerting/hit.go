package alerting

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/window"
)

// apply puts the hits of a scan into their groups.
func (st *state) apply(sc *scan) {
	st.total.logs += int64(sc.logs)
	st.total.rejected += int64(len(sc.rejected) + sc.rejectedElsewhere)
	st.total.dropped += int64(sc.dropped)
	st.total.futureTimes += int64(sc.futureTimes)
	st.total.hits += int64(len(sc.hits))
	if sc.logs == 0 {
		return
	}
	pt := st.watermarks.observe(sc)
	for i := range sc.suppressionHits {
		m := &sc.suppressionHits[i]
		if s := st.suppressionOf(sc.rules, m.suppression); s != nil {
			st.decideSuppressed(s, m.time)
			s.note(string(sc.bytes(m.key)), logPlace{m.time, sc.order(m.offset, m.index)}, m.end)
			st.wake(s)
		}
	}
	for i := range sc.hits {
		if i%prefetchHits == 0 {
			st.prefetch.prefetch(st, sc, sc.hits[i:min(i+prefetchHits, len(sc.hits))])
		}
		if rs := st.stateOf(sc.rules, sc.hits[i].rule); rs != nil && !rs.backfilling {
			st.hit(rs, sc, &sc.hits[i], pt, st.prefetch.found[i%prefetchHits])
		}
	}
}

// hit puts one hit into its group.
func (st *state) hit(rs *ruleState, sc *scan, h *hit, pt *partitionTime, likely prefetched) {
	rs.matches++
	rs.lastMatch = max(rs.lastMatch, h.time)
	st.startRule(rs, pt.oldest)
	watermark := rs.watermark
	late := watermark != always && h.time <= watermark
	var behind, allowed time.Duration
	if late {
		behind, allowed = st.lateBy(rs, pt, h.time)
		rs.late++
		pt.late++
		if h.time+rs.condition.Retains() <= watermark+1 { // no instant that is not decided sees it
			rs.tooLate++
			st.late.note(rs, sc, h, behind, allowed, false)
			st.noteMissed(rs, sc, h, pt, behind)
			return
		}
	}
	number, ok := rs.groups.group(sc.bytes(h.key), likely)
	if rs.refused.first != 0 { // a group that has ended makes room, also when it begins anew
		st.expireBefore(rs, pt, h.reached)
		number, ok = rs.groups.find(sc.bytes(h.key))
	}
	if ok && rs.groups.at(number).due <= watermark { // it has expired, and waits to be dropped
		st.decide(rs, number)
		number, ok = rs.groups.find(sc.bytes(h.key))
	}
	if !ok {
		if !st.room(rs, pt, h) {
			return
		}
		number = st.newGroup(rs, string(sc.bytes(h.key)), window.Unknown)
	}
	m := st.at(rs, number)
	if lag := watermark - m.g.win.SweptTo(); watermark != always && lag > 0 &&
		(h.time <= watermark || lag > int64(rs.condition.Lookback())/2) {
		m.sweep(watermark)
	}
	m.keepRecorded(h.time)
	first := m.g.win.KnownSince()
	arrival := m.add(st.eventOf(sc, h), late)
	if late {
		st.late.note(rs, sc, h, behind, allowed, arrival != window.TooLate)
	}
	if arrival == window.TooLate {
		rs.tooLate++
		st.noteMissed(rs, sc, h, pt, behind)
		return
	}
	if rs.condition.MakesKnown(h.bits) {
		rs.noteSeen(number, m.g, h.time, first)
	}
	if rs.values != nil {
		m.sampleValue(h.time)
	}
	ed, fires := window.Edge{}, false
	if m.g.alert == nil && m.firesEarly() {
		ed, fires = m.g.win.Eager(rs.condition)
	}
	rs.sample(m.g, sc, h, fires)
	if fires {
		m.fireEarly(ed)
	}
	m.notePeak(h.time)
	rs.touch(number, m.g)
	if len(rs.missed) > 0 {
		st.followMissed(rs, m, sc, h)
	}
	if arrival == window.OnTime && !fires && m.postpones(h.time) {
		return
	}
	m.scheduleEarlier()
}

// firesEarly reports whether the alert fires with the log that completes its condition. Whether a
// suppression holds is only known at the watermark, and so is all that is about other alerts. A
// label with the value must not depend on which of several logs came first.
func (m *machine) firesEarly() bool { return m.u.firesEarly() && !m.state.opts.atWatermark }

func (rs *ruleState) firesEarly() bool {
	return rs.condition.FiresEarly() && len(rs.suppressedBy) == 0 && !rs.readsAlerts &&
		!rs.rule.Record && !rs.labelsAtFiring
}

// postpones reports whether an event that is in time cannot bring anything about earlier than the
// group is due: a condition that more events only make truer, and that holds or was notified to
// hold, can only hold for longer, unless an event may end the alert. It spares busy groups, which
// have alerts, a look at their whole window for each event. An event that enters an earlier window
// later, as with offset, may end it then.
func (m *machine) postpones(at int64) bool {
	return m.firesEarly() && !m.u.recorded && len(m.u.rule.Levels) == 0 &&
		!m.u.condition.ReadsPast() &&
		m.u.rule.Resolve.Match == nil &&
		m.g.due != never &&
		(m.g.win.Holds() ||
			m.g.alert != nil && m.g.alert.early != nil && at >= m.g.alert.early.startsAt)
}

// eventOf is the event of a hit. It is valid until the next call.
func (st *state) eventOf(sc *scan, h *hit) *window.Event {
	ev := &st.event
	ev.Time, ev.Bits, ev.Values = h.time, h.bits, ev.Values[:0]
	ev.Order = sc.order(h.offset, h.index)
	for _, v := range sc.values[h.values.from:h.values.to] {
		out := window.Value{Kind: v.kind, Num: v.num}
		if v.kind == window.List {
			for _, member := range sc.members[v.from:v.to] {
				out.List = append(
					out.List,
					window.Value{Kind: member.kind, Num: member.num, Text: sc.bytes(member.span)},
				)
			}
		} else {
			out.Text = sc.bytes(v.span)
		}
		ev.Values = append(ev.Values, out)
	}
	return ev
}

// at points the scratch life at a group, which then may be changed.
func (st *state) at(rs *ruleState, number uint32) *machine {
	if rs.saving != nil {
		rs.saving.keep(rs, number)
	}
	st.machine.u, st.machine.number, st.machine.g = rs, number, rs.groups.at(number)
	st.machine.edgeAt = always
	return &st.machine
}

// newGroup makes a group whose key is known since an instant. What lies before the watermark is
// decided, so nothing begins there.
func (st *state) newGroup(rs *ruleState, key string, known int64) uint32 {
	number := rs.groups.add(key)
	st.live++
	g := rs.groups.at(number)
	g.win = *rs.condition.NewGroup(window.Unknown)
	if last := rs.counters.last[key].episode; last > 0 {
		g.extend().episodes = last
	}
	if rs.watermark != always {
		st.at(rs, number).sweep(rs.watermark)
	}
	g.win.Know(known)
	rs.touch(number, g)
	return number
}

// touch notes that a group is to be saved.
func (rs *ruleState) touch(number uint32, g *group) {
	if g.mark == rs.groups.marks.changed {
		return
	}
	g.mark = rs.groups.marks.changed
	if chunk := number / chunkGroups; !rs.groups.dirty[chunk] {
		rs.groups.dirty[chunk] = true
		rs.dirty = append(rs.dirty, chunk)
	}
}
