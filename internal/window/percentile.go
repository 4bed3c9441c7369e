package window

import (
	"math"
	"slices"
)

// quantiles holds the numbers of a window in order, in blocks, so that a window of millions costs little more than one of thousands.
type quantiles struct {
	blocks [][]float64 // none is empty
	n      int
}

// maxBlock is how many numbers a block holds before it is split.
const maxBlock = 1024

func (q *quantiles) add(s *series, i int) {
	v := s.nums[i]
	q.n++
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
	v := s.nums[i]
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

// value is the least number that a share of quantile of all numbers does not exceed.
func (q *quantiles) value(c *call, _ int) float64 {
	if q.n == 0 {
		return math.NaN()
	}
	at := min(max(int(math.Ceil(c.quantile*float64(q.n)-1e-9))-1, 0), q.n-1)
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
	n := 48 + 24*cap(q.blocks)
	for _, block := range q.blocks {
		n += 8 * cap(block)
	}
	return n
}
