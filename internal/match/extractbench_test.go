package match

import (
	"testing"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What an extracted field costs, beside a regular expression over the same text.
func BenchmarkExtracted(b *testing.B) {
	line := []byte(`10.0.0.1 - bob [05/Jan/2026:09:00:01 +0000] ` +
		`"GET /api/v1/orders/4711 HTTP/1.1" 204 512 "-" "curl/8.5"`)
	for _, c := range []struct{ name, extract, match string }{
		{"regexp leaf", "", `'line:HTTP line:/ 5\d\d \d+ /'`},
		{
			"pattern", `extract: [{from: line, pattern: '<ip> - <user> [<_>] "<_>" <code> <_>'}]`,
			`'line:HTTP code>=500'`,
		},
		{"logfmt", `extract: [{from: line, logfmt: [code]}]`, `'line:HTTP code>=500'`},
		{
			"regexp", `extract: [{from: line, regexp: '" (?P<code>5\d\d) '}]`,
			`'line:HTTP code>=500'`,
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := "groups:\n- name: g\n  rules:\n  - alert: A\n    match: " + c.match + "\n    " + c.extract
			set, err := rule.Read("a.rules.yml", []byte(text+"\n"))
			if err != nil {
				b.Fatal(err)
			}
			ix, err := Compile([]rule.Query{set.Rules[0].Match}, Options{})
			if err != nil {
				b.Fatal(err)
			}
			d, err := decode.New(decode.Config{Format: "text"}, ix.Fields())
			if err != nil {
				b.Fatal(err)
			}
			m, r := ix.NewMatcher(), &models.Record{Value: line}
			var ids []int32
			each := func(l *decode.Log) { ids = m.Match(l, ids[:0]) }
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(r, each, nil)
			}
		})
	}
}
