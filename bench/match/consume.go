package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The broker is Kafka's protocol in memory, in a process of its own, so that what it costs is not counted.

const (
	topic      = "logs"
	partitions = 8
)

// runBroker is the broker's process: it says where it listens and lives until its input is closed.
func runBroker() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic), kfake.SeedTopics(1, "single"))
	check(err)
	defer cluster.Close()
	fmt.Println(strings.Join(cluster.ListenAddrs(), ","))
	bufio.NewReader(os.Stdin).ReadByte()
}

// consume measures what it costs to read records, and to read, decode and match them.
func consume() {
	self, err := os.Executable()
	check(err)
	child := exec.Command(self, "-broker")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	check(err)
	out, err := child.StdoutPipe()
	check(err)
	check(child.Start())
	defer child.Wait()
	defer stdin.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	check(err)
	addrs := strings.Split(strings.TrimSpace(line), ",")

	logs, sample := kubernetesLogs(*logCount, 1), kubernetesLogs(4000, 2)
	const repeat = 10
	total := repeat * len(logs)
	fmt.Printf("## Consuming %d records, lz4, batches of 16 KiB, %d partitions, broker in another process; CPU time of the whole process\n\n", total, partitions)
	fill(addrs, topic, logs, repeat)
	fill(addrs, "single", logs, repeat)

	queries := mixedRules(1000)
	e := newEngine(queries, sample)
	second := newEngine(queries, sample)
	second.program, second.matcher = e.program, e.program.NewMatcher()
	raw, matched, spread := math.Inf(1), math.Inf(1), math.Inf(1)
	var wallOne, wallTwo = time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for range *rounds {
		t, _ := drain(addrs, topic, total, func(rs []models.Record) {})
		raw = min(raw, t/float64(total))
		t, _ = drain(addrs, topic, total, func(rs []models.Record) { e.records(rs) })
		matched = min(matched, t/float64(total))

		_, w := drain(addrs, "single", total, func(rs []models.Record) { e.records(rs) })
		wallOne = min(wallOne, w)
		t, w = drain(addrs, "single", total, func(rs []models.Record) {
			var wg sync.WaitGroup
			half := len(rs) / 2
			wg.Go(func() { e.records(rs[:half]) })
			second.records(rs[half:])
			wg.Wait()
		})
		spread = min(spread, t/float64(total))
		wallTwo = min(wallTwo, w)
	}
	fmt.Printf("raw consume %.0f ns a record; with decoding and matching of 1,000 mixed rules %.0f ns\n", raw, matched)
	verdict("consume, decode and match over raw consume", matched/raw, "<=", 2.0)
	fmt.Printf("all logs on one partition, its batches cut in two for two workers: %.0f ns CPU a record; %v instead of %v on the wall\n\n", spread, wallTwo.Round(time.Millisecond), wallOne.Round(time.Millisecond))
}

func (e *engine) records(rs []models.Record) {
	for i := range rs {
		e.decoder.Decode(&rs[i], e.each, reject)
	}
}

func fill(addrs []string, topic string, logs [][]byte, repeat int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(20*time.Millisecond), kgo.ProducerBatchMaxBytes(16<<10), kgo.MaxBufferedRecords(100_000), kgo.DisableIdempotentWrite())
	check(err)
	defer client.Close()
	ctx := context.Background()
	for range repeat {
		for _, b := range logs {
			client.Produce(ctx, &kgo.Record{Value: b}, func(_ *kgo.Record, err error) { check(err) })
		}
	}
	check(client.Flush(ctx))
}

// drain consumes n records, hands them on by partition, and returns what it cost in nanoseconds of CPU time, and how long it took.
func drain(addrs []string, topic string, n int, handle func([]models.Record)) (float64, time.Duration) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	defer client.Close()
	runtime.GC()
	cpu, wall := processCPU(), time.Now()
	var rs []models.Record
	for n > 0 {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			rs = rs[:0]
			for _, r := range p.Records {
				rs = append(rs, models.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Value: r.Value})
			}
			n -= len(rs)
			handle(rs)
		})
	}
	return float64(processCPU() - cpu), time.Since(wall)
}
