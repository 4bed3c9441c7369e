package rule

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// What is typed or uploaded is read in time in proportion to it, whatever is repeated in it.
func TestTextsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	queries := linear.Shapes([]string{"", "(", "f:", "f:(", "not ", "a or ", `"`, "/"}, []string{
		"a or ", "a ", "(", ")", "not ", "f:x ", "f:(a or ", "/a/ ", `\`, `"`, `"a" `, "f:1..2 ",
		"@l ", "*", "a,", "-", ":", "f:>=1 ", "f:* ", "f:10.0.0.0/8 ", "/", "f" + linear.N + ":x or ",
		"[", "\u200b", "\xff", "f.",
	}, ")")
	law := linear.Law{Size: 64 << 10}
	law.Check(t, "query", queries, func(text string) {
		if q, err := ParseQuery(text); err == nil {
			QueryText(q)
			spell(q)
		}
	})
	conditions := linear.Shapes([]string{"", "(", "count() > ", "count(", "not "}, []string{
		"count() > 1 and ", "count() > 1 or ", "(", ")", "count(a:b) * 2 + ", "not ", "1 + ", "-",
		"p99(x) ", "offset 1w ", "firing(A) and ", "since(a:b) < 1m or ", "1", "1.", "%", "a,", `"`,
		"count(", "baseline(count(), 4w) > ", "new(a" + linear.N + ", ",
	}, " > 1")
	law.Check(t, "condition", conditions, func(text string) { ParseCondition(text) })
}

func TestFilesTakeLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures processor time")
	}
	const (
		rules = "version: 1\ngroups:\n- name: g\n  rules:\n"
		alert = rules + "  - alert: A\n"
		n     = linear.N
	)
	var shapes []linear.Shape
	add := func(prefix, suffix string, parts ...string) {
		shapes = append(shapes, linear.Shapes([]string{prefix}, parts, suffix)...)
	}
	add(rules, "",
		"  - {alert: A, match: x}\n",
		"  - {alert: A"+n+", match: 'service:x"+n+" message:\"a b\"'}\n",
		"  - {alert: A"+n+", match: x, when: 'not firing(A"+n+")'}\n",
		"  - {alert: A"+n+", match: x, when: 'firing(A1) and not firing(A2)'}\n",
		"  - {alert: A"+n+", nope"+n+": x}\n",
		"  - {alert: A"+n+", match: 'user:@gone"+n+"'}\n",
		"  - {alert: A"+n+", match: '('}\n",
		"  - {alert: A"+n+", match: x, suppressed_by: [s"+n+"]}\n",
		"  - {record: r"+n+", match: x, by: [a"+n+"]}\n",
		"  - {record: r, match: x, by: [a"+n+"]}\n",
		"  - {alert: A"+n+", match: '/x"+n+".*y/'}\n",
		"  - {alert: A"+n+", match: x, within: 1m, sequence: [{match: x}, {not: y}]}\n",
		"  - {alert: A"+n+", match: x, expect: [a, b]}\n",
		"  - {alert: A"+n+", match: x, resolve: 'y'}\n",
		"  - [a]\n", "  - a\n", "  -\n",
	)
	add(alert+"    match:\n", "", "      f"+n+": x\n", "      f: x\n", "      f"+n+": [a, b]\n",
		"      f"+n+"|contains: x\n", "      f"+n+"|re: 'x.*y'\n", "      not f"+n+": x\n")
	add(alert+"    match: {f: [", "]}\n", "a, ", "x"+n+", ", "'a*b"+n+"', ", "[", "{a: ", "'/x"+n+"/', ")
	add(alert+"    match: {'f|windash': '", "'}\n", " -a", "-a ", " -", "a", "–a ", "/a")
	add(alert+"    match: {'f", "': abc}\n", "|wide", "|base64", "|base64offset", "|expand",
		"|contains", "|windash", "|all", "|utf16", "|nope")
	for _, members := range []string{"a", "a, b", "a, b, c, d, e, f, g, h, i, j"} {
		lists := "version: 1\nlists: {l: [" + members + "]}\n" + strings.TrimPrefix(alert, "version: 1\n")
		add(lists+"    match: {'f|expand': '", "'}\n", "%l%", "%", "%l%a", "a", "%l", "%%")
		add(lists+"    match: {'f|expand': [", "]}\n", "'%l%', ", "'%l%%l%', ", "'%l%"+n+"', ")
	}
	add(alert+"    match:\n      condition: 1 of s*\n", "", "      s"+n+": {f: x}\n",
		"      s"+n+": [x, y]\n")
	add(alert+"    match:\n      s0: {f: x}\n      condition: s0", "\n", " or s0", " and not s0",
		" and (s0", " or 1 of s*", " or all of them")
	add(alert+"    match: '", "'\n", "a or ", "(", "not ", "f:x ", "/a/ ", "f"+n+":x or ", "''", "@l ")
	add(alert+"    match: x\n    when: '", "'\n", "count() > 1 and ", "(", "1 + ", "firing(A"+n+") or ")
	add(alert+"    match: x\n    labels: {", "}\n", "a"+n+": '{{ .Labels.x }}', ", "a: b, ", "a"+n+": b, ")
	add(alert+"    match: x\n    annotations: {s: \"", "\"}\n", "{{ .Value }}", "{{if .Value}}", "{{",
		"}}", "{{/* a */}}", "{{ $a := 1 }}", "{{range .Last}}", "{{print (", "{{ .Labels.a"+n+" }}",
		"{{end}}", "{{with .Value}}", "\\n", "a")
	add(alert+"    match: x\n    by: [", "]\n", "a"+n+", ", "a, ", "a"+n+" as b"+n+", ")
	add(alert+"    match: x\n    by: ['x=", "']\n", "a"+n+"|", "a|", "=")
	add(alert+"    within: 1m\n    sequence: [", "]\n", "{match: x}, ", "{not: y}, ", "x, ")
	add(alert+"    match: x\n    extract: [", "]\n", "{pattern: '<a"+n+"> <b>'}, ", "{regexp: '(?P<a"+n+">x)'}, ",
		"{pattern: '<a> <b>'}, ")
	add("version: 1\nlists:\n  l:\n", "", "  - x"+n+"\n", "  - x\n", "  - 10.0.0.0/8\n", "  - 'a*'\n")
	add("version: 1\nlists:\n", "", "  l"+n+": [a]\n", "  l: [a]\n", "  l"+n+": {file: f"+n+"}\n")
	add("version: 1\ngroups:\n", "", "- {name: g"+n+", rules: [{alert: A, match: x}]}\n",
		"- {name: g, rules: [{alert: A"+n+", match: x}]}\n", "- {}\n")
	add("version: 1\nsuppressions:\n", "", "- {name: s"+n+", start: x, end: y}\n",
		"- {name: s, start: x}\n")
	add("version: 1\nextracts:\n", "", "  e"+n+": {pattern: '<a> <b>'}\n")
	add("", "", "[", "{", "- ", "&a [", "*a, ", "? ", ": ", "| ", "# x\n", "---\n", "!!a ", `"`, "'",
		"\t", "%", "a: &a"+n+" b\n", "<<: *a\n", "a"+n+": b\n", "a: b\n", "- a\n", "\u2028", "- - ",
		"-\n ", "\\", "a\n")
	add("a: &a [b]\nc:\n", "", "- *a\n", "  <<: *a\n")
	read := func(text string) {
		set, err := Read("a.yml", []byte(text))
		if err != nil {
			_ = err.Error()
			_ = Foreign("a.yml", []byte(text))
			return
		}
		Lint(set)
		for _, r := range set.Rules {
			Wanted(r)
		}
	}
	linear.Law{Size: 48 << 10, Enough: 75 * time.Millisecond}.Check(t, "rule file", shapes, read)
	// What is quadratic in the number of rules is seen when there are thousands.
	many := linear.Shapes([]string{rules}, []string{
		"  - {alert: A" + n + ", match: x, when: 'not firing(A" + n + ")'}\n",
		"  - {alert: A" + n + ", match: x" + n + ", when: 'not firing(B" + n + ")'}\n",
		"  - {alert: A" + n + ", match: 'user:@gone" + n + "'}\n",
	}, "")
	linear.Law{Size: 384 << 10, Enough: time.Second}.Check(t, "large rule file", many, read)
}
