package vmalert

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/importstest"
)

// imported is a translated query as JSON-like text, or what the report says of it.
func imported(t *testing.T, expr string) (text, report string) {
	t.Helper()
	file := "groups:\n- name: g\n  type: vlogs\n  interval: 5m\n  rules:\n  - alert: A\n    expr: |\n      " +
		strings.ReplaceAll(
			expr,
			"\n",
			"\n      ",
		) + "\n"
	r := System{}.Translate(
		[]imports.File{{Name: "rules.yml", Data: []byte(file)}},
		imports.Options{},
	)
	for _, m := range r.Report.Remarks {
		if m.Verdict == imports.Note {
			continue // see TestNotes
		}
		if m.Text != "" {
			report = string(m.Verdict) + ": " + m.Text
		}
	}
	if len(r.Documents) == 0 {
		return "", report
	}
	importstest.Printed(t, r.Documents...)
	one := imports.Get(imports.Get(r.Documents[0].Root, "groups").Content[0], "rules").Content[0]
	return importstest.Flat(one, "alert", "origin"), report
}

func TestQueries(t *testing.T) {
	for _, c := range []struct{ expr, want, report string }{
		{ // the window is the interval
			`event:=denied | stats count() as n | filter n:>3`,
			"match: {event|cased: denied} when: count() > 3 window: 5m every: 5m", "",
		},
		{ // an absent field is the empty text, and a group without logs has no result
			`_time:10m event:=api user:"" | stats by (zone) count() as n | filter n:<5`,
			"match: {selection: {event|cased: api}, selection_2: [{user: null}, {user: }], " +
				"condition: selection and selection_2} when: count() < 5 + 0 / count() window: 10m by: [zone]",
			"",
		},
		{ // without by there is always a result: it fires on silence
			`_time:5m {app="shop"} error !"health check" | stats count() n | filter n:<1`,
			"match: {selection: {app|cased: shop, line|word|cased: error}, filter: " +
				"{line|word|cased: health check, line|contains|cased: health check}, condition: " +
				"selection and not filter} when: count() < 1 window: 5m", "",
		},
		{
			`* | extract "ip=<ip> " | extract "status_code=<code>;" | stats by (ip) count() if ` +
				`(code:~4.*) as failed, count() as total| math failed / total as share| filter ` +
				`share :> 0.01 | fields ip,share`,
			`extract: [{from: line, regexp: (?s)ip="?(?P<ip>.*?)"? }, {from: line, regexp: ` +
				`(?s)status_code="?(?P<code>.*?)"?;}] match: {always: {line|exists: true}, chosen: ` +
				`{code|contains|cased: 4}, condition: always} when: count($chosen) / count() > ` +
				`0.01 window: 5m every: 5m by: [ip]`, "",
		},
		{
			`_time:5m level:in(error, fatal) i(Timeout) | stats by (host) quantile(0.99, took) ` +
				`p99, count_uniq(user) as users | filter p99:>=250 or users:>10`,
			"match: {fields.level|cased: [error, fatal], line|word: Timeout} when: p99(took) >= " +
				"250 or distinct(user) > 10 window: 5m by: [host=fields.host]", "",
		},
		{ // filter and stats may be left out; ranges, and beginnings of exact values
			`_time:5m n:range[1,5) m:range(0, inf] p:exact("GET "*) | unpack_json | a:=1 | ` +
				`by (u) count() n | n:>3`,
			"extract: [{from: line, json: [a, u]}] match: {n|gte: 1, n|lt: 5, m|gt: 0, " +
				"p|startswith|cased: GET , fields.a|cased: 1} when: count() > 3 window: 5m by: " +
				"[u=fields.u]", "",
		},
		{
			`_time:5m a:eq_field(b) | count() n | n:>3`,
			"match: {selection: {a|fieldref|cased: b}, selection_2: [{a: null}, {a: }], selection_3: " +
				"[{b: null}, {b: }], condition: selection or (selection_2 and selection_3)} " +
				"when: count() > 3 window: 5m", "",
		},
		{
			`_time:5m | stats count() as n`, "",
			"refused: without by and filter it has a result at any time, so it always fires",
		},
		{
			`_time:5m src:ipv4_range("10.0.0.0/8") | unpack_json | stats by (tenant) sum(bytes) ` +
				`if (kind:=in) as b | filter !(b:<=100)`,
			"extract: [{from: line, json: [tenant, kind, bytes]}] match: {selection: {src|cidr: " +
				"10.0.0.0/8}, chosen: {fields.kind|cased: in}, condition: selection} when: " +
				"(sum(fields.bytes, $chosen) > 100) window: 5m by: [tenant=fields.tenant]", "",
		},
		{ // a plain value of the line would be a part of it
			`_time:5m _msg:=a _msg:!=b* _msg:in(c, "") | count() n | n:>3`,
			"match: {selection: {line|re: ^(?s:a)$}, selection_2: [{line|re: ^(?s:c)$}, " +
				"{line: null}, {line: }], filter: {line|startswith|cased: b}, condition: " +
				"selection and selection_2 and not filter} when: count() > 3 window: 5m", "",
		},
		{
			`_time:5m seq(foo, "a b") u:len_range(1, 3) {app in (a, b)} | count() n | -n:<=3`,
			`match: {line|re: (?s)(?:^|[^\pL\pN_])foo(?:[^\pL\pN_]|[^\pL\pN_].*[^\pL\pN_])` +
				`a b(?:$|[^\pL\pN_]), u|re: ^(?s:.{1,3})$, app|cased: [a, b]} ` +
				`when: count() > 3 window: 5m`, "",
		},
		{ // the name of a result, fields without a value, and values in quotes
			`_time:5m * | extract 'user <u> from' | stats by (u) count(), count_empty(x) e | ` +
				`filter "count(*)":>3 e:>1`,
			`extract: [{from: line, regexp: (?s)user "?(?P<u>.*?)"? from}] match: {always: ` +
				`{line|exists: true}, chosen: [{x: null}, {x: }], condition: always} when: ` +
				`count() > 3 and count($chosen) > 1 window: 5m by: [u]`, "",
		},
		{
			`_time:5m a or b | count() n | n:>3`,
			"match: {selection: [{line|word|cased: a}, {line|word|cased: b}], condition: " +
				"selection} when: count() > 3 window: 5m",
			"differs: _time stands on one side of or, so there the other side reads logs of any " +
				"time; here both read those of the window. Write _time:5m (... or ...)",
		},
		{
			`_time:5m took:>5ms | count() n | n:>3`,
			"match: {took|gt: 5ms} when: count() > 3 window: 5m",
			"differs: there a number without a unit counts as nanoseconds beside 5ms; here as " +
				"milliseconds",
		},
		{
			`_time:5m a | stats by (_time:5m) count() n | n:>3`,
			"match: {line|word|cased: a} when: count() > 3 window: 5m",
			"differs: there the results are also grouped by times of the clock, 5m each; here " +
				"it is the last 5m",
		},
		{`_time:5m a | delete x | stats by (x) count() n | n:>3`, "", "refused: rules.yml:8: " +
			"column 36 of the query: x, by which it groups, has been removed by a pipe"},
		{`_time:5m a | fields y | stats by (y) sum(x) n | n:>3`, "", "refused: rules.yml:8: " +
			"column 43 of the query: the field x has been removed by a pipe"},
		{`_time:5m a | by (x) count() n | sort by (n desc) limit 1 | n:>3`, "",
			"refused: rules.yml:8: column 37 of the query: sort with limit compares groups " +
				"with each other, which rules here do not"},
		{
			`a | stats count() n`, "",
			"refused: without by and filter it has a result at any time, so it always fires",
		},
		{`a | stats by (x) uniq_values(y) n`, "", "refused: rules.yml:8: column 17 of the query: " +
			"uniq_values() of stats is not translated"},
		{
			`a`, "",
			"refused: rules.yml:9: column 1 of the query: it has no stats, so it has no number",
		},
	} {
		got, report := imported(t, c.expr)
		if got != c.want || report != c.report {
			t.Errorf(
				"%s\n got: %s\nwant: %s\nreport: %s\n  want: %s",
				c.expr,
				got,
				c.want,
				report,
				c.report,
			)
		}
	}
}

