package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// clock tells rules what time it is. Where all logs are read, time passes by it; so if it were a
// day ahead but once, all windows would end, whatever is silent would be reported, and the logs of
// a whole day would be late.
//
// Therefore it is not the machine's clock alone. It goes on with the time that has really passed,
// which no setting of the clock changes, and follows the machine's clock only as far as that is set
// by a trifle. When the machine's clock jumps, or is far from what the logs say at the start,
// somebody else decides who is right: the timestamps of records that are written at this moment.
//
//	the machine's clock jumps, logs do not      the jump is left out
//	the logs agree with where it jumped to      time had stood still, as in a machine that was suspended: the clock is followed
//	it comes back                               it is followed again
//	it is far ahead of all logs so far          the time is that of the logs
//	it is far behind the logs                   it is said, and nothing more: one producer whose clock is ahead must not make all others late
//	nothing is written                          the clock is taken at its word at the start, and not for a jump
type clockGuard struct {
	wall func() time.Time // the machine's
	log  *slog.Logger

	mu           sync.Mutex    // guards what follows
	startInstant time.Time     // an instant by the time that passes,
	startTime    time.Time     // and what time it was then
	offset       time.Duration // how far the machine's clock is ahead of us; 0 while it is followed
	jumps        int64
	confirmed    bool      // logs have agreed with us
	maxReported  time.Time // the latest time that was told

	contradictedSince time.Time     // since when records contradict us; zero for not
	contradictions    int           // of them
	newestAhead       time.Duration // how far the newest of them is ahead of us
	// how far records are ahead of the machine's clock, beyond all doubt; 0 for not
	ahead time.Duration
}

const (
	clockStep         = 5 * time.Second  // by which a clock may be set without a word
	clockMaxDeviation = time.Hour        // by which a clock may differ from the logs without a word
	clockTrial        = 10 * time.Second // for which records contradict us before they are believed
	clockMinRecords   = 3                // records, of polls of their own, that have to
	clockStartWait    = 15 * time.Second // for a record at the start, when the clock is in doubt
)

func newClockGuard(wall func() time.Time, log *slog.Logger) *clockGuard {
	if wall == nil {
		wall = time.Now
	}
	return &clockGuard{wall: wall, log: log, startInstant: time.Now(), startTime: wall().Round(0)}
}

// at is what time it was at an instant of this process, which has to come from time.Now.
func (c *clockGuard) at(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.atLocked(instant)
}

func (c *clockGuard) atLocked(instant time.Time) time.Time {
	return c.startTime.Add(instant.Sub(c.startInstant))
}

// tell is at, for rules.
func (c *clockGuard) report(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.atLocked(instant)
	if now.After(c.maxReported) {
		c.maxReported = now
	}
	return now
}

// look compares the machine's clock with the time that has passed. It is called about once a
// second.
func (c *clockGuard) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	off := c.wall().Round(0).Sub(c.atLocked(time.Now()))
	switch by := off - c.offset; {
	case off.Abs() <= clockStep:
		if c.offset != 0 {
			c.log.Info("this machine's clock is right again, and followed")
			c.contradictedSince = time.Time{}
		}
		c.startTime, c.offset = c.startTime.Add(off), 0
	case by.Abs() > clockStep:
		c.jumps++
		c.offset, c.contradictedSince = off, time.Time{}
		c.log.Error(
			"this machine's clock has jumped; time goes on without it until the logs agree with it, or it comes back",
			"by",
			by,
			"ahead",
			off,
		)
	default:
		c.offset = off
	}
}

// witness takes the timestamp of a record that was written just now.
func (c *clockGuard) observe(written time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	ahead := written.Sub(c.atLocked(now))
	c.ahead = 0
	if d := ahead - c.offset; d > clockMaxDeviation && ahead > clockMaxDeviation {
		c.ahead = d
	}
	switch {
	case c.offset != 0 && (ahead-c.offset).Abs() < ahead.Abs():
		ahead = c.offset // it agrees with the machine's clock
	// it agrees with us, is ahead of us and of the machine's clock, or is an old log that somebody
	// writes once more
	case ahead >= -clockMaxDeviation || c.confirmed:
		c.contradictedSince = time.Time{}
		c.confirmed = c.confirmed || c.offset == 0 && ahead.Abs() <= clockMaxDeviation
		return
	}
	if c.contradictedSince.IsZero() {
		c.contradictedSince, c.contradictions, c.newestAhead = now, 0, ahead
	}
	c.contradictions++
	c.newestAhead = max(c.newestAhead, ahead)
	if c.contradictions >= clockMinRecords && now.Sub(c.contradictedSince) >= clockTrial {
		c.accept()
	}
}

