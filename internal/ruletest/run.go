package ruletest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Engine is what tests and backtests ask of an engine. It is driven by one goroutine.
type Engine interface {
	NewScanner() models.Scanner
	Apply(models.Scan)
	// Advance sets the time, and how far the partitions were read.
	Advance(now time.Time, progress []models.Progress)
	// Save passes the state to put: all of it, or what has changed since the last call, with del
	// for what is gone.
	Save(full bool, put func(key, value []byte), del func(key []byte))
	// Restore takes over a state, which load passes to each; the engine is new.
	Restore(load func(each func(key, value []byte) error) error) error
}

// recordTarget is what tests that expect values of records ask of an engine besides: it tells the
// values, of an engine that has read nothing yet.
type recordTarget interface {
	SetRecorded(recorded func(models.Recorded)) error
}

// Factory makes an engine over the rules of a script, which passes its transitions to emit.
type Factory struct {
	New func(emit func(models.Alert)) (Engine, error)
	// how far out of order logs may be for all of the rules, and for any of them
	Lateness, MostLateness time.Duration
	// topics that rules name as their source, which are read also where they have no logs
	Topics []string

	// Past makes an engine that decides at the watermark alone, for backtests; New by default.
	Past func(emit func(models.Alert)) (Engine, error)

	// Lists returns a factory over the same rules, some of whose lists have other members. Its
	// error is that of a list that does not exist, or of one that has no members without being
	// given some. Nil is for rules whose lists cannot change.
	Lists func(Members) (Factory, error)
}

// Options say how tests are run.
type Options struct {
	Shuffle int    // further orders of arrival in which each test is repeated
	Seed    uint64 // of the orders
	Crash   bool   // repeat each test with an engine that is stopped and restored after each record
}

// Result is the outcome of one test.
type Result struct {
	File     string
	Name     string
	Failures []string // messages; none when the test has passed
	Took     time.Duration
}

// Run runs the tests of a script, and then its backtests, once each.
func (s *Script) Run(f Factory, o Options) []Result {
	var results []Result
	for i := range s.Tests {
		t := &s.Tests[i]
		began := time.Now()
		failures := t.run(s.File, s.Lists, f, o)
		results = append(results, Result{s.File, t.Name, failures, time.Since(began)})
	}
	for i := range s.Backtests {
		c := &s.Backtests[i]
		began := time.Now()
		failures := c.run(s.File, s.Lists, f)
		results = append(results, Result{s.File, c.Name, failures, time.Since(began)})
	}
	return results
}

// run runs a test as it is written, and then in the other ways that must give the same.
func (t *Test) run(file string, members Members, f Factory, o Options) []string {
	if f.Lists != nil {
		var err error
		if f, err = f.Lists(t.members(members)); err != nil {
			return []string{fmt.Sprintf("%s:%d: %s", file, t.Line, err)}
		}
	}
	list, err := t.arrivals()
	if err != nil {
		return []string{err.Error()}
	}
	said, err := t.simulate(f, list, false)
	if err != nil {
		return []string{err.Error()}
	}
	if failures := append(t.check(file, episodes(said.alerts)),
		t.checkRecords(file, said.values)...); len(failures) > 0 {
		return failures
	}
	if o.Crash {
		again, err := t.simulate(f, list, true)
		if message := same(file, t.Line, "with a restart after each record", said, again,
			err); message != "" {
			return []string{message}
		}
	}
	for n := range o.Shuffle {
		order := shuffled(list, f.Lateness, rand.New(rand.NewPCG(o.Seed, uint64(n))))
		again, err := t.simulate(f, order, false)
		what := fmt.Sprintf("in order of arrival %d of seed %d", n+1, o.Seed)
		if message := same(file, t.Line, what, said, again, err); message != "" {
			return []string{message}
		}
	}
	return nil
}

// members are those of all lists that the script or the test gives.
func (t *Test) members(all Members) Members {
	members := Members{}
	maps.Copy(members, all)
	maps.Copy(members, t.Lists)
	return members
}

// outcome is what an engine has said of a test.
type outcome struct {
	alerts []models.Alert
	values []models.Recorded // of records, if the test expects any
}

// same returns a message when the episodes and values of the second run are not those of the first.
func same(file string, line int, what string, first, second outcome, err error) string {
	if err != nil {
		return fmt.Sprintf("%s:%d: %s: %v", file, line, what, err)
	}
	if diff := diffLines(outcomes(first.alerts), outcomes(second.alerts)); diff != "" {
		return fmt.Sprintf("%s:%d: %s the alerts are others (- as written, + %s):\n%s", file, line,
			what, what, diff)
	}
	if diff := diffLines(valueTexts(first.values), valueTexts(second.values)); diff != "" {
		return fmt.Sprintf("%s:%d: %s the recorded values are others (- as written, + %s):\n%s",
			file, line, what, what, diff)
	}
	return ""
}

