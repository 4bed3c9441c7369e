package alerting

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// collector reads the engine's counters when it is asked, so that nothing is paid for them while
// logs are evaluated.
type collector struct{ e *Engine }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("alert_engine_"+name, help, labels, nil)
}

var (
	descLogs        = desc("logs_total", "Logs evaluated.")
	descRejected    = desc("rejected_total", "Records or logs that could not be decoded.")
	descFutureTimes = desc(
		"future_times_total",
		"Logs with a time too far ahead of their record; the time of the record was used.",
	)
	descNotices = desc(
		"log_faults_total",
		"Logs that were read in spite of a fault, by fault.",
		"fault",
	)
	descRegexpCut = desc(
		"regexp_cut_total",
		"Values of which a regular expression or a comparison of two fields read only the beginning, "+
			"to bound its time.",
	)
	descTime   = desc("event_time_seconds", "Event time of a partition.", "topic", "partition")
	descBehind = desc("event_time_behind_seconds",
		"Delay of the event time of a partition behind the clock.", "topic", "partition")
	descMatches = desc("rule_matches_total", "Logs that matched a rule.", "rule")
	descLate    = desc("rule_late_total", "Matches later than the lateness of the rule.",
		"rule")
	descTooLate = desc("rule_too_late_total",
		"Late matches older than the window, not counted.", "rule")
	descMissed = desc("rule_missed_alerts_total",
		"Alerts that did not fire because the logs that complete them came too late.", "rule")
	descMissedUnchecked = desc(
		"rule_missed_unchecked_total",
		"Logs that came too late and were not checked for missed alerts: too many of one group, or "+
			"of too many groups.",
		"rule",
	)
	descFired   = desc("rule_fired_total", "Alerts fired.", "rule")
	descAlerts  = desc("rule_alerts", "Active alerts by state.", "rule", "state")
	descGroups  = desc("rule_groups", "Groups of a rule.", "rule")
	descRefused = desc("rule_refused_total",
		"Logs of groups refused because of the limit of the rule.", "rule")
	descMemory = desc("rule_memory_bytes", "Approximate memory of the groups of a rule.",
		"rule")
	descHeldBack = desc("rule_series_held_back",
		"Groups of a record rule that the metrics do not show, since the rules have too many.",
		"rule")
	descBackfilling = desc("rule_backfilling",
		"1 while a rule reads past logs and does not fire yet.", "rule")
	descLateness = desc("rule_lateness_seconds",
		"Lateness in force of a rule whose lateness follows the delays of logs.", "rule")
	descWatermark = desc("rule_watermark_seconds", "Watermark of a rule in event time.", "rule")
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
	count(descLogs, float64(e.state.total.logs))
	count(descRejected, float64(e.state.total.rejected))
	count(descFutureTimes, float64(e.state.total.futureTimes))
	for n := range e.scanners.notices {
		count(descNotices, float64(e.scanners.notices[n].Load()), decode.Notice(n).String())
	}
	count(descRegexpCut, float64(e.scanners.regexpsCut.Load()))
	for p, pt := range e.state.watermarks.partitions {
		if pt.base == always || pt.gone {
			continue
		}
		n := strconv.Itoa(int(p.Partition))
		gauge(descTime, float64(pt.base)/1e9, p.Topic, n)
		gauge(descBehind, float64(max(e.state.watermarks.now-pt.base, 0))/1e9, p.Topic, n)
	}
	shares := e.state.seriesShares()
	for _, rs := range e.state.rules {
		count(descMatches, float64(rs.matches), rs.id)
		count(descLate, float64(rs.late), rs.id)
		count(descTooLate, float64(rs.tooLate), rs.id)
		count(descMissed, float64(rs.missedAlerts), rs.id)
		count(descMissedUnchecked, float64(rs.missedUnchecked), rs.id)
		count(descFired, float64(rs.fired), rs.id)
		count(descRefused, float64(rs.refused.count), rs.id)
		gauge(descAlerts, float64(rs.shown[shownFiring]), rs.id, "firing")
		gauge(descAlerts, float64(rs.shown[shownPending]), rs.id, "pending")
		gauge(descAlerts, float64(rs.shown[shownSuppressed]), rs.id, "suppressed")
		gauge(descGroups, float64(rs.groups.live), rs.id)
		gauge(descMemory, float64(rs.memory()), rs.id)
		backfilling := 0.0
		if rs.backfilling {
			backfilling = 1
		}
		gauge(descBackfilling, backfilling, rs.id)
		if rs.watermark != always {
			gauge(descWatermark, float64(rs.watermark+1)/1e9, rs.id)
		}
		if rs.rule.LatenessAuto {
			gauge(descLateness, float64(rs.lateness())/1e9, rs.id)
		}
		if rs.rule.Record {
			gauge(descHeldBack, float64(rs.groups.live-shares[rs]), rs.id)
			e.state.collectRecord(rs, shares[rs], gauge)
		}
	}
}
