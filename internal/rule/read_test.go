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
	if r.ID() != "shop/ServiceErrors" || r.Window != 10*time.Second || r.Lateness != time.Second ||
		r.Labels["team"] != "shop" ||
		r.By[0].Name != "service" {
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
	f(
		"window: 5x\nwhem: count() > 1",
		"a.yml:6:13: \"5x\" is not a duration; durations are like 90s, 5m, 1h30m, 1.5h or "+
			"7d\na.yml:7:5: unknown key \"whem\"; did you mean \"when\"?",
	)
	f(
		"match: foo #bar",
		"a.yml:6:12: YAML takes \"#bar\" for a comment; wrap the whole query in single quotes, "+
			"or put the comment on its own line",
	)
	f(
		"match: !x",
		"a.yml:6:12: YAML takes \"!x\" for a tag; if this is a query, wrap the whole query in "+
			"single quotes",
	)
	f("match: 'a (b'", `a.yml:6:15: "(" is never closed; add ")"`)
	f(
		"match: 'level:loud'",
		`a.yml:6:19: unknown level "loud"; levels are TRACE, DEBUG, INFO, NOTICE, WARN, ERROR, `+
			`CRITICAL, ALERT and FATAL`,
	)
	f(
		"match: 'path:/a(/'",
		"a.yml:6:18: error parsing regexp: missing closing ): `a(`; the syntax is RE2",
	)
	f("when: count(a:(b) > 1", `a.yml:6:16: "(" is never closed; add ")"`)
	f("when: cuont() > 1", `a.yml:6:11: unknown function "cuont"; did you mean "count"?`)
	f("when: count()", "a.yml:6:11: the condition is a number; compare it, as in count() > 10")
	f("labels: {state: '{{ .State }}'}",
		"a.yml:6:21: label state reads .State, which moves while the "+
			"alert lives, and with it the alert's identity; write levels for a severity that "+
			"moves with the "+
			"value; other texts belong in annotations")
	f("labels: {x: '{{ with .Labels.a }}{{ $.End }}{{ end }}'}",
		"a.yml:6:17: label x reads .End, which "+
			"moves while the alert lives, and with it the alert's identity; write it as an "+
			"annotation")
	f("annotations: {summary: '{{ .Value'}", "a.yml:6:28: 1: unclosed action")
	f(
		"when: count() > 1\nlevels: {warning: 800}",
		`a.yml:7:23: "800" is not a threshold; write it like '> 800'`,
	)
	f("suppressed_by: [deploy]", `a.yml:6:21: suppression "deploy" is not defined`)
	f("when: count(user:@x) > 1", `a.yml:6:17: list "x" is not defined`)
	f("match: {user: '@x'}", `a.yml:6:19: list "x" is not defined`)
	f("mode: loud", `a.yml:6:11: unknown mode "loud"; modes are live, shadow, signal and off`)
	f(
		"sequence: [{not: a}]\nwithin: 5m",
		"a.yml:6:22: a sequence begins with something that happens; begin with match",
	)
	f(
		"sequence: [{match: a, times: 0}]\nwithin: 5m",
		"a.yml:6:34: a step has to happen at least once, and what must not happen is not "+
			"counted; leave times out",
	)
	f(
		"sequence: [{match: a}]\nwithin: 5m\nwhen: count() > 1",
		"a.yml:6:15: a rule has either when or sequence; make two rules of it, and join them "+
			"with firing(Name)",
	)
	f(
		"within: 5m",
		"a.yml:6:13: within has no sequence; the length of a window is written window: 5m",
	)
	f("window: 0s", "a.yml:6:13: window is empty; write how far back logs count, such as 5m")
	f(
		"window: 1m\nevery: 2m",
		"a.yml:7:12: every is longer than the window, so logs between two windows would be missed",
	)
	f(
		"levels: {warning: '> 800'}",
		"a.yml:6:13: levels need a when whose number they judge; add when: count() > 0",
	)
	f(
		"expect: {from: '@x'}\nby: [a, b]",
		"a.yml:6:13: expect needs a rule with one label in by, whose values the list holds; add "+
			"by: [host]\na.yml:6:20: list \"x\" is not defined",
	)
	f(
		"resolve: {}",
		"a.yml:6:14: resolve is empty; write 1h, a query, {when: ...}, {match: ..., or_after: "+
			"30m} or manual",
	)
	f("by: [a, 'a=b']", `a.yml:6:13: label "a" is given twice`)
	f("by: ['a=']", `a.yml:6:10: "a=" is not a label; write field, or 'label=field|field'`)
	f(
		"record: r",
		"a.yml:5:5: a record needs a number; add when: count()\na.yml:6:13: a rule is either "+
			"alert or record; make two rules of it",
	)
	f("when: firing(Nobody)", `a.yml:6:11: alert "Nobody" is not defined; known are A`)
	f(
		"when: since(a) offset 1d > 5",
		"a.yml:6:11: since has no offset; offset goes with count, rate and the aggregates, as in "+
			"count() offset 1w",
	)
	f(
		"when: count() > baseline(2 * count())",
		"a.yml:6:30: baseline needs one aggregate; as in baseline(count(), 4w)",
	)
	f("lint_ignore: [no-ancor]", `a.yml:6:19: unknown lint "no-ancor"; did you mean "no-anchor"?`)
	f("match: 'user:@gone'", `a.yml:6:13: list "gone" is not defined`)
	f(
		"limit: 0",
		"a.yml:6:12: limit is 0, so the rule could have no group; write how many groups it may "+
			"have at most, or leave limit out for 10,000",
	)
	f("limit: -1", `a.yml:6:12: "-1" is not a whole number`)
	f("active: [never]", `a.yml:6:14: time interval "never" is not defined`)
	f("sequence: [{match: a}]", `a.yml:6:15: sequence has no within; add within: 5m beside it`)
	f("match: {m|contians: a}", `a.yml:6:13: unknown modifier "contians"; did you mean "contains"?`)
}

