// Command flood raises a hundred thousand alerts of one unimportant rule, and measures what that
// costs everything else: memory, pages, and the time from another rule's log to its notification.
//
//	go -C bench run ./flood
//	go -C bench run ./flood -bin /tmp/older-alert-engine -alerts 20000
//	go -C bench run ./flood -over 1m                   # a flood that lasts, instead of a burst
//	go -C bench run ./flood -profiles /tmp/profiles    # profiles of the heap and the CPU
//
// An embedded Kafka and the webhook are in this process, alert-engine in its own. Probes, each of
// them a group of a rule that pages, are produced before, during and after the flood, and while
// pages are asked for; the webhook holds the time in each probe's label against its clock.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const (
	topic = "logs"
	rules = `version: 1
groups:
- name: bench
  lateness: 1s
  rules:
  - alert: LoginFailed
    match: event:login_failed
    window: 1h
    by: [user]
    limit: 1000000
    labels: {severity: info}
    annotations: {summary: 'login of {{ .Labels.user }} failed: {{ .Last.Message }}'}
  - alert: Probe
    match: event:probe
    window: 1m
    by: [sent]
    labels: {severity: page}
`
	config = `kafka: {brokers: [%q], topics: [logs], start: start}
rules: [bench.rules.yml]
notify: {alertmanager_config: alertmanager.yml}
log: {level: error}
`
	routes = `route:
  receiver: flood
  group_by: [alertname]
  routes:
  - {matchers: [alertname="Probe"], receiver: probe, group_by: ['...'], group_wait: 0s}
receivers:
- {name: flood, webhook_configs: [{url: %[1]q}]}
- {name: probe, webhook_configs: [{url: %[1]q}]}
`
)

var pages = []string{
	"/", "/?open=firing+bench/LoginFailed", "/?filter=user:u777", "/rules", "/silences",
	"/receivers",
	"/explore", "/engine", "/history", "/api/v1/alerts?limit=100", "/metrics",
}

func main() {
	alerts := flag.Int("alerts", 100_000, "alerts of the flood")
	over := flag.Duration("over", 0, "how long the flood lasts; all of it comes at once without")
	bin := flag.String("bin", "", "another alert-engine than the one beside the benchmarks")
	profiles := flag.String("profiles", "", "a directory that profiles are written to")
	flag.Parse()
	if err := measure(*alerts, *over, *bin, *profiles); err != nil {
		log.Fatal(err)
	}
}

// measure is one long sequence of steps: start everything, probe, flood, probe, ask, restart.
func measure(alerts int, over time.Duration, bin, profiles string) error {
	dir, err := os.MkdirTemp("", "flood-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	broker, err := devbroker.Start(devbroker.Options{
		Addr: "127.0.0.1:0", Topics: []devbroker.Topic{{Name: topic, Partitions: 4}},
	})
	if err != nil {
		return err
	}
	defer broker.Close()
	hook, err := startWebhook()
	if err != nil {
		return err
	}
	engine, err := proc.BuildOrUse(bin, dir, fmt.Sprintf(config, broker.Addr()), map[string]string{
		"alertmanager.yml": fmt.Sprintf(routes, hook.url), "bench.rules.yml": rules,
	})
	if err != nil {
		return err
	}
	if err := errors.Join(engine.Start(), engine.AwaitReady(time.Minute)); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	defer client.Close()
	most := watch(engine)
	fmt.Println("before:", proc.Machine())
	stage := func(name string, work func() error) error {
		used := engine.CPU()
		stop := make(chan struct{})
		profiled := make(chan struct{})
		go func() {
			defer close(profiled)
			profile(engine, profiles, name, "cpu", "profile?seconds=20")
		}()
		failed := make(chan error, 1)
		go func() {
			failed <- work()
			close(stop)
		}()
		sent := hook.probe(client, stop)
		hook.wait(sent, time.Minute)
		fmt.Printf("%-26s %s; resident %d MB, at most %d MB; CPU %v\n",
			name, hook.delays(sent), engine.ResidentMB(), most.take(),
			(engine.CPU() - used).Round(time.Second/10))
		profile(engine, profiles, name, "heap", "heap?gc=1")
		profile(engine, profiles, name, "allocs", "allocs")
		<-profiled
		return <-failed
	}
	var times []pageTime
	return errors.Join(
		stage("at rest", func() error { time.Sleep(10 * time.Second); return nil }),
		stage("during the flood", func() error { return flood(client, engine, alerts, over) }),
		stage("afterwards", func() error { time.Sleep(10 * time.Second); return nil }),
		stage("while pages are asked for", func() error { times, err = ask(engine); return err }),
		printPages(&times),
		engine.Stop(),
		restart(engine, most),
	)
}

// flood produces one log for each alert, evenly over a time, and returns when all of them are up.
func flood(client *kgo.Client, engine *proc.Engine, alerts int, over time.Duration) error {
	ctx, start := context.Background(), time.Now()
	for i := range alerts {
		at := start.Add(time.Duration(float64(over) * float64(i) / float64(alerts)))
		if wait := time.Until(at); wait > time.Millisecond {
			time.Sleep(wait)
		}
		value := fmt.Sprintf(
			`{"level":"WARN","event":"login_failed","user":"u%d","message":"wrong password for u%d"}`,
			i,
			i,
		)
		client.Produce(ctx, &kgo.Record{Value: []byte(value)}, nil)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	began := time.Now()
	for time.Since(began) < 10*time.Minute {
		if firing(engine) >= alerts {
			return nil
		}
		time.Sleep(time.Second)
	}
	return errors.New("the alerts do not fire")
}

// firing is how many alerts the metrics say are firing.
func firing(engine *proc.Engine) int {
	r, err := http.Get("http://" + engine.Listen + "/metrics")
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "alert_engine_rule_alerts{") &&
			strings.Contains(line, "LoginFailed") && strings.Contains(line, "firing") {
			n, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
			return int(n)
		}
	}
	return 0
}

