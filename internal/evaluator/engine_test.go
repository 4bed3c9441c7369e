package evaluator

import (
	"bytes"
	"github.com/log-monitoring/alert-engine/pkg/models"

	"cmp"
	"os"
	"regexp"

	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
)

var (
	cases   = flag.Int("evaluate.cases", 0, "how many random scenarios to evaluate")
	liveToo = flag.Bool("evaluate.live", false, "evaluate each log as it arrives as well")
	seed    = flag.Uint64("evaluate.seed", 1, "of the first scenario")
)

var must = regexp.MustCompile(os.Getenv("EVAL_MUST"))

var skip = regexp.MustCompile(cmp.Or(os.Getenv("EVAL_SKIP"), "^$"))

// backtest is what the engine makes of a scenario that is read as a file.
func backtest(s scenario) ([]string, error) {
	return backtestOf(s, nil, s.written())
}

// backlog is what the engine makes of a scenario that is read from a topic, whose partitions are
// not read at the same pace.
func backlog(s scenario) ([]string, error) {
	next := make([][]int, s.partitions)
	for _, i := range s.order() {
		p := s.logs[i].partition
		next[p] = append(next[p], i)
	}
	var partitions []models.Progress
	for p, list := range next {
		partitions = append(partitions, models.Progress{
			Topic: "logs", Partition: int32(p), End: int64(len(list)),
		})
	}
	var order []int
	pace := rand.New(rand.NewPCG(uint64(len(s.logs)), uint64(len(s.text()))))
	for len(order) < len(s.logs) {
		if p := pace.IntN(s.partitions); len(next[p]) > 0 {
			n := 1 + pace.IntN(len(next[p]))
			order, next[p] = append(order, next[p][:n]...), next[p][n:]
		}
	}
	return backtestOf(s, partitions, order)
}

