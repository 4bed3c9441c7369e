package alerting

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/window"
)

// Missed is an alert that did not fire, because logs that complete its condition came too late to
// count.
type Missed struct {
	Rule   string            `json:"rule"`
	Labels map[string]string `json:"labels"`
	At     time.Time         `json:"at"`     // when the condition would have begun to hold
	Found  time.Time         `json:"found"`  // the time of the engine at which it was found
	Behind time.Duration     `json:"behind"` // how late the log was that completed it
	Reason string            `json:"reason"`
}

const (
	keptMissed = 8 // of all rules, for people to see
	// groups of a rule of which windows of logs are kept that came too late
	maxMissedGroups = 64
	// a window of them is forgotten so long after the newest of its logs
	missedKept = int64(time.Hour)
	// between two log lines of a rule, since a producer may send many late logs
	missedPause = int64(time.Minute)
)

// missedWindow is the window of a group as it would be without lateness: it holds the logs that
// came too late, and those that came since the first of them. What it finds is certain, since the
// condition is one that more logs only make truer; but logs from before the first that was too
// late are missing, so it does not find everything.
type missedWindow struct {
	win      *window.Group
	newest   int64 // time of its newest log
	from, to int64 // of the logs of what was found last; none when from is after to
}

// noteMissed looks at a log that came too late to count: would its rule have fired?
func (e *Engine) noteMissed(rs *ruleState, sc *scan, h *hit, behind time.Duration) {
	if !rs.firesEarly() || e.opts.atWatermark {
		return
	}
	key := string(sc.bytes(h.key))
	if number, ok := rs.groups.find([]byte(key)); ok && rs.alerts[number] {
		if m := e.at(rs, number); m.g.alert.startsBefore(h.time + int64(rs.condition.Lookback())) {
			return // it has fired
		}
	}
	w := rs.missed[key]
	if w == nil {
		w = rs.newMissed(key)
	}
	w.add(rs, e.eventOf(sc, h))
	if w.from <= w.to && h.time >= w.from-int64(rs.condition.Lookback()) &&
		h.time <= w.to+int64(rs.condition.Lookback()) {
		w.from, w.to = min(w.from, h.time), max(w.to, h.time)
		return // the same one, with more logs
	}
	ed, fires := w.win.Eager(rs.condition)
	if !fires {
		return
	}
	w.from, w.to = min(ed.At, h.time), max(ed.At, h.time)
	rs.missedAlerts++
	one := Missed{
		Rule:   rs.id,
		Labels: rs.groupLabels(key),
		At:     instant(ed.At),
		Found:  instant(e.watermarks.now),
		Behind: behind,
		Reason: ed.Reason,
	}
	if e.missed = append(e.missed, one); len(e.missed) > keptMissed {
		e.missed = slices.Delete(e.missed, 0, 1)
	}
	if e.watermarks.now-rs.missedLogged < missedPause {
		return
	}
	rs.missedLogged = e.watermarks.now
	e.opts.logger.Warn("an alert did not fire, since its logs came too late to count; raise the "+
		"lateness of the rule", "rule", rs.id, "labels", one.Labels, "at", one.At,
		"behind", one.Behind, "missed", rs.missedAlerts)
}

// followMissed adds a log that counts to the window of those that came too late, if there is one.
func (e *Engine) followMissed(rs *ruleState, m *machine, sc *scan, h *hit) {
	w := rs.missed[m.g.key]
	switch {
	case w == nil:
	case m.g.alert != nil || h.time-w.newest > missedKept:
		delete(rs.missed, m.g.key) // it has fired, or is quiet
	default:
		w.add(rs, e.eventOf(sc, h))
	}
}

// newMissed makes a window for a group; the one that has been quiet for longest makes room.
func (rs *ruleState) newMissed(key string) *missedWindow {
	if rs.missed == nil {
		rs.missed = make(map[string]*missedWindow)
	}
	if len(rs.missed) >= maxMissedGroups {
		oldest := ""
		for k, w := range rs.missed {
			if o := rs.missed[oldest]; o == nil || w.newest < o.newest ||
				w.newest == o.newest && k < oldest {
				oldest = k
			}
		}
		delete(rs.missed, oldest)
	}
	w := &missedWindow{win: rs.condition.NewGroup(window.Unknown), newest: always, from: never}
	w.to = always
	rs.missed[key] = w
	return w
}

func (w *missedWindow) add(rs *ruleState, ev *window.Event) {
	w.newest = max(w.newest, ev.Time)
	w.win.Add(rs.condition, ev)
	if to := w.newest - missedKept - int64(rs.condition.Lookback()); to > w.win.SweptTo() {
		w.win.Decide(rs.condition, to, nil, func(window.Edge) {})
		w.win.Forget(rs.condition)
	}
}

// startsBefore says whether an alert is up that began before an instant.
func (a *alert) startsBefore(at int64) bool {
	if a == nil {
		return false
	}
	return a.early != nil && a.early.startsAt <= at ||
		(a.phase == pending || a.phase == firing || a.phase == suppressed) &&
			a.episode.startsAt <= at
}

// Missed returns the newest alerts that did not fire because their logs came too late, newest
// first.
func (e *Engine) Missed() []Missed {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(e.missed)
	slices.Reverse(list)
	return list
}
