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
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// clockGuard is the clock by which rules progress. On caught-up partitions event time follows it,
// so a wrong clock would end all windows, report everything as silent and make a day's logs late.
//
// It therefore runs on the monotonic clock, and follows the system clock only for small
// corrections. When the system clock jumps, or differs from the logs at startup, the timestamps
// of records that are written now decide:
//
//	system clock jumps, logs do not        the jump is ignored
//	logs agree with the new time           the machine was suspended: the clock is followed
//	system clock returns                   it is followed again
//	system clock far ahead of all logs     time follows the logs
//	system clock far behind the logs       reported only: one producer that is ahead must not make
//	                                       all others late
//	no records are written                 the clock is trusted at startup, and not for a jump
type clockGuard struct {
	wall func() time.Time // the system clock
	log  *slog.Logger

	mu           sync.Mutex    // guards the fields below
	startInstant time.Time     // monotonic reference,
	startTime    time.Time     // and the time at it
	offset       time.Duration // how far the system clock is ahead of us; 0 while it is followed
	jumps        int64
	forward      time.Duration // by which accept has moved it forward
	confirmed    bool          // logs have agreed with us
	maxReported  time.Time     // the latest reported time

	contradictedSince time.Time // since when records contradict us; zero for not
	contradictions    int
	newestAhead       time.Duration // how far the newest of them is ahead of us
	// how far records are ahead of the system clock; 0 below clockMaxDeviation
	ahead time.Duration
}

const (
	clockStep         = 5 * time.Second  // correction that is followed silently
	clockMaxDeviation = time.Hour        // difference from the logs that is tolerated
	clockTrial        = 10 * time.Second // contradicting records are believed after this time
	clockMinRecords   = 3                // and after this many polls
	clockStartWait    = 15 * time.Second // wait for a record at startup when the clock is in doubt
)

func newClockGuard(wall func() time.Time, log *slog.Logger) *clockGuard {
	if wall == nil {
		wall = time.Now
	}
	return &clockGuard{wall: wall, log: log, startInstant: time.Now(), startTime: wall().Round(0)}
}

// at is the time at an instant of this process, which must come from time.Now.
func (c *clockGuard) at(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.atLocked(instant)
}

func (c *clockGuard) atLocked(instant time.Time) time.Time {
	return c.startTime.Add(instant.Sub(c.startInstant))
}

// report is at, for rules.
func (c *clockGuard) report(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.atLocked(instant)
	if now.After(c.maxReported) {
		c.maxReported = now
	}
	return now
}

// check compares the system clock with the monotonic clock. It is called about once a second.
func (c *clockGuard) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	off := c.wall().Round(0).Sub(c.atLocked(time.Now()))
	switch by := off - c.offset; {
	case off.Abs() <= clockStep:
		if c.offset != 0 {
			c.log.Info("the system clock is correct again")
			c.contradictedSince = time.Time{}
		}
		c.startTime, c.offset = c.startTime.Add(off), 0
	case by.Abs() > clockStep:
		c.jumps++
		c.offset, c.contradictedSince = off, time.Time{}
		c.log.Error(
			"the system clock has jumped; it is ignored until logs agree with it or it returns",
			"by", by, "ahead", off)
	default:
		c.offset = off
	}
}

// observe takes the timestamp of a record that was written just now.
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
		ahead = c.offset // it agrees with the system clock
	// it agrees with us, is ahead of both clocks, or is an old log written again
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

// accept follows the records that contradict the clock.
func (c *clockGuard) accept() {
	if (c.newestAhead - c.offset).Abs() <= clockStep {
		c.log.Warn("logs agree with the system clock; it is followed again", "by", c.offset)
		c.newestAhead = c.offset
	} else {
		c.log.Error("the system clock is far ahead of the logs written now; time follows the logs",
			"ahead", c.offset-c.newestAhead)
	}
	c.forward = max(c.newestAhead, 0)
	c.startTime, c.offset, c.contradictedSince = c.startTime.Add(c.newestAhead),
		c.offset-c.newestAhead, time.Time{}
}

// takeJump returns by how much the clock was moved forward since the last call: the machine was
// suspended for so long.
func (c *clockGuard) takeJump() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	jump := c.forward
	c.forward = 0
	return jump
}

// observeFirst takes the timestamp of a record that was written just now, before any time was
// reported.
func (c *clockGuard) observeFirst(written time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newestAhead = written.Sub(c.atLocked(time.Now())); c.newestAhead < -clockMaxDeviation {
		c.accept()
	}
}

// problem describes a clock that cannot be trusted; nil for none.
func (c *clockGuard) problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.maxReported.Sub(c.atLocked(time.Now()))
	switch {
	case c.offset > 0:
		return fmt.Errorf(
			"the system clock is %s ahead of engine time; correct it",
			duration.Format(c.offset.Round(time.Second)),
		)
	case c.offset < 0:
		return fmt.Errorf(
			"the system clock is %s behind engine time; correct it",
			duration.Format(-c.offset.Round(time.Second)),
		)
	case c.ahead > 0:
		return fmt.Errorf(
			"logs written now have times %s ahead of the system clock; correct the clock that is "+
				"wrong",
			duration.Format(c.ahead.Round(time.Second)),
		)
	case left > clockStep:
		return fmt.Errorf(
			"engine time reached %s before the system clock was set back; logs are late until then",
			c.maxReported.UTC().Format(time.RFC3339),
		)
	}
	return nil
}

// clockStats are the clock's metrics.
type clockStats struct {
	ahead time.Duration
	jumps int64
}

func (c *clockGuard) stats() clockStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clockStats{c.offset, c.jumps}
}

// checkClock checks the system clock against the newest logs at startup. If they are older than
// an hour, either no logs were written, or the clock is ahead. The next log decides, if one comes
// within clockStartWait.
func (g *groupConsumer) checkClock(ctx context.Context) {
	ends, err := g.ends(ctx)
	newest := g.newest(ctx, ends, nil)
	age := g.clock.at(time.Now()).Sub(newest)
	if err != nil || newest.IsZero() || age <= clockMaxDeviation {
		return
	}
	g.log.Warn("the newest log is old by the system clock; waiting for a new one in case the "+
		"clock is wrong", "age", duration.Format(age.Round(time.Second)), "at_most", clockStartWait)
	for end := time.Now().Add(clockStartWait); time.Now().Before(end) &&
		wait.Sleep(ctx, time.Second); {
		now, err := g.ends(ctx)
		if err != nil {
			continue
		}
		if at := g.newest(ctx, now, ends); !at.IsZero() {
			g.clock.observeFirst(at)
			return
		}
	}
	g.log.Info("no log has come; the system clock is trusted")
}

// ends lists the end offsets of all partitions of our topics.
func (g *groupConsumer) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	topics := slices.Clone(g.cfg.topics)
	g.assignment.mu.Lock()
	for _, p := range g.cfg.patterns {
		expression := regexp.MustCompile(p) // validated before
		for name := range maps.Keys(g.starts.initialTopics) {
			if expression.MatchString(name) && !slices.Contains(g.cfg.exclude, name) &&
				!slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
	}
	g.assignment.mu.Unlock()
	if len(topics) == 0 {
		return nil, nil
	}
	return g.cfg.readableEnds(ctx, g.admin(), topics...)
}

// newest is the highest timestamp of the last records of all partitions, or only of those that
// have grown since; zero when unknown.
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
