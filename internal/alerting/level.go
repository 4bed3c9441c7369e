package alerting

import "github.com/log-monitoring/alert-engine/internal/rule"

// level is a severity that an alert has while its value satisfies a comparison.
type level struct {
	severity string
	op       string
	limit    float64
}

func newLevels(r *rule.Rule) ([]level, error) {
	var list []level
	for _, l := range r.Levels {
		list = append(list, level{l.Severity, l.Op, l.Value})
	}
	return list, nil
}

func (l level) holds(value float64) bool {
	switch l.op {
	case ">":
		return value > l.limit
	case ">=":
		return value >= l.limit
	case "<":
		return value < l.limit
	case "<=":
		return value <= l.limit
	case "==":
		return value == l.limit
	case "!=":
		return value != l.limit
	}
	return false
}

// levelOf is the number of the last level that a value satisfies, from 1; 0 for none.
func (u *unit) levelOf(value float64) int {
	found := 0
	for i, l := range u.levels {
		if l.holds(value) {
			found = i + 1
		}
	}
	return found
}
