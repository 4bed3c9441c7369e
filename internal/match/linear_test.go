package match

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/linear"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Every predicate takes time in proportion to the value, whatever its shape: the law of a hostile
// log. Quadratic time at 64 KiB is a second, so no machine is slow enough to fail
// it and none is fast enough to pass it wrongly.
func TestPredicatesTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	leaf := func(op rule.Op, text string) *rule.Leaf {
		return &rule.Leaf{Field: "f", Op: op, Text: text}
	}
	queries := map[string]rule.Query{
		"contains":   leaf(rule.OpContains, strings.Repeat("a", 30)+"b"),
		"suffix":     leaf(rule.OpSuffix, strings.Repeat("a", 30)+"b"),
		"equal":      leaf(rule.OpEqual, "aaaaaab"),
		"glob":       leaf(rule.OpGlob, "*a*a*a*a*a*a*a*a*b*"),
		"glob path":  leaf(rule.OpGlob, "*/api/*/orders/*/items"),
		"glob jokes": leaf(rule.OpGlob, "*a?a?a?a*b"),
		"range":      &rule.Leaf{Field: "f", Op: rule.OpRange, Range: rule.Range{Min: 1, Max: 2}},
		"network":    leaf(rule.OpCIDR, "10.0.0.0/8"),
		"list":       leaf(rule.OpList, "many"),
		"words":      leaf(rule.OpWords, "a a a b"),
		"any field":  &rule.Leaf{Field: rule.AnyField, Op: rule.OpContains, Text: "aaaaaab"},
		"regexp": &rule.Leaf{
			Field:  "f",
			Op:     rule.OpRegexp,
			Regexp: regexp.MustCompile(`(a*)*b|(a|aa)+c|x{50}y`),
		},
	}
	shapes := []linear.Shape{
		{Part: "a"}, {Part: "a", Suffix: "b"}, {Prefix: "/api/x", Part: "/orders/"}, {Part: "aab"},
		{Part: "1"}, {Prefix: "10.", Part: "0"}, {Part: "1h"}, {Part: "\xff"},
		{Part: "a ", Suffix: "b"}, {Part: "\u212a", Suffix: "b"}, {Prefix: "b", Part: "ab", Suffix: "c"},
	}
	for name, q := range queries {
		ix, err := Compile([]rule.Query{q}, Options{Lists: findList})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := ix.Fields().ID("f")
		m := ix.NewMatcher()
		law.Check(t, name, shapes, func(text string) {
			log := oneField{id, decode.Value{Kind: decode.String, Text: []byte(text)}}
			m.match(log, nil)
			eval(q, log, findList)
		})
	}
}

// Quadratic time is a second, so no machine is fast enough to pass the law wrongly.
var law = linear.Law{Enough: 150 * time.Millisecond}

// Two fields are compared in time in proportion to them, also where both are long lists.
func TestComparisonsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	shapes := []linear.Shape{
		{Prefix: "[", Part: "1,", Suffix: "2]"}, {Prefix: "[", Part: `"a",`, Suffix: `"b"]`},
		{Prefix: "[", Part: `"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",`, Suffix: "0]"}, {Part: "a"},
		{Prefix: "[", Part: "[", Suffix: "1]"}, {Prefix: `["`, Part: "a", Suffix: `"]`},
	}
	for _, op := range []rule.Op{
		rule.OpEqual, rule.OpContains, rule.OpPrefix, rule.OpSuffix, rule.OpRange,
	} {
		for _, field := range []string{"f", rule.AnyField} {
			q := &rule.Leaf{Field: field, Op: op, Other: "g"}
			if op == rule.OpRange {
				q.Text = ">"
			}
			ix, err := Compile([]rule.Query{q}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			f, _ := ix.Fields().ID("f")
			g, _ := ix.Fields().ID("g")
			m := ix.NewMatcher()
			law.Check(t, Describe(q), shapes, func(text string) {
				log := twoFields{f, g, valueOf(text), valueOf(text + "b")}
				if strings.HasPrefix(text, "[") {
					log.second = valueOf(strings.Replace(text, "a", "b", -1))
				}
				if got, want := len(m.match(log, nil)) == 1, eval(q, log, nil); got != want {
					t.Fatalf("%s: %v, not %v", Describe(q), got, want)
				}
			})
		}
	}
}

