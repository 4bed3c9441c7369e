package alerting

import (
	"math"

	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alert is what a group has when its condition holds or lately held: one episode, from the instant
// at which the condition began to hold to the one at which the alert is over. All of its times are
// event times.
type alert struct {
	phase   phase
	raw     bool // the condition holds
	holds   bool // and the rule is active, and nothing has resolved the alert since
	blocked bool // resolved while the condition held: it has to cease before the next episode
	passed  bool // fired early, and the rules that read alerts know
	// fired with the event that completed the condition; the watermark has not come there yet
	early bool
	told  told  // what people may have heard of it
	late  bool  // brought about by a late event
	at    int64 // the lifecycle is decided up to here
	start int64
	fired int64
	fell  int64
	edge  window.Edge // that made the condition hold
	// the events of the group before the first window that made the condition hold: all others
	// count
	base   int64
	level  int // of the rule's levels, from 1; 0 for none
	shown  int // the level that was last told
	labels map[string]string
	points []Point
}

// phase is how far an episode has come.
type phase uint8

const (
	idle phase = iota // no episode: the condition may hold, but outside the rule's hours
	pending
	up
	muted // it would be up, were it not suppressed
)

// told is what people may have heard of an episode.
type told uint8

const (
	nothing  told = iota
	recorded      // it was too old when it was found
	replayed      // an earlier run has told it
	said
)

// life moves the alert of one group through event time. What happens at one instant happens in this
// order: a change of truth, then what time alone brings about; so a gap of exactly keep_firing_for
// is bridged, and a condition that holds for exactly as long as the rule demands, and ceases then,
// has not held longer.
type life struct {
	e      *Engine
	each   func(window.Edge)
	u      *unit
	number uint32
	g      *group
}

// edge takes a change of truth in.
func (l *life) edge(ed window.Edge) {
	l.run(ed.At - 1)
	a := l.g.alert
	if a == nil {
		if !ed.True {
			return
		}
		a = l.begin()
	}
	a.at = max(a.at, ed.At)
	if ed.Recovered {
		if a.phase != idle && !a.early {
			l.resolve(ed.At, reasonOr(ed.Reason, "resolved by a log"))
		}
		return
	}
	a.raw = ed.True
	if ed.True {
		a.edge, a.late, a.level = ed, a.late || ed.Late, l.u.levelOf(ed)
	}
	reason := ed.Reason
	if ed.Late && !ed.True {
		reason = "late data" // had it come in time, the condition would not have held
	}
	l.judge(ed.At, reason)
	if a.phase == up && a.holds && a.level != a.shown {
		// it is still the same alert, but a better or a worse one
		l.tell(models.AlertFiring, ed.At, ed.Reason)
	}
}

// begin gives the group an alert without an episode.
func (l *life) begin() *alert {
	l.g.extend().alert = &alert{at: always}
	l.u.open[l.number] = true
	return l.g.alert
}

// early fires an alert with the event that completes its condition, before the watermark has come
// there. What mutes it must be known by then, so during a backlog, in which the log that begins a
// suppression may still wait in another partition, such a rule waits for the watermark.
func (l *life) early(ed window.Edge) {
	if !l.u.calendar.active(ed.At) || len(l.u.mutedBy) > 0 && l.u.behind {
		return
	}
	a := l.begin()
	a.early, a.edge, a.late, a.level = true, ed, ed.Late, l.u.levelOf(ed)
	l.start(ed.At)
	l.enumerate()
	l.fire(ed.At, ed.Reason)
	a.at = l.g.win.Swept() // the life up to here is still to be decided
}

// confirm takes over the start of an episode that fired early, now that it is final. Logs that were
// out of order, or in which the rule was not active yet, may have moved it.
func (l *life) confirm(at int64, reason string) {
	a := l.g.alert
	moved := at != a.start
	l.start(at)
	state, _ := l.state()
	if moved {
		l.tell(state, at, reason)
	}
	a.early = false
	if !a.passed {
		out := l.alertNow(state, at, reason)
		out.Historical = a.told != said
		l.feed(out)
	}
}

// judge compares what holds with what held.
func (l *life) judge(at int64, reason string) {
	a := l.g.alert
	if !a.raw {
		a.blocked = false
	}
	active := l.u.calendar.active(at)
	holds := a.raw && active && !a.blocked
	switch {
	case holds && !a.holds:
		l.rise(at, reason)
	case !holds && a.holds:
		if a.raw && !active {
			reason = "outside the hours in which the rule is active"
			l.fall(at, reason)
			if a.phase == up || a.phase == muted {
				l.resolve(at, reason) // the end of the interval is the end of the alert
			}
			return
		}
		l.fall(at, reason)
	}
	l.drop()
}

func (l *life) rise(at int64, reason string) {
	a := l.g.alert
	a.holds = true
	if a.early {
		l.confirm(at, reason)
		return
	}
	if a.phase != idle {
		return // the gap is bridged
	}
	l.enumerate()
	a.told = nothing
	l.start(at)
	if wait := int64(l.u.rule.For); wait > 0 {
		a.phase = pending
		l.tell(models.AlertPending, at, reason)
		return
	}
	l.fire(at, reason)
}

// start begins the episode at an instant.
func (l *life) start(at int64) {
	l.g.alert.start, l.g.alert.base = at, l.g.win.Before(l.u.plan, at)
}

// count is how many events the episode is about, up to an instant: those of the window in which the
// condition began to hold, and all since.
func (l *life) count(at int64) int64 { return l.g.win.Entered(at) - l.g.alert.base }

func (l *life) fire(at int64, reason string) {
	a := l.g.alert
	a.fired, a.at = at, max(a.at, at)
	if name, until := l.e.suppressed(l.u, l.g.key, at); until > at {
		a.phase = muted
		l.tell(models.AlertSuppressed, at, reason+"; suppressed by "+name)
		return
	}
	a.phase = up
	l.tell(models.AlertFiring, at, reason)
}

func (l *life) fall(at int64, reason string) {
	a := l.g.alert
	a.holds, a.fell = false, at
	switch {
	case a.phase == pending:
		l.resolve(at, "ceased before "+shortDuration(l.u.rule.For)+" had passed")
	case l.u.keep() == 0:
		l.resolve(at, reason)
	}
}

// resolve ends the episode.
func (l *life) resolve(at int64, reason string) {
	a := l.g.alert
	if a.holds {
		a.fell = at
	}
	l.tell(models.AlertResolved, at, reason)
	if a.told != nothing || a.phase == up {
		l.u.remember(l.g, at)
	}
	a.phase, a.holds, a.early, a.passed, a.late, a.told, a.level, a.labels = idle, false, false, false, false, nothing, 0, nil
	a.blocked = a.raw
	l.drop()
}

// drop forgets the alert when nothing of it is left.
func (l *life) drop() {
	if a := l.g.alert; a != nil && a.phase == idle && !a.raw {
		l.g.alert = nil
		delete(l.u.open, l.number)
		l.u.release(l.g)
	}
}

// run does what time alone brings about, up to an instant.
func (l *life) run(to int64) {
	for l.g.alert != nil {
		at := l.next()
		if at > to {
			return
		}
		l.tick(at)
	}
}

// next is when time alone next changes something, or never.
func (l *life) next() int64 {
	a := l.g.alert
	if a == nil {
		return never
	}
	next := int64(never)
	if a.raw {
		next = l.u.calendar.change(a.at)
	}
	switch {
	case a.phase == pending && a.holds:
		next = min(next, a.start+int64(l.u.rule.For))
	case l.lingers():
		next = min(next, a.fell+l.u.keep())
	}
	if a.early {
		next = min(next, a.start)
	}
	if a.phase == muted && !a.early {
		_, until := l.e.suppressed(l.u, l.g.key, a.at)
		next = min(next, max(until, a.at))
	}
	return next
}

// lingers says whether the alert is up although its condition has ceased to hold, for as long as
// the rule says.
func (l *life) lingers() bool {
	a := l.g.alert
	return (a.phase == up || a.phase == muted) && !a.holds && !a.early && l.u.keep() != never
}

// tick does what is due at an instant.
func (l *life) tick(at int64) {
	a := l.g.alert
	a.at = max(a.at, at)
	switch {
	case a.early && at >= a.start: // nothing has confirmed it
		l.resolve(at, "late data")
		return
	case a.phase == pending && a.holds && at == a.start+int64(l.u.rule.For):
		l.fire(at, a.edge.Reason+" for "+shortDuration(l.u.rule.For))
		return
	case l.lingers() && at == a.fell+l.u.keep():
		l.resolve(at, "quiet for "+shortNanos(l.u.keep()))
		return
	}
	if a.phase == muted && !a.early {
		if _, until := l.e.suppressed(l.u, l.g.key, at); until <= at {
			a.phase, a.fired = up, at
			l.tell(models.AlertFiring, at, a.edge.Reason+"; no longer suppressed")
		}
	}
	l.judge(at, a.edge.Reason)
}

// due is when the group next has to be looked at, and whether nothing but its end is to be expected
// then.
func (l *life) due() (at int64, fades bool) {
	at, fades = l.g.win.Next(l.u.plan)
	if l.u.recorded {
		return l.dueValue(at), false
	}
	return min(
			at,
			l.next(),
			l.forgets(),
		), fades && l.g.alert == nil && !l.u.plan.Known() &&
			len(l.u.asks) == 0
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
