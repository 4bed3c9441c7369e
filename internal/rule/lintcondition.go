package rule

import (
	"math"

	"github.com/log-monitoring/alert-engine/internal/number"
)

// holdsWithoutLogs: a condition that holds when no log at all matches, and does not ask for
// silence, is a comparison of zero with zero.
func (l *linter) holdsWithoutLogs(r *Rule) {
	if r.When != nil && !r.Record && holdsEmpty(r.When, false) {
		l.report(r, "when", "add a minimum, as in: and count() > 0",
			"the condition holds when no log matches at all")
	}
}

// holdsEmpty reports whether a condition, or its negation, holds for a group that is known and has
// no logs. A comparison that asks for silence, such as count() < 5, is meant and does not count.
func holdsEmpty(c Condition, negated bool) bool {
	switch c := c.(type) {
	case *Unary:
		return holdsEmpty(c.Of, !negated)
	case *Binary:
		switch {
		case c.Op == "and" && !negated, c.Op == "or" && negated:
			return holdsEmpty(c.Left, negated) && holdsEmpty(c.Right, negated)
		case c.Op == "and", c.Op == "or":
			return holdsEmpty(c.Left, negated) || holdsEmpty(c.Right, negated)
		}
		if !negated && asksForSilence(c) {
			return false
		}
		return comparesEmpty(c) != negated
	}
	return negated // firing()
}

// asksForSilence reports whether a comparison holds a number of logs to a constant that nothing
// reaches.
func asksForSilence(b *Binary) bool {
	call := func(c Condition) bool {
		_, ok := c.(*Call)
		return ok
	}
	number := func(c Condition) bool {
		_, ok := c.(*Number)
		return ok
	}
	measured := func(c Condition) bool {
		scaled, ok := c.(*Binary)
		return call(c) || ok && (scaled.Op == "*" || scaled.Op == "/") &&
			(call(scaled.Left) && number(scaled.Right) || number(scaled.Left) && call(scaled.Right))
	}
	return measured(b.Left) && number(b.Right) || number(b.Left) && measured(b.Right)
}

// Compare is the truth of a comparison of two numbers, as number.Compare orders them. It is false
// when one is undefined.
func Compare(left float64, op string, right float64) bool {
	if math.IsNaN(left) || math.IsNaN(right) {
		return false
	}
	return Satisfies(number.Compare(left, right), op)
}

// Satisfies reports whether an order, as cmp.Compare returns it, is the one that an operator asks
// for.
func Satisfies(c int, op string) bool {
	switch op {
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case "==":
		return c == 0
	}
	return c != 0
}

// comparesEmpty is the truth of a comparison without logs.
func comparesEmpty(b *Binary) bool {
	return Compare(emptyValue(b.Left), b.Op, emptyValue(b.Right))
}

// emptyValue is a number without logs, NaN when it is undefined.
func emptyValue(c Condition) float64 {
	switch c := c.(type) {
	case *Number:
		return c.Value
	case *Unary:
		return -emptyValue(c.Of)
	case *Binary:
		left, right := emptyValue(c.Left), emptyValue(c.Right)
		switch {
		case c.Op == "+":
			return left + right
		case c.Op == "-":
			return left - right
		case c.Op == "*":
			return left * right
		case right == 0:
			return math.NaN()
		}
		return left / right
	case *Call:
		switch c.Func {
		case "count", "rate", "distinct", "new", "changed":
			return 0
		}
	}
	return math.NaN()
}

// slashValue: a text between slashes is an expression, or a path.
func (l *linter) slashValue(r *Rule) {
	l.leaves(r, func(leaf *Leaf) {
		switch {
		case !leaf.Slashes:
		case leaf.Op == OpRegexp:
			l.reportAt(r, leaf.Pos, "quote it to compare the whole text, or write "+leaf.Field+":*"+
				leaf.Regexp.String()+"* to search for it",
				"%s:/%s/ is a regular expression, which matches anywhere", leaf.Field, leaf.Regexp)
		default:
			l.reportAt(r, leaf.Pos, "quote it to say so, or write "+leaf.Field+":"+leaf.Text+
				"* for what is below it", "%s:%s is a path and not a regular expression",
				leaf.Field, leaf.Text)
		}
	})
}

// leaves calls f for the leaves of all queries of a rule.
func (l *linter) leaves(r *Rule, f func(*Leaf)) {
	eachLeaf(r.Match, f)
	for _, c := range calls(r.When) {
		eachLeaf(c.Filter, f)
	}
	for _, s := range r.Sequence {
		eachLeaf(s.Match, f)
	}
	eachLeaf(r.Resolve.Match, f)
}
