package match

import (
	"regexp"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Of all that a rule needs, the rarest in the sample makes the engine look at it.
func TestPivotIsMeasured(t *testing.T) {
	q := &rule.And{Of: []rule.Query{whole("service", "payment"), has("", "connection")}}
	access := func(sample string) string {
		p, err := Compile(
			[]rule.Query{q},
			Options{Sample: func(fields *decode.Fields, each func(*decode.Log)) {
				records := make([][]byte, 500)
				for i := range records {
					records[i] = []byte(sample)
				}
				decoded(t, fields, records, each)
			}},
		)
		if err != nil {
			t.Fatal(err)
		}
		return p.Cost(0).Access
	}
	if got := access(
		`{"message":"connection lost","service":"cart"}`); got != `service is "payment"` {
		t.Errorf("where every log is about connections: %s", got)
	}
	if got := access(
		`{"message":"hello","service":"payment"}`); got != `text contains "connection"` {
		t.Errorf("where every log is of the service: %s", got)
	}
}

// A rule that is evaluated for every log says so, and how it can be mended.
func TestHints(t *testing.T) {
	f := func(q rule.Query, want string) {
		t.Helper()
		p, err := Compile([]rule.Query{q}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Cost(0).Hint; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	re := func(expr string) rule.Query {
		return &rule.Leaf{Op: rule.OpRegexp, Regexp: regexp.MustCompile(expr)}
	}
	f(has("", "timeout"), "")
	f(re("(?i)timeout after [0-9]+"), "")
	f(re("(timeout|refused|denied)"), "")
	f(re("[0-9]+ms"), "/[0-9]+ms/ runs for every log")
	f(
		&rule.And{Of: []rule.Query{has("", "timeout"), re("[0-9]+ms")}},
		"whenever the rest of the query holds",
	)
	f(&rule.Not{Of: has("", "timeout")}, "evaluated for every log: add a field")
	f(has("", "x"), "evaluated for every log: add a field")
	f(nil, "holds for every log")
}

// Candidates, matches and time are counted for each rule, over all matchers.
func TestCost(t *testing.T) {
	now := int64(0)
	p, err := Compile([]rule.Query{
		&rule.And{Of: []rule.Query{has("", "refused"), &rule.Not{Of: whole("service", "cart")}}},
		has("", "nothing"),
	}, Options{Now: func() int64 { now += 100; return now }})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	records := make([][]byte, 2*timeEvery)
	for i := range records {
		records[i] = []byte(
			`{"message":"connection refused","service":"` + []string{"payment", "cart"}[i%2] + `"}`,
		)
	}
	decoded(t, p.Fields(), records, func(log *decode.Log) { m.Match(log, nil) })
	m.Flush()
	c := p.Cost(0)
	if c.Logs != 2*timeEvery || c.Candidates != 2*timeEvery || c.Matches != timeEvery ||
		c.Access != `text contains "refused"` {
		t.Errorf("got %+v", c)
	}
	// every 512th log is timed, the first one of them after 512: one of two
	if c.NanosPerLog != 50 {
		t.Errorf("%v ns per log", c.NanosPerLog)
	}
	if c := p.Cost(1); c.Candidates != 0 || c.Logs != 2*timeEvery {
		t.Errorf("got %+v", c)
	}
}
