package rule

import (
	"fmt"
	"maps"
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

// A star or a backslash after a backslash is itself also at the end of a text.
func TestEscapesAtTheEnd(t *testing.T) {
	for text, want := range map[string]string{
		`error\*`:       `~ error*`,
		`error\**`:      `~ error*`,
		`error\\*`:      `~ error\`,
		`error\\\*`:     `~ error\*`,
		`message:end\*`: `message ~ end*`,
		`path:x\*`:      `path = x*`,
		`path:x\\*`:     `path ^ x\`,
	} {
		q, err := ParseQuery(text)
		if err != nil {
			t.Error(text, err)
		} else if got := show(q); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// An at sign alone is a text, and names no list.
func TestAtSignAlone(t *testing.T) {
	q, err := ParseQuery("host:@")
	if err != nil || show(q) != "host = @" {
		t.Error(q, err)
	}
}

// new() takes many fields and a filter, but not more than that.
func TestMostArgumentsOfNew(t *testing.T) {
	fields := "a"
	for i := 1; i < maxNewFields; i++ {
		fields += fmt.Sprint(", a", i)
	}
	c, err := ParseCondition("new(" + fields + ", level:error) > 0")
	if err != nil {
		t.Fatal(err)
	}
	call := c.(*Binary).Left.(*Call)
	if len(call.Also) != maxNewFields-1 || show(call.Filter) != "level in [17 17]" {
		t.Errorf("%v, %s", call.Also, show(call.Filter))
	}
	_, err = ParseCondition("new(" + fields + ", b, level:error) > 0")
	if err == nil || !strings.Contains(err.Error(), "new takes at most 9 argument") {
		t.Error(err)
	}
}

// Whether a condition holds without logs is computed as the condition itself is.
func TestConditionsWithoutLogs(t *testing.T) {
	for text, want := range map[string]bool{
		"count() + 5 > count(a)":            true,
		"count() - 5 > count(a)":            false,
		"5 * count() >= count(a)":           true,
		"count(a) - count(b) == 0 - rate()": true,
		"count(a) / count() < 5 + count()":  false,
		"count() + 5 <= count(a) + 5":       true,
		"-1 - count() > count(a)":           false,
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Error(text, err)
		} else if got := holdsEmpty(c, false); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A minus has its mistake from what it is before.
func TestMinusBeforeMistake(t *testing.T) {
	for text, want := range map[string]string{
		"1 < -(":       "the condition ends too early",
		"1 < -(1 < 2)": "- needs a number",
	} {
		if _, err := ParseCondition(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Alerts say where their rule comes from, as it is written, unless the rule annotates it otherwise.
func TestProvenanceIsAnnotated(t *testing.T) {
	set, err := Read("a.yml", []byte(`groups: [{name: g, rules: [{alert: A, match: a,
  author: 'a {{b}}', references: [x, y], origin: {system: sigma, file: s.yml, line: 3},
  annotations: {origin: mine}}, {alert: B, match: b}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"author": `a {{"{{"}}b}}`, "references": "x y", "origin": "mine"}
	if got := set.Rules[0].Annotations; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := set.Rules[1].Annotations; len(got) > 0 {
		t.Errorf("a rule without provenance has %v", got)
	}
	if got := set.Rules[0].Origin.String(); got != "sigma s.yml:3" {
		t.Errorf("got %s", got)
	}
}

// Mistakes of a condition or a query have the column at which they begin.
func TestColumnsOfMistakes(t *testing.T) {
	_, condition := ParseCondition("1 < (2")
	_, query := ParseQuery("ab (c")
	for want, err := range map[string]error{"1:5: ": condition, "1:4: ": query} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v does not begin with %s", err, want)
		}
	}
}
