package alerting

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A rule that is new knows nothing: its window is empty though the logs that would fill it lie in
// the topic. With WithWarming such a rule waits, and whoever feeds the engine has a scratch engine,
// which has the rules that wait and nothing else, read those logs beside it. When both have read
// exactly as far, Adopt moves what the scratch engine has seen into the engine, and the rules are
// live: each log has counted once, before the move there and after it here.
//
// The engine has to stand still meanwhile: no scan that was made before the rules came may be
// applied after the move, for it says nothing of them.

// deepest is how far back a rule reads at most.
const deepest = 28 * 24 * time.Hour

// reach is how far back logs matter to a unit that is new.
func (u *unit) reach() time.Duration {
	return min(
		max(u.plan.Retention(), u.rule.Remember)+u.rule.For+time.Duration(u.lateness()),
		deepest,
	)
}

// LookBack is how far back the logs lie that a rule asks for: those of its window or sequence,
// those that it compares them with, and those that it learns from. It is 0 for a rule that does not
// compile, and for one whose logs are the transitions of others, which have no past in a topic.
func LookBack(r *rule.Rule) time.Duration {
	c := *r
	// for which a sequence counts that was completed, not for which it is looked for
	c.Resolve.After = 0
	plan, err := window.Compile(conditionOf(&c))
	if err != nil || r.Source == alertsSource {
		return 0
	}
	return plan.Retention()
}

// warming are the units that wait for their past.
func (p *program) warming() []*unit {
	var list []*unit
	for _, u := range p.units {
		if u.warming {
			list = append(list, u)
		}
	}
	return list
}

// RuleIDs are the IDs of all rules that are not off.
func (e *Engine) RuleIDs() []string {
	var ids []string
	for _, u := range e.program.Load().units {
		ids = append(ids, u.id)
	}
	return ids
}

// Scratch makes an engine of the rules that wait for their past, and says how much of it they need;
// nil when none waits. What it decides is told nobody.
func (e *Engine) Scratch() (*Engine, time.Duration) {
	e.mu.Lock()
	p := e.program.Load()
	waiting := p.warming()
	e.mu.Unlock()
	if len(waiting) == 0 {
		return nil, 0
	}
	set := *p.set
	set.Rules = nil
	past := time.Duration(0)
	for _, u := range waiting {
		set.Rules, past = append(set.Rules, u.rule), max(past, u.reach())
	}
	return NewEngine(func(o *options) {
		*o = e.opts
		o.rules, o.registerer, o.warming, o.emit = &set, nil, false, func(models.Alert) {}
		if o.recorded != nil {
			o.recorded = func(models.Recorded) {}
		}
	}), past
}

// Awaits says whether the rules that wait are exactly those of a scratch engine, which a further
// change of the rules may have left behind.
func (e *Engine) Awaits(scratch *Engine) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting, has := e.program.Load().warming(), scratch.byFingerprint()
	for _, u := range waiting {
		if has[u.fingerprint] == nil {
			return false
		}
	}
	return len(waiting) == len(has)
}

func (e *Engine) byFingerprint() map[uint64]*unit {
	units := make(map[uint64]*unit)
	for _, u := range e.program.Load().units {
		units[u.fingerprint] = u
	}
	return units
}

// Adopt moves what the rules of a scratch engine have seen to the same rules here, which wait for
// it, and has them go live. Both have read exactly the same logs of every partition. What was
// decided of the past stays untold, but what still holds is told now, as by a rule that fires. The
// scratch engine is gone afterwards. Why is what kept it from reading all of the past, if something
// did.
func (e *Engine) Adopt(scratch *Engine, why string) {
	e.mu.Lock()
	scratch.mu.Lock()
	scratch.times.follow(&e.times)
	scratch.move()
	seen := scratch.byFingerprint()
	owners := e.times.enrolled(&scratch.times)
	scratch.mu.Unlock()
	for _, u := range e.program.Load().warming() {
		if past := seen[u.fingerprint]; past != nil {
			e.warmed(u, past, owners)
			u.cold = why
		}
	}
	e.unlock()
}

// warmed has a unit go live with the past, none of which was ever saved, so that all of it is
// marked to be. An alert that is up was told nobody; if people are not to hear of it yet, because
// the engine itself is in the past, they will be reminded of it when all is read.
func (e *Engine) warmed(u *unit, past *unit, owners []owner) {
	u.state = past.state
	if len(owners) > 0 {
		u.groups.each(func(number uint32, _ *group) { u.own(number, owners[u.owner(number)]) })
	}
	u.goOn(past.numbers)
	u.changed = true
	e.live += u.groups.live
	for number := range u.open {
		l := e.at(u, number)
		a := l.g.alert
		at := max(a.at, a.fired, l.watermark())
		switch {
		case a.phase != up:
		case e.replaying(u, number, at):
			a.told, u.unheard = recorded, true
		default:
			a.told = nothing
			l.tell(models.AlertFiring, at, a.edge.Reason+"; up since before the rule was read")
		}
	}
	e.tellValues(u, false)
}

// GoLive has the rules of a scratch engine begin without their past, or all that wait when it is
// nil. Why is part of their status until they have a past of their own; it is empty when there is
// none to miss.
func (e *Engine) GoLive(scratch *Engine, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range e.program.Load().warming() {
		if scratch == nil || scratch.byFingerprint()[u.fingerprint] != nil {
			u.warming, u.cold = false, why
		}
	}
}

// follow takes over how far time has come elsewhere, and which partitions are ours. Whatever is
// decided up to there belongs to the past. When the first log was is not taken over: the rules have
// only looked since they began to read.
func (t *timekeeper) follow(other *timekeeper) {
	t.now, t.advanced = other.now, other.advanced
	for p, from := range other.partitions {
		pt := t.partition(p)
		pt.base, pt.reached = max(pt.base, from.base), max(pt.reached, from.reached)
		pt.caughtUp, pt.replay, pt.direct, pt.ours = from.caughtUp, true, 0, from.ours
	}
}

// enrolled are the numbers that partitions have here, by those that they have elsewhere.
func (t *timekeeper) enrolled(elsewhere *timekeeper) []owner {
	numbers := make([]owner, len(elsewhere.owners))
	for i, pt := range elsewhere.owners {
		if pt != nil {
			numbers[i] = t.partition(pt.name).number
		}
	}
	return numbers
}
