package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

const contractRules = `version: 1
groups:
- name: shop
  rules:
  - {alert: Errors, match: 'level>=ERROR', when: count() > 2, window: 1m, by: [service]}
  - {alert: Fatal, match: 'level>=CRITICAL', window: 1m}
`

// Two incidents of cart, one of pay, and a fatal log.
func contractLogs() string {
	var b strings.Builder
	add := func(at, service, level string) {
		fmt.Fprintf(&b,
			"{\"timestamp\":\"2026-05-04T%sZ\",\"service\":%q,\"level\":%q,\"message\":\"x\"}\n",
			at, service, level)
	}
	for _, hour := range []string{"09", "10"} {
		for second := range 4 {
			add(fmt.Sprintf("%s:00:0%d", hour, second), "cart", "ERROR")
		}
	}
	for second := range 3 {
		add(fmt.Sprintf("11:00:0%d", second), "pay", "ERROR")
	}
	add("12:00:00", "pay", "FATAL")
	return b.String()
}

// contract runs a script with one backtest, and returns its failures.
func contract(t *testing.T, expect string) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "shop_test.yml")
	for name, text := range map[string]string{
		"shop.rules.yml": contractRules,
		"week.log":       contractLogs(),
		"empty.log":      "\n",
		"shop_test.yml":  "rule_files: [shop.rules.yml]\nbacktests:\n- name: the week\n" + expect,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ReadScript(script)
	if err != nil {
		return nil, err
	}
	set, err := rule.Load(s.RuleFiles...)
	if err != nil {
		t.Fatal(err)
	}
	results := s.Run(EngineFactory(set), Options{})
	if len(results) != 1 || results[0].Name != "the week" {
		t.Fatalf("the results are %+v", results)
	}
	return results[0].Failures, nil
}

func TestContracts(t *testing.T) {
	for _, c := range []struct{ expect, failure string }{
		{"at_least: 3, at_most: 3", ""},
		{"labels: {service: cart}, at_least: 2, at_most: 2", ""},
		{"labels: {service: web}, at_most: 0", ""},
		{"fires: 2026-05-04T11:00:02Z", ""},
		{"fires: 2026-05-04T09:00:02Z, resolves: 2026-05-04T09:01:01Z", ""},
		{"at_least: 4", "Errors fires 3 times, first shop/Errors 2026-05-04T09:00:02Z, " +
			`until 2026-05-04T09:01:01Z {service="cart"}; expected are at least 4`},
		{"at_most: 2", "expected are at most 2"},
		{"labels: {service: web}", "Errors fires 0 times; expected are at least 1"},
		{"fires: 2026-05-04T09:00:03Z",
			"Errors does not fire at 2026-05-04T09:00:03Z; it fires 3 times"},
		{
			"fires: 2026-05-04T09:00:02Z, resolves: 2026-05-04T09:02:00Z",
			"Errors does not resolve at 2026-05-04T09:02:00Z",
		},
	} {
		failures, err := contract(t, "  file: week.log\n  expect:\n  - {alert: Errors, "+
			c.expect+"}\n")
		got := strings.Join(failures, "\n")
		if err != nil || (c.failure == "") != (got == "") || !strings.Contains(got, c.failure) {
			t.Errorf("%s: %v, %q, not %q", c.expect, err, got, c.failure)
		}
	}
}

func TestContractAllowsNothingElse(t *testing.T) {
	failures, err := contract(
		t,
		"  file: week.log\n  nothing_else: true\n  expect: [{alert: shop/Errors}]\n",
	)
	if err != nil || len(failures) != 1 ||
		!strings.Contains(failures[0], "this does: shop/Fatal 2026-05-04T12:00:00Z") {
		t.Errorf("%v %v", err, failures)
	}
}

func TestContractsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"  file: week.log\n":                                                  "expects nothing, so it cannot fail",
		"  expect: [{alert: A}]\n":                                            "names no file",
		"  file: x\n  expect: [{at_most: 1}]\n":                               "names no alert",
		"  file: x\n  expect: [{alert: A, at_least: 2, at_most: 1}]\n":        "more than at_most",
		"  file: x\n  expect: [{alert: A, often: 2}]\n":                       "often",
		"  file: x\n  expect: [{alert: A, resolves: 2026-05-04T09:02:00Z}]\n": "resolves needs fires",
	} {
		if _, err := contract(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"  file: gone.log\n  nothing_else: true\n":  "no such file",
		"  file: empty.log\n  nothing_else: true\n": "has no readable logs",
	} {
		failures, err := contract(t, text)
		if err != nil || len(failures) != 1 || !strings.Contains(failures[0], want) {
			t.Errorf("%q: %v %v, not %q", text, err, failures, want)
		}
	}
}
