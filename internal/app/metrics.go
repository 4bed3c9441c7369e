package app

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are those of the program as a whole; each part declares its own.
type metrics struct {
	reloads    *prometheus.CounterVec
	reloadGood prometheus.Gauge

	listMembers, listRefused *prometheus.GaugeVec
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_reloads_total",
			Help: "Reloads of rules and routes, by outcome.",
		}, []string{"outcome"}),
		reloadGood: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "alert_engine_last_reload_successful",
			Help: "Whether the last reload was applied; 1 before the first.",
		}),
	}
	m.reloadGood.Set(1)
	m.listMembers = prometheus.NewGaugeVec(
		prometheus.GaugeOpts{
			Name: "alert_engine_list_members",
			Help: "Members of lists that are kept in topics.",
		},
		[]string{"list"},
	)
	m.listRefused = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_engine_list_refused",
		Help: "Records of such topics whose keys were refused, because they were too many or too " +
			"long.",
	}, []string{"list"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "alert_engine_build_info",
		Help:        "A constant 1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(m.reloads, m.reloadGood, m.listMembers, m.listRefused, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(
			collectors.ProcessCollectorOpts{}))
	return m
}
