// Command decode measures what reading logs costs beyond consuming their records, as a table of
// ratios.
//
//	go -C bench run ./decode
//	go -C bench run ./decode -only formats -against v1.0.0
//
// The first table is of all formats in memory, beside the library that Go has for the format and,
// on demand, the build of another revision.
//
// A broker runs in a process of its own, so that its work is not counted. Each row consumes the
// same topic of eight partitions again and is measured by the CPU time of the whole process,
// garbage collection and all; the rows take turns and the least of each is kept, for whatever
// disturbs a machine disturbs all of them. Producers send batches of 16 KiB, the default of Kafka's
// own; one topic has batches of a megabyte, in which raw consumption is cheapest.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/valyala/fastjson"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func main() {
	records := flag.Int("records", 100_000, "records of each topic")
	rounds := flag.Int("rounds", 5, "how often each row is measured")
	only := flag.String("only", "", "one part: formats, memory, kafka")
	prefix := flag.String("format", "", "in the part formats, those whose name begins so")
	against := flag.String(
		"against",
		"",
		"a revision whose build takes turns with this one in the part formats",
	)
	single := flag.String(
		"once",
		"",
		"measure one format and print two numbers (for the command's own use)",
	)
	broker := flag.Bool("broker", false, "be the broker, until the standard input ends")
	profile := flag.String(
		"cpuprofile",
		"",
		"write a CPU profile of the extraction to this file, and measure nothing else",
	)
	flag.Parse()
	if *broker {
		runBroker()
		return
	}
	if *single != "" && *profile != "" {
		f, err := os.Create(*profile)
		check(err)
		check(pprof.StartCPUProfile(f))
		once(*single, 20**rounds)
		pprof.StopCPUProfile()
		check(f.Close())
		return
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		check(err)
		check(pprof.StartCPUProfile(f))
		extract(*rounds * 4)
		pprof.StopCPUProfile()
		check(f.Close())
		return
	}
	if *single != "" {
		once(*single, 5)
		return
	}
	if *only == "" || *only == "formats" {
		formats(*rounds, *against, *prefix)
	}
	if *only == "" || *only == "memory" {
		extract(*rounds * 4)
	}
	if *only == "" || *only == "kafka" {
		consume(*records, *rounds)
	}
}

// runBroker says its address and serves until the parent is gone.
func runBroker() {
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, kinds...),
		kfake.SeedTopics(partitions, large),
	)
	check(err)
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	io.Copy(io.Discard, os.Stdin)
}

