package loki

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/importstest"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// imported is a translated query, as the lines of its rule between origin and the end, or what the
// report says of it.
func imported(t *testing.T, expr string, more ...string) (text, report string) {
	t.Helper()
	file := "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      " +
		strings.ReplaceAll(expr, "\n", "\n      ") + "\n" + strings.Join(more, "\n")
	r := System{}.Translate(
		[]imports.File{{Name: "rules.yml", Data: []byte(file)}},
		imports.Options{},
	)
	var said []string
	for _, m := range r.Report.Remarks {
		if m.Verdict == imports.Note {
			continue // see TestNotes
		}
		if m.Code != "" {
			said = append(said, string(m.Verdict)+" "+m.Code)
		}
		if m.Verdict == imports.Refused {
			said = append(said, m.Text)
		}
	}
	if len(r.Documents) == 0 {
		return "", strings.Join(said, "; ")
	}
	printed := string(importstest.Printed(t, r.Documents...))
	_, rest, _ := strings.Cut(printed, "line: 4\n")
	var lines []string
	for line := range strings.Lines(rest) {
		lines = append(lines, strings.TrimPrefix(strings.TrimRight(line, "\n"), "        "))
	}
	return strings.Join(lines, "\n"), strings.Join(said, "; ")
}

func TestQueries(t *testing.T) {
	for _, c := range []struct{ expr, want, report string }{
		{ // lines that are not JSON are none
			`sum(count_over_time({app="a"} | json | __error__="" [5m])) > 3`,
			"match: {stream.app|cased: a, line|re: ^\\s*\\{(?s:.*)\\}\\s*$} when: count() > 3 " +
				"window: 5m", "differs json-error",
		},
		{ // and have no level
			`sum(count_over_time({app="a"} | json | __error__!="JSONParserErr" | lvl="x" [5m])) > 3`,
			"extract: [{from: line, json: [lvl]}] match: {stream.app|cased: a, fields.lvl|cased: x} " +
				"when: count() > 3 window: 5m", "",
		},
		{ // of a charm, whose application is not known
			`sum by (level) (count_over_time(({%%juju_topology%%, app="a"})[5m])) > 3`,
			"match: {stream.juju_application|exists: \"true\", stream.app|cased: a} " +
				"when: count() > 3 window: 5m by: [level=stream.level]", "differs juju",
		},
		{
			`sum(count_over_time({app="shop"} |= "ERR" [5m])) > 3`,
			"match: {stream.app|cased: shop, line|contains|cased: ERR} when: count() > 3 window: 5m",
			"",
		},
		{ // the group is nothing without lines
			`sum by (app) (rate({app=~"shop|cart", env!="dev"} |~ "time ?out" != "health" [10m])) < 0.5`,
			"match: {selection: {stream.app|cased: [shop, cart], line|contains|cased: [time out, " +
				"timeout]}, filter: {stream.env|cased: dev}, filter_2: {line|contains|cased: " +
				"health}, condition: selection and not filter and not filter_2}" +
				" when: rate() < 0.5 + 0 / count() window: 10m by: [app=stream.app]", "",
		},
		{ // each stream for itself
			`count_over_time({app="a"}[5m]) > 3`,
			"match: {stream.app|cased: a} when: count() > 3 window: 5m by: [stream.*]", "",
		},
		{
			`sum without (pod) (count_over_time({app="a"}[5m])) > 3`,
			"match: {stream.app|cased: a} when: count() > 3 window: 5m by: [stream.* without pod]",
			"",
		},
		{
			`sum(rate({app="a"} |= "error" [5m])) by (job) / sum(rate({app="a"}[5m])) by (job) > 0.05`,
			"match: {logs: {stream.app|cased: a, line|contains|cased: error}, logs_2: " +
				"{stream.app|cased: a}, condition: logs or logs_2}" +
				" when: rate($logs) / rate($logs_2) > 0.05 window: 5m by: [job=stream.job]", "",
		},
		{ // both sides must be there
			`sum(rate({app="a"} |= "x" [5m])) / sum(rate({app="a"}[5m])) < 0.05`,
			"match: {logs: {stream.app|cased: a, line|contains|cased: x}, logs_2: " +
				"{stream.app|cased: a}, condition: logs or logs_2}" +
				" when: rate($logs) / rate($logs_2) < 0.05 and rate($logs) > 0 window: 5m", "",
		},
		{ // != behind a parser is a filter of lines
			`sum(count_over_time({app="a"} | json != "x" !~ "y" [5m])) > 3`,
			"match: {selection: {stream.app|cased: a}, filter: {line|contains|cased: x}, " +
				"filter_2: {line|contains|cased: y}, condition: selection and not filter and " +
				"not filter_2} when: count() > 3 window: 5m",
			"differs pipeline-error",
		},
		{ // what unpack has packed is the line
			`sum by (c) (count_over_time({app="a"} | unpack |= "x" [5m])) > 3`,
			"extract: [{from: line, json: [_entry, c]}] match: {stream.app|cased: a, " +
				"_entry|contains|cased: x} when: count() > 3 window: 5m by: [c]",
			"differs pipeline-error",
		},
		{ // the result of a sum has no labels
			`sum(absent_over_time({app="a"}[5m])) > 0`,
			"match: {stream.app|cased: a} when: count() == 0 window: 5m", "",
		},
		{ // a line without the label has no value
			`absent_over_time({app="a"} | json n="n" | unwrap n | __error__="" [5m])`,
			"extract: [{from: line, json: [n=n]}] match: {stream.app|cased: a, n: ?*} when: " +
				"count() == 0 window: 5m labels: {app: a}", "",
		},
		{
			`(sum(count_over_time({app="a"}[5m])) > bool 3) == 1`,
			"match: {stream.app|cased: a} when: count() > 3 window: 5m", "",
		},
		{
			`sum(count_over_time({app="a"}[5m])) > 3 < 9`,
			"match: {stream.app|cased: a} when: count() > 3 and count() < 9 + 0 / count() " +
				"window: 5m", "",
		},
		{ // an address is not different when there is none
			`sum(count_over_time({app="a"} | logfmt ip | ip!=ip("10.0.0.0/8") [5m])) > 3`,
			"extract: [{from: line, logfmt: [ip]}] match: {selection: {stream.app|cased: a, " +
				"ip: ?*}, filter: {ip|cidr: 10.0.0.0/8}, condition: selection and not filter} " +
				"when: count() > 3 window: 5m", "",
		},
		{
			`sum by (b) (count_over_time({app="a"} | logfmt l | keep l | ` +
				`label_format b="{{ .l }}" [5m])) > 3`,
			"extract: [{from: line, logfmt: [l]}] match: {stream.app|cased: a} when: " +
				"count() > 3 window: 5m by: [b=l]", "",
		},
		{
			`count_over_time({app="a"} | keep app, pod [5m]) > 3`,
			"match: {stream.app|cased: a} when: count() > 3 window: 5m by: [app=stream.app, " +
				"pod=stream.pod]", "",
		},
		{
			`sum(count_over_time({app="a"} | drop x | x="1" [5m])) > 3`, "",
			"refused refused; a filter looks at x, which drop or keep has removed",
		},
		{
			`sum_over_time({app="a"} | logfmt n | unwrap n [5m]) by (app) > 3`, "",
			"refused refused; sum_over_time has a grouping of its own, which Loki refuses; write sum by (...)",
		},
		{
			`sum(count_over_time({app!="a", b=~".*"} [5m])) > 3`, "",
			"refused refused; its selector may match any stream, which Loki refuses",
		},
		{
			`sum(count_over_time({app="a"}[5m])) == 0`,
			"match: {stream.app|cased: a} when: count() == 0 + 0 / count() window: 5m",
			"differs never-fires",
		},
		{
			`(sum(count_over_time({app="a"}[5m])) or vector(0)) == 0`,
			"match: {stream.app|cased: a} when: count() == 0 window: 5m", "",
		},
		{ // > binds more tightly than or
			`sum(count_over_time({app="a"}[5m])) or vector(0) > 0`,
			"match: {stream.app|cased: a} when: count() > 0 window: 5m", "exact no-threshold",
		},
		{
			`absent_over_time({app="x", pod=~"p.*"}[5m])`,
			"match: {stream.app|cased: x, stream.pod|startswith|cased: p} when: count() == 0 " +
				"window: 5m labels: {app: x}", "",
		},
		{
			"sum by (ip) (count_over_time({job=\"n\"} | pattern `<ip> - - <_> <status>` | status >= 400 [5m])) > 2",
			"extract: [{from: line, pattern: <ip> - - <_> <status>}] match: {stream.job|cased: " +
				"n, status|gte: \"400\"} when: count() > 2 window: 5m by: [ip]", "",
		},
		{
			`sum by (ip) (count_over_time({app=~".+", pod!="", x=""} | logfmt ip="src" | ip != "" [5m])) > 0`,
			"extract: [{from: line, logfmt: [ip=src]}] match: {stream.app|exists: \"true\", " +
				"stream.pod|exists: \"true\", stream.x: null, ip: ?*} when: count() > 0 window: 5m by: [ip]",
			"differs logfmt-names",
		},
		{ // names under json; a level that is a text
			`sum by (user_id) (count_over_time({app="a"} | json | level="error" [5m])) > 1`,
			"extract: [{from: line, json: [level, user_id]}] match: {stream.app|cased: a, " +
				"fields.level|cased: error} when: count() > 1 window: 5m by: [user_id]", "",
		},
		{
			`sum(count_over_time({app="a"} | json | status >= 500 [5m])) > 1`,
			"extract: [{from: line, json: [status]}] match: {stream.app|cased: a, status|gte: " +
				"\"500\"} when: count() > 1 window: 5m", "differs pipeline-error",
		},
		{
			`sum(count_over_time({app="a"} | logfmt | src="10.1.2.3" or status != "200" [5m])) > 1`,
			"extract: [{from: line, logfmt: [src, status]}] match: {selection: " +
				"{stream.app|cased: a}, selection_2: {src|cased: 10.1.2.3}, filter: " +
				"{status|cased: \"200\"}, condition: selection and (selection_2 or not filter)} " +
				"when: count() > 1 window: 5m", "",
		},
		{
			`count_over_time({app="a"} | json [5m]) > 2`,
			"match: {stream.app|cased: a} when: count() > 2 window: 5m by: [stream.*, line]",
			"differs pipeline-error; differs all-labels",
		},
		{
			`avg_over_time({app="a"} | logfmt | unwrap duration(took) | __error__="" [5m]) by (host) > 0.5`,
			"extract: [{from: line, logfmt: [host, took]}] match: {stream.app|cased: a} when: " +
				"avg(took) / 1000 > 0.5 window: 5m by: [host]", "",
		},
		{
			`quantile_over_time(0.99, {app="a"} | json | unwrap ms | __error__="" [5m]) by (route) > 370`,
			"extract: [{from: line, json: [route, ms]}] match: {stream.app|cased: a} when: " +
				"quantile(ms, 0.99) > 370 window: 5m by: [route]", "",
		},
		{
			`(sum by (app) (count_over_time({e="p"} |= "a" [5m])) > 1 and sum by (app) ` +
				`(count_over_time({e="p"} |= "b" [5m])) > 1) or sum by (app) ` +
				`(count_over_time({e="p"} |= "c" [5m])) > 0`,
			"match: {logs: {stream.e|cased: p, line|contains|cased: a}, logs_2: {stream.e|cased: " +
				"p, line|contains|cased: b}, logs_3: {stream.e|cased: p, line|contains|cased: " +
				"c}, condition: logs or logs_2 or logs_3}" +
				" when: count($logs) > 1 and count($logs_2) > 1 or count($logs_3) > 0 window: 5m " +
				"by: [app=stream.app]", "",
		},
		{
			`sum(count_over_time({e="p"} |= "a" [5m])) > 1 unless sum(count_over_time({e="p"} |= "b" [5m])) > 5`,
			"match: {logs: {stream.e|cased: p, line|contains|cased: a}, logs_2: {stream.e|cased: " +
				"p, line|contains|cased: b}, condition: logs or logs_2}" +
				" when: count($logs) > 1 and count($logs_2) <= 5 + 0 / count() window: 5m", "",
		},
		{
			`sum(count_over_time({app="a"}[1h])) > 2 * sum(count_over_time({app="a"}[1h] offset 1d))`,
			"match: {stream.app|cased: a} when: count() > 2 * count() offset 1d and count() " +
				"offset 1d > 0 window: 1h", "differs offset",
		},
		{
			`sum by (pod) (count_over_time({a="b"} |~ "http(s?)://(\\w+)@" [5m]) > 0)`,
			"match: {stream.a|cased: b, line|re: http(s?)://(\\w+)@} when: count() > 0 window: " +
				"5m by: [pod=stream.pod]", "exact no-threshold",
		},
		{
			`sum by (c) (rate({a="b"} |= "x" [5m])) > 1 and on (c) sum by (c) (rate({a="b"} |= "y" [5m])) > 1`,
			"match: {logs: {stream.a|cased: b, line|contains|cased: x}, logs_2: {stream.a|cased: " +
				"b, line|contains|cased: y}, condition: logs or logs_2}" +
				" when: rate($logs) > 1 and rate($logs_2) > 1 window: 5m by: [c=stream.c]", "",
		},
		{
			`sum(count_over_time({a="b"} | json | drop __error__, __error_details__ [5m])) > 1`,
			"match: {stream.a|cased: b} when: count() > 1 window: 5m", "",
		},
		{
			`sum(rate({a="b"}[1m])) > 4 * sum(rate({a="b"}[10m]))`,
			"match: {stream.a|cased: b} when: rate() over 1m > 4 * rate() and rate() > 0 window: 10m",
			"",
		},
		{
			`sum(count_over_time({a="b"}[1m])) < 3 and sum(count_over_time({a="b"}[10m])) > 9`,
			"match: {stream.a|cased: b} when: count() over 1m < 3 + 0 / count() over 1m and " +
				"count() > 9 window: 10m", "",
		},
		{ // what is there without logs asks for its own logs
			`sum by (c) (count_over_time({a="b"} |= "x" [5m] offset 1m)) <= 2 and sum by (c) ` +
				`(count_over_time({a="b"}[5m])) > 1`,
			"match: {logs: {stream.a|cased: b, line|contains|cased: x}, logs_2: {stream.a|cased: b}, " +
				"condition: logs or logs_2} when: count($logs) offset 1m <= 2 + 0 / count($logs) " +
				"offset 1m and count($logs_2) > 1 window: 5m by: [c=stream.c]", "differs offset",
		},
		{ // a label of the stream is that of both sides
			`sum by (c) (rate({a="b"} | logfmt | level="error" [5m])) / sum by (c) ` +
				`(rate({a="b"}[5m])) > 0.2`,
			"extract: [{from: line, logfmt: [level, c]}] match: {logs: {stream.a|cased: b, " +
				"fields.level|cased: error}, logs_2: {stream.a|cased: b}, condition: logs or logs_2} " +
				"when: rate($logs) / rate($logs_2) > 0.2 window: 5m by: [c=stream.c]", "",
		},
		{
			`sum(count_over_time({a="b"} | logfmt status | status >= 500 [5m])) > 1`,
			"extract: [{from: line, logfmt: [status]}] match: {stream.a|cased: b, status|gte: " +
				"\"500\"} when: count() > 1 window: 5m", "differs number-of-nothing",
		},
		{`sum(rate({a="b"}[5s])) > 4 * sum(rate({a="b"}[10m]))`, "",
			"refused refused; it has ranges of 10m and 5s, and one of a rule here is at least " +
				"a hundredth of the longest"},
		{`sum(rate({a="b"}[1m] offset 1d)) < sum(rate({a="b"}[10m]))`, "",
			"refused refused; it has a range of 1m beside one of 10m, with an offset of a day or " +
				"more"},
		{`topk(3, sum by (a) (rate({a="b"}[1m]))) > 4`, "", "refused refused; topk compares " +
			"groups with each other, which rules here do not; without it each group fires for itself"},
		{`sum(count_over_time({app="a"} |= "x [5m])) > 1`, "", "refused refused; rules.yml:6: " +
			"LogQL does not read the query: line 1, column 34 of the query: the text is never closed"},
		{`sum(rate(http_requests_total{code="500"}[5m])) > 1`, "", "skipped metric"},
		{`up == 0`, "", "skipped metric"},
	} {
		got, report := imported(t, c.expr)
		if flat := flattened(t, got); flat != c.want || report != c.report {
			t.Errorf(
				"%s\n got: %s\nwant: %s\nreport: %s, want %s",
				c.expr,
				flat,
				c.want,
				report,
				c.report,
			)
		}
	}
}

