package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// world is what surrounds the program in its tests: a Kafka and a webhook on a network without
// ports, in a bubble of fake time, where hours pass as soon as everyone waits for them. All that
// is within the program is real.
type world struct {
	t        *testing.T
	network  *kfake.VirtualNetwork
	broker   *devbroker.Broker
	producer *kgo.Client
	connect  []kgo.Opt // of clients beside the program
	dir      string
	rules    string // of the programs that are started next

	mu       sync.Mutex // guards what follows
	received []notice
	// what the webhook does; nil to accept at once
	refuse func() (status int, delay time.Duration)
}

// notice is one alert of one notification.
type notice struct {
	at             time.Time
	status         string
	labels         map[string]string
	summary, alert string
}

const (
	worldTopic = "logs"
	brokerAddr = "127.0.0.1:9092"
	hookAddr   = "127.0.0.1:9999"
)

const errorRules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 10
    window: 1m
    by: [service]
    annotations: {summary: '{{ .Value }} errors of {{ .Labels.service }}'}
`

// everyAlert is a route that tells every alert on its own, so that a test can count them.
const everyAlert = `route: {receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1w}
receivers: [{name: hook, webhook_configs: [{url: 'http://` + hookAddr + `'}]}]
`

// inWorld runs a test in a world of its own, whose broker may be changed.
func inWorld(
	t *testing.T,
	partitions int32,
	test func(w *world),
	change ...func(o *devbroker.Options),
) {
	inWorldOf(t, t.TempDir(), partitions, test, change...)
}

// inWorldOf runs a test in a world on a directory, which may be that of an earlier world. Each
// world begins at the same instant.
func inWorldOf(
	t *testing.T,
	dir string,
	partitions int32,
	test func(w *world),
	change ...func(o *devbroker.Options),
) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t:       t,
			network: &kfake.VirtualNetwork{},
			dir:     dir,
			rules:   errorRules,
		}
		w.routes(everyAlert)
		o := devbroker.Options{
			Addr:   brokerAddr,
			Listen: w.network.Listen,
			Topics: []devbroker.Topic{{Name: worldTopic, Partitions: partitions}},
		}
		for _, change := range change {
			change(&o)
		}
		var err error
		w.broker, err = devbroker.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		defer w.broker.Close()
		defer w.serveHook()()
		w.connect = []kgo.Opt{kgo.SeedBrokers(brokerAddr), kgo.Dialer(w.network.DialContext)}
		for _, u := range o.Users {
			sasl := plain.Auth{User: u.Name, Pass: u.Password}.AsMechanism()
			w.connect = append(w.connect, kgo.SASL(sasl))
		}
		w.producer, err = kgo.NewClient(append(
			slices.Clip(w.connect),
			kgo.DefaultProduceTopic(worldTopic),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(0),
		)...)
		if err != nil {
			t.Fatal(err)
		}
		defer w.producer.Close()
		test(w)
	})
}

// serveHook serves the webhook; the function that it returns ends it.
func (w *world) serveHook() (end func()) {
	l, err := w.network.Listen("tcp", hookAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(w.hook)}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	return func() { server.Close(); <-done }
}

func (w *world) hook(rw http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status              string
			Labels, Annotations map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		status, delay := refuse()
		time.Sleep(delay)
		if status >= 300 {
			rw.WriteHeader(status)
			return
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range body.Alerts {
		w.received = append(
			w.received,
			notice{
				time.Now(),
				a.Status,
				a.Labels,
				a.Annotations["summary"],
				a.Annotations["alert_id"],
			},
		)
	}
}

// refuseAll has the webhook answer as f says from now on.
func (w *world) refuseAll(f func() (int, time.Duration)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = f
}

// notices are what the webhook got: "firing a" or "resolved a", where a is the service of the
// alert.
func (w *world) notices() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, n := range w.received {
		list = append(list, n.status+" "+n.labels["service"])
	}
	slices.Sort(list)
	return list
}

// notified is what the webhook got each service, in order, with a mark where a resolve does not
// have the identity of what fired before it.
func (w *world) notified() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	received, ids := map[string]string{}, map[string]string{}
	for _, n := range w.received {
		service := n.labels["service"]
		received[service] += " " + n.status
		if n.status == "resolved" && ids[service] != n.alert && ids[service] != "" {
			received[service] += " (another alert)"
		}
		ids[service] = n.alert
	}
	for service, text := range received {
		list = append(list, service+text)
	}
	slices.Sort(list)
	return list
}

// last is what the webhook got last.
func (w *world) last() notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.received[len(w.received)-1]
}

// errors writes n errors of a service to a partition, a tenth of a second apart.
func (w *world) errors(partition int32, service string, n int) {
	w.t.Helper()
	for range n {
		w.produce(
			partition,
			fmt.Sprintf(
				`{"timestamp":%q,"level":"ERROR","service":%q,"message":"boom"}`,
				time.Now().UTC().Format(time.RFC3339Nano),
				service,
			),
		)
		time.Sleep(100 * time.Millisecond)
	}
}

func (w *world) produce(partition int32, value string) {
	w.t.Helper()
	if err := w.producer.ProduceSync(w.t.Context(), &kgo.Record{
		Partition: partition,
		Value:     []byte(value),
	}).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// run is a program at work in the world.
type run struct {
	*process
	w    *world
	dir  string
	out  lockedBuffer
	link *link
	stop context.CancelFunc
	done chan error
}

// routes writes the configuration of routes.
func (w *world) routes(text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "alertmanager.yml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// start starts a program on a directory of the world, after some changes to it, and returns when it
// is at work.
func (w *world) start(name string, change ...func(*process)) *run {
	r := w.prepare(name)
	for _, c := range change {
		c(r.process)
	}
	r.begin()
	return r
}

// begin starts a program that was prepared, and returns when it is at work, or has ended.
func (r *run) begin() {
	ctx, stop := context.WithCancel(r.w.t.Context())
	r.stop = stop
	opened := make(chan bool)
	r.process.started = func(string) { close(opened) }
	go func() { r.done <- r.process.run(ctx) }()
	select {
	case <-opened:
	case err := <-r.done:
		r.done <- err
	}
	time.Sleep(10 * time.Second) // to join the group
}

// prepare makes a program on a directory of the world.
func (w *world) prepare(name string) *run {
	r := &run{
		w:    w,
		dir:  filepath.Join(w.dir, name),
		link: &link{network: w.network},
		done: make(chan error, 1),
	}
	c := DefaultConfig()
	c.Kafka.Brokers, c.Kafka.Topics, c.Kafka.Start = []string{
		brokerAddr,
	}, []string{
		worldTopic,
	}, StartBeginning
	c.Notify.AlertmanagerConfig, c.DataDir, c.Web.Listen = Path(
		filepath.Join(w.dir, "alertmanager.yml"),
	), Path(
		r.dir,
	), ""
	r.process = newProcess(&c, Terminal{Out: &r.out, Err: &r.out})
	r.process.network.dial = r.link.dial
	r.process.rules = func(*Config) (*rule.Set, error) { return rule.Read("test.rules.yml", []byte(w.rules)) }
	r.process.load = func() (*Config, error) { return &c, nil }
	return r
}

// end stops a program cleanly.
func (r *run) end() {
	r.w.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.w.t.Errorf("the program ends with %v\n%s", err, r.out.String())
	}
}

// kill returns the directory as it was at an instant from which on the program could do nothing
// more: as after a power cut.
func (r *run) kill(as string) {
	r.w.t.Helper()
	r.link.cut()
	if err := os.CopyFS(filepath.Join(r.w.dir, as), os.DirFS(r.dir)); err != nil {
		r.w.t.Fatal(err)
	}
	r.stop()
	<-r.done // it may complain of the network
}

// link is a program's connection to the world, which can be cut.
type link struct {
	network *kfake.VirtualNetwork

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	down  bool
}

func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	down := l.down
	l.mu.Unlock()
	if down {
		return nil, errors.New("the network is down")
	}
	c, err := l.network.DialContext(ctx, network, address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.conns = append(l.conns, c)
	}
	return c, err
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, c := range l.conns {
		c.Close()
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %s, want %s", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}
