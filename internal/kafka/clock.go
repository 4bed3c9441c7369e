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
type clock struct {
	wall func() time.Time // the machine's
	log  *slog.Logger

	mu    sync.Mutex    // guards what follows
	began time.Time     // an instant by the time that passes,
	then  time.Time     // and what time it was then
	off   time.Duration // how far the machine's clock is ahead of us; 0 while it is followed
	jumps int64
	sure  bool      // logs have agreed with us
	told  time.Time // the latest time that was told

	against time.Time     // since when records contradict us; zero for not
	number  int           // of them
	reach   time.Duration // how far the newest of them is ahead of us
	// how far records are ahead of the machine's clock, beyond all doubt; 0 for not
	ahead time.Duration
}

const (
	clockStep   = 5 * time.Second  // by which a clock may be set without a word
	clockDoubt  = time.Hour        // by which a clock may differ from the logs without a word
	clockTrial  = 10 * time.Second // for which records contradict us before they are believed
	clockVoices = 3                // records, of polls of their own, that have to
	clockWait   = 15 * time.Second // for a record at the start, when the clock is in doubt
)

func newClock(wall func() time.Time, log *slog.Logger) *clock {
	if wall == nil {
		wall = time.Now
	}
	return &clock{wall: wall, log: log, began: time.Now(), then: wall().Round(0)}
}

// at is what time it was at an instant of this process, which has to come from time.Now.
func (c *clock) at(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.atLocked(instant)
}

func (c *clock) atLocked(instant time.Time) time.Time { return c.then.Add(instant.Sub(c.began)) }

// tell is at, for rules.
func (c *clock) tell(instant time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.atLocked(instant)
	if now.After(c.told) {
		c.told = now
	}
	return now
}

// look compares the machine's clock with the time that has passed. It is called about once a
// second.
func (c *clock) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	off := c.wall().Round(0).Sub(c.atLocked(time.Now()))
	switch by := off - c.off; {
	case off.Abs() <= clockStep:
		if c.off != 0 {
			c.log.Info("this machine's clock is right again, and followed")
			c.against = time.Time{}
		}
		c.then, c.off = c.then.Add(off), 0
	case by.Abs() > clockStep:
		c.jumps++
		c.off, c.against = off, time.Time{}
		c.log.Error(
			"this machine's clock has jumped; time goes on without it until the logs agree with it, or it comes back",
			"by",
			by,
			"ahead",
			off,
		)
	default:
		c.off = off
	}
}

// witness takes the timestamp of a record that was written just now.
func (c *clock) witness(written time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	ahead := written.Sub(c.atLocked(now))
	c.ahead = 0
	if d := ahead - c.off; d > clockDoubt && ahead > clockDoubt {
		c.ahead = d
	}
	switch {
	case c.off != 0 && (ahead-c.off).Abs() < ahead.Abs():
		ahead = c.off // it agrees with the machine's clock
	// it agrees with us, is ahead of us and of the machine's clock, or is an old log that somebody
	// writes once more
	case ahead >= -clockDoubt || c.sure:
		c.against = time.Time{}
		c.sure = c.sure || c.off == 0 && ahead.Abs() <= clockDoubt
		return
	}
	if c.against.IsZero() {
		c.against, c.number, c.reach = now, 0, ahead
	}
	c.number++
	c.reach = max(c.reach, ahead)
	if c.number >= clockVoices && now.Sub(c.against) >= clockTrial {
		c.heed()
	}
}

// heed believes the records that contradict us.
func (c *clock) heed() {
	if (c.reach - c.off).Abs() <= clockStep {
		c.log.Warn("logs agree with this machine's clock, which is followed again", "by", c.off)
		c.reach = c.off
	} else {
		c.log.Error("this machine's clock is far ahead of the logs that are written now; time goes by the logs", "ahead", c.off-c.reach)
	}
	c.then, c.off, c.against = c.then.Add(c.reach), c.off-c.reach, time.Time{}
}

// begin takes the timestamp of a record that was written just now, before any time was told.
func (c *clock) begin(written time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reach = written.Sub(c.atLocked(time.Now())); c.reach < -clockDoubt {
		c.heed()
	}
}

// trouble is what people should know of the clock.
func (c *clock) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.told.Sub(c.atLocked(time.Now()))
	switch {
	case c.off > 0:
		return fmt.Errorf(
			"this machine's clock is %s ahead of the time by which rules go on; set it right",
			c.off.Round(time.Second),
		)
	case c.off < 0:
		return fmt.Errorf(
			"this machine's clock is %s behind the time by which rules go on; set it right",
			-c.off.Round(time.Second),
		)
	case c.ahead > 0:
		return fmt.Errorf(
			"logs that are written now bear times %s ahead of this machine's clock; set right whichever is wrong",
			c.ahead.Round(time.Second),
		)
	case left > clockStep:
		return fmt.Errorf(
			"time had come to %s before this machine's clock was set back; logs are late until then",
			c.told.UTC().Format(time.RFC3339),
		)
	}
	return nil
}

// clockStats is how this machine's clock fares.
type clockStats struct {
	ahead time.Duration
	jumps int64
}

func (c *clock) stats() clockStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clockStats{c.off, c.jumps}
}

// checkClock asks the logs whether the machine's clock may be right, before anything is read. If
// the newest of all is older than an hour, either nobody has written anything for so long, or the
// clock is ahead; the next log tells, if one comes soon.
func (f *feed) checkClock(ctx context.Context) {
	ends, err := f.ends(ctx)
	newest := f.newest(ctx, ends, nil)
	age := f.clock.at(time.Now()).Sub(newest)
	if err != nil || newest.IsZero() || age <= clockDoubt {
		return
	}
	f.log.Warn(
		"by this machine's clock the newest log is old; waiting for one that is written now, in case the clock is wrong",
		"age",
		age.Round(time.Second),
		"at_most",
		clockWait,
	)
	for end := time.Now().Add(clockWait); time.Now().Before(end) && pause(ctx, time.Second); {
		now, err := f.ends(ctx)
		if err != nil {
			continue
		}
		if at := f.newest(ctx, now, ends); !at.IsZero() {
			f.clock.begin(at)
			return
		}
	}
	f.log.Info("no log has come; this machine's clock is taken at its word")
}

// ends asks where all partitions of our topics end.
func (f *feed) ends(ctx context.Context) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	topics := slices.Clone(f.cfg.topics)
	f.mu.Lock()
	for _, p := range f.cfg.patterns {
		expression := regexp.MustCompile(p) // it was validated
		for name := range maps.Keys(f.existed) {
			if expression.MatchString(name) && !slices.Contains(f.cfg.exclude, name) &&
				!slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
	}
	f.mu.Unlock()
	if len(topics) == 0 {
		return nil, nil
	}
	return f.admin.ListEndOffsets(ctx, topics...)
}

// newest is the highest timestamp of the last records of all partitions, or of those only that have
// grown since; zero when there is none, or it cannot be read.
func (f *feed) newest(ctx context.Context, ends, since kadm.ListedOffsets) time.Time {
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
	times, err := timesAt(ctx, f.cfg.ClientConfig, f.log, last)
	if err != nil {
		f.log.Debug("the newest logs cannot be read", "error", err)
	}
	var newest time.Time
	for _, at := range times {
		if at.After(newest) {
			newest = at
		}
	}
	return newest
}
