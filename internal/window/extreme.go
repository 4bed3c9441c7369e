package window

import (
	"math"
	"slices"
)

// extremes holds the greatest number of a window, or with a negative sign the least: those numbers
// that are greater than every later one, in the order of time.
type extremes struct {
	sign  float64
	times []int64
	nums  []float64 // falling
}

func (e *extremes) add(s *series, i int) {
	t, v := s.times[i], e.of(s, i)
	to := after(e.times, t)
	for k := to; k < len(e.nums); k++ {
		if e.nums[k] >= v {
			return // a later one outlives it
		}
	}
	from := to
	for from > 0 && e.nums[from-1] <= v {
		from--
	}
	e.times, e.nums = slices.Replace(e.times, from, to, t), slices.Replace(e.nums, from, to, v)
}

// of is the number that stands at a place of the series, or the greatest one of an aggregate.
func (e *extremes) of(s *series, i int) float64 {
	c := s.aggregate(i)
	switch {
	case c == nil:
		return e.sign * s.nums[i]
	case e.sign < 0:
		return -c.low
	}
	return c.high
}

func (e *extremes) remove(s *series, i int) {
	if gone := after(e.times, s.times[i]); gone > 0 {
		e.times, e.nums = slices.Delete(e.times, 0, gone), slices.Delete(e.nums, 0, gone)
	}
}

func (e *extremes) value(*call, int) float64 {
	if len(e.nums) == 0 {
		return math.NaN()
	}
	return e.sign * e.nums[0]
}

func (e *extremes) bytes() int { return 64 + 8*cap(e.times) + 8*cap(e.nums) }
