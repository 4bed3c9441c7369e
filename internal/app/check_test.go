package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check runs Check and returns its result and text.
func check(o CheckOptions, files ...string) (CheckResult, string, error) {
	o.Files = files
	r, err := Check(context.Background(), o)
	if err != nil {
		return CheckErrors, "", err
	}
	return r.Result(), reportText(r), nil
}

func reportText(r *Report) string {
	var out strings.Builder
	if err := r.WriteText(&out); err != nil {
		panic(err)
	}
	return out.String()
}

// Mistakes end the check; what is only doubtful is notified with its name, so that it can be
// ignored.
func TestCheck(t *testing.T) {
	f := func(text string, want CheckResult, output string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "a.rules.yml")
		if err := os.WriteFile(file, []byte("groups:\n- name: g\n  rules:\n"+text+
			"version: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got, out, err := check(CheckOptions{}, file)
		if got != want || err != nil {
			t.Errorf("%s: result %d, want %d; %v", text, got, want, err)
		}
		if got := strings.ReplaceAll(out, file, "FILE"); got != output {
			t.Errorf("%s\ngot  %swant %s", text, got, output)
		}
	}
	f("  - {alert: A, match: 'level:error'}\n  - {record: r, when: count()}\n", CheckGood,
		"2 rules, 0 warnings\n")
	f(
		"  - {alert: A, match: 'lev:>x', windw: 5m}\n",
		CheckErrors,
		"FILE:4:29: \"x\" is not a number; numbers are like 5, 250ms, 5MB or 5%\nFILE:4:33: "+
			"unknown key \"windw\"; did you mean \"window\"?\n2 errors\n",
	)
	f(
		"  - {alert: A, when: since(a) > count()}\n",
		CheckErrors,
		"FILE:4:22: since can only be compared with a constant; as in since(event:deploy_end) > "+
			"1h\n1 error\n",
	)
	f(
		"  - {alert: A, match: 'level:error', annotations: {a: '{{ .Last.Message }} {{ index "+
			".Top.user 3 }}', b: '{{ .Vlaue }}'}}\n",
		CheckErrors,
		"FILE:4:5: annotation b asks for .Vlaue, and there is no Vlaue; known are .Labels, "+
			".Value, .Current, .FiredValue, .Peak, .Duration, .Threshold, .Count, .Reason, "+
			".First, .Last, .Top, .Start, .At, .End, .Window, .State, .Severity, .Rule, .Group, "+
			".Name and .Late\n1 error\n",
	)
	f(
		"  - {alert: A, match: 'not a', for: 1s}\n",
		CheckLints,
		"FILE:4:23: warning: nothing in it must be present, so it is evaluated for every log: "+
			"add a field, a word of three characters or more, or a level that must be there "+
			"(no-anchor)\n"+
			"FILE:4:37: warning: for of 1s is shorter than the lateness of 10s, by which the "+
			"alert is delayed anyway; make it longer than the lateness, or leave it out, so that "+
			"the alert fires with the log that completes it (short-for)\n"+
			"1 rule, 2 warnings\n",
	)
}

// A rule of ElastAlert is named as what it is. It has filter, as filters of Sigma do.
func TestCheckNamesElastAlert(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pasted.yml")
	text := "name: n\ntype: any\nindex: logs-*\nfilter:\n- term: {level: error}\nalert: [slack]\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, out, err := check(CheckOptions{}, name)
	if got != CheckErrors || err != nil || !strings.Contains(out, "this is an ElastAlert rule") {
		t.Errorf("result %d, %v: %s", got, err, out)
	}
}

// The rules of the demo have no warnings.
func TestCheckDemo(t *testing.T) {
	got, out, err := check(CheckOptions{}, filepath.Join("demo", "shop.rules.yml"))
	if got != CheckGood || err != nil {
		t.Errorf("result %d, %v:\n%s", got, err, out)
	}
}
