// Command chaos kills alert-engine at random instants while logs flow, and holds what it decided
// against an evaluator that reads the whole log once.
//
//	go -C bench run ./chaos                              200 kills in two million logs, about twenty minutes
//	go -C bench run ./chaos -kills 20 -logs 100000       the short form
//	go -C bench run ./chaos -members 3 -kills 20 -logs 120000 -rate 1000   several members that share the topic
//	go -C bench run ./chaos -unprotected                 loses its positions at each kill; this has to fail
//	go -C bench run ./chaos -brokers 127.0.0.1:29192     on a Kafka of your own instead of the embedded one
//
//	KAFKA_PROXIED=31192 scripts/kafka/start.sh 3 .kafka
//	go -C bench run ./chaos -brokers 127.0.0.1:29192 -cluster ../.kafka -proxied 31192
//
// uses three real brokers, of which every 30 seconds one is killed, over a network that is cut
// every few seconds.
//
// The broker, the producer and the receiver of notifications live in this process; alert-engine is
// a process of its own, as somebody would run it. Most kills are SIGKILL; some stop the process
// with SIGSTOP for longer than its session with the group lasts, and then let it go on, believing
// that nothing has happened.
//
// What is compared are decisions: every transition in the engine's own history, with its episode,
// its times and its count of logs. Notifications are counted beside that: one for an alert that was
// never decided is an error, a repeated one is what a receiver without idempotency has to expect of
// a kill between the answer and its record.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

type options struct {
	seed        uint64
	kills       int
	logs        int
	rate        int
	partitions  int
	brokers     string
	cluster     string
	proxied     int
	members     int
	unprotected bool
	keep        bool
}

func main() {
	log.SetFlags(log.Ltime)
	var o options
	flag.Uint64Var(
		&o.seed,
		"seed",
		uint64(time.Now().UnixNano()%1_000_000),
		"of logs and kills; the same seed writes the same logs and draws the same kills",
	)
	flag.IntVar(&o.kills, "kills", 200, "how often the engine is killed or stopped")
	flag.IntVar(&o.logs, "logs", 2_000_000, "how many logs are written")
	flag.IntVar(
		&o.rate,
		"rate",
		2_000,
		"logs a second; with the number of logs it says how long this takes",
	)
	flag.IntVar(&o.partitions, "partitions", 8, "of the topic")
	flag.StringVar(&o.brokers, "brokers", "", "a Kafka to use instead of the embedded one")
	flag.StringVar(
		&o.cluster,
		"cluster",
		"",
		"directory of the real brokers, started by scripts/kafka/start.sh, that are killed as well",
	)
	flag.IntVar(
		&o.proxied,
		"proxied",
		0,
		"KAFKA_PROXIED with which they were started: the network between them and the engine is cut",
	)
	flag.IntVar(
		&o.members,
		"members",
		1,
		"that share the topic by the key of its records; what the receiver was told is compared as well then",
	)
	flag.BoolVar(
		&o.unprotected,
		"unprotected",
		false,
		"take away at each kill how far the engine's state goes",
	)
	flag.BoolVar(&o.keep, "keep", false, "leave the engine's directory behind")
	flag.Parse()
	story := run
	if o.members > 1 {
		story = runCrew
	}
	if err := story(o); err != nil {
		log.Fatal(err)
	}
}

