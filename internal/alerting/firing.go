package alerting

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/window"
)

// firingSpan is a stretch in which an alert was up, kept for a while for the rules whose condition
// asks about it.
type firingSpan struct {
	key      string
	from, to int64
}

const maxFiringSpans = 10_000 // stretches of a rule that are kept

// environment is what the condition of one group may ask of the rest of the world.
type environment struct {
	engine *Engine
	u      *ruleState
	g      *group
}

// Firing says whether an alert of that name was up at an instant, for the labels that both rules
// have in common.
func (v environment) Firing(name string, at int64) bool {
	found := false
	v.each(name, func(from, to int64) {
		found = found || from <= at && at < to
	})
	return found
}

// Change is the first instant after another at which Firing may change.
func (v environment) Change(name string, after int64) int64 {
	next := int64(window.Never)
	v.each(name, func(from, to int64) {
		if from > after {
			next = min(next, from)
		}
		if to > after {
			next = min(next, to)
		}
	})
	return next
}

// each calls f for every stretch in which an alert of that name was up, or is.
func (v environment) each(name string, f func(from, to int64)) {
	for _, other := range v.engine.rulesNamed(name) {
		shares := v.shares(other)
		for number := range other.alerts {
			if g := other.groups.at(number); g.alert.phase == firing && shares(g.key) {
				f(g.alert.firedAt, never)
			}
		}
		for _, p := range other.firingSpans {
			if shares(p.key) {
				f(p.from, p.to)
			}
		}
	}
}

// shares returns a function that says whether a group of another rule has the values of this group
// in all labels that both rules have.
func (v environment) shares(other *ruleState) func(key string) bool {
	own := v.u.groupLabels(v.g.key)
	var common []string
	for _, l := range other.rule.By {
		if slices.ContainsFunc(v.u.by, func(b byLabel) bool { return b.name == l.Name }) {
			common = append(common, l.Name)
		}
	}
	return func(key string) bool {
		labels := other.groupLabels(key)
		for _, name := range common {
			if own[name] != labels[name] {
				return false
			}
		}
		return true
	}
}

// rulesNamed are the rules of a name.
func (e *Engine) rulesNamed(name string) []*ruleState { return e.byName[name] }

// keepFiringSpan keeps the stretch of an alert that is over, if a rule asks about it.
func (rs *ruleState) keepFiringSpan(g *group, to int64) {
	if !rs.observed {
		return
	}
	rs.firingSpans = append(rs.firingSpans, firingSpan{g.key, g.alert.firedAt, to})
	before := rs.watermark - int64(rs.condition.Lookback()) - 24*60*minute
	rs.firingSpans = slices.DeleteFunc(rs.firingSpans, func(f firingSpan) bool { return f.to < before })
	if n := len(rs.firingSpans); n > maxFiringSpans {
		rs.firingSpans = slices.Delete(rs.firingSpans, 0, n-maxFiringSpans)
	}
	rs.changed = true
}
