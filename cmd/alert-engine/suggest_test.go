package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Two hours of logs with an error each ten minutes, and one incident.
func shopLogs() string {
	var b strings.Builder
	start := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	for i := range 2 * 60 * 12 {
		level := "INFO"
		if i%120 == 0 || i >= 600 && i < 640 {
			level = "ERROR"
		}
		fmt.Fprintf(&b, "{\"timestamp\":%q,\"service\":\"cart\",\"host\":\"web-1\",\"level\":%q,"+
			"\"message\":\"order %d\"}\n", start.Add(time.Duration(i)*5*time.Second).Format(
			time.RFC3339), level, i)
	}
	return b.String()
}

// The proposals of a file are listed with their backtest, and written with a test that passes.
func TestSuggest(t *testing.T) {
	logs := writeFile(t, "logs.json", shopLogs())
	output := filepath.Join(t.TempDir(), "first.rules.yml")
	out, progress, err := runCommand(newSuggestCommand(), "", "--file", logs, "-o", output)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1440 logs in 1440 records, 2026-05-04T09:00:00Z to 2026-05-04T10:59:55Z (1h59m55s)",
		"ServiceErrors       count() > 5 in 5m by service",
		"HostSilent          count() == 0 in 5m by host",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if !strings.Contains(progress, "written: "+output) || t.Failed() {
		t.Errorf("%s\n%s", progress, out)
	}
	script := strings.TrimSuffix(output, ".rules.yml") + "_test.yml"
	if out, _, err := runCommand(testCommandOver(loadRules), "", script, "--crash"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := runCommand(newSuggestCommand(), "", "--file", logs, "-o", output); err == nil ||
		!strings.Contains(err.Error(), "exists; name another file") {
		t.Errorf("a file would be written over: %v", err)
	}
}

func TestSuggestPrintsJSON(t *testing.T) {
	logs := writeFile(t, "logs.json", shopLogs())
	out, _, err := runCommand(newSuggestCommand(), "", "--file", logs, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var first struct {
		Rule, When      string
		Matches, Alerts int
	}
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &first); err != nil ||
		first.Rule != "suggested/ServiceErrors" || first.Matches != 51 || first.Alerts != 1 {
		t.Errorf("%+v, %v\n%s", first, err, out)
	}
}

func TestSuggestRefuses(t *testing.T) {
	logs := writeFile(t, "logs.json", shopLogs())
	for want, args := range map[string][]string{
		"a sample has at least 1 record": {"--file", logs, "--sample", "0"},
		"name it *.rules.yml":            {"--file", logs, "-o", "first.yaml"},
		"no such file":                   {"--file", logs + "x"},
		"has no readable logs":           {"--file", writeFile(t, "empty.json", "")},
	} {
		if _, _, err := runCommand(newSuggestCommand(), "", args...); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, not %q", args, err, want)
		}
	}
}
