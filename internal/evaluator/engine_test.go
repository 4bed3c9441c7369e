package evaluator

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// backtest is what the engine makes of a scenario that is read as a file.
func backtest(s scenario, set *rule.Set) ([]string, error) {
	return backtestOf(s, set, nil, s.written())
}

// backlog is what the engine makes of a scenario that is read from a topic, whose partitions are
// not read at the same pace.
func backlog(s scenario, set *rule.Set) ([]string, error) {
	places := s.places()
	next := map[models.Partition][]int{}
	for _, i := range s.order() {
		p := s.logs[i].place()
		next[p] = append(next[p], i)
	}
	var partitions []models.Progress
	for _, p := range places {
		partitions = append(partitions, models.Progress{
			Topic: p.Topic, Partition: p.Partition, End: int64(len(next[p])),
		})
	}
	var order []int
	pace := rand.New(rand.NewPCG(uint64(len(s.logs)), uint64(len(s.text()))))
	for len(order) < len(s.logs) {
		if p := places[pace.IntN(len(places))]; len(next[p]) > 0 {
			n := 1 + pace.IntN(len(next[p]))
			order, next[p] = append(order, next[p][:n]...), next[p][n:]
		}
	}
	return backtestOf(s, set, partitions, order)
}

func backtestOf(
	s scenario, set *rule.Set, partitions []models.Progress, order []int,
) ([]string, error) {
	var ids []string
	for _, r := range set.Rules {
		ids = append(ids, r.ID())
	}
	b := ruletest.Backtest{
		Factory: ruletest.EngineFactory(set), Rules: ids, Partitions: partitions,
	}
	offsets := map[models.Partition]int64{}
	report, err := b.Run(context.Background(), func(yield func(decode.Sample, error) bool) {
		for n, i := range order {
			record := s.record(i)
			p := s.logs[i].place()
			record.Offset = offsets[p]
			offsets[p]++
			if !yield(decode.Sample{Record: record, Line: n + 1, Timed: partitions != nil}, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return settled(report.Alerts), nil
}

// testScript is what the engine makes of a scenario that is a test script.
func testScript(s scenario, set *rule.Set) ([]string, error) {
	var alerts []models.Alert
	var values []string
	factory := ruletest.EngineFactory(set)
	newEngine := factory.New
	factory.Lists = nil // the scenario has the members
	end := s.end()
	factory.New = func(emit func(models.Alert)) (ruletest.Engine, error) {
		e, err := newEngine(func(a models.Alert) {
			if !a.At.After(end) { // a test continues for a second
				alerts = append(alerts, a)
			}
			emit(a)
		})
		return s.noteValues(e, &values), err
	}
	test := ruletest.Test{Name: "scenario", Start: s.start()}
	for _, l := range s.logs {
		test.Logs = append(test.Logs, ruletest.Log{
			At: ruletest.Duration(l.at), Delay: ruletest.Duration(l.delay), Log: l.fields,
			Topic: l.place().Topic, Partition: l.partition,
		})
	}
	script := ruletest.Script{File: "x.rules.yml", Tests: []ruletest.Test{test}}
	for _, result := range script.Run(factory, ruletest.Options{}) {
		if len(result.Failures) > 0 {
			return nil, errors.New(strings.Join(result.Failures, "; "))
		}
	}
	slices.Sort(values)
	return append(settled(alerts), values...), nil
}

// noteValues has an engine append the values of its records to a list.
func (s scenario) noteValues(e ruletest.Engine, list *[]string) ruletest.Engine {
	target, ok := e.(interface {
		SetRecorded(func(models.Recorded)) error
	})
	if !ok || !s.records() {
		return e
	}
	end := s.end()
	if err := target.SetRecorded(func(v models.Recorded) {
		l := valueLine(v.Rule, v.Labels, v.At, v.Value, v.Gone)
		// one may be written once more after a restart
		if !v.At.After(end) && !slices.Contains(*list, l) {
			*list = append(*list, l)
		}
	}); err != nil {
		panic(err)
	}
	return e
}

// live is what the engine makes of a scenario when each log is evaluated as it arrives.
func live(s scenario, set *rule.Set) ([]string, error) {
	return arriving(s, set, false, ruletest.EngineFactory(set), nil)
}

// framed is what a member of a cluster makes of it, which applies what another one has matched, and
// is restored now and then.
func framed(s scenario, set *rule.Set) ([]string, error) {
	factory := ruletest.EngineFactory(set, alerting.WithFrames())
	e, err := factory.New(func(models.Alert) {})
	if err != nil {
		return nil, err
	}
	scans := e.(*alerting.Engine)
	scanner, writer := scans.NewScanner(), scans.NewFrameWriter()
	return arriving(s, set, true, factory, func(e ruletest.Engine, r models.Record) error {
		writer.Reset()
		scan := scanner.Scan([]models.Record{r})
		writer.AddScan(alerting.Span{
			Partition: models.Partition{Topic: r.Topic, Partition: r.Partition},
			From:      r.Offset, To: r.Offset + 1,
		}, scan)
		scans.Discard(scan)
		reader := e.(*alerting.Engine).NewFrameReader()
		if err := reader.Reset(writer.Bytes()); err != nil {
			return err
		}
		if _, _, err := reader.Next(); err != nil {
			return err
		}
		hits, err := reader.Scan(r.Offset)
		if err == nil {
			e.Apply(hits)
		}
		return err
	})
}

// restarted is what the engine makes of it when it is restored from its state after each log, or
// after every so many.
func restarted(s scenario, set *rule.Set) ([]string, error) {
	return arriving(s, set, true, ruletest.EngineFactory(set), nil)
}

// arriving has engines of a factory evaluate each log as it arrives; apply, if it is given, takes
// the record of a log in.
func arriving(
	s scenario, set *rule.Set, restarts bool, factory ruletest.Factory,
	apply func(ruletest.Engine, models.Record) error,
) ([]string, error) {
	var alerts []models.Alert
	var values []string
	end := s.end()
	fresh := func() (ruletest.Engine, error) {
		e, err := factory.New(func(a models.Alert) {
			if !a.At.After(end) {
				alerts = append(alerts, a)
			}
		})
		return s.noteValues(e, &values), err
	}
	e, err := fresh()
	if err != nil {
		return nil, err
	}
	var progress []models.Progress
	places := s.places(ruletest.Topics(set)...)
	for _, p := range places {
		progress = append(progress, models.Progress{
			Topic: p.Topic, Partition: p.Partition, CaughtUp: true,
		})
	}
	scanner := e.NewScanner()
	state := map[string][]byte{}
	e.Advance(s.start(), progress)
	for n, i := range s.order() {
		now, record := s.start().Add(s.logs[i].at+s.logs[i].delay), s.record(i)
		at := &progress[slices.Index(places, s.logs[i].place())]
		record.Offset = at.Next
		e.Advance(now, progress)
		if apply == nil {
			e.Apply(scanner.Scan([]models.Record{record}))
		} else if err := apply(e, record); err != nil {
			return nil, err
		}
		at.Next++
		at.End++
		e.Advance(now, progress)
		if each := cmp.Or(s.restart, 6); !restarts || n%each != len(s.logs)%each {
			continue
		}
		e.Save(len(state) == 0, func(key, value []byte) { state[string(key)] = bytes.Clone(value) },
			func(key []byte) { delete(state, string(key)) })
		if e, err = fresh(); err != nil {
			return nil, err
		}
		if err := e.Restore(func(each func(key, value []byte) error) error {
			for key, value := range state {
				if err := each([]byte(key), value); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		scanner = e.NewScanner()
	}
	e.Advance(s.end().Add(mostLateness+1), progress)
	slices.Sort(values)
	return append(settled(alerts), values...), nil
}

// places are the partitions of the topics that have logs, and of others.
func (s scenario) places(others ...string) (list []models.Partition) {
	topics := map[string]bool{}
	for _, topic := range others {
		topics[topic] = true
	}
	for i := range s.logs {
		topics[s.logs[i].place().Topic] = true
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		for p := range int32(s.partitions) {
			list = append(list, models.Partition{Topic: topic, Partition: p})
		}
	}
	return list
}

// brief reports whether an alert has ended at the instant at which it began. One that fires early
// is notified before it is known that it ends, and others are not.
func brief(fired, ended models.Alert) bool {
	return fired.ID == ended.ID && fired.At.Equal(ended.At) && fired.At.Equal(fired.StartsAt) &&
		fired.State == models.AlertFiring && ended.State == models.AlertResolved
}

// reminded is the reason of a transition that repeats one that was too old to be notified, because
// the clock of a run leaps from log to log.
const reminded = "firing since before it could be notified"

// Bounds of the lateness of the rules of a scenario.
const (
	lateness     = 10 * time.Second // of rules that give none
	mostLateness = 25 * time.Second
)

var ownLateness = regexp.MustCompile(`lateness: (\w+)`)

// lateness is the least of the rules of a scenario.
func (s scenario) lateness() time.Duration {
	least := lateness
	for _, m := range ownLateness.FindAllStringSubmatch(s.text(), -1) {
		own, err := time.ParseDuration(m[1])
		if err != nil {
			panic(err)
		}
		least = min(least, own)
	}
	return least
}

// settled are the transitions as they stand at the end. The start of an alert that fires early can
// still move, and the newest one counts.
func settled(alerts []models.Alert) []string {
	var kept []models.Alert
	fired := map[string]bool{}
	for _, a := range alerts {
		switch {
		case strings.HasSuffix(a.Reason, reminded):
			continue
		case a.State == models.AlertFiring:
			fired[a.ID] = true
			kept = slices.DeleteFunc(kept, func(b models.Alert) bool {
				return b.ID == a.ID && b.State == a.State && !b.At.Before(a.At)
			})
		case a.State != models.AlertResolved || !fired[a.ID]:
			continue
		}
		kept = append(kept, a)
	}
	var list []string
	for _, a := range kept {
		if slices.ContainsFunc(
			kept,
			func(b models.Alert) bool { return brief(a, b) || brief(b, a) },
		) {
			continue
		}
		list = append(list,
			countedLine(a.Rule, a.Labels, string(a.State), a.At, a.Count, a.Value))
	}
	slices.Sort(list)
	return list
}

// written is the order in which the logs are written.
func (s scenario) written() (order []int) {
	for i := range s.logs {
		order = append(order, i)
	}
	return order
}

// order is the order in which the logs arrive.
func (s scenario) order() []int {
	order := s.written()
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(s.logs[a].at+s.logs[a].delay, s.logs[b].at+s.logs[b].delay)
	})
	return order
}

// end is the last instant of a scenario that is decided.
func (s scenario) end() time.Time {
	end := s.start()
	for _, l := range s.logs {
		end = later(end, s.start().Add(l.at))
		if late := l.delay - s.lateness(); late > 0 {
			end = later(end, s.start().Add(l.at+late+time.Second))
		}
	}
	return end
}

// countedLine is a transition of an alert about some logs in one line.
func countedLine(
	rule string, labels map[string]string, state string, at time.Time, count int64, value float64,
) string {
	text := line(rule, labels, state, at, value)
	i := strings.LastIndexByte(text, ' ')
	return fmt.Sprintf("%s of %d%s", text[:i], count, text[i:])
}

// line is a transition, or the value of a record, in one line.
func line(rule string, labels map[string]string, state string, at time.Time, value float64) string {
	var text []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k != "alertname" {
			text = append(text, k+"="+labels[k])
		}
	}
	return fmt.Sprintf("%s %s %s {%s} %.9g",
		at.UTC().Format("02 15:04:05.999999999"), rule, state, strings.Join(text, ","), value+0)
}
