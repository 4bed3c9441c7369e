package alerting_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// world is an engine, its only partition, and what it has said.
type world struct {
	t      *testing.T
	engine *alerting.Engine
	said   []string
	alerts []models.Alert
	next   int64
	state  map[string][]byte
}

func newWorld(t *testing.T, rules string, opts ...alerting.Option) *world {
	w := &world{t: t, state: map[string][]byte{}}
	w.start(readRules(t, rules), opts...)
	return w
}

func (w *world) start(set *rule.Set, opts ...alerting.Option) {
	w.engine = alerting.NewEngine(
		append([]alerting.Option{alerting.WithRules(set), alerting.WithEmit(w.record)}, opts...)...)
}

func (w *world) record(a models.Alert) {
	w.alerts = append(w.alerts, a)
	flags := ""
	if a.Historical {
		flags += " historical"
	}
	if a.Shadow {
		flags += " shadow"
	}
	if a.Late {
		flags += " late"
	}
	delete(a.Labels, "alertname")
	w.said = append(
		w.said,
		fmt.Sprintf("%s %s%s %s%s", a.At.Sub(monday), a.Rule,
			strings.TrimPrefix(labelsText(a.Labels), "{}"), a.State, flags),
	)
}

// log evaluates a log of so long after the start, and says that there are no more.
func (w *world) log(after time.Duration, fields string) {
	at := monday.Add(after)
	w.put(at, at, fields)
	w.time(after)
}

func (w *world) put(event, record time.Time, fields string) {
	value := fmt.Sprintf(`{"timestamp":%q,%s}`, event.Format(time.RFC3339Nano), fields)
	w.engine.Apply(
		w.engine.NewScanner().
			Scan([]models.Record{{
				Topic:     "logs",
				Offset:    w.next,
				Timestamp: record,
				Value:     []byte(value),
			}}),
	)
	w.next++
}

// time tells that it is so long after the start, and that everything was read.
func (w *world) time(after time.Duration) {
	w.engine.Advance(
		monday.Add(after),
		[]models.Progress{{Topic: "logs", Next: w.next, End: w.next, CaughtUp: true}},
	)
}

// notified compares what was said since the last time.
func (w *world) notified(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.said); diff != "" {
		w.t.Errorf("(-want +said)\n%s", diff)
	}
	w.said = nil
}

func (w *world) save(full bool) {
	w.engine.Save(
		full,
		func(key, value []byte) { w.state[string(key)] = bytes.Clone(value) },
		func(key []byte) { delete(w.state, string(key)) },
	)
}

