package main

import (
	"strings"
	"testing"
)

func TestExplainShowsWhyALogMatches(t *testing.T) {
	out, _, err := runCommand(explainCommandOver(loadAnyMatch), "", "Errors", "--rules",
		"shop.rules.yml", "-e", `{"level":"ERROR","service":"payment"}`)
	want := `shop/Errors (shop.rules.yml:3)
  PASS all of
    PASS level is "error"   ("ERROR")
    PASS service begins with "pay"   ("payment")
  group: service="payment"
  alone it makes the alert firing: 1 > 0 in 5m
`
	if err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestExplainShowsMismatch(t *testing.T) {
	out, _, err := runCommand(explainCommandOver(loadAnyMatch), `{"level":"ERROR","service":"web"}`+
		"\n", "shop/Errors", "--rules", "shop.rules.yml", "-e", "-")
	if err != exitCode(1) || !strings.Contains(out, `FAIL service begins with "pay"   ("web")`) ||
		strings.Contains(out, "group:") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestExplainNamesMissingRule(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, _, err := runCommand(explainCommandOver(loadAnyMatch), "", args...); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", args, err, want)
		}
	}
	f("name the rule files with --rules", "Errors", "-e", "x")
	f(`no rule is called "Other" in shop.rules.yml`, "Other", "--rules", "shop.rules.yml",
		"-e", "x")
	f(`required flag(s) "event" not set`, "Errors", "--rules", "shop.rules.yml")
}
