package match

import (
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A field that is extracted is looked at when the rest of the query holds, and a log that matches
// nothing costs no memory.
func TestExtractedFields(t *testing.T) {
	set, err := rule.Read("a.rules.yml", []byte(`
groups:
- name: g
  rules:
  - alert: A
    extract: [{from: line, pattern: '<ip> - <user> <code>'}, {from: line, json: [took]}]
    match: 'line:" - " ip:10.0.0.1 code>=400 not user:=ann or took>5'
`))
	if err != nil {
		t.Fatal(err)
	}
	ix, err := Compile([]rule.Query{set.Rules[0].Match}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := decode.New(decode.Config{}, ix.Fields())
	if err != nil {
		t.Fatal(err)
	}
	m := ix.NewMatcher()
	var ids []int32
	matched := 0
	each := func(l *decode.Log) {
		ids = m.Match(l, ids[:0])
		matched += len(ids)
		if holds := Eval(set.Rules[0].Match, l, nil); holds != (len(ids) == 1) {
			t.Errorf(
				"the index says %v of %s, and the query %t",
				ids,
				l.Value(decode.FieldRaw).Text,
				holds,
			)
		}
	}
	for line, want := range map[string]int{
		"10.0.0.1 - bob 404":   1,
		"10.0.0.1 - ann 404":   0,
		"10.0.0.1 - bob 200":   0,
		"10.0.0.2 - bob 404":   0,
		"nothing of this":      0,
		`{"took":7,"ip":"x"}`:  1,
		`{"took":"7ms"}`:       1,
		`{"message":"took=7"}`: 0,
	} {
		matched = 0
		d.Decode(&models.Record{Value: []byte(line)}, each, nil)
		if matched != want {
			t.Errorf("%s: %d matches, want %d", line, matched, want)
		}
	}
	quiet := func(l *decode.Log) { ids = m.Match(l, ids[:0]) }
	for _, line := range []string{
		"10.0.0.1 - bob 200", "something else", `{"took":3,"message":"a - b"}`,
	} {
		r := &models.Record{Value: []byte(line)}
		if n := testing.AllocsPerRun(100, func() { d.Decode(r, quiet, nil) }); n > 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}
