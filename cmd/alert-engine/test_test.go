package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/pkg/models"

	"time"
)

// anyMatch is an engine that fires for every error, and never resolves: enough for what the
// commands make of an engine.
type anyMatch struct{ emit func(models.Alert) }

type anyMatchScan struct{ logs []models.LogEntry }

func (s anyMatchScan) Logs() int                    { return len(s.logs) }
func (s anyMatchScan) Rejected() []models.Rejection { return nil }

func (anyMatch) NewScanner() models.Scanner { return anyMatch{} }

func (anyMatch) Scan(records []models.Record) models.Scan {
	d, err := decode.New(decode.Config{}, decode.NewFields())
	if err != nil {
		panic(err)
	}
	var scan anyMatchScan
	for i := range records {
		d.Decode(
			&records[i],
			func(l *decode.Log) { scan.logs = append(scan.logs, l.Entry()) },
			func(decode.Reason, string) {},
		)
	}
	return scan
}

func (e anyMatch) Apply(scan models.Scan) {
	for _, l := range scan.(anyMatchScan).logs {
		if l.Level == "ERROR" {
			e.emit(
				models.Alert{
					ID:     l.Timestamp.String(),
					Rule:   "shop/Errors",
					State:  models.AlertFiring,
					At:     l.Timestamp,
					Value:  1,
					Reason: "1 > 0 in 5m",
					Labels: map[string]string{"alertname": "Errors", "service": l.Service},
				},
			)
		}
	}
}

func (anyMatch) Advance(time.Time, []models.Progress)                         {}
func (anyMatch) Save(bool, func(key, value []byte), func(key []byte))         {}
func (anyMatch) Restore(func(each func(key, value []byte) error) error) error { return nil }

func loadAnyMatch([]string) (*loadedRules, error) {
	match := &rule.And{Of: []rule.Query{
		&rule.Leaf{Field: "level", Op: rule.OpEqual, Text: "error"},
		&rule.Leaf{Field: "service", Op: rule.OpPrefix, Text: "pay"},
	}}
	errorsRule := &rule.Rule{
		Name:     "Errors",
		Group:    "shop",
		Match:    match,
		WhenText: "count() > 0",
		Window:   5 * time.Minute,
		By: []rule.Label{
			{Name: "service", Fields: []string{"app", "service"}},
		},
		Pos: rule.Pos{File: "shop.rules.yml", Line: 3},
	}
	return &loadedRules{
		set: &rule.Set{Rules: []*rule.Rule{errorsRule}},
		engines: ruletest.Factory{
			New: func(emit func(models.Alert)) (ruletest.Engine, error) {
				return anyMatch{emit}, nil
			},
			Lateness: time.Second,
		},
	}, nil
}

// runCommand runs a command, and returns what it printed and how it ended.
func runCommand(
	cmd *cobra.Command,
	stdin string,
	args ...string,
) (out, progress string, err error) {
	var o, p bytes.Buffer
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&o)
	cmd.SetErr(&p)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err = cmd.ExecuteContext(context.Background())
	return o.String(), p.String(), err
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const script = `
tests:
- name: an error pages
  logs: [{at: 3s, log: {service: pay, level: ERROR}}]
  expect: [{alert: Errors, fires: 3s}]
- name: two errors do not page
  logs: [{at: 3s, log: {service: pay, level: ERROR}}]
  nothing_else: true
`

func TestFailingTestsAreExplained(t *testing.T) {
	file := writeFile(t, "shop_test.yml", script)
	junit := filepath.Join(t.TempDir(), "report.xml")
	out, _, err := runCommand(testCommandOver(loadAnyMatch), "", "--shuffle", "3", "--seed", "5",
		"--crash", "--junit", junit, file)
	if err != exitCode(1) {
		t.Errorf("ends with %v", err)
	}
	for _, want := range []string{
		"ok    " + file + ": an error pages\n",
		"FAIL  " + file + ": two errors do not page\n  " + file +
			":6: nothing else should fire, but this does: {alert: Errors, fires: 3s",
		"2 tests, 1 failed; each also in 3 other orders of seed 5; each also with a restart " +
			"after each log\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if report, err := os.ReadFile(junit); err != nil ||
		!strings.Contains(string(report), `tests="2" failures="1"`) {
		t.Errorf("report %s, %v", report, err)
	}
	good, _, _ := strings.Cut(script, "- name: two")
	if out, _, err := runCommand(testCommandOver(loadAnyMatch), "",
		writeFile(t, "good_test.yml", good)); err != nil ||
		!strings.HasSuffix(out, "1 test, 0 failed\n") {
		t.Errorf("good script: %v\n%s", err, out)
	}
}

func TestLogsWithoutTopicBelongToEverySource(t *testing.T) {
	file := writeFile(t, "a.rules.yml", `version: 1
source: payments
groups:
- name: g
  rules:
  - {alert: Pays, match: 'n:1'}
tests:
- name: topics
  logs: [{at: 0s, log: {n: 1}}, {at: 10m, topic: payments, log: {n: 1}}, {at: 20m, topic: others, log: {n: 1}}]
  expect: [{alert: Pays, fires: 0s}, {alert: Pays, fires: 10m}]
  nothing_else: true
`)
	if out, _, err := runCommand(testCommandOver(loadRules), "", "--shuffle", "5", "--crash",
		file); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
