package ruletest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// A record must have the value that a test expects, at the instant that it names.
func TestValuesOfRecords(t *testing.T) {
	set, err := rule.Read("shop.rules.yml", []byte(`
groups:
- name: shop
  rules:
  - {record: errors, match: 'level:error', when: count(), window: 5m, by: [service]}
`))
	if err != nil {
		t.Fatal(err)
	}
	f := func(expect, want string) {
		t.Helper()
		s := read(t, `
tests:
- name: n
  logs: [{at: 0s, every: 20s, times: 3, log: {service: a, level: error, message: m}}, {at: 30s, log: {service: b, level: error, message: m}}]
  expect: [`+expect+`]
`)
		got := strings.Join(
			failures(s.Run(EngineFactory(set), Options{Shuffle: 10, Crash: true})),
			"\n",
		)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expect, diff)
		}
	}
	f(
		"{record: errors, at: 0s, value: 1}, {record: shop/errors, at: 25s, value: 2, labels: "+
			"{service: a}}, {record: errors, at: 6m, labels: {service: a}}, {record: errors, at: "+
			"1m, value: 1}",
		"",
	)
	f(
		"{record: errors, at: 39s, value: 3, labels: {service: a}}",
		`a_test.yml:5: record errors {service="a"} at 39s: want 3, but it is 2 {service="a"}`,
	)
	f(
		"{record: errors, at: 1m, value: 2}",
		`a_test.yml:5: record errors {} at 1m0s: want 2, but it is 3 {service="a"}, 1 {service="b"}`,
	)
	f(
		"{record: errors, at: 1h, value: 0}",
		`a_test.yml:5: record errors {} at 1h0m0s: want 0, but it has none`,
	)
	f(
		"{record: errors, at: 1m, labels: {service: b}}",
		`a_test.yml:5: record errors {service="b"} at 1m0s: want no value, but it is 1 `+
			`{service="b"}`,
	)
	for text, want := range map[string]string{
		"{record: errors, value: 1}":          "write record, at and value",
		"{record: errors, at: 1s, fires: 1s}": "write record, at and value",
		"{record: errors, alert: A, at: 1s}":  "is about an alert",
		"{alert: A, at: 1s}":                  "is about an alert",
		"{value: 1}":                          "names no alert, and no record",
	} {
		if _, err := readText(t, "tests:\n- name: a\n  expect: ["+text+"]\n"); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
