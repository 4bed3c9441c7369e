package window

import "slices"

// Times is a multiset of event times, kept in order. The zero value is empty.
type Times struct{ sorted []int64 }

// Insert adds t. A time not before all others costs an append; an earlier one is moved to its place.
func (s *Times) Insert(t int64) {
	if n := len(s.sorted); n == 0 || s.sorted[n-1] <= t {
		s.sorted = append(s.sorted, t)
		return
	}
	at, _ := slices.BinarySearch(s.sorted, t)
	s.sorted = slices.Insert(s.sorted, at, t)
}

// Forget drops the times at or before t. The caller chooses t at least a window before anything it will still ask about.
func (s *Times) Forget(t int64) {
	at, _ := slices.BinarySearch(s.sorted, t+1)
	s.sorted = slices.Delete(s.sorted, 0, at)
}

// Len is the number of times held.
func (s *Times) Len() int { return len(s.sorted) }

// AtLeast appends to dst the maximal spans over which the window holds n times or more, in order, and returns it. n is at least 1 and window positive.
//
// The condition holds at T if the n-th newest time not after T is still inside the window; so each run of n neighbours holds it from its last time until its
// first one has left, and runs that touch are one span.
func (s *Times) AtLeast(dst []Span, n int, window int64) []Span {
	base := len(dst)
	for i := n - 1; i < len(s.sorted); i++ {
		from, to := s.sorted[i], s.sorted[i-n+1]+window
		switch last := len(dst) - 1; {
		case from >= to: // the run never fits into one window
		case last >= base && from <= dst[last].To:
			dst[last].To = max(dst[last].To, to)
		default:
			dst = append(dst, Span{from, to})
		}
	}
	return dst
}
