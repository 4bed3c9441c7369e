// Command scale measures what a log costs the busiest member of a cluster, against an instance
// without one: the processor time of each process, with one processor each (GOMAXPROCS=1), the
// embedded broker and the producer apart, in this process. So it is worth something on a busy
// machine as well.
//
//	go -C bench run ./scale
//	go -C bench run ./scale -logs 200000 -members 2
//
// Two sets of rules are measured: one whose rule matches one log in a hundred, and one whose rule
// matches every log; beside it there are fifty rules that match none. Logs have 560 bytes, no key,
// and are spread over twelve partitions. Members have joined before the first log is written, and
// what they use while they have nothing to do is taken off.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const (
	partitions = 12
	idle       = 5 * time.Second // is measured, and waited for what is under way
	patience   = 10 * time.Minute
)

var kinds = []struct{ name, rule string }{
	{"1 % of the logs match", "{alert: Some, match: 'n:57', when: count() > 1000000, window: 1m, " +
		"by: [service]}"},
	{"every log matches", "{alert: Silent, match: 'level:INFO', when: count() == 0, window: 1h, " +
		"by: [host]}"},
}

func main() {
	logs := flag.Int("logs", 500_000, "to be read, for each measurement")
	members := flag.String("members", "2,4", "of clusters")
	bin := flag.String("bin", "", "alert-engine, if it is built already")
	flag.Parse()
	if err := os.Setenv("GOMAXPROCS", "1"); err != nil { // of the processes that are started
		log.Fatal(err)
	}
	if err := measure(*logs, *members, *bin); err != nil {
		log.Fatal(err)
	}
}

func measure(logs int, members, bin string) error {
	for _, kind := range kinds {
		alone, err := run(logs, 0, kind.rule, bin)
		if err != nil {
			return err
		}
		fmt.Printf("%s: an instance %.2f µs a log\n", kind.name, alone[0])
		for _, text := range strings.Split(members, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				return err
			}
			costs, err := run(logs, n, kind.rule, bin)
			if err != nil {
				return err
			}
			most, sum := 0.0, 0.0
			for _, c := range costs {
				most, sum = max(most, c), sum+c
			}
			fmt.Printf("%s: %d members, busiest %.2f of an instance, all together %.2f\n",
				kind.name, n, most/alone[0], sum/alone[0])
		}
	}
	return nil
}

// run returns the microseconds that a log of the topic costs each process.
func run(logs, members int, rule, bin string) (costs []float64, err error) {
	dir, err := os.MkdirTemp("", "scale-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(devbroker.Options{
		Addr: "127.0.0.1:0", Topics: []devbroker.Topic{{Name: "logs", Partitions: partitions}},
	})
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	var engines []*proc.Engine
	for i := range max(members, 1) {
		own := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(own, 0o755); err != nil {
			return nil, err
		}
		e, err := start(own, broker.Addr(), rule, bin, members > 0)
		if err != nil {
			return nil, err
		}
		defer e.Stop()
		engines = append(engines, e)
	}
	for _, e := range engines {
		if err := e.AwaitReady(patience); err != nil {
			return nil, err
		}
	}
	if err := awaitMembers(engines, members); err != nil {
		return nil, err
	}
	time.Sleep(idle) // all have their share of the partitions
	rest := used(engines)
	time.Sleep(idle)
	before := used(engines)
	began := time.Now()
	if err := produce(broker.Addr(), logs); err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		n := 0
		for _, e := range engines {
			read, err := e.Counter("alert_engine_kafka_messages_total")
			if err != nil {
				return nil, err
			}
			n += read
		}
		if n >= logs {
			break
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d logs are read", n, logs)
		}
	}
	time.Sleep(idle)
	after, took := used(engines), time.Since(began)
	for i := range engines {
		quiet := float64(before[i]-rest[i]) * took.Seconds() / idle.Seconds()
		spent := max(float64(after[i]-before[i])-quiet, 0)
		costs = append(costs, spent/float64(time.Microsecond)/float64(logs))
	}
	return costs, nil
}

// awaitMembers waits until each member of a cluster knows all of them.
func awaitMembers(engines []*proc.Engine, members int) error {
	for end := time.Now().Add(patience); members > 0; time.Sleep(time.Second) {
		complete := 0
		for _, e := range engines {
			known, err := e.Counter("alert_engine_cluster_members")
			if err != nil {
				return err
			}
			if known == members {
				complete++
			}
		}
		if complete == members {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d members know all of them", complete, members)
		}
	}
	return nil
}

func used(engines []*proc.Engine) (list []time.Duration) {
	for _, e := range engines {
		list = append(list, e.CPU())
	}
	return list
}

func start(dir, broker, rule, bin string, cluster bool) (*proc.Engine, error) {
	rules := "version: 1\ngroups:\n- name: scale\n  lateness: 10s\n  rules:\n  - " + rule + "\n"
	for i := range 50 {
		rules += fmt.Sprintf("  - {alert: Other%d, match: 'service:other-%d message:\"failed %d\"', "+
			"when: count() > 5, window: 5m, by: [service]}\n", i, i, i)
	}
	config := fmt.Sprintf("kafka: {brokers: [%q], topics: [logs], group: scale, start: start}\n"+
		"rules: [scale.rules.yml]\nnotify: {file: alerts.json}\n", broker)
	if cluster {
		config += "cluster: {enabled: true}\n"
	}
	e, err := proc.BuildOrUse(bin, dir, config, map[string]string{"scale.rules.yml": rules})
	if err != nil {
		return nil, err
	}
	return e, e.Start()
}

// produce writes the logs of the last minute, as fast as the broker takes them.
func produce(broker string, logs int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("logs"),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.MaxBufferedRecords(100_000), kgo.ProducerLinger(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	r := rand.New(rand.NewPCG(1, 1))
	began := time.Now().Add(-time.Minute)
	pad := strings.Repeat("all of it as it should be, ", 12)
	var failed error
	for i := range logs {
		at := began.Add(time.Minute * time.Duration(i) / time.Duration(logs))
		value := fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"service-%d",`+
			`"host":"host-%d","n":%d,"status":200,"took":%d,"path":"/api/v1/orders/%d",`+
			`"message":"request %d was served: %s"}`, at.UTC().Format(time.RFC3339Nano),
			r.IntN(40), r.IntN(200), r.IntN(100), r.IntN(900), r.IntN(100_000), i, pad)
		client.Produce(context.Background(), &kgo.Record{Value: value, Timestamp: at},
			func(_ *kgo.Record, err error) { failed = cmp.Or(failed, err) })
	}
	return errors.Join(client.Flush(context.Background()), failed)
}
