package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	commits  *prometheus.CounterVec
	merges   *prometheus.CounterVec
	duration prometheus.Histogram
	written  prometheus.Counter
	size     *prometheus.GaugeVec
	pending  prometheus.Gauge
	bytes    prometheus.Gauge
	lost     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_checkpoint_commits_total",
			Help: "Checkpoints written, by outcome.",
		}, []string{"outcome"}),
		merges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_checkpoint_merges_total",
			Help: "Merges of checkpoint logs into a snapshot, by outcome.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "alert_engine_checkpoint_commit_duration_seconds",
			Help:    "Time that writing a checkpoint took, until the disk had it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_engine_checkpoint_written_bytes_total",
			Help: "Bytes that checkpoints have written, merges not included.",
		}),
		size: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "alert_engine_checkpoint_size_bytes",
			Help: "Size of the snapshot, and of the logs that are not merged into it.",
		}, []string{"part"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "alert_engine_outbox_alerts",
			Help: "Alert transitions that wait for delivery.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "alert_engine_outbox_bytes",
			Help: "Size of the alert transitions that wait for delivery.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_engine_outbox_dropped_total",
			Help: "Alert transitions that were dropped before delivery, because too many waited.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.all()...)
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.commits,
		m.merges,
		m.duration,
		m.written,
		m.size,
		m.pending,
		m.bytes,
		m.lost,
	}
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.all() {
		reg.Unregister(c)
	}
}

func (m *metrics) committed(took time.Duration, written int64, err error) {
	m.commits.WithLabelValues(outcome(err)).Inc()
	m.duration.Observe(took.Seconds())
	m.written.Add(float64(written))
}

func (m *metrics) merged(err error) { m.merges.WithLabelValues(outcome(err)).Inc() }

func (m *metrics) sizes(snapshot, logs int64) {
	m.size.WithLabelValues("snapshot").Set(float64(snapshot))
	m.size.WithLabelValues("logs").Set(float64(logs))
}

func (m *metrics) outbox(alerts int, bytes int64) {
	m.pending.Set(float64(alerts))
	m.bytes.Set(float64(bytes))
}

func (m *metrics) dropped() { m.lost.Inc() }

func outcome(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}
