package alerting

import (
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// SetRules replaces the rules. Rules that mean the same as before keep what they have seen; others
// startRule anew, and alerts of those that are gone are over. After an error everything is as it
// was. It may be called while logs are evaluated.
func (e *Engine) SetRules(set *rule.Set) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	p, err := e.compile(set)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.adopt(p)
	e.unlockAndEmit()
	return nil
}

// adopt makes a program the one that counts, and moves on to it what the rules have seen that are
// still the same.
func (e *Engine) adopt(p *ruleSet) {
	old := e.ruleSet.Load()
	p.byName = make(map[string][]*ruleState)
	for _, rs := range p.rules {
		rs.counters = e.countersOf(rs.id)
		p.byName[rs.rule.Name] = append(p.byName[rs.rule.Name], rs)
		p.readsAlerts = p.readsAlerts || rs.readsAlerts
		for _, name := range rs.rule.SuppressedBy {
			for _, s := range p.suppressions {
				if s.rule.Name == name {
					rs.suppressedBy = append(rs.suppressedBy, s)
				}
			}
		}
	}
	if old != nil {
		e.inherit(old, p)
	}
	for _, rs := range p.rules {
		for name := range rs.observes {
			for _, other := range p.byName[name] {
				other.observed = true
			}
		}
	}
	e.ruleSet.Store(p)
	e.live = 0
	for _, rs := range p.rules {
		e.live += rs.groups.live
	}
	for _, rs := range p.rules {
		if rs.started != always {
			e.expect(rs, max(rs.base, rs.started))
		}
	}
}

// inherit moves the state of rules and suppressions on.
func (e *Engine) inherit(old, p *ruleSet) {
	units := make(map[uint64]*ruleState)
	for _, rs := range p.rules {
		units[rs.fingerprint] = rs
	}
	for _, rs := range old.rules {
		rs.retired = true
		if next := units[rs.fingerprint]; next != nil {
			next.state, rs.successor = rs.state, next
			delete(units, rs.fingerprint)
			continue
		}
		e.resolveRemoved(rs)
	}
	for _, rs := range units {
		rs.backfilling = e.opts.backfill && !rs.readsAlerts
	}
	for _, s := range p.suppressions {
		for _, before := range old.suppressions {
			if before.fingerprint == s.fingerprint {
				s.suppressionState = before.suppressionState
			}
		}
	}
	e.persisted.deleteRemoved(old, p)
	e.expireCounters(p)
}

// resolveRemoved ends the alerts and values of a rule that is gone.
func (e *Engine) resolveRemoved(rs *ruleState) {
	for number := range rs.alerts {
		m := e.at(rs, number)
		if m.g.alert.phase != idle {
			at := max(m.g.alert.decidedTo, m.g.alert.startsAt)
			m.g.alert.conditionHolds = false
			m.resolve(at, "the rule was changed or removed")
		}
	}
	e.recordValues(rs, true)
}

// notifyDeferred tells of alerts again that were too old to be told when they were found, but are
// still up now that the logs are read to their end: nobody has heard of them.
func (e *Engine) notifyDeferred(rs *ruleState, d topicsProgress) {
	if !rs.deferred || !d.caughtUp || d.replay ||
		e.watermarks.now-rs.watermark > int64(e.opts.maxAlertAge) {
		return
	}
	rs.deferred = false
	for number := range rs.alerts {
		m := e.at(rs, number)
		if a := m.g.alert; a.phase == firing && a.notified == tooOld && e.ours(rs, number) {
			m.transition(
				models.AlertFiring,
				max(a.decidedTo, a.firedAt, m.watermark()),
				a.edge.Reason+"; firing since before it could be notified",
			)
		}
	}
}

// replaying says whether what a rule decides of a group at an instant was decided by an earlier
// run. What time brings about is decided when logs have been read, so a replay that has just ended
// is not over for what lies before its end.
func (e *Engine) replaying(rs *ruleState, number uint32, at int64) bool {
	if owner := rs.owner(number); owner != noPartition {
		pt := e.watermarks.byID[owner]
		return pt.replay || pt.replayed != always && at <= pt.replayed-rs.lateness()
	}
	replayed := int64(never)
	for p, pt := range e.watermarks.partitions {
		if rs.topics != nil && !rs.topics[p.Topic] ||
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
	return replayed != never && at <= replayed-rs.lateness()
}

// resolveOrphans tells that the alerts are over whose rules were changed or removed while the
// engine was away.
func (e *Engine) resolveOrphans() {
	for _, s := range e.persisted.orphans {
		at := instant(max(s.At, s.Start))
		e.transitions = append(e.transitions, models.Alert{
			ID: s.ID, Rule: s.Rule, Episode: s.Episode, State: models.AlertResolved, Reason: "the rule was changed or removed", Labels: s.Labels, Severity: s.Labels["severity"],
			Value: s.Edge.Value, Threshold: s.Edge.Threshold, At: at, StartsAt: instant(s.Start), EndsAt: at, Count: s.Count, Home: s.home,
		})
	}
	e.persisted.orphans = nil
}
