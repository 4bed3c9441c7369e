package alerting

import (
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// SetRules replaces the rules. Rules that mean the same as before keep what they have seen; others
// begin anew, and alerts of those that are gone are over. After an error everything is as it was.
// It may be called while logs are evaluated.
func (e *Engine) SetRules(set *rule.Set) error {
	e.changing.Lock()
	defer e.changing.Unlock()
	p, err := e.compile(set)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.adopt(p)
	e.unlock()
	return nil
}

// adopt makes a program the one that counts, and moves on to it what the rules have seen that are
// still the same.
func (e *Engine) adopt(p *program) {
	old := e.program.Load()
	p.byName = make(map[string][]*unit)
	for _, u := range p.units {
		u.numbers = e.numbersOf(u.id)
		p.byName[u.rule.Name] = append(p.byName[u.rule.Name], u)
		p.feeds = p.feeds || u.readsAlerts
		for _, name := range u.rule.SuppressedBy {
			for _, s := range p.suppressions {
				if s.rule.Name == name {
					u.mutedBy = append(u.mutedBy, s)
				}
			}
		}
	}
	if old != nil {
		e.inherit(old, p)
	}
	for _, u := range p.units {
		for name := range u.asks {
			for _, other := range p.byName[name] {
				other.asked = true
			}
		}
	}
	e.program.Store(p)
	e.live = 0
	for _, u := range p.units {
		e.live += u.groups.live
	}
	for _, u := range p.units {
		if u.start != always {
			e.expect(u, max(u.base, u.start))
		}
	}
}

// inherit moves the state of rules and suppressions on.
func (e *Engine) inherit(old, p *program) {
	units := make(map[uint64]*unit)
	for _, u := range p.units {
		units[u.fingerprint] = u
	}
	for _, u := range old.units {
		u.retired = true
		if next := units[u.fingerprint]; next != nil {
			next.state, u.successor = u.state, next
			delete(units, u.fingerprint)
			continue
		}
		e.retire(u)
	}
	for _, u := range units {
		u.warming = e.opts.warming && !u.readsAlerts
	}
	for _, s := range p.suppressions {
		for _, before := range old.suppressions {
			if before.fingerprint == s.fingerprint {
				s.muting = before.muting
			}
		}
	}
	e.kept.gone(old, p)
	e.expireNumbers(p)
}

// retire ends the alerts and values of a rule that is gone.
func (e *Engine) retire(u *unit) {
	for number := range u.open {
		l := e.at(u, number)
		if l.g.alert.phase != idle {
			at := max(l.g.alert.at, l.g.alert.start)
			l.g.alert.raw = false
			l.resolve(at, "the rule was changed or removed")
		}
	}
	e.tellValues(u, true)
}

// remind tells of alerts again that were too old to be told when they were found, but are still up
// now that the logs are read to their end: nobody has heard of them.
func (e *Engine) remind(u *unit, d domain) {
	if !u.unheard || !d.caughtUp || d.replay ||
		e.times.now-u.watermark > int64(e.opts.maxAlertAge) {
		return
	}
	u.unheard = false
	for number := range u.open {
		l := e.at(u, number)
		if a := l.g.alert; a.phase == up && a.told == recorded && e.ours(u, number) {
			l.tell(
				models.AlertFiring,
				max(a.at, a.fired, l.watermark()),
				a.edge.Reason+"; up since before it could be told",
			)
		}
	}
}

// replaying says whether what a unit decides of a group at an instant was decided by an earlier
// run. What time brings about is decided when logs have been read, so a replay that has just ended
// is not over for what lies before its end.
func (e *Engine) replaying(u *unit, number uint32, at int64) bool {
	if owner := u.owner(number); owner != nobody {
		pt := e.times.owners[owner]
		return pt.replay || pt.replayed != always && at <= pt.replayed-u.lateness()
	}
	replayed := int64(never)
	for p, pt := range e.times.partitions {
		if u.topics != nil && !u.topics[p.Topic] ||
			u.topics == nil && u.except != "" && p.Topic == u.except {
			continue
		}
		if pt.replay {
			return true
		}
		if pt.replayed != always {
			replayed = min(replayed, pt.replayed)
		}
	}
	return replayed != never && at <= replayed-u.lateness()
}

// bury tells that the alerts are over whose rules were changed or removed while the engine was
// away.
func (e *Engine) bury() {
	for _, s := range e.kept.orphans {
		at := instant(max(s.At, s.Start))
		e.out = append(e.out, models.Alert{
			ID: s.ID, Rule: s.Rule, Episode: s.Episode, State: models.AlertResolved, Reason: "the rule was changed or removed", Labels: s.Labels, Severity: s.Labels["severity"],
			Value: s.Edge.Value, Threshold: s.Edge.Threshold, At: at, StartsAt: instant(s.Start), EndsAt: at, Count: s.Count, Home: s.home,
		})
	}
	e.kept.orphans = nil
}
