package alerting

import (
	_ "embed"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

//go:embed default.rules.yml
var defaultRules []byte

// DefaultRules are the rules of an engine that is given none: more than ten errors of a service
// within five minutes, and any fatal log.
func DefaultRules() *rule.Set {
	set, err := rule.Read("default.rules.yml", defaultRules)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return set
}
