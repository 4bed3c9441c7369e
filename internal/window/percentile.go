package window

import (
	"math"
	"slices"
)

// quantiles holds the numbers of a window in order, in blocks, so that a window of millions costs
// little more than one of thousands. Of high-volume panes it holds sketches instead.
type quantiles struct {
	blocks [][]float64 // none is empty
	n      int         // numbers in blocks

	bounds      []float64 // constants that the rule compares with
	folded      int64     // numbers in aggregates
	below, upTo []int64   // of those, how many are less than each bound, and not more
	ranks       *sketch   // of all numbers, nil while none is in an aggregate
}

// maxBlock is how many numbers a block holds before it is split.
const maxBlock = 1024

func (q *quantiles) add(s *series, i int) {
	if c := s.aggregate(i); c != nil {
		q.join(c, 1)
		return
	}
	v := s.nums[i]
	if q.n++; q.ranks != nil {
		q.ranks.add(v, 1)
	}
	if len(q.blocks) == 0 {
		q.blocks = append(q.blocks, append(make([]float64, 0, 4), v))
		return
	}
	b := min(q.block(v), len(q.blocks)-1)
	at, _ := slices.BinarySearch(q.blocks[b], v)
	q.blocks[b] = slices.Insert(q.blocks[b], at, v)
	if full := q.blocks[b]; len(full) >= maxBlock {
		upper := append(make([]float64, 0, maxBlock), full[maxBlock/2:]...)
		q.blocks[b] = full[:maxBlock/2]
		q.blocks = slices.Insert(q.blocks, b+1, upper)
	}
}

func (q *quantiles) remove(s *series, i int) {
	if c := s.aggregate(i); c != nil {
		q.join(c, -1)
		return
	}
	v := s.nums[i]
	if q.ranks != nil {
		q.ranks.add(v, -1)
	}
	b := q.block(v)
	if b == len(q.blocks) {
		return
	}
	at, found := slices.BinarySearch(q.blocks[b], v)
	if !found {
		return
	}
	q.n--
	if q.blocks[b] = slices.Delete(q.blocks[b], at, at+1); len(q.blocks[b]) == 0 {
		q.blocks = slices.Delete(q.blocks, b, b+1)
	}
}

// block is the first block whose last number is not less than v, or the number of blocks.
func (q *quantiles) block(v float64) int {
	b, _ := slices.BinarySearchFunc(q.blocks, v, func(block []float64, v float64) int {
		if block[len(block)-1] < v {
			return -1
		}
		return 1
	})
	return b
}

// sketch ranks all numbers that are there in a sketch, if that is not so already.
func (q *quantiles) sketch() {
	if q.ranks != nil {
		return
	}
	q.ranks, q.below, q.upTo = &sketch{}, make([]int64, len(q.bounds)), make([]int64, len(q.bounds))
	for _, block := range q.blocks {
		for _, v := range block {
			q.ranks.add(v, 1)
		}
	}
}

// join takes in the numbers of an aggregate, or takes them out for a negative sign.
func (q *quantiles) join(c *paneAggregate, sign int64) {
	q.sketch()
	q.ranks.join(c.ranks, sign)
	for i := range q.bounds {
		q.below[i] += sign * c.below[i]
		q.upTo[i] += sign * c.upTo[i]
	}
	if q.folded += sign * c.n; q.folded == 0 {
		q.ranks = nil
	}
}

// value is the least number that a share of quantile of all numbers does not exceed, or, of
// quantile(), the number between two of them that is as far from either as the share asks for.
func (q *quantiles) value(c *call, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	if c.of == quantile {
		return c.between(n, q.ranked)
	}
	return q.ranked(c.place(n))
}

// about is value, of which nothing is known but a sketch.
func (q *quantiles) about(c *call, n int) float64 {
	q.sketch()
	ranked := func(at int) float64 { return q.bounded(int64(at), q.ranks.at(int64(at))) }
	if c.of == quantile {
		return c.between(n, ranked)
	}
	return ranked(c.place(n))
}

// between interpolates between the two of n numbers in order that a quantile lies between.
func (c *call) between(n int, ranked func(at int) float64) float64 {
	rank := c.quantile * float64(n-1)
	at := min(int(rank+1e-9), n-1)
	share := math.Round((rank-float64(at))*1e9) / 1e9 // without the error of the product
	below := ranked(at)
	if share <= 0 || at == n-1 {
		return below
	}
	return below + (ranked(at+1)-below)*share
}

// place is how many of n numbers in order come before a percentile.
func (c *call) place(n int) int {
	return min(max(int(math.Ceil(c.quantile*float64(n)-1e-9))-1, 0), n-1)
}

// bounded is what a sketch says of the number at a place, put right where the bounds, which are
// counted, say more.
func (q *quantiles) bounded(at int64, v float64) float64 {
	for i, bound := range q.bounds {
		switch {
		case at < q.below[i]+int64(q.count(bound)):
			v = min(v, math.Nextafter(bound, math.Inf(-1)))
		case at < q.upTo[i]+int64(q.count(math.Nextafter(bound, math.Inf(1)))):
			v = bound
		default:
			v = max(v, math.Nextafter(bound, math.Inf(1)))
		}
	}
	return v
}

// count is how many of the numbers in blocks are less than v.
func (q *quantiles) count(v float64) (n int) {
	b := q.block(v)
	for _, block := range q.blocks[:b] {
		n += len(block)
	}
	if b < len(q.blocks) {
		at, _ := slices.BinarySearch(q.blocks[b], v)
		n += at
	}
	return n
}

// ranked is the number in blocks that has at numbers before it.
func (q *quantiles) ranked(at int) float64 {
	if at > q.n/2 { // the upper end is nearer
		for b := len(q.blocks) - 1; ; b-- {
			if from := q.n - at; from <= len(q.blocks[b]) {
				return q.blocks[b][len(q.blocks[b])-from]
			}
			at += len(q.blocks[b])
		}
	}
	for _, block := range q.blocks {
		if at < len(block) {
			return block[at]
		}
		at -= len(block)
	}
	return math.NaN()
}

func (q *quantiles) bytes() int {
	n := 128 + 24*cap(q.blocks)
	if q.ranks != nil {
		n += q.ranks.bytes() + 8*cap(q.below) + 8*cap(q.upTo)
	}
	for _, block := range q.blocks {
		n += 8 * cap(block)
	}
	return n
}
