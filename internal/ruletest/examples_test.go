package ruletest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The fifty needs are fifty rules, with nothing to look at.
func TestExamplesAreChecked(t *testing.T) {
	set, err := rule.Load(filepath.Join("..", "..", "examples", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiles(set); err != nil {
		t.Error(err)
	}
	if len(set.Rules) != 50 {
		t.Errorf("%d rules, want 50", len(set.Rules))
	}
}

// For each of the fifty needs there are logs that fire its rule and near misses that do not, in any
// order of arrival and through crashes.
func TestExamplesFire(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "rules", "*_test.yml"))
	if err != nil || len(files) != 5 {
		t.Fatalf("scripts %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			for _, failure := range runScript(t, file) {
				t.Error(failure)
			}
		})
	}
}

// The scripts of the fifty hold for the oracle as well, so what they expect is what the manual
// says.
func TestExamplesAgreeWithTheOracle(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "examples", "rules", "*_test.yml"))
	for _, file := range files {
		script, err := ReadScript(file)
		if err != nil {
			t.Fatal(err)
		}
		set, err := rule.Load(script.RuleFiles...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range script.Tests {
			test := &script.Tests[i]
			list, err := test.arrivals()
			if err != nil {
				t.Fatal(err)
			}
			var records []models.Record
			for _, a := range list {
				records = append(records, a.record)
			}
			got, err := foretell(set, records, test.Start, test.horizon(list, 0))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.Expect {
				if !slices.ContainsFunc(
					got,
					func(s spell) bool { return want.foretold(test.Start, s) },
				) {
					t.Errorf("%s: %s: %s is not among %v", file, test.Name, want.Alert, got)
				}
			}
			if test.NothingElse && len(got) != len(test.Expect) {
				t.Errorf(
					"%s: %s: %d alerts, want %d: %v",
					file,
					test.Name,
					len(got),
					len(test.Expect),
					got,
				)
			}
		}
	}
}

// foretold says whether a spell is what is expected.
func (want *Expectation) foretold(start time.Time, s spell) bool {
	at := func(d *Duration, ns int64) bool { return d == nil || start.Add(time.Duration(*d)).UnixNano() == ns }
	return strings.HasSuffix(s.rule, "/"+want.Alert) && at(want.Fires, s.fired) &&
		at(want.Resolves, s.resolved)
}
