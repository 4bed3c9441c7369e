package kafka

import (
	"context"
	"errors"
	"testing"
	"time"
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
	f("a short outage", 8, map[int]int{1: 1}, 11)
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
