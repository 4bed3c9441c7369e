package notify

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ruleLimits are the times at which alerts of rules with a limit were notified. The relay alone
// uses them.
type ruleLimits map[string][]time.Time

// overLimit reports whether an alert that fires is beyond the limit of its rule. Transitions of an
// alert that was notified do not count: its severity and its end are notified whatever the limit
// is.
func (n *Notifier) overLimit(a models.Alert, now time.Time) bool {
	if n.opts.Limit == nil {
		return false
	}
	count, per := n.opts.Limit(a.Rule)
	if count <= 0 {
		delete(n.limits, a.Rule)
		return false
	}
	n.states.mu.Lock()
	e := n.states.episode(a.ID, now)
	n.states.mu.Unlock()
	if e.Open || e.closed(a) {
		return false
	}
	recent := slices.DeleteFunc(n.limits[a.Rule], func(at time.Time) bool {
		return now.Sub(at) >= per
	})
	over := len(recent) >= count
	if !over {
		recent = append(recent, now)
	}
	if n.limits == nil {
		n.limits = ruleLimits{}
	}
	n.limits[a.Rule] = recent
	return over
}
