package ruletest

import (
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func TestLatenessOfOtherRules(t *testing.T) {
	set, err := rule.Read("a.rules.yml", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: Slow, match: 'a', when: count() / count() > 0, window: 5s, lateness: 30s}
  - {alert: Fast, match: 'b', when: count() / count() > 0, window: 5s, lateness: 0s}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := read(t, `
tests:
- name: both are decided to the same instant
  logs:
  - {at: 0s, log: {message: a}}
  - {at: 1s, log: {message: b}}
  expect:
  - {alert: Slow, fires: 0s}
  - {alert: Fast, fires: 1s}
  nothing_else: true
`)
	if list := failures(s.Run(EngineFactory(set), Options{Shuffle: 20, Crash: true})); len(
		list,
	) > 0 {
		t.Errorf("failures: %s", strings.Join(list, "\n"))
	}
}

func TestSourceWithoutLogsIsSilent(t *testing.T) {
	set, err := rule.Read("a.rules.yml", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: NoPayments, source: payments, when: count() == 0, window: 5m}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := read(t, `
tests:
- name: no payments
  logs:
  - {at: 6m, log: {message: a}, topic: orders}
  expect:
  - {alert: NoPayments, fires: 5m}
  nothing_else: true
`)
	if list := failures(s.Run(EngineFactory(set), Options{Shuffle: 20, Crash: true})); len(
		list,
	) > 0 {
		t.Errorf("failures: %s", strings.Join(list, "\n"))
	}
}

// A backtest of one topic decides rules that ask about alerts of another.
func TestBacktestWithoutObservedTopic(t *testing.T) {
	set, err := rule.Read("a.rules.yml", []byte(`version: 1
groups:
- name: g
  rules:
  - {alert: DatabaseDown, source: database, match: 'down'}
  - {alert: NoDatabase, source: database, when: count() == 0, window: 1s}
  - {alert: Errors, source: shop, match: 'error', when: count() > 0 and not firing(DatabaseDown)}
`))
	if err != nil {
		t.Fatal(err)
	}
	b := Backtest{
		Factory: EngineFactory(set), Partitions: []models.Progress{{Topic: "shop", End: 2}},
	}
	report, err := b.Run(t.Context(), func(yield func(decode.Sample, error) bool) {
		for i := range int64(2) {
			at := time.Date(2026, 1, 5, 9, 0, int(30*i), 0, time.UTC)
			if !yield(decode.Sample{Timed: true, Record: models.Record{
				Topic: "shop", Offset: i, Timestamp: at, Value: []byte(`{"message":"error"}`),
			}}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Alerts) != 1 || report.Alerts[0].Rule != "g/Errors" {
		t.Errorf("%+v", report.Alerts)
	}
}
