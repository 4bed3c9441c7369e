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

// expirationsForRoom is how many groups of each rule are dropped that have expired when there is no
// room.
const expirationsForRoom = 64

const (
	groupLimitAlert = "AlertEngineGroupLimit"
	limitKey        = "\xffgroup limit" // in place of the key of a group
)

// room says whether a rule may have another group, and counts it when it may not.
func (e *Engine) room(rs *ruleState) bool {
	full := func() bool { return rs.groups.live >= rs.limit() || e.live >= e.opts.maxGroups }
	if full() {
		for _, other := range e.rules {
			e.expireGroups(other, expirationsForRoom)
		}
	}
	if !full() {
		return true
	}
	r := &rs.refused
	r.count++
	r.last = rs.lastMatch
	if r.first == 0 {
		r.first = rs.lastMatch
		r.episodes = max(r.episodes, rs.counters.last[limitKey].episode) + 1
		rs.counters.set(limitKey, episodeCounter{r.episodes, rs.now(), noPartition})
		rs.changed = true
		e.transitions = append(e.transitions, e.limitAlert(rs, models.AlertFiring, r.first))
	}
	return false
}

// resolveRefusals ends the alert about refused groups when there is room again, and none was
// refused for as long as the rule looks back.
func (e *Engine) resolveRefusals(rs *ruleState) {
	r := &rs.refused
	if r.first == 0 || rs.groups.live >= rs.rule.Limit ||
		rs.watermark < r.last+int64(rs.condition.Lookback()) {
		return
	}
	e.transitions = append(e.transitions, e.limitAlert(rs, models.AlertResolved, rs.watermark))
	r.first, rs.changed = 0, true
}

// limitAlert is the alert about refused groups: one for the rule, however many they are.
func (e *Engine) limitAlert(rs *ruleState, state models.AlertState, at int64) models.Alert {
	r := &rs.refused
	a := models.Alert{
		ID: alertID(
			rs.id,
			limitKey,
			uint64(r.episodes),
		), Rule: rs.id, Episode: int64(r.episodes), State: state,
		Reason: fmt.Sprintf(
			"the rule has %d groups, its limit: logs of further groups raise no alert",
			rs.groups.live,
		), Value: float64(rs.groups.live),
		Threshold: fmt.Sprintf(
			">= %d",
			rs.rule.Limit,
		), At: instant(at), StartsAt: instant(r.first), Count: r.count, Source: place(rs.rule.Pos), Severity: "warning",
		Labels: map[string]string{
			"alertname": groupLimitAlert,
			"rule":      rs.id,
			"severity":  "warning",
		}, Shadow: rs.rule.Mode == rule.Shadow,
	}
	if state == models.AlertResolved {
		a.EndsAt, a.Reason = a.At, "there is room for further groups again"
	}
	a.Annotations = map[string]string{
		"summary": fmt.Sprintf(
			"Rule %s has reached its limit of %d groups",
			rs.id,
			rs.rule.Limit,
		),
		"description": "Groups that exist are watched as before; new ones are refused. Group by a field with fewer values, narrow the match, or raise limit.",
	}
	return a
}

// limit is how many groups the rule may have.
func (c *compiledRule) limit() int {
	if c.rule.Limit == 0 {
		return maxGroups
	}
	return min(c.rule.Limit, maxGroups)
}
