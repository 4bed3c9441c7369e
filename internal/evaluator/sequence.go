package evaluator

import "github.com/log-monitoring/alert-engine/internal/rule"

// chain is the first and the last event of the steps of a sequence so far, as places in the logs
// of the view.
type chain struct{ first, last int }

// completed are the instants at which instances of the rule's sequence were completed, until now.
func (v *view) completed() (list []instant) {
	r := v.g.r
	var chains []chain
	var nots []rule.Step
	started := false
	for _, step := range r.Sequence {
		if step.Not {
			nots = append(nots, step)
			continue
		}
		next := map[chain]bool{}
		for _, p := range v.choices(step) {
			if !started {
				if v.logs[p.last].At-v.logs[p.first].At < int64(r.Within) {
					next[p] = true
				}
				continue
			}
			for _, c := range chains {
				if v.follows(c, p, step, nots) {
					next[chain{c.first, p.last}] = true
				}
			}
		}
		chains = nil
		for c := range next {
			chains = append(chains, c)
		}
		started, nots = true, nil
	}
	for _, c := range chains {
		if at, ok := v.end(c, nots); ok && at <= v.at {
			list = append(list, at)
		}
	}
	return list
}

// choices are the first and the last of every choice of events for one step.
func (v *view) choices(step rule.Step) (list []chain) {
	for i, first := range v.logs {
		if !v.g.matches(step.Match, first) {
			continue
		}
		n := 0
		for j := i; j < len(v.logs); j++ {
			if !v.g.matches(step.Match, v.logs[j]) {
				continue
			}
			n++
			if n >= step.Times && (step.Times > 1 || i == j) {
				list = append(list, chain{i, j})
			}
		}
	}
	return list
}

// follows reports whether events can be the next step of an instance.
func (v *view) follows(c, p chain, step rule.Step, nots []rule.Step) bool {
	if p.first <= c.last || v.logs[p.last].At-v.logs[c.first].At >= int64(v.g.r.Within) {
		return false
	}
	if step.Within > 0 && v.logs[p.last].At-v.logs[c.last].At >= int64(step.Within) {
		return false
	}
	for _, not := range nots {
		for _, l := range v.logs[c.last+1 : p.first] {
			if v.g.matches(not.Match, l) {
				return false
			}
		}
	}
	return true
}

// end is when an instance is completed whose events are all there: at once, or when what must not
// happen did not.
func (v *view) end(c chain, nots []rule.Step) (instant, bool) {
	last := v.logs[c.last].At
	at := last
	for _, not := range nots {
		within := int64(not.Within)
		if within == 0 {
			within = int64(v.g.r.Within)
		}
		at = max(at, last+within)
		for _, l := range v.logs[c.last+1:] {
			if l.At < last+within && v.g.matches(not.Match, l) {
				return 0, false
			}
		}
	}
	return at, true
}
