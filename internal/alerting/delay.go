package alerting

import (
	"math"
	"time"
)

// DelayBounds are the upper bounds of the classes of delays, in ascending order.
var DelayBounds = [...]time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 24 * time.Hour,
}

// Delays are how long after their time logs are seen, by class; the last class is of those beyond
// all bounds. A log's delay is the time from the one that it bears to the later of the one that its
// record bears, and the one that its partition had come to: so it is right while the clock moves
// the partition and, for as long as that tells anything, in a backlog. It is what a rule's lateness
// has to cover.
//
// One log of each scan is measured. After so many thousand all counts are halved, so that what was
// true last week fades.
type Delays [len(DelayBounds) + 1]int64

const delaysFade = 1 << 14

func (d *Delays) note(delay int64) {
	class := 0
	for class < len(DelayBounds) && delay > int64(DelayBounds[class]) {
		class++
	}
	d[class]++
	if d.Count() < delaysFade {
		return
	}
	for i := range d {
		d[i] /= 2
	}
}

// Add adds those of another partition.
func (d *Delays) Add(other Delays) {
	for i, n := range other {
		d[i] += n
	}
}

// Count is how many were measured.
func (d *Delays) Count() int64 {
	n := int64(0)
	for _, c := range d {
		n += c
	}
	return n
}

// Within is the bound below which such a part of the delays lies, or false when there are none, or
// it lies beyond all bounds.
func (d *Delays) Within(part float64) (time.Duration, bool) {
	want, n := int64(math.Ceil(part*float64(d.Count()))), int64(0)
	for i, bound := range DelayBounds {
		if n += d[i]; n > 0 && n >= want {
			return bound, true
		}
	}
	return 0, false
}
