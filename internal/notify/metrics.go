package notify

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	outcomes *prometheus.CounterVec
	untold   *prometheus.CounterVec
	last     *prometheus.GaugeVec
	refused  prometheus.GaugeFunc
}

func newMetrics(reg prometheus.Registerer, b *book) *metrics {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_notification_attempts_total",
			Help: "Attempts to send a notification, by receiver and outcome.",
		}, []string{"receiver", "integration", "outcome"}),
		untold: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_transitions_untold_total",
			Help: "Alert transitions that nobody was to be told of, by reason.",
		}, []string{"reason"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_engine_notification_last_success_timestamp_seconds",
			Help: "When a receiver took a notification last.",
		}, []string{"receiver", "integration"}),
		refused: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "alert_engine_notification_alerts_refused",
			Help: "Alerts that wait to be told, because too many fire.",
		}, func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return float64(b.refused)
		}),
	}
	reg.MustRegister(m.outcomes, m.untold, m.last, m.refused)
	return m
}

// receivers is how each integration fares.
type receivers struct {
	mu    sync.Mutex // guards what follows
	state map[string]*receiverState
	sent  int64
	fails int64
}

type receiverState struct {
	failing time.Time // since when; zero for not
	err     error
}

func (r *receivers) attempted(who string, now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil {
		r.state = map[string]*receiverState{}
	}
	s := r.state[who]
	if s == nil {
		s = &receiverState{}
		r.state[who] = s
	}
	if s.err = err; err == nil {
		r.sent++
		s.failing = time.Time{}
		return
	}
	r.fails++
	if s.failing.IsZero() {
		s.failing = now
	}
}

// forget drops what is known, since receivers may have gone.
func (r *receivers) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = nil
}
