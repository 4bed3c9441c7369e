package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const (
	promiseLateness = 5 * time.Second
	// how long receivers have for what is left when all is written, and where faults are wanted
	patience, impatience = 2 * time.Minute, 20 * time.Second
)

// promise is one run: what is started, and what is done to it.
type promise struct {
	options
	dir       string
	topic     string
	broker    *devbroker.Broker // nil for a real one
	embedded  devbroker.Options
	real      cluster
	member    *member
	receivers map[string]*receiver
	workload  *promised
	behind    time.Duration // the longest that a log was created after its time
	late      []acked       // logs that the broker had later than rules wait for them
	acks      []time.Time   // when the broker said that it had a log, at most one a second
	gone      []gap         // of the broker
	done      struct{ kills, stops, outages int }
}

// acked is when a log was written, and when the broker said that it had it.
type acked struct {
	partition int32
	at, by    time.Time
}

// gap is a time without the broker.
type gap struct{ from, to time.Time }

// runPromise is one long sequence of steps: start everything, write, kill, wait until all is
// notified, compare.
func runPromise(o options) (err error) {
	p := &promise{options: o, receivers: map[string]*receiver{}}
	if p.dir, err = os.MkdirTemp("", "chaos-"); err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(p.dir)
	}
	length := time.Duration(o.logs)*time.Second/time.Duration(o.rate) + quietEnd
	log.Printf("seed %d, %d kills, %d outages of %v, %v, directory %s",
		o.seed, o.kills, o.outages, o.outage, length.Round(time.Second), p.dir)
	if o.without != "" {
		if err := without(o.without, p.dir); err != nil {
			return err
		}
	}
	if err := p.startBrokers(); err != nil {
		return err
	}
	if p.broker != nil {
		defer func() { p.broker.Close() }()
	}
	if err := p.startEngine(); err != nil {
		return err
	}
	defer p.member.end()
	start := time.Now().Add(3 * time.Second).Truncate(time.Second)
	p.workload = newPromised(o.seed, start, length, o.rate, o.partitions)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	produced := make(chan error, 1)
	go func() { produced <- p.produce(ctx) }()
	endTrouble := func() error { return nil }
	if o.cluster != "" && p.real.exists(2) {
		endTrouble = p.real.watch(o.seed)
	}
	if err := p.disturb(produced, start, length-quietEnd); err != nil {
		return err
	}
	if err := <-produced; err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := endTrouble(); err != nil {
		return err
	}
	if p.behind > promiseLateness {
		return fmt.Errorf(
			"the machine is so busy that logs were created %v after their time: nothing can be said",
			p.behind.Round(time.Millisecond),
		)
	}
	if late := p.inexcusable(); late > 0 && (p.cluster == "" || !p.real.exists(2)) {
		return fmt.Errorf(
			"the machine is so busy that the broker had a log %v after its time: "+
				"nothing can be said",
			late.Round(time.Millisecond),
		)
	}
	if stall := p.stalled(); stall > drained && p.cluster == "" {
		return fmt.Errorf(
			"the machine is so busy that the producer paused for %v after an outage, while it had "+
				"buffered logs: nothing can be said",
			stall.Round(time.Millisecond),
		)
	}
	for _, r := range p.receivers {
		r.recover()
	}
	log.Printf("all is written; %d SIGKILLs, %d SIGSTOPs, %d outages; %v; the broker had a log at "+
		"most %v after its time while it was there",
		p.done.kills, p.done.stops, p.done.outages, &p.real,
		p.inexcusable().Round(time.Millisecond))
	until := start.Add(length - 10*time.Second)
	want, err := p.workload.expected(fmt.Sprintf(kindsOfRules, promiseLateness), until)
	if err != nil {
		return err
	}
	return p.compare(want, until)
}

// startBrokers starts an embedded broker, which keeps its logs on disk, or uses real ones.
func (p *promise) startBrokers() error {
	p.topic = fmt.Sprintf("chaos-%d", time.Now().UnixNano())
	if p.brokers != "" {
		p.real.dir = p.cluster
		alerts := p.topic + "-alerts"
		return errors.Join(
			createTopic(p.brokers, p.topic, p.partitions),
			createTopic(p.brokers, alerts, 1),
		)
	}
	p.embedded = devbroker.Options{
		Addr: "127.0.0.1:0",
		Topics: []devbroker.Topic{
			{Name: p.topic, Partitions: int32(p.partitions), RetentionBytes: -1},
			{Name: p.topic + "-alerts", Partitions: 1, RetentionBytes: -1},
		},
		DataDir: filepath.Join(p.dir, "broker"),
	}
	var err error
	if p.broker, err = devbroker.Start(p.embedded); err != nil {
		return err
	}
	p.embedded.Addr = p.broker.Addr()
	p.options.brokers = p.broker.Addr()
	return nil
}

