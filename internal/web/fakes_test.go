package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// noon is the current time in all tests.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// fake implements all sources in memory.
type fake struct {
	mu         sync.Mutex // guards what follows
	current    []models.Alert
	history    []models.Alert
	series     map[string][]Point
	set        *rule.Set
	load       func() (*rule.Set, error)
	status     []RuleStatus
	engine     EngineStatus
	records    []models.Record
	deliveries map[string][]Delivery
	dead       []DeadLetter
	silences   []silence
	inhibits   map[string]bool // inhibited alerts by ID
	backtested BacktestResult
	following  chan struct{} // closed when the topic is followed
}

func (f *fake) Current() []models.Alert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.current)
}
func (f *fake) Detailed(list []models.Alert) []models.Alert { return list }
func (f *fake) History() []models.Alert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.history)
}
func (f *fake) Series(a models.Alert) []Point { return f.series[a.ID] }

type fakeRules struct{ *fake }

func (f fakeRules) Set() *rule.Set       { f.mu.Lock(); defer f.mu.Unlock(); return f.set }
func (f fakeRules) Status() []RuleStatus { return f.status }

func (f *fake) Group(rule string, labels map[string]string) (GroupStatus, bool) {
	known := labels["service"] != "payment-unknown"
	return GroupStatus{
		Known:     known,
		State:     models.AlertFiring,
		Holds:     true,
		Value:     11,
		Threshold: "> 10",
		Reason:    f.history[0].Reason,
		Episodes:  3,
		Seen:      noon.Add(-time.Minute),
		Watermark: noon,
	}, rule == "payments/PaymentErrors"
}

type fakeEngine struct{ *fake }

func (f fakeEngine) Status() EngineStatus { return f.engine }

type fakeNotifier struct{ *fake }

func (f fakeNotifier) Deliveries(id string) []Delivery { return f.deliveries[id] }
func (f fakeNotifier) Status() NotifierStatus {
	s := NotifierStatus{Waiting: 1, Sent: 12, Failed: 1, Receivers: []string{"default"}}
	for _, list := range f.deliveries {
		s.Recent = append(s.Recent, list...)
	}
	return s
}

func (f *fake) List(_ context.Context, most int) ([]DeadLetter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.dead[:min(most, len(f.dead))]), nil
}

func (f *fake) Replay(_ context.Context, at models.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.dead {
		if f.dead[i].At == at {
			f.dead[i].Replayed = true
			return nil
		}
	}
	return errors.New("there is no such dead letter")
}

