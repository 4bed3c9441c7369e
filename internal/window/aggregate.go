package window

import (
	"cmp"
	"math"
	"slices"
)

// paneAggregate is what the events of a pane amount to, once they are no longer held one by one. It
// stands in its series at the time of the last of them.
type paneAggregate struct {
	n              int64
	begin          int64   // time of the first of them,
	order          Order   // its place, where that matters,
	first          float64 // and its number; those of the last stand in the series
	low, high      float64
	total, squares exact
	below, upTo    []int64 // how many numbers are less than the bounds of the series, and not more
	ranks          *sketch // nil if no percentile is asked for
}

// fold makes one aggregate of the events first to past, which may be aggregates themselves.
func (s *series) fold(p *seriesSpec, first, past int) {
	whole := &paneAggregate{low: math.Inf(1), high: math.Inf(-1)}
	if p.kind == numbers {
		if p.ranked {
			whole.ranks, whole.below, whole.upTo = &sketch{}, make([]int64, len(p.bounds)),
				make([]int64, len(p.bounds))
		}
	}
	whole.begin, whole.order, whole.first = s.opens(first)
	for i := first; i < past; i++ {
		switch one := s.aggregate(i); {
		case one != nil:
			whole.join(one)
			if one.precedes(whole.begin, whole.order) {
				whole.begin, whole.order, whole.first = one.begin, one.order, one.first
			}
		case p.kind == numbers:
			whole.take(p, s.nums[i])
		default:
			whole.n++
		}
	}
	s.times = slices.Delete(s.times, first, past-1)
	if s.nums != nil {
		s.nums = slices.Delete(s.nums, first, past-1)
	}
	if s.orders != nil {
		s.orders = slices.Delete(s.orders, first, past-1)
	}
	if s.aggregates == nil {
		s.aggregates = make([]*paneAggregate, len(s.times))
	} else {
		s.aggregates = slices.Delete(s.aggregates, first, past-1)
	}
	s.aggregates[first] = whole
}

// take takes a number in.
func (c *paneAggregate) take(p *seriesSpec, v float64) {
	c.n++
	c.low, c.high = min(c.low, v), max(c.high, v)
	if p.summed {
		c.total.add(v)
	}
	if p.squared {
		c.squares.addSquare(v, 1)
	}
	if p.ranked {
		c.ranks.add(v, 1)
		for i, bound := range p.bounds {
			c.below[i] += one(v < bound)
			c.upTo[i] += one(v <= bound)
		}
	}
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// join takes in what another aggregate holds.
func (c *paneAggregate) join(d *paneAggregate) {
	c.n += d.n
	c.low, c.high = min(c.low, d.low), max(c.high, d.high)
	c.total.join(d.total, 1)
	c.squares.join(d.squares, 1)
	if d.ranks != nil {
		c.ranks.join(d.ranks, 1)
	}
	for i := range d.below {
		c.below[i] += d.below[i]
		c.upTo[i] += d.upTo[i]
	}
}

func (c *paneAggregate) bytes() int {
	n := 144 + 8*(cap(c.total)+cap(c.squares)+cap(c.below)+cap(c.upTo))
	if c.ranks != nil {
		n += c.ranks.bytes()
	}
	return n
}

// aggregate is the aggregate that stands at a place of the series, nil where there is a single
// event.
func (s *series) aggregate(i int) *paneAggregate {
	if s.aggregates == nil {
		return nil
	}
	return s.aggregates[i]
}

// weight is how many events stand at a place of the series beyond one.
func (s *series) weight(i int) int {
	if c := s.aggregate(i); c != nil {
		return int(c.n) - 1
	}
	return 0
}

// count is how many events the first n places of the series stand for, of those with a time all or
// none.
func (s *series) count(n int) int64 {
	total := int64(n)
	for _, m := range s.foldedPanes {
		if n > 0 && m.last <= s.times[n-1] {
			total += m.more
		}
	}
	return total
}

// opens is the first event that stands at a place of the series.
func (s *series) opens(i int) (begin int64, order Order, first float64) {
	if c := s.aggregate(i); c != nil {
		return c.begin, c.order, c.first
	}
	if s.orders != nil {
		order = s.orders[i]
	}
	if s.nums != nil {
		first = s.nums[i]
	}
	return s.times[i], order, first
}

// precedes says whether the first event of the aggregate was before another one.
func (c *paneAggregate) precedes(t int64, o Order) bool {
	return c.begin < t || c.begin == t && c.order.Compare(o) < 0
}

// first is the number of the first event in a window. A late one may stand before an aggregate
// whose first event was earlier.
func (s *series) first(p *Condition, lo, hi int) float64 {
	t, order, first := s.opens(lo)
	for i := lo; s.aggregates != nil && i < hi && s.times[i] <= t+p.paneLength; i++ {
		if c := s.aggregates[i]; c != nil {
			if c.precedes(t, order) {
				first = c.first
			}
			break
		}
	}
	return first
}

// foldedPane is the pane that an aggregate is in, by its end; where the aggregate stands, and for
// how many events beyond one.
type foldedPane struct{ end, last, more int64 }

func (m foldedPane) compare(end int64) int { return cmp.Compare(m.end, end) }

// hasAggregate says whether a pane holds an aggregate, by its end.
func (s *series) hasAggregate(end int64) bool {
	_, found := slices.BinarySearchFunc(s.foldedPanes, end, foldedPane.compare)
	return found
}

// addFoldedPane notes that the pane with that end holds the aggregate at a place.
func (s *series) addFoldedPane(end int64, i int) {
	at, found := slices.BinarySearchFunc(s.foldedPanes, end, foldedPane.compare)
	if !found {
		s.foldedPanes = slices.Insert(s.foldedPanes, at, foldedPane{end: end})
	}
	s.foldedPanes[at].last, s.foldedPanes[at].more = s.times[i], int64(s.weight(i))
}

// clip releases memory that a flood has grown.
func (s *series) clip() {
	if n := len(s.times); cap(s.times) > 4*n+64 {
		s.times, s.nums, s.orders, s.aggregates = slices.Clip(slices.Clone(s.times)),
			slices.Clone(s.nums), slices.Clone(s.orders), slices.Clone(s.aggregates)
		s.texts = slices.Clone(s.texts)
	}
}
