package alerting_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const recordRules = `version: 1
groups:
- name: shop
  rules:
  - {record: errors, match: 'say:*', when: count(), window: 1m, by: [service]}
  - {record: share, match: 'say:*', when: count(say:now) / count(), window: 90s, by: [service]}
  - {record: slowest, match: 'took:*', when: max(took), window: 2m, by: [service]}
  - {record: work, match: 'say:*', when: sum(took), window: 1m, every: 20s, by: [service]}
  - {record: mean, match: 'took:*', when: avg(took), window: 5m, every: 1m}
`

// reading is a log as the definition of a record sees it.
type reading struct {
	at      time.Time
	service string
	now     bool
	took    float64 // NaN for none
}

// readings are random logs, out of order by less than the lateness; they are also returned as
// records in the order in which they arrive.
func readings(seed uint64, n int) (list []reading, records []models.Record) {
	rng := rand.New(rand.NewPCG(seed, 7))
	at := monday.Add(time.Duration(rng.IntN(100_000)) * time.Millisecond)
	type arrival struct {
		at    time.Time
		value string
	}
	var arrivals []arrival
	for range n {
		at = at.Add(time.Duration(rng.IntN(9_000)) * time.Millisecond)
		if rng.IntN(25) == 0 {
			at = at.Add(time.Duration(rng.IntN(500)) * time.Second)
		}
		if rng.IntN(4) == 0 {
			at = at.Truncate(time.Second) // an instant of the grid
		}
		r := reading{at, fmt.Sprintf("s%d", rng.IntN(2)), rng.IntN(2) == 0, math.NaN()}
		fields := fmt.Sprintf(`"timestamp":%q,"service":%q,"say":%q`, at.Format(time.RFC3339Nano),
			r.service, map[bool]string{true: "now", false: "later"}[r.now])
		if rng.IntN(3) > 0 {
			r.took = float64(rng.IntN(5))
			fields += fmt.Sprintf(`,"took":%v`, r.took)
		}
		list = append(list, r)
		arrivals = append(
			arrivals,
			arrival{at.Add(time.Duration(rng.IntN(9_000)) * time.Millisecond), "{" + fields + "}"},
		)
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })
	next := map[int32]int64{}
	for _, a := range arrivals {
		p := int32(rng.IntN(2))
		records = append(
			records,
			models.Record{
				Topic:     "logs",
				Partition: p,
				Offset:    next[p],
				Timestamp: a.at,
				Value:     []byte(a.value),
			},
		)
		next[p]++
	}
	return list, records
}

// define says what is recorded, by the definition: at each instant of the grid, look at all logs.
func define(list []reading, until time.Time) (notified []string) {
	type record struct {
		name          string
		window, every time.Duration
		grouped       bool
		of            func(logs []reading) (n int, v float64)
	}
	only := func(logs []reading, f func(r reading) bool) []reading {
		return slices.DeleteFunc(slices.Clone(logs), func(r reading) bool { return !f(r) })
	}
	timed := func(r reading) bool { return !math.IsNaN(r.took) }
	sum := func(logs []reading) (s float64) {
		if logs = only(logs, timed); len(logs) == 0 {
			return math.NaN()
		}
		for _, r := range logs {
			s += r.took
		}
		return s
	}
	records := []record{
		{
			"errors",
			time.Minute,
			0,
			true,
			func(l []reading) (int, float64) { return len(l), float64(len(l)) },
		},
		{"share", 90 * time.Second, 0, true, func(l []reading) (int, float64) {
			return len(l), float64(len(only(l, func(r reading) bool {
				return r.now
			}))) / float64(len(l))
		}},
		{"slowest", 2 * time.Minute, 0, true, func(l []reading) (int, float64) {
			if l = only(l, timed); len(l) == 0 {
				return 0, math.NaN()
			}
			return len(l), slices.MaxFunc(l, func(a, b reading) int {
				return int(a.took - b.took)
			}).took
		}},
		{
			"work",
			time.Minute,
			20 * time.Second,
			true,
			func(l []reading) (int, float64) { return len(l), sum(l) },
		},
		{"mean", 5 * time.Minute, time.Minute, false, func(l []reading) (int, float64) {
			l = only(l, timed)
			return len(l), sum(l) / float64(len(l)) // sum of none is none
		}},
	}
	for _, r := range records {
		groups := []string{"s0", "s1"}
		if !r.grouped {
			groups = []string{""}
		}
		for _, g := range groups {
			step := max(r.every, time.Second)
			held, before := 0, math.NaN()
			for at := list[0].at.Truncate(step); !at.After(until); at = at.Add(step) {
				holds, value := r.of(only(list, func(l reading) bool {
					return (g == "" || l.service == g) && !l.at.After(at) &&
						l.at.After(at.Add(-r.window))
				}))
				tell := func(what string) {
					notified = append(
						notified,
						fmt.Sprintf("%s %s %s %s", r.name, g, at.Format(time.TimeOnly), what),
					)
				}
				known, knew := !math.IsNaN(value), held > 0 && !math.IsNaN(before)
				if known &&
					(holds > 0 && (r.every > 0 || held == 0 || value != before) ||
						holds == 0 && held > 0) {
					tell(fmt.Sprint(value))
				}
				if holds == 0 && held > 0 && (known || knew) || holds > 0 && !known && knew {
					tell("gone")
				}
				held, before = holds, value
			}
		}
	}
	slices.SortStableFunc(notified, byStart)
	return notified
}

