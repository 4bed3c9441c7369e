package alerting

import (
	"fmt"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// refusals is what is known of the groups that a rule was not given, because it has as many as it
// may. Those it has go on as before; which groups a rule watches must never be a matter of chance.
type refusals struct {
	count    int64 // since the engine was made
	first    int64 // event time of the first one of the present shortage
	last     int64
	episodes uint32
}

// fadesForRoom is how many groups of each rule are dropped that have faded when there is no room.
const fadesForRoom = 64

const (
	groupLimitAlert = "AlertEngineGroupLimit"
	limitKey        = "\xffgroup limit" // in place of the key of a group
)

// room says whether a rule may have another group, and counts it when it may not.
func (e *Engine) room(u *unit) bool {
	full := func() bool { return u.groups.live >= u.limit() || e.live >= e.opts.maxGroups }
	if full() {
		for _, other := range e.program.Load().units {
			e.fade(other, fadesForRoom)
		}
	}
	if !full() {
		return true
	}
	r := &u.refused
	r.count++
	r.last = u.lastMatch
	if r.first == 0 {
		r.first = u.lastMatch
		r.episodes = max(r.episodes, u.numbers.last[limitKey].episode) + 1
		u.numbers.set(limitKey, numbered{r.episodes, u.now(), nobody})
		u.changed = true
		e.out = append(e.out, e.limitAlert(u, models.AlertFiring, r.first))
	}
	return false
}

// settleRefusals ends the alert about refused groups when there is room again, and none was refused
// for as long as the rule looks back.
func (e *Engine) settleRefusals(u *unit) {
	r := &u.refused
	if r.first == 0 || u.groups.live >= u.rule.Limit ||
		u.watermark < r.last+int64(u.plan.Retention()) {
		return
	}
	e.out = append(e.out, e.limitAlert(u, models.AlertResolved, u.watermark))
	r.first, u.changed = 0, true
}

// limitAlert is the alert about refused groups: one for the rule, however many they are.
func (e *Engine) limitAlert(u *unit, state models.AlertState, at int64) models.Alert {
	r := &u.refused
	a := models.Alert{
		ID: alertID(
			u.id,
			limitKey,
			uint64(r.episodes),
		), Rule: u.id, Episode: int64(r.episodes), State: state,
		Reason: fmt.Sprintf(
			"the rule has %d groups, its limit: logs of further groups raise no alert",
			u.groups.live,
		), Value: float64(u.groups.live),
		Threshold: fmt.Sprintf(
			">= %d",
			u.rule.Limit,
		), At: instant(at), StartsAt: instant(r.first), Count: r.count, Source: place(u.rule.Pos), Severity: "warning",
		Labels: map[string]string{
			"alertname": groupLimitAlert,
			"rule":      u.id,
			"severity":  "warning",
		}, Shadow: u.rule.Mode == rule.Shadow,
	}
	if state == models.AlertResolved {
		a.EndsAt, a.Reason = a.At, "there is room for further groups again"
	}
	a.Annotations = map[string]string{
		"summary": fmt.Sprintf(
			"Rule %s has reached its limit of %d groups",
			u.id,
			u.rule.Limit,
		),
		"description": "Groups that exist are watched as before; new ones are refused. Group by a field with fewer values, narrow the match, or raise limit.",
	}
	return a
}

// limit is how many groups the rule may have.
func (u *unit) limit() int {
	if u.rule.Limit == 0 {
		return maxGroups
	}
	return min(u.rule.Limit, maxGroups)
}
