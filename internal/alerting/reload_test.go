package alerting

import (
	"runtime"
	"testing"
	"weak"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A reload frees the rules that it replaces, also while scanners have nothing to read: each of them
// holds the rules that it last read with, and none of those that came in between.
func TestReloadsFreeWhatTheyReplace(t *testing.T) {
	const reloads = 20
	record := []models.Record{{Topic: "logs", Value: []byte(`{"level":"ERROR"}`)}}
	f := func(name string, idle bool, most int) {
		t.Helper()
		e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
		scanners := []models.Scanner{e.NewScanner(), e.NewScanner()}
		scan := func() {
			for _, s := range scanners {
				e.Apply(s.Scan(record))
			}
		}
		scan()
		var sets []weak.Pointer[ruleSet]
		var rules []weak.Pointer[compiledRule]
		for range reloads {
			set := e.scanners.ruleSet.Load()
			sets, rules = append(sets, weak.Make(set)), append(rules, weak.Make(set.rules[0]))
			if err := e.SetRules(read(t, countErrors)); err != nil {
				t.Fatal(err)
			}
			if !idle {
				scan()
			}
		}
		for range 3 {
			runtime.GC() // a pool keeps for two collections what is in it
		}
		held := 0
		for i := range sets {
			if sets[i].Value() != nil || rules[i].Value() != nil {
				held++
			}
		}
		if held > most {
			t.Errorf("%s: %d of %d replaced rule sets are held, want %d", name, held, reloads, most)
		}
		runtime.KeepAlive(scanners)
		runtime.KeepAlive(e)
	}
	f("scanners that read after each reload", false, 0)
	f("scanners that have nothing to read", true, 1)
}
