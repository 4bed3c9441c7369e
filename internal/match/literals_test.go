package match

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// Literals that stand for an expression hold for a value exactly where the expression matches it.
func TestLiteralsAgreeWithRegexp(t *testing.T) {
	check := func(expr, value string) {
		if regexp.MustCompile(expr).MatchString(value) &&
			!hasSubstrings([]byte(value), regexpSubstrings(expr)) {
			t.Fatalf("%q matches %q, which lacks some of %q", expr, value, regexpSubstrings(expr))
		}
		set := regexpSet(expr)
		if set == nil {
			return
		}
		folded := appendFold(nil, []byte(value))
		got := false
		for i := range set {
			got = got || set[i].in([]byte(value), folded)
		}
		if want := regexp.MustCompile(expr).MatchString(value); got != want {
			t.Fatalf("%q on %q: literals say %t", expr, value, got)
		}
	}
	for _, expr := range []string{
		"^(?s:sh.*|x)$", "^(.*shop)$", "^(.*shop|x)", "(shop.*|x)$", "^(?:shop|(x.*))$", "^((?s:.*))$",
		"(^shop|x)$", "^(^shop)", "^shop.*$", "(?:sh|)op",
	} {
		for _, value := range []string{"shop", "x", "sh", "a shop", "shops", "xx", "a\nshop", ""} {
			check(expr, value)
		}
	}
	c := seeded{rand.New(rand.NewPCG(5, 17))}
	for range 5_000 {
		expr := randomExpr(c, 4)
		for range 4 {
			check(expr, pick(c, words)+strings.Repeat(pick(c, words), c.below(2)))
		}
	}
}

func TestPiecesOfRegexps(t *testing.T) {
	for expr, want := range map[string]string{
		`"(?:\{\d\})+"\s*-f`:  `["\"" "{" "}" "\"" "-f"]`,
		"(?i)\\$\\{`?e`?n":    `["${"]`,
		"(?i)a1b":             `["1"]`,
		`x{3}(a|b)?c*(?:de)+`: `["x" "x" "x" "de"]`,
		"\ufffdab":            `["ab"]`,
		`[ab]|c`:              `[]`,
		`(?i)k\x{212a}-`:      `["-"]`,
	} {
		if got := fmt.Sprintf("%q", regexpSubstrings(expr)); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
	for value, want := range map[string]bool{`"{1}" -f`: true, `-f "{}"`: false, `"{} -f`: false} {
		if hasSubstrings([]byte(value), regexpSubstrings(`"(?:\{\d\})+"\s*-f`)) != want {
			t.Errorf("%q", value)
		}
	}
}
