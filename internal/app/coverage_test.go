package app

import (
	"fmt"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Each sampled log counts once, however often samples are compared; a field that was seen once is
// not absent any more; records that cannot be read are counted.
func TestCoverage(t *testing.T) {
	set, err := rule.Read("a.rules.yml", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: A, match: 'status>=500 stauts>=500 user:ann'}
  - {alert: B, match: 'stauts>=400', by: [hots]}
  - {alert: C, match: 'x:y', source: other}
`))
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Formats = []FormatConfig{{Topic: "logs", Config: decode.Config{Format: "json"}}}
	p := newProcess(&config, Terminal{Out: t.Output(), Err: t.Output()})
	p.set.Store(set)
	p.state = &state{Engine: alerting.NewEngine(
		alerting.WithRules(set), alerting.WithEmit(func(models.Alert) {}),
	)}
	scanner := p.state.NewScanner()
	scan := func(n int, topic, text string) {
		for range n * 32 {
			r := models.Record{Topic: topic, Value: []byte(text)}
			p.state.Apply(scanner.Scan([]models.Record{r}))
		}
	}
	f := func(compared bool, want string) {
		t.Helper()
		done, err := p.coverage.compare()
		if done != compared || err != nil {
			t.Fatal(done, err)
		}
		s := p.coverage.view()
		got := fmt.Sprintf("%d, rejected %d, absent %d %v %v, unreferenced %d %v",
			s.Logs, s.Rejected, s.AbsentTotal, s.Absent, s.Rules, s.UnreferencedTotal,
			s.Unreferenced)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	scan(400, "logs", `{"message":"a","status":200,"path":"/"}`)
	f(false, "0, rejected 0, absent 0 [] [], unreferenced 0 []")
	scan(100, "logs", `{"message":"a","status":200}`)
	const absent = "[{g/A stauts} {g/B stauts} {g/B hots}] [{g/A 1} {g/B 2}]"
	f(true, "500, rejected 0, absent 4 [{g/A stauts} {g/A user} {g/B stauts} {g/B hots}] "+
		"[{g/A 2} {g/B 2}], unreferenced 1 [{path 80}]")
	f(false, "500, rejected 0, absent 4 [{g/A stauts} {g/A user} {g/B stauts} {g/B hots}] "+
		"[{g/A 2} {g/B 2}], unreferenced 1 [{path 80}]")
	scan(500, "logs", `{"message":"a","user":"ann"}`)
	f(true, "1000, rejected 0, absent 3 "+absent+", unreferenced 1 [{path 40}]")
	scan(3, "logs", "no JSON")
	f(true, "1000, rejected 3, absent 3 "+absent+", unreferenced 1 [{path 40}]")
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var metrics []string
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			if strings.Contains(name, "coverage") || strings.Contains(name, "fields") {
				metrics = append(metrics, fmt.Sprint(name, " ", m.Gauge.GetValue()+
					m.Counter.GetValue()))
			}
		}
	}
	want(t, "metrics", metrics, "alert_engine_coverage_logs_total 1000",
		"alert_engine_coverage_records_rejected_total 3",
		"alert_engine_rule_absent_fields g/A 1", "alert_engine_rule_absent_fields g/B 2",
		"alert_engine_unreferenced_fields 1")
}
