package fair

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		sizes       []int64
		bound, want int64
	}{
		{nil, 10, math.MaxInt64},
		{[]int64{3, 4}, 7, math.MaxInt64},
		{[]int64{100, 1, 50}, 21, 10},
		{[]int64{100, 100, 100}, 30, 10},
		{[]int64{5}, 0, 0},
	} {
		if got := Level(c.sizes, c.bound); got != c.want {
			t.Errorf("level of %v within %d is %d, want %d", c.sizes, c.bound, got, c.want)
		}
	}
}

// Those that have most give one by one until all fits, and have then what Level says.
func TestMostGiveUntilLevel(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var s Sizes
		var wants []int64
		for i := range 1 + rng.IntN(20) {
			n := 1 + rng.Int64N(200)
			wants = append(wants, n)
			for range n {
				s.Add(strconv.Itoa(i), 1)
			}
		}
		bound := rng.Int64N(s.Total() + 10)
		for s.Total() > bound {
			s.Add(s.Most(), -1)
		}
		level := Level(append([]int64(nil), wants...), bound)
		for i, want := range wants {
			got := int64(0)
			if one := s.of[strconv.Itoa(i)]; one != nil {
				got = one.n
			}
			if fair := min(want, level); got != fair && got != min(want, level+1) {
				t.Fatalf("seed %d: of %d one has %d, and not %d", seed, want, got, fair)
			}
		}
	}
	var s Sizes
	if s.Most() != "" {
		t.Error("none has most")
	}
}

func BenchmarkSizes(b *testing.B) {
	var s Sizes
	for i := range 10_000 {
		s.Add(strconv.Itoa(i), 100)
	}
	for b.Loop() {
		s.Add(s.Most(), -1)
	}
}
