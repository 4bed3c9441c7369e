package alerting

import (
	"slices"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
)

// firingSpan is a time in which an alert fired, as it was decided at the watermark. The conditions
// of other rules ask about such spans, so they are kept for a while. An alert that fires early has
// none until it is confirmed: so what is asked does not depend on the order of the logs.
type firingSpan struct{ from, to int64 }

// maxFiringSpans is how many spans of a rule are kept for longer than a rule may ask about them.
const maxFiringSpans = 10_000

// openSpan notes that the alert of a group fires from an instant on.
func (rs *ruleState) openSpan(key string, from int64) {
	if !rs.observed {
		return
	}
	rs.firingSpans[key] = append(rs.firingSpans[key], firingSpan{from, never})
	rs.spans++
	rs.spanChanges++
	rs.changed = true
}

// closeSpan notes that the alert of a group has ceased to fire.
func (rs *ruleState) closeSpan(key string, to int64) {
	list := rs.firingSpans[key]
	if len(list) == 0 || list[len(list)-1].to != never {
		return
	}
	last := &list[len(list)-1]
	last.to = max(to, last.from)
	rs.spanChanges++
	rs.changed = true
}

// expireSpans drops the spans that no rule can ask about any more: they ended before an instant
// that all rules that ask have decided.
func (st *state) expireSpans(rs *ruleState) {
	if len(rs.firingSpans) == 0 {
		return
	}
	before := rs.watermark
	for _, other := range st.rules {
		if other.observes[rs.rule.Name] && !other.backfilling {
			before = min(before, other.watermark)
		}
	}
	if before == always { // one has not begun
		return
	}
	if rs.spans <= maxFiringSpans {
		before -= int64(rs.condition.Lookback()) + 24*60*minute
	}
	if before < rs.spansExpired+60*minute {
		return
	}
	rs.spansExpired = before
	for key, list := range rs.firingSpans {
		n := len(list)
		list = slices.DeleteFunc(list, func(s firingSpan) bool { return s.to < before })
		rs.spans -= n - len(list)
		if rs.firingSpans[key] = list; len(list) == 0 {
			delete(rs.firingSpans, key)
		}
	}
}

// environment is what the condition of one group may ask of the alerts of other rules.
type environment struct {
	state *state
	u     *ruleState
	g     *group
}

// Firing reports whether an alert of that name fires at an instant, for the labels that both rules
// have in common.
func (v environment) Firing(name string, at int64) bool {
	found := false
	v.each(name, func(s firingSpan) { found = found || s.from <= at && at < s.to })
	return found
}

// Change is the first instant after another at which Firing may change.
func (v environment) Change(name string, after int64) int64 {
	next := int64(window.Never)
	v.each(name, func(s firingSpan) {
		if s.from > after {
			next = min(next, s.from)
		}
		if s.to > after {
			next = min(next, s.to)
		}
	})
	return next
}

// each calls f for every span of the alerts of a name that have the values of this group in all
// labels that both rules have.
func (v environment) each(name string, f func(firingSpan)) {
	for _, other := range v.state.byName[name] {
		if len(other.firingSpans) == 0 || !v.u.sees(other.rule.Mode == rule.Shadow) {
			continue
		}
		if v.u.byStream() || other.byStream() {
			own := v.u.keyLabels(v.g.key)
			for key, list := range other.firingSpans {
				if agree(own, other.keyLabels(key)) {
					for _, s := range list {
						f(s)
					}
				}
			}
			continue
		}
		common := v.u.commonLabels(other.compiledRule)
		if len(common) == len(other.by) { // the key is known
			own := values(v.g.key, len(v.u.by))
			wanted := make([]string, len(other.by))
			for _, c := range common {
				wanted[c.theirs] = own[c.ours]
			}
			for _, s := range other.firingSpans[keyOf(wanted)] {
				f(s)
			}
			continue
		}
		own := values(v.g.key, len(v.u.by))
		for key, list := range other.firingSpans {
			theirs := values(key, len(other.by))
			if slices.ContainsFunc(
				common,
				func(c commonLabel) bool { return own[c.ours] != theirs[c.theirs] },
			) {
				continue
			}
			for _, s := range list {
				f(s)
			}
		}
	}
}

// sees reports whether a rule may see the alerts of another, which may be in shadow mode.
func (c *compiledRule) sees(shadow bool) bool { return !shadow || c.rule.Mode == rule.Shadow }

// agree reports whether two sets of labels have the same values of those that both have.
func agree(a, b map[string]string) bool {
	for name, value := range a {
		if other, ok := b[name]; ok && other != value {
			return false
		}
	}
	return true
}

// commonLabel is the place of a label in the keys of two rules.
type commonLabel struct{ ours, theirs int }

// commonLabels are the labels by which two rules group.
func (c *compiledRule) commonLabels(other *compiledRule) (common []commonLabel) {
	for i, l := range c.by {
		j := slices.IndexFunc(other.by, func(o byLabel) bool { return o.name == l.name })
		if j >= 0 {
			common = append(common, commonLabel{i, j})
		}
	}
	return common
}

// values are the values of the labels in a key.
func values(key string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i], key = cutText(key)
	}
	return list
}

// observedChanges counts the changes of the alerts that a rule asks about.
func (st *state) observedChanges(rs *ruleState) (n int64) {
	for name := range rs.observes {
		for _, other := range st.byName[name] {
			n += other.spanChanges
		}
	}
	return n
}
