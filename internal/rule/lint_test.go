package rule

import (
	"fmt"
	"strings"
	"testing"
)

// lint reads a rule and returns what is found, without the file's name.
func lint(t *testing.T, text string) []string {
	t.Helper()
	set, err := Read(
		"a.yml",
		[]byte(`time_intervals: [{name: saturday, time_intervals: [{weekdays: [saturday]}]},
  {name: office, time_intervals: [{weekdays: [monday], times: [{start_time: '09:00', end_time: '17:00'}]}]},
  {name: never, time_intervals: [{months: [february], days_of_month: ['30']}]}]
lists: {hosts: [a, b]}
groups:
- name: g
  rules:
`+text),
	)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range Lint(set) {
		list = append(list, strings.TrimPrefix(f.String(), "a.yml:"))
	}
	return list
}

// Each lint speaks where it should, and only there.
func TestLint(t *testing.T) {
	f := func(rule string, want ...string) {
		t.Helper()
		got := lint(t, "  - alert: A\n    "+strings.ReplaceAll(rule, "\n", "\n    ")+"\n")
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\ngot  %s\nwant %s", rule, strings.Join(got, "\n     "),
				strings.Join(want, "\n     "))
		}
		ignored := lint(
			t,
			"  - alert: A\n    lint_ignore: ["+strings.Join(Lints(), ", ")+"]\n    "+
				strings.ReplaceAll(rule, "\n", "\n    ")+"\n",
		)
		if len(ignored) > 0 {
			t.Errorf("%s\nthough ignored: %s", rule, ignored)
		}
	}
	ratio := "9:11: a ratio of very few logs means little; add a minimum, as in: and count() >= " +
		"100 (no-minimum)"
	f("when: count(a) / count() > 5%", ratio)
	f("when: count(a) / count() > 5% and count() < count(b)", ratio)
	f("when: count(a) / count() > 5% and count() >= 200")
	f("when: count() / 60 > 5")
	f(
		"when: 100 < p99(took)",
		"9:11: a percentile of very few logs means little; add a minimum, as in: and count() >= "+
			"100 (no-minimum)",
	)

	f(
		"match: a\nfor: 5s",
		"10:10: for of 5s is shorter than the lateness of 10s, by which the alert is delayed "+
			"anyway; "+
			"make it longer than the lateness, or leave it out, so that the alert fires with the "+
			"log that completes it (short-for)",
	)
	f("match: a\nfor: 10s")

	absence := "9:11: absence is noticed only for groups that are known, and none is expected or " +
		"remembered; add expect: {from: '@list'}, or remember: 7d, or leave by out (absence-keys)"
	f("when: count() == 0\nby: [host]", absence)
	f("when: count() < 5 and count(a) <= 3\nby: [host]", absence)
	f("when: count() == 0\nby: [host]\nremember: 7d")
	f("when: count() == 0\nby: [host]\nexpect: {from: '@hosts'}")
	f("when: count() == 0")
	f("when: count() > 0\nby: [host]")

	f(
		"match: a\nby: [service, 'x=trace_id|host']",
		"10:9: nearly every log has its own trace_id, so each would be a group of its own; "+
			"group by something that a person could list, such as a service or a host; "+
			"distinct(trace_id) counts values (unbounded-group)",
	)

	f(
		"match: a\nactive: [never]",
		`10:13: the time interval "never" never comes; check its days, months and years `+
			`(never-active)`,
	)
	f("match: a\nactive: [office, not never]")
	f(
		"match: a\nactive: [office, not office]",
		`10:13: the rule is to be active in "office" and outside it, which is never; leave one `+
			`of them out (never-active)`,
	)
	f("match: a\nactive: [office, saturday, not office]") // it is active on Saturdays
	f(
		"match: a\nactive: [office, saturday, not office, not saturday]",
		`10:13: the rule is to be active in "office" and outside it, which is never; leave one `+
			`of them out (never-active)`,
		`10:13: the rule is to be active in "saturday" and outside it, which is never; leave one `+
			`of them out (never-active)`,
	)

	f(
		"when: new(x) > 0",
		"9:11: until it has learned what is usual, new() fires for every value; add learn: 24h "+
			"(no-learn)",
	)
	f("when: new(x) > 0\nlearn: 1h\nremember: 30d")

	f("match: a\nlearn: 1h", "10:12: learn has no effect: only new() learns (no-effect)")
	f(
		"match: a\nremember: 1h",
		"10:15: remember has no effect: only new(), changed() and absence remember (no-effect)",
	)
	f(
		"match: a\nby: [host]\nexpect: {from: '@hosts'}",
		"11:13: expect has no effect: only absence is noticed for groups that are expected "+
			"(no-effect)",
	)
	f("sequence: [{match: a}]\nwithin: 1m\nwindow: 5m")
	f(
		"sequence: [{match: a}]\nwithin: 1m\nwindow: 5m\nresolve: 1h",
		"11:13: window has no effect: a sequence counts for as long as resolve says (no-effect)",
	)
	f(
		"match: a\nresolve: manual\nkeep_firing_for: 1m",
		"11:22: keep_firing_for has no effect: it resolves by hand alone (no-effect)",
	)

	f(
		"match: 'a && b'",
		`9:15: this searches for the text "&&"; operators are and, or, not, field:value, `+
			`field>5; or quote it (foreign-operator)`,
	)
	f(
		"match: 'service=~pay'",
		`9:13: this searches for the text "service=~pay"; write service:pay to compare the field,`+
			` or quote it (foreign-operator)`,
	)
	f(
		"match: 'a'\nwhen: count(status=500) > 1",
		`10:17: this searches for the text "status=500"; write status:500 to compare the field, `+
			`or quote it (foreign-operator)`,
	)
	f("match: 'service:=pay a:b path:/x?y=z'")
	f(
		"match: [disk full, 'service:pay level>=ERROR']",
		`9:24: this searches for the text "service:pay level>=ERROR"; `+
			"a list holds texts and mappings; write the query as match: '...', or the field as a "+
			"mapping (foreign-operator)",
	)
	f("match: [disk full, 'error: 5', 'at Pay.java:12 (x)']")
}

