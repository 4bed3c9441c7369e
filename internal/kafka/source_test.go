package kafka

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Records are evaluated in order, counted, and committed; and the engine gets when nothing more is
// there.
func TestSource(t *testing.T) {
	everywhere(t, 2, func(b *bed) {
		engine := newNotebook()
		s, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.numbered(1, 0, 3)
		b.waitSeen(engine.seen, append(offsets(0, 0, 5), offsets(1, 0, 3)...))
		for n, next := range []int64{5, 3} {
			b.wait("the end", func() bool { return engine.at(int32(n)).CaughtUp })
			if p := engine.at(int32(n)); p.Next != next || p.End != next || p.Replay {
				t.Errorf("progress of partition %d is %+v", n, p)
			}
			b.waitCommitted(int32(n), next)
		}
		if age := time.Since(engine.time()); age > 3*time.Second {
			t.Errorf("the engine's time is %s behind", age)
		}
		stats := s.Stats()
		if stats.Messages != 8 || stats.Lag != 0 || len(stats.Partitions) != 2 {
			t.Errorf("stats are %+v", stats)
		}
		if h := s.Health(); h.State != Ready {
			t.Errorf("health is %+v", h)
		}
		r.stop()
		if h := s.Health(); h.State != Dead {
			t.Errorf("after the end, health is %+v", h)
		}
	})
}

// started runs a source until it has its partitions, if there are any for it.
func started(b *bed, cfg SourceConfig, engine Engine) (*Source, *running) {
	b.t.Helper()
	s := NewSource(cfg, engine)
	r := run(b.t, s.Run)
	b.wait("an assignment", func() bool { return r.alive() && len(s.Stats().Partitions) > 0 })
	return s, r
}

// After a kill, state and positions of the last checkpoint are taken up, and every record is
// evaluated exactly once.
func TestKillAndRestart(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		// from here on nothing is saved, and so nothing committed
		engine.fails(errors.New("killed"))
		b.numbered(0, 5, 8)
		b.waitSeen(engine.seen, offsets(0, 0, 8))
		r.stop()
		if c := b.committed(0); c != 5 {
			t.Errorf("committed to %d without a checkpoint", c)
		}
		next := engine.crash()
		_, r = started(b, b.sourceConfig(), next)
		b.waitSeen(next.seen, offsets(0, 0, 8))
		r.stop()
		if c := b.committed(0); c != 8 {
			t.Errorf("committed to %d", c)
		}
	})
}

// A crash between a checkpoint and its commit: the checkpoint wins.
func TestCheckpointWinsOverCommit(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		b.numbered(0, 5, 8)
		b.waitSeen(engine.seen, offsets(0, 0, 8))
		r.stop()
		p := engine.position(b, 0)
		if p.Next != 8 {
			t.Fatalf("the position is %+v", p)
		}
		engine.positions[models.Partition{Topic: b.topic}] = with(p, 5)
		b.reset(0, 5) // as if the last commit had not come through
		next := engine.crash()
		_, r = started(b, b.sourceConfig(), next)
		b.moment()
		b.waitSeen(next.seen, offsets(0, 0, 8))
		r.stop()
	})
}

func with(p models.SourcePosition, committed int64) models.SourcePosition {
	p.Committed = committed
	return p
}

// What was given up and is got back continues where the state ends, also by the next process after
// a kill; what another member has read in the meantime is read silently.
func TestLeftAndBack(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		f := func(committed int64, left bool, want []string, silent int) {
			t.Helper()
			b.reset(0, committed)
			engine := keeping{newNotebook()}
			engine.rewind = time.Hour
			id := b.topicID()
			engine.positions[models.Partition{Topic: b.topic}] = models.SourcePosition{
				TopicID:   id,
				Topic:     b.topic,
				Next:      6,
				Committed: 5,
				Epoch:     -1,
				Left:      left,
			}
			_, r := started(b, b.sourceConfig(), engine)
			time.Sleep(10 * time.Second)
			wantSeen(t, engine.seen(), want)
			replayed := 0
			for _, v := range engine.seen() {
				if engine.replay(v) {
					replayed++
				}
			}
			if replayed != silent {
				t.Errorf("%d records were read silently, want %d", replayed, silent)
			}
			r.stop()
		}
		b.numbered(0, 0, 10)
		f(5, true, offsets(0, 6, 10), 0)  // no one has read on: the commit before our checkpoint
		f(6, true, offsets(0, 6, 10), 0)  // nor here
		f(8, true, offsets(0, 6, 10), 2)  // another member has read 6 and 7
		f(8, false, offsets(0, 8, 10), 0) // an operator has skipped them
	})
}

