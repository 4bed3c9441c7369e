package alerting

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	never  = math.MaxInt64
	always = math.MinInt64

	// a partition missing from progress holds time back for so long: its broker may be away
	goneAfter = int64(60e9)
	// and what was measured of its delays is kept for so long
	forgottenAfter = int64(24 * time.Hour)
	// logs of other partitions, after which one that is fed log by log no longer holds time back
	quietAfter = 4096
)

// watermarks knows how far event time has come in every partition.
//
// While a partition is behind, its time is that of its logs: in a backlog the clock means nothing.
// A few logs that are ahead of all others do not move it, since all others would be late. No log
// moves it beyond the clock. When Kafka reports that the partition is read to its end, its time is
// the clock's: then it is known that no producer has written anything. Without an answer from Kafka
// neither moves it.
type watermarks struct {
	now        int64
	partitions map[models.Partition]*partitionTime
	entries    int64 // logs that came one by one
	progressed bool  // Advance was given partitions
	// the clock's time since when each Advance was given partitions; 0 when the last one was not
	assigned int64
	except   string // a topic that only those read who name it
	replays  bool   // another engine has read, or reads, the same logs
	advanced bool   // Advance was called
}

// partitionTime is how far event time has come in one partition.
type partitionTime struct {
	base     int64 // all logs up to here were read, but for disorder; it never goes back
	reached  int64 // the highest time of a log
	oldest   int64 // the lowest
	caughtUp bool
	replay   bool
	replayed int64 // the highest time of a log of the last replay
	// the number of the last log that came alone; 0 when progress names the partition
	direct int64
	seen   int64 // the clock's time of the last progress
	logs   int64
	late   int64
	delays Delays
	recent recentTimes

	// For rules whose lateness follows the delays: the one in force, the span of time in which it
	// was last adapted, and base less it, which does not go back when it grows.
	lateness, adapted, watermark int64
	delayClock                   delayClock
	replays                      bool // see watermarks

	gone bool // no progress has named it for a while, so it holds nothing back
}

func newWatermarks() watermarks {
	return watermarks{partitions: make(map[models.Partition]*partitionTime)}
}

func (t *watermarks) partition(p models.Partition) *partitionTime {
	pt := t.partitions[p]
	if pt == nil {
		pt = &partitionTime{
			base:       always,
			reached:    always,
			oldest:     never,
			replayed:   always,
			watermark:  always,
			lateness:   int64(rule.FirstLateness),
			delayClock: delayClock{at: always},
			replays:    t.replays,
		}
		t.partitions[p] = pt
	}
	return pt
}

// observe takes over what a scan saw of a partition's time.
func (t *watermarks) observe(s *scan) *partitionTime {
	pt := t.partition(s.partition)
	pt.measure(s.sampled)
	pt.reached, pt.oldest = max(pt.reached, s.newest), min(pt.oldest, s.oldest)
	pt.logs += int64(s.logs)
	pt.recent.add(&s.recent)
	return pt
}

// followDelays moves the watermark of rules whose lateness follows the delays. While logs are read
// again that another run or member has read, the watermark stays as far back as it may have been
// there: a log that was in time there must not be late here.
func (pt *partitionTime) followDelays() {
	switch {
	case pt.base == always:
		return
	case pt.replay || pt.replays:
		pt.watermark = max(pt.watermark, pt.base-mostLateness)
		return
	case pt.caughtUp:
		pt.adapt(pt.base)
	}
	pt.watermark = max(pt.watermark, pt.base-pt.lateness)
}

// recentTimes are the times of the last logs, in a ring.
type recentTimes struct {
	times [recentLogs]int64
	n     int // ever added
}

const (
	recentLogs = 64
	// times further apart than this are not of one run of logs
	runGap = int64(60e9)
	// a run of logs counts when it has at least this share of the recent logs, and two of them
	runShare = 4
)

func (r *recentTimes) note(t int64) {
	r.times[r.n%recentLogs] = t
	r.n++
}

// add appends the times of a scan, of which only the last ones are known.
func (r *recentTimes) add(s *recentTimes) {
	for i := max(s.n-recentLogs, 0); i < s.n; i++ {
		r.note(s.times[i%recentLogs])
	}
}

// reached is how far the recent logs have come: the end of the newest run of them that is not a
// few stray logs. One producer whose clock is ahead would otherwise make the logs of all others
// late.
func (r *recentTimes) reached() int64 {
	n := min(r.n, recentLogs)
	if n == 0 {
		return always
	}
	var sorted [recentLogs]int64
	copy(sorted[:], r.times[:n])
	slices.Sort(sorted[:n])
	for end := n - 1; ; {
		start := end
		for start > 0 && sorted[start]-sorted[start-1] <= runGap {
			start--
		}
		if start == 0 || end-start+1 >= max(n/runShare, 2) {
			return sorted[end]
		}
		end = start - 1
	}
}

