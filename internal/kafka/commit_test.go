package kafka

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What the group is notified is never ahead of the checkpoint that covers it, however fast records
// come: anyone who starts after a crash would take the group's offset for one that an operator has
// set, and never read what lies between.
func TestCommitsStayBehindCheckpoints(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		engine.alarming = true // each poll is checkpointed, and so committed
		cluster := b.broker.Cluster()
		var commits atomic.Int64
		cluster.ControlKey(
			kmsg.OffsetCommit.Int16(),
			func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				commits.Add(1)
				at := r.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Offset
				if saved := engine.position(b, 0).Next; at > saved {
					t.Errorf("%d was committed, and the checkpoint covers %d", at, saved)
				}
				return nil, nil, false
			},
		)
		// who polls what is there already does not wait for those who commit
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		cfg := b.sourceConfig()
		cfg.PollRecords = 1
		_, r := started(b, cfg, engine)
		for range 60 {
			var records []*kgo.Record
			for range 50 {
				records = append(records, &kgo.Record{Topic: b.topic, Value: []byte("x")})
			}
			if err := b.client.ProduceSync(context.Background(),
				records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		b.waitCommitted(0, 3000)
		r.stop()
		if commits.Load() < 50 {
			t.Errorf("there were only %d commits", commits.Load())
		}
	})
}

// What is committed is what was read when the checkpoint was taken, and not what was read when the
// request is sent.
func TestCommitIsTakenAtOnce(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		s, r := started(b, b.sourceConfig(), keeping{newNotebook()})
		b.numbered(0, 0, 10)
		b.waitCommitted(0, 10)
		r.stop()
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // no one sends before we wait

		var notified int64
		cluster := b.broker.Cluster()
		cluster.ControlKey(
			kmsg.OffsetCommit.Int16(),
			func(r kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				notified = r.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Offset
				return nil, nil, false
			},
		)
		if err := s.group.open(context.Background()); err != nil {
			t.Fatal(err)
		}
		f, name := s.group, models.Partition{Topic: b.topic}
		b.wait("the partition", func() bool { return s.Stats().Partitions != nil })
		move := func(next int64) {
			f.assignment.mu.Lock()
			defer f.assignment.mu.Unlock()
			f.assignment.parts[name].next = next
		}
		var sending sync.WaitGroup
		move(11)
		f.commits.commitSoon(context.Background(), &sending)
		move(99)
		sending.Wait()
		if notified != 11 {
			t.Errorf("%d was committed, and 11 was read when the checkpoint was taken", notified)
		}
		move(11)
		f.close()
	})
}

// Reading goes on while a checkpoint is written. Nothing is committed until it is, no other one is
// taken, and what became urgent meanwhile is saved at once then.
func TestReadingGoesOnWhileCheckpointIsWritten(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		engine.alarming = true
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		free := engine.stuck()
		b.numbered(0, 5, 10)
		b.waitSeen(engine.seen, offsets(0, 0, 10))
		b.numbered(0, 10, 20)
		b.waitSeen(engine.seen, offsets(0, 0, 20))
		if at := engine.position(b, 0).Next; at != 5 || b.committed(0) != 5 {
			t.Errorf("saved to %d, committed to %d before the disk has it", at, b.committed(0))
		}
		began := time.Now()
		free()
		b.wait("the next", func() bool { return engine.position(b, 0).Next == 20 })
		if took := time.Since(began); took > checkpointInterval/2 {
			t.Errorf("it took %v", took)
		}
		b.waitCommitted(0, 20)
		r.stop()
	})
}

// A disk that is stuck stops reading after a while, and so the loop that liveness looks at.
func TestStuckCheckpointStopsReading(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		free := engine.stuck()
		time.Sleep(2 * writeBeside)
		b.numbered(0, 0, 10)
		time.Sleep(2 * writeBeside)
		if seen := engine.seen(); len(seen) > 0 {
			t.Errorf("%v is read", seen)
		}
		free()
		b.waitCommitted(0, 10)
		r.stop()
	})
}