// byStart sorts what was notified, but for what was notified of one group, which is in its order.
func byStart(a, b string) int {
	name := func(s string) string { return strings.Join(strings.Fields(s)[:2], " ") }
	return strings.Compare(name(a), name(b))
}

func recordedOf(r models.Recorded) string {
	what := fmt.Sprint(r.Value)
	if r.Gone {
		what = "gone"
	}
	return fmt.Sprintf("%s %s %s %s", r.Record, r.Labels["service"], r.At.Format(time.TimeOnly),
		what)
}

// Values are those of the definition, at the instants of the definition, however the logs are read:
// as they are written, out of order, with restarts, or at full speed.
func TestRecordedValues(t *testing.T) {
	set := readRules(t, recordRules)
	for seed := range uint64(3) {
		list, records := readings(seed, 120)
		want := define(list, list[len(list)-1].at.Add(10*time.Minute))
		ways := map[string]func(p *play){
			"as they are written":           func(p *play) { p.live(set, records, 0) },
			"with a restart after each log": func(p *play) { p.live(set, records, 1) },
			"with some restarts":            func(p *play) { p.live(set, records, 37) },
			"at once":                       func(p *play) { p.backlog(records, len(records), 0) },
			"in chunks":                     func(p *play) { p.backlog(records, 7, 1) },
			"in chunks, time set rarely":    func(p *play) { p.backlog(records, 5, 9) },
		}
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			var notified []string
			ways[way](
				newPlay(
					set,
					alerting.WithRecorded("", func(r models.Recorded) {
						notified = append(notified, recordedOf(r))
					}),
				),
			)
			slices.SortStableFunc(notified, byStart)
			if diff := cmp.Diff(want, notified); diff != "" {
				t.Fatalf("seed %d, %s (-as defined +so):\n%s", seed, way, diff)
			}
		}
		if len(want) < 100 {
			t.Fatalf("%d values tell little", len(want))
		}
	}
}

const countRules = `
groups:
- name: shop
  rules:
  - {record: errors, match: level>=ERROR, when: count(), window: 5m, by: [service], labels: {team: shop}}
`

// recorder is a world that notes what is recorded.
func recorder(t *testing.T, rules, topic string, opts ...alerting.Option) *world {
	w := &world{t: t, state: map[string][]byte{}}
	w.start(readRules(t, rules), append(opts, alerting.WithRecorded(topic, func(r models.Recorded) {
		value := fmt.Sprint(r.Value)
		if r.Gone {
			value = "gone"
		}
		w.said = append(
			w.said,
			fmt.Sprintf("%s %s%s %s", r.At.Sub(monday), r.Rule, labelsText(r.Labels), value),
		)
	}))...)
	return w
}

func TestValueIsWrittenWhenComplete(t *testing.T) {
	w := recorder(t, countRules, "")
	w.log(1500*time.Millisecond, `"level":"ERROR","service":"a"`)
	w.time(11 * time.Second)
	w.notified()
	w.time(12*time.Second + 1)
	w.notified("2s shop/errors{service=a,team=shop} 1")
	w.log(15*time.Second, `"level":"INFO","service":"a"`)
	w.time(time.Hour)
	w.notified(
		"5m2s shop/errors{service=a,team=shop} 0",
		"5m2s shop/errors{service=a,team=shop} gone",
	)
	if n := w.engine.Stats().Groups; n != 0 {
		t.Errorf("%d groups are left", n)
	}
}

func TestLateLogRewritesValue(t *testing.T) {
	w := recorder(t, countRules, "")
	w.log(0, `"level":"ERROR","service":"a"`)
	w.time(time.Minute)
	w.notified("0s shop/errors{service=a,team=shop} 1")
	w.put(monday.Add(time.Second), monday.Add(time.Minute), `"level":"ERROR","service":"a"`)
	w.time(2 * time.Minute)
	w.notified("50s shop/errors{service=a,team=shop} 2")
}

// Windows lack what was before the beginning of a replay, so what they hold there is no one's
// value.
func TestReplayRecordsNothing(t *testing.T) {
	w := recorder(t, countRules, "")
	replay := func(is bool) {
		w.engine.Advance(
			monday.Add(time.Minute),
			[]models.Progress{{Topic: "logs", Next: w.next, End: 9, Replay: is}},
		)
	}
	replay(true)
	for i := range 3 {
		at := monday.Add(time.Duration(i) * 20 * time.Second)
		w.put(at, at, `"level":"ERROR","service":"a"`)
		replay(true)
	}
	replay(false)
	w.notified()
	w.log(time.Minute, `"level":"ERROR","service":"a"`)
	w.time(2 * time.Minute)
	w.notified("40s shop/errors{service=a,team=shop} 3", "1m0s shop/errors{service=a,team=shop} 4")
}

