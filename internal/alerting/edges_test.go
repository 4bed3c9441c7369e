package alerting_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A log that ends a suppression has what it muted notified as soon as that is decided.
func TestEndOfSuppressionNotifies(t *testing.T) {
	w := newWorld(t, `
suppressions:
- {name: deploy, start: 'event:deploy', end: 'event:done', max: 1h}
groups:
- name: g
  rules:
  - {alert: Muted, match: level>=ERROR, window: 2h, suppressed_by: [deploy]}
`)
	w.log(0, `"event":"deploy"`)
	w.log(time.Second, `"level":"ERROR"`)
	w.time(time.Minute)
	w.notified("1s g/Muted suppressed")
	w.log(5*time.Minute, `"event":"done"`)
	w.time(5 * time.Minute)
	w.notified()
	w.time(6 * time.Minute)
	w.notified("5m0s g/Muted firing")
}

// Lines of one instant are shown in the order in which they were read, and others in that of time.
func TestLinesAreInOrder(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: A, match: level>=ERROR, when: count() >= 5, window: 1m, samples: {first: 9}}
`)
	for i, second := range []int{3, 1, 3, 1, 3} {
		at := monday.Add(time.Duration(second) * time.Second)
		w.put(at, at, fmt.Sprintf(`"level":"ERROR","message":"m%d"`, i))
	}
	w.time(time.Minute)
	var got []string
	for _, l := range w.alerts[0].First {
		got = append(got, l.Message)
	}
	if diff := cmp.Diff([]string{"m1", "m3", "m0", "m2", "m4"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Of many values, the most frequent ones are shown, and of those that are as frequent the first in
// the order of the alphabet.
func TestMostFrequentValues(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: A, match: level>=ERROR, when: count() >= 200, window: 1h, top: [user]}
`)
	for i := range 200 {
		user := fmt.Sprintf("rare%d", i)
		switch {
		case i%4 == 0:
			user = "often"
		case i%10 == 1:
			user = "b"
		case i%10 == 3:
			user = "a"
		}
		at := monday.Add(time.Duration(i) * time.Second)
		w.put(at, at, fmt.Sprintf(`"level":"ERROR","user":%q`, user))
		w.time(time.Duration(i) * time.Second)
	}
	w.time(time.Hour)
	top := w.alerts[0].Top["user"]
	if got := fmt.Sprint(top[:3]); len(top) != 5 || got != "[{often 50} {a 20} {b 20}]" {
		t.Fatalf("got %v", top)
	}
}

// What is asked of a rule or a group that does not exist is answered so.
func TestGroupsThatAreNotThere(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	if g, ok := w.engine.Group("shop/None", nil); ok {
		t.Errorf("a rule that is not there: %+v", g)
	}
	for id, known := range map[string]bool{"shop/Errors": true, "Errors": true} {
		for service, seen := range map[string]bool{"a": known, "b": false} {
			g, ok := w.engine.Group(id, map[string]string{"service": service, "other": "x"})
			if !ok || g.Rule != "shop/Errors" || g.Known != seen || g.Holds ||
				seen != (g.Value == 1) || seen != g.Seen.Equal(monday) || seen != (g.Bytes > 0) {
				t.Errorf("%s of %s: %+v", service, id, g)
			}
		}
	}
	if a, ok := w.engine.Alert(models.Alert{Rule: "shop/Errors"}); ok {
		t.Errorf("an alert that is not there: %+v", a)
	}
	if list := w.engine.Series(models.Alert{Rule: "shop/None"}); list != nil {
		t.Errorf("values of an alert that is not there: %v", list)
	}
}

// A rule without a backfill says so until its window holds its own logs alone.
func TestMissingBackfillIsShown(t *testing.T) {
	w := newWorld(t, errorRules, alerting.WithBackfill())
	w.time(0)
	changed := readRules(t, strings.Replace(errorRules, ">= 2", ">= 3", 1))
	if err := w.engine.SetRules(changed); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		r := w.engine.Rules()[0]
		return r.State + " " + r.BackfillError
	}
	if got := state(); got != "backfilling " {
		t.Errorf("at first: %s", got)
	}
	w.engine.SkipBackfill(nil, "no memory")
	const shown = 5*time.Minute + 20*time.Second // its window, and twice the lateness
	for _, at := range []time.Duration{0, 5 * time.Minute, shown, shown + 1} {
		w.time(at)
		want := "inactive no memory"
		if at > shown {
			want = "inactive "
		}
		if got := state(); got != want {
			t.Errorf("after %v: %s", at, got)
		}
	}
}

