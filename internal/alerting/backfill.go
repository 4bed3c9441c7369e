package alerting

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A new rule has no past: its window is empty though the logs that would fill it are in the topic.
// With WithBackfill such a rule waits, and the caller feeds those logs to a backfill engine, which
// holds the waiting rules only. When both have read exactly as far, FinishBackfill moves the state
// of the backfill engine into the engine, and the rules are live: each log has counted once, before
// the move there and after it here.
//
// The engine must not be fed in the meantime: a scan made before the rules were added must not be
// applied after the move, since it lacks them.

// maxBackfill is how far back a rule reads at most.
const maxBackfill = 28 * 24 * time.Hour

// backfillSpan is how far back logs matter to a rule that is new.
func (c *compiledRule) backfillSpan() time.Duration {
	return min(
		max(c.condition.Lookback(), c.rule.Remember)+c.rule.For+time.Duration(c.mostLateness()),
		maxBackfill,
	)
}

// Lookback is how far back the logs lie that a rule asks for: those of its window or sequence,
// those that it compares them with, and those that it learns from. It is 0 for a rule that does not
// compile, and for one whose logs are the transitions of others, which have no past in a topic.
func Lookback(r *rule.Rule) time.Duration {
	c := *r
	// for which a sequence counts that was completed, not for which it is looked for
	c.Resolve.After = 0
	plan, err := window.Compile(conditionOf(&c))
	if err != nil || r.Source == alertsSource {
		return 0
	}
	return plan.Lookback()
}

// backfilling are the rules that wait for their past.
func (st *state) backfilling() []*ruleState {
	var list []*ruleState
	for _, rs := range st.rules {
		if rs.backfilling {
			list = append(list, rs)
		}
	}
	return list
}

// RuleIDs are the IDs of all rules that are not off.
func (e *Engine) RuleIDs() []string {
	var ids []string
	for _, c := range e.scanners.ruleSet.Load().rules {
		ids = append(ids, c.id)
	}
	return ids
}

// BackfillEngine makes an engine of the rules that wait for their past, and returns how much of it
// they need; nil when none waits. Its decisions are not notified.
func (e *Engine) BackfillEngine() (*Engine, time.Duration) {
	e.mu.Lock()
	p := e.scanners.ruleSet.Load()
	waiting := e.state.backfilling()
	e.mu.Unlock()
	if len(waiting) == 0 {
		return nil, 0
	}
	set := *p.set
	set.Rules = nil
	past := time.Duration(0)
	for _, rs := range waiting {
		set.Rules, past = append(set.Rules, rs.rule), max(past, rs.backfillSpan())
	}
	scratch := NewEngine(func(o *options) {
		*o = e.opts
		o.rules, o.registerer, o.backfill, o.emit = &set, nil, false, func(models.Alert) {}
		if o.recorded != nil {
			o.recorded = func(models.Recorded) {}
		}
	})
	scratch.state.watermarks.replays = true
	return scratch, past
}

// BackfillCurrent reports whether the rules that wait are exactly those of a backfill engine, which
// a further change of the rules may have left behind.
func (e *Engine) BackfillCurrent(scratch *Engine) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting, has := e.state.backfilling(), scratch.state.byFingerprint
	for _, rs := range waiting {
		if has[rs.fingerprint] == nil {
			return false
		}
	}
	return len(waiting) == len(has)
}

// FinishBackfill moves the state of a backfill engine's rules to the same rules here, which wait
// for it, and makes them live. Both must have read exactly the same logs of every partition. Alerts
// that resolved in the past are not notified; alerts that are still active are, like those of a
// rule that fires now. The backfill engine must not be used afterwards. Why is the reason for which
// not all of the past was read, if there is one.
func (e *Engine) FinishBackfill(scratch *Engine, why string) {
	e.mu.Lock()
	scratch.mu.Lock()
	scratch.state.watermarks.follow(&e.state.watermarks)
	scratch.state.advance()
	seen := scratch.state.byFingerprint
	scratch.mu.Unlock()
	for _, rs := range e.state.backfilling() {
		if past := seen[rs.fingerprint]; past != nil {
			e.state.finishRule(rs, past, why)
		}
	}
	e.unlockAndEmit()
}

// finishRule makes a rule live with its past. Nothing of it was ever saved, so all of it is marked
// to be saved. Active alerts have not been notified; if the engine itself is still in the past,
// they are notified when all is read.
func (st *state) finishRule(rs, past *ruleState, why string) {
	counters := past.counters
	past.compiledRule, past.createdIn, past.counters = rs.compiledRule, rs.createdIn, rs.counters
	past.suppressedBy, past.values, past.backfilling = rs.suppressedBy, rs.values, false
	past.missedFrom = rs.missedFrom
	st.rules[rs.index], st.byFingerprint[rs.fingerprint] = past, past
	same := st.byName[rs.rule.Name]
	same[slices.Index(same, rs)] = past
	rs = past
	rs.continueCounters(counters)
	rs.changed, rs.backfillError = true, why
	st.live += rs.groups.live
	for number := range rs.alerts {
		m := st.at(rs, number)
		m.g.alert.notified = notNotified
		ep := m.firingEpisode()
		switch {
		case ep == nil:
		case st.replaying(rs, m.lastDecided(ep)):
			ep.notified, rs.deferred = tooOld, true
			m.passOn(m.alertOf(ep, models.AlertFiring, m.lastDecided(ep), ep.edge.Reason))
		default:
			ep.notified = notNotified
			m.remind(ep, "firing since before the rule was loaded")
		}
	}
	st.recordValues(rs, false)
}

// SkipBackfill makes the rules of a backfill engine begin without their past, or all that wait when
// it is nil. Why is part of their status until they have a past of their own; it is empty when
// there is no past to miss.
func (e *Engine) SkipBackfill(scratch *Engine, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, rs := range e.state.backfilling() {
		if scratch == nil || scratch.state.byFingerprint[rs.fingerprint] != nil {
			rs.backfilling, rs.backfillError = false, why
			rs.changed = true // what was never saved is found new after a restart
		}
	}
}

// follow takes over how far time has come elsewhere. Whatever is decided up to there belongs to the
// past. When the first log was is not taken over: the rules have only looked since they began to
// read.
func (t *watermarks) follow(other *watermarks) {
	t.now, t.advanced = other.now, other.advanced
	for p, from := range other.partitions {
		if from.gone {
			continue
		}
		pt := t.partition(p)
		pt.base, pt.reached = max(pt.base, from.base), max(pt.reached, from.reached)
		pt.lateness, pt.watermark = from.lateness, max(pt.watermark, from.watermark)
		pt.caughtUp, pt.replay, pt.direct = from.caughtUp, true, 0
	}
}
