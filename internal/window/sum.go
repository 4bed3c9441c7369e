package window

import (
	"math"
	"math/big"
)

// sums adds up numbers and, if asked, their squares. It is exact: what has left leaves no trace,
// and the order of adding has no influence.
type sums struct {
	squared        bool
	total, squares exact
}

func (s *sums) add(from *series, i int) { s.enter(from, i, 1) }

func (s *sums) remove(from *series, i int) { s.enter(from, i, -1) }

func (s *sums) enter(from *series, i int, sign float64) {
	if c := from.aggregate(i); c != nil {
		s.total.join(c.total, sign)
		s.squares.join(c.squares, sign)
		return
	}
	v := from.nums[i]
	s.total.add(sign * v)
	if s.squared {
		s.squares.addSquare(v, sign)
	}
}

// value is the sum, the average or the population's standard deviation of n numbers; there is one
// at least but for the sum.
func (s *sums) value(c *call, n int) float64 {
	switch {
	case n == 0:
		return math.NaN()
	case c.of == sum:
		return s.total.round()
	case c.of == avg:
		return s.total.round() / float64(n)
	}
	return s.deviation(n)
}

func (s *sums) deviation(n int) float64 {
	size, total := new(big.Float).SetInt64(int64(n)), s.total.big()
	variance := s.squares.big()
	variance.Mul(variance, size).Sub(variance, total.Mul(total, total))
	v, _ := variance.Quo(variance, size.Mul(size, size)).Float64()
	return math.Sqrt(max(v, 0))
}

func (s *sums) bytes() int { return 64 + 8*cap(s.total) + 8*cap(s.squares) }

// exact is a sum without rounding: numbers of increasing magnitude that do not overlap (Shewchuk,
// 1997).
type exact []float64

func (e *exact) add(v float64) {
	kept := (*e)[:0]
	for _, part := range *e {
		if math.Abs(v) < math.Abs(part) {
			v, part = part, v
		}
		high := v + part
		if low := part - (high - v); low != 0 {
			kept = append(kept, low)
		}
		v = high
	}
	if v != 0 {
		kept = append(kept, v)
	}
	*e = kept
}

// addSquare adds the square of a number, which takes two to be exact.
func (e *exact) addSquare(v, sign float64) {
	square := v * v
	e.add(sign * square)
	e.add(sign * math.FMA(v, v, -square))
}

// join adds another sum, or subtracts it for a negative sign.
func (e *exact) join(o exact, sign float64) {
	for _, part := range o {
		e.add(sign * part)
	}
}

// round is the number nearest to the sum, halves to even.
func (e exact) round() float64 {
	n := len(e) - 1
	if n < 0 {
		return 0
	}
	high, low := e[n], 0.0
	for n > 0 && low == 0 {
		n--
		v := high
		high = v + e[n]
		low = e[n] - (high - v)
	}
	if n > 0 && (low < 0) == (e[n-1] < 0) { // exactly half so far: what follows decides
		if twice := low * 2; twice == (high+twice)-high {
			high += twice
		}
	}
	return high
}

// big is the sum as a number of 1,200 bits, more than sums of sensible logs need.
func (e exact) big() *big.Float {
	total := new(big.Float).SetPrec(1200)
	for _, part := range e {
		total.Add(total, new(big.Float).SetFloat64(part))
	}
	return total
}
