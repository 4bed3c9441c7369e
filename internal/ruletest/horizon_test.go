package ruletest

import (
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
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
