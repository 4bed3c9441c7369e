package ruletest

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// EngineFactory makes the engines that run in production, over some rules.
func EngineFactory(set *rule.Set, options ...alerting.Option) Factory {
	return Factory{Lateness: smallestLateness(set), New: func(emit func(models.Alert)) (Engine, error) {
		e := alerting.NewEngine(append([]alerting.Option{alerting.WithRules(&rule.Set{}), alerting.WithEmit(emit)}, options...)...)
		if err := e.SetRules(set); err != nil {
			return nil, err
		}
		return e, nil
	}}
}

// smallestLateness is the disorder that all rules allow.
func smallestLateness(set *rule.Set) time.Duration {
	least := time.Duration(-1)
	for _, r := range set.Rules {
		if least < 0 || r.Lateness < least {
			least = r.Lateness
		}
	}
	return max(0, least)
}
