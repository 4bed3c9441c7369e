package match

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Every predicate takes time in proportion to the value, whatever its shape: the law of a hostile
// log. Quadratic time at 64 KiB is a second, so no machine is slow enough to fail
// it and none is fast enough to pass it wrongly.
func TestPredicatesTakeLinearTime(t *testing.T) {
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
	shapes := [][3]string{
		{"", "a", ""}, {"", "a", "b"}, {"/api/x", "/orders/", ""}, {"", "aab", ""}, {"", "1", ""},
		{"10.", "0", ""}, {"", "1h", ""}, {"", "\xff", ""}, {"", "a ", "b"}, {"", "\u212a", "b"},
		{"b", "ab", "c"},
	}
	for name, q := range queries {
		ix, err := Compile([]rule.Query{q}, Options{Lists: findList})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := ix.Fields().ID("f")
		m := ix.NewMatcher()
		took := func(shape [3]string, size int) time.Duration {
			text := shape[0] + strings.Repeat(shape[1], size/len(shape[1])) + shape[2]
			log := oneField{id, decode.Value{Kind: decode.String, Text: []byte(text)}}
			best := time.Duration(1 << 62)
			for range 2 {
				start := time.Now()
				m.match(log, nil)
				eval(q, log, findList)
				best = min(best, time.Since(start))
			}
			return best
		}
		for _, shape := range shapes {
			const size = 16 << 10
			// A machine that is busy disturbs a measurement; a law that is broken fails them all.
			var small, large time.Duration
			for range 8 {
				small, large = took(shape, size), took(shape, 4*size)
				if large <= 6*small || large <= 150*time.Millisecond {
					break
				}
			}
			if large > 6*small && large > 150*time.Millisecond {
				t.Errorf("%s of %q: %v, and %v at four times the size", name, shape, small, large)
			}
		}
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
