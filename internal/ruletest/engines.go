package ruletest

import (
	"fmt"
	"slices"
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
	least, most := Latenesses(set)
	return Factory{
		Lateness:     least,
		MostLateness: most,
		Topics:       Topics(set),
		New:          func(emit func(models.Alert)) (Engine, error) { return engine(emit) },
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

// Topics are those that rules name as their source.
func Topics(set *rule.Set) (topics []string) {
	for _, r := range set.Rules {
		for _, name := range append([]string{r.Source}, r.Sources...) {
			if name != "" && name != "alerts" && !slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
	}
	return topics
}

// Latenesses are the disorder that all rules allow, and that any of them allows. One that follows
// the delays counts as it begins.
func Latenesses(set *rule.Set) (least, most time.Duration) {
	for i, r := range set.Rules {
		if i == 0 || r.Lateness < least {
			least = r.Lateness
		}
		most = max(most, r.Lateness)
	}
	return least, most
}
