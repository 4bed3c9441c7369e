package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// kafkaFailure is what happens to Kafka, or to what is in it, between the sixth and the seventh of
// the eleven logs that make an alert.
type kafkaFailure struct {
	what    string
	options func(*devbroker.Options) // of the broker; nil for none
	process func(*process)           // nil for no change
	// begin brings the failure about; end, if it is not nil, ends it some seconds after the
	// eleventh log. r may be replaced by another run.
	begin func(w *world, r **run) (end func())
	said  string // in the log, or on /readyz
	short bool   // is tried where tests are to be short, too
}

const damagedText = "damage-me"

// damaging changes one byte of what brokers send: that so many bytes before the word.
type damaging struct {
	net.Conn
	before int
	to     byte
}

func (c damaging) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for rest := p[:n]; ; {
		i := bytes.Index(rest, []byte(damagedText))
		if i < c.before {
			return n, err
		}
		rest[i-c.before] = c.to
		rest = rest[i+1:]
	}
}

// damage has a process read damaged batches.
func damage(before int, to byte) func(*process) {
	return func(p *process) {
		dial := p.network.dial
		p.network.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return damaging{c, before, to}, err
		}
	}
}

// beside runs f with a client of its own.
func (w *world) beside(f func(*kgo.Client), opts ...kgo.Opt) {
	w.t.Helper()
	client, err := kgo.NewClient(append(slices.Clip(w.connect), opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	f(client)
}

// writeDamaged writes the record that damaging damages.
func writeDamaged(w *world, _ **run) func() {
	w.beside(func(client *kgo.Client) {
		record := &kgo.Record{Topic: worldTopic, Value: []byte(damagedText)}
		if err := client.ProduceSync(w.t.Context(), record).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	return nil
}

// faulty has requests of a kind fail.
func faulty(f kfake.Fault) func(*world, **run) func() {
	return func(w *world, _ **run) func() {
		f.Count = -1
		return w.broker.Cluster().Fault(f).Remove
	}
}

// again stops the program, changes something, and starts it.
func again(change func(w *world)) func(*world, **run) func() {
	return func(w *world, r **run) func() {
		(*r).end()
		change(w)
		*r = w.start("data")
		return nil
	}
}

// resetTo sets the group's offset.
func resetTo(offset int64) func(w *world) {
	return func(w *world) {
		w.beside(func(client *kgo.Client) {
			var offsets kadm.Offsets
			offsets.AddOffset(worldTopic, 0, offset, -1)
			if err := kadm.NewClient(client).CommitAllOffsets(w.t.Context(),
				DefaultConfig().Kafka.Group, offsets); err != nil {
				w.t.Fatal(err)
			}
		})
	}
}

// withoutHistory has the new leader of a partition know nothing of the epochs before it.
func withoutHistory(w *world, _ **run) func() {
	w.broker.LoseHistory()
	return moveLeader(w, nil)
}

func moveLeader(w *world, _ **run) func() {
	if err := w.broker.Cluster().MoveTopicPartition(worldTopic, 0, 1); err != nil {
		w.t.Fatal(err)
	}
	return nil
}

// aborted writes eleven errors of another service in a transaction that is aborted later.
func aborted(w *world, _ **run) func() {
	client, err := kgo.NewClient(append(slices.Clip(w.connect), kgo.TransactionalID("tx"),
		kgo.DefaultProduceTopic(worldTopic))...)
	if err == nil {
		err = client.BeginTransaction()
	}
	for range 11 {
		if err == nil {
			err = client.ProduceSync(w.t.Context(),
				kgo.StringRecord(`{"level":"ERROR","service":"ghost"}`)).FirstErr()
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := client.EndTransaction(w.t.Context(), kgo.TryAbort); err != nil {
			w.t.Error(err)
		}
		client.Close()
	}
}

// wrongClock writes logs of a host whose clock is wrong by so much.
func wrongClock(by time.Duration) func(*world, **run) func() {
	return func(w *world, _ **run) func() {
		for range 5 {
			w.produce(0, fmt.Sprintf(`{"timestamp":%q,"level":"ERROR","service":"wrong"}`,
				time.Now().Add(by).UTC().Format(time.RFC3339Nano)))
		}
		return nil
	}
}

// shortened is a broker whose log loses what was written last: an unclean election.
func shortened(t *testing.T) kafkaFailure {
	dir := t.TempDir()
	now, then := filepath.Join(dir, "now"), filepath.Join(dir, "then")
	var options devbroker.Options
	restart := func(w *world, change func() error) {
		w.broker.Close()
		err := change()
		if err == nil {
			w.broker, err = devbroker.Start(options)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return kafkaFailure{
		what: "a log that became shorter",
		options: func(o *devbroker.Options) {
			o.DataDir, o.Nodes = now, 2
			options = *o
		},
		begin: func(w *world, r **run) func() {
			restart(w, func() error { return os.CopyFS(then, os.DirFS(now)) })
			return func() {
				restart(w, func() error {
					return errors.Join(os.RemoveAll(now), os.CopyFS(now, os.DirFS(then)))
				})
				moveLeader(w, r)
			}
		},
		said: "records that were read before are replaced by others",
	}
}

// Whatever happens to Kafka, the receiver is notified of each alert once, and of its end once: of
// the one that was coming about, and of the next. It is notified of nothing else.
func TestReceiverOfKafkaFailures(t *testing.T) {
	two := func(o *devbroker.Options) { o.Nodes = 2 }
	for _, f := range []kafkaFailure{
		{
			what: "a leader that answers with an error",
			begin: faulty(kfake.Fault{
				Keys: []kmsg.Key{kmsg.Fetch}, Topic: worldTopic, Err: kerr.KafkaStorageError,
			}),
			said: "KAFKA_STORAGE_ERROR",
		},
		{
			what:  "commits that fail",
			short: true,
			begin: faulty(kfake.Fault{
				Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownServerError,
			}),
			said: "offsets could not be committed",
		},
		{what: "a leader that moves", options: two, begin: moveLeader, short: true},
		{
			what:    "a leader without history",
			options: two,
			begin:   withoutHistory,
			said:    "may have lost records",
		},
		shortened(t),
		{
			what:    "a damaged batch",
			process: damage(0, 'D'),
			begin:   writeDamaged,
			said:    "an unreadable batch is skipped",
		},
		{
			what:    "a damaged header of a batch", // the byte of its format
			process: damage(61+6-16, 9),
			begin:   writeDamaged,
			said:    "the log is damaged at offset 6",
		},
		{what: "a transaction that is aborted", begin: aborted, said: "an open transaction"},
		{what: "a host whose clock is a day ahead", begin: wrongClock(24 * time.Hour)},
		{what: "a host whose clock is a day behind", begin: wrongClock(-24 * time.Hour)},
		{
			what:  "an offset that is reset to an earlier one",
			begin: again(resetTo(0)),
			said:  "was reset to 0, but the records before 6",
		},
		{
			what: "a record that ended the process twice",
			begin: again(func(w *world) {
				w.produce(0, "slow")
				name := filepath.Join(w.dir, "data", "slow-records.json")
				text := `[{"topic":"logs","partition":0,"from":6,"to":7,"attempts":2}]`
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					w.t.Fatal(err)
				}
			}),
			said: "too_slow",
		},
		{
			what: "a topic that gets a partition",
			begin: func(w *world, _ **run) func() {
				w.beside(func(client *kgo.Client) {
					if _, err := kadm.NewClient(client).CreatePartitions(w.t.Context(), 1,
						worldTopic); err != nil {
						w.t.Fatal(err)
					}
				})
				return nil
			},
		},
	} {
		if testing.Short() && !f.short {
			continue
		}
		options := f.options
		if options == nil {
			options = func(*devbroker.Options) {}
		}
		inWorld(t, 1, func(w *world) {
			r := w.start("data", func(p *process) {
				if f.process != nil {
					f.process(p)
				}
			})
			w.errors(0, "pay", 6)
			time.Sleep(5 * time.Second)
			end := f.begin(w, &r)
			w.errors(0, "pay", 5)
			time.Sleep(40 * time.Second)
			if end != nil {
				end()
			}
			time.Sleep(3 * time.Minute)
			w.errors(0, "cart", 11)
			time.Sleep(3 * time.Minute)
			want(t, f.what, w.notices(), "firing cart", "firing pay", "resolved cart",
				"resolved pay")
			if text := r.out.String(); !strings.Contains(text, f.said) {
				t.Errorf("%s: the log does not say %q:\n%s", f.what, f.said, text)
			}
			r.stop()
			<-r.done
			w.broker.Close()
		}, options)
	}
}
