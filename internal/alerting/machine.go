package alerting

import (
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alert is what a group has when its condition holds or lately held: one episode, from the instant
// decidedTo which the condition began to hold to the one at which the alert is over. All of its
// times are event times.
type alert struct {
	phase          phase
	conditionHolds bool // the condition holds
	holds          bool // and the rule is active, and nothing has resolved the alert since
	blocked        bool // resolved while the condition held: it has to cease before the next episode
	passedOn       bool // fired early, and the rules that read alerts know
	// firedAt with the event that completed the condition; the watermark has not come there yet
	early     bool
	notified  notification // what people may have heard of it
	late      bool         // brought about by a late event
	decidedTo int64        // the lifecycle is decided up to here
	startsAt  int64
	firedAt   int64
	fellAt    int64
	edge      window.Edge // that made the condition hold
	// the events of the group before the first window that made the condition hold: all others
	// count
	countFrom     int64
	level         int // of the rule's levels, from 1; 0 for none
	notifiedLevel int // the level that was last told
	labels        map[string]string
	points        []Point
}

// phase is how far an episode has come.
type phase uint8

const (
	idle phase = iota // no episode: the condition may hold, but outside the rule's hours
	pending
	firing
	suppressed // it would be up, were it not suppressed
)

// notification is what people may have heard of an episode.
type notification uint8

const (
	notNotified     notification = iota
	tooOld                       // it was too old when it was found
	notifiedEarlier              // an earlier run has told it
	wasNotified
)

// machine moves the alert of one group through event time. What happens at one instant happens in
// this order: a change of truth, then what time alone brings about; so a gap of exactly
// keep_firing_for is bridged, and a condition that holds for exactly as long as the rule demands,
// and ceases then, has not held longer.
type machine struct {
	e      *Engine
	onEdge func(window.Edge)
	u      *ruleState
	number uint32
	g      *group
}

// edge takes a change of truth in.
func (m *machine) edge(ed window.Edge) {
	m.runTimers(ed.At - 1)
	a := m.g.alert
	if a == nil {
		if !ed.Holds {
			return
		}
		a = m.begin()
	}
	a.decidedTo = max(a.decidedTo, ed.At)
	if ed.Resolves {
		if a.phase != idle && !a.early {
			m.resolve(ed.At, reasonOr(ed.Reason, "resolved by a log"))
		}
		return
	}
	a.conditionHolds = ed.Holds
	if ed.Holds {
		a.edge, a.late, a.level = ed, a.late || ed.Late, m.u.levelOf(ed)
	}
	reason := ed.Reason
	if ed.Late && !ed.Holds {
		reason = "late data" // had it come in time, the condition would not have held
	}
	m.evaluate(ed.At, reason)
	if a.phase == firing && a.holds && a.level != a.notifiedLevel {
		// it is still the same alert, but a better or a worse one
		m.transition(models.AlertFiring, ed.At, ed.Reason)
	}
}

// begin gives the group an alert without an episode.
func (m *machine) begin() *alert {
	m.g.extend().alert = &alert{decidedTo: always}
	m.u.alerts[m.number] = true
	return m.g.alert
}

// fireEarly fires an alert with the event that completes its condition, before the watermark has
// come there. What mutes it must be known by then, so during a backlog, in which the log that
// begins a suppression may still wait in another partition, such a rule waits for the watermark.
func (m *machine) fireEarly(ed window.Edge) {
	if !m.u.active(ed.At) || len(m.u.suppressedBy) > 0 && m.u.behind {
		return
	}
	a := m.begin()
	a.early, a.edge, a.late, a.level = true, ed, ed.Late, m.u.levelOf(ed)
	m.start(ed.At)
	m.nextEpisode()
	m.fire(ed.At, ed.Reason)
	a.decidedTo = m.g.win.SweptTo() // the life up to here is still to be decided
}

// confirm takes over the start of an episode that fired early, now that it is final. Logs that were
// transitions of order, or in which the rule was not active yet, may have moved it.
func (m *machine) confirm(at int64, reason string) {
	a := m.g.alert
	moved := at != a.startsAt
	m.start(at)
	state, _ := m.state()
	if moved {
		m.transition(state, at, reason)
	}
	a.early = false
	if !a.passedOn {
		out := m.alertNow(state, at, reason)
		out.Historical = a.notified != wasNotified
		m.passOn(out)
	}
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
	case holds && !a.holds:
		m.rise(at, reason)
	case !holds && a.holds:
		if a.conditionHolds && !active {
			reason = "outside the hours in which the rule is active"
			m.fall(at, reason)
			if a.phase == firing || a.phase == suppressed {
				m.resolve(at, reason) // the end of the interval is the end of the alert
			}
			return
		}
		m.fall(at, reason)
	}
	m.drop()
}