// run is long because it is one story: start everything, write, kill, wait until all is over,
// compare.
func run(o options) (err error) {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	log.Printf("seed %d, %d kills, %d logs, directory %s", o.seed, o.kills, o.logs, dir)
	addr, topic, closeBroker, err := o.makeTopic()
	if err != nil {
		return err
	}
	defer closeBroker()
	var brokers cluster
	lateness := 10 * time.Second // a machine that is busy otherwise writes logs late
	if o.cluster != "" {
		// while a partition has no leader its logs are not in it: nobody can know of them before
		lateness = 30 * time.Second
	}
	engineAddr := addr
	if o.proxied != 0 {
		addrs, err := brokers.openProxies(o.proxied, 3)
		if err != nil {
			return err
		}
		engineAddr = strings.Join(addrs, ", ")
	}
	hook, err := startWebhook()
	if err != nil {
		return err
	}
	start := time.Now().Add(2 * time.Second).Truncate(time.Second)
	w := newWorkload(o.seed, start, o.logs, o.rate)
	m, err := newMember(dir, engineAddr, topic, hook.url, lateness, "[]")
	if err != nil {
		return err
	}
	m.unprotected = o.unprotected
	if err := m.start(); err != nil {
		return err
	}
	defer m.end()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- produce(ctx, addr, topic, w, o.partitions) }()
	endTrouble := func() error { return nil }
	if o.cluster != "" {
		brokers.dir = o.cluster
		endTrouble = brokers.watch(o.seed)
	}
	r := rand.New(rand.NewPCG(o.seed, 1))
	gap := time.Duration(o.logs) * time.Second / time.Duration(o.rate) / time.Duration(o.kills+1)
	kills, stops := 0, 0
	for i := range o.kills {
		if !sleep(
			produced,
			time.Until(start.Add(time.Duration(i+1)*gap))-gap/2+time.Duration(r.Int64N(int64(gap))),
			&err,
		) {
			return fmt.Errorf("produce: %w", err)
		}
		if r.IntN(20) == 0 {
			stops++
			err = m.pause(sessionTimeout + 2*time.Second)
		} else {
			kills++
			err = m.kill()
		}
		if err != nil {
			return err
		}
		if (i+1)%10 == 0 {
			log.Printf("%d kills, %d stops", kills, stops)
		}
	}
	if err := <-produced; err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := endTrouble(); err != nil {
		return err
	}
	log.Printf(
		"all is written, at most %v after its time; waiting for the last windows",
		w.delay.Round(time.Millisecond),
	)
	if w.delay > lateness {
		return fmt.Errorf(
			"the brokers were away for so long that logs were written later than the lateness of %v: nothing can be said of alerts",
			lateness,
		)
	}
	if err := m.drain(w.end.Add(longest+lateness), time.Minute, longest+lateness); err != nil {
		return err
	}
	if err := m.stop(); err != nil {
		return err
	}
	decided, err := decisions(filepath.Join(dir, "data", "state"))
	if err != nil {
		return err
	}
	log.Printf(
		"%d SIGKILLs, %d SIGSTOPs of %v; %v",
		kills,
		stops,
		sessionTimeout+2*time.Second,
		&brokers,
	)
	return compare(w.expected(), decided, hook.notified())
}

// sleep waits, unless producing ends with an error before.
func sleep(produced chan error, d time.Duration, err *error) bool {
	select {
	case <-time.After(d):
		return true
	case *err = <-produced:
		produced <- *err
		return *err == nil
	}
}

// makeTopic makes a topic on the brokers that were named, or on an embedded one, which closeBroker
// ends.
func (o options) makeTopic() (addr, topic string, closeBroker func(), err error) {
	topic = fmt.Sprintf("chaos-%d", time.Now().UnixNano())
	if o.brokers != "" {
		return o.brokers, topic, func() {}, createTopic(o.brokers, topic, o.partitions)
	}
	broker, err := devbroker.Start(
		devbroker.Options{
			Addr:   "127.0.0.1:0",
			Topics: []devbroker.Topic{{Name: topic, Partitions: int32(o.partitions)}},
		},
	)
	if err != nil {
		return "", "", nil, err
	}
	return broker.Addr(), topic, func() { broker.Close() }, nil
}

func createTopic(addr, topic string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addr, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	replicas := int16(-1)
	r, err := kadm.NewClient(client).
		CreateTopic(context.Background(), int32(partitions), replicas, nil, topic)
	return errors.Join(err, r.Err)
}

// produce writes each log when its time has come.
func produce(ctx context.Context, addr, topic string, w *workload, partitions int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(addr, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(
			5*time.Millisecond,
		),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(1_000_000),
		kgo.RequestTimeoutOverhead(5*time.Second),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	for l := range w.logs() {
		if d := time.Until(l.at); d > 2*time.Millisecond {
			time.Sleep(d)
		}
		client.Produce(
			ctx,
			&kgo.Record{
				Key:       []byte(l.key),
				Value:     l.value(),
				Timestamp: l.at,
				Partition: int32(l.group % partitions),
			},
			func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err
				}
				w.delay = max(w.delay, time.Since(l.at)) // callbacks come one at a time
			},
		)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(client.Flush(ctx), failed)
}