func (p *promise) startEngine() error {
	addr := p.brokers
	if p.proxied != 0 {
		addrs, err := p.real.openProxies(p.proxied, len(strings.Split(p.brokers, ",")))
		if err != nil {
			return err
		}
		addr = strings.Join(addrs, ", ")
	}
	routes, receivers := "", ""
	for _, name := range slices.Sorted(maps.Keys(conducts)) {
		r, err := startReceiver(conducts[name])
		if err != nil {
			return err
		}
		p.receivers[name] = r
		routes += fmt.Sprintf("  - {receiver: %s, continue: true}\n", name)
		receivers += fmt.Sprintf("- {name: %s, webhook_configs: [{url: %q}]}\n", name, r.url)
	}
	config := fmt.Sprintf(
		"kafka: {brokers: [%s], topics: [%s], group: %s, start: start, session_timeout: %v}\n"+
			"rules: [chaos.rules.yml]\n"+
			"notify: {alertmanager_config: alertmanager.yml, file: alerts.json, kafka_topic: %s-alerts}\n",
		addr, p.topic, p.topic, sessionTimeout, p.topic,
	)
	engine, err := proc.Build(p.dir, config, map[string]string{
		"alertmanager.yml": "route:\n  receiver: healthy\n  group_by: ['...']\n  group_wait: 0s\n" +
			"  group_interval: 1s\n  repeat_interval: 1h\n  routes:\n" + routes +
			"receivers:\n" + receivers,
		"chaos.rules.yml": fmt.Sprintf(kindsOfRules, promiseLateness),
	})
	if err != nil {
		return err
	}
	p.member = &member{Engine: engine, unprotected: p.unprotected}
	return p.member.start()
}