// After a reset to an earlier offset nothing counts twice; one to a later offset is obeyed. Both
// are said.
func TestOperatorResets(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 10)
		b.waitCommitted(0, 10)
		r.stop()
		b.reset(0, 7)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		b.waitCommitted(0, 10)
		b.waitSeen(engine.seen, offsets(0, 0, 10))
		if !strings.Contains(b.logs.String(), "was reset to 7, but the records before 10") {
			t.Errorf("nothing was said of the reset: %s", b.logs)
		}
		r.stop()
		b.numbered(0, 10, 20)
		b.reset(0, 15)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		b.waitSeen(engine.seen, append(offsets(0, 0, 10), offsets(0, 15, 20)...))
		if !strings.Contains(b.logs.String(), "5 records from offset 10 on are skipped") {
			t.Errorf("nothing was said of what is skipped: %s", b.logs)
		}
		r.stop()
	})
}

// Without a checkpoint, what state needs is read again silently, up to what the group has
// committed.
func TestRewind(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		began := time.Now().Add(-12 * time.Hour) // the downtime since does not matter
		for i, ago := range []time.Duration{0, 0, 0, time.Hour, time.Hour, time.Hour} {
			b.produceAt(0, began.Add(ago), fmt.Sprint(i))
		}
		b.reset(0, 6)
		b.numbered(0, 6, 8)
		engine := keeping{newNotebook()}
		engine.rewind = 10 * time.Minute
		_, r := started(b, b.sourceConfig(), engine)
		b.waitSeen(engine.seen, offsets(0, 3, 8))
		for value, replay := range map[string]bool{
			"0/3": true,
			"0/5": true,
			"0/6": false,
			"0/7": false,
		} {
			if engine.replay(value) != replay {
				t.Errorf("%s: replay is %v", value, !replay)
			}
		}
		b.wait("the end", func() bool { return engine.at(0).CaughtUp })
		if p := engine.at(0); p.Replay {
			t.Errorf("after the replay, progress is %+v", p)
		}
		r.stop()
		if c := b.committed(0); c != 8 {
			t.Errorf("committed to %d", c)
		}
	})
}

// A new group begins where it is set to. The end is the end as it was at the first start, however
// early that start ended.
func TestStart(t *testing.T) {
	f := func(start int64, first, second []string) {
		t.Helper()
		everywhere(t, 1, func(b *bed) {
			b.numbered(0, 0, 5)
			cfg := b.sourceConfig()
			cfg.Start = start
			engine := newNotebook()
			_, r := started(b, cfg, engine)
			b.waitSeen(engine.seen, first)
			r.stop()
			if c := b.committed(0); c != 5 {
				t.Errorf("start %d: committed to %d", start, c)
			}
			b.numbered(0, 5, 7)
			engine = newNotebook()
			_, r = started(b, cfg, engine)
			b.waitSeen(engine.seen, second)
			r.stop()
		})
	}
	f(StartEnd, nil, offsets(0, 5, 7))
	f(StartBeginning, offsets(0, 0, 5), offsets(0, 5, 7))
	f(0, offsets(0, 0, 5), offsets(0, 5, 7))
	f(3, offsets(0, 3, 5), offsets(0, 5, 7))
}

// A partition without a commit, in a group that has commits, is a new one and is read from its
// beginning.
func TestNewPartition(t *testing.T) {
	inBubble(t, 1, func(b *bed) { // a real client would take a minute to find it
		cfg := b.sourceConfig()
		cfg.Start = StartEnd
		engine := newNotebook()
		_, r := started(b, cfg, engine)
		b.waitCommitted(0, 0)
		if _, err := b.admin.CreatePartitions(context.Background(), 1, b.topic); err != nil {
			t.Fatal(err)
		}
		b.client.ForceMetadataRefresh()
		b.moment()
		b.numbered(1, 0, 3)
		b.waitSeen(engine.seen, offsets(1, 0, 3))
		r.stop()
	})
}

// A topic that was deleted and created again, while we were away or while we read it, starts over.
func TestRecreatedTopic(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		r.stop()
		b.recreate()
		b.numbered(0, 0, 2)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		b.waitSeen(engine.seen, append(offsets(0, 0, 5), offsets(0, 0, 2)...))
		if !strings.Contains(b.logs.String(), "created again") {
			t.Error("nothing was said of it")
		}
		b.recreate()
		b.numbered(0, 0, 3)
		b.waitSeen(
			engine.seen,
			append(append(offsets(0, 0, 5), offsets(0, 0, 2)...), offsets(0, 0, 3)...),
		)
		if engine.forgot() == 0 {
			t.Error("the position of the topic that is gone was not forgotten")
		}
		r.stop()
	})
}

