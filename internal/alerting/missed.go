package alerting

import (
	"maps"
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
	keptMissed = 8 // of all rules, for the engine page
	// groups of a rule of which windows of logs are kept that came too late
	maxMissedGroups = 64
	// a window of them is forgotten when none came too late for so long, beside its own length
	missedKept = int64(time.Hour)
	// between two log lines of a rule, and two searches for windows to forget, since a producer may
	// send many late logs
	missedPause = int64(time.Minute)
	// logs that such a window takes; a group with more is not followed any further
	maxMissedLogs = 4096
	// groups of a rule of which it is known when their last alert was
	maxEnded = 1024
)

// missedWindow is the window of a group as it would be without lateness: it holds the logs that
// came too late, and those that came since the first of them. What it finds is certain, since the
// condition is one that more logs only make truer; but logs from before the first that was too
// late are missing, so it does not find everything.
type missedWindow struct {
	win      *window.Group // nil when it took maxMissedLogs
	logs     int           // that it took
	newest   int64         // time of its newest log; always for none
	late     int64         // time of the engine when the last log came that was too late
	from, to int64         // of the logs of what was found last; none when from is after to
}

// findsMissed reports whether late logs alone can show that an alert of a rule was missed: not
// where a log may end what they complete, or earlier ones decide.
func (rs *ruleState) findsMissed() bool {
	return rs.firesEarly() && rs.rule.Resolve.Match == nil && !rs.condition.ReadsPast()
}

// noteMissed looks at a log that came too late to count: would its rule have fired? Where logs are
// read again that another run has read, they are late here only.
func (st *state) noteMissed(
	rs *ruleState, sc *scan, h *hit, pt *partitionTime, behind time.Duration,
) {
	if !rs.findsMissed() || st.opts.atWatermark || pt.replay || pt.replays {
		return
	}
	key, reach := string(sc.bytes(h.key)), int64(rs.condition.Lookback())
	if h.time-reach <= rs.missedFrom {
		return // it may have fired
	}
	if number, ok := rs.groups.find([]byte(key)); ok && rs.alerts[number] {
		if m := st.at(rs, number); m.g.alert.startsBefore(h.time + reach) {
			return // it has fired
		}
	}
	if s, ok := rs.ended.spans[key]; ok && h.time+reach >= s.from && h.time-reach <= s.to {
		return // it had fired
	}
	w := rs.missedWindow(key, st.watermarks.now)
	if w == nil || !w.add(rs, st.eventOf(sc, h)) {
		rs.missedUnchecked++
		return
	}
	ed, fires := w.win.Eager(rs.condition)
	if !fires || !rs.active(ed.At) {
		return
	}
	for _, at := range []int64{h.time, ed.At} {
		if w.from <= w.to && at >= w.from-reach && at <= w.to+reach {
			w.from, w.to = min(w.from, h.time), max(w.to, h.time)
			return // the same one, with more logs
		}
	}
	w.from, w.to = min(ed.At, h.time), max(ed.At, h.time)
	rs.missedAlerts++
	one := Missed{
		Rule:   rs.id,
		Labels: rs.groupLabels(key),
		At:     instant(ed.At),
		Found:  instant(st.watermarks.now),
		Behind: behind,
		Reason: ed.Reason,
	}
	if st.missed = append(st.missed, one); len(st.missed) > keptMissed {
		st.missed = slices.Delete(st.missed, 0, 1)
	}
	if st.watermarks.now-rs.missedLogged < missedPause || st.opts.frames {
		return // all members of a cluster find it, and their pages and metrics say so
	}
	rs.missedLogged = st.watermarks.now
	st.opts.logger.Warn("an alert did not fire, since its logs came too late to count; raise the "+
		"lateness of the rule", "rule", rs.id, "labels", one.Labels, "at", one.At,
		"behind", one.Behind, "missed", rs.missedAlerts)
}

// followMissed adds a log that counts to the window of those that came too late, if there is one.
func (st *state) followMissed(rs *ruleState, m *machine, sc *scan, h *hit) {
	w := rs.missed[m.g.key]
	switch {
	case w == nil:
	case rs.quiet(w, st.watermarks.now):
		delete(rs.missed, m.g.key)
	case m.g.alert == nil:
		w.add(rs, st.eventOf(sc, h))
	case w.win != nil && w.newest != always: // it has fired: these logs are not missed
		w.win, w.newest = rs.condition.NewGroup(window.Unknown), always
	}
}

// quiet reports whether a window is to be forgotten.
func (rs *ruleState) quiet(w *missedWindow, now int64) bool {
	return now-w.late > missedKept+int64(rs.condition.Lookback())
}

// missedWindow is the window of a group to which a log is added that came too late. It is nil when
// too many groups have one; those that are quiet make room.
func (rs *ruleState) missedWindow(key string, now int64) *missedWindow {
	w := rs.missed[key]
	if w != nil && !rs.quiet(w, now) {
		w.late = now
		return w
	}
	if w == nil && len(rs.missed) >= maxMissedGroups {
		if now-rs.missedSwept < missedPause {
			return nil
		}
		rs.missedSwept = now
		maps.DeleteFunc(rs.missed, func(_ string, w *missedWindow) bool { return rs.quiet(w, now) })
		if len(rs.missed) >= maxMissedGroups {
			return nil
		}
	}
	if rs.missed == nil {
		rs.missed = make(map[string]*missedWindow)
	}
	w = &missedWindow{
		win:    rs.condition.NewGroup(window.Unknown),
		newest: always, late: now, from: never, to: always,
	}
	rs.missed[key] = w
	return w
}

// add takes a log in. It is false when there were too many.
func (w *missedWindow) add(rs *ruleState, ev *window.Event) bool {
	if w.logs >= maxMissedLogs {
		w.win = nil
		return false
	}
	w.logs++
	w.newest = max(w.newest, ev.Time)
	w.win.Add(rs.condition, ev)
	if to := w.newest - missedKept - int64(rs.condition.Lookback()); to > w.win.SweptTo() {
		w.win.Decide(rs.condition, to, nil, func(window.Edge) {})
		w.win.Evict(rs.condition)
	}
	return true
}

// endedAlerts are the times of the last alerts of groups: of those that ended last.
type endedAlerts struct {
	spans map[string]firingSpan
	order []string // the group that ended first is the first
}

func (l *endedAlerts) note(key string, s firingSpan) {
	if l.spans == nil {
		l.spans = make(map[string]firingSpan)
	}
	if _, known := l.spans[key]; known {
		at := slices.Index(l.order, key)
		l.order = slices.Delete(l.order, at, at+1)
	}
	l.order = append(l.order, key)
	l.spans[key] = s
	if len(l.order) > maxEnded {
		delete(l.spans, l.order[0])
		l.order = l.order[1:]
	}
}

// startsBefore reports whether an alert is up that began before an instant.
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
	list := slices.Clone(e.state.missed)
	slices.Reverse(list)
	return list
}
