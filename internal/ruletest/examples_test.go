package ruletest

import (
	"path/filepath"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// The fifty needs are fifty rules, with nothing to look at.
func TestExamplesAreChecked(t *testing.T) {
	set, err := rule.Load(filepath.Join("..", "..", "examples", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	costly, err := match.Lint(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(rule.Lint(set), costly...) {
		t.Error(f)
	}
	if len(set.Rules) != 50 {
		t.Errorf("%d rules, want 50", len(set.Rules))
	}
}
