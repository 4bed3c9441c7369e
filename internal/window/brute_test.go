package window

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// sample is an event as the definition sees it.
type sample struct {
	at    int64
	order Order
	own   bool   // matches the rule
	kind  string // "x", "y" or ""
	num   float64
	user  []string // none: absent
	from  int64    // counts from then on, because it came late
}

// numberless says that a sample has no number.
var numberless = math.NaN()

// definition computes conditions from what they mean: over the whole list of events, from the
// beginning, at every instant that is asked about.
type definition struct {
	r      *rule.Rule
	p      *Condition
	events []sample // in order
	known  int64
	isKnow bool // the condition may hold without events

	cuts []int64 // when an event resolved while the condition held

	nothing bool // there are no events
	before  float64
}

func define(r *rule.Rule, p *Condition, events []sample) *definition {
	d := &definition{
		r:      r,
		p:      p,
		events: slices.Clone(events),
		known:  math.MaxInt64,
		isKnow: p.known,
	}
	slices.SortFunc(d.events, func(a, b sample) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.order.Compare(b.order)
	})
	for _, e := range d.events {
		d.known = min(d.known, e.at)
	}
	return d
}

func matches(q rule.Query, e *sample) bool {
	if q == nil {
		return true
	}
	return q.(*rule.Leaf).Text == e.kind
}

// window is the events of a call at an instant. Those of a high-volume pane leave together with the
// last of them.
func (d *definition) window(c *rule.Call, at int64) (in []sample) {
	return d.within(c, at, at-int64(c.Offset)-int64(d.r.Window), c.Func != "distinct")
}

// within is the events of a call that are in a window which begins after an instant.
func (d *definition) within(c *rule.Call, at, after int64, coarse bool) (in []sample) {
	var all []sample
	for _, e := range d.events {
		if e.own && e.at <= at-int64(c.Offset) && e.from <= at && matches(c.Filter, &e) &&
			d.has(c, &e) {
			all = append(all, e)
		}
	}
	for _, e := range all {
		leaves := e.at
		if coarse && len(all) > d.p.paneLimit {
			if part := d.part(all, e.at); len(part) > d.p.paneLimit {
				leaves = part[len(part)-1].at
			}
		}
		if leaves > max(after, d.reset(at, c)) {
			in = append(in, e)
		}
	}
	return in
}

// part is the events of the pane of the window that an instant is in; panes end where a log
// resolved, too.
func (d *definition) part(all []sample, at int64) []sample {
	from := floor(at-1, d.p.paneLength)
	to := from + d.p.paneLength
	for _, cut := range d.cuts {
		if cut < at {
			from = max(from, cut)
		} else {
			to = min(to, cut)
		}
	}
	first := sort.Search(len(all), func(i int) bool { return all[i].at > from })
	past := sort.Search(len(all), func(i int) bool { return all[i].at > to })
	return all[first:past]
}

// about is what sketches say of the values since the pane began in which the window begins.
func (d *definition) about(c *rule.Call, at int64) float64 {
	from := max(at-int64(c.Offset)-int64(d.r.Window), d.reset(at, c))
	s := newSketch()
	for _, e := range d.within(c, at, max(floor(from, d.p.paneLength), d.lastCut(from)), false) {
		for _, u := range e.user {
			s.InsertHash(hashOf(u))
		}
	}
	return max(float64(s.Estimate()), float64(d.p.exactly+1))
}

func (d *definition) lastCut(at int64) int64 {
	last := int64(math.MinInt64)
	for _, cut := range d.cuts {
		if cut <= at {
			last = cut
		}
	}
	return last
}

func (d *definition) has(c *rule.Call, e *sample) bool {
	switch {
	case c.Field == "":
		return true
	case c.Field == "n":
		return !math.IsNaN(e.num)
	}
	return len(e.user) > 0
}

// reset is the last time at which an event resolved while the condition held.
func (d *definition) reset(at int64, c *rule.Call) int64 {
	last := int64(math.MinInt64)
	for _, cut := range d.cuts {
		if c.Offset == 0 && cut <= at {
			last = cut
		}
	}
	return last
}

