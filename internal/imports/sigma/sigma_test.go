package sigma

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// load translates and reads rules; every rule must be taken.
func load(t *testing.T, opt Options, texts ...string) *rule.Set {
	t.Helper()
	set, report := tryLoad(t, opt, texts...)
	for _, m := range report.Remarks {
		if m.Verdict == imports.Refused {
			t.Fatal(m)
		}
	}
	return set
}

func tryLoad(t *testing.T, opt Options, texts ...string) (*rule.Set, *imports.Report) {
	t.Helper()
	var files []File
	for i, text := range texts {
		files = append(files, File{Name: string(rune('a'+i)) + ".yml", Data: []byte(text)})
	}
	translation := Read(files, opt)
	set, err := rule.LoadDocuments(translation.Documents, nil)
	if err != nil {
		t.Fatal(err)
	}
	translation.Refuse(set, 0)
	return set, translation.Report
}

func holds(t *testing.T, r *rule.Rule, log string) (held bool) {
	t.Helper()
	ix, err := match.Compile([]rule.Query{r.Match}, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := decode.New(decode.Config{}, ix.Fields())
	if err != nil {
		t.Fatal(err)
	}
	m := ix.NewMatcher()
	rec := models.Record{Topic: "t", Timestamp: time.Unix(1_800_000_000, 0), Value: []byte(log)}
	d.Decode(&rec, func(l *decode.Log) {
		held = len(m.Match(l, nil)) == 1
	}, func(decode.Reason, string) {})
	return held
}

const selfLogon = `title: Self Logon
id: 11111111-1111-4111-8111-111111111111
status: test
author: Ann
references: [https://example.org/a]
tags: [attack.t1078]
level: high
logsource: {product: windows, service: security}
detection:
  selection:
    EventID: 4648
    SubjectUserName|fieldref: TargetUserName
  condition: selection
`

func TestRuleKeepsItsOrigin(t *testing.T) {
	r := load(t, Options{}, "\n"+selfLogon).Rules[0]
	if r.Name != "Self Logon" || r.ID() != "11111111-1111-4111-8111-111111111111" ||
		r.Labels["severity"] != "high" || r.Author != "Ann" || r.Annotations["author"] != "Ann" ||
		r.Annotations["references"] != "https://example.org/a" ||
		r.Origin != (rule.Origin{System: "sigma", File: "a.yml", Line: 2, ID: r.UID}) ||
		r.Annotations["tags"] != "attack.t1078" {
		t.Errorf("got %+v", r)
	}
	f := func(log string, want bool) {
		t.Helper()
		if got := holds(t, r, log); got != want {
			t.Errorf("%s: got %v", log, got)
		}
	}
	f(`{"EventID":4648,"SubjectUserName":"ann","TargetUserName":"ANN"}`, true)
	f(`{"EventID":4648,"SubjectUserName":"ann","TargetUserName":"bob"}`, false)
	f(`{"EventID":4648,"SubjectUserName":"ann"}`, false)
}

func TestNamesMeanTheLogsOwnFields(t *testing.T) {
	r := load(t, Options{}, `title: Own
detection: {s: {Level: 4, ServiceName: spool, Message|contains: x}, condition: s}
`).Rules[0]
	if !holds(t, r, `{"Level":4,"ServiceName":"Spool","Message":"a x b"}`) {
		t.Error("the log's own fields are not read")
	}
}

func TestPipelinesRenameAndAddConditions(t *testing.T) {
	p, err := ReadPipeline("p.yml", []byte(`name: p
transformations:
- type: add_condition
  conditions: {winlog.event_id: 1}
  rule_conditions: [{type: logsource, category: process_creation}]
- type: field_name_mapping
  mapping: {Image: process.executable, User: [user.name, user.id]}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := load(t, Options{Pipelines: []*Pipeline{p}}, `title: Mapped
logsource: {category: process_creation, product: windows}
detection: {s: {Image|endswith: '\calc.exe', User: ann}, condition: s}
`).Rules[0]
	f := func(log string, want bool) {
		t.Helper()
		if got := holds(t, r, log); got != want {
			t.Errorf("%s: got %v", log, got)
		}
	}
	f(`{"winlog":{"event_id":1},"process":{"executable":"C:\\calc.exe"},"user":{"name":"ANN"}}`,
		true)
	f(`{"winlog":{"event_id":1},"process":{"executable":"C:\\calc.exe"},"user":{"id":"ann"}}`, true)
	f(`{"winlog":{"event_id":5},"process":{"executable":"C:\\calc.exe"},"user":{"id":"ann"}}`,
		false)
	if _, err := ReadPipeline("p.yml", []byte("transformations: [{type: regex}]")); err == nil ||
		err.Error() != `p.yml:1:19: transformation "regex" is not supported` {
		t.Errorf("got %v", err)
	}
}

func TestCorrelationsCountTheirRules(t *testing.T) {
	const rules = `title: Failed
name: failed
detection: {s: {event: failed}, condition: s}
---
title: Ok
name: ok
detection: {s: {event: ok}, condition: s}
---
`
	f := func(correlation, when string, count int) {
		t.Helper()
		set := load(t, Options{}, rules+"title: C\ncorrelation: "+correlation)
		if len(set.Rules) != count {
			t.Errorf("%s: %d rules", correlation, len(set.Rules))
		}
		if r := set.Rules[len(set.Rules)-1]; r.WhenText != when {
			t.Errorf("%s: when is %s", correlation, r.WhenText)
		}
	}
	f("{type: event_count, rules: [failed], group-by: [user], timespan: 5m, condition: {gte: 5}}",
		"count() >= 5", 2)
	f("{type: value_count, rules: [failed], timespan: 1h, condition: {field: user, gt: 3, lt: 9}}",
		"distinct(fields.user) > 3 and distinct(fields.user) < 9", 2)
	f("{type: temporal, rules: [failed, ok], group-by: [user], timespan: 5m}",
		"count($rule_1) > 0 and count($rule_2) > 0", 1)
	f("{type: value_percentile, rules: [ok], timespan: 5m, condition: {field: took, percentile: "+
		"99, gte: 3}}",
		"quantile(fields.took, 99%) >= 3", 2)
	f("{type: temporal_ordered, rules: [failed, ok], group-by: [user], timespan: 5m}", "", 1)
	f("{type: event_count, rules: [failed], generate: true, timespan: 5m, condition: {gte: 5}}",
		"count() >= 5", 3)
}

func TestRefusalsNameTheReason(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, report := tryLoad(
			t,
			Options{Sources: []Source{{Product: "linux"}, {Category: "own"}}},
			text,
		)
		got := ""
		for _, m := range report.Remarks {
			got += m.String() + "\n"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
	f("title: R\ndetection: {s: {a|re: '(?=x)'}, condition: s}", "a.yml:1 R: refused: a.yml:2")
	f("title: R\ndetection: {s: {a: x}, condition: s | count() > 5}", "type: event_count")
	f("title: R\ndetection: {s: {a|expand: '%x%'}, condition: s}", "placeholder %x% has no list")
	f("title: R\ndetection: {s: {a: x}, condition: t}", `selection "t" is not defined`)
	f("title: R\nlogsource: {product: windows}\ndetection: {s: {a: x}, condition: s}",
		"skipped: no source provides logs of windows")
	f(
		"title: R\ncorrelation: {type: event_count, rules: [gone], timespan: 5m, condition: "+
			"{gte: 1}}",
		`rule "gone", which it refers to, is not among the files`)
	f("title: [", "refused")
	f("title: R\ndetection: {s: {a: ["+strings.Repeat("x, ", 210_000)+"x]}, condition: s}",
		"its detection has 210")
	f("title: R\ndetection: {s: {a: x}, condition: "+strings.Repeat("(", 5000)+"s}",
		"nested too deeply")
}

func TestPlaceholdersAndFilters(t *testing.T) {
	opt := Options{Lists: map[string][]string{"admins": {`CORP\ann`, "bo*"}}}
	set := load(t, opt, `title: P
name: p
detection: {s: {user|expand: '%admins%'}, condition: s}
---
title: F
filter:
  rules: [p]
  host: {host: test}
  condition: not host
`)
	r := set.Rules[0]
	f := func(log string, want bool) {
		t.Helper()
		if got := holds(t, r, log); got != want {
			t.Errorf("%s: got %v", log, got)
		}
	}
	f(`{"user":"corp\\ann"}`, true)
	f(`{"user":"bob"}`, false)
	f(`{"user":"bo*"}`, true)
	f(`{"user":"bo*","host":"test"}`, false)
}

// action: global gives its mappings to the documents that follow, and repeat those of the one
// before, however deep they are.
func TestActionsMergeDocuments(t *testing.T) {
	set := load(t, Options{}, `action: global
title: Global
level: low
detection: {condition: s}
---
logsource: {product: a}
detection: {s: {event: one}}
---
action: repeat
title: Repeated
detection: {s: {event: two}}
---
action: reset
---
title: Own
detection: {s: {event: three}, condition: s}
`)
	if len(set.Rules) != 3 {
		t.Fatalf("%d rules are read", len(set.Rules))
	}
	for i, event := range []string{"one", "two", "three"} {
		if !holds(t, set.Rules[i], `{"event":"`+event+`"}`) ||
			holds(t, set.Rules[i], `{"event":"other"}`) {
			t.Errorf("rule %d is %s", i, set.Rules[i].MatchText)
		}
	}
	if set.Rules[1].Name != "Repeated" || set.Rules[1].Labels["severity"] != "low" {
		t.Errorf("the repeated rule is %+v", set.Rules[1])
	}
}

// A filter is for rules about the logs that it is about, whatever rules it names.
func TestFiltersHaveLogsources(t *testing.T) {
	const rules = `title: R
name: r
logsource: {product: app, service: auth}
detection: {s: {event: failed}, condition: s}
---
title: F
logsource: {%s}
filter: {rules: %s, f: {user: svc}, condition: not f}
`
	for _, c := range []struct {
		logs, of string
		filtered bool
	}{
		{"product: app", "any", true},
		{"product: app, service: auth", "[r]", true},
		{"product: app, service: other", "any", false},
		{"product: app, service: other", "[r]", false},
		{"category: login", "any", false},
	} {
		set := load(t, Options{}, fmt.Sprintf(rules, c.logs, c.of))
		if holds(t, set.Rules[0], `{"event":"failed","user":"svc"}`) == c.filtered {
			t.Errorf("%s of %s: filtered is not %t", c.logs, c.of, c.filtered)
		}
	}
}
