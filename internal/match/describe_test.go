package match

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A leaf is written nearly as a rule would write it.
func TestDescribe(t *testing.T) {
	between := func(low, high float64, openLow, openHigh bool) rule.Range {
		return rule.Range{Min: low, Max: high, OpenMin: openLow, OpenMax: openHigh}
	}
	inf := math.Inf(1)
	for want, l := range map[string]rule.Leaf{
		`text contains "a"`:             {Text: "a"},
		`any field contains "a"`:        {Field: rule.AnyField, Text: "a"},
		`f contains "a" (in this case)`: {Field: "f", Text: "a", Cased: true},
		`f matches "a*"`:                {Field: "f", Op: rule.OpGlob, Text: "a*"},
		`f has the words "a b"`:         {Field: "f", Op: rule.OpWords, Text: "a b"},
		`f:/a+/`:                        {Field: "f", Op: rule.OpRegexp, Regexp: regexp.MustCompile("a+")},
		`f:*`:                           {Field: "f", Op: rule.OpExists},
		`f:10.0.0.0/8`:                  {Field: "f", Op: rule.OpCIDR, Text: "10.0.0.0/8"},
		`f:@few`:                        {Field: "f", Op: rule.OpList, Text: "few"},
		`f is a number`:                 {Field: "f", Op: rule.OpRange, Range: between(-inf, inf, false, false)},
		`f<=7`:                          {Field: "f", Op: rule.OpRange, Range: between(-inf, 7, false, false)},
		`f<7`:                           {Field: "f", Op: rule.OpRange, Range: between(-inf, 7, true, true)},
		`f>=0.5`:                        {Field: "f", Op: rule.OpRange, Range: between(0.5, inf, false, false)},
		`f>0.5`:                         {Field: "f", Op: rule.OpRange, Range: between(0.5, inf, true, true)},
		`f=7`:                           {Field: "f", Op: rule.OpRange, Range: between(7, 7, false, false)},
		`f>=1 and <7`:                   {Field: "f", Op: rule.OpRange, Range: between(1, 7, false, true)},
		`level>=WARN2 and <=FATAL4`:     {Op: rule.OpLevel, Range: between(14, 24, false, false)},
		`level>=TRACE and <=25`:         {Op: rule.OpLevel, Range: between(1, 25, false, false)},
		`level>=0 and <=2.5`:            {Op: rule.OpLevel, Range: between(0, 2.5, false, false)},
		`f > the field g`:               {Field: "f", Op: rule.OpRange, Text: ">", Other: "g"},
		`f is what the field g is`:      {Field: "f", Op: rule.OpEqual, Other: "g"},
	} {

		if got := Describe(&l); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What the log has where a leaf looks is shown, bounded in length and as text.
func TestExplainShowsWhatTheLogHas(t *testing.T) {
	f := func(l rule.Leaf, log, want string) {
		t.Helper()
		decoded(t, decode.NewFields("f"), [][]byte{[]byte(log)}, func(log *decode.Log) {
			if got := Explain(&l, log, nil).Value; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	f(rule.Leaf{Field: "f"}, `{"message":"m"}`, "absent")
	f(rule.Leaf{Field: "f"}, `{"f":null}`, "null")
	f(rule.Leaf{Field: "f"}, `{"f":200.0}`, "200.0")
	f(rule.Leaf{Field: "f"}, `{"f":"a\tb"}`, `"a\tb"`)
	f(rule.Leaf{}, `{"message":"m"}`, `"m"`)
	f(rule.Leaf{}, `{"message":"m","stack_trace":"s"}`, `"m", "s"`)
	f(rule.Leaf{Op: rule.OpLevel}, `{"message":"m"}`, "severity unknown")
	f(rule.Leaf{Op: rule.OpLevel}, `{"message":"m","level":"trace"}`, "TRACE, severity 1")
	long := strings.Repeat("x", shownBytes)
	f(rule.Leaf{Field: "f"}, `{"f":"`+long+`"}`, `"`+long+`"`)
	f(rule.Leaf{Field: "f"}, `{"f":"`+long+`y"}`, `"`+long+`…"`)
	f(rule.Leaf{Field: "f"}, `{"f":"`+long[1:]+`éy"}`, `"`+long[1:]+`…"`)
	no := decode.Value{Kind: decode.String, Text: bytes.Repeat([]byte{0x80}, shownBytes+9)}
	if got := explain(&rule.Leaf{Field: "f"}, oneField{0, no}, nil).Value; got != `"…"` {
		t.Errorf("of what is no text: %s", got)
	}
}

// A query that always holds is explained, too.
func TestExplainOfNothing(t *testing.T) {
	decoded(t, decode.NewFields(), [][]byte{[]byte("x")}, func(log *decode.Log) {
		if got := Explain(nil, log, nil).String(); got != "PASS every log\n" {
			t.Errorf("got %q", got)
		}
	})
}

// The access predicate of each kind is described.
func TestAccessIsDescribed(t *testing.T) {
	f := func(q rule.Query, want string) {
		t.Helper()
		ix, err := Compile([]rule.Query{q}, Options{Lists: findList})
		if err != nil {
			t.Fatal(err)
		}
		if got := ix.Cost(0).Access; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	levels := func(low, high float64) rule.Query {
		return &rule.Leaf{Op: rule.OpLevel, Range: rule.Range{Min: low, Max: high}}
	}
	or := func(of ...rule.Query) rule.Query { return &rule.Or{Of: of} }
	f(levels(17, 100), "level>=ERROR")
	f(levels(1, 9), "level<=INFO")
	f(levels(2, 9), "level>=TRACE2 and <=INFO")
	f(levels(24, 24), "level>=FATAL4")
	f(levels(40, 50), "level never")
	f(whole("f", "x"), `f is "x"`)
	f(whole("f", "7"), `f is "7"`)
	f(or(whole("f", "x"), whole("f", "y")), `f is "x" and 1 alternatives`)
	f(&rule.Leaf{Field: "f", Op: rule.OpList, Text: "none"}, "nothing")
	f(&rule.Leaf{Field: "f", Op: rule.OpExists}, "f:*")
	f(&rule.Leaf{Field: "f", Op: rule.OpRange, Range: rule.Range{Min: 1, Max: 2}}, "f>=1 and <=2")
	f(&rule.Leaf{Field: "f", Op: rule.OpCIDR, Text: "10.0.0.0/8"}, "f:10.0.0.0/8")
	f(has(rule.AnyField, "needle"), `any field contains "needle"`)
	f(or(whole("f", "x"), whole("g", "x")), `f is "x" or g is "x"`)
	f(or(whole("f", "x"), whole("g", "x"), whole("h", "x")),
		`f is "x" or g is "x" or h is "x"`)
	f(or(whole("f", "x"), whole("g", "x"), whole("h", "x"), whole("i", "x")),
		`f is "x" or g is "x" or h is "x" or 1 more`)
	f(&rule.Leaf{Op: rule.OpRegexp, Regexp: regexp.MustCompile("timeout [0-9]")},
		`text contains "timeout "`)
	// of what is needed the longest text, and of these the fewest
	f(expression("(alpha|gamma|omega)[0-9]+bravo"), `text contains "bravo"`)
	f(expression("(alphabet|gamma)[0-9]+bravos"), `text contains "bravos"`)
	f(expression("(alpha[ab]|gamma[ab])"), `text contains "alpha" and 1 alternatives`)
	f(&rule.Leaf{Op: rule.OpGlob, Text: "needle*le?"}, `text begins with "needle"`)
	f(&rule.Leaf{Op: rule.OpGlob, Text: "a?c*needle"}, `text ends with "needle"`)
	f(&rule.Leaf{Op: rule.OpGlob, Text: "a?*needle*"}, `text contains "needle"`)
	f(&rule.Leaf{Op: rule.OpWords, Text: "a needle"}, `text contains "needle"`)
}
