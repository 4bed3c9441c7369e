package ruletest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, text string) *Script {
	t.Helper()
	s, err := readText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readText(t *testing.T, text string) (*Script, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a_test.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadScript(file)
	if s != nil {
		s.File = "a_test.yml"
	}
	return s, err
}

func failures(results []Result) (list []string) {
	for _, r := range results {
		list = append(list, r.Failures...)
	}
	return list
}

func TestSoundEnginePassesShuffleAndCrash(t *testing.T) {
	s, err := ReadScript("testdata/errors_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tests) != 3 || s.RuleFiles[0] != filepath.Join("testdata", "errors.rules.yml") {
		t.Errorf("script: %d tests, rules %q", len(s.Tests), s.RuleFiles)
	}
	if list := failures(s.Run(counting(sound), Options{Shuffle: 200, Seed: 1, Crash: true})); len(
		list) > 0 {
		t.Errorf("failures: %s", strings.Join(list, "\n"))
	}
}

func TestShuffleFindsArrivalOrder(t *testing.T) {
	s := read(t, `
tests:
- name: errors at the edges of the window
  logs: [{at: 0s, every: 29s, times: 11, log: {service: a, level: ERROR, message: m}}]
  expect: [{alert: Errors, fires: 290s}]
`)
	flawed := counting(func(c *counter) { c.byClock = true })
	if list := failures(s.Run(flawed, Options{})); len(list) > 0 {
		t.Fatalf("in order it fails already: %s", list)
	}
	list := failures(s.Run(flawed, Options{Shuffle: 50, Seed: 7}))
	if len(list) != 1 || !strings.Contains(list[0], "of seed 7 the alerts are others") {
		t.Errorf("failures: %q", list)
	}
}

func TestCrashingFindsAnEngineThatForgets(t *testing.T) {
	s, err := ReadScript("testdata/errors_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	list := failures(s.Run(counting(func(c *counter) { c.forgets = true }), Options{Crash: true}))
	if len(list) != 2 ||
		!strings.Contains(list[0], "with a restart after each record the alerts are others") {
		t.Errorf("failures: %q", list)
	}
}

func TestFailureShowsActualResult(t *testing.T) {
	f := func(expect, want string) {
		t.Helper()
		s := read(t, `
tests:
- name: n
  logs: [{at: 0s, every: 20s, times: 11, log: {service: a, level: ERROR, message: m}}]
`+expect)
		got := strings.Join(failures(s.Run(counting(sound), Options{})), "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expect, diff)
		}
	}
	is := `{alert: Errors, fires: 3m20s, resolves: 5m0s, labels: {service="a"}, summary: "11 ` +
		`errors of a", value: 11} (11 > 10 in 5m)`
	f(
		`  expect: [{alert: Errors, fires: 200s, resolves: 5m, labels: {service: a}, summary: `+
			`'11*of *', value: 11}]`,
		"",
	)
	f(`  expect: [{alert: shop/Errors}]`, "")
	open := strings.Replace(is, ", resolves: 5m0s", "", 1)
	f(
		`  expect: [{alert: Errors, fires: 1m, labels: {service: b}, summary: '12*', value: 3}]`,
		`a_test.yml:5: alert Errors differs: fires: want 1m0s, got 3m20s; label service: want `+
			`"b", got "a"; summary: want "12*", got "11 errors of a"; value: want 3, got 11`+
			"\n    it is: "+open,
	)
	f(
		`  expect: [{alert: Errors, resolves: 6m}]`,
		"a_test.yml:5: alert Errors differs: resolves: want 6m0s, got 5m0s\n    it is: "+is,
	)
	f(
		`  expect: [{alert: Errors, resolves: 4m}]`,
		"a_test.yml:5: alert Errors differs: resolves: want 4m0s, got never\n    it is: "+open,
	)
	f(
		`  expect: [{alert: Other}]`,
		"a_test.yml:5: alert Other should fire, but only these do:\n    "+open,
	)
	f(
		`  expect: [{alert: Errors}, {alert: Errors}]`,
		"a_test.yml:5: alert Errors should fire, but nothing does",
	)
	f(`  nothing_else: true`, "a_test.yml:3: nothing else should fire, but this does: "+open)
}

func TestBrokenScriptIsRefusedWithLine(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := readText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v\nwant  %s", text, err, want)
		}
	}
	f("", "the file is empty")
	f("tests: []", "a_test.yml:1: there are no tests")
	f("title: x\nlogsource: {product: linux}\ndetection: {a: {b: c}, condition: a}\n",
		"a_test.yml:1:1: this is a Sigma rule; name its directory under sigma: in alert-engine.yml")
	f("tests:\n- name: a\n  expct: []\n",
		`:3:3: unknown key "tests[0].expct"; did you mean "expect"?`)
	f("tests:\n- name: a\n  expect:\n  - {alert: A, fire: 3s}\n",
		`:4:16: unknown key "tests[0].expect[0].fire"; did you mean "fires"?`)
	f(
		"tests:\n- name: a\n  expect:\n  - {alert: A, fires: 3x}\n",
		`"3x" is not a duration; durations are like 90s`,
	)
	f(
		"tests:\n- name: a\n  logs: [{at: 0s, text: x}]\n",
		`a_test.yml:2: the test "a" expects nothing, so it cannot fail`,
	)
	f(
		"tests:\n- name: a\n  logs: [{at: 0s}]\n  nothing_else: true\n",
		`a_test.yml:2: log 1 of test "a" has to have either log or text`,
	)
	f(
		"tests:\n- name: a\n  expect: [{fires: 1s}]\n",
		"a_test.yml:3: the expectation names no alert",
	)
}

func TestUnreadableLogFailsTest(t *testing.T) {
	s := read(t, "tests:\n- name: a\n  logs: [{at: 0s, text: ' '}]\n  nothing_else: true\n")
	list := failures(s.Run(counting(sound), Options{}))
	if len(list) != 1 || !strings.Contains(list[0], "a log cannot be read") {
		t.Errorf("failures: %q", list)
	}
}

func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	err := WriteJUnit(&out, []Result{
		{File: "a_test.yml", Name: "good", Took: 1500 * time.Millisecond},
		{File: "b_test.yml", Name: "other"},
		{File: "a_test.yml", Name: "bad", Failures: []string{"first <line>", "second"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a_test.yml" tests="2" failures="1">
    <testcase name="good" classname="a_test.yml" time="1.500"></testcase>
    <testcase name="bad" classname="a_test.yml" time="0.000">
      <failure message="first &lt;line&gt;">first &lt;line&gt;&#xA;second</failure>
    </testcase>
  </testsuite>
  <testsuite name="b_test.yml" tests="1" failures="0">
    <testcase name="other" classname="b_test.yml" time="0.000"></testcase>
  </testsuite>
</testsuites>
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRuleFileCarriesTests(t *testing.T) {
	s := read(t, `
version: 1
lists: {x: [a]}
groups: [{name: shop, rules: [{alert: Errors, match: 'level:error', when: count() > 10, by: [service]}]}]
tests:
- name: n
  logs: [{at: 0s, every: 20s, times: 11, log: {service: a, level: ERROR, message: m}}]
  expect: [{alert: Errors, fires: 200s}]
`)
	if len(s.RuleFiles) != 1 || filepath.Base(s.RuleFiles[0]) != "a_test.yml" {
		t.Errorf("rules of %q", s.RuleFiles)
	}
	if list := failures(s.Run(counting(sound), Options{})); len(list) > 0 {
		t.Errorf("failures: %s", list)
	}
}
