package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Mistakes end the check; what is only doubtful is told with its name, so that it can be ignored.
func TestCheck(t *testing.T) {
	f := func(text string, want CheckResult, output string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "a.rules.yml")
		if err := os.WriteFile(file, []byte("groups:\n- name: g\n  rules:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if got, err := Check(t.Context(), &out, []string{file}, CheckOptions{}); got != want ||
			err != nil {
			t.Errorf("%s: result %d, want %d; %v", text, got, want, err)
		}
		if got := strings.ReplaceAll(out.String(), file, "FILE"); got != output {
			t.Errorf("%s\ngot  %swant %s", text, got, output)
		}
	}
	f(
		"  - {alert: A, match: 'level:error'}\n  - {record: r, when: count()}\n",
		CheckGood,
		"rules: 2, to look at: 0\n",
	)
	f(
		"  - {alert: A, match: 'lev:>x', windw: 5m}\n",
		CheckErrors,
		"FILE:4:29: \"x\" is not a number; numbers are like 5, 250ms, 5MB or 5%\nFILE:4:33: unknown key \"windw\"; did you mean \"window\"?\n",
	)
	f(
		"  - {alert: A, when: since(a) > count()}\n",
		CheckErrors,
		"FILE:4:22: since can only be compared with a constant; as in since(event:deploy_end) > 1h\n",
	)
	f(
		"  - {alert: A, match: 'level:error', annotations: {a: '{{ .Last.Message }} {{ index .Top.user 3 }}', b: '{{ .Vlaue }}'}}\n",
		CheckErrors,
		"FILE:4:5: annotation b asks for .Vlaue, and there is no Vlaue; known are .Labels, .Value, .Threshold, .Count, .Reason, .First, .Last, .Top, .Start, .At, .End, .Window, .State, .Severity, .Rule, .Group, .Name and .Late\n",
	)
	f(
		"  - {alert: A, match: 'not a', for: 1s}\n",
		CheckLints,
		"FILE:4:23: nothing in it must be present, so it is evaluated for every log: add a field, a word of three characters or more, or a level that must be there (no-anchor)\n"+
			"FILE:4:37: for of 1s is shorter than the lateness of 10s, by which the alert is delayed anyway; make it longer than the lateness, or leave it out, so that the alert fires with the log that completes it (short-for)\n"+
			"rules: 1, to look at: 2\n",
	)
}

// The demo's rules have nothing to look at.
func TestCheckDemo(t *testing.T) {
	var out strings.Builder
	if got, err := Check(t.Context(), &out, []string{filepath.Join("demo", "shop.rules.yml")}, CheckOptions{}); got != CheckGood ||
		err != nil {
		t.Errorf("result %d, %v:\n%s", got, err, out.String())
	}
}

// With several instances, check names the rules that they cannot share.
func TestCheckForSeveralInstances(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.rules.yml")
	rules := "groups:\n- name: g\n  rules:\n  - {alert: A, match: 'level:error', by: [service, host]}\n  - {alert: B, match: 'level:warn', by: [host]}\n  - {alert: C, match: 'level:fatal', lint_ignore: [spread-groups]}\n"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	got, err := Check(
		t.Context(),
		&out,
		[]string{file},
		CheckOptions{RecordKey: []string{"service"}},
	)
	want := "FILE:5:41: logs are put on partitions by service, and what the rule looks at together may be on several, so it needs an instance that reads all of them; " +
		"group by service, or give it an instance of its own (spread-groups)\nrules: 3, to look at: 1\n"
	if text := strings.ReplaceAll(out.String(), file, "FILE"); got != CheckLints || err != nil ||
		text != want {
		t.Errorf("result %d, %v:\n%s", got, err, text)
	}
}
