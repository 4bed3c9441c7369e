package alerting_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const shareRules = `
groups:
- name: g
  rules:
  - {alert: Login, match: 'event:login', by: [user], limit: 1000000}
  - {alert: Slow, match: 'event:slow', by: [host], limit: 1000000, labels: {severity: info}}
  - {alert: Down, match: 'event:down', by: [host], limit: 1000000, labels: {severity: page}}
`

// When a rule has taken all groups that there are, others have a part that is theirs; a rule whose
// alerts page has ten times as much.
func TestGroupFloodLeavesOtherRules(t *testing.T) {
	var logged strings.Builder
	w := newWorld(t, shareRules, alerting.WithMaxGroups(240),
		alerting.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	for i := range 400 {
		w.log(time.Duration(i)*time.Millisecond, fmt.Sprintf(`"event":"login","user":"u%d"`, i))
	}
	for i := range 40 {
		w.log(time.Second, fmt.Sprintf(`"event":"slow","host":"h%d"`, i))
		w.log(time.Second, fmt.Sprintf(`"event":"down","host":"h%d"`, i))
	}
	fired := map[string]int{}
	for _, said := range w.said {
		name, _, _ := strings.Cut(strings.Fields(said)[1], "{")
		if !strings.Contains(said, "rule=") {
			fired[name]++
		}
	}
	for _, want := range []struct {
		rule  string
		fired int
	}{{"g/Login", 240}, {"g/Slow", 2}, {"g/Down", 20}} {
		if fired[want.rule] != want.fired {
			t.Errorf("%s fired %d times, want %d", want.rule, fired[want.rule], want.fired)
		}
	}
	limits := 0
	for _, a := range w.alerts {
		if strings.HasPrefix(a.Annotations["summary"], "Rule "+a.Rule+" has reached its part of") {
			limits++
		}
	}
	if limits != 3 || strings.Count(logged.String(), "level=ERROR") != 3 {
		t.Errorf("%d alerts about limits; log:\n%s", limits, logged.String())
	}
	w.time(time.Hour)
	if !slices.ContainsFunc(w.said, func(s string) bool {
		return strings.Contains(s, "rule=g/Login") && strings.HasSuffix(s, "resolved")
	}) {
		t.Errorf("the limit is not over: %v", w.said[len(w.said)-5:])
	}
}

// The values of an alert are found by its rule and labels, whichever labels the rule gives it.
func TestValuesOfEachAlertAreFound(t *testing.T) {
	w := newWorld(t, `
groups:
- name: g
  rules:
  - {alert: A, match: 'event:a', when: count() > 1, by: [user, 'severity=level', 'alertname=host'],
     levels: {page: '> 0'}, labels: {user: fixed, team: x}}
  - {alert: B, match: 'event:b', when: count() > 1, by: [user]}
  - {alert: C, match: 'event:c', when: count() > 1}
`)
	for i := range 3 {
		for _, event := range []string{"a", "b", "c"} {
			for _, user := range []string{"ann", "", "b\\u0001b"} {
				w.log(time.Duration(i)*time.Second, fmt.Sprintf(
					`"event":%q,"user":"%s","host":"h","level":"ERROR"`, event, user))
			}
		}
	}
	w.time(30 * time.Second)
	list := w.engine.Alerts()
	detailed := map[string]models.Alert{} // in no order
	for _, a := range w.engine.Detailed(w.engine.AlertSummaries()) {
		detailed[a.ID] = a
	}
	if len(list) != 7 || len(detailed) != 7 {
		t.Fatalf("%d alerts, %d summaries", len(list), len(detailed))
	}
	for _, a := range list {
		whole := detailed[a.ID]
		summary := whole
		summary.Annotations, summary.First, summary.Last, summary.Top = nil, nil, nil, nil
		if len(whole.First) == 0 || !reflect.DeepEqual(summary, a) {
			t.Errorf("detailed %+v, in the list %+v", whole, a)
		}
		if p := w.engine.Series(a); len(p) == 0 {
			t.Errorf("no values of %s %v", a.Rule, a.Labels)
		}
		if now, ok := w.engine.Alert(a); !ok || !reflect.DeepEqual(now, whole) {
			t.Errorf("alone %+v, in the list %+v", now, whole)
		}
		other := a
		other.ID = "x"
		if _, ok := w.engine.Alert(other); ok || w.engine.Series(other) != nil {
			t.Error("values of an alert that is not there")
		}
	}
}

const seriesRules = `
groups:
- name: g
  rules:
  - {record: small, match: 'event:small', when: count(), by: [host]}
  - {record: large, match: 'event:large', when: count(), by: [user], limit: 1000000}
  - {record: larger, match: 'event:larger', when: count(), by: [user], limit: 1000000}
`

// Metrics hold a bounded number of series. A record rule that has few of them shows all, those with
// many share the rest, and what is held back is counted, logged once, and reported.
func TestSeriesAreShared(t *testing.T) {
	var logged strings.Builder
	registry := prometheus.NewRegistry()
	w := newWorld(t, seriesRules, alerting.WithMaxSeries(50), alerting.WithRegisterer(registry),
		alerting.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	for i := range 100 {
		for name, n := range map[string]int{"small": 10, "large": 60, "larger": 100} {
			if i < n {
				w.log(time.Second, fmt.Sprintf(`"event":%q,"host":"h%d","user":"u%d"`, name, i, i))
			}
		}
	}
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page,
		httptest.NewRequest("GET", "/metrics", nil))
	text := page.Body.String()
	for name, want := range map[string]int{"small{": 10, "large{": 20, "larger{": 20} {
		if n := strings.Count("\n"+text, "\n"+name); n != want {
			t.Errorf("%s has %d series, not %d", name, n, want)
		}
	}
	for _, want := range []string{
		`alert_engine_rule_series_held_back{rule="g/small"} 0`,
		`alert_engine_rule_series_held_back{rule="g/large"} 40`,
		`alert_engine_rule_series_held_back{rule="g/larger"} 80`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for range 3 {
		if got := w.engine.SeriesHeldBack(); len(got) != 2 ||
			!strings.Contains(got[0], "g/large records 60 groups, of which /metrics shows 20") {
			t.Errorf("held back: %q", got)
		}
	}
	if n := strings.Count(logged.String(), "level=ERROR"); n != 2 {
		t.Errorf("%d lines of the log:\n%s", n, logged.String())
	}
}
