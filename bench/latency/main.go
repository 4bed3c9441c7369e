// Command latency measures how long it takes from producing a log to the arrival of its alert at a
// webhook, through the whole program: an embedded Kafka and the webhook in this process,
// alert-engine in its own, as in production.
//
//	go -C bench run ./latency
//	go -C bench run ./latency -members 3      of a cluster
//	go -C bench run ./latency -answer 50ms    with a webhook that takes so long to answer
//	go -C bench run ./latency -second         beside a second load: 2,000 logs a second on another
//	                                          topic, each read by two further instances
//	go -C bench run ./latency -bin FILE       of another build
//
// Every tenth of a second a log that a rule waits for is among the ordinary ones. Its alert carries
// the time at which the log was produced, and the webhook holds that against its clock. The first
// seconds are not counted. Memory is the resident set of alert-engine's process, at rest before the
// first log and afterwards. Alerts are grouped as without a configuration of one's own.
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

const (
	topic  = "logs"
	warmUp = 3 * time.Second
	every  = 100 * time.Millisecond // comes a probe

	secondTopic   = "second" // of the load beside what is measured
	secondRate    = 2000     // logs a second
	secondReaders = 2
)

func main() {
	rate := flag.Float64("rate", 1000, "logs a second")
	rules := flag.Int("rules", 100, "rules")
	length := flag.Duration("for", 30*time.Second, "how long to measure")
	members := flag.Int("members", 0, "of a cluster; 0 for an instance without one")
	answer := flag.Duration("answer", 0, "how long the webhook takes to answer")
	second := flag.Bool("second", false, "measure beside a second load")
	bin := flag.String("bin", "", "alert-engine, if it is built already")
	flag.Parse()
	if err := measure(*rate, *rules, *length, *members, *answer, *second, *bin); err != nil {
		log.Fatal(err)
	}
}

// measure is one long sequence of steps: start everything, produce, stop, print.
func measure(
	rate float64, rules int, length time.Duration, members int, answer time.Duration, second bool,
	bin string,
) error {
	dir, err := os.MkdirTemp("", "latency-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(
		devbroker.Options{
			Addr: "127.0.0.1:0",
			Topics: []devbroker.Topic{
				{Name: topic, Partitions: 4}, {Name: secondTopic, Partitions: 4},
			},
		},
	)
	if err != nil {
		return err
	}
	defer broker.Close()
	hook, err := startWebhook(answer)
	if err != nil {
		return err
	}
	var engine *proc.Engine // the first one, whose memory is measured
	for i := range max(members, 1) {
		own := filepath.Join(dir, strconv.Itoa(i))
		e, err := startEngine(own, broker.Addr(), topic, hook.url, bin, rules,
			int((warmUp+length)/every)+1, members > 0)
		if err != nil {
			return err
		}
		if i == 0 {
			engine = e
		} else {
			defer e.Stop()
		}
	}
	if second {
		end, err := secondLoad(dir, broker.Addr(), hook.url, bin, rules)
		if err != nil {
			return err
		}
		defer end()
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

// secondLoad starts further instances with a topic of their own, and a producer that writes there
// until end is called.
func secondLoad(dir, broker, hook, bin string, rules int) (end func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running []*proc.Engine
	var producing sync.WaitGroup
	end = func() {
		cancel()
		producing.Wait()
		for _, e := range running {
			if err := e.Stop(); err != nil {
				log.Print(err)
			}
		}
	}
	for i := range secondReaders {
		own := filepath.Join(dir, fmt.Sprintf("second-%d", i))
		e, err := startEngine(own, broker, secondTopic, hook, bin, rules, 0, false)
		if err != nil {
			end()
			return nil, err
		}
		running = append(running, e)
	}
	client, err := newProducer(broker, secondTopic)
	if err != nil {
		end()
		return nil, err
	}
	producing.Go(func() {
		defer client.Close()
		workload := app.NewWorkload(2, time.Now(), secondRate)
		ticks := time.NewTicker(2 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case tick := <-ticks.C:
				write(ctx, client, workload.Until(tick))
			case <-ctx.Done():
				return
			}
		}
	})
	return end, nil
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
	client, err := newProducer(broker, topic)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, start := context.Background(), time.Now()
	workload := app.NewWorkload(1, start, rate)
	probes, counted := 0, 0
	for tick := range time.Tick(2 * time.Millisecond) {
		if tick.Sub(start) > warmUp+length {
			break
		}
		write(ctx, client, workload.Until(tick))
		if int(tick.Sub(start)/every) <= probes {
			continue
		}
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
		probes++
		if tick.Sub(start) > warmUp {
			counted++
		}
	}
	return counted, client.Flush(ctx)
}

func newProducer(broker, topic string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0))
}

// write produces logs of a workload.
func write(ctx context.Context, client *kgo.Client, logs []app.WorkloadLog) {
	for _, l := range logs {
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
}

// webhook notes when the alerts of probes arrive.
type webhook struct {
	url    string
	answer time.Duration // how long it takes

	mu   sync.Mutex // guards seen
	seen map[string]time.Duration
}

func startWebhook(answer time.Duration) (*webhook, error) {
	w := &webhook{answer: answer, seen: map[string]time.Duration{}}
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
	defer time.Sleep(w.answer)
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

// startEngine builds alert-engine and starts it in a directory that it makes, with a configuration
// of its own; it returns once the program is ready. Members of a cluster share a group, others have
// one each.
func startEngine(
	dir, broker, topic, hook, bin string, rules, probes int, clustered bool,
) (*proc.Engine, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	group := "bench"
	if !clustered {
		group = "bench-" + filepath.Base(dir)
	}
	config := fmt.Sprintf("kafka: {brokers: [%q], topics: [%s], group: %s, start: start}\n"+
		"rules: [bench.rules.yml]\nnotify: {webhook_url: %q}\nlog: {level: warn}\n", broker, topic,
		group, hook)
	if clustered {
		config += "cluster: {enabled: true}\n"
	}
	engine, err := proc.BuildOrUse(bin, dir, config,
		map[string]string{"bench.rules.yml": ruleFile(rules, probes)})
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

// ruleFile holds n rules of the usual kinds, and one for each probe: without a configuration of
// one's own alerts are grouped by their names, and the second of a group waits.
func ruleFile(n, probes int) string {
	var b strings.Builder
	b.WriteString("version: 1\ngroups:\n- name: bench\n  lateness: 1s\n  rules:\n")
	for i := range probes {
		fmt.Fprintf(&b, "  - alert: Probe%d\n    match: 'service:probe probe_id:p%d'\n    when: "+
			"count() >= 1\n    window: 1m\n    by: [probe_id, sent, counted]\n    annotations: "+
			"{summary: '{{ .Labels.sent }} {{ .Labels.counted }}'}\n", i, i)
	}
	kinds := []string{
		`service:service-%d level>=ERROR`, `"failure number %d" level>=WARN`,
		`service:payment* code:%d`, `message:"order %d rejected"`,
		`(timeout or "connection refused") shard:%d`, `path:/api/v%d/* duration_ms>800`,
		`kubernetes.pod_name:worker-%d-* not level:DEBUG`, `user:u%d event:login_failed`,
	}
	for i := range n {
		fmt.Fprintf(&b, "  - alert: Rule%d\n    match: '%s'\n    when: count() > 10\n    window: "+
			"5m\n    by: [service]\n", i, fmt.Sprintf(kinds[i%len(kinds)], i))
	}
	return b.String()
}
