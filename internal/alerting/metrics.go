package alerting

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// collector reads the engine's counters when it is asked, so that nothing is paid for them while
// logs are evaluated.
type collector struct{ e *Engine }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("alert_engine_"+name, help, labels, nil)
}

var (
	descLogs     = desc("logs_total", "Logs that were evaluated.")
	descRejected = desc("rejected_total", "Records, or logs within them, that could not be read.")
	descAbsurd   = desc(
		"absurd_times_total",
		"Logs whose time lay so far ahead of their record that the record's was taken.",
	)
	descTime = desc(
		"event_time_seconds",
		"Event time up to which a partition was read.",
		"topic",
		"partition",
	)
	descBehind = desc(
		"event_time_behind_seconds",
		"How far the event time of a partition is behind the clock.",
		"topic",
		"partition",
	)
	descMatches = desc("rule_matches_total", "Logs that matched a rule.", "rule")
	descLate    = desc(
		"rule_late_total",
		"Matches that came later than the rule's lateness allows.",
		"rule",
	)
	descTooLate = desc(
		"rule_too_late_total",
		"Late matches that had left the window, and counted for nothing.",
		"rule",
	)
	descFired   = desc("rule_fired_total", "Alerts that fired.", "rule")
	descAlerts  = desc("rule_alerts", "Alerts that are up.", "rule", "state")
	descGroups  = desc("rule_groups", "Groups that a rule watches.", "rule")
	descRefused = desc("rule_refused_total", "Logs of groups beyond a rule's limit.", "rule")
	descMemory  = desc("rule_memory_bytes", "Memory of a rule's groups, about.", "rule")
	descWarming = desc(
		"rule_warming",
		"Whether a rule reads its own past, and does not fire yet.",
		"rule",
	)
	descWatermark = desc(
		"rule_watermark_seconds",
		"Event time before which a rule expects nothing more.",
		"rule",
	)
)

// Describe describes the metrics that do not depend on the rules. Records have names of their own,
// so the collector is an unchecked one.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count(descLogs, float64(e.total.logs))
	count(descRejected, float64(e.total.rejected))
	count(descAbsurd, float64(e.total.absurd))
	for p, pt := range e.times.partitions {
		if pt.base == always {
			continue
		}
		n := strconv.Itoa(int(p.Partition))
		gauge(descTime, float64(pt.base)/1e9, p.Topic, n)
		gauge(descBehind, float64(max(e.times.now-pt.base, 0))/1e9, p.Topic, n)
	}
	for _, u := range e.program.Load().units {
		firing, waiting, suppressed := e.phases(u)
		count(descMatches, float64(u.matches), u.id)
		count(descLate, float64(u.late), u.id)
		count(descTooLate, float64(u.tooLate), u.id)
		count(descFired, float64(u.fired), u.id)
		count(descRefused, float64(u.refused.count), u.id)
		gauge(descAlerts, float64(firing), u.id, "firing")
		gauge(descAlerts, float64(waiting), u.id, "pending")
		gauge(descAlerts, float64(suppressed), u.id, "suppressed")
		gauge(descGroups, float64(u.groups.live), u.id)
		gauge(descMemory, float64(u.memory()), u.id)
		warming := 0.0
		if u.warming {
			warming = 1
		}
		gauge(descWarming, warming, u.id)
		if u.watermark != always {
			gauge(descWatermark, float64(u.watermark)/1e9, u.id)
		}
		if u.rule.Record {
			e.collectRecord(u, gauge)
		}
	}
}
