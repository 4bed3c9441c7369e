package notify

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	attempts    *prometheus.CounterVec
	notNotified *prometheus.CounterVec
	last        *prometheus.GaugeVec
	dropped     prometheus.Counter
	limited     *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, n *Notifier) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_notification_attempts_total",
			Help: "Attempts to send a notification, by receiver and outcome.",
		}, []string{"receiver", "integration", "outcome"}),
		notNotified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_notification_skipped_total",
			Help: "Alert transitions that are not notified, by reason.",
		}, []string{"reason"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_engine_notification_last_success_timestamp_seconds",
			Help: "When a receiver accepted a notification last.",
		}, []string{"receiver", "integration"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_engine_notification_queue_dropped_total",
			Help: "Notifications to the file or topic that were dropped, because too many waited.",
		}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_notification_limited_total",
			Help: "Notifications held back by the limit of their rule.",
		}, []string{"rule"}),
	}
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "alert_engine_notification_held_alerts",
		Help: "Alerts that wait to be notified, because too many fire.",
	}, func() float64 {
		n.states.mu.Lock()
		defer n.states.mu.Unlock()
		alerts, _ := n.states.admitted.held()
		return float64(alerts)
	})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "alert_engine_notification_queue_length",
		Help: "Notifications that wait for the file or topic.",
	}, func() float64 {
		waiting, _, _ := n.waiting()
		return float64(waiting)
	})
	reg.MustRegister(m.attempts, m.notNotified, m.last, m.dropped, m.limited, held, waiting)
	return m
}