// flattened writes a mapping in one line, its own keys without braces.
func flattened(t *testing.T, text string) string {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(n.Content) == 0 {
		return ""
	}
	return importstest.Flat(n.Content[0])
}

func TestLabelsAndTemplates(t *testing.T) {
	got, report := imported(
		t,
		`sum by (ns, sev) (count_over_time({a="b"}[5m])) > 1`,
		"    for: 5m",
		"    keep_firing_for: 10m",
		"    labels: {ns: '{{ $labels.ns }}', sev: page, team: '{{ $labels.ns }}-team', none: ''}",
		"    annotations: {a: '{{ $labels.ns }} {{ $value | humanize }}', b: '{{ range query \"up\" }}{{ end }}',",
		"      c: '{{ with $labels.ns }}{{ . }} {{ $value }}{{ end }}'}",
	)
	want := "match: {stream.a|cased: b} when: count() > 1 window: 5m by: [ns=stream.ns, " +
		"group_sev=stream.sev] for: 5m keep_firing_for: 10m" +
		" labels: {sev: page, team: {{ .Labels.ns }}-team}" +
		" annotations: {a: {{ .Labels.ns }} {{ .Value | humanize }}, b: {{\"{{\"}} range query " +
		"\"up\" }}{{\"{{\"}} end }}, c: {{ with $.Labels.ns }}{{ . }} {{ $.Value }}{{ end }}}"
	if flat := flattened(t, got); flat != want || report != "differs label; differs template" {
		t.Errorf("got:  %s\nwant: %s\nreport: %s", flat, want, report)
	}
}

