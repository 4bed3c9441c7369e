package evaluator

import (
	"cmp"
	"os"
	"regexp"

	"context"
	"flag"
	"fmt"
	"maps"
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
	cases = flag.Int("evaluate.cases", 0, "how many random scenarios to evaluate")
	seed  = flag.Uint64("evaluate.seed", 1, "of the first scenario")
)

var skip = regexp.MustCompile(cmp.Or(os.Getenv("EVAL_SKIP"), "^$"))

// backtest is what the engine makes of a scenario.
func backtest(s scenario) ([]string, error) {
	set, err := rule.Read("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range set.Rules {
		ids = append(ids, r.ID())
	}
	b := ruletest.Backtest{Factory: ruletest.EngineFactory(set), Rules: ids}
	report, err := b.Run(context.Background(), func(yield func(decode.Sample, error) bool) {
		for i := range s.logs {
			if !yield(decode.Sample{Record: s.record(i), Line: i + 1}, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	var list []string
	for _, t := range ruletest.Transitions(report.Alerts) {
		list = append(list, line(t.Rule, t.Labels, string(t.State), t.At))
	}
	slices.Sort(list)
	return list, nil
}

func line(rule string, labels map[string]string, state string, at time.Time) string {
	var text []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k != "alertname" {
			text = append(text, k+"="+labels[k])
		}
	}
	return fmt.Sprintf("%s %s %s {%s}",
		at.UTC().Format("15:04:05.999999999"), rule, state, strings.Join(text, ","))
}

// expected is what the evaluator makes of a scenario.
func expected(s scenario) ([]string, error) {
	set, err := ReadRules("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, err
	}
	reader, err := NewReader(set)
	if err != nil {
		return nil, err
	}
	var logs []*Log
	end := start
	for i := range s.logs {
		logs = append(logs, reader.Read(s.record(i))...)
		end = later(end, start.Add(s.logs[i].at))
	}
	var list []string
	for _, t := range Evaluate(set, logs, end) {
		list = append(list, line(t.Rule, t.Labels, t.State, t.At))
	}
	slices.Sort(list)
	return list, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// differs says how the engine and the evaluator differ on a scenario.
func differs(s scenario) (difference string) {
	want, err := expected(s)
	if err != nil {
		return ""
	}
	got, err := backtest(s)
	if err != nil {
		return err.Error()
	}
	if slices.Equal(got, want) {
		return ""
	}
	return "engine:\n  " + strings.Join(got, "\n  ") + "\nevaluator:\n  " + strings.Join(want, "\n  ") + "\n"
}

func TestEngineAgrees(t *testing.T) {
	failed := 0
	for i := range *cases {
		s := draw{rand.New(rand.NewPCG(*seed+uint64(i), 0))}.scenario()
		if skip.MatchString(s.String()) || differs(s) == "" {
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
				if k == "alert" {
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