// heed believes the records that contradict us.
func (c *clockGuard) accept() {
	if (c.newestAhead - c.offset).Abs() <= clockStep {
		c.log.Warn("logs agree with this machine's clock, which is followed again", "by", c.offset)
		c.newestAhead = c.offset
	} else {
		c.log.Error("this machine's clock is far ahead of the logs that are written now; time goes by the logs", "ahead", c.offset-c.newestAhead)
	}
	c.startTime, c.offset, c.contradictedSince = c.startTime.Add(c.newestAhead), c.offset-c.newestAhead, time.Time{}
}

// begin takes the timestamp of a record that was written just now, before any time was told.
func (c *clockGuard) observeFirst(written time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newestAhead = written.Sub(c.atLocked(time.Now())); c.newestAhead < -clockMaxDeviation {
		c.accept()
	}
}

// trouble is what people should know of the clock.
func (c *clockGuard) problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.maxReported.Sub(c.atLocked(time.Now()))
	switch {
	case c.offset > 0:
		return fmt.Errorf(
			"this machine's clock is %s ahead of the time by which rules go on; set it right",
			duration.Format(c.offset.Round(time.Second)),
		)
	case c.offset < 0:
		return fmt.Errorf(
			"this machine's clock is %s behind the time by which rules go on; set it right",
			duration.Format(-c.offset.Round(time.Second)),
		)
	case c.ahead > 0:
		return fmt.Errorf(
			"logs that are written now bear times %s ahead of this machine's clock; set right whichever is wrong",
			duration.Format(c.ahead.Round(time.Second)),
		)
	case left > clockStep:
		return fmt.Errorf(
			"time had come to %s before this machine's clock was set back; logs are late until then",
			c.maxReported.UTC().Format(time.RFC3339),
		)
	}
	return nil
}

// clockStats is how this machine's clock fares.
type clockStats struct {
	ahead time.Duration
	jumps int64
}

func (c *clockGuard) stats() clockStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clockStats{c.offset, c.jumps}
}

// checkClock asks the logs whether the machine's clock may be right, before anything is read. If
// the newest of all is older than an hour, either nobody has written anything for so long, or the
// clock is ahead; the next log tells, if one comes soon.
func (g *groupConsumer) checkClock(ctx context.Context) {
	ends, err := g.ends(ctx)
	newest := g.newest(ctx, ends, nil)
	age := g.clock.at(time.Now()).Sub(newest)
	if err != nil || newest.IsZero() || age <= clockMaxDeviation {
		return
	}
	g.log.Warn(
		"by this machine's clock the newest log is old; waiting for one that is written now, in case the clock is wrong",
		"age",
		duration.Format(age.Round(time.Second)),
		"at_most",
		clockStartWait,
	)
	for end := time.Now().Add(clockStartWait); time.Now().Before(end) && sleep(ctx, time.Second); {
		now, err := g.ends(ctx)
		if err != nil {
			continue
		}
		if at := g.newest(ctx, now, ends); !at.IsZero() {
			g.clock.observeFirst(at)
			return
		}
	}
	g.log.Info("no log has come; this machine's clock is taken at its word")
}

// ends asks where all partitions of our topics end.
func (g *groupConsumer) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	topics := slices.Clone(g.cfg.topics)
	g.mu.Lock()
	for _, p := range g.cfg.patterns {
		expression := regexp.MustCompile(p) // it was validated
		for name := range maps.Keys(g.initialTopics) {
			if expression.MatchString(name) && !slices.Contains(g.cfg.exclude, name) &&
				!slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
	}
	g.mu.Unlock()
	if len(topics) == 0 {
		return nil, nil
	}
	return g.admin.ListEndOffsets(ctx, topics...)
}

// newest is the highest timestamp of the last records of all partitions, or of those only that have
// grown since; zero when there is none, or it cannot be read.
func (g *groupConsumer) newest(ctx context.Context, ends, since kadm.ListedOffsets) time.Time {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	last := map[models.Partition]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		before, known := since.Lookup(o.Topic, o.Partition)
		if o.Err == nil && o.Offset > 0 && (!known || o.Offset > before.Offset) {
			last[models.Partition{Topic: o.Topic, Partition: o.Partition}] = o.Offset - 1
		}
	})
	if len(last) == 0 {
		return time.Time{}
	}
	times, err := timesAt(ctx, g.cfg.ClientConfig, g.log, last)
	if err != nil {
		g.log.Debug("the newest logs cannot be read", "error", err)
	}
	var newest time.Time
	for _, at := range times {
		if at.After(newest) {
			newest = at
		}
	}
	return newest
}
