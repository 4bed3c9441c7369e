package sigma

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/importstest"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A translated rule that is written to a file and read again is the same rule. SIGMA_RULES names a
// directory of further rules.
func TestWrittenRulesAreTheSame(t *testing.T) {
	texts := []string{
		selfLogon, loginRules,
		loginRules + "title: C\ncorrelation: {type: temporal, rules: [failed, ok], timespan: 5m, " +
			"aliases: {who: {failed: a b, ok: c}}, group-by: [who]}",
		`title: "Texts: {{ .x }} and # more"
description: |
  several
  lines: and a "quote"
references: [https://example.org/?a=b#c, '- dash']
author: '@ann, & others'
falsepositives: ["- none", "null", "~", "1"]
detection:
  numbers: {a: 1, b: '1', c: 1.50, d: true, e: 'null', f: null, g: '', h: "0x10"}
  texts|all: [' -a', "tab\there", 'back\\slash', '\*', 'ends\', "new\nline", '#no', '*']
  list: [{"x|re": '^\d+\\$'}, {"y z|cidr": 10.0.0.0/8}, {"w|base64offset|contains": 'http://'}]
  condition: numbers and not (1 of list* or texts)
`,
	}
	if dir := os.Getenv("SIGMA_RULES"); dir != "" {
		err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
			if err != nil || filepath.Ext(name) != ".yml" {
				return err
			}
			data, err := os.ReadFile(name)
			texts = append(texts, string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range texts {
		documents := slices.Collect(Read([]imports.File{{Name: "a.yml", Data: []byte(text)}},
			Options{Windows: true}).Documents)
		before, err := rule.LoadDocuments(slices.Values(documents), nil)
		if err != nil {
			t.Fatal(err)
		}
		documents = perFile(Accepted(documents, before))
		if len(documents) == 0 {
			continue
		}
		importstest.Printed(t, documents...)
	}
}