// A directory is read, and one name may stand in it only once.
func TestDuplicates(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		text := "groups: [{name: g, rules: [{alert: A}]}]"
		if err := os.WriteFile(filepath.Join(dir, name+".rules.yml"), []byte(text),
			0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir); err == nil ||
		!strings.Contains(err.Error(), "b.rules.yml:1:28: rule g/A is also at ") {
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
  - alert: S
    by: [user]
    expect: {from: '@staff'}
    when: avg(took_ms) > 500ms and firing(A)
    levels: {warning: '> 800', critical: '>= 3s'}
  - alert: A
    active: [not office]
    suppressed_by: [deploy]
    within: 5m
    sequence:
    - {match: 'user:@staff', times: 5}
    - {not: 'event:mfa_ok', within: 1m}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules[1]
	if len(r.Sequence) != 2 || r.Sequence[0].Times != 5 || !r.Sequence[1].Not ||
		r.Sequence[1].Within != time.Minute ||
		!r.Active[0].Not {
		t.Errorf("rule is %+v", r)
	}
	r = set.Rules[0]
	if r.Expect != "staff" || len(r.Levels) != 2 ||
		r.Levels[1] != (Level{"critical", ">=", 3000}) ||
		set.Suppressions[0].Max != 30*time.Minute {
		t.Errorf("rule is %+v", r)
	}
	monday := time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
	if o := set.Intervals["office"]; !o.Contains(monday) || o.Contains(monday.Add(-24*time.Hour)) {
		t.Error("office hours are wrong")
	}
}

// What a file sets holds for its groups, and what a group sets for its rules, until they say
// otherwise.
func TestDefaults(t *testing.T) {
	set, err := Read("a.yml", []byte(`
source: logs
window: 10m
samples: {last: 3}
labels: {team: shop, env: prod}
groups:
- name: g
  lateness: 1m
  source: [edge, logs]
  labels: {team: pay}
  lint_ignore: [no-anchor]
  rules:
  - {alert: A}
  - {alert: B, window: 1m, source: alerts, samples: {first: 0}, labels: {env: test}, lint_ignore: [short-for]}
- name: h
  rules:
  - {record: r, when: count() / 60}
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := set.Rules[0], set.Rules[1], set.Rules[2]
	if a.Window != 10*time.Minute || a.Lateness != time.Minute || a.Source != "edge" ||
		a.Sources[0] != "logs" ||
		a.Samples.First != 1 ||
		a.Samples.Last != 3 {
		t.Errorf("A is %+v", a)
	}
	if b.Window != time.Minute || b.Source != "alerts" || b.Sources != nil ||
		b.Samples.First != 0 ||
		b.Samples.Last != 3 {
		t.Errorf("B is %+v", b)
	}
	if a.Labels["team"] != "pay" || a.Labels["env"] != "prod" || b.Labels["team"] != "pay" ||
		b.Labels["env"] != "test" ||
		c.Labels["team"] != "shop" {
		t.Errorf("labels are %v, %v, %v", a.Labels, b.Labels, c.Labels)
	}
	if len(a.LintIgnore) != 1 || len(b.LintIgnore) != 2 || len(c.LintIgnore) != 0 || !c.Record ||
		c.Source != "logs" ||
		c.Lateness != 10*time.Second {
		t.Errorf("rules are %+v, %+v, %+v", a, b, c)
	}
}

// A constant that is held against a field has the field's unit; one that is held against a count or
// a ratio is itself.
func TestUnitsOfFields(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		c, err := ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := c.(*Binary).Right.(*Number)
		if !ok {
			n = c.(*Binary).Left.(*Number)
		}
		if n.Value != want {
			t.Errorf("%s: the constant is %v, want %v", text, n.Value, want)
		}
	}
	f("p99(duration_ms) > 800", 800)
	f("p99(took) > 2s", 2000)
	f("2s < p99(took) offset 1d", 2000)
	f("max(cpu) >= 85%", 85)
	f("avg(size) > 5MB", 5e6)
	f("avg(used) / avg(total) > 85%", 0.85)
	f("count(a) / count() > 5%", 0.05)
	f("since(a) < 10m", 600)
	f("avg(a) / count() < 1s", 1000)
}

// A file that is not there, or a pattern that fits none, is said as such.
func TestLoadMissing(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if _, err := Load(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	f("gone.yml", "gone.yml: rule file is missing or cannot be read: no such file or directory")
	f("gone*.yml", "gone*.yml: no rule file is found here")
}
