package kafka

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Records are evaluated in order, counted, and committed; and the engine hears when nothing more is there.
func TestSource(t *testing.T) {
	inBubble(t, 2, func(b *bed) {
		engine := newNotebook()
		s := NewSource(b.sourceConfig(), engine)
		r := run(t, s.Run)
		b.numbered(0, 0, 5)
		b.numbered(1, 0, 3)
		time.Sleep(5 * time.Second)
		wantSeen(t, engine.seen(), append(offsets(0, 0, 5), offsets(1, 0, 3)...))
		for n, next := range []int64{5, 3} {
			if p := engine.at(int32(n)); p.Next != next || p.End != next || !p.CaughtUp || p.Replay {
				t.Errorf("progress of partition %d is %+v", n, p)
			}
			if c := b.committed(int32(n)); c != next {
				t.Errorf("partition %d is committed to %d", n, c)
			}
		}
		if age := time.Since(engine.now); age > 1100*time.Millisecond {
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

// started runs a source until it has settled.
func started(b *bed, cfg SourceConfig, engine Engine) (*Source, *running) {
	s := NewSource(cfg, engine)
	r := run(b.t, s.Run)
	time.Sleep(3 * time.Second)
	return s, r
}

// After a kill, state and positions of the last checkpoint are taken up, and every record is evaluated exactly once.
func TestKillAndRestart(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		time.Sleep(2 * time.Second)
		engine.mu.Lock()
		engine.fail = errors.New("killed") // from here on nothing is saved, and so nothing committed
		engine.mu.Unlock()
		b.numbered(0, 5, 8)
		time.Sleep(2 * time.Second)
		wantSeen(t, engine.seen(), offsets(0, 0, 8))
		r.stop()
		if c := b.committed(0); c != 5 {
			t.Errorf("committed to %d without a checkpoint", c)
		}
		next := engine.crash()
		_, r = started(b, b.sourceConfig(), next)
		wantSeen(t, next.seen(), offsets(0, 0, 8))
		r.stop()
		if c := b.committed(0); c != 8 {
			t.Errorf("committed to %d", c)
		}
	})
}

// A crash between a checkpoint and its commit: the checkpoint wins.
func TestCheckpointWinsOverCommit(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		time.Sleep(3 * time.Second)
		r.stop()
		p := engine.positions[models.Partition{Topic: topic}]
		if p.Next != 5 {
			t.Fatalf("the position is %+v", p)
		}
		b.reset(0, p.Committed) // as if the last commit had not come through
		next := engine.crash()
		_, r = started(b, b.sourceConfig(), next)
		wantSeen(t, next.seen(), offsets(0, 0, 5))
		r.stop()
	})
}

// An operator who resets the group is obeyed, back and forth, and it is said.
func TestOperatorResets(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 10)
		time.Sleep(3 * time.Second)
		r.stop()
		b.reset(0, 7)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		wantSeen(t, engine.seen(), append(offsets(0, 0, 10), offsets(0, 7, 10)...))
		if !strings.Contains(b.logs.String(), "was reset") {
			t.Error("nothing was said of the reset")
		}
		r.stop()
		b.numbered(0, 10, 20)
		b.reset(0, 15)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		wantSeen(t, engine.seen(), append(append(offsets(0, 0, 10), offsets(0, 7, 10)...), offsets(0, 15, 20)...))
		r.stop()
	})
}

// Without a checkpoint, what state needs is read again silently, up to what the group has committed.
func TestRewind(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		b.numbered(0, 0, 3)
		time.Sleep(time.Hour)
		b.numbered(0, 3, 6)
		b.reset(0, 6)
		time.Sleep(10 * time.Hour) // of downtime do not matter
		b.numbered(0, 6, 8)
		engine := keeping{newNotebook()}
		engine.rewind = 10 * time.Minute
		_, r := started(b, b.sourceConfig(), engine)
		wantSeen(t, engine.seen(), offsets(0, 3, 8))
		for value, replay := range map[string]bool{"0/3": true, "0/5": true, "0/6": false, "0/7": false} {
			if engine.replayed[value] != replay {
				t.Errorf("%s: replay is %v", value, !replay)
			}
		}
		if p := engine.at(0); p.Replay || !p.CaughtUp {
			t.Errorf("after the replay, progress is %+v", p)
		}
		r.stop()
		if c := b.committed(0); c != 8 {
			t.Errorf("committed to %d", c)
		}
	})
}

