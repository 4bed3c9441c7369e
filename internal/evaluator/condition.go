package evaluator

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// view is a group as the decision of one instant sees it.
type view struct {
	g    *group
	at   instant
	logs []*Log // that count, the oldest first
	// the log that resolved the alert last: it does not count, but it is the event before the
	// ones that do
	before  *Log
	life    life
	known   instant // since when the group is
	nothing bool    // there is no log at all, and the group has been known forever
	firing  bool    // what firing() says when there is nothing
}

const (
	second = int64(time.Second)
	day    = 24 * int64(time.Hour)
)

// truth evaluates a condition.
func (v *view) truth(c rule.Condition) bool { return v.is(c, true) }

// is reports whether a condition is true, or whether it is false. Neither holds of a comparison
// that is undefined because the group is too young.
func (v *view) is(c rule.Condition, want bool) bool {
	switch c := c.(type) {
	case *rule.Unary:
		return v.is(c.Of, !want)
	case *rule.Call:
		if v.nothing {
			return v.firing == want
		}
		return v.g.e.firing(v.g, c.Alert, v.at) == want
	case *rule.Binary:
		switch {
		case c.Op == "and" && want || c.Op == "or" && !want:
			return v.is(c.Left, want) && v.is(c.Right, want)
		case c.Op == "and" || c.Op == "or":
			return v.is(c.Left, want) || v.is(c.Right, want)
		}
		if v.young() && v.g.ofNothing(c, want) && !(v.g.r.Remember > 0 && isSince(c)) {
			return false
		}
		return compare(c.Op, v.number(c.Left), v.number(c.Right)) == want
	}
	panic("not a truth")
}

// young reports whether the group has not been known for one window.
func (v *view) young() bool { return !v.nothing && v.at-v.known < int64(v.g.r.Window) }

// isSince reports whether a comparison is about since().
func isSince(c *rule.Binary) (is bool) {
	calls(c, func(c *rule.Call) { is = is || c.Func == "since" })
	return is
}

// deciding is the comparison whose left side is the value of the alert: the first one, or of
// several that are joined by or the first that holds.
func (v *view) deciding(c rule.Condition) *rule.Binary {
	switch c := c.(type) {
	case *rule.Unary:
		return v.deciding(c.Of)
	case *rule.Binary:
		if c.Op != "or" && c.Op != "and" {
			return c
		}
		holds := v.truth(c.Left)
		if c.Op == "or" && !holds && v.truth(c.Right) {
			return v.deciding(c.Right)
		}
		if left := v.deciding(c.Left); left != nil || c.Op == "or" && holds {
			return left
		}
		return v.deciding(c.Right)
	}
	return nil
}

// value is the value that an alert has.
func (v *view) value() Number {
	if b := v.deciding(v.g.r.When); b != nil {
		return v.number(b.Left)
	}
	return Number{}
}

// number evaluates a number.
func (v *view) number(c rule.Condition) Number {
	switch c := c.(type) {
	case *rule.Number:
		return constant(c.Text, c.Value)
	case *rule.Unary:
		return arithmetic("-", whole(0), v.number(c.Of))
	case *rule.Binary:
		return arithmetic(c.Op, v.number(c.Left), v.number(c.Right))
	}
	call := c.(*rule.Call)
	window := windowOf(v.g.r, call)
	switch {
	case call.Func == "baseline" || call.Func == "zscore":
		return v.usual(call)
	case call.Offset > 0:
		return v.past(call, int64(call.Offset))
	case call.Func == "since":
		for _, l := range slices.Backward(v.logs) {
			if v.g.matches(call.Filter, l) {
				return fraction(v.at-l.At, second)
			}
		}
		if v.g.r.Remember > 0 && !v.nothing {
			return fraction(v.at-v.known, second)
		}
		return infinity()
	case call.Func == "changed":
		return v.changed(call)
	case call.Func == "new":
		return v.fresh(call)
	}
	return v.aggregate(call, v.at-window, v.at)
}

// within are the logs after one instant, until and with another, that satisfy a filter.
func (v *view) within(filter rule.Query, after, until instant) (logs []*Log) {
	for _, l := range v.logs {
		if l.At > after && l.At <= until && v.g.matches(filter, l) {
			logs = append(logs, l)
		}
	}
	return logs
}

