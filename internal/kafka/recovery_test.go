package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// breaking damages what brokers send wherever it contains the word.
type breaking struct{ net.Conn }

const damagedWord = "damage-me"

func (c breaking) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if i := bytes.Index(p[:n], []byte(damagedWord)); i >= 0 {
		p[i] = 'D'
	}
	return n, err
}

// A batch that is damaged is left out, counted and said, and those behind it are read.
func TestDamagedBatch(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		dial := b.dial
		cfg := b.sourceConfig()
		cfg.Client.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return breaking{c}, err
		}
		b.produce(0, "first", damagedWord, "third")
		engine := newNotebook()
		s, r := started(b, cfg, engine)
		b.waitSeen(engine.seen, []string{"0/0", "0/2"})
		if stats := s.Stats(); stats.Lost != 1 || stats.Errors["corrupt"] != 1 || stats.Lag != 0 {
			t.Errorf("stats are %+v", stats)
		}
		if h := s.Health(); h.State != Ready {
			t.Errorf("health is %+v", h)
		}
		if !strings.Contains(b.logs.String(), "an unreadable batch is skipped") {
			t.Error("nothing was said")
		}
		b.waitCommitted(0, 3)
		r.stop()
	})
}

// headless damages the header of the batch of a record: one of the bytes before its value.
type headless struct {
	net.Conn
	before int // the value
	to     byte
}

// Of a batch with one short record, without compression: the header has 61 bytes, and six more of
// the record come before its value.
const (
	headerLength = 61 + 6 - 8  // the first byte of the batch's length
	headerMagic  = 61 + 6 - 16 // of its format
	headerLast   = 61 + 6 - 23 // the first byte of its last offset
)

func (c headless) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for rest := p[:n]; ; {
		i := bytes.Index(rest, []byte(damagedWord))
		if i < 0 {
			return n, err
		}
		if i >= c.before {
			rest[i-c.before] = c.to
		}
		rest = rest[i+1:]
	}
}

// A batch of which even the header is damaged holds up its partition for half a minute, which
// health says, and is then left out: it ends where the log can be read again.
func TestDamagedHeader(t *testing.T) {
	f := func(name string, before int, to byte, wait bool, damaged int) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			dial := b.dial
			cfg := b.sourceConfig()
			cfg.Client.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := dial(ctx, network, address)
				return headless{c, before, to}, err
			}
			b.produce(0, "first")
			for range damaged {
				b.produce(0, damagedWord)
			}
			engine := keeping{newNotebook()}
			s, r := started(b, cfg, engine)
			b.wait("the first", func() bool { return len(engine.seen()) == 1 })
			if wait {
				b.wait("a sign of the trouble", func() bool { return s.Health().State == Degraded })
				if text := strings.Join(s.Health().Problems, ""); !strings.Contains(text,
					"application-logs/0") {
					t.Errorf("%s: the trouble is %s", name, text)
				}
				time.Sleep(2 * time.Minute)
				if s.Stats().Lost != 0 {
					t.Errorf(
						"%s: something was left out although nothing is known to be behind it",
						name,
					)
				}
			}
			b.produce(0, "good", "better")
			want := []string{"0/0", fmt.Sprintf("0/%d", damaged+1), fmt.Sprintf("0/%d", damaged+2)}
			b.waitSeen(engine.seen, want)
			if stats := s.Stats(); stats.Lost != int64(damaged) || stats.Lag != 0 {
				t.Errorf("%s: stats are %+v", name, stats)
			}
			if h := s.Health(); h.State != Ready {
				t.Errorf("%s: health is %+v", name, h)
			}
			if !strings.Contains(b.logs.String(), "an unreadable batch is skipped") {
				t.Errorf("%s: nothing was said", name)
			}
			b.waitCommitted(0, int64(damaged)+3)
			r.stop()
		})
	}
	f("its format", headerMagic, 9, true, 1)
	f("its length, too long", headerLength, 0x7f, false, 1) // the end it tells is good
	f("its length, negative", headerLength, 0x80, true, 1)
	f("its end, far beyond the end of the log", headerLast, 0x10, true, 1)
	f("many of them", headerMagic, 9, true, 21)
}

