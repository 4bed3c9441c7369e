package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// wholeProgram measures what a log costs the whole program as it is run, with 1,000 mixed rules,
// when it reads a backlog: the processor time of its process, without that of a start on an empty
// topic. Programs named by -bins take turns with the one built from the sources beside the
// benchmarks.
func wholeProgram() {
	dir, err := os.MkdirTemp("", "program-")
	check(err)
	defer os.RemoveAll(dir)
	addrs, stop := startBroker()
	defer stop()
	fmt.Printf("## The whole program, %d records, lz4, batches of 16 KiB, %d partitions, broker in "+
		"another process\n\n", *backlog, partitions)
	fill(addrs, *backlog, timed(kubernetesLogs(*logCount, 1), *backlog))

	own, err := proc.Build(dir, "", nil)
	check(err)
	bins := append([]string{own.Bin()}, strings.FieldsFunc(*otherBins, func(c rune) bool {
		return c == ','
	})...)
	least := make([]float64, len(bins))
	resident := make([]int, len(bins))
	for i := range least {
		least[i] = math.Inf(1)
	}
	for range *rounds {
		for i, bin := range bins {
			start, _ := runProgram(dir, bin, addrs, emptyTopic, 0)
			read, mb := runProgram(dir, bin, addrs, topic, *backlog)
			least[i] = min(least[i], float64(read-start)/float64(*backlog))
			resident[i] = max(resident[i], mb)
		}
	}
	for i, bin := range bins {
		if i == 0 {
			bin = "these sources"
		}
		fmt.Printf("%-40s %5.0f ns a record, %.2f of the first, %d MB\n", bin, least[i],
			least[i]/least[0], resident[i])
	}
	fmt.Println()
}

// timed gives log i of n a time, one millisecond after the one before, of which the last is now.
func timed(logs [][]byte, n int) func(i int) *kgo.Record {
	began := time.Now().Add(-time.Duration(n) * time.Millisecond).UTC()
	const before = len(`{"timestamp":"`)
	return func(i int) *kgo.Record {
		at := began.Add(time.Duration(i) * time.Millisecond)
		value := bytes.Clone(logs[i%len(logs)])
		copy(value[before:], at.Format("2006-01-02T15:04:05.000Z"))
		return &kgo.Record{Value: value, Timestamp: at}
	}
}

// runProgram returns the processor time that a program uses until it has read n records of a topic,
// and its resident memory in megabytes then.
func runProgram(dir, bin string, addrs []string, topic string, n int) (time.Duration, int) {
	own, err := os.MkdirTemp(dir, "")
	check(err)
	defer os.RemoveAll(own)
	config := fmt.Sprintf("kafka: {brokers: [%s], topics: [%s], group: %s, start: start}\n"+
		"rules: [bench.rules.yml]\nnotify: {file: alerts.json}\n", strings.Join(addrs, ", "), topic,
		filepath.Base(own))
	e, err := proc.BuildOrUse(bin, own, config, map[string]string{"bench.rules.yml": ruleFile()})
	check(err)
	check(e.Start())
	check(e.AwaitReady(time.Minute))
	for read := 0; read < n; time.Sleep(500 * time.Millisecond) {
		read, err = e.Counter("alert_engine_kafka_messages_total")
		check(err)
	}
	used, mb := e.CPU(), e.ResidentMB()
	check(e.Kill())
	return used, mb
}

// ruleFile is a file of 1,000 mixed rules.
func ruleFile() string {
	var b strings.Builder
	b.WriteString("version: 1\ngroups:\n- name: bench\n  lateness: 10s\n  rules:\n")
	for i, q := range mixedRules(1000) {
		fmt.Fprintf(&b, "  - {alert: Rule%d, match: %q, when: count() > 1000, window: 5m, "+
			"by: [service]}\n", i, queryText(q))
	}
	return b.String()
}

// queryText is a query as rule files have it.
func queryText(q rule.Query) string {
	all := func(of []rule.Query, between string) string {
		texts := make([]string, len(of))
		for i, q := range of {
			texts[i] = queryText(q)
		}
		return "(" + strings.Join(texts, between) + ")"
	}
	switch q := q.(type) {
	case *rule.And:
		return all(q.Of, " ")
	case *rule.Or:
		return all(q.Of, " or ")
	case *rule.Not:
		return "not " + queryText(q.Of)
	case *rule.Leaf:
		if q.Op == rule.OpLevel {
			return "level>=ERROR"
		}
	}
	text, err := rule.QueryText(q)
	check(err)
	return text
}
