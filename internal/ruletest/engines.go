package ruletest

import (
	"fmt"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// EngineFactory makes the engines that run in production, over some rules.
func EngineFactory(set *rule.Set, options ...alerting.Option) Factory {
	engine := func(emit func(models.Alert), more ...alerting.Option) (Engine, error) {
		all := []alerting.Option{alerting.WithRules(&rule.Set{}), alerting.WithEmit(emit)}
		e := alerting.NewEngine(append(append(all, options...), more...)...)
		if err := e.SetRules(set); err != nil {
			return nil, err
		}
		return e, nil
	}
	return Factory{
		Lateness: smallestLateness(set),
		New:      func(emit func(models.Alert)) (Engine, error) { return engine(emit) },
		Past: func(emit func(models.Alert)) (Engine, error) {
			return engine(emit, alerting.AtWatermark())
		},
		Lists: func(m Members) (Factory, error) {
			with, err := WithMembers(set, m, InTest)
			return EngineFactory(with, options...), err
		},
	}
}

// InTest is how a list gets members in a test; %s is its name.
const InTest = "give its members in the test, as in lists: {%s: [ann, bob]}"

// WithMembers returns rules whose lists have the given members. A list from a topic that has none
// then is an error; hint says of its name, %s, how it gets some.
func WithMembers(set *rule.Set, m Members, hint string) (*rule.Set, error) {
	with, err := set.WithMembers(m)
	if err != nil {
		return set, err
	}
	if unknown := with.Unknown(); len(unknown) > 0 {
		return set, &problem.Error{
			Problem: fmt.Sprintf("list %q is kept in the topic %s, which is not read here",
				unknown[0].Name, unknown[0].Topic),
			Hint: fmt.Sprintf(hint, unknown[0].Name),
		}
	}
	return with, nil
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