// resolves says whether an event resolves at an instant.
func (d *definition) resolves(at int64) bool {
	return d.r.Resolve.Match != nil &&
		slices.ContainsFunc(
			d.events,
			func(e sample) bool { return e.at == at && matches(d.r.Resolve.Match, &e) },
		)
}

func (d *definition) number(of rule.Condition, at int64) float64 {
	switch of := of.(type) {
	case *rule.Number:
		return of.Value
	case *rule.Unary:
		return -d.number(of.Of, at)
	case *rule.Binary:
		left, right := d.number(of.Left, at), d.number(of.Right, at)
		switch {
		case of.Op == "+":
			return left + right
		case of.Op == "-":
			return left - right
		case of.Op == "*":
			return left * right
		case right == 0:
			return math.NaN()
		}
		return left / right
	}
	return d.call(of.(*rule.Call), at)
}

func (d *definition) call(c *rule.Call, at int64) float64 {
	switch historical := c.Of != nil || c.Offset >= 24*time.Hour; {
	case d.nothing && c.Func == "zscore":
		return -d.before
	case d.nothing && (historical || c.Offset > 0):
		return d.before
	case historical:
		return d.past(c, at)
	}
	if c.Offset > 0 && at-int64(c.Offset)-int64(d.r.Window) < d.known {
		return math.NaN()
	}
	in := d.window(c, at)
	nums := make([]float64, len(in))
	total := 0.0
	for i, e := range in {
		nums[i] = e.num
		total += e.num
	}
	n := float64(len(in))
	switch c.Func {
	case "count":
		return n
	case "rate":
		return n / d.r.Window.Seconds()
	case "distinct":
		seen := map[string]bool{}
		for _, e := range in {
			for _, u := range e.user {
				seen[u] = true
			}
		}
		if len(seen) > d.p.exactly {
			return d.about(c, at)
		}
		return float64(len(seen))
	case "new":
		return d.fresh(c, at)
	case "changed":
		return d.changes(c, at)
	case "since":
		return d.since(c, at)
	}
	if n == 0 {
		return math.NaN()
	}
	switch c.Func {
	case "sum":
		return total
	case "avg":
		return total / n
	case "min":
		return slices.Min(nums)
	case "max":
		return slices.Max(nums)
	case "first":
		return nums[0]
	case "last":
		return nums[len(nums)-1]
	case "stddev":
		squares := 0.0
		for _, v := range nums {
			squares += (v - total/n) * (v - total/n)
		}
		return math.Sqrt(squares / n)
	case "percentile":
		slices.Sort(nums)
		if slices.ContainsFunc(
			in,
			func(e sample) bool { return len(d.part(in, e.at)) > d.p.paneLimit },
		) {
			return d.ranked(c, nums)
		}
		for _, v := range nums { // the least that a share of all does not exceed
			if share := float64(len(nums)-len(greater(nums, v))) / n; share >= c.Quantile-1e-9 {
				return v
			}
		}
	}
	panic(c.Func)
}

// ranked is what a sketch says of a percentile, and on which side it is of the constants that it is
// compared with.
func (d *definition) ranked(c *rule.Call, nums []float64) float64 {
	k := &sketch{}
	for _, v := range nums {
		k.add(v, 1)
	}
	at := (&call{quantile: c.Quantile}).place(len(nums))
	about, exact := k.at(int64(at)), nums[at]
	for i := range d.p.series {
		s := &d.p.series[i]
		if !s.ranked || s.filter >= 0 != (c.Filter != nil) ||
			c.Filter != nil && d.p.filters[s.filter] != c.Filter {
			continue
		}
		for _, bound := range s.bounds {
			switch {
			case exact < bound:
				about = min(about, math.Nextafter(bound, math.Inf(-1)))
			case exact == bound:
				about = bound
			default:
				about = max(about, math.Nextafter(bound, math.Inf(1)))
			}
		}
	}
	return about
}

func greater(nums []float64, than float64) (list []float64) {
	for _, v := range nums {
		if v > than {
			list = append(list, v)
		}
	}
	return list
}

