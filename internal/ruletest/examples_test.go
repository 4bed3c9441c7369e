package ruletest

import (
	"path/filepath"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
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