// aggregate is an aggregate over the logs of a stretch of time.
func (v *view) aggregate(c *rule.Call, after, until instant) Number {
	logs := v.within(c.Filter, after, until)
	switch c.Func {
	case "count":
		return whole(int64(len(logs)))
	case "rate":
		return arithmetic("/", whole(int64(len(logs))), fraction(windowOf(v.g.r, c), second))
	case "distinct":
		seen := map[string]bool{}
		for _, l := range logs {
			for _, text := range l.texts(c.Field) {
				seen[text] = true
			}
		}
		return whole(int64(len(seen)))
	}
	var list []*big.Rat
	for _, l := range logs {
		for _, n := range l.numbersOf(c.Field) {
			list = append(list, n.rat)
		}
	}
	if len(list) == 0 {
		if c.Func == "sum" && sumOfNothing {
			return whole(0)
		}
		return Number{}
	}
	return summary(c, list)
}

// sumOfNothing is whether the sum of no numbers is 0, and not undefined.
const sumOfNothing = false

// summary is one number of several, which are in the order of their logs.
func summary(c *rule.Call, list []*big.Rat) Number {
	sum := new(big.Rat)
	for _, x := range list {
		sum.Add(sum, x)
	}
	n := int64(len(list))
	sorted := slices.SortedFunc(slices.Values(list), (*big.Rat).Cmp)
	switch c.Func {
	case "sum":
		return exact(sum)
	case "avg":
		return arithmetic("/", exact(sum), whole(n))
	case "min":
		return exact(sorted[0])
	case "max":
		return exact(sorted[n-1])
	case "first":
		return exact(list[0])
	case "last":
		return exact(list[n-1])
	case "stddev":
		return deviation(list)
	case "percentile":
		q, _ := new(big.Rat).SetString(strconv.FormatFloat(c.Quantile, 'f', 8, 64))
		for i, x := range sorted { // the least that such a share of all does not exceed
			if big.NewRat(int64(i+1), n).Cmp(q) >= 0 {
				return exact(x)
			}
		}
		return exact(sorted[n-1])
	case "quantile":
		return between(sorted, c.Quantile)
	}
	panic(c.Func)
}

// between is the value at a share of the way from the first to the last of the numbers in order,
// on the straight line between the two that it lies between.
func between(sorted []*big.Rat, share float64) Number {
	q, _ := new(big.Rat).SetString(strconv.FormatFloat(share, 'f', 8, 64))
	place := q.Mul(q, big.NewRat(int64(len(sorted)-1), 1))
	at := new(big.Int).Quo(place.Num(), place.Denom())
	rest := place.Sub(place, new(big.Rat).SetInt(at))
	below := sorted[at.Int64()]
	if rest.Sign() == 0 {
		return exact(below)
	}
	step := new(big.Rat).Sub(sorted[at.Int64()+1], below)
	return exact(step.Mul(step, rest).Add(step, below))
}

// windowOf is the window of a function: its own, or that of the rule.
func windowOf(r *rule.Rule, c *rule.Call) int64 {
	if c.Over > 0 {
		return int64(c.Over)
	}
	return int64(r.Window)
}

// deviation is the standard deviation of all of the numbers.
func deviation(list []*big.Rat) Number {
	n := big.NewRat(int64(len(list)), 1)
	mean := new(big.Rat)
	for _, x := range list {
		mean.Add(mean, x)
	}
	mean.Quo(mean, n)
	variance := new(big.Rat)
	for _, x := range list {
		d := new(big.Rat).Sub(x, mean)
		variance.Add(variance, d.Mul(d, d))
	}
	return exact(root(variance.Quo(variance, n)))
}

// root is the square root of a number: exact where it is a fraction.
func root(x *big.Rat) *big.Rat {
	a, b := new(big.Int).Sqrt(x.Num()), new(big.Int).Sqrt(x.Denom())
	r := new(big.Rat).SetFrac(a, b)
	if new(big.Rat).Mul(r, r).Cmp(x) == 0 {
		return r
	}
	f, _ := x.Float64()
	return new(big.Rat).SetFloat64(math.Sqrt(f))
}

