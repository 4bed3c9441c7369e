package ruletest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
)

// A test script is read in time in proportion to it.
func TestScriptsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	const n = linear.N
	const test = "rule_files: [a.rules.yml]\ntests:\n- name: t\n  nothing_else: true\n"
	var shapes []linear.Shape
	add := func(prefix, suffix string, parts ...string) {
		shapes = append(shapes, linear.Shapes([]string{prefix}, parts, suffix)...)
	}
	add("rule_files: [a.rules.yml]\ntests:\n", "", "- {name: t, nothing_else: true}\n",
		"- {name: t"+n+", nothing_else: true, logs: [{at: 0s, text: x}]}\n", "- {}\n", "- {nope"+n+": 1}\n",
		"- [\n", "- {name: t, expect: [{alert: A, fires: 1m}]}\n")
	add(test+"  logs:\n", "", "  - {at: 0s, text: x}\n", "  - {at: "+n+"s, log: {a: b}}\n", "  - {}\n",
		"  - {at: 0s, log: {a"+n+": {b: c}}, times: 3, every: 1s}\n", "  - {at: x}\n")
	add(test+"  logs: [{at: 0s, log: {", "}}]\n", "a"+n+": b, ", "a: {", "a: b, ", "a: [")
	add(test+"  expect:\n", "", "  - {alert: A, fires: 1m}\n", "  - {alert: A"+n+", labels: {a: b}}\n", "  - {}\n")
	add("rule_files: [", "]\n", "a"+n+".rules.yml, ", "a, ", "[")
	add("lists:\n  l: [", "]\ntests: [{name: t, nothing_else: true}]\n", "a"+n+", ", "a, ")
	add("", "", "a: b\n", "[", "{", "- ", "&a [", "*a, ", "? ", "| ", "# x\n", "---\n", `"`, "'", "\t",
		"a: &a"+n+" b\n", "<<: *a\n", "a"+n+": b\n")
	file := filepath.Join(t.TempDir(), "a_test.yml")
	linear.Law{Size: 48 << 10, Enough: 75 * time.Millisecond}.Check(t, "script", shapes,
		func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadScript(file); err != nil {
				_ = err.Error()
			}
		})
	t.Logf("%d shapes", len(shapes))
}
