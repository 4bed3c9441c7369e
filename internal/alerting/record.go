package alerting

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// collectRecord exposes the value of each group of a record rule, at the watermark.
func (e *Engine) collectRecord(u *unit, gauge func(*prometheus.Desc, float64, ...string)) {
	if u.watermark == always {
		return
	}
	names := make([]string, len(u.by))
	for i, l := range u.by {
		names[i] = metricName(l.name)
	}
	d := prometheus.NewDesc(metricName(u.rule.Name), "Recorded by rule "+u.id+".", names, nil)
	u.groups.each(func(number uint32, g *group) {
		if !e.ours(u, number) {
			return
		}
		labels := u.groupLabels(g.key)
		values := make([]string, len(u.by))
		for i, l := range u.by {
			values[i] = labels[l.name]
		}
		gauge(d, g.win.Value(u.plan, u.watermark), values...)
	})
}

// metricName makes a text fit to be the name of a metric or of its label.
func metricName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, s)
}
