// Command latency measures how long it takes from producing a log to the arrival of its alert at a
// webhook, through the whole program: an embedded Kafka and the webhook in this process,
// alert-engine in its own, as in production.
//
//	go -C bench run ./latency
//	go -C bench run ./latency -members 3   of a cluster
//
// Every tenth of a second a log that a rule waits for is among the ordinary ones. Its alert carries
// the time at which the log was produced, and the webhook holds that against its clock. The first
// seconds are not counted. Memory is the resident set of alert-engine's process, at rest before the
// first log and afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const topic = "logs"

func main() {
	rate := flag.Float64("rate", 1000, "logs a second")
	rules := flag.Int("rules", 100, "rules")
	length := flag.Duration("for", 30*time.Second, "how long to measure")
	members := flag.Int("members", 0, "of a cluster; 0 for an instance without one")
	flag.Parse()
	if err := measure(*rate, *rules, *length, *members); err != nil {
		log.Fatal(err)
	}
}

// measure is one long sequence of steps: start everything, produce, stop, print.
func measure(rate float64, rules int, length time.Duration, members int) error {
	dir, err := os.MkdirTemp("", "latency-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(
		devbroker.Options{
			Addr:   "127.0.0.1:0",
			Topics: []devbroker.Topic{{Name: topic, Partitions: 4}},
		},
	)
	if err != nil {
		return err
	}
	defer broker.Close()
	hook, err := startWebhook()
	if err != nil {
		return err
	}
	var engine *proc.Engine // the first one, whose memory is measured
	for i := range max(members, 1) {
		own := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(own, 0o755); err != nil {
			return err
		}
		e, err := startEngine(own, broker.Addr(), hook.url, rules, members > 0)
		if err != nil {
			return err
		}
		if i == 0 {
			engine = e
		} else {
			defer e.Stop()
		}
	}
	time.Sleep(5 * time.Second) // what was needed to start has been given back
	atRest := engine.ResidentMB()
	before := proc.Machine()
	sent, err := produce(broker.Addr(), rate, length)
	if err != nil {
		return err
	}
	hook.wait(sent, 5*time.Second)
	after := engine.ResidentMB()
	if err := engine.Stop(); err != nil {
		return err
	}
	report(rate, rules, length, sent, hook.delays(), atRest, after, before)
	return nil
}

func report(
	rate float64,
	rules int,
	length time.Duration,
	sent int,
	delays []time.Duration,
	atRest, after int,
	before string,
) {
	fmt.Printf("before: %s; after: %s\n", before, proc.Machine())
	fmt.Printf("%.0f logs/s, %d rules, %s: %d alerts expected, %d arrived\n", rate, rules, length,
		sent, len(delays))
	if len(delays) == 0 {
		return
	}
	slices.Sort(delays)
	at := func(q float64) time.Duration {
		return delays[int(q*float64(len(delays)-1))].Round(10 * time.Microsecond)
	}
	fmt.Printf("produce to webhook: median %v, 90%% %v, 99%% %v, longest %v\n", at(0.5), at(0.9),
		at(0.99), at(1))
	fmt.Printf("resident memory: %d MB at rest, %d MB afterwards\n", atRest, after)
}

// produce writes ordinary logs at the given rate, and among them ten a second that raise an alert.
// It returns how many of those are to be counted.
func produce(broker string, rate float64, length time.Duration) (int, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	const warmUp = 3 * time.Second
	ctx, start := context.Background(), time.Now()
	workload := app.NewWorkload(1, start, rate)
	probes, counted := 0, 0
	for tick := range time.Tick(2 * time.Millisecond) {
		if tick.Sub(start) > warmUp+length {
			break
		}
		for _, l := range workload.Until(tick) {
			client.Produce(
				ctx,
				&kgo.Record{
					Key:       []byte(l.Pod),
					Value:     l.Value,
					Timestamp: l.Time,
					Headers:   []kgo.RecordHeader{{Key: "service", Value: []byte(l.Service)}},
				},
				nil,
			)
		}
		if int(tick.Sub(start)/(100*time.Millisecond)) <= probes {
			continue
		}
		probes++
		now := time.Now()
		value := fmt.Sprintf(
			`{"timestamp":%q,"level":"ERROR","service":"probe","message":"probe %d",`+
				`"probe_id":"p%d","sent":"%d","counted":"%t"}`,
			now.UTC().
				Format(time.RFC3339Nano),
			probes,
			probes,
			now.UnixNano(),
			tick.Sub(start) > warmUp,
		)
		client.Produce(ctx, &kgo.Record{Value: []byte(value), Timestamp: now}, nil)
		if tick.Sub(start) > warmUp {
			counted++
		}
	}
	return counted, client.Flush(ctx)
}