// diffLines lists the lines that only one of two lists has.
func diffLines(first, second []string) string {
	var b strings.Builder
	rest := slices.Clone(second)
	for _, line := range first {
		if i := slices.Index(rest, line); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		} else {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	for _, line := range rest {
		fmt.Fprintf(&b, "+ %s\n", line)
	}
	if b.Len() == 0 && !slices.Equal(first, second) {
		return "  in another order\n"
	}
	return b.String()
}

// outcomes are the episodes as they are notified. When an alert fires eagerly its start can
// still move while logs are out of order; where it counts is the start that the newest transition
// gives.
func outcomes(alerts []models.Alert) []string {
	var list []string
	for _, e := range episodes(alerts) {
		resolved := "stays up"
		if e.resolved != nil {
			resolved = "resolved " + e.resolved.At.UTC().Format(time.RFC3339Nano)
		}
		list = append(
			list,
			fmt.Sprintf("%s %s from %s, %s", e.fired.Rule, labelText(e.fired.Labels),
				e.last.StartsAt.UTC().Format(time.RFC3339Nano), resolved),
		)
	}
	slices.Sort(list) // which of two fires first by its second log does not matter
	return list
}

// simulation is one run of a test.
type simulation struct {
	factory  Factory
	engine   Engine
	scanner  models.Scanner
	progress []models.Progress
	state    map[string][]byte // what a crash leaves
	records  bool              // values of records are asked for
	outcome  outcome
}

// simulate lets the records arrive one by one, the clock moving with them, and then the clock run
// on until all rules have decided everything up to the horizon. What some of them decide after it
// is left out.
func (t *Test) simulate(f Factory, list []arrival, crash bool) (outcome, error) {
	s := &simulation{factory: f, state: make(map[string][]byte), records: t.expectsRecords()}
	if err := s.start(); err != nil {
		return outcome{}, err
	}
	s.watch(list, f.Topics)
	s.engine.Advance(t.Start, s.progress)
	for i := range list {
		a := &list[i]
		s.engine.Advance(a.at, s.progress)
		if err := s.record(a); err != nil {
			return outcome{}, fmt.Errorf("test %q: %w", t.Name, err)
		}
		if !crash {
			continue
		}
		if err := s.crash(i == 0); err != nil {
			return outcome{}, fmt.Errorf("test %q: restore after record %d: %w", t.Name, i+1, err)
		}
	}
	horizon := t.horizon(list)
	// the watermark must pass the horizon
	s.engine.Advance(horizon.Add(max(f.Lateness, f.MostLateness)+1), s.progress)
	s.outcome.alerts = slices.DeleteFunc(s.outcome.alerts, func(a models.Alert) bool {
		return a.At.After(horizon)
	})
	s.outcome.values = slices.DeleteFunc(s.outcome.values, func(v models.Recorded) bool {
		return v.At.After(horizon)
	})
	return s.outcome, nil
}

func (s *simulation) start() (err error) {
	s.engine, err = s.factory.New(func(a models.Alert) {
		s.outcome.alerts = append(s.outcome.alerts, a)
	})
	if err != nil {
		return err
	}
	s.scanner = s.engine.NewScanner()
	if r, ok := s.engine.(recordTarget); ok && s.records {
		return r.SetRecorded(
			func(v models.Recorded) { s.outcome.values = append(s.outcome.values, v) },
		)
	}
	return nil
}

// watch makes the progress of all partitions of the records, and of topics that may have none:
// nothing is there yet, and that is known.
func (s *simulation) watch(list []arrival, topics []string) {
	seen := make(map[models.Partition]bool)
	watch := func(p models.Partition) {
		if !seen[p] {
			seen[p] = true
			s.progress = append(
				s.progress,
				models.Progress{Topic: p.Topic, Partition: p.Partition, CaughtUp: true},
			)
		}
	}
	for i := range list {
		r := &list[i].record
		watch(models.Partition{Topic: r.Topic, Partition: r.Partition})
	}
	for _, topic := range topics {
		watch(models.Partition{Topic: topic})
	}
}

// record evaluates one record, behind which the partition ends.
func (s *simulation) record(a *arrival) error {
	scan := s.scanner.Scan([]models.Record{a.record})
	for _, r := range scan.Rejected() {
		return fmt.Errorf("a log cannot be read: %s: %s", r.Reason, r.Detail)
	}
	s.engine.Apply(scan)
	for i := range s.progress {
		p := &s.progress[i]
		if p.Topic == a.record.Topic && p.Partition == a.record.Partition {
			p.Next, p.End = a.record.Offset+1, a.record.Offset+1
		}
	}
	s.engine.Advance(a.at, s.progress)
	return nil
}

// crash saves, forgets the engine, and continues with a new one.
func (s *simulation) crash(full bool) error {
	s.engine.Save(full, func(key, value []byte) {
		s.state[string(key)] = bytes.Clone(value)
	}, func(key []byte) {
		delete(s.state, string(key))
	})
	if err := s.start(); err != nil {
		return err
	}
	return s.engine.Restore(func(each func(key, value []byte) error) error {
		for key, value := range s.state {
			if err := each([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// horizon is the event time at which a test ends: a second after all that it says.
func (t *Test) horizon(list []arrival) time.Time {
	end := t.Start
	later := func(at time.Time) {
		if at.After(end) {
			end = at
		}
	}
	for _, a := range list {
		later(a.at)
		later(a.event)
	}
	for _, e := range t.Expect {
		for _, d := range []*Duration{e.Fires, e.Resolves, e.At} {
			if d != nil {
				later(t.Start.Add(time.Duration(*d)))
			}
		}
	}
	return end.Add(time.Second)
}
