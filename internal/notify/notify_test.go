package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// outbox is one in memory.
type outbox struct {
	mu      sync.Mutex
	entries []store.Entry
	seq     uint64
	reads   int // calls of Pending
	changed chan struct{}
	acked   func() // called after each Ack; nil for nothing
}

func newOutbox() *outbox { return &outbox{changed: make(chan struct{})} }

func (o *outbox) add(alerts ...models.Alert) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range alerts {
		o.seq++
		o.entries = append(o.entries, store.Entry{Seq: o.seq, Alert: a})
	}
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *outbox) Pending() []store.Entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	return slices.Clone(o.entries)
}

func (o *outbox) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.entries)
}

func (o *outbox) Changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

func (o *outbox) Ack(seq uint64) {
	o.mu.Lock()
	o.entries = slices.DeleteFunc(o.entries, func(e store.Entry) bool { return e.Seq <= seq })
	o.mu.Unlock()
	if o.acked != nil {
		o.acked()
	}
}

// world is a network within the process, on which receivers listen by name.
type world struct {
	mu    sync.Mutex
	sites map[string]*site
}

// site is a receiver: what it got, and what it answers.
type site struct {
	conns chan net.Conn
	ids   bool // what was notified names the alert's ID
	// status of the n-th request, from 1; 0 for no answer until the client goes
	answer func(n int) int

	mu   sync.Mutex
	got  []string // what was notified, one entry a message
	raw  [][]byte
	path []string
	at   []time.Time
}

// breakable has a site refuse everything while the returned switch is on.
func (s *site) breakable() *atomic.Bool {
	down := &atomic.Bool{}
	s.answer = func(int) int {
		if down.Load() {
			return http.StatusBadGateway
		}
		return http.StatusOK
	}
	return down
}

func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	w.mu.Lock()
	s := w.sites[host]
	w.mu.Unlock()
	if s == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused")}
	}
	client, server := net.Pipe()
	select {
	case s.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *site) Accept() (net.Conn, error) {
	c, ok := <-s.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (s *site) Close() error   { return nil }
func (s *site) Addr() net.Addr { return &net.TCPAddr{} }

// ServeHTTP takes a message in the JSON of Alertmanager's webhooks, or any other.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.raw, s.path, s.at = append(s.raw, body), append(s.path, r.URL.Path), append(s.at, time.Now())
	n := len(s.raw)
	s.mu.Unlock()
	status := http.StatusOK
	if s.answer != nil {
		status = s.answer(n)
	}
	if status == 0 {
		<-r.Context().Done()
		return
	}
	if status < 300 {
		s.mu.Lock()
		s.got = append(s.got, summary(body, s.ids))
		s.mu.Unlock()
	}
	w.WriteHeader(status)
	io.WriteString(w, "ok")
}

type message struct {
	Status string
	Alerts []struct {
		Status              string
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
}

// summary is a message in brief: state and name, and value of label g, of each alert.
func summary(body []byte, ids bool) string {
	var m message
	if json.Unmarshal(body, &m) != nil || m.Status == "" {
		return string(body)
	}
	var parts []string
	for _, a := range m.Alerts {
		part := strings.TrimSpace(a.Status + " " + a.Labels["alertname"] + " " + a.Labels["g"])
		if ids {
			part += " " + a.Annotations["alert_id"]
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// received returns the messages that the site accepted since the last call.
func (s *site) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

func (s *site) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.raw)
}

// requests are all that came, whether it was answered well or not.
func (s *site) requests() (bodies [][]byte, paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.raw), slices.Clone(s.path)
}

func (s *site) last() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw[len(s.raw)-1]
}