// A broker that finds its own log damaged answers so, and the client says nothing of it: the
// partition is stuck, which is said, and continues behind what is damaged.
func TestBrokerWithDamagedLog(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		b.numbered(0, 0, 40)
		cluster := b.broker.Cluster()
		cluster.ControlKey(kmsg.Fetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			request := r.(*kmsg.FetchRequest)
			answer := request.ResponseKind().(*kmsg.FetchResponse)
			bad := false
			for _, topic := range request.Topics {
				t := kmsg.NewFetchResponseTopic()
				t.Topic, t.TopicID = topic.Topic, topic.TopicID
				for _, p := range topic.Partitions {
					at := kmsg.NewFetchResponseTopicPartition()
					at.Partition, at.HighWatermark = p.Partition, 40
					if p.FetchOffset < 13 {
						at.ErrorCode, bad = kerr.CorruptMessage.Code, true
					}
					t.Partitions = append(t.Partitions, at)
				}
				answer.Topics = append(answer.Topics, t)
			}
			return answer, nil, bad
		})
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		b.wait(
			"a sign of the trouble",
			func() bool { return s.Health().State == Degraded || s.Stats().Lost > 0 },
		)
		b.waitSeen(engine.seen, offsets(0, 13, 40))
		if stats := s.Stats(); stats.Lost != 13 || stats.Errors["corrupt"] == 0 {
			t.Errorf("stats are %+v", stats)
		}
		r.stop()
	})
}

// A partition whose leader continues answering with an error is said to be stuck, although the
// client takes the error for passing.
func TestStalledPartition(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		fault := b.broker.Cluster().
			Fault(kfake.Fault{
				Keys:  []kmsg.Key{kmsg.Fetch},
				Topic: b.topic,
				Err:   kerr.KafkaStorageError,
				Count: -1,
			})
		b.numbered(0, 0, 3)
		b.wait("a sign of the trouble", func() bool { return s.Health().State == Degraded })
		if text := strings.Join(s.Health().Problems, ""); !strings.Contains(text,
			"KAFKA_STORAGE_ERROR") {
			t.Errorf("the trouble is %s", text)
		}
		fault.Remove()
		b.waitSeen(engine.seen, offsets(0, 0, 3))
		b.wait("recovery", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}

// A batch that was damaged on its way alone is not left out.
func TestDamagedOnItsWay(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		dial := b.dial
		cfg := b.sourceConfig()
		var once sync.Once
		cfg.Client.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return breakingOnce{c, &once}, err
		}
		b.produce(0, "first", damagedWord, "third")
		engine := keeping{newNotebook()}
		s, r := started(b, cfg, engine)
		b.waitSeen(engine.seen, offsets(0, 0, 3))
		if stats := s.Stats(); stats.Lost != 0 || stats.Errors["corrupt"] == 0 {
			t.Errorf("stats are %+v", stats)
		}
		r.stop()
	})
}

// breakingOnce is breaking for the first time only.
type breakingOnce struct {
	net.Conn
	once *sync.Once
}

func (c breakingOnce) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if i := bytes.Index(p[:n], []byte(damagedWord)); i >= 0 {
		c.once.Do(func() { p[i] = 'D' })
	}
	return n, err
}

// A batch that expands beyond all measure is left out, and those behind it are read.
func TestBomb(t *testing.T) {
	f := func(last bool) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			bomber, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.Dialer(b.dial),
				kgo.ProducerBatchMaxBytes(8<<20),
				kgo.ProducerBatchCompression(kgo.GzipCompression()))
			if err != nil {
				t.Fatal(err)
			}
			b.produce(0, "first")
			if err := bomber.ProduceSync(context.Background(),
				&kgo.Record{Topic: b.topic, Value: make([]byte, 4<<20)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			bomber.Close()
			want := []string{"0/0"}
			if !last {
				b.produce(0, "third")
				want = append(want, "0/2")
			}
			cfg := b.sourceConfig()
			cfg.Client.decompress = 1 << 20
			engine := newNotebook()
			s, r := started(b, cfg, engine)
			b.waitSeen(engine.seen, want)
			b.wait("the end", func() bool { return engine.at(0).CaughtUp })
			if stats := s.Stats(); stats.Lost != 1 || stats.Errors["bomb"] != 1 || stats.Lag != 0 {
				t.Errorf("stats are %+v", stats)
			}
			r.stop()
		})
	}
	f(false)
	f(true)
}