const (
	partitions = 8
	batchBytes = 16 << 10
	large      = "json.large.batches"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// row is one line of a table.
type row struct {
	name   string
	run    func() int // how many logs it handled
	ns     float64
	allocs float64
}

// measure lets the rows take turns and keeps the least of each.
func measure(rows []*row, rounds int) {
	for _, r := range rows {
		r.ns, r.allocs = math.Inf(1), math.Inf(1)
	}
	var before, after runtime.MemStats
	for range rounds {
		for _, r := range rows {
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := cpu()
			n := float64(r.run())
			r.ns = min(r.ns, float64(cpu()-start)/n)
			runtime.ReadMemStats(&after)
			r.allocs = min(r.allocs, float64(after.Mallocs-before.Mallocs)/n)
		}
	}
}

func newDecoder() (*decode.Decoder, int) {
	fields := decode.NewFields(rulePaths...)
	d, err := decode.New(decode.Config{}, fields)
	check(err)
	return d, fields.Len()
}

// reader returns a function that decodes a record and asks for the well-known fields, the eight of
// rules, the severity and the time.
func reader() func(*models.Record) {
	d, n := newDecoder()
	each := func(l *decode.Log) {
		for id := range decode.FieldID(n) {
			if id != decode.FieldRaw {
				l.Value(id)
			}
		}
		l.Severity()
		l.Time()
	}
	reject := func(reason decode.Reason, detail string) { log.Fatal(reason, ": ", detail) }
	return func(rec *models.Record) { d.Decode(rec, each, reject) }
}

// extract compares the extraction of twenty fields from JSON that lies in memory.
func extract(rounds int) {
	const n = 20_000
	docs := make([][]byte, n)
	for i := range docs {
		docs[i] = []byte(line("json", i))
	}
	read := reader()
	rec := models.Record{Timestamp: baseTime}
	var p fastjson.Parser
	rows := []*row{
		{name: "valyala/fastjson, parse and 20 gets", run: func() int {
			for _, doc := range docs {
				v, err := p.ParseBytes(doc)
				check(err)
				for _, keys := range fastPaths {
					v.Get(keys...)
				}
			}
			return n
		}},
		{name: "decode: 12 well-known, 8 of rules, severity, time", run: func() int {
			for _, doc := range docs {
				rec.Value = doc
				read(&rec)
			}
			return n
		}},
		{name: "encoding/json into a struct", run: func() int {
			for _, doc := range docs {
				var e entry
				check(json.Unmarshal(doc, &e))
			}
			return n
		}},
		{name: "encoding/json into a map", run: func() int {
			for _, doc := range docs {
				var m map[string]any
				check(json.Unmarshal(doc, &m))
			}
			return n
		}},
	}
	d, _ := newDecoder()
	rows = append(
		rows[:1:1],
		append([]*row{{name: "the extractor alone, the same 20 fields", run: func() int {
			for _, doc := range docs {
				d.Extract(doc)
			}
			return n
		}}}, rows[1:]...)...)
	measure(rows, rounds)
	fmt.Printf("## In memory: JSON of a Kubernetes container, %d bytes a log\n\n", len(docs[0]))
	fmt.Println("| reader | ns/log | MB/s | against fastjson | allocations/log |")
	fmt.Println("|---|---:|---:|---:|---:|")
	for _, r := range rows {
		fmt.Printf(
			"| %s | %.0f | %.0f | %.2fx | %.2f |\n",
			r.name,
			r.ns,
			float64(len(docs[0]))/r.ns*1000,
			rows[0].ns/r.ns,
			r.allocs,
		)
	}
	fmt.Println()
}

// consume compares whole consumers.
func consume(records, rounds int) {
	addr, stop := startBroker()
	defer stop()
	for _, kind := range kinds {
		produce(addr, kind, kind, batchBytes, records)
	}
	produce(addr, large, "json", 1_000_000, records)
	var rows []*row
	for _, kind := range append(kinds[:1:1], append([]string{large}, kinds[1:]...)...) {
		read := reader()
		rec := models.Record{Topic: kind}
		rows = append(
			rows,
			&row{
				name: kind + ": franz-go, raw",
				run:  func() int { return drain(addr, kind, records, func(*kgo.Record) {}) },
			},
			&row{name: kind + ": and decode", run: func() int {
				return drain(addr, kind, records, func(r *kgo.Record) {
					rec.Offset, rec.Timestamp, rec.Value = r.Offset, r.Timestamp, r.Value
					read(&rec)
				})
			}},
		)
		if kind == "json" {
			rows = append(rows, &row{name: "json: and encoding/json into a map", run: func() int {
				return drain(addr, kind, records, func(r *kgo.Record) {
					var m map[string]any
					check(json.Unmarshal(r.Value, &m))
				})
			}}, &row{name: "json: and encoding/json into a struct", run: func() int {
				return drain(addr, kind, records, func(r *kgo.Record) {
					var e entry
					check(json.Unmarshal(r.Value, &e))
				})
			}})
		}
	}
	measure(rows, rounds)
	fmt.Println("## From Kafka: lz4, eight partitions, CPU time of the process")
	fmt.Println()
	fmt.Println("| consumer | bytes | ns/record | raw = 1 | allocations/record |")
	fmt.Println("|---|---:|---:|---:|---:|")
	raw := 0.0
	for _, r := range rows {
		kind, what, _ := strings.Cut(r.name, ": ")
		if strings.HasSuffix(what, "raw") {
			raw = r.ns
		}
		fmt.Printf(
			"| %s | %d | %.0f | %.2f | %.2f |\n",
			r.name,
			len(line(strings.TrimSuffix(kind, large[4:]), 0)),
			r.ns,
			r.ns/raw,
			r.allocs,
		)
	}
}

// startBroker runs this program again as the broker.
func startBroker() (addr string, stop func()) {
	self, err := os.Executable()
	check(err)
	cmd := exec.Command(self, "-broker")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(err)
	out, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	_, err = fmt.Fscanln(out, &addr)
	check(err)
	return addr, func() {
		in.Close()
		cmd.Wait()
	}
}

func produce(addr, topic, kind string, batch int32, records int) {
	c, err := kgo.NewClient(
		kgo.SeedBrokers(addr),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(20*time.Millisecond),
		kgo.ProducerBatchMaxBytes(batch),
		kgo.MaxBufferedRecords(100_000),
	)
	check(err)
	defer c.Close()
	for i := range records {
		c.Produce(
			context.Background(),
			&kgo.Record{Value: []byte(line(kind, i)), Timestamp: baseTime},
			func(_ *kgo.Record, err error) { check(err) },
		)
	}
	check(c.Flush(context.Background()))
}

// drain consumes a topic from its start.
func drain(addr, kind string, records int, f func(*kgo.Record)) int {
	c, err := kgo.NewClient(
		kgo.SeedBrokers(addr),
		kgo.ConsumeTopics(kind),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	check(err)
	defer c.Close()
	n := 0
	for n < records {
		fetches := c.PollRecords(context.Background(), 20_000)
		check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			f(r)
			n++
		})
	}
	return n
}
