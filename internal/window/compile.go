package window

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const maxFilters = 64

// compiler compiles the condition of one rule.
type compiler struct {
	r   *rule.Rule
	p   *Condition
	err *problem.Error
}

// Compile reads what a rule says about truth: match, when, window, every, sequence, resolve,
// levels, learn and remember. Its error is a *problem.Error.
func Compile(r *rule.Rule) (*Condition, error) {
	c := &compiler{
		r,
		&Condition{
			window:        int64(r.Window),
			text:          duration.Format(r.Window),
			every:         int64(r.Every),
			learn:         int64(r.Learn),
			remember:      int64(r.Remember),
			ownFilter:     -1,
			resolveFilter: -1,
			match:         r.Match,
			levels:        r.Levels,
		},
		nil,
	}
	c.p.grid = gridOf(c.p.window)
	c.p.paneLength, c.p.paneLimit, c.p.exactly = max(c.p.window/panes, 1), paneLimit, ExactDistinct
	c.p.retains = c.p.window
	if c.p.count = countingOf(r); c.p.count != nil {
		c.p.eager, c.p.reads = r.For == 0, c.p.window
		return c.p, nil
	}
	c.resolve()
	d := c.condition()
	if c.err == nil {
		c.finish(d)
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.p, nil
}

func (c *compiler) fail(pos rule.Pos, hint, format string, args ...any) {
	if c.err == nil {
		if pos.File == "" {
			pos = c.r.Pos
		}
		c.err = &problem.Error{Pos: pos, Problem: fmt.Sprintf(format, args...), Hint: hint}
	}
}

// resolve gives logs that resolve a bit of their own, and then those that match need one as well.
func (c *compiler) resolve() {
	if c.r.Resolve.Match == nil {
		return
	}
	c.p.resolveFilter = c.filter(c.r.Resolve.Match)
	if c.r.Match != nil {
		c.p.ownFilter = c.filter(c.r.Match)
	}
}

// filter is the bit of a query, -1 for none.
func (c *compiler) filter(q rule.Query) int {
	if q == nil {
		return -1
	}
	if len(c.p.filters) == maxFilters {
		c.fail(c.r.Pos, "make two rules of it", "condition has more than %d filters", maxFilters)
		return 0
	}
	c.p.filters = append(c.p.filters, q)
	return len(c.p.filters) - 1
}

// condition compiles when, the sequence, or that any log matches.
func (c *compiler) condition() direction {
	switch {
	case len(c.r.Sequence) > 0 && c.r.When != nil:
		c.fail(c.r.Pos, "make two rules of it", "a rule has either when or sequence")
	case len(c.r.Sequence) > 0:
		return c.sequence()
	case c.r.When == nil:
		c.p.any = true
		return c.truthInto(
			&c.p.when,
			&rule.Binary{Op: ">", Left: &rule.Call{Func: "count"}, Right: &rule.Number{Text: "0"}},
		)
	}
	return c.truthInto(&c.p.when, c.r.When)
}

func (c *compiler) sequence() direction {
	if err := c.p.compileSequence(c.r, c.filter); err != nil {
		c.err = err
		return direction{}
	}
	c.p.series = append(
		c.p.series,
		seriesSpec{kind: derived, filter: -1, field: -1, keep: c.p.window, ordered: true},
	)
	c.p.calls = append(c.p.calls, &call{of: completed, window: c.p.window})
	c.p.when = &comparison{
		op: ">", left: c.p.calls[0], right: constant(0), want: true, limit: "0",
	}
	whole := c.p.sequence
	eager := len(whole.final) == 0
	for _, s := range whole.steps {
		eager = eager && len(s.nots) == 0
	}
	return direction{rising: eager, steady: eager}
}

func (c *compiler) truthInto(into *truth, of rule.Condition) direction {
	t, d := c.truth(of, true)
	*into = t
	return d
}

// truth compiles a condition or, if want is false, its negation. Negations are moved down to the
// single comparisons, each of which is undefined on its own.
func (c *compiler) truth(of rule.Condition, want bool) (truth, direction) {
	switch of := of.(type) {
	case *rule.Unary:
		return c.truth(of.Of, !want)
	case *rule.Call:
		if of.Func != "firing" {
			break
		}
		c.p.alerts = append(c.p.alerts, of.Alert)
		return &firing{of.Alert, want}, direction{}
	case *rule.Binary:
		if strings.Contains("+-*/", of.Op) {
			break
		}
		if of.Op != "and" && of.Op != "or" {
			return c.comparison(of, want)
		}
		left, ld := c.truth(of.Left, want)
		right, rd := c.truth(of.Right, want)
		if (of.Op == "and") == want {
			return &conjunction{left, right}, ld.and(rd)
		}
		return &disjunction{left, right}, ld.and(rd)
	}
	c.fail(c.r.Pos, "", "the condition is a number")
	return &firing{want: true}, direction{}
}

func (c *compiler) comparison(of *rule.Binary, want bool) (truth, direction) {
	left, l := c.number(of.Left)
	right, r := c.number(of.Right)
	cmp := &comparison{op: of.Op, left: left, right: right, want: want}
	if n, ok := of.Right.(*rule.Number); ok {
		cmp.limit, cmp.scale = n.Text, scaleOf(n)
	}
	if of, ok := left.(*call); ok && of.of == distinct && of.offset == 0 {
		if _, ok := right.(constant); ok {
			cmp.many = of
		}
	}
	c.ages(of, cmp)
	c.bound(left, right)
	c.bound(right, left)
	d := l.compared(of.Op, r)
	if !want {
		d = d.flipped()
	}
	if c.err == nil {
		cmp.undefinedAtFirst = !c.r.Record && d.windowed && cmp.holds(&instant{p: c.p, empty: true})
		c.p.undefinedAtFirst = c.p.undefinedAtFirst || cmp.undefinedAtFirst
	}
	return cmp, d
}

// ages notes the constant that an age is compared with. Time alone makes an age grow, so the
// instants at which it passes the constant, or that of a level, have to be known.
func (c *compiler) ages(of *rule.Binary, cmp *comparison) {
	for _, side := range [][2]rule.Condition{{of.Left, of.Right}, {of.Right, of.Left}} {
		if !containsSince(side[0]) || c.err != nil {
			continue
		}
		written, _ := side[0].(*rule.Call)
		age, limit := cmp.left, cmp.right
		if side[0] == of.Right {
			age, limit = limit, age
		}
		most, isConstant := limit.(constant)
		if written == nil || written.Func != "since" || !isConstant {
			pos := c.r.Pos
			if written != nil && written.Func == "since" {
				pos = written.Pos
			}
			c.fail(
				pos,
				"as in since(event:deploy_end) > 1h",
				"since can only be compared with a constant",
			)
			continue
		}
		call := age.(*call)
		cmp.age, cmp.ageLimit, cmp.ageRight = call, nanos(float64(most)), age == cmp.right
		call.limits = append(call.limits, cmp.ageLimit)
		for _, l := range c.r.Levels {
			call.limits = append(call.limits, nanos(l.Value))
		}
		s := &c.p.series[call.series]
		s.keep = max(s.keep, slices.Max(call.limits)+1)
	}
}

// nanos is a number of seconds in nanoseconds, not more than a hundred years.
func nanos(seconds float64) int64 {
	return int64(math.Round(min(max(seconds*1e9, 0), float64(100*365*day))))
}

// bound notes the constant that a percentile is compared with, and the levels, so that they are
// decided exactly.
func (c *compiler) bound(of, by expr) {
	ranked, isCall := of.(*call)
	limit, isConstant := by.(constant)
	if !isCall || !isConstant || ranked.of != percentile && ranked.of != quantile ||
		c.err != nil {
		return
	}
	s := &c.p.series[ranked.series]
	s.bounds = append(s.bounds, float64(limit))
	for _, level := range c.p.levels {
		s.bounds = append(s.bounds, level.Value)
	}
	slices.Sort(s.bounds)
	s.bounds = slices.Compact(s.bounds)
}

func containsSince(of rule.Condition) bool {
	switch of := of.(type) {
	case *rule.Binary:
		return containsSince(of.Left) || containsSince(of.Right)
	case *rule.Unary:
		return containsSince(of.Of)
	case *rule.Call:
		return of.Func == "since" || containsSince(of.Of)
	}
	return false
}

func (c *compiler) number(of rule.Condition) (expr, direction) {
	switch of := of.(type) {
	case *rule.Number:
		return constant(of.Value), direction{steady: true, positive: of.Value >= 0}
	case *rule.Unary:
		inner, d := c.number(of.Of)
		if v, ok := inner.(constant); ok {
			return constant(-v), direction{steady: true}
		}
		return negative{inner}, d.flipped()
	case *rule.Binary:
		return c.arithmetic(of)
	case *rule.Call:
		return c.call(of)
	}
	c.fail(c.r.Pos, "", "a number is expected")
	return constant(0), direction{}
}

func (c *compiler) arithmetic(of *rule.Binary) (expr, direction) {
	left, l := c.number(of.Left)
	right, r := c.number(of.Right)
	a := &arithmetic{of.Op, left, right}
	_, leftConstant := left.(constant)
	_, rightConstant := right.(constant)
	if leftConstant && rightConstant {
		v := a.value(nil)
		return constant(v), direction{steady: true, positive: v >= 0}
	}
	return a, l.joined(of.Op, r)
}

func (c *compiler) call(of *rule.Call) (expr, direction) {
	switch of.Func {
	case "baseline", "zscore":
		return c.past(of)
	case "firing":
		c.fail(of.Pos, "", "firing is no number")
		return constant(0), direction{}
	}
	f, known := functions[of.Func]
	if !known {
		c.fail(of.Pos, "", "unknown function %q", of.Func)
		return constant(0), direction{}
	}
	if of.Offset > 0 && (f == since || f == newValues || f == changed) {
		c.fail(of.Pos, "", "%s has no offset", of.Func)
	}
	if of.Offset >= 24*time.Hour {
		if of.Over > 0 {
			c.fail(of.Pos, "make a rule with that window",
				"an aggregate with a window of its own has no offset of a day or more")
		}
		inner := *of
		inner.Offset = 0
		e, d := c.call(&inner)
		c.p.ago = append(c.p.ago, int64(of.Offset))
		return &earlier{
				c.history(e, int64(of.Offset)),
				int64(of.Offset),
			}, direction{
				positive: d.positive,
				partial:  true,
				windowed: true,
			}
	}
	made := &call{
		of:       f,
		index:    len(c.p.calls),
		quantile: of.Quantile,
		window:   c.windowOf(of),
		offset:   int64(of.Offset),
		within:   int64(of.Within),
	}
	made.series = c.series(of, f, made.offset+made.window)
	c.p.calls = append(c.p.calls, made)
	d := directionOf(f)
	if f == since && c.r.Remember > 0 {
		d.windowed = false // it is defined as soon as the group is known
	}
	if of.Offset > 0 {
		c.p.retains = max(c.p.retains, made.offset+made.window)
		late := of.Offset < c.r.MostLateness() // the window there is still open
		d = direction{mixed: late, partial: true, positive: d.positive, windowed: true}
	}
	return made, d
}

// maxRatio is how many times longer than a window within it the window of a rule may be.
const maxRatio = 100

// windowOf is the window of a call. Panes are so short that the shortest window has as many of them
// as any, and so small that the longest holds as much.
func (c *compiler) windowOf(of *rule.Call) int64 {
	over := int64(of.Over)
	switch {
	case over == 0:
		return c.p.window
	case over > c.p.window:
		c.fail(of.Pos, "make the window of the rule as long",
			"%s is longer than the window of %s", duration.Format(of.Over), c.p.text)
	case over < c.p.window/maxRatio:
		c.fail(of.Pos, "make two rules of it", "%s is less than a hundredth of the window of %s",
			duration.Format(of.Over), c.p.text)
	default:
		c.p.paneLength = min(c.p.paneLength, max(over/panes, 1))
		c.p.paneLimit = min(c.p.paneLimit, int(paneLimit*over/c.p.window))
	}
	return over
}

// series is the series that a call is about. Calls about the same events share it.
func (c *compiler) series(of *rule.Call, f function, keep int64) int {
	want := seriesSpec{filter: -1, field: -1, keep: keep, lag: int64(of.Offset)}
	switch f {
	case count, rate:
	case since: // the last one, however long ago
		want.spare = 1
	case distinct:
		want.kind = texts
	case changed:
		want.kind, want.spare, want.ordered = texts, 1, true
	case newValues:
		want.kind = novel
	default:
		want.kind, want.ordered = numbers, f == first || f == last
		want.summed, want.squared, want.ranked = f == sum || f == avg ||
			f == stddev, f == stddev, f == percentile || f == quantile
	}
	if c.p.resolveFilter >= 0 {
		want.ordered = true // of those of one instant some come before the one that resolves
	}
	if of.Field != "" {
		want.field = c.field(of.Field)
	}
	for _, path := range of.Also {
		want.also = append(want.also, c.field(path))
	}
	if of.Filter != nil {
		want.filter = c.filter(of.Filter)
	}
	for i := range c.p.series {
		if s := &c.p.series[i]; s.kind == want.kind && s.field == want.field &&
			s.filter == want.filter && slices.Equal(s.also, want.also) &&
			s.spare == want.spare {
			s.keep, s.lag, s.ordered = max(s.keep, want.keep), max(s.lag, want.lag), s.ordered ||
				want.ordered
			s.summed, s.squared, s.ranked = s.summed ||
				want.summed, s.squared ||
				want.squared, s.ranked ||
				want.ranked
			return i
		}
	}
	c.p.series = append(c.p.series, want)
	return len(c.p.series) - 1
}

func (c *compiler) field(path string) int {
	for i, f := range c.p.fields {
		if f == path {
			return i
		}
	}
	c.p.fields = append(c.p.fields, path)
	return len(c.p.fields) - 1
}

// history is the place where the past of an aggregate is kept.
func (c *compiler) history(of expr, keep int64) int {
	empty := of.value(&instant{p: c.p, empty: true})
	c.p.history = append(c.p.history, historySpec{of, empty, keep + c.p.grid + c.p.window})
	return len(c.p.history) - 1
}

const defaultSpan = 4 * 7 * 24 * time.Hour

func (c *compiler) past(of *rule.Call) (expr, direction) {
	if containsHistory(of.Of) {
		c.fail(of.Pos, "", "%s is about an aggregate of the window itself", of.Func)
		return constant(0), direction{}
	}
	span := of.Span
	if span == 0 {
		span = defaultSpan
	}
	if span < minDays*24*time.Hour {
		c.fail(
			of.Pos,
			"as in "+of.Func+"(count(), 4w)",
			"%s needs %d days at least",
			of.Func,
			minDays,
		)
	}
	inner, d := c.number(of.Of)
	b := &baseline{history: c.history(inner, int64(span)), span: int64(span)}
	for ago := day; ago <= b.span; ago += day {
		c.p.ago = append(c.p.ago, ago)
	}
	c.p.daily = true
	if of.Func == "zscore" {
		b.score, d.positive, d.steady, d.partial = inner, false, false, true
		return b, d
	}
	return b, direction{positive: d.positive, partial: true, windowed: true}
}

func containsHistory(of rule.Condition) bool {
	switch of := of.(type) {
	case *rule.Binary:
		return containsHistory(of.Left) || containsHistory(of.Right)
	case *rule.Unary:
		return containsHistory(of.Of)
	case *rule.Call:
		return of.Of != nil || of.Offset > 0 || of.Func == "since"
	}
	return false
}

// finish sets what follows from the condition as a whole.
func (c *compiler) finish(d direction) {
	p := c.p
	p.steady = d.rising && d.steady && p.resolveFilter < 0 && len(p.levels) == 0
	if c.r.Resolve.When != nil {
		c.truthInto(&p.recovery, c.r.Resolve.When)
		p.steady = false
	}
	p.eager = d.rising && len(p.alerts) == 0 && c.r.For == 0 && p.every == 0
	p.known = p.sequence == nil && mayHoldOfNothing(p, p.when)
	p.beyond = p.dependsOnKnown()
	p.keepsKeys = p.known || p.beyond
	for i := range p.series {
		p.retains = max(p.retains, p.series[i].keep)
	}
	if p.sequence != nil {
		p.retains = max(p.retains, p.sequence.keep()+p.window)
	}
	p.reads = max(p.retains, p.learn)
	for _, h := range p.history {
		p.reads = max(p.reads, h.keep)
	}
	p.simple = p.sequence == nil
	for i := range p.calls {
		p.simple = p.simple && p.calls[i].accumulate(p) == nil
	}
	if !c.r.Record { // a record has a value as long as its window holds any log
		p.lookedAt = p.lookedAtFilters()
	}
	p.logs = seriesSpec{kind: times, filter: -1, field: -1, keep: p.Span()}
	p.narrow(c.r)
}

// dependsOnKnown says whether it matters since when a group is known, or what came before all that
// its windows hold.
func (p *Condition) dependsOnKnown() bool {
	p.past = len(p.history) > 0
	depends := p.undefinedAtFirst || p.past
	for _, c := range p.calls {
		depends = depends || c.offset > 0 || c.of == newValues || c.of == since || c.of == changed
		p.novel, p.past = p.novel || c.of == newValues, p.past || c.offset > 0
	}
	return depends
}

// lookedAtFilters are the filters of the events that some part of the condition looks at, 0 if some
// part looks at every event.
func (p *Condition) lookedAtFilters() (filters uint64) {
	for i := range p.series {
		switch s := &p.series[i]; {
		case s.kind == derived:
		case s.filter < 0:
			return 0
		default:
			filters |= 1 << s.filter
		}
	}
	if p.sequence != nil {
		filters |= p.sequence.filters()
	}
	return filters
}

// narrow finds which logs matter: if every call asks for a filter, those alone that satisfy one of
// them. Where absence counts, any log makes its key known.
func (p *Condition) narrow(r *rule.Rule) {
	var of []rule.Query
	all := false
	for _, s := range p.series {
		switch {
		case s.kind == derived:
		case s.filter < 0:
			all = true
		default:
			of = append(of, p.filters[s.filter])
		}
	}
	for _, s := range r.Sequence {
		of = append(of, s.Match)
	}
	if all {
		of = nil
	}
	switch {
	case p.known || r.Record:
	case len(of) > 0 && r.Match != nil:
		p.match = &rule.And{Of: []rule.Query{r.Match, &rule.Or{Of: of}}}
	case len(of) > 0:
		p.match = &rule.Or{Of: of}
	}
	if p.resolveFilter >= 0 && p.match != nil {
		p.match = &rule.Or{Of: []rule.Query{p.match, r.Resolve.Match}}
	}
}
