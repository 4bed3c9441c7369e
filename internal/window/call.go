package window

import "math"

// function is what a call computes over the window.
type function uint8

const (
	count function = iota
	rate
	sum
	avg
	least
	most
	stddev
	percentile
	quantile // interpolated
	distinct
	first
	last
	newValues // new
	changed
	since
	completed // sequences
)

var functions = map[string]function{
	"count": count, "rate": rate, "sum": sum, "avg": avg, "min": least, "max": most,
	"stddev": stddev, "percentile": percentile, "quantile": quantile, "distinct": distinct,
	"first": first, "last": last, "new": newValues, "changed": changed, "since": since,
}

// call is an aggregate over the window of a series, or over the same window some time before.
type call struct {
	of       function
	index    int // in Condition.calls
	series   int // in Condition.series
	quantile float64
	window   int64
	offset   int64
	within   int64   // changed: how long after the event before a change counts; 0 for any time
	limits   []int64 // since: the ages that comparisons ask about
}

func (c *call) value(x *instant) float64 {
	if x.empty {
		return c.ofNothing()
	}
	if c.offset > 0 && x.at-c.offset-c.window < x.g.state.known {
		return math.NaN() // events from before the key was known are not known
	}
	s, cur := &x.g.state.series[c.series], &x.v.cursors[c.index]
	n := float64(cur.size())
	switch c.of {
	case count, completed:
		return n
	case rate:
		return n / (float64(c.window) / 1e9)
	case newValues:
		learnt := after(s.times, x.g.state.known+x.p.learn-1)
		return float64(max(0, cur.hi-max(cur.lo, learnt)))
	case since:
		return seconds(c.age(x))
	case first, last, avg, stddev:
		if n == 0 {
			return math.NaN()
		}
	}
	switch c.of {
	case changed:
		return c.changes(x, s, cur)
	case first:
		return s.first(x.p, cur.lo, cur.hi)
	case last:
		return s.nums[cur.hi-1]
	case distinct:
		return cur.acc.(*values).different(x, c, cur)
	case percentile, quantile:
		if cur.highVolume(x.p, x.g.state, c.series) {
			return cur.acc.(*quantiles).about(c, cur.size())
		}
	}
	return cur.acc.value(c, cur.size())
}

// estimates says of distinct whether the different texts are too many to be counted exactly.
func (c *call) estimates(p *Condition, cur *cursor) bool {
	return len(cur.acc.(*values).counts) > p.exactly
}

// exceeds says of distinct whether the different values are surely more than a limit, because they
// are too many to be counted exactly.
func (c *call) exceeds(x *instant, limit float64) bool {
	return limit <= float64(x.p.exactly) && c.estimates(x.p, &x.v.cursors[c.index])
}

// about says whether the value of the call is an estimate.
func (c *call) about(x *instant) bool {
	switch cur := &x.v.cursors[c.index]; c.of {
	case distinct:
		return c.estimates(x.p, cur)
	case percentile, quantile:
		return cur.highVolume(x.p, x.g.state, c.series)
	}
	return false
}

// age is the time since the last event in nanoseconds, math.MaxInt64 if it is endless.
func (c *call) age(x *instant) int64 {
	if x.empty {
		return math.MaxInt64
	}
	last, ok := x.g.state.lastOf(x.p, c, &x.v.cursors[c.index], x.at)
	if !ok {
		return math.MaxInt64
	}
	return max(x.at-last, 0)
}

// seconds is an age in seconds.
func seconds(age int64) float64 {
	if age == math.MaxInt64 {
		return math.Inf(1)
	}
	return float64(age) / 1e9
}

// changes is the number of changes in the window. The first event after a reset is compared with
// the one that resolved, but not with those before.
func (c *call) changes(x *instant, s *series, cur *cursor) float64 {
	n := cur.acc.value(c, cur.size())
	r, ok := x.g.state.resetOf(x.at)
	if !ok || cur.lo == 0 || cur.lo == cur.hi || s.afterReset(r) != cur.lo {
		return n
	}
	before := reset{s.times[cur.lo-1], s.orders[cur.lo-1]}
	if before.compare(r) < 0 && cur.acc.(*changes).changed(s, cur.lo) {
		n--
	}
	return n
}

// ofNothing is the value of the call when there never was an event.
func (c *call) ofNothing() float64 {
	switch c.of {
	case since:
		return math.Inf(1)
	case count, rate, distinct, newValues, changed, completed:
		return 0
	}
	return math.NaN()
}

// accumulate returns what adds up the events in the window of the call, or nil when their number is
// enough.
func (c *call) accumulate(p *Condition) accumulator {
	switch c.of {
	case sum, avg, stddev:
		return &sums{squared: c.of == stddev}
	case least, most:
		return &extremes{sign: map[function]float64{least: -1, most: 1}[c.of]}
	case percentile, quantile:
		return &quantiles{bounds: p.series[c.series].bounds}
	case distinct:
		return &values{}
	case changed:
		return &changes{within: c.within}
	}
	return nil
}

// accumulator holds an aggregate of the events i of a series that are in a window. Events enter in
// any order, and leave in the order of their times.
type accumulator interface {
	add(s *series, i int)
	remove(s *series, i int)
	value(c *call, n int) float64
	bytes() int
}