// Whatever is broken is a line of the report, and stops nothing else.
func TestBrokenRules(t *testing.T) {
	deep := strings.Repeat("(", 5000)
	file := fmt.Sprintf(`
groups:
- name: g
  rules:
  - {alert: Deep, expr: '%s'} # of metrics, as it has no selector
  - {alert: Deeper, expr: 'sum(count_over_time({a="b"} | %s'}
  - {alert: Expression, expr: 'sum(count_over_time({a="b"} |~ "(a{1000}){1000}" [5m])) > 1'}
  - {alert: Lookahead, expr: 'sum(count_over_time({a=~"a(?!b)"} [5m])) > 1'}
  - {alert: Duration, for: soon, expr: 'sum(count_over_time({a="b"} [5m])) > 1'}
  - {alert: '', expr: 'sum(count_over_time({a="b"} [5m])) > 1'}
  - {alert: Good, expr: 'sum(count_over_time({a="b"} [5m])) > 1'}
  - {alert: Good, expr: 'sum(count_over_time({a="c"} [5m])) > 1'}
`, deep, deep)
	r := System{}.Translate([]imports.File{
		{Name: "rules.yml", Data: []byte(file)}, {Name: "broken.yml", Data: []byte("groups: [")},
		{Name: "none.yml", Data: []byte("a: b")},
	}, imports.Options{})
	if n := r.Report.Count(imports.Refused); n != 6 {
		t.Errorf("%d are refused: %v", n, r.Report.Remarks)
	}
	set, err := rule.Read("printed.rules.yml", []byte(importstest.Printed(t, r.Documents[0])))
	if err != nil || len(set.Rules) != 2 {
		t.Errorf("the good rules are %v, %v", set, err)
	}
}

