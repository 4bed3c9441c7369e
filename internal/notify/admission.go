package notify

import (
	"fmt"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// admission decides which alerts are handed to Alertmanager's parts while more fire than they can
// take. Alerts that are in stay in. When the places are taken, a part of as many again is reserved:
// each rule gets a few of them, one of a page severity more, so a flood of one rule does not hold
// back the others.
type admission struct {
	within   int            // alerts in ordinary places
	reserved int            // alerts in reserved places
	byRule   map[string]int // reserved places taken
	refused  map[string]int // by rule: alerts that found no place the last time
}

func (q *admission) begin() { q.refused = map[string]int{} }

func (q *admission) admit(s *state, limit int) bool {
	rule := s.rule()
	switch {
	case internalAlert(s.last().Alert), s.Labels["alertname"] == models.GroupLimitAlert:
	case q.within < limit:
		q.within++
		s.held = false
		return true
	case q.reserved < limit/2 && q.byRule[rule] < share(s, limit):
	default:
		q.refused[rule]++
		s.held = true
		return false
	}
	q.reserved++
	q.byRule[rule]++
	s.held, s.reserved = false, true
	return true
}

// share is how many reserved places a rule has.
func share(s *state, limit int) int {
	if models.IsPage(s.last().Alert.Severity) || models.IsPage(string(s.Labels["severity"])) {
		return limit / 10
	}
	return limit / 100
}

func (q *admission) release(s *state) {
	switch {
	case s.sent.IsZero():
	case s.reserved:
		q.reserved--
		if rule := s.rule(); q.byRule[rule] > 1 {
			q.byRule[rule]--
		} else {
			delete(q.byRule, rule)
		}
		s.reserved = false
	default:
		q.within--
	}
}

// held is how many alerts wait for a place, and the rule with most of them.
func (q *admission) held() (alerts int, rule string) {
	most := 0
	for name, n := range q.refused {
		alerts += n
		if n > most || n == most && name < rule {
			most, rule = n, name
		}
	}
	return alerts, rule
}

// health returns an error while alerts wait for a place.
func (b *states) health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, rule := b.admitted.held()
	if n == 0 {
		return nil
	}
	return fmt.Errorf(
		"%d alerts wait to be notified, most of rule %s, because %d alerts fire already; "+
			"give the rule fewer groups (a silence does not help)",
		n, rule, b.admitted.within,
	)
}
