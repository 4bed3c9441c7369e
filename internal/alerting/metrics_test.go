package alerting_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/alerting"
)

// Numbers of rules are those of their logs: of a rule with a firing, a pending and a suppressed
// alert, a late log, one that is too late, and one that is refused.
func TestNumbersOfRules(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := newWorld(t, `
suppressions:
- {name: deploy, start: 'event:deploy', end: 'event:done', max: 1h}
groups:
- name: g
  rules:
  - {alert: Early, match: level>=ERROR, when: count() > 1, window: 1m, by: [service], limit: 2}
  - {alert: Pending, match: level>=ERROR, for: 5m, window: 10m}
  - {alert: Muted, match: level>=ERROR, window: 10m, suppressed_by: [deploy]}
  - {record: errors, match: level>=ERROR, when: count(), window: 1m, every: 10s}
`, alerting.WithRegisterer(registry))
	w.log(0, `"event":"deploy"`)
	for i, service := range []string{"a", "a", "b", "c"} {
		w.log(time.Duration(1+i)*time.Second, `"level":"ERROR","service":"`+service+`"`)
	}
	w.time(time.Minute)
	w.put(monday.Add(40*time.Second), monday.Add(time.Minute), `"level":"ERROR","service":"a"`)
	w.put(monday.Add(-time.Hour), monday.Add(time.Minute), `"level":"ERROR","service":"a"`)
	w.time(time.Minute)

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "alert_engine_")
		if strings.Contains(name, "memory") || strings.Contains(name, "notices") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			if name == "rule_watermark_seconds" || name == "watermark_seconds" ||
				strings.HasSuffix(name, "time_seconds") {
				value -= float64(monday.Unix())
			}
			if value != 0 {
				got = append(got, fmt.Sprintf("%s %s %v", name, strings.Join(labels, " "), value))
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"errors g/errors 5",
		"event_time_seconds 0 logs 60",
		"logs_total  7",
		"rule_alerts g/Early firing 1",
		"rule_alerts g/Muted suppressed 1",
		"rule_alerts g/Pending pending 1",
		"rule_fired_total g/Early 1",
		"rule_groups g/Early 2",
		"rule_groups g/Muted 1",
		"rule_groups g/Pending 1",
		"rule_groups g/errors 1",
		"rule_late_total g/Early 2",
		"rule_late_total g/Muted 2",
		"rule_late_total g/Pending 2",
		"rule_late_total g/errors 2",
		"rule_matches_total g/Early 6",
		"rule_matches_total g/Muted 6",
		"rule_matches_total g/Pending 6",
		"rule_matches_total g/errors 6",
		"rule_refused_total g/Early 1",
		"rule_too_late_total g/Early 1",
		"rule_too_late_total g/Muted 1",
		"rule_too_late_total g/Pending 1",
		"rule_too_late_total g/errors 1",
		"rule_watermark_seconds g/Early 50",
		"rule_watermark_seconds g/Muted 50",
		"rule_watermark_seconds g/Pending 50",
		"rule_watermark_seconds g/errors 50",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s := w.engine.Stats()
	if s.Memory < 1000 || s.Memory > 1<<20 {
		t.Errorf("%d bytes", s.Memory)
	}
	s.Memory = 0
	if diff := cmp.Diff(alerting.Stats{
		Logs: 7, Hits: 24, Late: 8, TooLate: 4, Refused: 1, Rules: 4, Groups: 5, Firing: 1,
		Pending: 1, Suppressed: 1, Now: monday.Add(time.Minute),
		Watermark: monday.Add(50 * time.Second), Behind: 10 * time.Second,
	}, s); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, r := range w.engine.Rules() {
		if r.Matches != 6 || r.Late != 2 || r.TooLate != 1 ||
			!r.LastMatch.Equal(monday.Add(40*time.Second)) || r.Lateness != 10*time.Second ||
			!r.Watermark.Equal(monday.Add(50*time.Second)) {
			t.Errorf("%+v", r)
		}
		if r.Record && (r.State == "firing" || r.Firing > 0) {
			t.Errorf("a record fires: %+v", r)
		}
	}
}
