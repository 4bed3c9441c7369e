// Package fair divides what is bounded among rules, or other keys: a key with little keeps all of
// it, and the keys with most have the rest in equal parts. So a flood of one takes nothing of
// another.
//
// Level divides once. Sizes finds, while amounts change, the key that has most and gives first;
// if each gives until all fits, each has at most the Level.
package fair

import (
	"container/heap"
	"math"
	"slices"
)

// Level is how much each may have of a bound, by how much each wants: the greatest number that lets
// the rest fit. It is math.MaxInt64 when all fits. It sorts the sizes.
func Level(sizes []int64, bound int64) int64 {
	slices.Sort(sizes)
	for i, size := range sizes {
		part := bound / int64(len(sizes)-i)
		if size > part {
			return part
		}
		bound -= size
	}
	return math.MaxInt64
}

// Sizes is how much each of some keys has. The zero Sizes is empty. It is not safe for concurrent
// use.
type Sizes struct {
	of    map[string]*size
	most  bySize
	total int64
}

type size struct {
	key string
	n   int64
	at  int // in the heap
}

// Add adds to what a key has; less than nothing takes from it. A key that has nothing is forgotten.
// It takes logarithmic time.
func (s *Sizes) Add(key string, n int64) {
	if s.of == nil {
		s.of = make(map[string]*size)
	}
	s.total += n
	one := s.of[key]
	if one == nil {
		one = &size{key: key}
		s.of[key] = one
		heap.Push(&s.most, one)
	}
	if one.n += n; one.n > 0 {
		heap.Fix(&s.most, one.at)
		return
	}
	heap.Remove(&s.most, one.at)
	delete(s.of, key)
}

// Most is the key that has most; of several the first by name, and "" if there is none.
func (s *Sizes) Most() string {
	if len(s.most) == 0 {
		return ""
	}
	return s.most[0].key
}

// Total is what all keys have together.
func (s *Sizes) Total() int64 { return s.total }

// bySize is a heap with the greatest size first.
type bySize []*size

func (h bySize) Len() int { return len(h) }

func (h bySize) Less(i, j int) bool {
	if h[i].n != h[j].n {
		return h[i].n > h[j].n
	}
	return h[i].key < h[j].key
}

func (h bySize) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *bySize) Push(x any) {
	one := x.(*size)
	one.at = len(*h)
	*h = append(*h, one)
}

func (h *bySize) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
