package alerting

import (
	"fmt"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// lateWorld is an engine of one rule, to which logs come late.
type lateWorld struct {
	e    *Engine
	rs   *ruleState
	next int64
	now  time.Time
}

func newLateWorld(t *testing.T, condition string) *lateWorld {
	e := frameEngine(t, `version: 1
groups:
- name: g
  rules: [{alert: Many, when: `+condition+`, window: 5m, by: [host]}]
`, func(models.Alert) {})
	w := &lateWorld{e: e, rs: e.state.rules[0], now: time.Unix(1_700_000_000, 0)}
	w.pass(0)
	return w
}

func (w *lateWorld) put(host string, at time.Time) {
	w.e.Apply(w.e.NewScanner().Scan([]models.Record{{
		Topic: "logs", Offset: w.next, Timestamp: at,
		Value: fmt.Appendf(nil, `{"message":"m","host":%q}`, host),
	}}))
	w.next++
}

func (w *lateWorld) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.e.Advance(w.now, []models.Progress{
		{Topic: "logs", Next: w.next, End: w.next, CaughtUp: true},
	})
}

// A group with too many logs is not followed any further, and what was found in it counts once.
func TestMissedLogsAreBounded(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	w := newLateWorld(t, "count() >= 2")
	late := w.now.Add(-time.Hour)
	for range 3 * maxMissedLogs {
		w.put("a", late)
	}
	if w.rs.missedAlerts != 1 {
		t.Errorf("one alert is missed %d times", w.rs.missedAlerts)
	}
	if w.rs.missedUnchecked != 2*maxMissedLogs {
		t.Errorf("%d logs are not checked", w.rs.missedUnchecked)
	}
	for _, one := range w.rs.missed {
		if one.win != nil {
			t.Errorf("a group is followed for %d logs", w.next)
		}
	}
	w.pass(2 * time.Hour)
	w.put("a", late)
	w.put("a", late)
	if w.rs.missedAlerts != 2 {
		t.Errorf("after a pause there are %d missed alerts", w.rs.missedAlerts)
	}
}

// Late logs of more groups than are followed take no place of one that is.
func TestMissedGroupsAreBounded(t *testing.T) {
	w := newLateWorld(t, "count() >= 2")
	round := func(name string) {
		for range 2 {
			for i := range maxMissedGroups + 6 {
				w.put(fmt.Sprint(name, i), w.now.Add(-time.Hour))
			}
		}
	}
	round("a")
	if w.rs.missedAlerts != maxMissedGroups || w.rs.missedUnchecked != 12 {
		t.Errorf(
			"%d alerts are missed, %d logs not checked",
			w.rs.missedAlerts,
			w.rs.missedUnchecked,
		)
	}
	w.pass(2 * time.Hour)
	round("b")
	if w.rs.missedAlerts != 2*maxMissedGroups || len(w.rs.missed) > maxMissedGroups {
		t.Errorf("after a pause, %d alerts are missed", w.rs.missedAlerts)
	}
}

// An alert that is missed before one fires is not missed once more afterwards.
func TestMissedAlertIsKeptWhenItFires(t *testing.T) {
	w := newLateWorld(t, "count() >= 2")
	late := w.now.Add(-time.Hour)
	for range 2 {
		for range 3 {
			w.put("a", late)
		}
		for range 3 {
			w.put("a", w.now)
		}
	}
	if w.rs.fired != 1 || w.rs.missedAlerts != 1 {
		t.Errorf("%d alerts fired, %d are missed", w.rs.fired, w.rs.missedAlerts)
	}
}

// Of late logs those are followed that are at most an hour and a window before the newest of them.
func TestEarlierLateLogsAreFollowed(t *testing.T) {
	for before, want := range map[time.Duration]int64{62 * time.Minute: 1, 72 * time.Minute: 0} {
		w := newLateWorld(t, "count() >= 2")
		newest := w.now.Add(-time.Hour)
		w.put("a", newest)
		w.put("a", newest.Add(-before))
		w.put("a", newest.Add(-before))
		if w.rs.missedAlerts != want {
			t.Errorf("%v before: %d alerts are missed", before, w.rs.missedAlerts)
		}
	}
}

func TestEndedAlertsKeepTheNewest(t *testing.T) {
	var l endedAlerts
	for n := range int64(2 * maxEnded) {
		l.note("often", firingSpan{n, n})
		l.note(fmt.Sprint(n), firingSpan{n, n})
	}
	if len(l.spans) != maxEnded || len(l.order) != maxEnded {
		t.Errorf("the ends of %d alerts are known", len(l.spans))
	}
	if _, known := l.spans["often"]; !known {
		t.Error("the end of a group whose alerts end often is forgotten")
	}
}

// An alert that is pending, firing or suppressed covers what came after it began, and one that has
// ended covers nothing.
func TestAlertsCoverLaterLogs(t *testing.T) {
	if (*alert)(nil).startsBefore(5) {
		t.Error("a group without an alert has one")
	}
	for p, up := range map[phase]bool{idle: false, pending: true, firing: true, suppressed: true} {
		a := &alert{phase: p}
		a.episode.startsAt = 5
		if a.startsBefore(4) || a.startsBefore(5) != up {
			t.Errorf("phase %v: %v before, %v then", p, a.startsBefore(4), a.startsBefore(5))
		}
	}
}