// A broker that goes away and comes back: health says so while it is away, and everything is read
// afterwards.
func TestBrokerRestart(t *testing.T) {
	dir := t.TempDir()
	inBubble(t, 2, func(b *bed) {
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		b.broker.Close()
		b.wait("a sign of the trouble", func() bool { return s.Health().State == Degraded })
		if p := engine.at(0); p.CaughtUp {
			t.Errorf("it is unknown whether there are more logs, but progress is %+v", p)
		}
		var err error
		if b.broker, err = devbroker.Start(b.options); err != nil {
			t.Fatal(err)
		}
		b.numbered(0, 5, 8)
		b.numbered(1, 0, 2)
		b.waitSeen(engine.seen, append(offsets(0, 0, 8), offsets(1, 0, 2)...))
		b.wait("recovery", func() bool { return s.Health().State == Ready })
		r.stop()
	}, func(o *devbroker.Options) { o.DataDir = dir })
}

// Commits that fail do not hold up reading, and are made up for.
func TestFailingCommits(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		fault := b.broker.Cluster().
			Fault(kfake.Fault{
				Keys:  []kmsg.Key{kmsg.OffsetCommit},
				Err:   kerr.UnknownServerError,
				Count: -1,
			})
		b.numbered(0, 0, 5)
		b.waitSeen(engine.seen, offsets(0, 0, 5))
		if n := b.committed(0); n == 5 {
			t.Error("the commit came through")
		}
		if s.Stats().Errors["commit"] == 0 {
			t.Error("the failure was not counted")
		}
		fault.Remove()
		b.waitCommitted(0, 5)
		r.stop()
	})
}

// Missing rights end a run that never had them, with what to do; later they only make the partition
// stuck, until they are back.
func TestRights(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		fault := b.broker.Cluster().
			Fault(kfake.Fault{
				Keys:     []kmsg.Key{kmsg.JoinGroup},
				TopLevel: true,
				Err:      kerr.GroupAuthorizationFailed,
				Count:    -1,
			})
		err := NewSource(b.sourceConfig(), newNotebook()).Run(context.Background())
		if err == nil ||
			!strings.Contains(err.Error(), "we may not use the consumer group; allow READ on it") {
			t.Errorf("got %v", err)
		}
		fault.Remove()
		engine := newNotebook()
		s, r := started(b, b.sourceConfig(), engine)
		fault = b.broker.Cluster().
			Fault(kfake.Fault{
				Keys:  []kmsg.Key{kmsg.Fetch},
				Topic: b.topic,
				Err:   kerr.TopicAuthorizationFailed,
				Count: -1,
			})
		b.numbered(0, 0, 3)
		b.wait("a sign of the trouble", func() bool { return s.Health().State == Degraded })
		fault.Remove()
		b.waitSeen(engine.seen, offsets(0, 0, 3))
		b.wait("recovery", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}

// A log that was cut off behind us is read on from where it continues.
func TestCheckpointBeyondTheEnd(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		r.stop()
		p := engine.position(b, 0)
		p.Next, p.Committed = 50, 5
		engine.positions[keyOf(p)] = p
		engine = engine.crash()
		s, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 5, 8)
		b.waitSeen(engine.seen, offsets(0, 0, 8))
		if s.Stats().Errors["reset"] != 1 {
			t.Errorf("stats are %+v", s.Stats())
		}
		r.stop()
	})
}

// A leader that does not know its history has the client believe that records are lost, and read
// again what it has read: it counts once.
func TestLeaderWithoutHistory(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		b.broker.LoseHistory()
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitSeen(engine.seen, offsets(0, 0, 5))
		if err := b.broker.Cluster().MoveTopicPartition(b.topic, 0, 1); err != nil {
			t.Fatal(err)
		}
		b.wait(
			"the client's belief that records are lost",
			func() bool { return s.Stats().Errors["data_loss"] > 0 },
		)
		b.wait("all of it, once more", func() bool { return s.Stats().Repeated == 5 })
		b.wait("its end", func() bool { return engine.at(0).CaughtUp })
		if p := engine.position(b, 0); p.Next != 5 {
			t.Errorf("the position is %+v", p)
		}
		b.numbered(0, 5, 8)
		b.waitSeen(engine.seen, offsets(0, 0, 8))
		if stats := s.Stats(); stats.Errors["replaced"] != 0 || stats.Lag != 0 {
			t.Errorf("stats are %+v", stats)
		}
		r.stop()
	}, func(o *devbroker.Options) { o.Nodes = 2 })
}

