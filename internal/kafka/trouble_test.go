package kafka

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
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
		if !strings.Contains(b.logs.String(), "a batch cannot be read and is left out") {
			t.Error("nothing was said")
		}
		b.waitCommitted(0, 3)
		r.stop()
	})
}

// A batch that expands beyond all measure is left out, and those behind it are read.
func TestBomb(t *testing.T) {
	f := func(last bool) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			bomber, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.Dialer(b.dial), kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.GzipCompression()))
			if err != nil {
				t.Fatal(err)
			}
			b.produce(0, "first")
			if err := bomber.ProduceSync(context.Background(), &kgo.Record{Topic: b.topic, Value: make([]byte, 4<<20)}).FirstErr(); err != nil {
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

// A broker that goes away and comes back: health says so while it is away, and everything is read afterwards.
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
			t.Errorf("nobody knows whether there are more logs, but progress is %+v", p)
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
		fault := b.broker.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownServerError, Count: -1})
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

// Missing rights end a run that never had them, with what to do; later they only make the partition stuck, until they are back.
func TestRights(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		fault := b.broker.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1})
		err := NewSource(b.sourceConfig(), newNotebook()).Run(context.Background())
		if err == nil || !strings.Contains(err.Error(), "we may not use the consumer group; allow READ on it") {
			t.Errorf("got %v", err)
		}
		fault.Remove()
		engine := newNotebook()
		s, r := started(b, b.sourceConfig(), engine)
		fault = b.broker.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: b.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		b.numbered(0, 0, 3)
		b.wait("a sign of the trouble", func() bool { return s.Health().State == Degraded })
		fault.Remove()
		b.waitSeen(engine.seen, offsets(0, 0, 3))
		b.wait("recovery", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}

// A log that was cut off behind us is read on from where it goes on.
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
		if s := p.GetStats(); s.Lag != 10 || s.LagTime < 3*time.Minute || s.LagTime > 4*time.Minute {
			t.Errorf("lag is %d, %s", s.Lag, s.LagTime)
		}
		engine.fail(nil)
		b.wait("the end", func() bool { return p.GetStats().Lag == 0 && p.GetStats().LagTime == 0 })
		r.stop()
	})
}
