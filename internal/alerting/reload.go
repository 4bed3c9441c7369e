package alerting

import (
	"maps"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// SetRules replaces the rules. Rules that mean the same as before keep their state. Others start
// anew, and alerts of removed rules are resolved. After an error everything is unchanged. It may be
// called while logs are evaluated.
func (e *Engine) SetRules(set *rule.Set) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	return e.setRules(set)
}

// setRules is SetRules for those who hold e.changing.
func (e *Engine) setRules(set *rule.Set) error {
	p, err := e.scanners.compile(set)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.adopt(p)
	e.unlockAndEmit()
	return nil
}

// adopt makes a rule set the one in use, of the state and of the scanners.
func (e *Engine) adopt(p *ruleSet) {
	e.state.adopt(p)
	e.scanners.ruleSet.Store(p)
}

// adopt makes a rule set the one in use. Rules and suppressions that mean the same as before keep
// their state.
func (st *state) adopt(p *ruleSet) {
	old := st.ruleSet
	p.generation = 1
	if old != nil {
		p.generation = old.generation + 1
	}
	suppressions := st.adoptSuppressions(p)
	rules := make([]*ruleState, len(p.rules))
	before := maps.Clone(st.byFingerprint)
	for i, c := range p.rules {
		rs := before[c.fingerprint]
		if delete(before, c.fingerprint); rs == nil {
			rs = newRuleState(c, st.opts, st.seed)
			rs.createdIn = p.generation
			if old != nil {
				rs.missedFrom = st.watermarks.now
			}
			rs.backfilling = old != nil && st.opts.backfill && !c.readsAlerts
		}
		rules[i] = rs
	}
	for _, rs := range st.rules {
		if before[rs.fingerprint] == rs {
			st.resolveRemoved(rs)
			st.persisted.deleteRule(rs)
		}
	}
	st.persisted.deleteSuppressions(st.suppressions, suppressions)
	st.rules, st.suppressions, st.live = rules, suppressions, 0
	st.byName, st.byFingerprint = make(map[string][]*ruleState), make(map[uint64]*ruleState)
	for i, rs := range rules {
		rs.compiledRule, rs.hoursSpan = p.rules[i], hoursSpan{}
		rs.counters = st.countersOf(rs.id)
		rs.suppressedBy = nil
		for _, s := range suppressions {
			if slices.Contains(rs.rule.SuppressedBy, s.rule.Name) {
				rs.suppressedBy = append(rs.suppressedBy, s)
			}
		}
		st.byName[rs.rule.Name] = append(st.byName[rs.rule.Name], rs)
		st.byFingerprint[rs.fingerprint] = rs
		st.live += rs.groups.live
	}
	st.reserveGroups()
	st.expireCounters()
	st.ruleSet = p
	for _, rs := range rules {
		if rs.started != always {
			st.expect(rs, max(rs.base, rs.started))
		}
	}
}

// adoptSuppressions returns the states of the suppressions of a set.
func (st *state) adoptSuppressions(p *ruleSet) []*suppressionState {
	states := make([]*suppressionState, len(p.suppressions))
	for i, c := range p.suppressions {
		states[i] = newSuppressionState(c)
		for _, before := range st.suppressions {
			if before.fingerprint == c.fingerprint {
				states[i].times, states[i].dirty = before.times, before.dirty
			}
		}
	}
	return states
}

// resolveRemoved ends the alerts and values of a rule that is gone.
func (st *state) resolveRemoved(rs *ruleState) {
	const reason = "the rule was changed or removed"
	for number := range rs.alerts {
		m := st.at(rs, number)
		a := m.g.alert
		if ep := a.early; ep != nil && !ep.byHand {
			a.early, ep.fellAt = nil, max(a.decidedTo, ep.startsAt)
			rs.count(a)
			m.transition(ep, models.AlertResolved, ep.fellAt, reason)
		}
		if a.phase != idle {
			a.conditionHolds = false
			m.resolve(max(a.decidedTo, a.startsAt), reason)
		}
	}
	st.recordValues(rs, true)
}

// notifyDeferred notifies alerts that were too old to be notified when they were found, but are
// still active now that the logs have been read to their end.
func (st *state) notifyDeferred(rs *ruleState, d topicsProgress) {
	if !rs.deferred || !d.caughtUp || d.replay ||
		st.watermarks.now-rs.watermark-1 > int64(st.opts.maxAlertAge) {
		return
	}
	rs.deferred = false
	seen := len(st.alertLogs) // by rules about alerts, which take no reminder for a transition
	for number := range rs.alerts {
		m := st.at(rs, number)
		ep := m.firingEpisode()
		if ep != nil && ep.notified == tooOld {
			m.remind(ep, "firing since before it could be notified")
		}
	}
	st.alertLogs = st.alertLogs[:seen]
}

// firingEpisode is the episode of the alert if it fires, else nil.
func (m *machine) firingEpisode() *episode {
	if ep, state := m.current(); state == models.AlertFiring {
		return ep
	}
	return nil
}

// lastDecided is the newest time that is known of an episode.
func (m *machine) lastDecided(ep *episode) int64 {
	return max(m.g.alert.decidedTo, ep.firedAt, m.u.watermark+1)
}

// remind notifies of an episode that fires already.
func (m *machine) remind(ep *episode, why string) {
	m.transition(ep, models.AlertFiring, m.lastDecided(ep), ep.edge.Reason+"; "+why)
}

// replaying reports whether a decision of a rule at an instant was made by an earlier run. What
// time causes is decided after logs were read, so a replay that has just ended still counts for the
// time before its end.
func (st *state) replaying(rs *ruleState, at int64) bool {
	replayed := int64(never)
	for p, pt := range st.watermarks.partitions {
		if pt.gone || rs.topics != nil && !rs.topics[p.Topic] ||
			rs.topics == nil && rs.excludedTopic != "" && p.Topic == rs.excludedTopic {
			continue
		}
		if pt.replay {
			return true
		}
		if pt.replayed != always {
			replayed = min(replayed, pt.replayed)
		}
	}
	return replayed != never && at <= replayed-rs.mostLateness()
}

// resolveOrphans resolves alerts whose rules were changed or removed while the engine was down.
func (st *state) resolveOrphans() {
	for _, s := range st.persisted.orphans {
		at := instant(max(s.at, s.Start))
		st.transitions = append(st.transitions, models.Alert{
			ID:         s.ID,
			Rule:       s.rule,
			Episode:    int64(s.Number),
			State:      models.AlertResolved,
			Reason:     "the rule was changed or removed",
			Labels:     s.Labels,
			Severity:   s.Labels["severity"],
			Value:      s.Edge.Value,
			Threshold:  s.Edge.Threshold,
			FiredValue: s.FiredValue,
			Peak:       s.Peak,
			At:         at,
			StartsAt:   instant(s.Start),
			EndsAt:     at,
			Count:      s.Count,
		})
	}
	st.persisted.orphans = nil
}
