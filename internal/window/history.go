package window

import (
	"math"
	"slices"
	"time"
)

// historySpec is an aggregate whose past is kept: its value at every step of a grid, as far back as
// it is asked for. Events would be too many to keep for weeks.
type historySpec struct {
	of      expr
	ofEmpty float64 // its value when there are no events; not stored
	keep    int64
}

// history is the values of an aggregate that are not those of an empty window.
type history struct {
	times  []int64
	values []float64
}

const day = int64(24 * time.Hour)

// gridOf is the step of the grid for a window: a divisor of a day and at most a quarter of the
// window, but no finer than a minute.
func gridOf(window int64) int64 {
	step := time.Minute
	for _, d := range []time.Duration{
		2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour,
	} {
		if int64(d) <= window/4 {
			step = d
		}
	}
	return int64(step)
}

// record notes the value at a step of the grid.
func (h *history) record(p *historySpec, x *instant) {
	if v := p.of.value(x); !same(v, p.ofEmpty) && math.Abs(v) < maxNumber &&
		(len(h.times) == 0 || h.times[len(h.times)-1] < x.at) {
		h.times, h.values = append(h.times, x.at), append(h.values, v)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// at is the value at a step of the grid.
func (h *history) at(p *historySpec, at int64) float64 {
	if i, found := slices.BinarySearch(h.times, at); found {
		return h.values[i]
	}
	return p.ofEmpty
}

func (h *history) evict(p *historySpec, swept int64) {
	if gone := after(h.times, swept-p.keep); gone > len(h.times)/2 {
		h.times, h.values = slices.Delete(h.times, 0, gone), slices.Delete(h.values, 0, gone)
	}
}

// earlier is the value of an aggregate some days or more before, at the step of the grid.
type earlier struct {
	history int
	offset  int64
}

func (e *earlier) value(x *instant) float64 {
	if x.empty {
		return x.p.history[e.history].ofEmpty
	}
	at := Floor(x.at-e.offset, x.p.grid)
	if at > x.g.swept || at-x.p.window < x.g.state.known {
		return math.NaN()
	}
	return x.g.state.history[e.history].at(&x.p.history[e.history], at)
}

// baseline is what an aggregate amounted to at the same time of earlier days of the same kind,
// working days or weekends by UTC, within a span.
type baseline struct {
	history int
	span    int64
	score   expr // zscore: the aggregate now, which is held against the past
}

// minDays is how many earlier days there must be before anything is said.
const minDays = 3

func (b *baseline) value(x *instant) float64 {
	if x.empty {
		if b.score != nil {
			return math.NaN()
		}
		return x.p.history[b.history].ofEmpty
	}
	values := b.values(x, make([]float64, 0, 32))
	switch {
	case len(values) < minDays:
		return math.NaN()
	case b.score != nil:
		return b.zscore(x, values)
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

func (b *baseline) values(x *instant, values []float64) []float64 {
	now := Floor(x.at, x.p.grid)
	if now-day > x.g.swept {
		return nil // yesterday is not noted yet: a backlog is being read
	}
	h, hp := &x.g.state.history[b.history], &x.p.history[b.history]
	for at := now - day; at >= now-b.span && at-x.p.window >= x.g.state.known; at -= day {
		if v := h.at(hp, at); weekend(at) == weekend(now) && !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

// zscore is by how many standard deviations the aggregate now differs from the mean of the past;
// undefined if the past never varied.
func (b *baseline) zscore(x *instant, values []float64) float64 {
	var total, squares float64
	for _, v := range values {
		total += v
	}
	mean := total / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	if squares == 0 {
		return math.NaN()
	}
	return (b.score.value(x) - mean) / math.Sqrt(squares/float64(len(values)))
}

func weekend(at int64) bool {
	weekday := time.Unix(0, at).UTC().Weekday()
	return weekday == time.Saturday || weekday == time.Sunday
}
