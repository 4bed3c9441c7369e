package window

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
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

	cuts []reset // events that resolved while the condition held

	nothing bool // there are no events
}

func define(r *rule.Rule, p *Condition, events []sample) *definition {
	d := &definition{
		r:      r,
		p:      p,
		events: slices.Clone(events),
		known:  Unknown,
		isKnow: p.known,
	}
	slices.SortFunc(d.events, func(a, b sample) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.order.Compare(b.order)
	})
	for _, e := range d.events {
		if ev := eventOf(p, r, &e); p.MakesKnown(ev.Bits) {
			d.known = min(d.known, e.at)
		}
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
	return d.within(c, at, at-int64(c.Offset)-d.length(c), c.Func != "distinct")
}

// length is how long the window of a call is.
func (d *definition) length(c *rule.Call) int64 { return int64(cmp.Or(c.Over, d.r.Window)) }

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
		leaves, counts := e.at, d.counts(&e, at)
		if coarse && len(all) > d.p.paneLimit {
			if part := d.part(all, e.at); len(part) > d.p.paneLimit {
				leaves = part[len(part)-1].at
			}
		}
		if leaves > after && counts {
			in = append(in, e)
		}
	}
	return in
}

// part is the events of the pane of the window that an instant is in; panes end where a log
// resolved, too.
func (d *definition) part(all []sample, at int64) []sample {
	from := Floor(at-1, d.p.paneLength)
	to := from + d.p.paneLength
	for _, cut := range d.cuts {
		if cut.at < at {
			from = max(from, cut.at)
		} else {
			to = min(to, cut.at)
		}
	}
	first := sort.Search(len(all), func(i int) bool { return all[i].at > from })
	past := sort.Search(len(all), func(i int) bool { return all[i].at > to })
	return all[first:past]
}

// about is what sketches say of the values since the pane began in which the window begins.
func (d *definition) about(c *rule.Call, at int64) float64 {
	from := max(at-int64(c.Offset)-d.length(c), d.lastCut(at))
	s := newSketch()
	begin := max(Floor(from, d.p.paneLength), d.lastCut(from))
	if begin == from && begin == d.lastCut(at) && at-int64(c.Offset)-d.length(c) < from {
		begin-- // of its instant some count
	}
	for _, e := range d.within(c, at, begin, false) {
		for _, u := range e.user {
			s.InsertHash(hashOf(u))
		}
	}
	return max(float64(s.Estimate()), float64(d.p.exactly+1))
}

func (d *definition) lastCut(at int64) int64 {
	last := int64(math.MinInt64)
	for _, cut := range d.cuts {
		if cut.at <= at {
			last = cut.at
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

// reset is the last event that resolved until an instant.
func (d *definition) reset(at int64) (last reset) {
	last.at = math.MinInt64
	for _, cut := range d.cuts {
		if cut.at <= at {
			last = cut
		}
	}
	return last
}

// counts says whether an event came after the last one that resolved.
func (d *definition) counts(e *sample, at int64) bool { return d.reset(at).before(e.at, e.order) }

// resolves is the last event of an instant that resolves.
func (d *definition) resolves(at int64) (r reset, found bool) {
	for _, e := range d.events {
		if d.r.Resolve.Match != nil && e.at == at && matches(d.r.Resolve.Match, &e) {
			r, found = reset{e.at, e.order}, true
		}
	}
	return r, found
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
		return math.NaN()
	case d.nothing && c.Func == "baseline":
		return d.number(c.Of, at)
	case d.nothing && c.Func == "since":
		return math.Inf(1)
	case d.nothing:
	case historical:
		return d.past(c, at)
	}
	if !d.nothing && c.Offset > 0 && at-int64(c.Offset)-d.length(c) < d.known {
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
		return n / (float64(d.length(c)) / 1e9)
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
	case "percentile", "quantile":
		slices.Sort(nums)
		flood := slices.ContainsFunc(
			in,
			func(e sample) bool { return len(d.part(in, e.at)) > d.p.paneLimit },
		)
		if c.Func == "quantile" {
			rank := c.Quantile * (n - 1)
			at := int(rank + 1e-9)
			value := func(at int) float64 {
				if flood {
					return d.rankedAt(c, nums, at)
				}
				return nums[at]
			}
			if rank-float64(at) < 1e-9 {
				return value(at)
			}
			return value(at) + (value(at+1)-value(at))*math.Round((rank-float64(at))*1e9)/1e9
		}
		if flood {
			return d.rankedAt(c, nums, (&call{quantile: c.Quantile}).place(len(nums)))
		}
		for _, v := range nums { // the least that a share of all does not exceed
			if share := float64(len(nums)-len(greater(nums, v))) / n; share >= c.Quantile-1e-9 {
				return v
			}
		}
	}
	panic(c.Func)
}

// rankedAt is what a sketch says of the number at a place, and on which side it is of the constants
// that it is compared with.
func (d *definition) rankedAt(c *rule.Call, nums []float64, at int) float64 {
	k := &sketch{}
	for _, v := range nums {
		k.add(v, 1)
	}
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
				if e.at > at-int64(d.r.Window) && d.counts(&e, at) &&
					e.at >= d.known+int64(d.r.Learn) {
					n++
				}
			}
			lastSeen[u] = e.at
		}
	}
	return float64(n)
}