func TestRemovedRecordHasNoValues(t *testing.T) {
	w := recorder(t, countRules, "")
	w.log(0, `"level":"ERROR","service":"a"`)
	w.time(time.Minute)
	w.notified("0s shop/errors{service=a,team=shop} 1")
	if err := w.engine.SetRules(readRules(t,
		strings.Replace(countRules, "errors", "mistakes", 1))); err != nil {
		t.Fatal(err)
	}
	w.notified("49s shop/errors{service=a,team=shop} gone")
}

// A record that is new has the values that it would have, had it been there, from when it has read
// its past.
func TestNewRecordIsBackfilled(t *testing.T) {
	w := recorder(t, strings.Replace(countRules, "errors", "others", 1), "",
		alerting.WithBackfill())
	w.engine.SkipBackfill(nil, "")
	w.log(0, `"level":"ERROR","service":"a"`)
	w.log(5*time.Second, `"level":"ERROR","service":"a"`)
	w.time(time.Minute)
	w.said = nil
	if err := w.engine.SetRules(readRules(t, countRules)); err != nil {
		t.Fatal(err)
	}
	w.said = nil
	scratch, _ := w.engine.BackfillEngine()
	past := &world{t: t, engine: scratch}
	past.log(0, `"level":"ERROR","service":"a"`)
	past.log(5*time.Second, `"level":"ERROR","service":"a"`)
	past.time(time.Minute)
	w.engine.FinishBackfill(scratch, "")
	w.notified("49s shop/errors{service=a,team=shop} 2")
	w.time(time.Hour)
	w.notified(
		"5m0s shop/errors{service=a,team=shop} 1",
		"5m5s shop/errors{service=a,team=shop} 0",
		"5m5s shop/errors{service=a,team=shop} gone",
	)
}

func TestShadowRecordsNothing(t *testing.T) {
	w := recorder(t, strings.Replace(countRules, "window: 5m", "window: 5m, mode: shadow", 1), "")
	w.log(0, `"level":"ERROR","service":"a"`)
	w.time(time.Hour)
	w.notified()
}

const overRecordsRules = countRules + `
  - {record: all, match: level>=ERROR, when: count(), window: 5m}
  - {alert: Any, match: 'value:*'}
- name: over
  source: values
  rules:
  - {record: again, match: 'record:errors', when: last(value), window: 5m, by: [service]}
  - {alert: Many, match: 'record:errors value>=2', by: [service]}
`

// Only rules that name the topic of values read it, they wait for as long as values may take, and
// what they record stays out of it: so nothing goes round.
func TestRulesOverRecordedValues(t *testing.T) {
	w := recorder(t, overRecordsRules, "values")
	var alerts []string
	w.engine = alerting.NewEngine(
		alerting.WithRules(readRules(t, overRecordsRules)),
		alerting.WithEmit(func(a models.Alert) {
			alerts = append(
				alerts,
				fmt.Sprintf("%s %s %s %v", a.At.Sub(monday), a.Rule, a.State, a.Late),
			)
		}),
		alerting.WithRecorded("values", func(r models.Recorded) {
			w.said = append(w.said, fmt.Sprintf("%s %s %v", r.At.Sub(monday), r.Rule, r.Value))
		}),
	)
	next := map[string]int64{}
	read := func(topic string, event, at time.Duration, fields string) {
		value := fmt.Sprintf(`{"timestamp":%q,%s}`, monday.Add(event).Format(time.RFC3339Nano),
			fields)
		w.engine.Apply(
			w.engine.NewScanner().
				Scan([]models.Record{{
					Topic:     topic,
					Offset:    next[topic],
					Timestamp: monday.Add(event),
					Value:     []byte(value),
				}}),
		)
		next[topic]++
		w.engine.Advance(
			monday.Add(at),
			[]models.Progress{
				{Topic: "logs", Next: next["logs"], End: next["logs"], CaughtUp: true},
				{Topic: "values", Next: next["values"], End: next["values"], CaughtUp: true},
			},
		)
	}
	read("logs", 0, 0, `"level":"ERROR","service":"a"`)
	read("logs", 0, time.Second, `"level":"ERROR","service":"a"`)
	read("logs", 12*time.Second, 12*time.Second, `"level":"INFO"`)
	w.notified("0s shop/errors 2", "0s shop/all 2")
	read("values", 0, 13*time.Second, `"record":"errors","value":2,"service":"a"`)
	w.engine.Advance(
		monday.Add(time.Minute),
		[]models.Progress{{Topic: "logs", CaughtUp: true}, {Topic: "values", CaughtUp: true}},
	)
	w.notified()
	if diff := cmp.Diff([]string{"0s over/Many firing false"}, alerts); diff != "" {
		t.Errorf("(-want +notified)\n%s", diff)
	}
}
