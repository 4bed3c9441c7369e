package ruletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

const joinRules = `version: 1
groups:
- name: shop
  rules:
  - {alert: Boom, match: 'exception.class:java.lang.IllegalStateException', window: 1m}
  - {alert: Lines, match: 'message:*', when: count() > 2, window: 1m}
`

// The lines of a stack trace are one log in a test and in a backtest that says so, in any order of
// arrival of the logs, and after a restart.
func TestLinesOfAStackTraceAreJoined(t *testing.T) {
	set, err := rule.Read("shop.rules.yml", []byte(joinRules))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.log")
	lines := "2026-01-05 09:00:00,000 ERROR [main] shop.Pay - payment failed\n" +
		"java.lang.IllegalStateException: boom\n\tat shop.Pay.run(Pay.java:17)\n" +
		"2026-01-05 09:00:02,000 INFO [main] shop.Pay - next\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	script := func(join string) *Script {
		return read(t, `
tests:
- name: a stack trace of three lines
`+join+`
  logs:
  - {at: 0s, text: '2026-01-05 09:00:00,000 ERROR [main] shop.Pay - payment failed'}
  - {at: 10ms, text: 'java.lang.IllegalStateException: boom'}
  - {at: 20ms, text: "\tat shop.Pay.run(Pay.java:17)"}
  - {at: 2s, text: '2026-01-05 09:00:02,000 INFO [main] shop.Pay - next'}
  expect:
  - {alert: Boom, fires: 0s}
  nothing_else: true
backtests:
- name: the same lines in a file
`+join+`
  file: `+file+`
  expect:
  - {alert: Boom, fires: 2026-01-05T09:00:00Z}
  nothing_else: true
`)
	}
	o := Options{Shuffle: 50, Seed: 1, Crash: true}
	joined := script("  join: {presets: [java]}").Run(EngineFactory(set), o)
	if list := failures(joined); len(list) > 0 {
		t.Error(strings.Join(list, "\n"))
	}
	if list := failures(script("").Run(EngineFactory(set), o)); len(list) < 2 {
		t.Errorf("lines that are not joined pass: %q", list)
	}
}

func TestJoinOfAnUnknownLanguage(t *testing.T) {
	_, err := readText(t, `
tests:
- {name: a, join: {presets: [cobol]}, nothing_else: true}
backtests:
- {name: b, file: b.log, join: {presets: [cobol]}, nothing_else: true}
`)
	if err == nil || strings.Count(err.Error(), `preset "cobol" is unknown`) != 2 {
		t.Errorf("%v", err)
	}
}
