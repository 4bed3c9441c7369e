package notify

import (
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
