package kafka

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wrongClock is a machine's clock that can be set.
type wrongClock struct {
	mu sync.Mutex // guards by
	by time.Duration
}

func (c *wrongClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = by
}

func (c *wrongClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.by)
}

const day = 24 * time.Hour

// Anyone who is right, the clock or the logs, is found out by those who write at this moment; in
// doubt, time continues as it has passed.
func TestClock(t *testing.T) {
	type event struct {
		set     time.Duration // the machine's clock is so far ahead from here on
		records bool          // a user writes for a minute,
		ahead   time.Duration // and his clock is so far ahead
	}
	f := func(want time.Duration, trouble string, jumps int64, begin time.Duration,
		events ...event) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			b := &bed{t: t, logs: &journal{}}
			var machine wrongClock
			machine.set(begin)
			c := newClockGuard(machine.now, b.logger())
			for _, e := range events {
				machine.set(e.set)
				for range 60 {
					time.Sleep(time.Second)
					c.check()
					if e.records {
						c.observe(time.Now().Add(e.ahead - 20*time.Millisecond))
					}
					c.report(time.Now())
				}
			}
			if off := time.Until(c.at(time.Now())); (off - want).Abs() > 100*time.Millisecond {
				t.Errorf("after %v we are %s ahead, not %s; the log:\n%s", events, off, want,
					b.logs)
			}
			if err := c.problem(); (err == nil) != (trouble == "") ||
				err != nil && !strings.Contains(err.Error(), trouble) {
				t.Errorf("the trouble is %v, not %q", err, trouble)
			}
			if s := c.stats(); s.jumps != jumps {
				t.Errorf("%d jumps were counted, not %d", s.jumps, jumps)
			}
		})
	}
	quiet := func(set time.Duration) event { return event{set: set} }
	busy := func(set time.Duration) event { return event{set: set, records: true} }
	f(0, "", 0, 0, quiet(0), busy(0))
	f(3*time.Second, "", 0, 0, busy(3*time.Second)) // set by a trifle

	f(0, "1d ahead of engine time", 1, 0, quiet(0), quiet(day))
	f(0, "1d ahead of engine time", 1, 0, busy(0), busy(day))
	f(0, "1d behind engine time", 1, 0, busy(0), busy(-day))
	f(0, "10m ahead of engine time", 1, 0, busy(0), busy(10*time.Minute))
	f(0, "", 1, 0, busy(0), busy(day), busy(0))
	f(0, "", 1, 0, busy(0), quiet(day), quiet(0))
	f(0, "2d ahead of engine time", 2, 0, busy(0), busy(day), busy(2*day))

	// The machine slept: the clock tells it, and so do those who continued writing.
	slept := event{set: 8 * time.Hour, records: true, ahead: 8 * time.Hour}
	f(8*time.Hour, "", 1, 0, busy(0), slept)
	f(0, "8h ahead", 1, 0, busy(0), quiet(8*time.Hour))

	// It was a day ahead from the beginning, and no one noticed before a user wrote.
	f(0, "1d ahead of engine time", 0, day, busy(day))
	f(0, "logs are late until then", 0, day, busy(day), busy(0))
	f(0, "logs are late until then", 1, day, quiet(day), busy(0))
	// It was a day behind: nothing is done until it is set right.
	f(-day, "1d ahead of the system clock", 0, -day, busy(-day))
	f(0, "", 1, -day, busy(-day), busy(0))

	// A producer whose clock is wrong decides nothing as long as there is another, and one that is
	// ahead never.
	f(0, "1d ahead of the system clock", 0, 0, event{records: true, ahead: day})
	f(0, "", 0, 0, event{records: true, ahead: -day}, busy(0))
	f(0, "", 0, 0, busy(0), event{records: true, ahead: -day})
	f(-day, "1d ahead of engine time", 0, 0, event{records: true, ahead: -day})
}

// The engine is given a time that the machine's clock does not move: forward or back, it passes as
// it passes.
func TestClockJumps(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		var machine wrongClock
		cfg := b.sourceConfig()
		cfg.Clock = machine.now
		engine := keeping{newNotebook()}
		s, r := started(b, cfg, engine)
		sound := func(what string) {
			t.Helper()
			for range 30 {
				time.Sleep(time.Second)
				if off := time.Until(engine.time()); off > 0 || off < -3*time.Second {
					t.Fatalf("%s: the engine was given a time %s ahead", what, off)
				}
			}
			if s.Health().State != Ready {
				t.Errorf("%s: health is %+v", what, s.Health())
			}
		}
		for i, by := range []time.Duration{0, day, 0, -day, 0} {
			machine.set(by)
			b.numbered(0, i, i+1)
			sound(by.String())
			if err := s.Clock(); (err != nil) != (by != 0) {
				t.Errorf("%s: the trouble is %v", by, err)
			}
		}
		if n := strings.Count(b.logs.String(), "the system clock has jumped"); n != 2 {
			t.Errorf("it was said %d times; the log:\n%s", n, b.logs)
		}
		if s.Stats().LagTime != 0 {
			t.Errorf("lag is %s", s.Stats().LagTime)
		}
		r.stop()
	})
}

// A start under a clock that is a day ahead goes by the logs, as soon as one is written; on a topic
// that no producer writes to, it waits a moment, and believes the clock.
func TestClockAtStart(t *testing.T) {
	f := func(machine time.Duration, old time.Duration, written bool, want time.Duration) {
		t.Helper()
		inBubble(t, 2, func(b *bed) {
			b.produceAt(1, time.Now().Add(-old), "an old one")
			clock := &wrongClock{by: machine}
			cfg := b.sourceConfig()
			cfg.Clock = clock.now
			engine := keeping{newNotebook()}
			s := NewSource(cfg, engine)
			began := time.Now()
			r := run(t, s.Run)
			for written && engine.time().IsZero() {
				time.Sleep(500 * time.Millisecond)
				b.produce(0, "a new one")
			}
			b.wait("its time", func() bool { return engine.at(1).CaughtUp })
			if took := time.Since(began); took > clockStartWait+10*time.Second ||
				!written && old > clockMaxDeviation && took < clockStartWait {
				t.Errorf("it waited for %s", took)
			}
			if off := time.Until(engine.time()); (off - want).Abs() > 3*time.Second {
				t.Errorf("with a clock %s ahead and a log %s old the engine was given a time %s "+
					"ahead; the log:\n%s", machine, old, off, b.logs)
			}
			if err := s.Clock(); (err != nil) != (machine != want) {
				t.Errorf("the trouble is %v", err)
			}
			r.stop()
		})
	}
	f(0, time.Minute, false, 0)
	f(0, 2*day, false, 0) // a topic that has long been silent
	f(0, 2*day, true, 0)
	f(day, time.Minute, true, 0)
	f(day, 2*day, true, 0)
	f(day, time.Minute, false, day) // no one can know
}
