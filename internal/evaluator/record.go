package evaluator

import (
	"maps"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Value is what a record says at an instant.
type Value struct {
	Rule   string
	Labels map[string]string
	At     time.Time
	Value  Number
	Gone   bool // there is no value from then on
}

// Values returns the values of all records, each group's in the order of time.
func Values(set *Rules, logs []*Log, course Course) (list []Value) {
	e := newEvaluation(set, logs, course)
	for _, r := range set.Rules {
		if !r.Record || r.Mode == rule.Off {
			continue
		}
		groups := e.groups(r, e.source(r))
		for _, key := range slices.Sorted(maps.Keys(groups)) {
			list = append(list, groups[key].values()...)
		}
	}
	return list
}

// values are what a record says of one group: with every, at each multiple of it, and else at the
// whole seconds at which the value is another one; as long as the window holds logs. Once it has
// run empty the value is that of nothing, and then there is none.
func (g *group) values() (list []Value) {
	step := int64(g.r.Every)
	if step == 0 {
		step = second
	}
	labels := maps.Clone(g.labels)
	maps.Copy(labels, g.r.Labels)
	var written Number
	if len(g.logs) == 0 {
		return nil
	}
	for at := roundUp(g.logs[0].At, step); at <= g.e.end; at += step {
		lives := g.lives(at)
		i := slices.IndexFunc(lives, func(l life) bool { return at >= l.from && at < l.to })
		if i < 0 {
			continue
		}
		v := g.look(at, lives[i])
		holds := len(v.within(nil, at-int64(g.r.Window), at)) > 0
		if !holds && !written.Defined() {
			continue
		}
		n := v.number(g.r.When)
		if n.infinite { // which no record can say
			n = Number{}
		}
		if n.Defined() &&
			(!holds || g.r.Every > 0 || !written.Defined() || !compare("==", n, written)) {
			list = append(list, Value{g.r.ID(), labels, timeOf(at), n, false})
			written = n
		}
		if written.Defined() && (!holds || !n.Defined()) {
			list = append(list, Value{g.r.ID(), labels, timeOf(at), Number{}, true})
			written = Number{}
		}
	}
	return list
}