// changed counts the events of the window whose value is not that of the event before.
func (v *view) changed(c *rule.Call) Number {
	var n int64
	before := v.before
	for _, l := range v.logs {
		text := l.whole(c.Field)
		if text == "" || !v.g.matches(c.Filter, l) {
			continue
		}
		if before != nil && l.At > v.at-int64(v.g.r.Window) {
			if other := before.whole(c.Field); other != "" && other != text {
				near := c.Within == 0 || l.At-before.At <= int64(c.Within)
				if near {
					n++
				}
			}
		}
		before = l
	}
	return whole(n)
}

// fresh counts the values of the window that were not seen before it.
func (v *view) fresh(c *rule.Call) Number {
	remember := int64(v.g.r.Remember)
	last := map[string]instant{}
	found := map[string]bool{}
	for _, l := range v.g.visible(v.at, v.life) { // what was seen stays seen, whatever resolves
		if !v.g.matches(c.Filter, l) || v.nothing {
			continue
		}
		for _, text := range combinations(c, l) {
			seen, ok := last[text]
			old := ok && (remember == 0 || l.At-seen <= remember)
			last[text] = l.At
			if !old && l.At >= v.known+int64(v.g.r.Learn) && l.At > v.at-int64(v.g.r.Window) &&
				slices.Contains(v.logs, l) {
				found[text] = true
			}
		}
	}
	return whole(int64(len(found)))
}

// combinations are the values of one field, or the one combination of several, of which all must be
// there.
func combinations(c *rule.Call, l *Log) (list []string) {
	if len(c.Also) == 0 {
		return l.texts(c.Field)
	}
	var all string
	for _, field := range append([]string{c.Field}, c.Also...) {
		text := l.whole(field)
		if text == "" {
			return nil
		}
		all += strconv.Quote(text)
	}
	return []string{all}
}

// past is an aggregate over a window that ended some time ago. Of a day or more ago it is looked up
// at the steps of a grid, as it was noted there.
func (v *view) past(c *rule.Call, ago int64) Number {
	until := v.at - ago
	if ago >= day {
		until -= until % grid(v.g.r)
	}
	window := windowOf(v.g.r, c)
	if !v.nothing && until-window < v.known {
		return Number{}
	}
	if ago < day || v.nothing {
		return v.aggregate(c, until-window, until)
	}
	then := *v
	then.logs = v.g.noted(until, v.life)
	return then.aggregate(c, until-window, until)
}

// grid is the distance of the instants at which the past is noted: the longest of some that is at
// most a quarter of the window.
func grid(r *rule.Rule) int64 {
	for _, minutes := range []int64{60, 30, 15, 10, 5, 2} {
		if step := minutes * int64(time.Minute); step <= int64(r.Window)/4 {
			return step
		}
	}
	return int64(time.Minute)
}

// usual is the median of an aggregate over earlier days, or how far the window differs from them.
func (v *view) usual(c *rule.Call) Number {
	of := c.Of.(*rule.Call)
	var days []*big.Rat
	for ago := day; ago <= span28(c); ago += day {
		if weekend(v.at) != weekend(v.at-ago) {
			continue
		}
		if n := v.past(of, ago); n.rat != nil {
			days = append(days, n.rat)
		}
	}
	if len(days) < 3 {
		return Number{}
	}
	if c.Func == "baseline" {
		slices.SortFunc(days, (*big.Rat).Cmp)
		middle := len(days) / 2
		if len(days)%2 == 1 {
			return exact(days[middle])
		}
		sum := new(big.Rat).Add(days[middle-1], days[middle])
		return arithmetic("/", exact(sum), whole(2))
	}
	sum := new(big.Rat)
	for _, d := range days {
		sum.Add(sum, d)
	}
	mean := arithmetic("/", exact(sum), whole(int64(len(days))))
	now := v.aggregate(of, v.at-int64(v.g.r.Window), v.at)
	return arithmetic("/", arithmetic("-", now, mean), deviation(days))
}

func span28(c *rule.Call) int64 {
	if c.Span == 0 {
		return 28 * day
	}
	return int64(c.Span)
}

func weekend(at instant) bool {
	d := timeOf(at).Weekday()
	return d == time.Saturday || d == time.Sunday
}
