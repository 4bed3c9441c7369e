package sigma

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Regression tests are read as SigmaHQ keeps them: the rule is where the test's place says, or
// anywhere in the checkout, and the events are as Windows exports them.
func TestRegressions(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const id = "33333333-3333-4333-8333-333333333333"
	const info = `rule_metadata: [{id: ` + id + `}]
regression_tests_info:
- {name: Positive, type: evtx, match_count: 2, path: regression_data/rules/win/one/e.evtx}
`
	const rule = `title: One
id: ` + id + `
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: '\a.exe', SourceName: x, CommandLine: null}, condition: s}
`
	event := func(image string) string {
		return `{"Event": {"#attributes": {"xmlns": "x"}, "System": {"EventID": 1, "Channel": ` +
			`"Microsoft-Windows-Sysmon/Operational"}, "EventData": {"Image": "C:\\` + image +
			`", "Source Name": "X"}}}` + "\n"
	}
	write("rules/win/one.yml", rule)
	write("regression_data/rules/win/one/info.yml", info)
	write("regression_data/rules/win/one/e.json", event("a.exe")+event("b.exe")+event("a.exe"))
	f := func(want string) {
		t.Helper()
		list, err := ReadRegressions(filepath.Join(dir, "regression_data"))
		if err != nil {
			t.Fatal(err)
		}
		results, err := RunRegressions(list, func() time.Time { return time.Time{} })
		if err != nil || len(results) != 1 {
			t.Fatal(results, err)
		}
		got := strings.Join(results[0].Failures, "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("")
	write("rules/win/one.yml", strings.Replace(rule, "SourceName: x", "SourceName: y", 1))
	f(`one.yml:1: One matches 0 of 3 events, at least 2 have to`)
	write("rules/win/one.yml", strings.Replace(rule, "condition: s", "condition: t", 1))
	f(`selection "t" is not defined`)
	if err := os.Remove(filepath.Join(dir, "rules/win/one.yml")); err != nil {
		t.Fatal(err)
	}
	f("rule " + id + " is not in")
	write("rules-other/two.yml", rule) // it has moved
	f("")
}