// The client lists its own errors last: the records that it has read since it went back come in the
// same poll, before the error that says so.
func TestDataLossAfterItsRecords(t *testing.T) {
	g := newGroupConsumer(groupConfig{}, nil, slog.New(slog.DiscardHandler), &counters{})
	name := models.Partition{Topic: "t"}
	p := &partition{Partition: name, next: 9, fetched: 9, probedEnd: 9}
	g.assignment.parts[name] = p
	var again []*kgo.Record
	for offset := range int64(7) {
		// the new leader has written from offset 5 on
		epoch := int32(offset / 5)
		again = append(again, &kgo.Record{Topic: "t", Offset: offset, LeaderEpoch: epoch})
	}
	fetch := func(f kgo.FetchPartition) kgo.Fetch {
		topics := []kgo.FetchTopic{{Topic: "t", Partitions: []kgo.FetchPartition{f}}}
		return kgo.Fetch{Topics: topics}
	}
	batches, err := g.batches(kgo.Fetches{
		fetch(kgo.FetchPartition{Records: again, HighWatermark: 7}),
		fetch(kgo.FetchPartition{Err: &kgo.ErrDataLoss{Topic: "t", ConsumedTo: 9}}),
	})
	if err != nil || len(batches) != 1 || batches[0].err != nil {
		t.Fatalf("got %+v, %v", batches, err)
	}
	var got []int64
	for _, r := range batches[0].records {
		got = append(got, r.Offset)
	}
	if !slices.Equal(got, []int64{5, 6}) || p.next != 5 || p.fetched != 7 {
		t.Errorf("evaluated %v, position %d, fetched %d", got, p.next, p.fetched)
	}
	if n := g.counters.errors.snapshot(); n["data_loss"] != 1 || n["replaced"] != 1 {
		t.Errorf("errors are %v", n)
	}
}

// A leader whose log is shorter than what we have read, as after an unclean election: what comes in
// place of the lost records is evaluated, what was read before is not once more, and the loss is
// counted and said. Until something comes in their place, the shorter log is read to its end, so
// that time continues.
func TestTruncatedLog(t *testing.T) {
	dir := t.TempDir()
	here, there := filepath.Join(dir, "now"), filepath.Join(dir, "then")
	inBubble(t, 1, func(b *bed) {
		restart := func(change func()) {
			t.Helper()
			b.broker.Close()
			change()
			var err error
			if b.broker, err = devbroker.Start(b.options); err != nil {
				t.Fatal(err)
			}
		}
		engine := keeping{newNotebook()}
		s, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		restart(func() {
			if err := os.CopyFS(there, os.DirFS(here)); err != nil {
				t.Fatal(err)
			}
		})
		b.numbered(0, 5, 9) // will be lost
		b.waitSeen(engine.seen, offsets(0, 0, 9))
		restart(func() {
			if err := errors.Join(os.RemoveAll(here),
				os.CopyFS(here, os.DirFS(there))); err != nil {
				t.Fatal(err)
			}
		})
		if err := b.broker.Cluster().MoveTopicPartition(b.topic, 0, 1); err != nil {
			t.Fatal(err)
		}
		b.wait(
			"the loss",
			func() bool {
				return s.Stats().Errors["data_loss"] > 0 && s.Stats().Errors["replaced"] > 0
			},
		)
		b.wait(
			"the end of the shorter log",
			func() bool { return engine.at(0).CaughtUp && engine.at(0).Next == 5 },
		)
		b.numbered(0, 5, 12)
		b.waitSeen(engine.seen, append(offsets(0, 0, 9), offsets(0, 5, 12)...))
		b.waitCommitted(0, 12)
		if stats := s.Stats(); stats.Lag != 0 || stats.Errors["replaced"] != 1 {
			t.Errorf("stats are %+v", stats)
		}
		if !strings.Contains(b.logs.String(), "records that were read before are replaced") {
			t.Error("nothing was said")
		}
		r.stop()
	}, func(o *devbroker.Options) { o.Nodes, o.DataDir = 2, here })
}

// Lag is known while nothing is read, in records and in time.
func TestLag(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := &judge{}
		p := newLogProcessor(b.processorConfig(), engine)
		r := begun(b, p.consumer, p.ProcessLogs)
		b.numbered(0, 0, 1)
		b.waitCommitted(0, 1)
		engine.fail(always)
		<-time.After(time.Minute)
		b.numbered(0, 1, 11)
		<-time.After(2 * time.Minute)
		if s := p.GetStats(); s.Lag != 10 || s.LagTime < 3*time.Minute ||
			s.LagTime > 4*time.Minute {
			t.Errorf("lag is %d, %s", s.Lag, s.LagTime)
		}
		engine.fail(nil)
		b.wait("the end", func() bool { return p.GetStats().Lag == 0 && p.GetStats().LagTime == 0 })
		r.stop()
	})
}
