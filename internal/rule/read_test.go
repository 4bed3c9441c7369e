package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A rule file of the shop is read whole.
func TestLoadShop(t *testing.T) {
	set, err := Load(filepath.Join("..", "app", "demo", "shop.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules) != 5 {
		t.Fatalf("%d rules, want 5", len(set.Rules))
	}
	r := set.Rules[0]
	if r.ID() != "shop/ServiceErrors" || r.Window != 10*time.Second || r.Lateness != time.Second || r.Labels["team"] != "shop" || r.By[0].Name != "service" {
		t.Errorf("first rule is %+v", r)
	}
}

// Every mistake is reported at once, each where it stands and with what to do.
func TestMistakes(t *testing.T) {
	f := func(rule, want string) {
		t.Helper()
		text := "version: 1\ngroups:\n- name: g\n  rules:\n  - alert: A\n"
		for _, line := range strings.Split(rule, "\n") {
			text += "    " + line + "\n"
		}
		_, err := Read("a.yml", []byte(text))
		if err == nil {
			t.Errorf("%s\nis accepted, want %s", rule, want)
		} else if err.Error() != want {
			t.Errorf("%s\ngot  %s\nwant %s", rule, err, want)
		}
	}
	f("window: 5x\nwhem: count() > 1", "a.yml:7:5: unknown key \"whem\"; did you mean \"when\"?\na.yml:6:13: \"5x\" is not a duration; durations are like 90s, 5m, 1h30m, 7d or 2w")
	f("match: foo #bar", "a.yml:6:12: YAML takes \"#bar\" for a comment; wrap the whole query in single quotes, or put the comment on its own line")
	f("match: !x", "a.yml:6:12: YAML takes \"!x\" for a tag; if a query stands here, wrap the whole query in single quotes")
	f("match: 'a (b'", `a.yml:6:15: "(" is never closed; add ")"`)
	f("match: 'level:loud'", `a.yml:6:19: unknown level "loud"; levels are TRACE, DEBUG, INFO, WARN, ERROR and FATAL`)
	f("match: 'path:/a(/'", "a.yml:6:18: error parsing regexp: missing closing ): `a(`; the syntax is RE2")
	f("when: count(a:(b) > 1", `a.yml:6:16: "(" is never closed; add ")"`)
	f("when: cuont() > 1", `a.yml:6:11: unknown function "cuont"; did you mean "count"?`)
	f("when: count()", "a.yml:6:11: the condition is a number; compare it, as in count() > 10")
	f("annotations: {summary: '{{ .Value'}", "a.yml:6:28: 1: unclosed action")
	f("levels: {warning: 800}", `a.yml:6:23: "800" is not a threshold; write it like '> 800'`)
	f("suppressed_by: [deploy]", `a.yml:6:21: suppression "deploy" is not defined`)
	f("when: count(user:@x) > 1", `a.yml:6:17: list "x" is not defined`)
	f("match: {user: '@x'}", `a.yml:6:19: list "x" is not defined`)
	f("tests: []", `a.yml:6:5: "tests" is not supported yet`)
	f("match: 'user:@nobody'", `a.yml:6:13: list "nobody" is not defined`)
	f("active: [never]", `a.yml:6:14: time interval "never" is not defined`)
	f("sequence: [{match: a}]", `a.yml:6:15: sequence has no within; add within: 5m beside it`)
	f("match: {m|contians: a}", `a.yml:6:13: unknown modifier "contians"; did you mean "contains"?`)
}

// A directory is read, and one name may stand in it only once.
func TestDuplicates(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		text := "groups: [{name: g, rules: [{alert: A}]}]"
		if err := os.WriteFile(filepath.Join(dir, name+".rules.yml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "b.rules.yml:1:28: rule g/A is also at ") {
		t.Errorf("got %v", err)
	}
}

// Office hours are Alertmanager's, and a sequence, a list and hours stand in one rule.
func TestReferences(t *testing.T) {
	set, err := Read("a.yml", []byte(`
time_intervals:
- name: office
  time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]
lists: {staff: {values: [ann, bob]}}
suppressions: [{name: deploy, start: 'event:deploy', end: 'event:deployed', max: 30m}]
groups:
- name: g
  rules:
  - alert: A
    active: [not office]
    suppressed_by: [deploy]
    expect: {from: '@staff'}
    levels: {warning: '> 800', critical: '>= 3s'}
    within: 5m
    sequence:
    - {match: 'user:@staff', times: 5}
    - {not: 'event:mfa_ok', within: 1m}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules[0]
	if len(r.Sequence) != 2 || r.Sequence[0].Times != 5 || !r.Sequence[1].Not || r.Sequence[1].Within != time.Minute || !r.Active[0].Not {
		t.Errorf("rule is %+v", r)
	}
	if r.Expect != "staff" || len(r.Levels) != 2 || r.Levels[1] != (Level{"critical", ">=", 3}) || set.Suppressions[0].Max != 30*time.Minute {
		t.Errorf("rule is %+v", r)
	}
	monday := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	if o := set.Intervals["office"]; !o.Contains(monday) || o.Contains(monday.Add(-24*time.Hour)) {
		t.Error("office hours are wrong")
	}
}
