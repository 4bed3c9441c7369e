package window

import (
	"cmp"
	"math"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// expr is a number that a condition computes at an instant; NaN when it is undefined.
type expr interface{ value(x *instant) float64 }

// truth is what a condition amounts to at an instant.
type truth interface {
	holds(x *instant) bool
	// decider is the comparison because of which it holds or does not: the leftmost that would do
	// alone.
	decider(x *instant) *comparison
	// leading is the comparison whose left side is the value of the alert: the first one, of
	// several that are joined by or the first that holds.
	leading(x *instant) *comparison
}

// instant is a group at one instant.
type instant struct {
	p   *Condition
	g   *Group
	v   *view
	at  int64
	env Env

	empty  bool // there is no group: nothing was ever seen,
	firing bool // and this is what firing says
}

// mayHoldOfNothing says whether a condition may hold for an empty window, depending on what other
// alerts do.
func mayHoldOfNothing(p *Condition, t truth) bool {
	return t.holds(&instant{p: p, empty: true}) ||
		t.holds(&instant{p: p, empty: true, firing: true})
}

type constant float64

func (c constant) value(*instant) float64 { return float64(c) }

type negative struct{ of expr }

func (n negative) value(x *instant) float64 { return -n.of.value(x) }

// arithmetic joins numbers; a division by zero is undefined.
type arithmetic struct {
	op          string
	left, right expr
}

func (a *arithmetic) value(x *instant) float64 {
	left, right := a.left.value(x), a.right.value(x)
	switch a.op {
	case "+":
		return left + right
	case "-":
		return left - right
	case "*":
		return left * right
	}
	if right == 0 {
		return math.NaN()
	}
	return left / right
}

// comparison holds when both of its sides are defined and compare as asked.
type comparison struct {
	op          string
	left, right expr
	want        bool // what it must be: of not, false
	// it holds for an empty window, and is undefined until the key was known for one
	undefinedAtFirst bool
	// the left side if it counts different values, and the right one is a constant
	many *call
	// the side that is an age, whether it is the right one, and the constant in nanoseconds
	age      *call
	ageRight bool
	ageLimit int64
	limit    string // the right side as it was written, if it is a constant
	scale    float64
}

func (c *comparison) decider(*instant) *comparison { return c }

func (c *comparison) leading(*instant) *comparison { return c }

func (c *comparison) holds(x *instant) bool {
	if c.undefinedAtFirst && !x.empty && x.at < x.g.state.known+x.p.window {
		return false
	}
	return c.compare(x) == c.want
}

func (c *comparison) compare(x *instant) bool {
	switch {
	case c.age != nil && c.ageRight:
		return rule.Satisfies(cmp.Compare(c.ageLimit, c.age.age(x)), c.op)
	case c.age != nil:
		return rule.Satisfies(cmp.Compare(c.age.age(x), c.ageLimit), c.op)
	case c.many != nil && !x.empty && c.many.exceeds(x, float64(c.right.(constant))):
		// it need not be known by how much
		return rule.Compare(float64(x.p.exactly+1), c.op, c.right.value(x))
	}
	return rule.Compare(c.left.value(x), c.op, c.right.value(x))
}

type conjunction struct{ left, right truth }

func (c *conjunction) holds(x *instant) bool { return c.left.holds(x) && c.right.holds(x) }

func (c *conjunction) decider(x *instant) *comparison {
	if c.left.holds(x) && !c.right.holds(x) {
		return c.right.decider(x)
	}
	return cmp.Or(c.left.decider(x), c.right.decider(x))
}

func (c *conjunction) leading(x *instant) *comparison {
	return cmp.Or(c.left.leading(x), c.right.leading(x))
}

type disjunction struct{ left, right truth }

func (d *disjunction) holds(x *instant) bool { return d.left.holds(x) || d.right.holds(x) }

func (d *disjunction) decider(x *instant) *comparison {
	if !d.left.holds(x) && d.right.holds(x) {
		return d.right.decider(x)
	}
	return cmp.Or(d.left.decider(x), d.right.decider(x))
}

func (d *disjunction) leading(x *instant) *comparison {
	if !d.left.holds(x) && d.right.holds(x) {
		return cmp.Or(d.right.leading(x), d.left.leading(x))
	}
	return cmp.Or(d.left.leading(x), d.right.leading(x))
}

// firing holds while another alert fires, or, if that is not wanted, while it does not.
type firing struct {
	alert string
	want  bool
}

func (f *firing) decider(*instant) *comparison { return nil }

func (f *firing) leading(*instant) *comparison { return nil }

func (f *firing) holds(x *instant) bool {
	if x.empty {
		return x.firing == f.want
	}
	return (x.env != nil && x.env.Firing(f.alert, x.at)) == f.want
}
