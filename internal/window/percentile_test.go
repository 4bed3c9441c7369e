package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPercentilesAcrossPanes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := &series{}
	for range 30_000 {
		s.nums = append(s.nums, math.Floor(rng.ExpFloat64()*1000))
	}
	q, lo := &quantiles{}, 0
	for hi := range s.nums {
		q.add(s, hi)
		if hi-lo > 20_000 || rng.IntN(5) == 0 {
			q.remove(s, lo)
			lo++
		}
		if hi%3000 != 2999 {
			continue
		}
		sorted := slices.Sorted(slices.Values(s.nums[lo : hi+1]))
		for _, quantile := range []float64{0.01, 0.3, 0.5, 0.9, 0.99, 0.999} {
			want := sorted[int(math.Ceil(quantile*float64(len(sorted))-1e-9))-1]
			if got := q.value(&call{quantile: quantile}, q.n); got != want {
				t.Fatalf("p%v of %d numbers: %v, not %v", 100*quantile, len(sorted), got, want)
			}
		}
	}
	for ; lo < len(s.nums); lo++ {
		q.remove(s, lo)
	}
	if q.n != 0 || len(q.blocks) != 0 {
		t.Error("numbers that have left are still there:", q.n)
	}
}
