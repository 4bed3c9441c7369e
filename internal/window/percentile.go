package window

import (
	"math"
	"slices"
)

// quantiles holds the numbers of a window in order.
type quantiles struct{ sorted []float64 }

func (q *quantiles) add(s *series, i int) {
	at, _ := slices.BinarySearch(q.sorted, s.nums[i])
	q.sorted = slices.Insert(q.sorted, at, s.nums[i])
}

func (q *quantiles) remove(s *series, i int) {
	at, _ := slices.BinarySearch(q.sorted, s.nums[i])
	q.sorted = slices.Delete(q.sorted, at, at+1)
}

// value is the least number that a share of quantile of all numbers does not exceed.
func (q *quantiles) value(c *call, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	return q.sorted[rank(c.quantile, n)]
}

// rank is the place of a quantile among n numbers in order.
func rank(quantile float64, n int) int {
	return min(max(int(math.Ceil(quantile*float64(n)-1e-9))-1, 0), n-1)
}

func (q *quantiles) bytes() int { return 32 + 8*cap(q.sorted) }
