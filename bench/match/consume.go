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
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The broker is Kafka's protocol in memory, in a process of its own, so that what it costs is not
// counted.

const (
	topic      = "logs"
	emptyTopic = "empty"
	partitions = 8
)

// runBroker is the broker's process: it says where it listens and lives until its input is closed.
func runBroker() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, topic, emptyTopic))
	check(err)
	defer cluster.Close()
	fmt.Println(strings.Join(cluster.ListenAddrs(), ","))
	bufio.NewReader(os.Stdin).ReadByte()
}

// startBroker starts the broker's process and returns where it listens.
func startBroker() (addrs []string, stop func()) {
	self, err := os.Executable()
	check(err)
	child := exec.Command(self, "-broker")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	check(err)
	out, err := child.StdoutPipe()
	check(err)
	check(child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(err)
	return strings.Split(strings.TrimSpace(line), ","), func() {
		stdin.Close()
		child.Wait()
	}
}

// consume measures what it costs to read records and count their bytes, and to do with them what
// the program does: decode and match them, and count what matched in the windows of its rule.
func consume() {
	addrs, stop := startBroker()
	defer stop()
	logs := kubernetesLogs(*logCount, 1)
	const repeat = 10
	total := repeat * len(logs)
	fmt.Printf(
		"## Consuming %d records, lz4, batches of 16 KiB, %d partitions, broker in another "+
			"process; CPU time of the whole process\n\n",
		total,
		partitions,
	)
	fill(addrs, repeat*len(logs), func(i int) *kgo.Record {
		return &kgo.Record{Value: logs[i%len(logs)]}
	})

	r := newReplay(runtime.NumCPU(), logs)
	defer r.Close()
	raw, whole, bytes := math.Inf(1), math.Inf(1), 0
	for range *rounds {
		raw = min(raw, drain(addrs, topic, total, func(partitions ...[]*kgo.Record) {
			for _, records := range partitions {
				for _, r := range records {
					bytes += len(r.Value)
				}
			}
		}))
		whole = min(whole, drain(addrs, topic, total, r.Evaluate))
	}
	fmt.Printf("raw consume %.0f ns a record; with decoding, 1,000 mixed rules and their windows "+
		"%.0f ns\n", raw, whole)
	verdict("consume, decode, match and windows over raw consume", whole/raw, "<=", 2.0)
	fmt.Println()
}

// fill writes n records to the topic.
func fill(addrs []string, n int, record func(i int) *kgo.Record) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20*time.Millisecond),
		kgo.ProducerBatchMaxBytes(16<<10), kgo.MaxBufferedRecords(100_000),
		kgo.DisableIdempotentWrite())
	check(err)
	defer client.Close()
	ctx := context.Background()
	for i := range n {
		client.Produce(ctx, record(i), func(_ *kgo.Record, err error) { check(err) })
	}
	check(client.Flush(ctx))
}

// drain consumes n records, hands on what each poll brings by partition, and returns what each cost
// in nanoseconds of CPU time.
func drain(addrs []string, topic string, n int, handle func(partitions ...[]*kgo.Record)) float64 {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err)
	defer client.Close()
	runtime.GC()
	var partitions [][]*kgo.Record
	began := processCPU()
	for left := n; left > 0; {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		partitions = partitions[:0]
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			left -= len(p.Records)
			partitions = append(partitions, p.Records)
		})
		handle(partitions...)
	}
	return float64(processCPU()-began) / float64(n)
}
