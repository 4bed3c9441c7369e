package importstest

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Printed checks that translated rules that are written to a file and read again are the same
// rules, and returns the file. Every rule must be taken.
func Printed(t testing.TB, documents ...rule.Document) []byte {
	t.Helper()
	before, err := rule.LoadDocuments(slices.Values(documents), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Refused) > 0 {
		t.Fatal(before.Refused)
	}
	var printed []byte
	var after []*rule.Rule
	for _, d := range documents {
		var b bytes.Buffer
		encoder := yaml.NewEncoder(&b)
		encoder.SetIndent(2)
		if err := encoder.Encode(d.Root); err != nil {
			t.Fatal(err)
		}
		set, err := rule.Read("printed.rules.yml", b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		after = append(after, set.Rules...)
		printed = append(printed, b.Bytes()...)
	}
	same := cmp.Diff(before.Rules, after, cmpopts.IgnoreTypes(rule.Pos{}),
		cmp.Comparer(func(a, b *regexp.Regexp) bool {
			return a == b || a != nil && b != nil && a.String() == b.String()
		}), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(rule.Leaf{}))
	if same != "" {
		t.Errorf("%s\n%s", printed, same)
	}
	return printed
}
