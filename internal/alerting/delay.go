package alerting

import (
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
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

// Note counts a delay, in nanoseconds.
func (d *Delays) Note(delay int64) {
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

const (
	// bounds of a lateness that follows the delays; a second, for clocks differ by as much
	leastLateness = int64(time.Second)
	mostLateness  = int64(rule.MostLateness)
	// as long as fewer were measured a lateness does not follow them
	enoughDelays = 100
	// the lateness is looked at when the time of its partition enters another such span
	adaptEvery = int64(time.Minute)
)

// Lateness is the one that a rule with lateness: auto has after such delays.
func (d *Delays) Lateness() time.Duration {
	return time.Duration(d.lateness(int64(rule.FirstLateness)))
}

// lateness is one that covers 999 of 1000 delays, within bounds; otherwise as long as too few were
// measured.
func (d *Delays) lateness(otherwise int64) int64 {
	if d.Count() < enoughDelays {
		return otherwise
	}
	covers, ok := d.Within(0.999)
	if !ok {
		return mostLateness
	}
	return min(max(int64(covers), leastLateness), mostLateness)
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