// A record is in metrics under the name that the rule says, or the rule is warned about.
func TestLintRecordNames(t *testing.T) {
	f := func(rule string, want int) {
		t.Helper()
		n := 0
		for _, finding := range lint(t, "  - {"+rule+", match: x, when: count()}\n") {
			if strings.HasSuffix(finding, "(record-name)") {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d findings, want %d", rule, n, want)
		}
	}
	f("record: alert_engine_logs_total", 1)
	f("record: go_goroutines", 1)
	f("record: errors_total", 0)
	f("record: gone, by: [service, host.name]", 0)
	f("record: errors, by: [a.b, a_b]", 1)
	f("record: errors, by: [rule]", 1)
	f("record: x, labels: {a: go_}", 0)
}

// A query is written out in time and memory in proportion to it, however many members it has.
func TestSpellIsLinear(t *testing.T) {
	or := &Or{}
	for i := range 10_000 {
		or.Of = append(or.Of, &Leaf{Field: "f", Op: OpContains, Text: fmt.Sprint("value ", i)})
	}
	if n := testing.AllocsPerRun(1, func() { spell(or) }); n > 100 {
		t.Errorf("%v allocations", n)
	}
	a, b := &Leaf{Field: "f", Text: "a b"}, &Leaf{Field: "f a", Text: "b"}
	if spell(a) == spell(b) || spell(or) == spell(&Or{or.Of[1:]}) {
		t.Error("different queries are written alike")
	}
}

// Two rules that page for the same are one too many, however they are spelled.
func TestLintDuplicates(t *testing.T) {
	f := func(a, b string, duplicate bool) {
		t.Helper()
		got := lint(t, "  - {alert: A, "+a+"}\n  - {alert: B, "+b+"}\n")
		if duplicate &&
			(len(got) != 1 || got[0] != "9:5: rule g/A has the same condition at a.yml:8; remove "+
				"one, or make them differ (duplicate-rule)") ||
			!duplicate && len(got) > 0 {
			t.Errorf("%s\n%s\ngot %q", a, b, got)
		}
	}
	f("match: x, when: count() > 1", "match: x, when: count() > 1", true)
	f("match: x, when: count() > 1", "match: x, when: count() > 2", false)
	f("match: 'service:x level>=error'", "match: {service: x, level: error}", false)
	f("match: 'service:x user:(a or b)'", "match: {service: x, user: [a, b]}", true)
	f("match: 'service:x'", "match: 'service:=x'", false)
	f("match: '/a+/'", "match: '/a+/i'", false)
	f("within: 1m, sequence: [{match: x}, {not: y}]",
		"within: 1m, sequence: [{match: x}, {not: y}]", true)
	f("within: 1m, sequence: [{match: x}, {not: y}]",
		"within: 1m, sequence: [{match: x}, {match: y}]", false)
	f("within: 1m, sequence: [{match: x}, {not: y}]",
		"within: 2m, sequence: [{match: x}, {not: y}]", false)
}

func TestTemplateAndLabelLints(t *testing.T) {
	f := func(rule, name string) {
		t.Helper()
		got := lint(t, "  - alert: A\n    "+strings.ReplaceAll(rule, "\n", "\n    ")+"\n")
		found := strings.Join(got, "\n")
		if name == "" && found != "" || !strings.Contains(found, name) {
			t.Errorf("%s\ngot %q, want %q", rule, found, name)
		}
	}
	f("match: x\nwhen: count() >= 2 * count() offset 1m", "holds-without-logs")
	f("match: x\nwhen: count(a:1) >= count(b:1)", "holds-without-logs")
	f("match: x\nwhen: not count() > 5", "holds-without-logs")
	f("match: x\nwhen: distinct(user) >= distinct(ip)", "holds-without-logs")
	f("match: x\nwhen: rate() <= rate() offset 1m", "holds-without-logs")
	f("match: x\nwhen: not avg(took) > 5", "holds-without-logs")
	f("match: x\nwhen: count() < 5", "")
	f("match: x\nwhen: count() == 0", "")
	f("match: x\nwhen: count(a:1) > 3 and count(b:1) == 0", "")
	f("match: x\nwhen: count() >= 2 * count() offset 1m and count() > 10", "")
	f("match: x\nwhen: count(a:1) < count(b:1)", "")

	f("match: x\nlabels: {severity: '{{ if gt .Value 5.0 }}page{{ end }}'}", "label-template")
	f("match: x\nlabels: {severity: '{{ .Labels.alertname }}'}", "")
	f("match: x\nannotations: {s: '{{ if gt .Value 5 }}x{{ end }}'}", "template-type")
	f("match: x\nannotations: {s: '{{ if eq 1 .Value }}x{{ end }}'}", "template-type")
	f("match: x\nannotations: {s: '{{ if gt .Value 5.0 }}x{{ end }}'}", "")
	f("match: x\nannotations: {s: '{{ .Last.Fields.took }}'}", "sample-field")
	f("match: x\nsamples: {fields: [took]}\nannotations: {s: '{{ .Last.Fields.took }}'}", "")
	f("match: x\nby: [service]\nannotations: {s: '{{ .Labels.host }}'}", "unknown-label")
	f("match: x\nby: [service]\nannotations: {s: '{{ .Labels.service }} {{ $.Labels.alertname }}'}",
		"")
	f("match: x\nby: [service]\nannotations: {s: '{{ index .Labels \"host\" }}'}", "unknown-label")
	f("match: x\nby: [service]\nannotations: {s: '{{ index .Labels \"service\" }}'}", "")
	f("match: x\nby: [alertname]", "label-conflict")
	f("match: x\nby: [service]\nlabels: {service: pay}", "label-conflict")
	f("match: x\nby: [severity]\nwhen: count() > 1\nlevels: {warning: '> 1'}", "label-conflict")

	f("match: 'path:/api/'", "slash-value")
	f("match: 'service:/pay/'", "slash-value")
	f("match: 'path:\"/api/\"'", "")
	f("match: 'service:/pay.*/'", "")
	f("match: 'message:/pay/'", "")
}
