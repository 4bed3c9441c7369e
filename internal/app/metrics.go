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

	listMembers, listRefused  *prometheus.GaugeVec
	lookupRows, lookupRefused *prometheus.GaugeVec

	sigmaRules *prometheus.GaugeVec
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
		Help: "Records of the topics of lists whose keys were refused, because they were too many or too " +
			"long.",
	}, []string{"list"})
	m.lookupRows = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_engine_lookup_rows",
		Help: "Rows of lookups that are kept in topics.",
	}, []string{"topic"})
	m.lookupRefused = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_engine_lookup_refused",
		Help: "Records of the topics of lookups that are refused, by reason: no_object, no_label and " +
			"duplicate are not rows; columns are rows without some columns; bound are too many or " +
			"too long.",
	}, []string{"topic", "reason"})
	m.sigmaRules = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "alert_engine_sigma_rules",
		Help: "Sigma rules, by what became of them: loaded; refused, for which a former version " +
			"may be loaded; unprovided, of a logsource that no source provides.",
	}, []string{"state"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "alert_engine_build_info",
		Help:        "A constant 1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	})
	info.Set(1)
	r.MustRegister(
		m.reloads,
		m.reloadGood,
		m.listMembers,
		m.listRefused,
		m.lookupRows,
		m.lookupRefused,
		m.sigmaRules,
		info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(
			collectors.ProcessCollectorOpts{}),
	)
	return m
}

// sigma notes the outcome of the Sigma rules.
func (m *metrics) sigma(r *SigmaReport) {
	unprovided := 0
	for _, n := range r.Unprovided {
		unprovided += n
	}
	m.sigmaRules.WithLabelValues("loaded").Set(float64(r.Loaded))
	m.sigmaRules.WithLabelValues("refused").Set(float64(len(r.Refused)))
	m.sigmaRules.WithLabelValues("unprovided").Set(float64(unprovided))
}