type pageTime struct {
	path            string
	status, kB      int
	median, slowest time.Duration
}

// ask asks for each page some times, one after the other.
func ask(engine *proc.Engine) (list []pageTime, err error) {
	for _, path := range pages {
		p := pageTime{path: path}
		var took []time.Duration
		for range 5 {
			began := time.Now()
			r, err := http.Get("http://" + engine.Listen + path)
			if err != nil {
				return list, err
			}
			n, _ := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			p.status, p.kB = r.StatusCode, int(n/1000)
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		p.median, p.slowest = took[len(took)/2], took[len(took)-1]
		list = append(list, p)
	}
	return list, nil
}

func printPages(times *[]pageTime) error {
	for _, p := range *times {
		fmt.Printf("  %-32s %d %6d kB  median %v, slowest %v\n", p.path, p.status, p.kB,
			p.median.Round(time.Millisecond), p.slowest.Round(time.Millisecond))
	}
	return nil
}

// restart starts the program again over its state.
func restart(engine *proc.Engine, most *peak) error {
	most.take()
	began := time.Now()
	if err := errors.Join(engine.Start(), engine.AwaitReady(2*time.Minute)); err != nil {
		return err
	}
	took := time.Since(began)
	time.Sleep(20 * time.Second)
	fmt.Printf("restart: ready after %v; resident %d MB, at most %d MB\n",
		took.Round(10*time.Millisecond), engine.ResidentMB(), most.take())
	fmt.Println("after:", proc.Machine())
	return engine.Stop()
}

// profile writes a profile of the engine to a file that is named after the stage.
func profile(engine *proc.Engine, dir, stage, kind, path string) {
	if dir == "" {
		return
	}
	r, err := http.Get("http://" + engine.Listen + "/debug/pprof/" + path)
	if err != nil {
		log.Print(err)
		return
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	name := strings.ReplaceAll(stage, " ", "-") + "." + kind
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		log.Print(err)
	}
}

// peak is the largest resident set since it was last taken.
type peak struct {
	mu sync.Mutex
	mb int
}

func watch(engine *proc.Engine) *peak {
	p := &peak{}
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			p.mu.Lock()
			p.mb = max(p.mb, engine.ResidentMB())
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *peak) take() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	mb := p.mb
	p.mb = 0
	return mb
}

// webhook notes when the alerts of probes arrive.
type webhook struct {
	url string

	mu   sync.Mutex // guards what follows
	seen map[int64]time.Duration
	// until the notifier had the alert; the rest of the time is that of notifying
	decided map[int64]time.Duration
}

func startWebhook() (*webhook, error) {
	w := &webhook{seen: map[int64]time.Duration{}, decided: map[int64]time.Duration{}}
	var err error
	w.url, err = proc.Serve(w)
	return w, err
}

// ServeHTTP takes a notification in Alertmanager's format.
func (w *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	alerts, err := proc.ReadAlerts(r)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range alerts {
		sent, err := strconv.ParseInt(a.Labels["sent"], 10, 64)
		if _, twice := w.seen[sent]; err == nil && !twice {
			w.seen[sent] = now.Sub(time.Unix(0, sent))
			w.decided[sent] = a.StartsAt.Sub(time.Unix(0, sent))
		}
	}
}

// probe produces a probe four times a second until stopped, and returns which.
func (w *webhook) probe(client *kgo.Client, stop chan struct{}) (sent []int64) {
	for {
		now := time.Now().UnixNano()
		value := fmt.Sprintf(`{"level":"ERROR","event":"probe","sent":"%d","message":"probe"}`, now)
		client.Produce(context.Background(), &kgo.Record{Value: []byte(value)}, nil)
		sent = append(sent, now)
		select {
		case <-stop:
			return sent
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// wait returns when all probes have arrived, or patience has run out.
func (w *webhook) wait(sent []int64, patience time.Duration) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		missing := slices.ContainsFunc(sent, func(n int64) bool { _, ok := w.seen[n]; return !ok })
		w.mu.Unlock()
		if !missing {
			return
		}
	}
}

// delays says how long probes took to be notified.
func (w *webhook) delays(sent []int64) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all, decided []time.Duration
	for _, n := range sent {
		if d, ok := w.seen[n]; ok {
			all, decided = append(all, d), append(decided, w.decided[n])
		}
	}
	if len(all) == 0 {
		return fmt.Sprintf("none of %d probes notified", len(sent))
	}
	slices.Sort(decided)
	slices.SortFunc(all, cmp.Compare)
	at := func(q float64) time.Duration {
		return all[int(q*float64(len(all)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d of %d probes notified, median %v (decided %v), 95%% %v, slowest %v",
		len(all), len(sent), at(0.5), decided[len(decided)/2].Round(time.Millisecond), at(0.95),
		at(1))
}