func (w *world) restore() {
	w.t.Helper()
	err := w.engine.Restore(func(each func(key, value []byte) error) error {
		for key, value := range w.state {
			if err := each([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

const errorRules = `
groups:
- name: shop
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() >= 2
    window: 5m
    by: [service]
    samples: {first: 1, last: 2, fields: [code]}
    top: [code]
    annotations: {summary: '{{ .Value }} errors of {{ .Labels.service }}, last {{ .Last.Message }}', broken: '{{ .Nothing }}'}
`

func TestAlertHasSamplesAndTopValues(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a","message":"first","code":17`)
	w.log(time.Second, `"level":"ERROR","service":"a","message":"second","code":18`)
	w.notified("1s shop/Errors{service=a} firing")
	a := w.alerts[0]
	if got := a.Annotations["summary"]; got != "2 errors of a, last second" {
		t.Errorf("summary %q", got)
	}
	if got := a.Annotations["broken"]; !strings.Contains(got, "the template of broken failed") {
		t.Errorf("broken %q", got)
	}
	if len(a.First) != 1 || a.First[0].Message != "first" || a.First[0].Fields["code"] != "17" ||
		len(a.Last) != 2 ||
		a.Last[1].Position.Offset != 1 {
		t.Errorf("first %+v, last %+v", a.First, a.Last)
	}
	if diff := cmp.Diff([]models.TopValue{{Value: "17", Count: 1}, {Value: "18", Count: 1}},
		a.Top["code"]); diff != "" {
		t.Error(diff)
	}
	if a.Count != 2 || a.Value != 2 || a.Threshold != ">= 2" || a.Episode != 1 ||
		!a.StartsAt.Equal(monday.Add(time.Second)) ||
		a.Source != "test.rules.yml:5" {
		t.Errorf("%+v", a)
	}
	w.log(2*time.Second, `"level":"ERROR","service":"a","message":"third","code":18`)
	w.time(10 * time.Minute)
	w.notified("5m1s shop/Errors{service=a} resolved")
	if r := w.alerts[1]; r.ID != a.ID || r.Count != 3 ||
		!r.EndsAt.Equal(monday.Add(301*time.Second)) ||
		r.Last[1].Message != "third" {
		t.Errorf("%+v", r)
	}
	w.log(20*time.Minute, `"level":"ERROR","service":"a","message":"fourth"`)
	w.log(20*time.Minute, `"level":"ERROR","service":"a","message":"fifth"`)
	w.notified("20m0s shop/Errors{service=a} firing")
	if b := w.alerts[2]; b.ID == a.ID || b.Episode != 2 || b.First[0].Message != "fourth" {
		t.Errorf("%+v", b)
	}
}

func TestTimeStopsWithoutKafka(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.notified("0s shop/Errors{service=a} firing")
	for minute := range 30 {
		w.engine.Advance(
			monday.Add(time.Duration(minute)*time.Minute),
			[]models.Progress{{Topic: "logs", Next: 2, End: 2}},
		)
	}
	w.notified()
	w.time(30 * time.Minute)
	w.notified("5m0s shop/Errors{service=a} resolved")
}

func TestSlowPartitionHoldsBackOthers(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	both := func(after time.Duration, caughtUp bool) {
		w.engine.Advance(
			monday.Add(after),
			[]models.Progress{
				{Topic: "logs", Next: w.next, End: w.next, CaughtUp: true},
				{Topic: "logs", Partition: 1, End: 9, CaughtUp: caughtUp},
			},
		)
	}
	both(time.Hour, false)
	w.notified("0s shop/Errors{service=a} firing")
	both(time.Hour, true)
	w.notified("5m0s shop/Errors{service=a} resolved")
}

func TestOldAlertsAreRecordedActiveOnesNotified(t *testing.T) {
	w := newWorld(
		t,
		strings.Replace(errorRules, "window: 5m", "window: 5m\n    keep_firing_for: 12h", 1)+
			"  - {alert: Short, match: level>=ERROR, window: 1m}\n",
	)
	w.engine.Advance(monday.Add(10*time.Hour), []models.Progress{{Topic: "logs", End: 2}})
	w.put(monday, monday, `"level":"ERROR","service":"a"`)
	w.put(monday, monday, `"level":"ERROR","service":"a"`)
	w.notified("0s shop/Short firing historical", "0s shop/Errors{service=a} firing historical")
	w.time(10 * time.Hour)
	w.notified("1m0s shop/Short resolved historical", "9h59m50s shop/Errors{service=a} firing")
	w.time(13 * time.Hour)
	w.notified("12h5m0s shop/Errors{service=a} resolved")
}

func TestReplayRebuildsStateWithoutNotifying(t *testing.T) {
	w := newWorld(t, errorRules)
	replay := func(is bool) {
		w.engine.Advance(
			monday.Add(time.Minute),
			[]models.Progress{{Topic: "logs", Next: w.next, End: 3, Replay: is}},
		)
	}
	replay(true)
	w.put(monday, monday, `"level":"ERROR","service":"a"`)
	w.put(monday, monday, `"level":"ERROR","service":"a"`)
	w.put(monday, monday, `"level":"ERROR","service":"b"`)
	w.notified("0s shop/Errors{service=a} firing historical")
	replay(false)
	w.put(monday.Add(time.Minute), monday.Add(time.Minute), `"level":"ERROR","service":"b"`)
	w.time(time.Minute)
	w.notified("1m0s shop/Errors{service=b} firing")
}

func TestTooLateLogIsCounted(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.time(2 * time.Minute)
	w.put(monday.Add(time.Second), monday.Add(2*time.Minute), `"level":"ERROR","service":"a"`)
	w.time(2*time.Minute + time.Second)
	w.notified("1m50s shop/Errors{service=a} firing late")
	w.put(monday.Add(-time.Hour), monday.Add(2*time.Minute), `"level":"ERROR","service":"a"`)
	if s := w.engine.Stats(); s.Late != 2 || s.TooLate != 1 {
		t.Errorf("%+v", s)
	}
	var late []string
	for _, l := range w.engine.Late() {
		late = append(
			late,
			fmt.Sprintf("%s of %s, %v behind, %v allowed, counted: %v, at %d", l.Line.Level, l.Rule,
				l.Behind, l.Allowed, l.Counted, l.Line.Position.Offset),
		)
	}
	if diff := cmp.Diff([]string{
		"ERROR of shop/Errors, 1h2m1s behind, 10s allowed, counted: false, at 2",
		"ERROR of shop/Errors, 1m59s behind, 10s allowed, counted: true, at 1",
	}, late); diff != "" {
		t.Errorf("(-want +late)\n%s", diff)
	}
}

func TestDelaysOfLogs(t *testing.T) {
	w := newWorld(t, errorRules)
	w.time(0)
	w.delayed(98, 0, 300*time.Millisecond)
	// its record was written long ago, but is only read now
	w.delayed(1, -time.Minute, 1)
	w.delayed(1, 0, 4*time.Second)
	d := w.engine.Watermarks()[0].Delays
	for part, want := range map[float64]time.Duration{
		0.5:  500 * time.Millisecond,
		0.99: 5 * time.Second,
		1:    2 * time.Minute,
	} {
		if got, ok := d.Within(part); got != want || !ok {
			t.Errorf("%v of them lie within %v, not %v", part, got, want)
		}
	}
}

// An alert that would have fired if its logs had not come too late is said, once; one that fired
// is not, and neither is one whose logs do not suffice.
func TestMissedAlerts(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"INFO"`)
	w.time(2 * time.Hour)
	late := func(at time.Duration, service string) {
		w.put(monday.Add(at), monday.Add(2*time.Hour),
			fmt.Sprintf(`"level":"ERROR","service":%q`, service))
	}
	late(time.Minute, "a")
	late(10*time.Minute, "a") // not within five minutes of the first
	late(time.Minute, "b")
	missed := func() (list []string) {
		for _, m := range w.engine.Missed() {
			list = append(list, fmt.Sprintf("%s %s at %s, %s behind: %s", m.Rule,
				labelsText(m.Labels), m.At.Sub(monday), m.Behind, m.Reason))
		}
		return list
	}
	if got := missed(); got != nil {
		t.Errorf("%s", got)
	}
	late(7*time.Minute, "a")
	for i := range 20 {
		late(7*time.Minute+time.Duration(i)*time.Second, "a") // more of the same
	}
	if diff := cmp.Diff([]string{
		"shop/Errors {service=a} at 10m0s, 1h53m0s behind: 2 >= 2 in 5m",
	}, missed()); diff != "" {
		t.Errorf("(-want +missed)\n%s", diff)
	}
	late(30*time.Minute, "a") // too far away to be the same, but alone
	late(80*time.Minute, "a")
	if n := len(missed()); n != 1 {
		t.Errorf("%d alerts were missed", n)
	}
	late(82*time.Minute, "a")
	if diff := cmp.Diff([]string{
		"shop/Errors {service=a} at 1h22m0s, 38m0s behind: 2 >= 2 in 5m",
		"shop/Errors {service=a} at 10m0s, 1h53m0s behind: 2 >= 2 in 5m",
	}, missed()); diff != "" {
		t.Errorf("(-want +missed)\n%s", diff)
	}
}

// Logs that come too late are no sign of a missed alert where it fired and has resolved, where the
// rule was not active, and where a log or the past may decide otherwise.
func TestLateLogsThatMissNothing(t *testing.T) {
	for name, rules := range map[string]string{
		"it fired":           errorRules,
		"it is not active":   strings.Replace(errorRules, "window: 5m", "window: 5m, active: [x]", 1),
		"a log resolves":     strings.Replace(errorRules, "window: 5m", "window: 5m, resolve: ok", 1),
		"it reads the past":  strings.Replace(errorRules, ">= 2", ">= 2 + count() offset 1h", 1),
		"it is read again":   errorRules,
		"something is wrong": errorRules,
	} {
		rules = strings.Replace(rules, "groups:", `time_intervals:
- {name: x, time_intervals: [{times: [{start_time: '23:00', end_time: '24:00'}]}]}
groups:`, 1)
		rules = strings.ReplaceAll(rules, "window: 5m, ", "window: 5m\n    ")
		w := newWorld(t, rules)
		w.log(0, `"level":"INFO"`)
		if name == "it fired" {
			w.log(30*time.Minute, `"level":"ERROR","service":"a"`)
			w.log(31*time.Minute, `"level":"ERROR","service":"a"`)
		}
		w.time(3 * time.Hour)
		if name == "it is read again" {
			w.engine.Advance(monday.Add(3*time.Hour), []models.Progress{
				{Topic: "logs", Next: w.next, End: w.next + 9, Replay: true},
			})
		}
		for i := range 4 {
			w.put(monday.Add(time.Duration(32+i)*time.Minute), monday.Add(3*time.Hour),
				`"level":"ERROR","service":"a"`)
		}
		want := 0
		if name == "something is wrong" {
			want = 1
		}
		if n := len(w.engine.Missed()); n != want {
			t.Errorf("%s: %d alerts were missed, want %d", name, n, want)
		}
	}
}

// Of what fired and resolved before a restart nothing is known, so late logs of that time are not
// sign of a missed alert; those of the time since are.
func TestLateLogsFromBeforeRestart(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(30*time.Minute, `"level":"ERROR","service":"a"`)
	w.log(31*time.Minute, `"level":"ERROR","service":"a"`)
	w.time(3 * time.Hour)
	w.save(true)
	w.start(readRules(t, errorRules))
	w.restore()
	w.time(6 * time.Hour)
	late := func(after time.Duration, want int) {
		t.Helper()
		for i := range 4 {
			w.put(monday.Add(after+time.Duration(i)*time.Minute), monday.Add(6*time.Hour),
				`"level":"ERROR","service":"a"`)
		}
		if n := len(w.engine.Missed()); n != want {
			t.Errorf("%d alerts were missed, want %d", n, want)
		}
	}
	late(32*time.Minute, 0)
	late(4*time.Hour, 1)
}

func TestChangedRulesRestartOthersContinue(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	if err := w.engine.SetRules(readRules(t, strings.Replace(errorRules, "errors of", "mistakes of",
		1))); err != nil {
		t.Fatal(err)
	}
	w.log(time.Second, `"level":"ERROR","service":"a"`)
	w.notified("1s shop/Errors{service=a} firing")
	if got := w.alerts[0].Annotations["summary"]; !strings.Contains(got, "2 mistakes of a") {
		t.Errorf("summary %q", got)
	}
	old := w.engine.NewScanner()
	scan := old.Scan(
		[]models.Record{
			{Topic: "logs", Timestamp: monday, Value: []byte(`{"level":"ERROR","service":"a"}`)},
		},
	)
	if err := w.engine.SetRules(readRules(t, strings.Replace(errorRules, ">= 2", ">= 3",
		1))); err != nil {
		t.Fatal(err)
	}
	w.notified("1s shop/Errors{service=a} resolved")
	if w.alerts[1].Reason != "the rule was changed or removed" {
		t.Errorf("reason %q", w.alerts[1].Reason)
	}
	w.engine.Apply(scan) // of rules that are gone
	for range 2 {
		w.log(2*time.Second, `"level":"ERROR","service":"a"`)
	}
	w.notified()
	w.log(3*time.Second, `"level":"ERROR","service":"a"`)
	w.notified("3s shop/Errors{service=a} firing")
}

func TestAlertOfRemovedRuleResolvesAtStart(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(time.Second, `"level":"ERROR","service":"a"`)
	w.save(true)
	w.notified("1s shop/Errors{service=a} firing")
	w.start(readRules(t, strings.Replace(errorRules, "Errors", "Mistakes", 1)))
	w.restore()
	w.time(time.Minute)
	w.notified("1s shop/Errors{service=a} resolved")
	if w.alerts[0].ID != w.alerts[1].ID {
		t.Error("it is another alert")
	}
	w.save(false)
	for key := range w.state {
		if key[0] == 'g' {
			t.Errorf("state of the rule that is gone is left: %q", key)
		}
	}
}

func TestEpisodeNumbersOutliveGroups(t *testing.T) {
	w := newWorld(t, errorRules)
	w.save(true)
	var ids []string
	for n := range 4 {
		after := time.Duration(n) * time.Hour
		w.log(after, `"level":"ERROR","service":"a"`)
		w.log(after, `"level":"ERROR","service":"a"`)
		ids = append(ids, w.alerts[len(w.alerts)-1].ID)
		w.time(after + 30*time.Minute)
		if s := w.engine.Stats(); s.Groups != 0 {
			t.Fatalf("%d groups are left", s.Groups)
		}
		w.save(false)
		w.start(readRules(t, errorRules))
		w.restore()
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 4 || w.alerts[len(w.alerts)-1].Episode != 4 {
		t.Errorf("ids %q, episode %d", ids, w.alerts[len(w.alerts)-1].Episode)
	}
}

func TestResolvingLogActsAtOnceInBusyGroup(t *testing.T) {
	w := newWorld(
		t,
		strings.Replace(errorRules, "window: 5m", "window: 5m\n    resolve: {match: say:fine}", 1),
	)
	for at := range 3 {
		w.log(time.Duration(at)*time.Second, `"level":"ERROR","service":"a"`)
	}
	w.notified("1s shop/Errors{service=a} firing")
	w.log(20*time.Second, `"level":"ERROR","service":"a","say":"fine"`)
	w.log(21*time.Second, `"level":"ERROR","service":"a"`)
	w.time(40 * time.Second)
	w.notified("20s shop/Errors{service=a} resolved")
}

// A rule that is changed, or removed and added again, begins anew; but none of its alerts is taken
// for one that it had before, by anyone who goes by their identity.
func TestAlertIDsAreUniqueAcrossReloads(t *testing.T) {
	changed := readRules(t, strings.Replace(errorRules, ">= 2", ">= 3", 1))
	same, none := readRules(t, errorRules), readRules(t, "groups: []\n")
	reload := func(w *world, set *rule.Set) {
		if err := w.engine.SetRules(set); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(full bool) func(*world, *rule.Set) {
		return func(w *world, set *rule.Set) {
			w.save(full)
			w.start(set)
			w.restore()
		}
	}
	for how, change := range map[string]func(*world, *rule.Set){
		"reload":             reload,
		"restart":            restart(false),
		"restart, all saved": restart(true),
	} {
		w := newWorld(t, errorRules)
		w.save(true)
		after := time.Duration(0)
		for _, set := range []*rule.Set{same, changed, same, none, same, changed} {
			change(w, set)
			for range 2 { // the first is active, and the second, when the rule is changed
				after += 10 * time.Minute
				for range 4 {
					w.log(after, `"level":"ERROR","service":"a"`)
				}
			}
		}
		change(w, none)
		w.time(after + time.Minute)
		firing, over := map[string]bool{}, map[string]bool{}
		for _, a := range w.alerts {
			switch {
			case a.State == models.AlertFiring && firing[a.ID]:
				t.Errorf("%s: episode %d fires twice", how, a.Episode)
			case a.State == models.AlertResolved && (!firing[a.ID] || over[a.ID]):
				t.Errorf("%s: episode %d is over, and does not fire", how, a.Episode)
			}
			firing[a.ID], over[a.ID] = true, a.State == models.AlertResolved
		}
		if len(firing) != 10 || w.alerts[len(w.alerts)-1].Episode != 10 {
			t.Errorf("%s: %d alerts, the last is number %d", how, len(firing),
				w.alerts[len(w.alerts)-1].Episode)
		}
		for id := range firing {
			if !over[id] {
				t.Errorf("%s: %s is not over", how, id)
			}
		}
	}
}

func TestGroupLimitIsReported(t *testing.T) {
	w := newWorld(t, strings.Replace(errorRules, "window: 5m", "window: 5m\n    limit: 2", 1))
	for _, service := range []string{"a", "b", "c", "d", "a"} {
		w.log(0, fmt.Sprintf(`"level":"ERROR","service":%q`, service))
	}
	w.notified(
		"0s shop/Errors{rule=shop/Errors,severity=warning} firing",
		"0s shop/Errors{service=a} firing",
	)
	w.time(time.Hour)
	w.notified(
		"5m0s shop/Errors{service=a} resolved",
		"5m0s shop/Errors{rule=shop/Errors,severity=warning} resolved",
	)
}

// A function of a template that cannot do with a value fails, and the text says so.
func TestTemplateFunctionsOfValues(t *testing.T) {
	for text, want := range map[string]string{
		"{{ humanizeDuration 90 }}":                           "1m30s",
		"{{ humanizeDuration .Window }}":                      "1m",
		`{{ humanizeDuration "x" }}`:                          "!",
		"{{ humanize 1234567 }} {{ humanize1024 2048 }}":      "1.235M 2Ki",
		"{{ humanizePercentage 0.0525 }}":                     "5.25%",
		`{{ humanize "x" }}`:                                  "!",
		`{{ humanizePercentage "x" }}`:                        "!",
		`{{ toUpper "a" }} {{ toLower "B" }} {{ title "c" }}`: "A b C",
		`{{ title "élan  vital ñ 9a" }}`:                      "Élan Vital Ñ 9a",
		"{{ humanize 999 }} {{ humanize 1000 }}":              "999 1k",
		"{{ humanize -1e6 }} {{ humanize 1e30 }}":             "-1M 1e+15P",
		`{{ humanize "2500" }} {{ humanize 0.5 }}`:            "2.5k 0.5",
		"{{ humanizeDuration 0.25 }}":                         "250ms",
		"{{ humanizeDuration true }}":                         "!",
		`{{ join "x" "y" }}`:                                  "!",
	} {
		w := newWorld(t, "groups: [{name: g, rules: [{alert: A, match: level>=ERROR, window: 1m, "+
			"annotations: {summary: '"+text+"'}}]}]")
		w.log(0, `"level":"ERROR"`)
		if len(w.alerts) == 0 {
			t.Fatal("no alert fires")
		}
		got := w.alerts[0].Annotations["summary"]
		if want == "!" && !strings.Contains(got, "template") || want != "!" && got != want {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

// What is on trial has no part in what is notified, but sees its own kind as if all were live.
func TestOnlyShadowRulesSeeShadowAlerts(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: Trial, match: a, mode: shadow}
  - {alert: Live, when: firing(Trial)}
  - {alert: TrialToo, when: firing(Trial), mode: shadow}
- name: about
  source: alerts
  rules:
  - {alert: About, match: 'state:firing alertname:Trial'}
  - {alert: AboutTrial, match: 'state:firing alertname:Trial', mode: shadow}
`)
	w.time(0)
	w.log(time.Second, `"message":"a"`)
	w.time(time.Minute)
	w.notified("1s g/Trial firing shadow", "1s about/AboutTrial firing shadow",
		"1s g/TrialToo firing shadow")
}

func TestShadowIsMarkedAndOffIsSilent(t *testing.T) {
	w := newWorld(
		t,
		strings.Replace(errorRules, "window: 5m", "window: 5m\n    mode: shadow", 1)+
			"  - {alert: Off, match: level>=ERROR, mode: off}\n",
	)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.notified("0s shop/Errors{service=a} firing shadow")
	if list := w.engine.Rules(); len(list) != 2 || list[0].State != "firing" ||
		list[1].State != "off" {
		t.Errorf("%+v", list)
	}
}

func TestRulesOverAlerts(t *testing.T) {
	w := newWorld(t, errorRules+`
  - alert: ManyServicesFail
    source: alerts
    match: 'alertname:Errors state:firing'
    when: count() >= 2
    window: 10m
`)
	for _, service := range []string{"a", "a", "b"} {
		w.log(0, fmt.Sprintf(`"level":"ERROR","service":%q`, service))
	}
	w.notified("0s shop/Errors{service=a} firing")
	w.log(time.Minute, `"level":"ERROR","service":"b"`)
	w.notified("1m0s shop/Errors{service=b} firing")
	w.time(71 * time.Second) // rules over alerts see them when they are decided
	w.notified("1m0s shop/ManyServicesFail firing")
	w.time(time.Hour)
	slices.Sort(w.said[:2])
	w.notified(
		"5m0s shop/Errors{service=a} resolved",
		"5m0s shop/Errors{service=b} resolved",
		"10m0s shop/ManyServicesFail resolved",
	)
}

func TestRuleReadsTopicsOfItsSource(t *testing.T) {
	rules := strings.Replace(errorRules, "alert: Errors", "alert: Errors\n    source: payments", 1)
	record := func(topic string) models.Record {
		return models.Record{
			Topic:     topic,
			Timestamp: monday,
			Value:     []byte(`{"level":"ERROR","service":"a"}`),
		}
	}
	f := func(topic string, want int64, opts ...alerting.Option) {
		t.Helper()
		w := newWorld(t, rules, opts...)
		w.engine.Apply(w.engine.NewScanner().Scan([]models.Record{record(topic)}))
		if got := w.engine.Stats().Hits; got != want {
			t.Errorf("%s: %d hits, want %d", topic, got, want)
		}
	}
	f("payments", 1)
	f("logs", 0)
	f("pay-logs", 1, alerting.WithSources(map[string][]string{
		"payments": {"pay-logs", "bank-logs"},
	}))
	f("payments", 0, alerting.WithSources(map[string][]string{
		"payments": {"pay-logs", "bank-logs"},
	}))
}

func TestManualResolveStays(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	if w.engine.Resolve("nonsense", "") || !w.engine.Resolve(w.alerts[0].ID, "by ann") {
		t.Error("the wrong alert was resolved")
	}
	w.log(time.Second, `"level":"ERROR","service":"a"`)
	w.time(30 * time.Second)
	w.notified("0s shop/Errors{service=a} firing", "0s shop/Errors{service=a} resolved")
	w.time(time.Hour)
	w.log(time.Hour, `"level":"ERROR","service":"a"`)
	w.log(time.Hour, `"level":"ERROR","service":"a"`)
	w.notified("1h0m0s shop/Errors{service=a} firing")
}

func TestEngineWithoutOptionsHasRules(t *testing.T) {
	var said []models.Alert
	e := alerting.NewEngine(alerting.WithEmit(func(a models.Alert) { said = append(said, a) }))
	logs := make([]models.LogEntry, 12)
	for i := range logs {
		logs[i] = models.LogEntry{
			Timestamp: monday.Add(time.Duration(i) * time.Second),
			Level:     "ERROR",
			Severity:  17,
			Service:   "payment",
			Message:   "boom",
		}
	}
	if err := e.EvaluateBatch(t.Context(), logs[:6]); err != nil {
		t.Fatal(err)
	}
	for _, l := range logs[6:] {
		e.EvaluateLog(l)
	}
	e.EvaluateLog(
		models.LogEntry{
			Timestamp: monday.Add(time.Minute),
			Level:     "FATAL",
			Severity:  21,
			Service:   "payment",
			Message:   "gone",
		},
	)
	e.EvaluateLog(models.LogEntry{Timestamp: monday.Add(time.Hour), Level: "INFO", Message: "well"})
	var got []string
	for _, a := range said {
		got = append(
			got,
			fmt.Sprint(a.State, " ", a.Labels["alertname"], " ", a.Annotations["summary"]),
		)
	}
	want := []string{
		"firing ServiceErrors 11 errors of payment in 5 minutes",
		"firing FatalLog payment logs a fatal error",
		"resolved ServiceErrors 13 errors of payment in 5 minutes",
		"resolved FatalLog payment logs a fatal error",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.EvaluateBatch(ctx, logs); err == nil {
		t.Error("a batch goes on after its context ended")
	}
}

func TestEngineViews(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, errorRules, alerting.WithRegisterer(registry))
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.time(time.Minute)
	g, ok := w.engine.Group("shop/Errors", map[string]string{"service": "a", "other": "x"})
	if !ok || !g.Known || g.Value != 2 || g.State != models.AlertFiring || g.Threshold != ">= 2" ||
		g.Episodes != 1 ||
		!g.Holds {
		t.Errorf("group %+v, %v", g, ok)
	}
	for _, id := range []string{"shop/Errors", "Errors"} {
		if _, ok := w.engine.Group(id, nil); !ok {
			t.Errorf("there is no rule %s", id)
		}
	}
	for _, id := range []string{"shop/", "/Errors", "x/shop/Errors", "shop/x/Errors", ""} {
		if _, ok := w.engine.Group(id, nil); ok {
			t.Errorf("there is a rule %q", id)
		}
	}
	if a := w.engine.Alerts(); len(a) != 1 || a[0].ID != w.alerts[0].ID ||
		a[0].State != models.AlertFiring {
		t.Errorf("alerts %+v", a)
	}
	if p := w.engine.Series(w.alerts[0]); len(p) == 0 || p[len(p)-1].Value != 2 {
		t.Errorf("series %+v", p)
	}
	if m := w.engine.Watermarks(); len(m) != 1 || !m[0].CaughtUp || m[0].Logs != 2 ||
		!m[0].Time.Equal(monday.Add(time.Minute)) {
		t.Errorf("watermarks %+v", m)
	}
	if w.engine.LongestWindow() != 5*time.Minute+10*time.Second {
		t.Errorf("longest window %s", w.engine.LongestWindow())
	}
	families, err := registry.Gather()
	if err != nil || len(families) < 10 {
		t.Errorf("%d metrics, %v", len(families), err)
	}
}

// What comes while an alert is active is looked at when it has ended: the next episode then fires
// at once, from its very beginning.
func TestNextEpisodeAfterResolve(t *testing.T) {
	w := newWorld(t, strings.Replace(errorRules, "window: 5m", "window: 10s", 1))
	for _, second := range []int{0, 1, 12, 13, 14} {
		w.log(time.Duration(second)*time.Second, `"level":"ERROR","service":"a"`)
	}
	w.time(20 * time.Second)
	w.log(21*time.Second, `"level":"ERROR","service":"a"`)
	w.notified(
		"1s shop/Errors{service=a} firing",
		"10s shop/Errors{service=a} resolved",
		"13s shop/Errors{service=a} firing",
	)
}

// Everything that may be used by many goroutines is, at once; the race detector watches.
func TestManyUseAnEngineAtOnce(t *testing.T) {
	set := readRules(t, errorRules)
	var notified atomic.Int64
	e := alerting.NewEngine(
		alerting.WithRules(set),
		alerting.WithRegisterer(prometheus.NewRegistry()),
		alerting.WithEmit(func(models.Alert) { notified.Add(1) }),
	)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 300 {
				e.EvaluateLog(
					models.LogEntry{
						Timestamp: monday.Add(time.Duration(i) * time.Second),
						Level:     "ERROR",
						Severity:  17,
						Service:   fmt.Sprint(n),
						Message:   "m",
					},
				)
			}
		})
	}
	all.Go(func() {
		for i := range 20 {
			if err := e.SetRules(set); err != nil {
				t.Error(err)
			}
			e.Rules()
			e.Alerts()
			e.Group("Errors", map[string]string{"service": "1"})
			e.Save(i == 0, func(_, _ []byte) {}, func([]byte) {})
		}
	})
	all.Wait()
	if notified.Load() < 4 || e.Stats().Logs != 1200 {
		t.Errorf("%d transitions of %d logs", notified.Load(), e.Stats().Logs)
	}
}

func TestRecordRuleIsMetric(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, `
groups:
- name: shop
  rules:
  - record: shop:slowest_ms
    match: 'duration_ms:*'
    when: max(duration_ms)
    by: [service]
`, alerting.WithRegisterer(registry))
	w.log(0, `"service":"a","duration_ms":17`)
	w.log(time.Second, `"service":"a","duration_ms":4`)
	w.time(time.Minute)
	w.notified()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "shop_slowest_ms" {
			if m := f.GetMetric(); len(m) != 1 || m[0].GetGauge().GetValue() != 17 ||
				m[0].GetLabel()[1].GetValue() != "a" {
				t.Errorf("%v", f)
			}
			return
		}
	}
	t.Error("there is no metric of that name")
}