func backtestOf(s scenario, partitions []models.Progress, order []int) ([]string, error) {
	set, err := rule.Read("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range set.Rules {
		ids = append(ids, r.ID())
	}
	b := ruletest.Backtest{
		Factory: ruletest.EngineFactory(set), Rules: ids, Partitions: partitions,
	}
	offsets := map[int32]int64{}
	report, err := b.Run(context.Background(), func(yield func(decode.Sample, error) bool) {
		for n, i := range order {
			record := s.record(i)
			record.Offset = offsets[record.Partition]
			offsets[record.Partition]++
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

// live is what the engine makes of a scenario when each log is evaluated as it arrives. It is
// restored from its state after every third if restarts is set.
func live(s scenario, restarts bool) ([]string, error) {
	set, err := rule.Read("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, err
	}
	var alerts []models.Alert
	factory := ruletest.EngineFactory(set)
	var values []string
	fresh := func() (ruletest.Engine, error) {
		e, err := factory.New(func(a models.Alert) { alerts = append(alerts, a) })
		if err != nil || !s.records() {
			return e, err
		}
		return e, e.(interface {
			SetRecorded(func(models.Recorded)) error
		}).SetRecorded(func(v models.Recorded) {
			if v.At.After(s.end()) {
				return
			}
			l := valueLine(v.Rule, v.Labels, v.At, v.Value, v.Gone)
			if !slices.Contains(values, l) { // one may be written once more after a restart
				values = append(values, l)
			}
		})
	}
	e, err := fresh()
	if err != nil {
		return nil, err
	}
	var progress []models.Progress
	for p := range int32(s.partitions) {
		progress = append(progress, models.Progress{Topic: "logs", Partition: p, CaughtUp: true})
	}
	scanner := e.NewScanner()
	state := map[string][]byte{}
	e.Advance(start, progress)
	for n, i := range s.order() {
		now, record := start.Add(s.logs[i].at+s.logs[i].delay), s.record(i)
		at := &progress[record.Partition]
		record.Offset = at.Next
		e.Advance(now, progress)
		e.Apply(scanner.Scan([]models.Record{record}))
		at.Next++
		at.End++
		e.Advance(now, progress)
		if !restarts || n%3 != len(s.logs)%3 {
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
	e.Advance(s.end().Add(lateness), progress)
	slices.Sort(values)
	return append(settled(alerts), values...), nil
}

// brief says whether an alert has ended at the instant at which it began. One that fires early is
// notified before it is known that it ends, and others are not.
func brief(fired, ended models.Alert) bool {
	return fired.ID == ended.ID && fired.At.Equal(ended.At) && fired.At.Equal(fired.StartsAt) &&
		fired.State == models.AlertFiring && ended.State == models.AlertResolved
}

const lateness = 10 * time.Second

// settled are the transitions as they stand at the end. The start of an alert that fires early can
// still move, and the newest one counts.
func settled(alerts []models.Alert) []string {
	var kept []models.Alert
	fired := map[string]bool{}
	for _, a := range alerts {
		switch {
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
		if slices.ContainsFunc(kept, func(b models.Alert) bool { return brief(a, b) || brief(b, a) }) {
			continue
		}
		list = append(list, line(a.Rule, a.Labels, string(a.State), a.At, a.Value))
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
	end := start
	for _, l := range s.logs {
		end = later(end, start.Add(l.at))
		if late := l.delay - lateness; late > 0 {
			end = later(end, start.Add(l.at+late+time.Second))
		}
	}
	return end
}

// expected is what the evaluator makes of a scenario.
func expected(s scenario, order []int, began time.Time) ([]string, error) {
	set, err := ReadRules("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, err
	}
	reader, err := NewReader(set)
	if err != nil {
		return nil, err
	}
	var logs []*Log
	// a value that is notified early need not be of all logs of its instant, and before
	tied, disordered := map[instant]int{}, false
	for _, i := range order {
		for _, l := range reader.Read(s.record(i)) {
			disordered = disordered || !began.IsZero() && s.logs[i].delay > 0
			if !began.IsZero() {
				l.Clock = start.Add(s.logs[i].at + s.logs[i].delay).UnixNano()
			}
			logs = append(logs, l)
		}
		tied[logs[len(logs)-1].At]++
	}
	var list []string
	for _, t := range Evaluate(set, logs, Course{Began: began, End: s.end()}) {
		value := t.Value.Float()
		if tied[t.At.UnixNano()] > 1 || disordered && t.State == "firing" {
			value = math.NaN()
		}
		list = append(list, line(t.Rule, t.Labels, t.State, t.At, value))
	}
	slices.Sort(list)
	if began.IsZero() {
		return list, nil // a backtest leaves records out
	}
	var values []string
	for _, v := range Values(set, logs, Course{Began: began, End: s.end()}) {
		values = append(values, valueLine(v.Rule, v.Labels, v.At, v.Value.Float(), v.Gone))
	}
	slices.Sort(values)
	return append(list, values...), nil
}

// valueLine is the value of a record in one line.
func valueLine(rule string, labels map[string]string, at time.Time, value float64, gone bool) string {
	if gone {
		return line(rule, labels, "gone", at, 0)
	}
	return line(rule, labels, "value", at, value)
}

// records says whether a scenario has records.
func (s scenario) records() bool {
	return slices.ContainsFunc(s.rules, func(r map[string]string) bool { return r["record"] != "" })
}

// same says whether two transitions are the same. A value that the evaluator leaves undefined may be
// any.
func same(got, want string) bool {
	if os.Getenv("EVAL_NOVALUE") != "" {
		got, want = got[:strings.LastIndex(got, " ")], want[:strings.LastIndex(want, " ")]
	}
	general, any := strings.CutSuffix(want, " NaN")
	if !any {
		general, any = strings.CutSuffix(want, "+Inf")
	}
	return got == want || any && strings.HasPrefix(got, general)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// differs says how the engine and the evaluator differ on a scenario.
func differs(s scenario) (difference string) {
	want, err := expected(s, s.written(), time.Time{})
	if err != nil {
		return ""
	}
	compare := func(how string, got []string, err error) {
		if err != nil {
			difference += how + ": " + err.Error() + "\n"
		} else if !slices.EqualFunc(got, want, same) {
			difference += how + ":\n  " + strings.Join(got, "\n  ") +
				"\nevaluator:\n  " + strings.Join(want, "\n  ") + "\n"
		}
	}
	if os.Getenv("EVAL_LATE") == "" && os.Getenv("EVAL_NOBACKTEST") == "" {
		got, err := backtest(s)
		compare("backtest", got, err)
	}
	if *liveToo {
		want, _ = expected(s, s.order(), start)
		got, err := live(s, false)
		compare("live", got, err)
		got, err = live(s, true)
		compare("restarted", got, err)
		if os.Getenv("EVAL_LATE") == "" && os.Getenv("EVAL_NOBACKLOG") == "" {
			want, _ = expected(s, s.order(), time.Time{})
			got, err = backlog(s)
			compare("backlog", got, err)
		}
	}
	return difference
}

func TestEngineAgrees(t *testing.T) {
	failed := 0
	for i := range *cases {
		s := draw{rand.New(rand.NewPCG(*seed+uint64(i), 0))}.scenario()
		if text := s.String(); skip.MatchString(text) || !must.MatchString(text) || differs(s) == "" {
			continue
		}
		s = minimal(s)
		t.Errorf("scenario %d:\n%v%s", *seed+uint64(i), s, differs(s))
		if failed++; failed == 20 {
			t.Fatal("and more")
		}
	}
}

// minimal leaves out what the difference does not need.
func minimal(s scenario) scenario {
	for again := true; again; {
		again = false
		try := func(t scenario) bool {
			if differs(t) == "" {
				return false
			}
			s, again = t, true
			return true
		}
		for i := 0; i < len(s.logs); {
			t := s
			t.logs = slices.Delete(slices.Clone(s.logs), i, i+1)
			if len(t.logs) == 0 || !try(t) {
				i++
			}
		}
		for i := 0; i < len(s.rules); {
			t := s
			t.rules = slices.Delete(slices.Clone(s.rules), i, i+1)
			if len(t.rules) == 0 || !try(t) {
				i++
			}
		}
		if len(s.about) > 0 {
			t := s
			t.about = nil
			try(t)
		}
		for i, r := range s.rules {
			for _, k := range slices.Sorted(maps.Keys(r)) {
				if k == "alert" || k == "record" {
					continue
				}
				t := s
				t.rules = slices.Clone(s.rules)
				t.rules[i] = maps.Clone(s.rules[i])
				delete(t.rules[i], k)
				try(t)
			}
		}
		for i, l := range s.logs {
			for _, k := range slices.Sorted(maps.Keys(l.fields)) {
				t := s
				t.logs = slices.Clone(s.logs)
				t.logs[i].fields = maps.Clone(s.logs[i].fields)
				delete(t.logs[i].fields, k)
				try(t)
			}
		}
		for i := 0; i < len(s.file); {
			t := s
			t.file = slices.Delete(slices.Clone(s.file), i, i+1)
			if !try(t) {
				i++
			}
		}
	}
	return s
}

func line(rule string, labels map[string]string, state string, at time.Time, value float64) string {
	var text []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k != "alertname" {
			text = append(text, k+"="+labels[k])
		}
	}
	return fmt.Sprintf("%s %s %s {%s} %.9g",
		at.UTC().Format("15:04:05.999999999"), rule, state, strings.Join(text, ","), value+0)
}
