package kafka

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// After an outage a partition waits for what producers have buffered: until only logs of the
// present come, and at most for the grace.
func TestPartitionSettlesAfterOutage(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	// logs maps the second in which a log is read to that in which it was written
	f := func(what string, outage int, logs map[int]int, settled int) {
		t.Helper()
		var a availability
		a.answer(at(-1 - outage))
		a.answer(at(0)) // the first after the outage
		for now := 1; now < 200; now++ {
			if written, ok := logs[now]; ok {
				a.read(at(now), at(written))
			}
			a.answer(at(now))
			if !a.settling(at(now), time.Minute) {
				if now != settled {
					t.Errorf("%s: settled after %d seconds, not %d", what, now, settled)
				}
				return
			}
		}
		t.Errorf("%s: never settled", what)
	}
	f("no outage", 1, nil, 1)
	f("silence", 40, nil, 60)
	f("present logs", 40, map[int]int{1: 1}, 22)
	f("a short outage", 8, map[int]int{1: 1}, 12)
	f("one as short as can be, of librdkafka's longest jitter", 5, map[int]int{1: 1, 10: -5}, 15)
	f("present logs come late", 40, map[int]int{30: 30}, 30)
	f("buffered logs come to the end", 40, map[int]int{20: -10, 21: -1, 22: 22}, 26)
	f("buffered logs of a second producer", 40, map[int]int{5: 5, 20: -10}, 25)
	f("only buffered logs", 40, map[int]int{20: -10}, 60)
}

// A partition that was created a moment ago is not read yet, so nothing counts as read to its end
// in its topic until it is assigned.
func TestNewPartitionDelaysAbsence(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Exclusive = func() error { return errors.New("groups are spread over partitions") }
		engine := newNotebook()
		_, r := started(b, cfg, engine)
		b.wait("the end", func() bool { return engine.at(0).CaughtUp })
		if _, err := b.admin.CreatePartitions(context.Background(), 1, b.topic); err != nil {
			t.Fatal(err)
		}
		b.wait("doubt", func() bool { return engine.at(0).Settling && !engine.at(0).CaughtUp })
		b.numbered(1, 0, 2)
		began := time.Now()
		b.waitSeen(engine.seen, offsets(1, 0, 2))
		b.wait("the end", func() bool { return engine.at(0).CaughtUp && engine.at(1).CaughtUp })
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %s to find the partition", took)
		}
		r.stop()
	})
}

// A restart hides an outage, and that producers had not delivered what they had buffered: the
// position of the last checkpoint shows both.
func TestRestartKnowsOfOutages(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	f := func(what string, answered time.Time, other, unreachable bool, want time.Duration) {
		t.Helper()
		c := startInput{saved: &models.SourcePosition{Epoch: -1, Answered: answered, Left: true}}
		if other {
			c.committed = 10
		}
		if got := c.outage(now, unreachable); got != want {
			t.Errorf("%s: %s, not %s", what, got, want)
		}
	}
	f("stopped for a moment", ago(2), false, false, 0)
	f("stopped for longer", ago(30), false, false, 30*time.Second)
	f("no broker at first", ago(2), false, true, reconnectMax)
	f("no broker for long", ago(90), false, true, 90*time.Second)
	f("read by another member", ago(900), true, false, 0)
	f("a position of an earlier release", time.Time{}, false, false, 0)
	f("a clock that went back", ago(-900), false, false, 0)
	if got := (startInput{}).outage(now, true); got != 0 {
		t.Errorf("a new partition was unreachable for %s", got)
	}
}

// The process was stopped for a while, and soon after that the broker is away and the process is
// killed. Logs that producers then bring were written after the stop, but not after the outage.
func TestOutageSoonAfterAnother(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	f := func(from int) { // the outage is 13 seconds long
		t.Helper()
		a := &availability{}
		a.answer(at(-7))
		for now := range from + 1 { // after a stop of 7 seconds
			a.answer(at(now))
		}
		saved := models.SourcePosition{Epoch: -1}
		a.save(&saved)
		end := from + 13
		a = startInput{saved: &saved, epoch: -1}.availability(at(end), false)
		for now := end + 1; now < end+60; now++ {
			written := now - 13 // what was buffered, in order
			if now > end+10 {
				written = now
			}
			a.read(at(now), at(written))
			a.answer(at(now))
			if !a.settling(at(now), time.Minute) {
				if now != end+15 {
					t.Errorf("settled %d seconds after an outage from %d on, want 15", now-end, from)
				}
				return
			}
		}
		t.Errorf("an outage from %d on never settled", from)
	}
	f(3)
	f(45) // no log had come since the stop
}

// However often it restarts, a partition settles when producers have delivered, and at the latest
// after the grace, or twice that where restarts may have hidden more outages.
func TestPartitionSettlesAcrossRestarts(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	f := func(what string, every, down int, logs bool, settled int) {
		t.Helper()
		a := &availability{}
		a.answer(at(-12))
		a.answer(at(0)) // after an outage of 12 seconds
		for now := 1; now < 200; now++ {
			if now%every == 0 {
				saved := models.SourcePosition{Epoch: -1}
				a.save(&saved)
				now += down
				a = startInput{saved: &saved, epoch: -1}.availability(at(now), false)
			}
			if logs {
				a.read(at(now), at(now))
			}
			a.answer(at(now))
			if !a.settling(at(now), time.Minute) {
				if now != settled {
					t.Errorf("%s: settled after %d seconds, not %d", what, now, settled)
				}
				return
			}
		}
		t.Errorf("%s: never settled", what)
	}
	f("no restart", 1000, 0, true, 14)
	f("a restart every five seconds", 5, 2, true, 14)
	f("a restart every second, and logs", 1, 1, true, 14)
	f("a restart every seven seconds, and no logs", 7, 1, false, 60)
	f("stops that may hide another outage", 21, 10, false, 120)
}

// A start after a planned stop waits as after an outage, but does not claim that there was one.
func TestStopIsNoOutage(t *testing.T) {
	f := func(away bool, want, not string) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			engine := keeping{newNotebook()}
			_, r := started(b, b.sourceConfig(), engine)
			b.numbered(0, 0, 5)
			b.waitCommitted(0, 5)
			r.stop()
			time.Sleep(7 * time.Minute)
			cfg := b.sourceConfig()
			if away {
				dial, until := cfg.Client.Dial, time.Now().Add(10*time.Second)
				cfg.Client.Dial = func(ctx context.Context, n, a string) (net.Conn, error) {
					if time.Now().Before(until) {
						return nil, errors.New("connection refused")
					}
					return dial(ctx, n, a)
				}
			}
			_, r = started(b, cfg, engine.crash())
			if log := b.logs.String(); !strings.Contains(log, want) || strings.Contains(log, not) {
				t.Errorf("want %q and not %q in the log:\n%s", want, not, log)
			}
			r.stop()
		})
	}
	unsure, unreachable := "partitions were not read for a while", "partitions were unreachable"
	f(false, unsure, unreachable)
	f(true, unreachable, unsure)
}
