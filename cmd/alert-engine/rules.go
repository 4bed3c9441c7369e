package main

import (
	"fmt"
	"os"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// loadRules reads rule files, Sigma rules, and the rules that configuration files name; their
// engines are the one that run uses. What is left out of Sigma rules goes to standard error.
func loadRules(files []string) (*loadedRules, error) {
	set, report, err := app.LoadRules(files, os.Getenv)
	if err != nil {
		return nil, err
	}
	for _, e := range report.Refused {
		fmt.Fprintln(os.Stderr, safetext.Line(e.Error()))
	}
	for _, line := range report.Lines() {
		fmt.Fprintln(os.Stderr, safetext.Line(line))
	}
	return rulesOf(set), nil
}

// rulesOf are rules that were read, with their engines.
func rulesOf(set *rule.Set) *loadedRules {
	l := &loadedRules{set: set}
	l.engines = l.factory()
	return l
}

// factory makes engines over the rules that l has then.
func (l *loadedRules) factory() ruletest.Factory {
	least, most := ruletest.Latenesses(l.set)
	return ruletest.Factory{
		Lateness:     least,
		MostLateness: most,
		Topics:       ruletest.Topics(l.set),
		New: func(emit func(models.Alert)) (ruletest.Engine, error) {
			return l.engine(emit)
		},
		Past: func(emit func(models.Alert)) (ruletest.Engine, error) {
			return l.engine(emit, alerting.AtWatermark())
		},
		Lists: func(m ruletest.Members) (ruletest.Factory, error) {
			with := *l
			var err error
			with.set, err = ruletest.WithMembers(l.set, m, ruletest.InTest+
				", or with --list %[1]s=FILE")
			return with.factory(), err
		},
	}
}

// engine makes an engine over the rules.
func (l *loadedRules) engine(
	emit func(models.Alert),
	options ...alerting.Option,
) (ruletest.Engine, error) {
	options = append(options, alerting.WithRules(&rule.Set{}), alerting.WithEmit(emit),
		alerting.WithDecode(l.decode))
	if !l.topics {
		options = append(options, alerting.WithSources(withNone(l.set)))
	}
	e := alerting.NewEngine(options...)
	return e, e.SetRules(l.set)
}

// withNone has every source that rules name read what has no topic as well, such as the lines of a
// file.
func withNone(set *rule.Set) map[string][]string {
	sources := make(map[string][]string)
	for _, r := range set.Rules {
		for _, name := range append([]string{r.Source}, r.Sources...) {
			sources[name] = []string{name, ""}
		}
	}
	return sources
}
