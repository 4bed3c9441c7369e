// Command soak lets alert-engine run under load for half an hour, with groups that come and go, and
// fails when its memory, its goroutines or its files keep growing.
//
//	go -C bench run ./soak
//	go -C bench run ./soak -for 5m
//
// Logs are produced at a steady rate to an embedded Kafka in this process. Of every group a few
// logs come within some seconds, and then never again; so after a minute as many groups are
// forgotten as are new. Some become alerts. The engine runs in a process of its own and is measured
// every ten seconds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const (
	topic      = "logs"
	partitions = 8
	rules      = `version: 1
groups:
- name: soak
  lateness: 2s
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 9
    window: 1m
    by: [request_id]
    limit: 1000000
  - alert: Slow
    match: 'service:checkout duration_ms:*'
    when: p99(duration_ms) > 900 and count() >= 50
    window: 1m
    every: 10s
    by: [pod]
  - alert: ManyUsers
    match: event:login_failed
    when: distinct(user) > 500
    window: 1m
    by: [tenant]
  - alert: PodSilent
    match: 'pod:*'
    when: count() == 0
    window: 1m
    by: [pod]
    remember: 10m
`
)

func main() {
	log.SetFlags(log.Ltime)
	rate := flag.Int("rate", 20_000, "logs a second")
	groups := flag.Int("groups", 100_000, "groups of one rule at a time")
	length := flag.Duration("for", 30*time.Minute, "how long")
	flag.Parse()
	if err := soak(*rate, *groups, *length); err != nil {
		log.Fatal(err)
	}
}

// soak is one long sequence of steps: start everything, produce, measure, judge.
func soak(rate, groups int, length time.Duration) error {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(
		devbroker.Options{
			Addr: "127.0.0.1:0",
			Topics: []devbroker.Topic{
				{Name: topic, Partitions: partitions, RetentionBytes: 32 << 20},
			},
		},
	)
	if err != nil {
		return err
	}
	defer broker.Close()
	var notified atomic.Int64
	hook, err := proc.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		notified.Add(1)
	}))
	if err != nil {
		return err
	}
	engine, err := proc.Build(
		dir,
		fmt.Sprintf(
			"kafka: {brokers: [%q], topics: [%s], start: start}\nrules: "+
				"[soak.rules.yml]\nnotify: {webhook_url: '%s'}\nlog: {level: warn}\n",
			broker.Addr(),
			topic,
			hook,
		),
		map[string]string{"soak.rules.yml": rules},
	)
	if err != nil {
		return err
	}
	if err := errors.Join(engine.Start(), engine.AwaitReady(20*time.Second)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- produce(ctx, broker.Addr(), rate, groups) }()
	log.Printf("%s; %d logs/s, %d groups at a time, %v", proc.Machine(), rate, groups, length)
	var all []sample
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			s, err := measure(engine)
			if err != nil {
				return err
			}
			all = append(all, s)
			if len(all)%6 == 0 {
				log.Printf("%v: %v, %d notifications", time.Duration(len(all))*10*time.Second, s,
					notified.Load())
			}
		case <-ctx.Done():
		}
	}
	if err := <-produced; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("produce: %w", err)
	}
	cpu := engine.CPU()
	if err := engine.Stop(); err != nil {
		return err
	}
	log.Printf("%.2f cores on average", cpu.Seconds()/length.Seconds())
	return judge(all)
}

// produce writes logs at a steady rate. A group's logs come within a few seconds; groups replace
// each other so that as many as asked for are within a window.
func produce(ctx context.Context, addr string, rate, groups int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addr),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(10*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(50_000),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	perSecond := groups / 60
	start, sent := time.Now(), 0
	for ctx.Err() == nil {
		due := int(time.Since(start).Seconds() * float64(rate))
		for ; sent < due; sent++ {
			now := time.Now()
			client.Produce(
				ctx,
				&kgo.Record{
					Value: line(now, sent, int(now.Sub(start).Seconds()*float64(perSecond)),
						perSecond),
					Timestamp: now,
					Partition: int32(sent % partitions),
				},
				nil,
			)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return ctx.Err()
}

// line is log number i; newest is the number of the newest group.
func line(now time.Time, i, newest, perSecond int) []byte {
	at := now.UTC().Format(time.RFC3339Nano)
	switch i % 10 {
	case 0, 1:
		return fmt.Appendf(
			nil,
			`{"timestamp":%q,"level":"ERROR","service":"shop","request_id":"r%d",`+
				`"message":"request failed with a timeout"}`,
			at,
			newest-(i*7919)%(3*perSecond),
		)
	case 2:
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"checkout",`+
			`"pod":"checkout-%d","duration_ms":%d,"message":"order placed"}`, at, i/10%50,
			i*31%1000)
	case 3:
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"WARN","service":"login",`+
			`"event":"login_failed","tenant":"t%d","user":"u%d","message":"login failed"}`, at,
			i/10%20, i*31%5000)
	}
	return fmt.Appendf(
		nil,
		`{"timestamp":%q,"level":"INFO","service":"shop","kubernetes":{"namespace_name":"prod",`+
			`"container_name":"shop"},"message":"GET /cart/%d 200 in 12 ms"}`,
		at,
		i,
	)
}

// sample is what the engine takes at an instant.
type sample struct {
	resident, goroutines, fileMB int
	groups, lag                  float64
}

func (s sample) String() string {
	return fmt.Sprintf("%d MB resident, %d goroutines, %d MB on disk, %.0f groups, lag %.0f",
		s.resident, s.goroutines, s.fileMB, s.groups, s.lag)
}

func measure(engine *proc.Engine) (sample, error) {
	s := sample{resident: engine.ResidentMB()}
	r, err := http.Get("http://" + engine.Listen + "/metrics")
	if err != nil {
		return s, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, "{")
		v, _ := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		switch name {
		case "go_goroutines":
			s.goroutines = int(v)
		case "alert_engine_rule_groups":
			s.groups += v
		case "alert_engine_kafka_consumer_lag":
			s.lag += v
		}
	}
	err = filepath.WalkDir(
		filepath.Join(engine.Dir, "data"),
		func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a file may go while we look
			}
			if info, err := d.Info(); err == nil {
				s.fileMB += int(info.Size() >> 10)
			}
			return nil
		},
	)
	s.fileMB >>= 10
	return s, err
}

// judge holds the last third against the second: what levels off is not larger there by more than a
// tenth and a little.
func judge(all []sample) error {
	third := len(all) / 3
	if third < 3 {
		return errors.New("too short to say anything")
	}
	var errs []error
	for what, of := range map[string]func(sample) int{
		"resident memory (MB)": func(s sample) int {
			return s.resident
		}, "goroutines": func(s sample) int {
			return s.goroutines
		}, "files (MB)": func(s sample) int { return s.fileMB },
	} {
		before, after := median(all[third:2*third], of), median(all[2*third:], of)
		log.Printf("%s: median %d in the second third, %d in the last", what, before, after)
		if after > before+before/10+16 {
			errs = append(errs, fmt.Errorf("%s keeps growing: %d, then %d", what, before, after))
		}
	}
	return errors.Join(errs...)
}

func median(list []sample, of func(sample) int) int {
	var values []int
	for _, s := range list {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