// webhook notes when the alerts of probes arrive.
type webhook struct {
	url string

	mu   sync.Mutex // guards seen
	seen map[string]time.Duration
}

func startWebhook() (*webhook, error) {
	w := &webhook{seen: map[string]time.Duration{}}
	var err error
	w.url, err = proc.Serve(w)
	return w, err
}

// ServeHTTP takes a notification in Alertmanager's format.
func (w *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	alerts, err := proc.ReadAlerts(r)
	if err != nil {
		log.Print(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range alerts {
		id, _, _ := strings.Cut(a.Annotations["summary"], " ")
		sent, err := strconv.ParseInt(id, 10, 64)
		if _, twice := w.seen[a.Labels["probe_id"]]; err != nil || twice || a.Status != "firing" ||
			!strings.HasSuffix(a.Annotations["summary"], "true") {
			continue
		}
		w.seen[a.Labels["probe_id"]] = now.Sub(time.Unix(0, sent))
	}
}

func (w *webhook) delays() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []time.Duration
	for _, d := range w.seen {
		all = append(all, d)
	}
	return all
}

// wait returns when n alerts have arrived, or patience has run out.
func (w *webhook) wait(n int, patience time.Duration) {
	for end := time.Now().Add(patience); len(w.delays()) < n && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// startEngine builds alert-engine and starts it with its own configuration; it returns once the
// program is ready.
func startEngine(
	dir, broker, hook string, rules int, clustered bool,
) (*proc.Engine, error) {
	engine, err := proc.Build(
		dir,
		fmt.Sprintf(
			"kafka: {brokers: [%q], topics: [%s], start: start}\nrules: "+
				"[bench.rules.yml]\nnotify: {alertmanager_config: alertmanager.yml}\nlog: "+
				"{level: warn}\ncluster: {enabled: %v}\n",
			broker,
			topic,
			clustered,
		),
		map[string]string{
			"alertmanager.yml": fmt.Sprintf(
				"route: {receiver: bench, group_by: ['...'], group_wait: 0s, group_interval: 1m, "+
					"repeat_interval: 1h}\n"+
					"receivers: [{name: bench, webhook_configs: [{url: %q}]}]\n",
				hook,
			),
			"bench.rules.yml": ruleFile(rules),
		},
	)
	if err != nil {
		return nil, err
	}
	if err := engine.Start(); err != nil {
		return nil, err
	}
	if err := engine.AwaitReady(time.Minute); err != nil {
		return nil, errors.Join(err, engine.Kill())
	}
	return engine, nil
}

// ruleFile holds the rule that waits for probes and n-1 others of the usual kinds.
func ruleFile(n int) string {
	var b strings.Builder
	b.WriteString(`version: 1
groups:
- name: bench
  lateness: 1s
  rules:
  - alert: Probe
    match: 'service:probe'
    when: count() >= 1
    window: 1m
    by: [probe_id, sent, counted]
    annotations: {summary: '{{ .Labels.sent }} {{ .Labels.counted }}'}
`)
	kinds := []string{
		`service:service-%d level>=ERROR`, `"failure number %d" level>=WARN`,
		`service:payment* code:%d`, `message:"order %d rejected"`,
		`(timeout or "connection refused") shard:%d`, `path:/api/v%d/* duration_ms>800`,
		`kubernetes.pod_name:worker-%d-* not level:DEBUG`, `user:u%d event:login_failed`,
	}
	for i := range n - 1 {
		fmt.Fprintf(&b, "  - alert: Rule%d\n    match: '%s'\n    when: count() > 10\n    window: "+
			"5m\n    by: [service]\n", i, fmt.Sprintf(kinds[i%len(kinds)], i))
	}
	return b.String()
}