func TestDamagedStateIsRefused(t *testing.T) {
	w := newWorld(t, errorRules)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(0, `"level":"ERROR","service":"a"`)
	w.save(true)
	restore := func(change func(key, value []byte) []byte) error {
		e := alerting.NewEngine(
			alerting.WithRules(readRules(t, errorRules)),
			alerting.WithEmit(func(models.Alert) {}),
		)
		return e.Restore(func(each func(key, value []byte) error) error {
			for key, value := range w.state {
				if err := each([]byte(key), change([]byte(key), bytes.Clone(value))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := restore(func(_, value []byte) []byte { return value }); err != nil {
		t.Error(err)
	}
	for _, kind := range "pug" {
		if err := restore(func(key, value []byte) []byte {
			if rune(key[0]) == kind {
				return value[:len(value)/2]
			}
			return value
		}); err == nil {
			t.Errorf("half a value of kind %c is accepted", kind)
		}
	}
	err := restore(func(key, value []byte) []byte {
		if key[0] == 'v' {
			return []byte{9}
		}
		return value
	})
	if err == nil || !strings.Contains(err.Error(), "format [9]") {
		t.Errorf("a newer format: %v", err)
	}
}

func TestTooLateLogEndsAbsence(t *testing.T) {
	w := newWorld(
		t,
		"groups:\n- name: g\n  rules:\n  - {alert: Silent, when: count() == 0, window: 5m}\n",
	)
	w.log(0, `"host":"a"`)
	w.time(6 * time.Minute)
	w.put(monday.Add(3*time.Minute), monday.Add(6*time.Minute), `"host":"a"`)
	w.time(7 * time.Minute)
	if last := w.alerts[len(w.alerts)-1]; len(w.alerts) != 2 ||
		last.State != models.AlertResolved ||
		last.Reason != "late data" ||
		last.Value != 1 {
		t.Errorf("said %q, at last %+v", w.said, last)
	}
}

// What a catch-up finds too late to be notified is notified when all is read, if it still holds,
// also when nothing has happened to it since.
func TestActiveAlertsAreNotifiedAfterCatchUp(t *testing.T) {
	w := newWorld(t, strings.Replace(errorRules, "window: 5m", "window: 12h", 1))
	for _, at := range []time.Duration{0, time.Second, time.Minute} {
		w.put(monday.Add(at), monday.Add(at), `"level":"ERROR","service":"a"`)
		w.engine.Advance(
			monday.Add(3*time.Hour),
			[]models.Progress{{Topic: "logs", Next: w.next, End: 10}},
		)
	}
	w.notified("1s shop/Errors{service=a} firing historical")
	for range 3 {
		w.time(3 * time.Hour)
	}
	w.notified("2h59m50s shop/Errors{service=a} firing")
}

// Records whose names or labels collide, or are reserved, do not make the metrics fail.
func TestRecordsLeaveTheMetricsReadable(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, `
groups:
- name: a
  rules:
  - {record: errors, match: 'x:*', when: count(), by: [service]}
  - {record: alert_engine_logs_total, match: 'x:*', when: count()}
- name: b
  rules:
  - {record: errors, match: 'x:*', when: count(), by: ['a.b', a_b, '__name__=service']}
`, alerting.WithRegisterer(registry))
	w.log(0, `"x":1,"service":"a\u001bb","a_b":"c"`)
	w.time(time.Minute)
	if _, err := registry.Gather(); err != nil {
		t.Fatal(err)
	}
}
