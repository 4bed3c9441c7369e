package ruletest

import (
	"os"
	"path/filepath"
	"testing"
)

// A suppression that begins at the very instant at which another one ends continues muting, and the
// engine continues.
func TestSuppressionsThatMeet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meet.rules.yml")
	text := `version: 1
suppressions:
- {name: deployment, start: 'event:start', end: 'event:end', max: 1m}
groups:
- name: shop
  rules:
  - {alert: Errors, match: 'level:ERROR', window: 10m, suppressed_by: [deployment]}
tests:
- name: two deployments
  logs:
  - {at: 0s, log: {event: start}}
  - {at: 10s, log: {level: ERROR, message: x}}
  - {at: 60s, log: {event: start}}
  expect: [{alert: Errors, fires: 2m}]
  nothing_else: true
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, failure := range runScript(t, file) {
		t.Error(failure)
	}
}
