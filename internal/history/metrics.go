package history

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	entries *prometheus.CounterVec
	dropped prometheus.Counter
	size    prometheus.GaugeFunc
}

func newMetrics(reg prometheus.Registerer, l *Log) *metrics {
	m := &metrics{
		entries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_history_entries_total",
			Help: "Entries written to the history, by kind.",
		}, []string{"kind"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_engine_history_dropped_total",
			Help: "Entries that the history could not take, because too many waited or the disk " +
				"failed.",
		}),
		size: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "alert_engine_history_size_bytes",
			Help: "Size of the history on disk.",
		}, func() float64 { return float64(l.Bytes()) }),
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.dropped, m.size)
	}
	return m
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	reg.Unregister(m.entries)
	reg.Unregister(m.dropped)
	reg.Unregister(m.size)
}