// produce writes each log when its time has come, without a key. While no broker answers the client
// buffers; when it is connected again it sends in order what it has buffered.
func (p *promise) produce(ctx context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(p.brokers, ",")...),
		kgo.DefaultProduceTopic(p.topic),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(1_000_000),
		kgo.Dialer((&dialer{rand: rand.New(rand.NewPCG(p.seed, 7))}).DialContext),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	for e := range p.workload.logs(p.partitions) {
		at := p.workload.start.Add(e.at)
		if d := time.Until(at); d > 2*time.Millisecond {
			time.Sleep(d)
		}
		p.behind = max(p.behind, time.Since(at))
		record := &kgo.Record{
			Value: e.value(p.workload.start), Timestamp: at, Partition: e.partition,
		}
		client.Produce(ctx, record, func(r *kgo.Record, err error) {
			if err != nil {
				failed = err // callbacks come one at a time
			}
			now := time.Now()
			if now.Sub(r.Timestamp) > promiseLateness {
				p.late = append(p.late, acked{r.Partition, r.Timestamp, now})
			}
			if len(p.acks) == 0 || now.Sub(p.acks[len(p.acks)-1]) >= time.Second {
				p.acks = append(p.acks, now)
			}
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(client.Flush(ctx), failed)
}

// inexcusable is the longest that the broker had a log after its time although it was there, and
// the producer was connected. A broker is there again once it has said that it has a log: a real
// one takes some time to start.
func (p *promise) inexcusable() (longest time.Duration) {
	gone := slices.Clone(p.gone)
	for i, g := range gone {
		if k, _ := slices.BinarySearchFunc(p.acks, g.to, time.Time.Compare); k < len(p.acks) {
			gone[i].to = p.acks[k]
		}
	}
	for _, a := range p.late {
		if !slices.ContainsFunc(gone, func(g gap) bool {
			return a.by.After(g.from) && a.at.Before(g.to.Add(pauseMax+promiseLateness))
		}) {
			longest = max(longest, a.by.Sub(a.at))
		}
	}
	return longest
}

// drained is how long a producer has to bring no buffered log until the engine goes on, once it had
// the time to connect again.
const drained = 5 * time.Second

// stalled is the longest time after an outage in which a partition was brought none of the logs
// that the producer had buffered for it, from when the engine may take their absence for their end.
func (p *promise) stalled() (longest time.Duration) {
	reconnected := max(pauseMax, min(p.outage, 2*pauseMax)) + 2*time.Second
	for _, g := range p.gone {
		last := map[int32]time.Time{}
		for _, a := range p.late { // in order of by
			buffered := a.at.Before(g.to) && a.at.After(g.from.Add(-promiseLateness))
			if !buffered || a.by.Before(g.to) {
				continue
			}
			before, ok := last[a.partition]
			if earliest := g.to.Add(reconnected - drained); !ok || before.Before(earliest) {
				before = earliest
			}
			longest = max(longest, a.by.Sub(before))
			last[a.partition] = a.by
		}
	}
	return longest
}

// disturbance is something that is done at an instant.
type disturbance struct {
	at time.Duration
	do func() error
}

// disturb kills and stops the engine, and takes the broker away, until the workload is quiet.
func (p *promise) disturb(produced chan error, start time.Time, length time.Duration) error {
	r := rand.New(rand.NewPCG(p.seed, 1))
	var list []disturbance
	spread := func(n int, do func() error) {
		if n == 0 {
			return
		}
		gap := length / time.Duration(n)
		for i := range n {
			at := time.Duration(i)*gap + time.Duration(r.Int64N(int64(gap)))
			list = append(list, disturbance{at, do})
		}
	}
	spread(p.kills, func() error {
		if r.IntN(20) == 0 {
			p.done.stops++
			return p.member.pause(sessionTimeout + 2*time.Second)
		}
		p.done.kills++
		return p.member.kill()
	})
	if p.cluster == "" || !p.real.exists(2) {
		if p.outages > 0 && p.options.cluster == "" && p.broker == nil {
			return errors.New(
				"outages of real brokers need -cluster, the directory of scripts/kafka/start.sh",
			)
		}
		p.spreadOutages(r, length, &list)
	}
	slices.SortStableFunc(list, func(a, b disturbance) int { return int(a.at - b.at) })
	for i, d := range list {
		var err error
		if !sleep(produced, time.Until(start.Add(d.at)), &err) {
			return fmt.Errorf("produce: %w", err)
		}
		if err := d.do(); err != nil {
			return err
		}
		if (i+1)%10 == 0 {
			log.Printf("%d kills, %d stops, %d outages", p.done.kills, p.done.stops, p.done.outages)
		}
	}
	return nil
}

// spreadOutages adds outages: the broker goes, and comes back. The engine is killed meanwhile, too.
func (p *promise) spreadOutages(r *rand.Rand, length time.Duration, list *[]disturbance) {
	if p.outages == 0 {
		return
	}
	gap := length / time.Duration(p.outages)
	for i := range p.outages {
		free := max(int64(gap-p.outage-10*time.Second), 1)
		at := time.Duration(i)*gap + time.Duration(r.Int64N(free))
		*list = append(*list,
			disturbance{at, p.away},
			disturbance{at + p.outage, p.back},
		)
	}
}

// away takes the broker away, with no word to its clients.
func (p *promise) away() error {
	p.done.outages++
	p.gone = append(p.gone, gap{from: time.Now()})
	if p.broker != nil {
		return p.broker.Close()
	}
	return p.real.kill(1)
}

// back has the broker be there again.
func (p *promise) back() (err error) {
	p.gone[len(p.gone)-1].to = time.Now()
	if p.broker != nil {
		p.broker, err = devbroker.Start(p.embedded)
		return err
	}
	return p.real.revive(1)
}

// compare waits until nothing is missing, or patience has ended, and says what is wrong with what
// the history has and each receiver got.
func (p *promise) compare(want map[string][]change, until time.Time) error {
	transitions := 0
	for _, list := range want {
		transitions += len(list)
	}
	if transitions == 0 {
		return errors.New("nothing was expected, so nothing was shown")
	}
	log.Printf("%d transitions of %d alerts are expected", transitions, len(want))
	if err := p.member.AwaitReady(patience); err != nil {
		return err
	}
	wait := patience
	if p.unprotected {
		wait = impatience
	}
	for end := time.Now().Add(wait); ; time.Sleep(5 * time.Second) {
		got, err := fileLines(filepath.Join(p.dir, "alerts.json"))
		if err != nil {
			return err
		}
		changes, _, _, err := lines(got, until)
		if err != nil {
			return err
		}
		settled := whole("file", maps.Clone(want), changes, 0).faults() == 0
		for _, r := range p.receivers {
			settled = settled && received("", changes, r.accepted(), until).faults() == 0
		}
		if settled || time.Now().After(end) {
			break
		}
	}
	if err := p.member.stop(); err != nil {
		return err
	}
	verdicts, err := p.verdicts(want, until)
	if err != nil {
		return err
	}
	faults := 0
	for _, v := range verdicts {
		v.report()
		faults += v.faults()
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}

func (p *promise) verdicts(want map[string][]change, until time.Time) ([]*verdict, error) {
	decided, again, err := decidedIn(filepath.Join(p.dir, "data", "history"), until)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	list := []*verdict{whole("history", maps.Clone(want), decided, again)}
	text, err := fileLines(filepath.Join(p.dir, "alerts.json"))
	if err != nil {
		return nil, err
	}
	inFile, err := p.listed("file", text, want, until, &list)
	if err != nil {
		return nil, err
	}
	if text, err = topicLines(strings.Split(p.brokers, ","), p.topic+"-alerts"); err != nil {
		return nil, err
	}
	if _, err = p.listed("topic", text, want, until, &list); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(p.receivers)) {
		r := p.receivers[name]
		list = append(list, received("webhook, "+name, inFile, r.accepted(), until))
	}
	return list, nil
}

// listed adds the verdict about the lines of the file or the topic.
func (p *promise) listed(
	of string, text [][]byte, want map[string][]change, until time.Time, list *[]*verdict,
) ([]change, error) {
	changes, repeated, differing, err := lines(text, until)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", of, err)
	}
	v := whole(of, maps.Clone(want), changes, repeated)
	v.wrong = append(v.wrong, differing...)
	*list = append(*list, v)
	return changes, nil
}

func createTopic(addr, topic string, partitions int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addr, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := kadm.NewClient(client).
		CreateTopic(context.Background(), int32(partitions), -1, nil, topic)
	return errors.Join(err, r.Err)
}