// A new group begins where it is told to. The end is the end as it was at the first start, however early that start ended.
func TestStart(t *testing.T) {
	f := func(start int64, want []string) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			b.numbered(0, 0, 5)
			cfg := b.sourceConfig()
			cfg.Start = start
			_, r := started(b, cfg, newNotebook())
			r.stop()
			if start == StartEnd && b.committed(0) != 5 {
				t.Errorf("the end was not pinned, but at %d", b.committed(0))
			}
			b.numbered(0, 5, 7)
			engine := newNotebook()
			_, r = started(b, cfg, engine)
			wantSeen(t, engine.seen(), want)
			r.stop()
		})
	}
	f(StartEnd, offsets(0, 5, 7))
	f(StartBeginning, offsets(0, 5, 7)) // the first run has read the others
	f(0, offsets(0, 5, 7))
	f(3, offsets(0, 5, 7))
}

// A partition without a commit, in a group that has commits, is a new one and is read from its beginning.
func TestNewPartition(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Start = StartEnd
		engine := newNotebook()
		_, r := started(b, cfg, engine)
		if _, err := b.admin.CreatePartitions(b.t.Context(), 1, topic); err != nil {
			t.Fatal(err)
		}
		b.client.ForceMetadataRefresh()
		time.Sleep(10 * time.Second)
		b.numbered(1, 0, 3)
		time.Sleep(2 * time.Minute)
		wantSeen(t, engine.seen(), offsets(1, 0, 3))
		r.stop()
	})
}

// A topic that was deleted and created again, while we were away or while we read it, starts over.
func TestRecreatedTopic(t *testing.T) {
	again := func(b *bed) {
		if err := b.broker.Cluster().DeleteTopic(topic); err != nil {
			t.Fatal(err)
		}
		if err := b.broker.CreateTopic(devbroker.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
		b.client.PurgeTopicsFromClient(topic)
	}
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		time.Sleep(3 * time.Second)
		r.stop()
		again(b)
		b.numbered(0, 0, 2)
		engine = engine.crash()
		_, r = started(b, b.sourceConfig(), engine)
		wantSeen(t, engine.seen(), append(offsets(0, 0, 5), offsets(0, 0, 2)...))
		if !strings.Contains(b.logs.String(), "created again") {
			t.Error("nothing was said of it")
		}
		again(b)
		b.numbered(0, 0, 3)
		time.Sleep(2 * time.Minute)
		wantSeen(t, engine.seen(), append(append(offsets(0, 0, 5), offsets(0, 0, 2)...), offsets(0, 0, 3)...))
		if engine.forgotten == 0 {
			t.Error("the position of the topic that is gone was not forgotten")
		}
		r.stop()
	})
}

// Two members share the partitions; what one gives up the other takes up, and no record is evaluated twice.
func TestRebalance(t *testing.T) {
	inBubble(t, 4, func(b *bed) {
		first, second := keeping{newNotebook()}, keeping{newNotebook()}
		_, r1 := started(b, b.sourceConfig(), first)
		for n := range int32(4) {
			b.numbered(n, 0, 10)
		}
		s2, r2 := started(b, b.sourceConfig(), second)
		time.Sleep(20 * time.Second)
		if n := len(s2.Stats().Partitions); n != 2 {
			t.Errorf("the second member has %d partitions", n)
		}
		for n := range int32(4) {
			b.numbered(n, 10, 20)
		}
		time.Sleep(5 * time.Second)
		r1.stop()
		time.Sleep(20 * time.Second)
		for n := range int32(4) {
			b.numbered(n, 20, 30)
		}
		time.Sleep(5 * time.Second)
		if n := len(s2.Stats().Partitions); n != 4 {
			t.Errorf("the second member has %d partitions", n)
		}
		r2.stop()
		var want []string
		for n := range int32(4) {
			want = append(want, offsets(n, 0, 30)...)
		}
		wantSeen(t, append(first.seen(), second.seen()...), want)
		if first.forgotten == 0 {
			t.Error("the first member did not forget the positions of what it gave up")
		}
	})
}