// What lists of usual lengths are compared with is not cut; of long ones the rest is, and counted.
func TestComparisonOfLongLists(t *testing.T) {
	q := &rule.Leaf{Field: "f", Op: rule.OpEqual, Other: "g"}
	ix, err := Compile([]rule.Query{q}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := ix.Fields().ID("f")
	other, _ := ix.Fields().ID("g")
	m := ix.NewMatcher()
	f := func(n int, want bool) {
		t.Helper()
		list := func(c string) decode.Value {
			return valueOf("[" + strings.Repeat(`"`+c+`",`, n) + `"same"]`)
		}
		log := twoFields{id, other, list("a"), list("b")}
		if got := len(m.match(log, nil)) == 1; got != want || eval(q, log, nil) != want {
			t.Errorf("lists of %d: got %v, want %v", n, got, want)
		}
	}
	f(100, true)
	f(5000, false)
	m.Flush()
	if cut := ix.Work().Cut; cut != 1 {
		t.Errorf("%d comparisons were cut, want 1", cut)
	}
}

func valueOf(text string) decode.Value {
	if strings.HasPrefix(text, "[") {
		return decode.Value{Kind: decode.Array, Text: []byte(text)}
	}
	return decode.Value{Kind: decode.String, Text: []byte(text)}
}

// twoFields is a log with the fields f and g.
type twoFields struct {
	f, g          decode.FieldID
	first, second decode.Value
}

func (o twoFields) Value(id decode.FieldID) decode.Value {
	switch id {
	case o.f:
		return o.first
	case o.g:
		return o.second
	}
	return decode.Value{}
}

func (o twoFields) Lookup(path string) decode.Value {
	return map[string]decode.Value{"f": o.first, "g": o.second}[path]
}

func (twoFields) Severity() int { return 0 }

func (o twoFields) EachValue(f func(decode.Value) bool) {
	for _, v := range []decode.Value{o.first, o.second} {
		v.Each(f)
	}
}

// oneField is a log with a single field.
type oneField struct {
	id    decode.FieldID
	value decode.Value
}

func (o oneField) Value(id decode.FieldID) decode.Value {
	if id == o.id {
		return o.value
	}
	return decode.Value{}
}

func (o oneField) Lookup(path string) decode.Value {
	if path == "f" {
		return o.value
	}
	return decode.Value{}
}

func (oneField) Severity() int { return 0 }

func (o oneField) EachValue(f func(decode.Value) bool) { f(o.value) }

func TestRegexpsReadBoundedPrefix(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine that takes long with the race detector")
	}
	re := regexp.MustCompile("(?:a?b*){400}x")
	leaf := &rule.Leaf{Field: "f", Op: rule.OpRegexp, Regexp: re, Instructions: 10_000}
	ix, err := Compile([]rule.Query{leaf}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id, _ := ix.Fields().ID("f")
	m := ix.NewMatcher()
	f := func(at int, want bool) {
		t.Helper()
		text := []byte(strings.Repeat("-", at) + "x")
		log := oneField{id, decode.Value{Kind: decode.String, Text: text}}
		if got := len(m.match(log, nil)) == 1; got != want || eval(leaf, log, nil) != want {
			t.Errorf("at %d: got %v, want %v", at, got, want)
		}
	}
	f(5_000, true)
	f(14_000, false)
	m.Flush()
	if cut := ix.Work().Cut; cut != 1 {
		t.Errorf("%d values were cut, want 1", cut)
	}
}

func TestGlobAgreesWithItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(alphabet []rune, n int) string {
		s := ""
		for range r.IntN(n) {
			s += string(alphabet[r.IntN(len(alphabet))])
		}
		return s
	}
	for range 100_000 {
		pattern := []rune(draw([]rune(`ab*?\Ä`), 8))
		value, cased := []byte(draw([]rune("abAä*?\\"), 9)), r.IntN(2) == 0
		if r.IntN(4) == 0 {
			value = append(value, 0xff)
		}
		if got, want := globText(value, pattern, cased), glob(value, pattern, cased); got != want {
			t.Fatalf("%q %q cased %v: got %v, want %v", string(pattern), value, cased, got, want)
		}
	}
}

// glob is the meaning of a pattern, tried star by star.
func glob(v []byte, pattern []rune, cased bool) bool {
	if len(pattern) == 0 {
		return len(v) == 0
	}
	r, n := utf8.DecodeRune(v)
	switch {
	case pattern[0] == '*':
		return glob(v, pattern[1:], cased) || n > 0 && glob(v[n:], pattern, cased)
	case n == 0:
		return false
	case pattern[0] == '?':
		return glob(v[n:], pattern[1:], cased)
	case pattern[0] == '\\' && len(pattern) > 1:
		pattern = pattern[1:]
	}
	return (r == pattern[0] || !cased && equalRune(r, pattern[0])) &&
		glob(v[n:], pattern[1:], cased)
}
