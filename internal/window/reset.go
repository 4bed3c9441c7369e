package window

import (
	"cmp"
	"slices"
)

// reset is an event that resolved while the condition held. Neither it nor what came before it, by
// time and of one instant by place, counts any more.
type reset struct {
	at    int64
	order Order
}

func (r reset) compare(other reset) int {
	return cmp.Or(cmp.Compare(r.at, other.at), r.order.Compare(other.order))
}

// before says whether the reset came before an event.
func (r reset) before(t int64, o Order) bool { return r.compare(reset{t, o}) < 0 }

// resetsUntil is the number of resets not after an instant.
func resetsUntil(resets []reset, at int64) int {
	if n := len(resets); n == 0 || resets[n-1].at <= at {
		return n
	}
	i, _ := slices.BinarySearchFunc(resets, at+1, func(r reset, t int64) int {
		return cmp.Compare(r.at, t)
	})
	return i
}

// countsAfterReset says whether an event of the series is of the instant of a reset, and came after
// it.
func (st *state) countsAfterReset(s *series, i int) bool {
	n := resetsUntil(st.resets, s.times[i])
	return n > 0 && st.resets[n-1].at == s.times[i] && i >= s.afterReset(st.resets[n-1])
}

// afterReset is the place of the first event of the series after a reset. In a series without
// places all events of the instant came before.
func (s *series) afterReset(r reset) int {
	i := after(s.times, r.at)
	for i > 0 && len(s.orders) > 0 && r.before(s.times[i-1], s.orders[i-1]) {
		i--
	}
	return i
}
