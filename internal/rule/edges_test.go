package rule

import (
	"strings"
	"testing"
)

// A query may end within an operator, which is a mistake and no crash.
func TestQueriesThatEndTooEarly(t *testing.T) {
	for _, text := range []string{"a and", "a or", "not", "a and not", "x:(a or"} {
		if _, err := ParseQuery(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func TestNegativeNumbersAmongValues(t *testing.T) {
	for text, want := range map[string]string{
		"x:(-5 or -9)": "or(x = -5, x = -9)",
		"x:(-0 or 3)":  "or(x = -0, x = 3)",
		"x:(a or -b)":  "or(x = a, not(x = b))",
	} {
		q, err := ParseQuery(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := show(q); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// A rule is about absence when a comparison of its condition asks for little of a count.
func TestAbsence(t *testing.T) {
	for when, want := range map[string]bool{
		"count() == 0":                    true,
		"count() < 5":                     true,
		"rate() < 1":                      true,
		"distinct(user) <= 3":             true,
		"count() > 3 and rate() <= 0.1":   true,
		"count() == 1":                    false,
		"count() < 0":                     false,
		"count() > 0":                     false,
		"avg(x) < 5":                      false,
		"since(a) < 5m":                   false,
		"count() < count() offset 1h":     false,
		"max(x) <= 5 and distinct(u) > 3": false,
	} {
		c, err := ParseCondition(when)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Rule{When: c}).Absence(); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
}

// A rule without a name is a mistake, unless its name may be among the keys that cannot be read.
func TestRulesWithoutAName(t *testing.T) {
	read := func(rule string) string {
		_, err := Read("a.yml", []byte("groups:\n- name: g\n  rules:\n  - "+rule+"\n"))
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if got := read("{match: x}"); !strings.Contains(got, "rule has no name") {
		t.Errorf("got %q", got)
	}
	if got := read("{alrt: A, match: x}"); strings.Contains(got, "rule has no name") || got == "" {
		t.Errorf("got %q", got)
	}
}
