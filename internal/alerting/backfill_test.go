package alerting_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Rules that come in the midst of the logs, and read what was before, decide from then on what they
// would have decided had they been there from the beginning. Of what had ended by then nothing is
// notified.
func TestNewRulesAreBackfilled(t *testing.T) {
	set, err := rule.Load("testdata/lifecycle.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	// their past is in no topic
	set.Rules = slices.DeleteFunc(set.Rules, func(r *rule.Rule) bool {
		return r.Source == "alerts"
	})
	for seed := range seeds(3) {
		records := story(seed, 250)
		for _, k := range []int{1, 40, 125, 200, 245} {
			first := newPlay(set)
			first.goOn(set, records[:k], 0)
			over := make(map[string]bool)
			for _, a := range first.alerts {
				over[a.ID] = a.State == models.AlertResolved
			}
			first.live(set, records[k:], 0)
			want := outcomes(
				slices.DeleteFunc(first.alerts, func(a models.Alert) bool { return over[a.ID] }),
			)

			p := newPlay(set)
			p.startWithout(set)
			p.goOn(set, records[:k/2], 0)
			if err := p.engine.SetRules(set); err != nil {
				t.Fatal(err)
			}
			p.goOn(set, records[k/2:k], 0)
			p.readPast(t, records[:k])
			p.live(set, records[k:], 0)
			if diff := cmp.Diff(want, outcomes(p.alerts)); diff != "" {
				t.Fatalf(
					"seed %d, rules that come after %d logs (-there from the beginning +so):\n%s",
					seed, k, diff)
			}
		}
	}
}

// startWithout starts an engine that has suppressions, and no rule yet.
func (p *play) startWithout(set *rule.Set) {
	none := *set
	none.Rules = nil
	p.engine = alerting.NewEngine(
		alerting.WithRules(&none),
		alerting.WithEmit(func(a models.Alert) { p.alerts = append(p.alerts, a) }),
		alerting.WithMaxAlertAge(1000*time.Hour),
		alerting.WithBackfill(),
	)
}

// readPast has the rules that wait read the past from a backlog, and go live.
func (p *play) readPast(t *testing.T, records []models.Record) {
	scratch, _ := p.engine.BackfillEngine()
	if scratch == nil || !p.engine.BackfillCurrent(scratch) {
		t.Fatal("no rule waits")
	}
	past := &play{engine: scratch, next: map[int32]int64{0: 0, 1: 0}}
	past.read(records, 7, 1)
	p.engine.FinishBackfill(scratch, "")
}

// A rule that waits for its past is not saved, so it waits again after a restart; one that was
// given its past does not.
func TestRestartKeepsPendingNotifications(t *testing.T) {
	set := readRules(t, errorRules)
	w := &world{t: t, state: map[string][]byte{}}
	w.start(&rule.Set{}, alerting.WithBackfill())
	if err := w.engine.SetRules(set); err != nil {
		t.Fatal(err)
	}
	w.log(0, `"level":"ERROR","service":"a"`)
	again := func() string {
		w.save(true)
		w.start(&rule.Set{}, alerting.WithBackfill())
		if err := w.engine.SetRules(set); err != nil {
			t.Fatal(err)
		}
		w.restore()
		return w.engine.Rules()[0].State
	}
	if got := again(); got != "backfilling" {
		t.Errorf("the rule is %s after a restart while it waits", got)
	}
	scratch, past := w.engine.BackfillEngine()
	if past < 5*time.Minute {
		t.Errorf("it reads %v back", past)
	}
	w.engine.FinishBackfill(scratch, "")
	w.log(time.Second, `"level":"ERROR","service":"a"`)
	w.log(2*time.Second, `"level":"ERROR","service":"a"`)
	w.notified("2s shop/Errors{service=a} firing")
	if got := again(); got != "firing" {
		t.Errorf("the rule is %s after a restart when it was live", got)
	}
}

// Rules that go live while the engine is far behind, or reads once more what an earlier run has
// read, notify what holds when that has ended.
func TestBackfilledActiveAlertsAreNotified(t *testing.T) {
	f := func(replay bool, then ...string) {
		t.Helper()
		w := &world{t: t}
		w.start(&rule.Set{}, alerting.WithBackfill())
		if err := w.engine.SetRules(readRules(t, strings.Replace(errorRules, "window: 5m",
			"window: 12h", 1))); err != nil {
			t.Fatal(err)
		}
		scratch, _ := w.engine.BackfillEngine()
		past := &world{t: t, engine: scratch}
		for _, engine := range []*world{w, past} {
			for _, at := range []time.Duration{0, time.Second, time.Minute} {
				engine.put(monday.Add(at), monday.Add(at), `"level":"ERROR","service":"a"`)
			}
			engine.engine.Advance(
				monday.Add(3*time.Hour),
				[]models.Progress{{Topic: "logs", Next: 3, End: 10, Replay: replay}},
			)
		}
		w.engine.FinishBackfill(scratch, "")
		w.notified(then...)
		w.time(3 * time.Hour)
		w.notified("2h59m50s shop/Errors{service=a} firing")
	}
	f(false, "50s shop/Errors{service=a} firing historical")
	f(true)
}

// A rule that is changed reads its past, in which it has alerts that the rule before it had too.
// They are others, and go by other numbers.
func TestBackfilledAlertsContinueNumbers(t *testing.T) {
	w := &world{t: t}
	w.start(&rule.Set{}, alerting.WithBackfill())
	change := func(threshold string, logs int) {
		t.Helper()
		if err := w.engine.SetRules(readRules(t, strings.Replace(errorRules, ">= 2", threshold,
			1))); err != nil {
			t.Fatal(err)
		}
		scratch, _ := w.engine.BackfillEngine()
		past := &world{t: t, engine: scratch}
		for range logs {
			past.log(0, `"level":"ERROR","service":"a"`)
		}
		w.engine.FinishBackfill(scratch, "")
	}
	change(">= 2", 0)
	for range 4 {
		w.log(0, `"level":"ERROR","service":"a"`)
	}
	w.notified("0s shop/Errors{service=a} firing")
	change(">= 3", 4)
	w.notified("0s shop/Errors{service=a} resolved", "0s shop/Errors{service=a} firing")
	w.time(10 * time.Minute)
	w.notified("5m0s shop/Errors{service=a} resolved")
	if a := w.alerts; a[0].ID != a[1].ID || a[1].ID == a[2].ID || a[2].ID != a[3].ID ||
		a[3].Episode != 2 {
		t.Errorf("alerts %+v", a)
	}
}
