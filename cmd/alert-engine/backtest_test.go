package main

import (
	"fmt"
	"strings"
	"testing"
)

const someLogs = `{"timestamp":"2026-01-05T09:00:00Z","service":"pay","level":"ERROR"}
{"timestamp":"2026-01-05T09:00:01Z","service":"pay","level":"INFO"}
{"timestamp":"2026-01-05T09:00:02Z","service":"web","level":"ERROR"}
`

func TestBacktestPrintsATableOrTransitions(t *testing.T) {
	file := writeFile(t, "logs.json", someLogs)
	out, _, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file", file)
	if err != nil ||
		!strings.Contains(
			out,
			"3 logs in 3 records, 2026-01-05T09:00:00Z to 2026-01-05T09:00:02Z (2s)",
		) ||
		!strings.Contains(out, "shop/Errors  2 ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = runCommand(backtestCommandOver(loadAnyMatch), someLogs, "my.rules.yml", "--file",
		"-", "--json")
	want :=
		`{"rule":"shop/Errors","labels":{"alertname":"Errors","service":"pay"},"state":"firing","at":"2026-01-05T09:00:00Z","value":1,"reason":"1 > 0 in 5m"}
{"rule":"shop/Errors","labels":{"alertname":"Errors","service":"web"},"state":"firing","at":"2026-01-05T09:00:02Z","value":1,"reason":"1 > 0 in 5m"}
`
	if err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBacktestFailsOverBudget(t *testing.T) {
	file := writeFile(t, "logs.json", someLogs)
	if _, _, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file",
		file, "--budget", "2/d"); err != nil {
		t.Errorf("within budget: %v", err)
	}
	_, progress, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file",
		file, "--budget", "1/d")
	if err != exitCode(1) ||
		!strings.Contains(progress, "2 alerts in 2s are over the budget of 1/d") {
		t.Errorf("over budget: %v\n%s", err, progress)
	}
	if _, _, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file",
		file, "--budget", "many"); err == nil ||
		!strings.Contains(err.Error(), "write it like 20/d") {
		t.Errorf("bad budget: %v", err)
	}
}

func TestBacktestComparesRuleVersions(t *testing.T) {
	out, _, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file",
		writeFile(t, "logs.json", someLogs), "--diff", "old.rules.yml")
	if err != nil || out != "2 alerts before, 2 after, 0 transitions changed\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBacktestNamesAMissingFile(t *testing.T) {
	if _, _, err := runCommand(backtestCommandOver(loadAnyMatch), "", "my.rules.yml", "--file",
		"no.such.log"); err == nil ||
		!strings.Contains(err.Error(), "no.such.log") {
		t.Errorf("error %v", err)
	}
}

func TestFileOrderDoesNotMatter(t *testing.T) {
	rules := writeFile(
		t,
		"sums.rules.yml",
		"version: 1\nsource: payments\ngroups:\n- name: g\n  rules:\n  - {alert: Sum, when: "+
			"sum(n) > 10, window: 1m}\n",
	)
	line := func(second, n int) string {
		return fmt.Sprintf(`{"timestamp":"2026-01-05T09:%02d:%02dZ","n":%d}`+"\n", second/60,
			second%60, n)
	}
	want :=
		`{"rule":"g/Sum","labels":{"alertname":"Sum"},"state":"firing","at":"2026-01-05T09:00:02Z","value":11,"reason":"11 > 10 in 1m"}
{"rule":"g/Sum","labels":{"alertname":"Sum"},"state":"resolved","at":"2026-01-05T09:01:02Z","value":9,"reason":"9 in 1m"}
`
	for _, logs := range []string{
		line(0, 1) + line(2, 3) + line(2, 7) + line(5, 9) + line(70, 0),
		line(5, 9) + line(2, 7) + line(0, 1) + line(2, 3) + line(70, 0),
	} {
		out, _, err := runCommand(backtestCommandOver(loadRules), "", rules, "--file",
			writeFile(t, "logs.json", logs), "--json")
		if err != nil || out != want {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestLastLinesCountForEveryRule(t *testing.T) {
	rules := writeFile(
		t,
		"two.rules.yml",
		"version: 1\ngroups:\n- name: g\n  rules:\n  - {alert: Soon, match: 'n:1'}\n  - {alert: "+
			"Patient, match: 'n:1', lateness: 1h}\n",
	)
	out, _, err := runCommand(backtestCommandOver(loadRules), "", rules, "--file",
		writeFile(t, "logs.json", `{"timestamp":"2026-01-05T09:00:00Z","n":1}`+"\n"), "--json")
	if err != nil || strings.Count(out, `"firing","at":"2026-01-05T09:00:00Z"`) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}