// resumeAt takes over the time of the last advance before a restart.
func (t *watermarks) resumeAt(now int64) { t.now, t.advanced = max(t.now, now), true }

// advance moves the partitions in progress. Partitions that are missing from it hold nothing back
// after a while.
func (t *watermarks) advance(now int64, progress []models.Progress) {
	t.now, t.advanced = max(t.now, now), true
	for i := range progress {
		p := &progress[i]
		pt := t.partition(models.Partition{Topic: p.Topic, Partition: p.Partition})
		if pt.replay && !p.Replay {
			pt.replayed = pt.reached
		}
		pt.caughtUp, pt.replay, pt.seen, pt.direct = p.CaughtUp, p.Replay, t.now, 0
		pt.gone = false
		switch {
		case p.Settling:
		case p.CaughtUp && !p.At.IsZero():
			pt.base = max(pt.base, min(now, p.At.UnixNano()))
		case p.CaughtUp:
			pt.base = max(pt.base, now)
		case pt.reached > pt.base:
			pt.base = max(pt.base, min(pt.recent.reached(), now))
		}
	}
	switch {
	case len(progress) == 0:
		t.assigned = 0
	case t.assigned == 0:
		t.assigned = t.now
	}
	t.progressed = t.progressed || len(progress) > 0
	if len(progress) == 0 && !t.progressed {
		// The owner of an engine that is fed log by log sets the time. Not that of partitions that
		// were restored and are not assigned yet: nothing is known of them.
		for _, pt := range t.partitions {
			if pt.direct > 0 {
				pt.base = max(pt.base, now)
			}
		}
	}
	for p, pt := range t.partitions {
		pt.followDelays()
		if pt.seen == 0 {
			pt.seen = t.now // restored
		}
		if len(progress) > 0 && pt.direct == 0 &&
			t.now-max(pt.seen, t.assigned) > goneAfter {
			pt.gone = true
			if t.now-pt.seen > forgottenAfter {
				delete(t.partitions, p)
			}
		}
	}
}

// alone moves a partition whose logs come one by one.
func (t *watermarks) alone(pt *partitionTime, logs int) {
	t.entries += int64(logs)
	pt.direct = t.entries
	pt.base = max(pt.base, pt.reached)
	pt.followDelays()
}

// holdsBack reports whether a partition holds back the time of those who read it.
func (t *watermarks) holdsBack(pt *partitionTime) bool {
	return pt.direct == 0 && !pt.gone ||
		pt.direct > 0 && t.entries-pt.direct < quietAfter
}

// topicsProgress is the partitions that some rules read, and the time that all of them have
// reached.
type topicsProgress struct {
	topics map[string]bool // nil for all
	base   int64           // always when nothing is known
	// of rules whose lateness follows the delays: the least watermark of the partitions, and the
	// greatest lateness
	watermark, lateness int64

	oldest   int64
	caughtUp bool
	replay   bool
	known    bool
}

// progressCache returns a function that finds the domain of a rule; rules of the same topics share
// it.
func (t *watermarks) progressCache() func(rs *ruleState) topicsProgress {
	found := make(map[string]topicsProgress)
	return func(rs *ruleState) topicsProgress {
		d, ok := found[rs.topicsID]
		if !ok {
			d = t.progressOf(rs.topics)
			found[rs.topicsID] = d
		}
		return d
	}
}

// topicsID identifies a set of topics.
func topicsID(topics map[string]bool) string {
	if topics == nil {
		return "*"
	}
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, "\x00")
}

// progressOf works out how far the partitions of some topics have come: as far as the slowest of
// them.
func (t *watermarks) progressOf(topics map[string]bool) topicsProgress {
	d := topicsProgress{topics: topics, base: never, watermark: never, oldest: never,
		caughtUp: true}
	for p, pt := range t.partitions {
		if topics != nil && !topics[p.Topic] ||
			topics == nil && t.except != "" && p.Topic == t.except ||
			!t.holdsBack(pt) {
			continue
		}
		d.known = true
		d.base, d.oldest = min(d.base, pt.base), min(d.oldest, pt.oldest)
		d.watermark, d.lateness = min(d.watermark, pt.watermark), max(d.lateness, pt.lateness)
		d.caughtUp, d.replay = d.caughtUp && pt.caughtUp, d.replay || pt.replay
	}
	if !d.known {
		d.base, d.watermark, d.caughtUp = always, always, false
	}
	return d
}
