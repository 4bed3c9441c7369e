package ruletest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/evaluator"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// scenario is some rules, and logs that are made to bring them near their limits, in another way
// for each seed.
type scenario struct {
	name    string
	rules   string // the rules of a group, or a whole file
	logs    func(m *maker)
	ordered bool          // no two logs are of one instant, where their order would matter
	tail    time.Duration // for which time runs on after the last log; 2 h by default
	start   time.Time     // Monday, 5 January 2026, 9:00 UTC by default
}

// maker makes logs at whole seconds.
type maker struct {
	*rand.Rand
	logs []Log
}

// log makes one log, a number of seconds after the start.
func (m *maker) log(at int, fields ...any) {
	l := Log{At: Duration(time.Duration(at) * time.Second), Log: map[string]any{"message": "m"}}
	for i := 0; i < len(fields); i += 2 {
		name := fields[i].(string)
		if name == "topic" {
			l.Topic = fields[i+1].(string)
			continue
		}
		l.Log[name] = fields[i+1]
	}
	m.logs = append(m.logs, l)
}

// burst makes n logs, each at a random second of a stretch.
func (m *maker) burst(from, long, n int, fields ...any) {
	for range n {
		m.log(from+m.IntN(long), fields...)
	}
}

// one picks a text.
func (m *maker) one(of ...string) string { return of[m.IntN(len(of))] }

const seeds = 4

// The engine agrees with the evaluator: about logs in order, in any order of arrival whose disorder
// is below the lateness, with a restart after each log, and about a backlog that is read at full
// speed.
func TestLaws(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fired := 0
			for seed := range uint64(seeds) {
				if testing.Short() && seed > 0 {
					break
				}
				fired += s.check(t, seed)
				if t.Failed() {
					return
				}
			}
			if fired == 0 {
				t.Error("nothing fires for any seed, so nothing is shown")
			}
		})
	}
}

// check compares the engine with the evaluator for one seed, and returns how many alerts there
// were.
func (s scenario) check(t *testing.T, seed uint64) int {
	t.Helper()
	set, test := s.read(t, seed)
	factory := EngineFactory(set)
	list, err := test.arrivals()
	if err != nil {
		t.Fatal(err)
	}
	records := make([]models.Record, len(list))
	for i := range list {
		records[i] = list[i].record
	}
	want := s.foretell(t, records, test.Start, s.end(list))
	same := func(what string, alerts []models.Alert, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("seed %d, %s: %v", seed, what, err)
		}
		if diff := cmp.Diff(spellTexts(want), spellTexts(notified(alerts))); diff != "" &&
			!t.Failed() {
			t.Errorf("seed %d, %s (-evaluator +engine):\n%s%s", seed, what, diff, history(list))
		}
	}
	end := s.end(list).Add(factory.Lateness)
	run := func(what string, list []arrival, how live) {
		t.Helper()
		alerts, err := how.run(factory, test.Start, list, end)
		same(what, alerts, err)
	}
	run(asWritten, list, live{})
	// after each log, for the first seed
	run("restarted again and again", list, live{crash: 1 + 6*min(1, int(seed))})
	run("as a backlog at once", list, live{backlog: len(list)})
	rng := rand.New(rand.NewPCG(seed, 1))
	for n := range 50 {
		order := shuffled(list, factory.Lateness, rng)
		run(fmt.Sprintf("in order of arrival %d", n), order, live{crash: 10 * (n % 25 / 24)})
		if n%10 == 1 {
			run(fmt.Sprintf("in order of arrival %d, as a backlog", n), order, live{backlog: 1 + n})
		}
	}
	return len(want)
}

// read makes the scenario's rules and logs for a seed.
func (s scenario) read(t *testing.T, seed uint64) (*rule.Set, *Test) {
	t.Helper()
	set, err := rule.Read("laws.rules.yml", []byte(s.text()))
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0))}
	s.logs(m)
	for i := range m.logs {
		if s.ordered {
			m.logs[i].At += Duration(time.Duration(i) * time.Millisecond)
		}
	}
	start := s.start
	if start.IsZero() {
		start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	}
	return set, &Test{Name: s.name, Start: start, Logs: m.logs}
}

// text is the rule file of the scenario.
func (s scenario) text() string {
	if strings.Contains(s.rules, "groups:") {
		return s.rules
	}
	return "groups:\n- name: g\n  rules:\n" + s.rules
}

// foretell is what the evaluator, a second reading of the rule reference, says of the logs.
func (s scenario) foretell(t *testing.T, records []models.Record, start, end time.Time) []spell {
	t.Helper()
	set, err := evaluator.ReadRules("laws.rules.yml", []byte(s.text()))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := evaluator.NewReader(set)
	if err != nil {
		t.Fatal(err)
	}
	var logs []*evaluator.Log
	for _, r := range records {
		logs = append(logs, reader.Read(r)...)
	}
	var alerts []models.Alert
	fired := map[string]time.Time{}
	for _, tr := range evaluator.Evaluate(set, logs, evaluator.Course{Began: start, End: end}) {
		id := fmt.Sprint(tr.Rule, labelText(without(tr.Labels, "severity")), tr.Episode)
		if fired[id].IsZero() {
			fired[id] = tr.At
		}
		alerts = append(alerts, models.Alert{
			ID:       id,
			Rule:     tr.Rule,
			Labels:   tr.Labels,
			State:    models.AlertState(tr.State),
			At:       tr.At,
			StartsAt: fired[id],
		})
	}
	return notified(alerts)
}