// Logs that count complete an alert together with those that came too late.
func TestMissedAlertOfLogsThatCount(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"INFO"`)
	w.time(2 * time.Hour)
	put := func(at, now time.Duration) {
		w.put(monday.Add(at), monday.Add(now), `"level":"ERROR","service":"a"`)
		w.time(now)
	}
	put(time.Hour, 2*time.Hour)
	put(2*time.Hour, 2*time.Hour)
	w.time(2*time.Hour + 20*time.Minute)
	if got := w.engine.Missed(); len(got) > 0 {
		t.Errorf("at first: %+v", got)
	}
	put(2*time.Hour+3*time.Minute, 2*time.Hour+20*time.Minute)
	got := w.engine.Missed()
	if len(got) != 1 || !got[0].At.Equal(monday.Add(2*time.Hour+3*time.Minute)) {
		t.Errorf("got %+v", got)
	}
}

// Groups that have ended make room for one that begins later, also among logs that are read at
// once.
func TestEndedGroupsMakeRoom(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: A, match: level>=ERROR, when: count() > 3, window: 1m, by: [service], limit: 2}
`)
	w.time(0)
	for i, service := range []string{"a", "b", "c", "d"} {
		at := monday.Add(time.Duration(i/2) * 10 * time.Minute)
		w.put(at, at, `"level":"ERROR","service":"`+service+`"`)
	}
	if s := w.engine.Stats(); s.Refused != 0 || s.Groups != 2 {
		t.Errorf("%d are refused of %d groups", s.Refused, s.Groups)
	}
	at := monday.Add(10 * time.Minute)
	w.put(at, at, `"level":"ERROR","service":"e"`)
	if s := w.engine.Stats(); s.Refused != 1 || s.Groups != 2 {
		t.Errorf("%d are refused of %d groups, want 1", s.Refused, s.Groups)
	}
}

// Quiet groups that made room are not counted any more among those of all rules.
func TestQuietGroupsAreNotCounted(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: New, match: 'user:*', by: [h], when: new(user) > 0, window: 1m, remember: 3h, limit: 1}
  - {alert: Other, match: level>=ERROR, by: [h], when: count() > 3, window: 1m}
`, alerting.WithMaxGroups(8))
	for i := range 10 {
		after := time.Duration(i) * 10 * time.Minute
		w.time(after)
		w.log(after, fmt.Sprintf(`"user":"u","h":"h%d"`, i))
	}
	at := monday.Add(90 * time.Minute)
	for _, h := range []string{"a", "b", "c"} {
		w.put(at, at, `"level":"ERROR","h":"`+h+`"`)
	}
	if s := w.engine.Stats(); s.Refused != 0 || s.Groups != 4 {
		t.Errorf("%d are refused of %d groups", s.Refused, s.Groups)
	}
}

// What came too late before an alert fired is not counted with what comes too late after it.
func TestAlertThatFiresEndsWhatWasMissed(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"INFO"`)
	w.time(2 * time.Hour)
	put := func(at, now time.Duration) {
		w.put(monday.Add(at), monday.Add(now), `"level":"ERROR","service":"a"`)
		w.time(now)
	}
	put(110*time.Minute, 2*time.Hour) // too late
	put(2*time.Hour, 2*time.Hour)
	put(2*time.Hour+time.Second, 2*time.Hour+time.Second)
	w.notified("2h0m1s shop/Errors{service=a} firing")
	w.time(2*time.Hour + 20*time.Minute)
	put(113*time.Minute, 2*time.Hour+20*time.Minute) // too late
	if got := w.engine.Missed(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	put(114*time.Minute, 2*time.Hour+20*time.Minute)
	if got := w.engine.Missed(); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

// A member of a cluster that was restarted still takes a log that is far ahead of all others for a
// stray one.
func TestRestartKeepsRecentTimes(t *testing.T) {
	w := newWorld(t, errorRules, alerting.WithFrames())
	for _, at := range []time.Duration{0, time.Second, 2 * time.Second, time.Hour} {
		w.put(monday.Add(at), monday.Add(at), `"level":"INFO"`)
	}
	w.save(true)
	w.start(readRules(t, errorRules), alerting.WithFrames())
	w.restore()
	w.engine.Advance(monday.Add(2*time.Hour), []models.Progress{{Topic: "logs", Next: w.next}})
	if got := w.engine.Watermarks()[0].Time; !got.Equal(monday.Add(2 * time.Second)) {
		t.Errorf("time has come to %v", got.Sub(monday))
	}
}

// At the instant at which a group is forgotten nothing fires any more.
func TestNothingFiresAsGroupEnds(t *testing.T) {
	for remember, want := range map[string][]string{
		"20m": {"20m0s g/Silent{host=a} resolved"},
		"21m": {"20m0s g/Silent{host=a} firing", "21m0s g/Silent{host=a} resolved"},
	} {
		w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: Silent, when: count() == 0, window: 10m, for: 10m, by: [host], remember: `+remember+`}
`)
		w.log(0, `"host":"a"`)
		w.time(time.Hour)
		w.notified(append([]string{"10m0s g/Silent{host=a} pending"}, want...)...)
	}
}