// What cannot be read goes to the dead letters with its circumstances, and comes back when it is replayed.
func TestDeadLetters(t *testing.T) {
	f := func(set func(c *SourceConfig), where func(b *bed) DeadLetters) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			cfg := b.sourceConfig()
			cfg.Version = "v1"
			set(&cfg)
			engine := newNotebook()
			s, r := started(b, cfg, engine)
			b.produce(0, "good", "bad one", "poisonous", "good")
			time.Sleep(2 * time.Second)
			wantSeen(t, engine.seen(), []string{"0/0", "0/3"})
			stats := s.Stats()
			if stats.Rejected["invalid_json"] != 1 || stats.Rejected["panic"] != 1 || stats.DeadLetters != 2 || stats.LostDeadLetters != 0 || stats.Lag != 0 {
				t.Errorf("stats are %+v", stats)
			}
			dead := where(b)
			letters := func() (list []DeadLetter) {
				for l, err := range dead.List(b.t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, l)
				}
				return list
			}
			list := letters()
			if len(list) != 2 {
				t.Fatalf("there are %d dead letters", len(list))
			}
			if l := list[0]; l.Topic != topic || l.Offset != 1 || string(l.Value) != "bad one" || l.Reason != "invalid_json" || l.Attempts != 1 || l.Version != "v1" || l.Timestamp.IsZero() {
				t.Errorf("the first is %+v", l)
			}
			n, err := dead.Replay(b.t.Context(), func(l DeadLetter) bool { return l.Reason == "invalid_json" })
			if n != 1 || err != nil {
				t.Errorf("replayed %d: %v", n, err)
			}
			time.Sleep(2 * time.Second)
			list = letters()
			if l := list[len(list)-1]; len(list) != 3 || l.Offset != 4 || l.Attempts != 2 || string(l.Value) != "bad one" {
				t.Errorf("after the replay there are %d, the last is %+v", len(list), l)
			}
			r.stop()
		})
	}
	f(func(c *SourceConfig) { c.DeadLetterTopic = "dead" }, func(b *bed) DeadLetters { return DeadLetters{Client: b.clientConfig(), Topic: "dead"} })
	file := filepath.Join(t.TempDir(), "dead.jsonl")
	f(func(c *SourceConfig) { c.DeadLetterFile = file }, func(b *bed) DeadLetters { return DeadLetters{Client: b.clientConfig(), File: file} })
}

// What somebody waits for is checkpointed at once.
func TestUrgent(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		time.Sleep(100 * time.Millisecond)
		engine.mu.Lock()
		engine.urgent = true
		engine.mu.Unlock()
		b.numbered(0, 0, 1)
		time.Sleep(50 * time.Millisecond)
		engine.mu.Lock()
		if engine.urgent || len(engine.saved) != 1 {
			t.Errorf("urgent is %v, saved is %v", engine.urgent, engine.saved)
		}
		engine.mu.Unlock()
		r.stop()
	})
}

// Records that were deleted before they were read are counted, and reading goes on.
func TestDeletedRecords(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		time.Sleep(2 * time.Second)
		r.stop()
		b.numbered(0, 5, 10)
		if err := b.broker.Cluster().DeleteRecords(topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		engine = engine.crash()
		s, r := started(b, b.sourceConfig(), engine)
		wantSeen(t, engine.seen(), append(offsets(0, 0, 5), offsets(0, 8, 10)...))
		if p := engine.at(0); !p.CaughtUp || s.Lag() != 0 {
			t.Errorf("progress is %+v", p)
		}
		r.stop()
	})
}

// What only an operator can mend is an error that says how; a broker that is not there is waited for.
func TestStartErrors(t *testing.T) {
	f := func(change func(c *SourceConfig), want string) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			cfg := b.sourceConfig()
			change(&cfg)
			ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
			defer cancel()
			if err := NewSource(cfg, newNotebook()).Run(ctx); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	f(func(c *SourceConfig) { c.Topics = []string{"aplication-logs"} }, `topic "aplication-logs" does not exist; did you mean "application-logs"?`)
	f(func(c *SourceConfig) { c.Topics = []string{"zzz"} }, `topic "zzz" does not exist; create it first, or read one of application-logs`)
	f(func(c *SourceConfig) { c.Client.Brokers, c.Group, c.Topics = nil, "", nil }, "brokers is empty; name at least one, such as localhost:9092\ntopics and patterns are empty; name at least one topic\ngroup is empty")
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Client.Brokers = []string{"127.0.0.1:9999"}
		s, r := started(b, cfg, newNotebook())
		time.Sleep(time.Minute)
		if h := s.Health(); h.State != Starting || len(h.Problems) != 1 {
			t.Errorf("health is %+v", h)
		}
		if !strings.Contains(b.logs.String(), "no broker answers") {
			t.Error("nothing was said")
		}
		r.stop()
	})
}
