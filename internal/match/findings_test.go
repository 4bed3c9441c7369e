package match

import (
	"regexp"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// "Which of my rules are dear, and what do I do about it?" Fine rules are passed over, the others
// named by their number.
func TestFindings(t *testing.T) {
	re := func(expr string) rule.Query { return &rule.Leaf{Op: rule.OpRegexp, Regexp: regexp.MustCompile(expr)} }
	queries := []rule.Query{
		has("", "timeout"),
		re("[0-9]+ms"),
		&rule.And{Of: []rule.Query{whole("service", "payment"), re("[0-9]+ms")}},
		&rule.Not{Of: whole("service", "payment")},
		nil,
	}
	got, err := Findings(queries, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Finding{
		{1, RegexpEveryLog, "[0-9]+ms", "add such a text, or a field, beside it"},
		{2, RegexpUnfiltered, "[0-9]+ms", "runs whenever the rest of the query holds"},
		{3, NoPivot, "", "add a field, a word of three characters or more, or a level"},
		{4, EveryLog, "", "name a field or a word"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d findings: %v", len(got), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Query != w.Query || g.Kind != w.Kind || g.Subject != w.Subject ||
			!strings.Contains(g.Hint, w.Hint) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	if _, err := Findings([]rule.Query{&rule.Leaf{Field: "ip", Op: rule.OpCIDR, Text: "nowhere"}}, Options{}); err == nil {
		t.Error("a query that is wrong has no findings but an error")
	}
}