// recreate deletes the topic and creates it again.
func (b *bed) recreate() {
	b.t.Helper()
	if _, err := b.admin.DeleteTopic(context.Background(), b.topic); err != nil {
		b.t.Fatal(err)
	}
	b.client.PurgeTopicsFromClient(b.topic)
	b.wait("a new topic", func() bool {
		_, err := b.admin.CreateTopic(context.Background(), 1, -1, nil, b.topic)
		return err == nil
	})
}

// Two members share the partitions; what one gives up the other takes up, and no record is
// evaluated twice.
func TestRebalance(t *testing.T) {
	everywhere(t, 4, func(b *bed) {
		first, second := keeping{newNotebook()}, keeping{newNotebook()}
		seen := func() []string { return append(first.seen(), second.seen()...) }
		var want []string
		more := func(from, to int) {
			for n := range int32(4) {
				b.numbered(n, from, to)
				want = append(want, offsets(n, from, to)...)
			}
		}
		_, r1 := started(b, b.sourceConfig(), first)
		more(0, 10)
		s2, r2 := started(b, b.sourceConfig(), second)
		b.wait("half of the partitions", func() bool { return len(s2.Stats().Partitions) == 2 })
		b.wait("to know of both members", func() bool { return s2.Stats().Members == 2 })
		more(10, 20)
		b.waitSeen(seen, want)
		r1.stop()
		b.wait("all partitions", func() bool { return len(s2.Stats().Partitions) == 4 })
		more(20, 30)
		b.waitSeen(seen, want)
		r2.stop()
		left := 0
		for n := range int32(4) {
			if first.position(b, n).Left {
				left++
			}
		}
		if left != 2 {
			t.Errorf(
				"the positions say that %d partitions were given up, want the two that the "+
					"second member got",
				left,
			)
		}
	})
}

// What cannot be read goes to the dead letters with its circumstances, and comes back when it is
// replayed.
func TestDeadLetters(t *testing.T) {
	f := func(set func(b *bed, c *SourceConfig), where func(b *bed) DeadLetters) {
		t.Helper()
		everywhere(t, 1, func(b *bed) {
			cfg := b.sourceConfig()
			cfg.Version = "v1"
			set(b, &cfg)
			engine := newNotebook()
			s, r := started(b, cfg, engine)
			b.produce(0, "good")
			// a client may think that so old a record can no longer be written
			b.produceAt(0, time.Now().Add(-time.Hour), "bad one")
			b.produce(0, "poisonous", "good")
			b.waitSeen(engine.seen, []string{"0/0", "0/3"})
			b.waitCommitted(0, 4)
			stats := s.Stats()
			if stats.Rejected["invalid_json"] != 1 || stats.Rejected["panic"] != 1 ||
				stats.DeadLetters != 2 ||
				stats.LostDeadLetters != 0 ||
				stats.Lag != 0 {
				t.Errorf("stats are %+v", stats)
			}
			var unread []string
			for _, u := range stats.RecentRejections {
				unread = append(unread, fmt.Sprintf("%d %s %q", u.Position.Offset, u.Reason,
					u.Sample))
			}
			if got := strings.Join(unread, "; "); got != `2 panic "poisonous"; 1 invalid_json `+
				`"bad one"` {
				t.Errorf("unread are %s", got)
			}
			dead := where(b)
			letters := func() (list []DeadLetter) {
				for l, err := range dead.List(context.Background()) {
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, l)
				}
				slices.SortFunc(list, func(a, b DeadLetter) int { return int(a.Offset - b.Offset) })
				return list
			}
			list := letters()
			if len(list) != 2 {
				t.Fatalf("there are %d dead letters", len(list))
			}
			if l := list[0]; l.Topic != b.topic || l.Offset != 1 || string(l.Value) != "bad one" ||
				l.Reason != "invalid_json" ||
				l.Attempts != 1 ||
				l.Version != "v1" ||
				l.Timestamp.IsZero() {
				t.Errorf("the first is %+v", l)
			}
			n, err := dead.Replay(
				context.Background(),
				func(l DeadLetter) bool { return l.Reason == "invalid_json" },
			)
			if n != 1 || err != nil {
				t.Errorf("replayed %d: %v", n, err)
			}
			b.waitCommitted(0, 5)
			list = letters()
			if l := list[len(list)-1]; len(list) != 3 || l.Offset != 4 || l.Attempts != 2 ||
				string(l.Value) != "bad one" {
				t.Errorf("after the replay there are %d, the last is %+v", len(list), l)
			}
			r.stop()
		})
	}
	f(
		func(b *bed, c *SourceConfig) { c.DeadLetterTopic = b.topic + "-dead" },
		func(b *bed) DeadLetters {
			return DeadLetters{Client: b.clientConfig(), Topic: b.topic + "-dead"}
		},
	)
	dir := t.TempDir()
	file := func(b *bed) string { return filepath.Join(dir, b.topic) }
	f(
		func(b *bed, c *SourceConfig) { c.DeadLetterFile = file(b) },
		func(b *bed) DeadLetters { return DeadLetters{Client: b.clientConfig(), File: file(b)} },
	)
}