// Remarks are whole sentences of words with single blanks between them.
func TestRemarksAreReadable(t *testing.T) {
	file := "groups:\n- name: g\n  limit: 3\n  query_offset: 1m\n  rules:\n"
	for i, expr := range []string{
		`count_over_time({app="a", service_name="b"} | detected_level="error" | json [5m]) == 0`,
		`count(count by (x) (count_over_time({app="a"} | decolorize [5m]))) > 1`,
		`sum(count_over_time({app="a"} [5m])) > 2 * sum(count_over_time({app="a"} [5m] offset 1h))`,
		`quantile_over_time(0.9, {app="a"} | logfmt | unwrap x [5m]) > 2`,
		`max by (x) (count_over_time({app="a"} [5m])) > 2`, `topk(2, rate({app="a"}[5m])) > 1`,
	} {
		file += fmt.Sprintf("  - alert: A%d\n    expr: '%s'\n", i, expr)
	}
	o := imports.Options{Sample: imports.NewSample(), Faithful: true}
	o.Sample.Logs = 1
	r := System{}.Translate([]imports.File{{Name: "rules.yml", Data: []byte(file)}}, o)
	if len(r.Report.Remarks) < 12 {
		t.Errorf("remarks are missing: %v", r.Report.Remarks)
	}
	known := regexp.MustCompile(`^[A-Za-z=0-9][^\n]*[A-Za-z0-9)]$`)
	for _, m := range r.Report.Remarks {
		joined := regexp.MustCompile(`JSON[a-z]|  |[a-z]are `).MatchString(m.Text)
		if !known.MatchString(m.Text) || joined {
			t.Errorf("%q", m.Text)
		}
	}
}