func (f *fake) Topics() []string            { return []string{"logs"} }
func (f *fake) Decode(string) decode.Config { return decode.Config{} }
func (f *fake) Records(ctx context.Context, from From) iter.Seq2[models.Record, error] {
	return func(yield func(models.Record, error) bool) {
		for _, r := range f.records {
			if from.At && (r.Partition != from.Partition || r.Offset < from.Offset) ||
				!from.At && !from.Follow && (r.Timestamp.Before(from.Time) ||
					!from.Until.IsZero() && !r.Timestamp.Before(from.Until)) {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
		if from.Follow {
			if f.following != nil {
				close(f.following)
			}
			<-ctx.Done()
		}
	}
}

func (f *fake) backtest(
	_ context.Context,
	set *rule.Set,
	_ time.Time,
	_ []string,
) (BacktestResult, error) {
	return f.backtested, nil
}

func (f *fake) reload(context.Context) error {
	set, err := f.load()
	if err == nil {
		f.mu.Lock()
		f.set = set
		f.mu.Unlock()
	}
	return err
}

// ServeHTTP is the part of Alertmanager's API that the server uses.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Origin") != "" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}
	id, single := strings.CutPrefix(r.URL.Path, "/api/v2/silence/")
	switch {
	case r.URL.Path == "/api/v2/silences" && r.Method == http.MethodGet:
		writeJSON(w, http.StatusOK, f.silences)
	case r.URL.Path == "/api/v2/silences" && r.Method == http.MethodPost:
		var one silence
		if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
			writeJSON(w, http.StatusBadRequest, err.Error())
			return
		}
		one.ID = fmt.Sprintf("00000000-0000-0000-0000-%012d", len(f.silences)+1)
		one.Status = &struct {
			State string `json:"state"`
		}{"active"}
		f.silences = append(f.silences, one)
		writeJSON(w, http.StatusOK, map[string]string{"silenceID": one.ID})
	case single && r.Method == http.MethodDelete:
		for i := range f.silences {
			if f.silences[i].ID == id {
				f.silences[i].Status.State = "expired"
			}
		}
	case r.URL.Path == "/api/v2/alerts":
		list := []map[string]any{}
		for _, a := range f.current {
			if r.FormValue("inhibited") == "true" == f.inhibits[a.ID] &&
				(r.FormValue("receiver") == "" || r.FormValue("receiver") == "default") {
				list = append(
					list,
					map[string]any{
						"labels":      a.Labels,
						"annotations": map[string]string{"alert_id": a.ID},
					},
				)
			}
		}
		writeJSON(w, http.StatusOK, list)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

const fileRules = `version: 1
groups:
  - name: payments
    rules:
      # Too many errors of one service.
      - alert: PaymentErrors
        match: 'service:payment* level>=ERROR not path:/health*'
        when: count() > 10
        window: 5m
        by: [service]
        labels: {severity: page}
        annotations:
          summary: '{{ .Value }} errors of {{ .Labels.service }}'

      - alert: NoLogins
        match: 'event:login_ok'
        when: count() == 0
        window: 10m
        labels: {severity: warning}
`

// newFake returns a fake with two rules and one firing alert, and options that use it.
func newFake(t testing.TB) (*fake, Options) {
	t.Helper()
	dir := t.TempDir()
	file, own := filepath.Join(dir, "payments.rules.yml"), filepath.Join(dir, "own")
	if err := os.WriteFile(file, []byte(fileRules), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &fake{
		series:     map[string][]Point{},
		deliveries: map[string][]Delivery{},
		silences:   []silence{},
	}
	f.load = func() (*rule.Set, error) {
		names := []string{file}
		if paths, _ := filepath.Glob(filepath.Join(own, "*.rules.yml")); len(paths) > 0 {
			names = append(names, own)
		}
		return rule.Load(names...)
	}
	if err := f.reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.status = []RuleStatus{
		{
			ID:        "payments/PaymentErrors",
			Matches:   42,
			PerMinute: 3.5,
			LastMatch: noon.Add(-time.Minute),
			Groups:    2,
			Bytes:     2048,
			Cost:      12,
		},
	}
	f.engine = EngineStatus{
		Started:   noon.Add(-time.Hour),
		Brokers:   []string{"kafka:9092"},
		Group:     "g",
		Members:   1,
		Connected: true,
		Records:   1000,
		Logs:      1200,
		PerSecond: 321,
		Late:      2,
		Rejected: map[string]int64{
			"invalid_json": 3,
		},
		RejectedSample: []RejectedRecord{
			{
				Position: models.Position{Topic: "logs", Offset: 5},
				Reason:   "invalid_json",
				Detail:   "unexpected end",
				Sample:   `{"a":`,
			},
		},
		LateSample: []LateLog{
			{
				Rule:    "payments/PaymentErrors",
				Behind:  90 * time.Second,
				Allowed: 10 * time.Second,
				Line: models.Line{
					Time:     noon.Add(-90 * time.Second),
					Message:  "declined long ago",
					Position: models.Position{Topic: "logs", Offset: 3},
				},
			},
		},
		Delay: DelayStatus{
			Counts: []DelayCount{
				{Within: 100e6},
				{Within: 250e6, Logs: 80},
				{Within: 500e6, Logs: 15},
				{Within: 1e9},
				{Within: 2e9, Logs: 5},
				{},
			},
			P50:      250e6,
			P99:      2e9,
			Lateness: 2e9,
		},
		Partitions: []PartitionStatus{
			{
				Topic:     "logs",
				Next:      100,
				End:       103,
				Lag:       3,
				Watermark: noon.Add(-10 * time.Second),
				State:     "reading",
			},
		},
	}
	for i := range 30 {
		text := fmt.Sprintf(
			`{"timestamp":%q,"level":"ERROR","service":"payment-service","message":"declined %d","order":{"id":%d}}`,
			noon.Add(time.Duration(i-30)*time.Second).Format(time.RFC3339),
			i,
			i,
		)
		f.records = append(
			f.records,
			models.Record{
				Topic:     "logs",
				Offset:    int64(i),
				Timestamp: noon.Add(time.Duration(i-30) * time.Second),
				Value:     []byte(text),
			},
		)
	}
	f.fire("a1", "payment-service")
	f.dead = []DeadLetter{
		{
			At:     models.Position{Topic: "dead", Offset: 1},
			Origin: models.Position{Topic: "logs", Offset: 5},
			Time:   noon,
			Reason: "invalid_json",
			Value:  []byte(`{"a":`),
		},
	}
	o := Options{
		Version:      "v1",
		Now:          func() time.Time { return noon },
		Gatherer:     prometheus.NewRegistry(),
		Reload:       f.reload,
		Alertmanager: f,
		Alerts:       f,
		Rules:        fakeRules{f},
		Groups:       f,
		RulesDir:     own,
		Engine: fakeEngine{
			f,
		},
		Logs:        f,
		Backtest:    f.backtest,
		Notifier:    fakeNotifier{f},
		DeadLetters: f,
		Audit:       &fakeAudit{},
		Receivers:   fakeReceivers{},
		Resolve:     func(context.Context, string) error { return nil },
	}
	return f, o
}

// fire adds a firing alert that was pending before.
func (f *fake) fire(id, service string) {
	a := models.Alert{
		ID:       id,
		Rule:     "payments/PaymentErrors",
		Episode:  1,
		State:    models.AlertPending,
		Reason:   "6 of 11 in 5m",
		Severity: "page",
		Labels: map[string]string{
			"alertname": "PaymentErrors",
			"service":   service,
			"severity":  "page",
		},
		Annotations: map[string]string{"summary": "11 errors of " + service},
		Value:       6,
		Threshold:   "> 10",
		At:          noon.Add(-3 * time.Minute),
		StartsAt:    noon.Add(-3 * time.Minute),
		Count:       6,
		Source:      "payments.rules.yml:6",
	}
	f.history = append(f.history, a)
	a.State, a.At = models.AlertFiring, noon.Add(-2*time.Minute)
	a.Value, a.Count, a.Reason = 11, 11, "11 > 10 in 5m"
	a.First = []models.Line{
		{
			Time:     noon.Add(-3 * time.Minute),
			Level:    "ERROR",
			Service:  service,
			Message:  "declined by provider",
			Position: models.Position{Topic: "logs", Offset: 7},
		},
	}
	a.Last = []models.Line{
		{
			Time:     noon.Add(-2 * time.Minute),
			Level:    "ERROR",
			Service:  service,
			Message:  "declined once more",
			Fields:   map[string]string{"order.id": "7"},
			Position: models.Position{Topic: "logs", Offset: 17},
		},
	}
	a.Top = map[string][]models.TopValue{
		"path": {{Value: "/pay", Count: 9}, {Value: "/refund", Count: 2}},
	}
	f.history = append(f.history, a)
	f.current = append(f.current, a)
	for i := range 20 {
		f.series[id] = append(
			f.series[id],
			Point{noon.Add(time.Duration(i-20) * 10 * time.Second), float64(i)},
		)
	}
	f.deliveries[id] = []Delivery{
		{
			At:          noon.Add(-2 * time.Minute),
			State:       models.AlertFiring,
			Receiver:    "default",
			Integration: "webhook",
			Sent:        true,
			Detail:      "200 OK",
		},
	}
}

func newServer(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do sends a request and returns the status and the body of the answer.
func do(s http.Handler, method, path, body string, headers ...string) (int, string) {
	status, text, _ := exchange(s, method, path, body, headers...)
	return status, text
}

func exchange(
	s http.Handler,
	method, path, body string,
	headers ...string,
) (int, string, http.Header) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost:8080"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Body)
	return w.Code, string(text), w.Header()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fakeReceivers are two receivers, of which one takes pages and fails.
type fakeReceivers struct{}

func (fakeReceivers) List() []Receiver {
	return []Receiver{
		{Name: "default", Integrations: []string{"webhook[0]"}},
		{
			Name:         "pager",
			Integrations: []string{"slack[0]"},
			Failing:      noon.Add(-time.Hour),
			Error:        "403 Forbidden",
		},
	}
}

func (fakeReceivers) Routes() []Route {
	return []Route{
		{
			Receiver:       "default",
			GroupBy:        []string{"..."},
			GroupWait:      time.Second,
			RepeatInterval: 4 * time.Hour,
		},
		{Depth: 1, Receiver: "pager", Matchers: []string{`severity="page"`}, Continue: true},
	}
}

func (fakeReceivers) RoutedTo(labels map[string]string) []string {
	if labels["severity"] == "page" {
		return []string{"pager"}
	}
	return []string{"default"}
}

func (fakeReceivers) Preview(receiver string, _ bool) ([]MessagePreview, error) {
	return []MessagePreview{
		{Integration: "slack[0]", Fields: []MessageField{{"title", "[page] a sample"}}},
	}, nil
}

func (fakeReceivers) Test(_ context.Context, receiver string, _ bool) ([]TestResult, error) {
	if receiver == "gone" {
		return nil, errors.New("no receiver gone")
	}
	return []TestResult{{"slack[0]", false, "403 Forbidden"}}, nil
}