// What a user waits for is checkpointed at once.
func TestUrgent(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		engine.alarming = true
		_, r := started(b, b.sourceConfig(), engine)
		b.moment()
		b.numbered(0, 0, 1)
		<-time.After(50 * time.Millisecond)
		engine.mu.Lock()
		if engine.urgent || len(engine.saved) != 1 {
			t.Errorf("urgent is %v, saved is %v", engine.urgent, engine.saved)
		}
		engine.mu.Unlock()
		r.stop()
	})
}

// Records that were deleted before they were read are counted, and reading continues; also when
// nothing is left and nothing new comes.
func TestDeletedRecords(t *testing.T) {
	f := func(to int64) {
		t.Helper()
		everywhere(t, 1, func(b *bed) {
			engine := keeping{newNotebook()}
			_, r := started(b, b.sourceConfig(), engine)
			b.numbered(0, 0, 5)
			b.waitCommitted(0, 5)
			r.stop()
			b.numbered(0, 5, 10)
			b.deleteTo(to)
			engine = engine.crash()
			s, r := started(b, b.sourceConfig(), engine)
			b.waitSeen(engine.seen, append(offsets(0, 0, 5), offsets(0, int(to), 10)...))
			b.wait("the end", func() bool { return engine.at(0).CaughtUp })
			if lag := s.Lag(); lag != 0 {
				t.Errorf("lag is %d", lag)
			}
			r.stop()
		})
	}
	f(8)
	f(10)
}

// What only an operator can mend is an error that says how; a broker that is not there is waited
// for.
func TestStartErrors(t *testing.T) {
	f := func(change func(c *SourceConfig), want string) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			cfg := b.sourceConfig()
			change(&cfg)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := NewSource(cfg, newNotebook()).Run(ctx); err == nil ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	f(
		func(c *SourceConfig) { c.Topics = []string{"aplication-logs"} },
		`topic "aplication-logs" does not exist; did you mean "application-logs"?`,
	)
	f(
		func(c *SourceConfig) { c.Topics = []string{"zzz"} },
		`topic "zzz" does not exist; create it first, or read one of application-logs`,
	)
	f(
		func(c *SourceConfig) { c.Client.Brokers, c.Group, c.Topics = nil, "", nil },
		"brokers is empty; name at least one, such as localhost:9092\ntopics and patterns are "+
			"empty; name at least one topic\ngroup is empty",
	)
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Client.Brokers = []string{"127.0.0.1:9999"}
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		<-time.After(time.Minute)
		if h := s.Health(); h.State != Starting || len(h.Problems) != 1 {
			t.Errorf("health is %+v", h)
		}
		if !strings.Contains(b.logs.String(), "no broker answers") {
			t.Error("nothing was said")
		}
		r.stop()
	})
}

// panicking is an engine that panics in the middle of a record, and leaves its lock behind.
type panicking struct {
	keeping
	broken *atomic.Bool
	asked  *atomic.Int64 // for its state, after that
}

func (e panicking) Apply(s models.Scan) {
	if slices.Contains(s.(*page).values, "0/1") {
		e.broken.Store(true)
		panic("what should not be is")
	}
	e.keeping.Apply(s)
}

func (e panicking) Checkpoint(positions, dropped []models.SourcePosition) func() error {
	if e.broken.Load() {
		e.asked.Add(1)
	}
	return e.keeping.Checkpoint(positions, dropped)
}

// A panic of the engine ends the process there and then: half of a state is not saved, no one waits
// for it, and a rebalance that comes in between changes nothing.
func TestPanicOfTheEngine(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := panicking{keeping{newNotebook()}, new(atomic.Bool), new(atomic.Int64)}
		s := NewSource(b.sourceConfig(), engine)
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }() // which the program does not
			_ = s.Run(b.t.Context())
		}()
		b.wait("an assignment", func() bool { return len(s.Stats().Partitions) > 0 })
		b.produce(0, "good")
		b.waitCommitted(0, 1)
		b.produce(0, "second")
		if p := <-ended; p != "what should not be is" {
			t.Errorf("the source ended with %v", p)
		}
		s.group.close() // which the end of the process does
		if n := engine.asked.Load(); n > 0 {
			t.Errorf("half of a state was saved %d times", n)
		}
		if at := b.committed(0); at != 1 {
			t.Errorf("offset %d was committed", at)
		}
	})
}
