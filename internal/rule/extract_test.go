package rule

import (
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

const extracting = `
groups:
- name: g
  rules:
  - alert: A
    extract:
    - {from: line, pattern: '<ip> - <user> <code>'}
    - {logfmt: [level, who=user]}
    match: 'line:" - " code>=400 level:error fields.level:=Error who:x'
    when: distinct(user, code>=500) > 1
    by: [ip, 'client=who|other', 'stream.* without pod, host']
    samples: {fields: [user]}
    top: [ip]
    annotations: {summary: '{{ .Last.Fields.user }} of {{ .Labels.ip }}'}
`

func TestExtractedFieldsReplaceThoseOfTheLog(t *testing.T) {
	set, err := Read("a.rules.yml", []byte(extracting))
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules[0]
	var fields []string
	note := func(path string) {
		mark := ""
		if decode.Extracted(path) {
			mark = "!"
		}
		fields = append(fields, decode.FieldName(path)+mark)
	}
	eachLeaf(r.Match, func(l *Leaf) { note(l.Field) })
	for _, c := range calls(r.When) {
		note(c.Field)
		eachLeaf(c.Filter, func(l *Leaf) { note(l.Field) })
	}
	for _, l := range r.By {
		for _, f := range l.Fields {
			note(f)
		}
	}
	note(r.Samples.Fields[0])
	note(r.Top[0])
	// the level keeps its meaning, but for fields.level
	want := "line code! level level! who! user! code! ip! who! other stream.* without pod,host user! ip!"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("the fields are %s\nwant           %s", got, want)
	}
	if w := Lint(set); len(w) > 0 {
		t.Errorf("lints: %v", w)
	}
}

func TestExtractionsThatAreRefused(t *testing.T) {
	for extract, want := range map[string]string{
		"[{from: line}]":                          "a.rules.yml:3:42: an extraction has no method; write pattern, regexp, json or logfmt",
		"[{from: line, pattern: x, json: [a]}]":   "one method",
		"[{regexp: '(a'}]":                        "missing closing )",
		"[{regexp: '(?P<a>(x{100}){100}){100}'}]": "repeat",
		"[{patern: '<a>'}]":                       "did you mean",
		"[{json: [a b]}]":                         "is not the name of a field",
	} {
		_, err := Read(
			"a.rules.yml",
			[]byte("\ngroups:\n- {name: g, rules: [{alert: A, extract: "+extract+"}]}"),
		)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", extract, err, want)
		}
	}
}