// fresh counts the values in the window that were not seen for remember before, after learn.
func (d *definition) fresh(c *rule.Call, at int64) float64 {
	lastSeen, n := map[string]int64{}, 0
	for _, e := range d.events {
		if !e.own || !matches(c.Filter, &e) || e.at > at {
			continue
		}
		for _, u := range e.user {
			before, seen := lastSeen[u]
			if !seen || d.r.Remember > 0 && e.at-before > int64(d.r.Remember) {
				if e.at > at-int64(d.r.Window) && e.at > d.reset(at, c) &&
					e.at >= d.known+int64(d.r.Learn) {
					n++
				}
			}
			lastSeen[u] = e.at
		}
	}
	return float64(n)
}

func (d *definition) changes(c *rule.Call, at int64) float64 {
	before, then, n := "", int64(0), 0
	for _, e := range d.events {
		if !e.own || len(e.user) == 0 || e.at > at {
			continue
		}
		if d.r.Remember > 0 && e.at-then > int64(d.r.Remember) {
			before = ""
		}
		now := strings.Join(e.user, "\x00")
		if before != "" && now != before && e.at > at-int64(d.r.Window) && e.at > d.reset(at, c) {
			n++
		}
		before, then = now, e.at
	}
	return float64(n)
}

func (d *definition) since(c *rule.Call, at int64) float64 {
	last := int64(math.MinInt64)
	if d.isKnow {
		last = d.known
	}
	for _, e := range d.events {
		if e.own && e.at <= at && e.from <= at && matches(c.Filter, &e) {
			last = max(last, e.at)
		}
	}
	if last == math.MinInt64 {
		return math.Inf(1)
	}
	return float64(at-last) / 1e9
}

// truth is the condition at an instant, of a group that is known.
func (d *definition) truth(of rule.Condition, at int64) bool {
	switch of := of.(type) {
	case *rule.Unary:
		return !d.gated(of, at) && !d.raw(of.Of, at)
	case *rule.Binary:
		switch of.Op {
		case "and":
			return d.truth(of.Left, at) && d.truth(of.Right, at)
		case "or":
			return d.truth(of.Left, at) || d.truth(of.Right, at)
		}
		return !d.gated(of, at) && d.raw(of, at)
	}
	panic("no truth")
}

// raw is the condition regardless of how long the key is known.
func (d *definition) raw(of rule.Condition, at int64) bool {
	switch of := of.(type) {
	case *rule.Unary:
		return !d.raw(of.Of, at)
	case *rule.Binary:
		switch of.Op {
		case "and":
			return d.raw(of.Left, at) && d.raw(of.Right, at)
		case "or":
			return d.raw(of.Left, at) || d.raw(of.Right, at)
		}
		return compare(d.number(of.Left, at), of.Op, d.number(of.Right, at))
	}
	panic("no truth")
}

// gated says that a condition about the window holds of an empty one, and the key is not yet known
// for one.
func (d *definition) gated(of rule.Condition, at int64) bool {
	if at >= d.known+int64(d.r.Window) || !strings.Contains(asks(of), "window") {
		return false
	}
	nothing := &definition{r: d.r, p: d.p, known: math.MinInt64 / 2, nothing: true}
	if nothing.raw(of, 0) {
		return true
	}
	nothing.before = 1e12
	return nothing.raw(of, 0)
}

func asks(of rule.Condition) string {
	switch of := of.(type) {
	case *rule.Unary:
		return asks(of.Of)
	case *rule.Binary:
		return asks(of.Left) + asks(of.Right)
	case *rule.Call:
		if of.Func != "since" && of.Func != "baseline" && of.Offset == 0 {
			return "window"
		}
	}
	return ""
}

// edges is when the condition begins and ceases to hold, looked at every tick and right after it.
func (d *definition) edges(holds func(at int64) bool, until, tick int64) (edges []string) {
	up := false
	for at := d.known; at <= until; at += tick {
		for _, t := range []int64{at, at + 1} {
			now, judged := up, d.r.Every == 0 || t%int64(d.r.Every) == 0
			if judged {
				now = holds(t)
			}
			if now && d.resolves(t) {
				d.cuts = append(d.cuts, t)
				now = judged && holds(t)
			}
			if now != up {
				up = now
				edges = append(edges, fmt.Sprint(t, now))
			}
		}
	}
	return edges
}
