package alerting_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// factory makes engines over some rules.
func factory(t testing.TB, set *rule.Set) ruletest.Factory {
	t.Helper()
	lateness := time.Hour
	for _, r := range set.Rules {
		lateness = min(lateness, r.Lateness)
	}
	return ruletest.Factory{
		Lateness: lateness,
		New: func(emit func(models.Alert)) (ruletest.Engine, error) {
			return alerting.NewEngine(alerting.WithRules(set), alerting.WithEmit(emit)), nil
		},
	}
}

func readRules(t testing.TB, text string) *rule.Set {
	t.Helper()
	set, err := rule.Read("test.rules.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Every script of this directory holds as it is written, in other orders of arrival, and with a
// restart after each log.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*_test.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		script, err := ruletest.ReadScript(file)
		if err != nil {
			t.Fatal(err)
		}
		set, err := rule.Load(script.RuleFiles...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range script.Run(factory(t, set),
			ruletest.Options{Shuffle: 50, Seed: 1, Crash: true}) {
			if len(r.Failures) > 0 {
				t.Errorf("%s: %s:\n%s", r.File, r.Name, strings.Join(r.Failures, "\n"))
			}
		}
	}
}
