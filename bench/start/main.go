// Command start measures how long alert-engine takes from its start to its first evaluated log,
// and what memory it has at rest: an embedded Kafka in this process, with a topic that holds logs
// already, and alert-engine in its own process, without state, as in production.
//
//	go -C bench run ./start
//	go -C bench run ./start -turns 20
//	go -C bench run ./start -bin FILE    of another build, as of a released one
//
// The time is from the start of the process until its metrics count a log; they are asked for every
// few milliseconds. Memory is that of a process whose metrics nobody asks for, a while after it has
// read all logs; its parts are those of /proc/PID/smaps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const (
	topic    = "logs"
	patience = 30 * time.Second
)

func main() {
	turns := flag.Int("turns", 5, "how often the program is started")
	logs := flag.Int("logs", 1000, "that the topic holds")
	rest := flag.Duration("rest", 20*time.Second, "how long it runs before its memory is read")
	bin := flag.String("bin", "", "alert-engine, if it is built already")
	flag.Parse()
	if err := measure(*turns, *logs, *rest, *bin); err != nil {
		log.Fatal(err)
	}
}

func measure(turns, logs int, rest time.Duration, bin string) error {
	dir, err := os.MkdirTemp("", "start-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(devbroker.Options{
		Addr:   "127.0.0.1:0",
		Topics: []devbroker.Topic{{Name: topic, Partitions: 4}},
	})
	if err != nil {
		return err
	}
	defer broker.Close()
	if err := produce(broker.Addr(), logs); err != nil {
		return err
	}
	fmt.Printf("%s; %d logs\n", proc.Machine(), logs)
	var took, used []time.Duration
	for i := range turns {
		e, err := build(filepath.Join(dir, strconv.Itoa(i)), broker.Addr(), bin, i)
		if err != nil {
			return err
		}
		bin = e.Bin()
		first, cpu, err := firstLog(e)
		if err != nil {
			return err
		}
		took, used = append(took, first), append(used, cpu)
	}
	slices.Sort(took)
	slices.Sort(used)
	fmt.Printf("start to first log evaluated: least %v, median %v, longest %v; CPU, median %v\n",
		took[0].Round(time.Millisecond), took[len(took)/2].Round(time.Millisecond),
		took[len(took)-1].Round(time.Millisecond), used[len(used)/2])
	e, err := build(filepath.Join(dir, "rest"), broker.Addr(), bin, turns)
	if err != nil {
		return err
	}
	return atRest(e, rest)
}

// produce writes logs of the demo's workload.
func produce(broker string, logs int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	now := time.Now()
	workload := app.NewWorkload(1, now.Add(-time.Minute), float64(logs)/30)
	written := 0
	for _, l := range workload.Until(now) {
		if written == logs {
			break
		}
		written++
		client.Produce(context.Background(),
			&kgo.Record{Key: []byte(l.Pod), Value: l.Value, Timestamp: l.Time}, nil)
	}
	return client.Flush(context.Background())
}

// build makes an instance without state, with a group of its own and one rule.
func build(dir, broker, bin string, turn int) (*proc.Engine, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("kafka: {brokers: [%q], topics: [%s], group: bench-%d, start: start}\n"+
		"rules: [bench.rules.yml]\nlog: {level: warn}\n", broker, topic, turn)
	return proc.BuildOrUse(bin, dir, config, map[string]string{"bench.rules.yml": rules})
}

const rules = `version: 1
groups:
- name: bench
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 1000000
    window: 5m
    by: [service]
`

// firstLog starts the program, waits for its first log, and stops it. The processor time is that
// of the start and of the questions.
func firstLog(e *proc.Engine) (took, cpu time.Duration, err error) {
	start := time.Now()
	if err := e.Start(); err != nil {
		return 0, 0, err
	}
	for {
		n, err := e.Counter("alert_engine_logs_total") // refused until the program listens
		took = time.Since(start)
		if err == nil && n > 0 {
			return took, e.CPU(), e.Stop()
		}
		if took > patience {
			return 0, 0, errors.Join(errors.New("no log is evaluated"), err, e.Kill())
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// atRest starts the program, and prints its memory a while later.
func atRest(e *proc.Engine, rest time.Duration) error {
	if err := e.Start(); err != nil {
		return err
	}
	time.Sleep(rest)
	parts, err := e.Memory()
	if err != nil {
		return errors.Join(err, e.Kill())
	}
	total := 0
	for _, p := range parts {
		total += p.ResidentKB
	}
	fmt.Printf("resident at rest: %.1f MB\n", float64(total)/1000)
	for _, p := range parts {
		fmt.Printf("%8.1f MB  %s\n", float64(p.ResidentKB)/1000, p.Name)
	}
	return e.Stop()
}