func without(labels map[string]string, names ...string) map[string]string {
	rest := maps.Clone(labels)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

// spell is an episode as receivers are notified of it.
type spell struct {
	rule            string
	labels          map[string]string
	fired, resolved int64
}

const farFuture = int64(1<<63 - 1)

func (s spell) String() string {
	end := "stays up"
	if s.resolved != farFuture {
		end = "resolved " + time.Unix(0, s.resolved).UTC().Format(time.RFC3339Nano)
	}
	fired := time.Unix(0, s.fired).UTC().Format(time.RFC3339Nano)
	return fmt.Sprintf("%s %s fired %s, %s", s.rule, labelText(s.labels), fired, end)
}

func (s scenario) end(list []arrival) time.Time {
	tail := s.tail
	if tail == 0 {
		tail = 2 * time.Hour
	}
	var last time.Time
	for _, a := range list {
		if a.event.After(last) {
			last = a.event
		}
	}
	return last.Add(tail)
}

// live is a way of living through logs.
type live struct {
	crash int // the engine is stopped and restored after so many records; 0 for never
	// records that are read at once, by an engine that is behind until the end; 0 for one at a
	// time, at the log end
	backlog int
}

// run returns the transitions.
func (l live) run(
	f Factory,
	start time.Time,
	list []arrival,
	end time.Time,
) ([]models.Alert, error) {
	s := &simulation{factory: f, state: make(map[string][]byte)}
	if err := s.start(); err != nil {
		return nil, err
	}
	s.watch(list, nil)
	s.engine.Advance(start, s.progress)
	for i := 0; i < len(list); {
		if l.backlog > 0 {
			n := min(l.backlog, len(list)-i)
			s.behind(list[i:i+n], end)
			i += n
			continue
		}
		s.engine.Advance(list[i].at, s.progress)
		if err := s.record(&list[i]); err != nil {
			return nil, err
		}
		i++
		if l.crash > 0 && i%l.crash == 0 {
			if err := s.crash(i == l.crash); err != nil {
				return nil, fmt.Errorf("restore after record %d: %w", i, err)
			}
		}
	}
	for i := range s.progress {
		s.progress[i].End, s.progress[i].CaughtUp = s.progress[i].Next, true
	}
	s.engine.Advance(end, s.progress)
	return s.outcome.alerts, nil
}

// behind evaluates records of the past at once, in runs of one partition, with more to come.
func (s *simulation) behind(list []arrival, now time.Time) {
	for len(list) > 0 {
		var records []models.Record
		first := list[0].record
		for len(list) > 0 && list[0].record.Topic == first.Topic &&
			list[0].record.Partition == first.Partition {
			records, list = append(records, list[0].record), list[1:]
		}
		s.engine.Apply(s.scanner.Scan(records))
		for i := range s.progress {
			p := &s.progress[i]
			p.CaughtUp = false
			if p.Topic == first.Topic && p.Partition == first.Partition {
				p.Next = records[len(records)-1].Offset + 1
			}
			p.End = p.Next + 1
		}
	}
	s.engine.Advance(now, s.progress)
}

// notified are the spells that transitions tell of. An alert that fires early may have begun
// before: where it counts is what its newest firing says. One that was withdrawn was none.
func notified(alerts []models.Alert) (list []spell) {
	byID := map[string]int{}
	for _, a := range alerts {
		i, known := byID[a.ID]
		switch {
		case a.State == models.AlertFiring && !known:
			byID[a.ID] = len(list)
			list = append(list, spell{
				rule:     a.Rule,
				labels:   without(a.Labels, "alertname", "severity"),
				fired:    a.At.UnixNano(),
				resolved: farFuture,
			})
		case a.State == models.AlertFiring && a.At.Equal(a.StartsAt):
			list[i].fired = a.At.UnixNano()
		case a.State == models.AlertResolved && known && !a.Withdrawn:
			list[i].resolved = a.At.UnixNano()
		case a.State == models.AlertResolved && known:
			list[i].resolved = list[i].fired
		}
	}
	return slices.DeleteFunc(list, func(s spell) bool { return s.resolved == s.fired })
}

// spellTexts writes spells to be compared.
func spellTexts(list []spell) (texts []string) {
	for _, s := range list {
		texts = append(texts, s.String())
	}
	slices.Sort(texts)
	return texts
}

const asWritten = "in order"

// history shows the logs of a failure.
func history(list []arrival) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "  %s\n", a.record.Value)
	}
	return b.String()
}
