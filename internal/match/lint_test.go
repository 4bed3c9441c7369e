package match

import (
	"fmt"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A query without a word that must be there is named, unless its rule says that this is known.
func TestLint(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		set, err := rule.Read(
			"a.yml",
			[]byte("groups:\n- name: g\n  rules:\n  - alert: A\n    "+text+"\n"),
		)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Lint(set)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%d:%d %s", f.Pos.Line, f.Pos.Column, f.Name))
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f("match: 'service:pay'")
	f("when: count() == 0")
	f("match: 'not service:pay'", "5:12 no-anchor")
	f("match: '/[0-9]+/'", "5:12 costly-regexp")
	f("match: 'service:pay /[0-9]+/'", "5:12 costly-regexp")
	f("match: 'service:pay /refused [0-9]+/'")
	f("match: 'not service:pay'\n    lint_ignore: [no-anchor]")
	f("match: 'service:@none'\n    resolve: {match: 'not a'}\nlists: {none: [a]}", "6:14 no-anchor")
	f("sequence: [{match: not a}]\n    within: 1m", "5:15 no-anchor")
	f("match: 'service:pay'\n    sequence: [{match: not a}]\n    within: 1m")
}