func (d *definition) changes(_ *rule.Call, at int64) float64 {
	var before *sample
	n := 0
	for i := range d.events {
		e := &d.events[i]
		if !e.own || len(e.user) == 0 || e.at > at {
			continue
		}
		// the one that resolved does not count, but is the event before the first that does
		if before != nil && d.reset(at).compare(reset{before.at, before.order}) > 0 {
			before = nil
		}
		if before != nil && !slices.Equal(before.user, e.user) && d.counts(e, at) &&
			e.at > at-int64(d.r.Window) {
			n++
		}
		before = e
	}
	return float64(n)
}

func (d *definition) since(c *rule.Call, at int64) float64 {
	last := int64(math.MinInt64)
	for _, e := range d.events {
		if e.own && e.at <= at && e.from <= at && matches(c.Filter, &e) && d.counts(&e, at) {
			last = e.at
		}
	}
	switch {
	case last != math.MinInt64:
		return float64(at-last) / 1e9
	case d.r.Remember > 0:
		return float64(at-d.known) / 1e9
	}
	return math.Inf(1)
}

// truth is whether a condition, or its contrary, holds at an instant, of a group that is known.
func (d *definition) truth(of rule.Condition, want bool, at int64) bool {
	switch of := of.(type) {
	case *rule.Unary:
		return d.truth(of.Of, !want, at)
	case *rule.Binary:
		switch {
		case (of.Op == "and") == want && (of.Op == "and" || of.Op == "or"):
			return d.truth(of.Left, want, at) && d.truth(of.Right, want, at)
		case of.Op == "and" || of.Op == "or":
			return d.truth(of.Left, want, at) || d.truth(of.Right, want, at)
		}
		return !d.gated(of, want, at) && d.raw(of, at) == want
	}
	panic("no truth")
}

// raw is a comparison regardless of how long the key is known.
func (d *definition) raw(of *rule.Binary, at int64) bool {
	return rule.Compare(d.number(of.Left, at), of.Op, d.number(of.Right, at))
}

// gated says that a comparison holds of nothing, and the key is not yet known for a window.
func (d *definition) gated(of *rule.Binary, want bool, at int64) bool {
	if at >= d.known+int64(d.r.Window) || d.r.Remember > 0 && containsSince(of) || !asks(of) {
		return false
	}
	nothing := &definition{r: d.r, p: d.p, nothing: true}
	return nothing.raw(of, 0) == want
}

func asks(of rule.Condition) bool {
	switch of := of.(type) {
	case *rule.Unary:
		return asks(of.Of)
	case *rule.Binary:
		return asks(of.Left) || asks(of.Right)
	case *rule.Call:
		return true
	}
	return false
}

// edges is when the condition begins and ceases to hold, looked at every tick and right after it.
func (d *definition) edges(holds func(at int64) bool, until, tick int64) (edges []string) {
	up, spent := false, false
	for at := d.known; at <= until; at += tick {
		for _, t := range []int64{at, at + 1} {
			now, judged := up, d.r.Every == 0 || t%int64(d.r.Every) == 0
			if judged {
				now = holds(t)
				spent = spent && now
				now = now && !spent
			}
			if r, resolves := d.resolves(t); now && resolves {
				d.cuts = append(d.cuts, r)
				nothing := *d
				nothing.events = nil
				now = holds(t)
				spent = d.r.When != nil && (now || !judged) && nothing.truth(d.r.When, true, t)
				if now = judged && now && !spent; up {
					up = false
					edges = append(edges, fmt.Sprint(t, false))
				}
			}
			if now != up {
				up = now
				edges = append(edges, fmt.Sprint(t, now))
			}
		}
	}
	return edges
}
