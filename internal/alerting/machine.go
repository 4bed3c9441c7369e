package alerting

import (
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The alert of a group goes through these phases, in event time and at the watermark:
//
//	                 condition holds within the hours of the rule
//	        ┌────────────────────────┬─────────────────────────────┐
//	        │ for: 5m                │ no for                      │
//	        ▼                        │                             │
//	    ┌─────────┐  held for `for`  ▼                             ▼
//	┌──►│ pending ├──────────► no suppression?──── yes ────►┌──────────────┐
//	│   └────┬────┘                  │ no                   │    firing    │
//	idle     │                       ▼                      └─┬──────────┬─┘
//	▲        │               ┌────────────┐  suppression ends ▲          │
//	│        │ ceases        │ suppressed ├───────────────────┘          │
//	│        │               └─────┬──────┘                              │
//	└────────┴─────────────────────┴─────────────────────────────────────┘
//	          resolved: the condition has ceased, and keep_firing_for and resolve have
//	          passed; or a log, a condition or a person resolves it; or the hours end
//
// Beside it an alert may fire early, with the log that completes its condition. Then its episode
// has a number and is notified, but the phases above know nothing of it until the watermark has
// come there: it then takes over the episode that begins, or is withdrawn.

// alert is what a group has when its condition holds or recently held. All of its times are event
// times.
type alert struct {
	phase phase
	episode
	conditionHolds bool
	conditionSince int64 // when it began to, if it holds
	holds          bool  // and the rule is active, and no user has resolved the alert since
	// resolved by hand while the condition held: it must cease before the next
	blocked   bool
	decidedTo int64 // everything until here is decided
	// fired with the event that completed the condition, and not decided yet
	early   *episode
	counted appearance // as what it is counted in the rule's state
}

// appearance is how an alert is shown.
type appearance uint8

const (
	notShown appearance = iota
	shownFiring
	shownPending
	shownSuppressed
	appearances // how many there are
)

func (a *alert) appearance() appearance {
	switch {
	case a.phase == firing || a.early != nil && !a.early.byHand:
		return shownFiring
	case a.phase == pending:
		return shownPending
	case a.phase == suppressed:
		return shownSuppressed
	}
	return notShown
}

// count keeps the number of the rule's alerts of each appearance: pages ask for it often, and there
// may be very many alerts. It is to be called when a phase or an early episode has changed.
func (rs *ruleState) count(a *alert) { rs.countAs(a, a.appearance()) }

// uncount is count for an alert that is forgotten.
func (rs *ruleState) uncount(a *alert) { rs.countAs(a, notShown) }

// countAs counts an alert as something else. A record has none, though its groups have the state of
// one.
func (rs *ruleState) countAs(a *alert, as appearance) {
	if rs.rule.Record {
		return
	}
	rs.shown[a.counted]--
	rs.shown[as]++
	a.counted = as
}

// episode is one alert from firing to resolved, as it is notified.
type episode struct {
	number   uint32
	startsAt int64
	firedAt  int64
	fellAt   int64
	edge     window.Edge // as the condition was when the episode fired, or its level moved
	// the events of the group before the first window that made the condition hold: all others
	// count
	countFrom     int64
	level         int // of the rule's levels, from 1; 0 for none
	notifiedLevel int
	late          bool // brought about by a late event
	fired         bool // a firing transition was counted
	withdrawn     bool // it fired early, and was taken back
	byHand        bool // it fired early, and was resolved by hand
	notified      notification
	firedValue    float64
	peak          float64 // the value that was furthest beyond the threshold
	labels        map[string]string
	peakAt        int64 // when the value was last looked at
	points        []Point
}

// phase is how far the alert of a group has come.
type phase uint8

const (
	idle phase = iota // no episode: the condition may hold, but outside the rule's hours
	pending
	firing
	suppressed // it would fire, were it not suppressed
)

// notification is the last notified state of the alert.
type notification uint8

const (
	notNotified     notification = iota
	tooOld                       // it was too old when it was found
	notifiedEarlier              // an earlier run has notified it
	wasNotified
)

// machine moves the alert of one group through event time. What happens at one instant happens in
// this order: a change of the condition, then what time alone brings about. So a gap of exactly
// keep_firing_for is bridged, and a condition that holds for exactly as long as the rule demands,
// and ceases then, has not held longer.
type machine struct {
	state  *state
	onEdge func(window.Edge)
	u      *ruleState
	number uint32
	g      *group
	edgeAt int64 // the instant whose change of the condition was taken in last
}

// env is what the condition of the group may ask of other alerts; nil if it asks nothing.
func (m *machine) env() window.Env {
	if len(m.u.observes) == 0 {
		return nil
	}
	return environment{m.state, m.u, m.g}
}

// edge takes a change of the condition in.
func (m *machine) edge(ed window.Edge) {
	m.runTimers(ed.At - 1)
	a := m.g.alert
	if ed.Same && (a == nil || a.phase != firing && a.phase != suppressed ||
		a.level == m.u.levelOf(ed)) {
		return
	}
	if a == nil {
		if !ed.Holds {
			return
		}
		a = m.begin()
	}
	a.decidedTo, m.edgeAt = max(a.decidedTo, ed.At), ed.At
	if ed.Resolves {
		m.resolvedBy(ed)
		return
	}
	if ed.Holds && !a.conditionHolds {
		a.conditionSince = ed.At
	}
	a.conditionHolds = ed.Holds
	up := a.phase == firing || a.phase == suppressed
	if ed.Holds {
		a.edge, a.late = ed, a.late || ed.Late
		if !up {
			a.level = m.u.levelOf(ed)
		}
	}
	reason := ed.Reason
	if ed.Late && !ed.Holds {
		reason = "late data" // had it come in time, the condition would not have held
	}
	m.evaluate(ed.At, reason)
	if up && ed.Holds && a.phase != idle { // it has not ended at the same instant
		a.level = m.u.levelOf(ed)
	}
	if a.phase == firing && a.holds && a.level != a.notifiedLevel {
		// it is still the same alert, but a better or a worse one
		m.transition(&a.episode, models.AlertFiring, ed.At, ed.Reason)
	}
}

// resolvedBy resolves the alert by a log or by the condition for that.
func (m *machine) resolvedBy(ed window.Edge) {
	a := m.g.alert
	if ed.Cut {
		a.conditionHolds = false
	}
	if a.phase != idle {
		m.resolve(ed.At, reasonOr(ed.Reason, "resolved by a log"))
	}
	m.drop()
}

// begin gives the group an alert without an episode.
func (m *machine) begin() *alert {
	m.g.extend().alert = &alert{decidedTo: always}
	m.u.alerts[m.number] = true
	return m.g.alert
}

// fireEarly fires an alert with the event that completes its condition, before the watermark has
// come there. It does so only while there is no alert: as long as the end of an episode is not
// decided, a log that is out of order may still join the next one to it, so receivers are notified
// of the next one when they are notified of that end.
func (m *machine) fireEarly(ed window.Edge) {
	if !m.u.active(ed.At) {
		return
	}
	a := m.begin()
	a.decidedTo = m.g.win.SweptTo()
	m.nextEpisode()
	a.early = &episode{
		number:    m.g.episodes,
		startsAt:  ed.At,
		firedAt:   ed.At,
		edge:      ed,
		late:      ed.Late,
		level:     m.u.levelOf(ed),
		countFrom: m.g.win.EnteredBefore(m.u.condition, ed.At),
	}
	m.u.count(a)
	m.transition(a.early, models.AlertFiring, ed.At, ed.Reason)
}

// confirm makes an episode that fired early the present one, now that its beginning is decided.
// Logs that were out of order may have moved it.
func (m *machine) confirm(at int64, reason string) {
	a := m.g.alert
	if a.early.byHand {
		a.early, a.holds, a.blocked = nil, false, true
		m.u.count(a)
		return
	}
	ed, late, level := a.edge, a.late, a.level
	moved := at != a.early.startsAt
	a.episode, a.early = *a.early, nil
	m.start(at)
	a.firedAt, a.phase = at, firing
	m.u.count(a)
	a.edge, a.late, a.level = ed, late || a.late, level
	m.u.openSpan(m.g.key, at)
	if moved {
		m.transition(&a.episode, models.AlertFiring, at, reason)
		return
	}
	m.passOn(m.alertOf(&a.episode, models.AlertFiring, at, reason))
}

// withdraw takes back an episode that fired early: a log has ended what it was about.
func (m *machine) withdraw(at int64) {
	a := m.g.alert
	ep := a.early
	a.early = nil
	m.u.count(a)
	if ep.byHand {
		return
	}
	ep.fellAt = at
	ep.withdrawn = true
	m.transition(ep, models.AlertResolved, at, "late data")
}

// evaluate compares what holds with what held.
func (m *machine) evaluate(at int64, reason string) {
	a := m.g.alert
	if !a.conditionHolds {
		a.blocked = false
	}
	active := m.u.active(at)
	holds := a.conditionHolds && active && !a.blocked
	switch {
	case !active && a.phase != idle: // the end of the hours is the end of the alert
		m.resolve(at, "outside the hours in which the rule is active")
	case holds && !a.holds:
		m.rise(at, reason)
	case !holds && a.holds:
		m.fall(at, reason)
	}
	m.drop()
}

func (m *machine) rise(at int64, reason string) {
	a := m.g.alert
	a.holds = true
	if a.phase != idle {
		return // the gap is bridged
	}
	if a.early != nil {
		m.confirm(at, reason)
		return
	}
	m.nextEpisode()
	a.episode = episode{number: m.g.episodes, edge: a.edge, late: a.late, level: a.level}
	m.start(at)
	if m.fireTime() > at {
		a.phase = pending
		m.u.count(a)
		m.transition(&a.episode, models.AlertPending, at, reason)
		return
	}
	m.fire(at)
}

// fireTime is when a condition that holds has held for as long as the rule demands.
func (m *machine) fireTime() int64 { return m.g.alert.conditionSince + int64(m.u.rule.For) }

// start begins the episode at an instant.
func (m *machine) start(at int64) {
	m.g.alert.startsAt, m.g.alert.countFrom = at, m.g.win.EnteredBefore(m.u.condition, at)
}

// count is how many events an episode is about, up to an instant: those of the window in which the
// condition began to hold, and all since.
func (m *machine) count(ep *episode, at int64) int64 { return m.g.win.Entered(at) - ep.countFrom }

// add puts an event into the window. A late one may be from before those that the alert counts;
// then it is not counted.
func (m *machine) add(ev *window.Event, late bool) window.Arrival {
	a := m.g.alert
	if !late || a == nil {
		return m.g.win.Add(m.u.condition, ev)
	}
	uncounted := func(ep *episode) int64 {
		if ep == nil {
			return 0
		}
		return m.g.win.EnteredBefore(m.u.condition, ep.startsAt)
	}
	before, early := uncounted(&a.episode), uncounted(a.early)
	arrival := m.g.win.Add(m.u.condition, ev)
	a.countFrom += uncounted(&a.episode) - before
	if a.early != nil {
		a.early.countFrom += uncounted(a.early) - early
	}
	return arrival
}

func (m *machine) fire(at int64) {
	a := m.g.alert
	a.firedAt, a.decidedTo = at, max(a.decidedTo, at)
	m.describe(at)
	reason := a.edge.Reason
	if m.u.rule.For > 0 {
		reason += " for " + duration.Format(m.u.rule.For)
	}
	if name, until := m.state.suppressed(m.u, m.g.key, at); until > at {
		a.phase = suppressed
		m.u.count(a)
		m.transition(&a.episode, models.AlertSuppressed, at, reason+"; suppressed by "+name)
		return
	}
	a.phase = firing
	m.u.count(a)
	m.u.openSpan(m.g.key, at)
	m.transition(&a.episode, models.AlertFiring, at, reason)
}

// describe sets the value of the alert at the instant at which it fires, which may be long after
// its condition began to hold.
func (m *machine) describe(at int64) {
	a := m.g.alert
	if a.edge.At == at || m.u.rule.Record {
		return
	}
	reason := a.edge.Reason
	if a.edge = m.g.win.EdgeAt(m.u.condition, at, m.env()); !a.holds {
		a.edge.Reason = reason
	}
	a.level = m.u.levelOf(a.edge)
}

func (m *machine) fall(at int64, reason string) {
	a := m.g.alert
	a.holds, a.fellAt = false, at
	switch {
	case a.phase == pending:
		m.resolve(at, "ceased before "+duration.Format(m.u.rule.For)+" had passed")
	case m.u.lingerTime() == 0:
		m.resolve(at, reason)
	}
}

// resolve ends the episode.
func (m *machine) resolve(at int64, reason string) {
	a := m.g.alert
	if a.holds {
		a.fellAt = at
	}
	m.transition(&a.episode, models.AlertResolved, at, reason)
	if a.phase == firing {
		m.u.closeSpan(m.g.key, at)
		if m.u.findsMissed() {
			m.u.ended.note(m.g.key, firingSpan{a.startsAt, at})
		}
	}
	if s := m.g.samples; s != nil {
		s.endEpisode(at)
	}
	a.phase, a.holds, a.episode = idle, false, episode{edge: a.edge}
	m.u.count(a)
	m.drop()
}

// drop forgets the alert when nothing of it is left.
func (m *machine) drop() {
	a := m.g.alert
	if a != nil && a.phase == idle && !a.conditionHolds && a.early == nil {
		m.u.uncount(a)
		m.g.alert = nil
		delete(m.u.alerts, m.number)
		m.u.releaseSamples(m.g)
	}
}

// runTimers does what time alone brings about, up to an instant.
func (m *machine) runTimers(to int64) {
	for m.g.alert != nil {
		at := m.nextTimer()
		if at > to {
			return
		}
		m.timer(at)
	}
}

// nextTimer is when time alone next changes something, or never.
func (m *machine) nextTimer() int64 {
	a := m.g.alert
	if a == nil {
		return never
	}
	next := int64(never)
	if a.conditionHolds || a.phase != idle {
		next = m.u.hoursChange(a.decidedTo)
	}
	switch {
	case a.phase == pending:
		next = min(next, max(m.fireTime(), a.decidedTo))
	case m.lingers():
		next = min(next, a.fellAt+m.u.lingerTime())
	}
	if a.early != nil {
		next = min(next, a.early.startsAt)
	}
	if a.phase == suppressed {
		_, until := m.state.suppressed(m.u, m.g.key, a.decidedTo-1)
		if until <= a.decidedTo {
			_, then := m.state.suppressed(m.u, m.g.key, a.decidedTo)
			switch {
			case then > a.decidedTo: // another one begins as it ends
				until = then
			case until == a.decidedTo || m.edgeAt == a.decidedTo:
				until = a.decidedTo // whose timers have not run
			default: // a late log ended it: at the first undecided instant
				until = a.decidedTo + 1
			}
		}
		next = min(next, until)
	}
	return next
}

// lingers reports whether the alert is up although its condition has ceased to hold, for as long as
// the rule says.
func (m *machine) lingers() bool {
	a := m.g.alert
	return (a.phase == firing || a.phase == suppressed) && !a.holds && m.u.lingerTime() != never
}

// timer does what is due at an instant.
func (m *machine) timer(at int64) {
	a := m.g.alert
	a.decidedTo = max(a.decidedTo, at)
	if a.early != nil && at >= a.early.startsAt { // nothing has confirmed it
		m.withdraw(at)
	}
	active := m.u.active(at)
	switch {
	case a.phase != idle && !active: // see evaluate
	case a.phase == pending && at >= m.fireTime():
		m.fire(at)
		return
	case m.lingers() && at >= a.fellAt+m.u.lingerTime():
		m.resolve(at, "quiet for "+duration.Format(time.Duration(m.u.lingerTime())))
		return
	case a.phase == suppressed:
		if _, until := m.state.suppressed(m.u, m.g.key, at); until <= at {
			a.phase, a.firedAt = firing, at
			m.u.count(a)
			m.describe(at)
			m.u.openSpan(m.g.key, at)
			m.transition(&a.episode, models.AlertFiring, at, a.edge.Reason+"; no longer suppressed")
		}
	}
	m.evaluate(at, a.edge.Reason)
}

// nextDue is when the group next must be looked at, and whether only its end is to be expected
// then.
func (m *machine) nextDue() (at int64, expires bool) {
	at, expires = m.g.win.Next(m.u.condition, m.env())
	if m.u.recorded {
		return m.dueValue(at), false
	}
	if m.u.condition.KeepsKeys() {
		if expires {
			at = never
		}
		return min(at, m.nextTimer(), m.keyExpiresAt()), false
	}
	return min(at, m.nextTimer()), expires && m.g.alert == nil
}

func reasonOr(reason, otherwise string) string {
	if reason == "" {
		return otherwise
	}
	return reason
}

func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
