package rule

import (
	"strings"
	"testing"
)

// A label with a field for each selection names selections of the rule's match, or of its sequence.
func TestLabelOfSelections(t *testing.T) {
	read := func(rule string) (*Set, error) {
		return Read("a.rules.yml", []byte("groups: [{name: g, rules: ["+rule+"]}]"))
	}
	set, err := read("{alert: A, match: {a: {x: 1}, b: {x: 2}, condition: 1 of them}, " +
		"by: [host, {who: {a: user, b: 'account|owner'}}]}")
	if err != nil {
		t.Fatal(err)
	}
	l := set.Rules[0].By[1]
	if l.Name != "who" || strings.Join(l.Fields, " ") != "user account owner" || len(l.Of) != 2 ||
		l.Of[1].Selection != "b" || l.Of[1].Query == nil {
		t.Errorf("got %+v", l)
	}
	for rule, want := range map[string]string{
		"{alert: A, match: {a: {x: 1}, condition: a}, by: [{who: {b: user}}]}": `"b" is not defined`,
		"{alert: A, match: 'x:1', by: [{who: {b: user}}]}":                     "write match as selections",
		"{alert: A, match: {a: {x: 1}, condition: a}, by: [{who: {a: ''}}]}":   "has no field",
		"{alert: A, match: {a: {x: 1}, condition: a}, by: [{who: user}]}":      "is one name with",
	} {
		if _, err := read(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
