package evaluator

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

var (
	cases = flag.Int("evaluate.cases", 500, "how many random scenarios to evaluate")
	seed  = flag.Uint64("evaluate.seed", 1, "of the first scenario")
	only  = flag.String("evaluate.only", "", "leave out scenarios that do not match the expression")
	skip  = flag.String("evaluate.skip", "^$", "leave out scenarios that match the expression")
	runs  = flag.String(
		"evaluate.runs",
		"backtest,test,live,restarted,framed,backlog",
		"the ways to run the engine",
	)
)

// TestEngineAgrees holds the engine against the evaluator on random rules and logs, in all ways in
// which the program evaluates logs: backtest of a file, test, run as they arrive, run with
// restarts, run by a member of a cluster, and run over the backlog of a topic.
//
// A hundred thousand scenarios take some minutes:
//
//	go test ./internal/evaluator -run EngineAgrees -evaluate.cases 100000
func TestEngineAgrees(t *testing.T) {
	wanted, unwanted := regexp.MustCompile(*only), regexp.MustCompile(*skip)
	n := *cases
	if testing.Short() {
		n /= 3
	}
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			failed := 0
			for i := shard; i < n; i += shards {
				s := draw{Rand: rand.New(rand.NewPCG(*seed+uint64(i), 0))}.scenario()
				if text := s.String(); unwanted.MatchString(text) || !wanted.MatchString(text) {
					continue
				}
				if differs(s) == "" {
					continue
				}
				s = minimal(s)
				t.Errorf("scenario %d:\n%v%s", *seed+uint64(i), s, differs(s))
				if failed++; failed == 5 {
					t.Fatal("and more")
				}
			}
		})
	}
}

// differs says how the engine and the evaluator differ on a scenario.
func differs(s scenario) (difference string) {
	s = s.fixed()
	courses := map[string][]string{}
	set, reader, err := readers(s)
	if err != nil {
		return "" // the rules cannot be read
	}
	compare := func(name string, order []int, began time.Time, of run) {
		if !strings.Contains(*runs, name) || difference != "" {
			return
		}
		course := fmt.Sprint(order, began)
		want, ok := courses[course]
		if !ok {
			want = expected(s, set, reader, order, began)
			courses[course] = want
		}
		got, err := recovered(of, s, set.Set)
		if err != nil {
			difference += name + ": " + err.Error() + "\n"
		} else if !slices.EqualFunc(got, want, same) {
			difference += name + ":\n  " + strings.Join(got, "\n  ") +
				"\nevaluator:\n  " + strings.Join(want, "\n  ") + "\n"
		}
	}
	compare("test", s.order(), s.start(), testScript)
	compare("live", s.order(), s.start(), live)
	compare("restarted", s.order(), s.start(), restarted)
	compare("framed", s.order(), s.start(), framed)
	// for which groups there is room depends on the pace at which partitions are read
	if !s.late() && (!s.limited() || len(s.places()) == 1) {
		compare("backtest", s.written(), time.Time{}, backtest)
		compare("backlog", s.order(), time.Time{}, backlog)
	}
	return difference
}

// A run is one way in which the engine evaluates the logs of a scenario, whose rules were read.
type run func(scenario, *rule.Set) ([]string, error)

// recovered runs the engine. That it panics is a difference like any other.
func recovered(of run, s scenario, set *rule.Set) (got []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return of(s, set)
}

// readers reads the rules of a scenario, and makes a reader of its logs.
func readers(s scenario) (*Rules, *Reader, error) {
	set, err := ReadRules("x.rules.yml", []byte(s.text()))
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(set.Rules, remembersInVain) {
		return nil, nil, errors.New("remember has no effect")
	}
	reader, err := NewReader(set)
	return set, reader, err
}

// expected is what the evaluator makes of a scenario.
func expected(s scenario, set *Rules, reader *Reader, order []int, began time.Time) []string {
	reader.place = 0
	var logs []*Log
	// a value that is notified early need not be of all logs of its instant, and before
	tied, disordered := map[instant]int{}, began.IsZero() && len(s.places()) > 1
	for _, i := range order {
		for _, l := range reader.Read(s.record(i)) {
			disordered = disordered || !began.IsZero() && s.logs[i].delay > 0
			if !began.IsZero() {
				l.Clock = s.start().Add(s.logs[i].at + s.logs[i].delay).UnixNano()
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
		count := t.Count
		if tied[t.At.UnixNano()] > 1 || disordered && t.State == "firing" {
			count = -1
		}
		list = append(list, countedLine(t.Rule, t.Labels, t.State, t.At, int64(count), value))
	}
	slices.Sort(list)
	if began.IsZero() {
		return list // a backtest leaves records out
	}
	var values []string
	for _, v := range Values(set, logs, Course{Began: began, End: s.end()}) {
		values = append(values, valueLine(v.Rule, v.Labels, v.At, v.Value.Float(), v.Gone))
	}
	slices.Sort(values)
	return append(list, values...)
}

// remembersInVain reports whether a rule remembers groups without being about silence or new
// values.
func remembersInVain(r *rule.Rule) bool {
	g := newGroup(&Evaluation{set: &Rules{}}, r, nil)
	return r.Remember > 0 && !g.forgets()
}

// valueLine is the value of a record in one line.
func valueLine(
	rule string,
	labels map[string]string,
	at time.Time,
	value float64,
	gone bool,
) string {
	if gone {
		return line(rule, labels, "gone", at, 0)
	}
	return line(rule, labels, "value", at, value)
}

// limited reports whether rules have limits of groups.
func (s scenario) limited() bool {
	return slices.ContainsFunc(s.rules, func(r map[string]string) bool { return r["limit"] != "" })
}

// records reports whether a scenario has records.
func (s scenario) records() bool {
	return slices.ContainsFunc(s.rules, func(r map[string]string) bool { return r["record"] != "" })
}

// same reports whether two transitions are the same. A value that the evaluator leaves undefined
// may be any, and the last digit that is printed may be rounded either way.
func same(got, want string) bool {
	if before, after, ok := strings.Cut(want, " of -1 "); ok { // the count may be any
		i := strings.LastIndexByte(got, ' ')
		j := strings.LastIndex(got[:max(i, 0)], " of ")
		return j >= 0 && same(got[:j]+got[i:], before+" "+after)
	}
	general, any := strings.CutSuffix(want, " NaN")
	if !any {
		general, any = strings.CutSuffix(want, "+Inf")
	}
	if got == want || any && strings.HasPrefix(got, general) {
		return true
	}
	g, w := strings.LastIndexByte(got, ' '), strings.LastIndexByte(want, ' ')
	if g < 0 || g != w || got[:g] != want[:w] {
		return false
	}
	a, err := strconv.ParseFloat(got[g+1:], 64)
	b, err2 := strconv.ParseFloat(want[w+1:], 64)
	return err == nil && err2 == nil && math.Abs(a-b) <= 4e-9*math.Abs(b)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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