func (m *machine) rise(at int64, reason string) {
	a := m.g.alert
	a.holds = true
	if a.early {
		m.confirm(at, reason)
		return
	}
	if a.phase != idle {
		return // the gap is bridged
	}
	m.nextEpisode()
	a.notified = notNotified
	m.start(at)
	if wait := int64(m.u.rule.For); wait > 0 {
		a.phase = pending
		m.transition(models.AlertPending, at, reason)
		return
	}
	m.fire(at, reason)
}

// start begins the episode at an instant.
func (m *machine) start(at int64) {
	m.g.alert.startsAt, m.g.alert.countFrom = at, m.g.win.EnteredBefore(m.u.condition, at)
}

// count is how many events the episode is about, up to an instant: those of the window in which the
// condition began to hold, and all since.
func (m *machine) count(at int64) int64 { return m.g.win.Entered(at) - m.g.alert.countFrom }

func (m *machine) fire(at int64, reason string) {
	a := m.g.alert
	a.firedAt, a.decidedTo = at, max(a.decidedTo, at)
	if name, until := m.e.suppressed(m.u, m.g.key, at); until > at {
		a.phase = suppressed
		m.transition(models.AlertSuppressed, at, reason+"; suppressed by "+name)
		return
	}
	a.phase = firing
	m.transition(models.AlertFiring, at, reason)
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
	m.transition(models.AlertResolved, at, reason)
	if a.notified != notNotified || a.phase == firing {
		m.u.keepFiringSpan(m.g, at)
	}
	a.phase, a.holds, a.early, a.passedOn, a.late, a.notified, a.level, a.labels = idle, false, false, false, false, notNotified, 0, nil
	a.blocked = a.conditionHolds
	m.drop()
}

// drop forgets the alert when nothing of it is left.
func (m *machine) drop() {
	if a := m.g.alert; a != nil && a.phase == idle && !a.conditionHolds {
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
	if a.conditionHolds {
		next = m.u.hoursChange(a.decidedTo)
	}
	switch {
	case a.phase == pending && a.holds:
		next = min(next, a.startsAt+int64(m.u.rule.For))
	case m.lingers():
		next = min(next, a.fellAt+m.u.lingerTime())
	}
	if a.early {
		next = min(next, a.startsAt)
	}
	if a.phase == suppressed && !a.early {
		_, until := m.e.suppressed(m.u, m.g.key, a.decidedTo)
		next = min(next, max(until, a.decidedTo))
	}
	return next
}

// lingers says whether the alert is up although its condition has ceased to hold, for as long as
// the rule says.
func (m *machine) lingers() bool {
	a := m.g.alert
	return (a.phase == firing || a.phase == suppressed) && !a.holds && !a.early && m.u.lingerTime() != never
}

// timer does what is due at an instant.
func (m *machine) timer(at int64) {
	a := m.g.alert
	a.decidedTo = max(a.decidedTo, at)
	switch {
	case a.early && at >= a.startsAt: // nothing has confirmed it
		m.resolve(at, "late data")
		return
	case a.phase == pending && a.holds && at == a.startsAt+int64(m.u.rule.For):
		m.fire(at, a.edge.Reason+" for "+duration.Format(m.u.rule.For))
		return
	case m.lingers() && at == a.fellAt+m.u.lingerTime():
		m.resolve(at, "quiet for "+duration.Format(time.Duration(m.u.lingerTime())))
		return
	}
	if a.phase == suppressed && !a.early {
		if _, until := m.e.suppressed(m.u, m.g.key, at); until <= at {
			a.phase, a.firedAt = firing, at
			m.transition(models.AlertFiring, at, a.edge.Reason+"; no longer suppressed")
		}
	}
	m.evaluate(at, a.edge.Reason)
}

// nextDue is when the group next has to be looked at, and whether nothing but its end is to be
// expected then.
func (m *machine) nextDue() (at int64, fades bool) {
	at, fades = m.g.win.Next(m.u.condition)
	if m.u.recorded {
		return m.dueValue(at), false
	}
	return min(
			at,
			m.nextTimer(),
			m.keyExpiresAt(),
		), fades && m.g.alert == nil && !m.u.condition.HoldsEmpty() &&
			len(m.u.observes) == 0
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