// world makes a network with these sites.
func newWorld(t *testing.T, names ...string) *world {
	w := &world{sites: map[string]*site{}}
	for _, name := range names {
		s := &site{conns: make(chan net.Conn)}
		w.sites[name] = s
		server := &http.Server{Handler: s, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		done := make(chan struct{})
		go func() { defer close(done); server.Serve(s) }()
		t.Cleanup(func() { close(s.conns); server.Close(); <-done })
	}
	return w
}

// life is a notifier at work.
type life struct {
	t      *testing.T
	n      *Notifier
	outbox *outbox
	log    *locked
	cancel context.CancelFunc
	done   chan error
}

// start has a notifier work until the test ends, or stop or kill is called.
func start(t *testing.T, w *world, o Options) *life {
	t.Helper()
	l := &life{t: t, log: &locked{}, done: make(chan error, 1)}
	if o.Outbox == nil {
		o.Outbox = newOutbox()
	}
	l.outbox = o.Outbox.(*outbox)
	o.Logger = slog.New(slog.NewTextHandler(l.log, nil))
	o.DataDir = cmp.Or(o.DataDir, t.TempDir())
	o.ExternalURL = cmp.Or(o.ExternalURL, "http://alerts.example.com")
	if w != nil {
		o.Dial = w.dial
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.n = n
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.done <- n.Run(ctx) }()
	t.Cleanup(l.stop)
	synctest.Wait()
	return l
}

func (l *life) stop() {
	l.cancel()
	err, ok := <-l.done
	if ok && err != nil {
		l.t.Errorf("Run: %v", err)
	}
	if ok {
		close(l.done)
	}
}

// locked is text that several goroutines write.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// firingAlert is an alert named name, of group g.
func firingAlert(name, g string, number int64) models.Alert {
	now := time.Now()
	return models.Alert{
		ID:      fmt.Sprintf("%s-%s-%d", name, g, number),
		Rule:    "rules/" + name,
		Episode: number,
		State:   models.AlertFiring,
		Reason:  "11 > 10 in 5m",
		Labels: map[string]string{
			"alertname": name,
			"g":         g,
		},
		Annotations: map[string]string{"summary": "much of " + name},
		Value:       11,
		Threshold:   "> 10",
		At:          now.Add(-time.Minute),
		StartsAt:    now.Add(-5 * time.Minute),
		Count:       11,
		Source:      "shop.rules.yml:7",
		Last: []models.Line{
			{
				Time:     now.Add(-time.Minute),
				Level:    "ERROR",
				Service:  "shop",
				Message:  "card declined",
				Position: models.Position{Topic: "logs", Partition: 3, Offset: 42},
			},
		},
	}
}

func over(a models.Alert) models.Alert {
	a.State, a.Reason, a.EndsAt, a.At = models.AlertResolved, "quiet for 5m", time.Now(), time.Now()
	return a
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// The first alert of a group is notified at once, those that follow at the group's interval, and
// each is set to have ended.
func TestFirstAtOnceThenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		l.outbox.add(a)
		after(time.Millisecond)
		expect(t, "at once", w.sites["hook"].received(), "firing Errors a")
		l.outbox.add(b)
		after(30 * time.Second)
		expect(t, "in between", w.sites["hook"].received())
		after(30 * time.Second)
		expect(t, "after the interval", w.sites["hook"].received(),
			"firing Errors a, firing Errors b")
		l.outbox.add(over(a))
		after(time.Minute)
		expect(t, "when one is over", w.sites["hook"].received(),
			"resolved Errors a, firing Errors b")
		l.outbox.add(over(b))
		after(time.Minute)
		expect(t, "when all are over", w.sites["hook"].received(), "resolved Errors b")
		after(6 * time.Hour)
		expect(t, "much later", w.sites["hook"].received())
		if n := len(l.outbox.Pending()); n != 0 {
			t.Errorf("%d transitions were not acknowledged", n)
		}
		if firing, waiting := l.n.states.counts(); firing+waiting != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, waiting)
		}
	})
}

// configFile writes an alertmanager.yml.
func configFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func modelName(name string) model.LabelName { return model.LabelName(name) }

func mustUnmarshal(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}