func TestMetricsAreSkipped(t *testing.T) {
	r := System{}.Translate([]imports.File{{
		Name: "m.yml",
		Data: []byte("groups: [{name: g, rules: [{alert: A, expr: 'up == 0'}]}]"),
	}}, imports.Options{})
	if r.Report.Count(imports.Skipped) != 1 || len(r.Documents) != 0 {
		t.Errorf("the report is %v", r.Report)
	}
}

// What concerns all rules alike is said once.
func TestNotes(t *testing.T) {
	f := func(faithful bool, expr string, want ...string) {
		t.Helper()
		file := "groups:\n- name: g\n  type: vlogs\n  rules:\n"
		for i := range 2 {
			file += fmt.Sprintf("  - alert: A%d\n    expr: '%s'\n", i, expr)
		}
		r := System{}.Translate([]imports.File{{Name: "rules.yml", Data: []byte(file)}},
			imports.Options{Faithful: faithful})
		var got []string
		for _, m := range r.Report.Remarks {
			if m.Verdict == imports.Note {
				got = append(got, m.Code)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
	f(false, "_time:5m a | stats count() n | filter n:>3", "between", "edge")
	f(true, "_time:5m a | stats count() n | filter n:>3", "edge")
	f(false, "a | stats count() n | filter n:<3", "edge", "silence")
	f(false, "a | stats by (b) count() n | filter n:<3", "edge")
	f(false, "a | stats by (b) count() n | filter m:<3")
}
