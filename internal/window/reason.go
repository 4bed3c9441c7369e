package window

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const completedReason = "sequence completed"

// edge is the edge at an instant: what decided, and why the truth is as it is.
func (p *Condition) edge(x *instant, holds bool) Edge {
	e := Edge{
		At:     x.at,
		Holds:  holds,
		Value:  math.NaN(),
		Level:  -1,
		Count:  int64(x.g.within(p, x.at)),
		Reason: "condition no longer holds",
	}
	if holds {
		e.Reason = "condition holds"
	}
	if lead := p.when.leading(x); lead != nil {
		e.Value, e.Threshold, _ = p.compared(lead, x, holds)
		if holds {
			e.Level = p.level(lead, x, e.Value)
		}
	}
	if c := p.when.decider(x); c != nil {
		_, _, e.Reason = p.compared(c, x, holds)
	}
	switch {
	case p.sequence != nil && holds:
		e.Reason = completedReason
	case p.sequence != nil || p.any && !holds:
		e.Reason = "quiet for " + p.text
	}
	return e
}

// compared is the left side of a comparison, what it is held against, and both in words.
func (p *Condition) compared(
	c *comparison,
	x *instant,
	holds bool,
) (value float64, threshold, reason string) {
	value = c.left.value(x)
	limit := c.limit
	if limit == "" {
		limit = numberText(c.right.value(x), "", 1)
	}
	threshold, reason = c.shownOp()+" "+limit, numberText(value, c.limit, c.scale)
	if of, ok := c.left.(*call); ok && of.about(x) {
		reason = "about " + reason
	}
	if holds {
		reason += " " + threshold
	}
	return value, threshold, reason + " in " + p.textOf(c)
}

// textOf is the window of what a comparison is about.
func (p *Condition) textOf(c *comparison) string {
	if of, ok := c.left.(*call); ok && of.window != p.window {
		return duration.Format(time.Duration(of.window))
	}
	return p.text
}

// shownOp is the operator of what holds: the contrary one of a comparison that must not.
func (c *comparison) shownOp() string {
	if c.want {
		return c.op
	}
	return map[string]string{
		">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "==",
	}[c.op]
}

// whyRecovered says what resolved: a log, or the condition for it.
func (p *Condition) whyRecovered(x *instant, reset bool) string {
	if reset {
		return "resolved by a log"
	}
	if c := p.recovery.decider(x); c != nil {
		_, _, reason := p.compared(c, x, true)
		return reason
	}
	return "resolve condition holds"
}

// levelOf is the last level that a value satisfies, or -1.
func levelOf(levels []rule.Level, value float64) int {
	for i := len(levels) - 1; i >= 0; i-- {
		if rule.Compare(value, levels[i].Op, levels[i].Value) {
			return i
		}
	}
	return -1
}

// level is the last level that the value of a comparison satisfies, or -1. Ages are compared in
// nanoseconds.
func (p *Condition) level(c *comparison, x *instant, value float64) int {
	if c.age == nil || c.ageRight {
		return levelOf(p.levels, value)
	}
	age := c.age.age(x)
	for i, l := range slices.Backward(p.levels) {
		if rule.Satisfies(cmp.Compare(age, nanos(l.Value)), l.Op) {
			return i
		}
	}
	return -1
}

const durations = " ns us µs ms s m min h d w "

// numberText writes a number for people, in the unit of what it is held against. Scale is by what
// it differs from a number that is written in that unit.
func numberText(v float64, limit string, scale float64) string {
	unit := strings.TrimLeft(limit, "0123456789.")
	switch {
	case math.IsNaN(v):
		return "nothing"
	case math.IsInf(v, 0):
		return "never"
	case unit == "%":
		return plain(v*scale) + "%"
	case unit != "" && strings.Contains(durations, " "+unit+" ") && v >= 0 && v*scale < 1e12:
		d := time.Duration(v * scale * float64(time.Millisecond))
		if d > time.Millisecond {
			d = d.Truncate(time.Millisecond)
		}
		return duration.Format(d)
	}
	return plain(v)
}

// scaleOf is what a constant has to be multiplied with to be what number.Parse reads in its
// text: a condition has durations in seconds, and percentages as fractions, unless they are about a
// field.
func scaleOf(n *rule.Number) float64 {
	if written, ok := number.Parse([]byte(n.Text)); ok && n.Value != 0 {
		return written / n.Value
	}
	return 1
}

// plain writes all digits of a whole number, and four of any other.
func plain(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if math.Abs(rounded) > 1e15 || math.Abs(rounded) < 1e-6 {
		return strconv.FormatFloat(rounded, 'g', -1, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// describe says what n was held against, and why the truth is as it is.
func (c *counting) describe(p *Condition, n int, holds bool) (threshold, reason string) {
	if c.shown == nil {
		if holds {
			return "> 0", strconv.Itoa(n) + " in " + p.text
		}
		return "> 0", "quiet for " + p.text
	}
	threshold = c.shown.Op + " " + c.shown.Right.(*rule.Number).Text
	if holds {
		return threshold, strconv.Itoa(n) + " " + threshold + " in " + p.text
	}
	return threshold, strconv.Itoa(n) + " in " + p.text
}
