package imports_test

import (
	"os"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/elastalert"
	"github.com/log-monitoring/alert-engine/internal/imports/loki"
	"github.com/log-monitoring/alert-engine/internal/imports/sigma"
	"github.com/log-monitoring/alert-engine/internal/imports/vmalert"
	"github.com/log-monitoring/alert-engine/internal/linear"
)

// Rules of other systems are translated in time in proportion to their files, whatever is repeated
// in them: queries in the languages of the systems, and the files around them.
func TestImportsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	const n = linear.N
	const lokiRule = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |-\n      "
	// each has the place of a query, in which its parts are repeated, and files of many rules
	for _, c := range []struct {
		system          imports.System
		prefix          string
		begins, repeats []string
		suffix          string
		files           []linear.Shape
	}{
		{
			loki.System{}, lokiRule,
			[]string{
				"", "sum(rate({a=\"b\"}", `{`, `{a="`, `count_over_time({a="b"} |= "`, `(`,
				`count_over_time({a="b"} | json `,
			},
			[]string{
				`a="b", `, `a` + n + `="b", `, `|= "x" `, `|~ "a.*b" `, `!= "x" `, "| json ", "| a > 1 ",
				"| logfmt ", `| line_format "{{.a}}" `, `| pattern "<a` + n + `> <b>" `, "(", ")", "1 + ",
				"sum(", "by (a) ", `{a="b"} `, "[1m]", "offset 1m ", "| a > 1 or b < 2 ", "and ", `"`, "\\",
				"`", "{{", "# x ", "| unwrap a ", "| label_format a=b ", "-", "1", "a",
			},
			`[5m])) > 5`,
			[]linear.Shape{
				shape("groups:\n- name: g\n  rules:\n", "  - {alert: A, expr: 'count_over_time({a=\"b\"}[1m]) > 1'}\n", ""),
				shape("groups:\n- name: g\n  rules:\n", "  - {alert: A"+n+", expr: 'count_over_time({a=\"b\"}[1m]) > 1'}\n", ""),
				shape("groups:\n", "- {name: g, rules: [{alert: A, expr: 'count_over_time({a=\"b\"}[1m]) > 1'}]}\n", ""),
				shape(lokiRule+"count_over_time({a=\"b\"}[1m]) > 1\n    annotations:\n", "      a"+n+": '{{ $value }}'\n", ""),
				shape(lokiRule+"count_over_time({a=\"b\"}[1m]) > 1\n    annotations:\n      a: '", "{{ $value }}", "'\n"),
				shape(lokiRule+"count_over_time({a=\"b\"}[1m]) > 1\n    annotations:\n      a: '", "{{", "'\n"),
			},
		},
		{
			vmalert.System{}, lokiRule,
			[]string{
				"", "(", `{`, `a:`, `a:(`, `"`, "error | ", "error | stats by (a) count() as n | ",
				"_time:5m a:in(", "not ", "error | filter ", "error | extract '",
			},
			[]string{
				"a ", "a or ", "a:b ", "a:b or ", "(", ")", `"x" `, "not ", "!", "a*", "a:re(x) ", `{a="b"} `,
				"{", "x, ", "x" + n + ", ", "| fields a ", "| sort by (a) ", "count() as n" + n + ", ", "a:>1 ",
				"a:range(1, 2) ", "a:in(a, b) ", "| math a + b as c ", "\\", "'", "`", "~\"a.*b\" ", "n:>1 or ",
				"<a" + n + "> ", "a" + n + ":b ", "=", "\"a\" \"b\" ", "-", "| limit 1 ", "seq(a, b) ", "1 + ",
			},
			"| stats count() n | filter n:>5",
			[]linear.Shape{
				shape("groups:\n- name: g\n  type: vlogs\n  rules:\n", "  - {alert: A, expr: 'error | stats count() n | filter n:>5'}\n", ""),
			},
		},
		{
			elastalert.System{}, "name: a\ntype: frequency\nindex: x\nnum_events: 3\ntimeframe: {minutes: 5}\nfilter:\n" +
				"- query:\n    query_string:\n      query: |-\n        ",
			[]string{"", "(", "a:", "a:(", `"`, "/", "a:[", "not ", "+"},
			[]string{
				"a ", "a AND ", "a OR ", "NOT ", "(", ")", "a:b ", "a:(b OR c) ", `"x y" `, "/a.*/ ", "a*", "*",
				"?", "[1 TO 2] ", "{1 TO 2} ", "a:>1 ", "\\", "a" + n + ":b ", "+a ", "-a ", "!", "a~ ", "a^2 ",
				"&& ", "|| ", `"`, "/", ":", "_exists_:a ", "a.b.c:d ", "\\u0041", "%",
			},
			")",
			[]linear.Shape{
				shape("name: a\ntype: any\nindex: x\nfilter:\n", "- term: {a: b}\n", ""),
				shape("name: a\ntype: any\nindex: x\nfilter:\n", "- term: {a"+n+": b"+n+"}\n", ""),
				shape("name: a\ntype: any\nindex: x\nfilter:\n", "- regexp: {a: 'x.*y"+n+"'}\n", ""),
				shape("name: a\ntype: any\nindex: x\nfilter:\n- terms:\n    a: [", "b"+n+", ", "]\n"),
				shape("name: a\ntype: any\nindex: x\nfilter:\n- bool:\n    should: [", "{term: {a: b"+n+"}}, ", "]\n"),
				shape("name: a\ntype: any\nindex: x\nfilter:\n- regexp:\n    a: '", "(a|b)*", "'\n"),
				shape("name: a\ntype: any\nindex: x\nfilter:\n- wildcard:\n    a: '", "a*b?", "'\n"),
				shape("name: a\ntype: any\nindex: x\nfilter:\n- match:\n    a: '", "word ", "'\n"),
				shape("name: a\ntype: blacklist\ncompare_key: u\nindex: x\nblacklist: [", "x"+n+", ", "]\n"),
				shape("name: a\ntype: any\nindex: x\nalert_text: '", "{0} ", "'\nalert_text_args: [a]\n"),
				shape("name: a\ntype: any\nindex: x\nquery_key: [", "a"+n+", ", "]\n"),
				shape("name: a\ntype: any\nindex: x\nalert_text_args: [", "a"+n+", ", "]\nalert_text: '{0}'\n"),
			},
		},
		{
			sigma.System{}, "title: A\nlogsource: {product: windows}\ndetection:\n  s: {a: b}\n  t: {c: d}\n  condition: |-\n    ",
			[]string{"", "(", "not ", "1 of ", "s and "},
			[]string{
				"s and ", "s or ", "not ", "(", ")", "1 of s* or ", "all of them and ", "s ", "| count() > 1 ",
				"them ", "of ", "*", "1 ", "\\", "s|", "s and (t or ",
			},
			"s",
			[]linear.Shape{
				shape("", "title: A\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}\n---\n", ""),
				shape("", "title: A"+n+"\nid: x"+n+"\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}\n---\n", ""),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: 1 of s*\n", "  s"+n+": {a: b}\n", ""),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n", "    a"+n+": b\n", ""),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n", "    a"+n+"|contains: b\n", ""),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a|contains|all: [", "b"+n+", ", "]\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a: '", "*a", "'\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a: '", `\*`, "'\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a|re: '", "(a|b)*", "'\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a|base64offset: '", "ab", "'\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s:\n    a|windash: '", " -a", "'\n"),
				shape("title: A\nlogsource: {product: x}\ndetection:\n  condition: s\n  s: [", "x"+n+", ", "]\n"),
				shape("title: A\nlogsource: {product: x}\ntags: [", "a.b"+n+", ", "]\ndetection: {s: {a: b}, condition: s}\n"),
				shape("title: A\nlogsource: {product: x}\nfields: [", "a"+n+", ", "]\ndetection: {s: {a: b}, condition: s}\n"),
			},
		},
	} {
		shapes := c.files
		for i, s := range linear.Shapes(c.begins, c.repeats, c.suffix) {
			if os.Getenv("LINEAR") == "" && i%13 > 0 { // a thirteenth of them; all with LINEAR
				continue
			}
			s.Prefix = c.prefix + s.Prefix
			shapes = append(shapes, s)
		}
		shapes = append(shapes, linear.Shapes([]string{""}, []string{
			"a: b\n", "- a\n", "---\n", "[", "{", "a: &a [b]\n", "!!a ", "'", "\t", "a" + n + ": b\n",
		}, "")...)
		systems := []imports.System{c.system}
		read := func(text string) {
			files := []imports.File{{Name: "a.yml", Data: []byte(text)}}
			imports.Sort(files, systems)
			r := c.system.Translate(files, imports.Options{})
			_ = imports.Finish(r) // a mistake of a rule is none of the law
			r.Report.Summary()
		}
		law := linear.Law{Size: 12 << 10, Enough: 75 * time.Millisecond}
		law.Check(t, c.system.Name(), shapes, read)
		t.Logf("%s: %d shapes", c.system.Name(), len(shapes))
	}
}

func shape(prefix, part, suffix string) linear.Shape {
	return linear.Shape{Prefix: prefix, Part: part, Suffix: suffix}
}
