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

// Delays are how long after their time logs are read, by class; the last class is of those beyond
// all bounds. The delay of a log is the time from its own to the latest of that of its record, that
// of the logs before it, and, where the partition was read to its end, the clock's. A rule's
// lateness must cover it.
//
// The logs of every eighth offset are measured, so the delays do not depend on how records are
// polled. After some thousand all counts are halved, so old delays lose their weight.
type Delays [len(DelayBounds) + 1]int64

// delayStride is the distance of the offsets whose logs are measured.
const delayStride = 8

// delaySample is the times of a log whose delay is measured.
type delaySample struct {
	at     int64
	record int64 // 0 when unknown
}

// delayClock is the time that the measured logs of a partition have reached. A few that are far
// ahead do not move it, since all others would seem late.
type delayClock struct {
	at    int64
	ahead int64 // how many more were far ahead of late than not
}

// aheadLogs is how many more measured logs must be far ahead than not, until they count.
const aheadLogs = 16

// follow takes the time of a log in.
func (c *delayClock) follow(at int64) {
	switch {
	case c.at == always || at <= c.at+runGap:
		c.at, c.ahead = max(c.at, at), max(0, c.ahead-1)
	case c.ahead+1 >= aheadLogs:
		c.at, c.ahead = at, 0
	default:
		c.ahead++
	}
}

// measure takes the delays of logs in, and adapts the lateness where a log is of another minute
// than the one before: so both depend on the logs alone.
func (pt *partitionTime) measure(sampled []delaySample) {
	for _, s := range sampled {
		pt.adapt(max(s.at, s.record))
		seen := max(s.record, pt.delayClock.at)
		if pt.caughtUp {
			seen = max(seen, pt.base)
		}
		pt.delays.Note(seen - s.at)
		reached := s.at
		if s.record > 0 {
			reached = min(reached, s.record)
		}
		pt.delayClock.follow(reached)
	}
}

// adapt adapts the lateness to the delays where the time is in another minute.
func (pt *partitionTime) adapt(at int64) {
	if span := at / adaptEvery; span != pt.adapted {
		pt.adapted, pt.lateness = span, pt.delays.lateness(pt.lateness)
	}
}

// halveDelaysAt is how many delays are counted before all counts are halved, so that old ones count
// less.
const halveDelaysAt = 1 << 14

// Note counts a delay, in nanoseconds.
func (d *Delays) Note(delay int64) {
	class := 0
	for class < len(DelayBounds) && delay > int64(DelayBounds[class]) {
		class++
	}
	d[class]++
	if d.Count() < halveDelaysAt {
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
	// the lateness is adapted when the time of its partition enters another such span
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
