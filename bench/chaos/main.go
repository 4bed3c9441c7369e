// Command chaos kills alert-engine at random instants while logs flow, takes the broker away for
// longer than rules wait for late logs, and compares what was decided and what each receiver got
// with an evaluator that reads all logs once.
//
//	go -C bench run ./chaos                              200 kills, 20 outages, twenty minutes
//	go -C bench run ./chaos -kills 20 -logs 120000       the short form
//	go -C bench run ./chaos -without queue               an engine without a repair; has to fail
//	go -C bench run ./chaos -unprotected                 loses its positions at kills; has to fail
//	go -C bench run ./chaos -members 3 -kills 20 -logs 120000 -rate 1000   a cluster
//	go -C bench run ./chaos -members 3 -without positions -kills 20 -logs 60000
//	go -C bench run ./chaos -members 3 -without snapshot -kills 20 -logs 60000
//
// On a real Kafka, started by scripts/kafka/start.sh, whose directory -cluster names:
//
//	KAFKA_BROKERS=127.0.0.1:29192 go -C bench run ./chaos -cluster ../.kafka
//
//	KAFKA_PROXIED=31192 scripts/kafka/start.sh 3 .kafka
//	go -C bench run ./chaos -brokers 127.0.0.1:29192 -cluster ../.kafka -proxied 31192
//
//	go -C bench run ./chaos -members 3 -cluster ../.kafka -proxied 31192 \
//		-brokers 127.0.0.1:29192,127.0.0.1:29193,127.0.0.1:29194
//
// The first one kills the only broker and starts it again -outage later. The second one uses three
// brokers, of which every 30 seconds one is killed, over a network that is cut every few seconds;
// the third one does so to a cluster.
//
// The producer, the webhooks and the embedded broker are in this process; alert-engine is a process
// of its own. Most kills are SIGKILL; some are SIGSTOP, for longer than the session with the group
// lasts, and then SIGCONT.
//
// The rules are of thirteen kinds (rules.go). Records have no key, so the logs of a group are on
// all partitions. The producer buffers while the broker is away. Four webhooks get each alert: one
// is healthy, one answers 500 half of the time, one takes a second, one closes connections half of
// the time. Every transition has to be in the history, the file and the topic, once, in order,
// under the ID of its episode; a repeat has to be the same to the last byte. Webhooks get each
// episode, or a later one whose message names it.
//
// With -members, three simpler rules are evaluated by a cluster, whose members are killed.
// Decisions, their counts of logs and the notifications of one webhook are compared. A third of the
// members that are killed lose their directory and join from a snapshot, which are written every
// few seconds. What each member has decided is compared, and what one decides that begins with an
// empty directory at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"

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
	outages     int // -1 for one in ten kills
	outage      time.Duration
	without     string
	bin         string
}

func main() {
	log.SetFlags(log.Ltime)
	var o options
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000),
		"of logs and kills; the same seed writes the same logs and draws the same kills")
	flag.IntVar(&o.kills, "kills", 200, "how often the engine is killed or stopped")
	flag.IntVar(&o.logs, "logs", 2_000_000, "how many logs are written")
	flag.IntVar(&o.rate, "rate", 2_000,
		"logs a second; with the number of logs it says how long this takes")
	flag.IntVar(&o.partitions, "partitions", 8, "of the topic")
	flag.StringVar(&o.brokers, "brokers", os.Getenv("KAFKA_BROKERS"),
		"a Kafka to use instead of the embedded one")
	flag.StringVar(&o.cluster, "cluster", "", "directory of the real brokers, started by "+
		"scripts/kafka/start.sh, that are killed as well")
	flag.IntVar(&o.proxied, "proxied", 0, "KAFKA_PROXIED with which they were started: the "+
		"network between them and the engine is cut")
	flag.IntVar(&o.members, "members", 1, "of a cluster; what the receiver was notified of is "+
		"compared as well then")
	flag.BoolVar(&o.unprotected, "unprotected", false,
		"take away at each kill how far the engine's state goes")
	flag.IntVar(&o.outages, "outages", -1,
		"how often the broker goes away; one for every ten kills by default")
	flag.DurationVar(&o.outage, "outage", 12*time.Second, "for how long it is away")
	flag.StringVar(&o.without, "without", "",
		"build the engine without a repair, which has to fail: "+repairNames())
	flag.StringVar(&o.bin, "bin", "", "alert-engine, if members are not to be built")
	flag.BoolVar(&o.keep, "keep", false, "leave the engine's directory behind")
	flag.Parse()
	if o.outages < 0 {
		o.outages = o.kills / 10
	}
	scenario := runPromise
	if o.members > 1 {
		scenario = runMembers
	}
	if err := scenario(o); err != nil {
		log.Fatal(err)
	}
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

// produce writes each log, to any partition, when its time has come.
func produce(ctx context.Context, addr, topic string, w *workload, partitions int) error {
	spread := rand.New(rand.NewPCG(w.seed, 5))
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(addr, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(5*time.Millisecond),
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
		record := &kgo.Record{
			Value: l.value(), Timestamp: l.at, Partition: spread.Int32N(int32(partitions)),
		}
		client.Produce(
			ctx,
			record,
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
