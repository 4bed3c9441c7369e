package sigma

import (
	"fmt"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const loginRules = `title: Failed
name: failed
detection: {s: {event: failed}, condition: s}
---
title: Ok
name: ok
detection: {s: {event: ok}, condition: s}
---
title: Many
name: many
correlation: {type: event_count, rules: [failed], group-by: [user], timespan: 5m, condition: {gte: 3}}
---
`

// last is the last rule that some texts translate to.
func last(t *testing.T, text string) *rule.Rule {
	t.Helper()
	set := load(t, Options{}, text)
	return set.Rules[len(set.Rules)-1]
}

// Every type of correlation is a condition, a sequence, or a rule about alerts.
func TestCorrelationTypes(t *testing.T) {
	f := func(correlation, want string) {
		t.Helper()
		if !strings.Contains(correlation, "timespan") {
			correlation += ", timespan: 5m"
		}
		r := last(t, loginRules+"title: C\ncorrelation: {group-by: [user], "+correlation+"}")
		got := r.WhenText
		for _, step := range r.Sequence {
			got += fmt.Sprint(step.Times, " ")
		}
		if strings.TrimSpace(got) != want {
			t.Errorf("%s\ngot  %s\nwant %s", correlation, got, want)
		}
	}
	f("type: value_sum, rules: [ok], condition: {gt: 5, field: n}", "sum(fields.n) > 5")
	f("type: value_avg, rules: [ok], condition: {lt: 1.5, field: n}", "avg(fields.n) < 1.5")
	f("type: value_percentile, rules: [ok], condition: {gte: 3, field: n, percentile: 90}",
		"quantile(fields.n, 90%) >= 3")
	f("type: value_median, rules: [ok], condition: {gte: 3, field: n}", "quantile(fields.n, 0.5) >= 3")
	f("type: temporal, rules: [failed, ok], condition: {gte: 1}",
		"(count($rule_1) > 0 or count($rule_2) > 0)")
	f("type: temporal, rules: [failed, ok], condition: failed and not ok",
		"count($rule_1) > 0 and count($rule_2) <= 0 + 0 / count()")
	f("type: temporal, rules: [failed, ok], condition: not (ok and not failed) and ok",
		"(count($rule_2) <= 0 + 0 / count() or count($rule_1) > 0) and count($rule_2) > 0")
	f("type: temporal, rules: [failed, ok], condition: (failed or ok) and ok",
		"(count($rule_1) > 0 or count($rule_2) > 0) and count($rule_2) > 0")
	f("type: temporal, condition: failed or ok", "count($rule_1) > 0 or count($rule_2) > 0")
	f("type: temporal, rules: [many, ok]", "count($rule_1) >= 3 and count($rule_2) > 0")
	f("type: temporal, rules: [many]", "count($rule_1) >= 3")
	f("type: temporal, rules: [many, ok], timespan: 1h",
		`firing("Many") and count($rule_2) > 0`)
	f("type: temporal_ordered, rules: [failed, ok]", "1 1")
	f("type: temporal_ordered, rules: [many, ok]", "3 1")
	f("type: event_count, rules: [many], condition: {gte: 2}", "count() >= 2")
	f("type: temporal, rules: [many], timespan: 1h, condition: {gte: 1}", "count($rule_1) > 0")
}

// A correlation that another one counts has alerts, but they are not notified.
func TestChainedCorrelationIsASignal(t *testing.T) {
	set := load(t, Options{}, loginRules+
		"title: C\ncorrelation: {type: event_count, rules: [many], group-by: [user], "+
		"timespan: 1h, condition: {gte: 2}}")
	many, chain := set.Rules[len(set.Rules)-2], set.Rules[len(set.Rules)-1]
	if many.Mode != rule.Signal || chain.Source != "alerts" ||
		chain.By[0].Fields[0] != "fields.user" {
		t.Errorf("got %+v", chain)
	}
}

// A chained event_count whose events are counted instead has no alert of its own.
func TestFoldedCorrelationHasNoAlert(t *testing.T) {
	for correlation, rules := range map[string]int{
		"type: temporal_ordered, rules: [many, ok], timespan: 5m":     1,
		"type: temporal_ordered, rules: [many, ok], timespan: 1h":     1,
		"type: temporal, rules: [many, ok], timespan: 5m":             1,
		"type: temporal, rules: [many, ok], timespan: 1h":             2,
		"type: temporal, rules: [many], generate: true, timespan: 5m": 2,
	} {
		set := load(t, Options{}, loginRules+"title: C\ncorrelation: {group-by: [user], "+
			correlation+"}")
		var names []string
		for _, r := range set.Rules {
			if r.Name != "Ok" {
				names = append(names, r.Name)
			}
		}
		if len(names) != rules {
			t.Errorf("%s: got %q", correlation, names)
		}
	}
}

// An alias is a field for each rule: an event of one is not joined by the field of another.
func TestAliases(t *testing.T) {
	r := last(t, loginRules+`title: C
correlation:
  type: temporal
  rules: [failed, ok]
  timespan: 5m
  aliases: {who: {failed: user, ok: account}}
  group-by: [who, site]
`)
	who := r.By[0]
	if len(r.By) != 2 || len(who.Of) != 2 || who.Of[0].Fields[0] != "fields.user" ||
		who.Of[1].Fields[0] != "fields.account" || len(r.By[1].Of) != 0 {
		t.Errorf("got %+v", r.By)
	}
	for log, want := range map[string]bool{
		`{"event":"failed","user":"ann","site":"a"}`:    true,
		`{"event":"failed","account":"ann","site":"a"}`: false, // it lacks the field
		`{"event":"ok","account":"ann","site":"a"}`:     true,
		`{"event":"ok","account":"ann"}`:                false,
	} {
		if got := holds(t, r, log); got != want {
			t.Errorf("%s: got %v", log, got)
		}
	}
}

// What cannot be translated, or refers to itself, is refused alone.
func TestCorrelationsThatAreRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		set, report := tryLoad(t, Options{}, loginRules+text)
		var got []string
		for _, m := range report.Remarks {
			if m.Verdict == imports.Refused {
				got = append(got, m.Text)
			}
		}
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
		if len(set.Rules) == 0 || set.Rules[0].Name != "Failed" && set.Rules[0].Name != "Ok" &&
			set.Rules[0].Name != "Many" {
			t.Errorf("%s: the other rules are lost", text)
		}
	}
	c := func(name, correlation string) string {
		return fmt.Sprintf("title: %s\nname: %[1]s\ncorrelation: {timespan: 5m, %s}\n---\n", name,
			correlation)
	}
	f(c("a", "type: temporal, rules: [b, ok]")+c("b", "type: temporal, rules: [a, ok]"),
		`rule "b", which it refers to, refers back to it`)
	f(c("a", "type: temporal, rules: [a]"), `rule "a", which it refers to, refers back to it`)
	f(c("a", "type: event_count, rules: [many, ok], condition: {gte: 1}"),
		"counts a correlation together with events")
	f(c("a", "type: value_count, rules: [ok], condition: {gte: 1, field: [a, b]}"),
		"several fields")
	f(c("a", "type: magic, rules: [ok], condition: {gte: 1}"), `type "magic" are not supported`)
	f(c("a", "type: temporal, rules: [ok], condition: ok and gone"),
		`rule "gone", which it refers to, is not among the files`)
	f(c("a", "type: event_count, rules: [ok], condition: {gte: many}"), "is not a number")
	f("title: a\ncorrelation: {type: temporal, rules: [ok], timespan: 1M}", "months differ")
}

// A translation keeps the parsed rules that correlations refer to, and of the others those of one
// file at a time.
func TestTranslationKeepsFewTrees(t *testing.T) {
	var files []File
	for i := range 10 {
		files = append(files, File{Name: fmt.Sprintf("%d.yml", i), Data: []byte(fmt.Sprintf(
			"title: R%d\nname: r%d\ndetection: {s: {event: e}, condition: s}\n", i, i))})
	}
	files = append(files, File{Name: "c.yml", Data: []byte("title: C\ncorrelation: {type: " +
		"event_count, rules: [r3, r8], group-by: [user], timespan: 5m, condition: {gte: 3}}\n")})
	translation := Read(files, Options{})
	made := 0
	for range translation.Documents {
		made++
	}
	var kept []string
	for d := range translation.documents {
		if d.kept != nil {
			kept = append(kept, d.name)
		}
	}
	if got := strings.Join(kept, " "); got != "r3 r8" || made != 9 || len(translation.roots) != 1 {
		t.Errorf("%d rules are made; kept are %q, and %d documents of the last file", made, got,
			len(translation.roots))
	}
}
