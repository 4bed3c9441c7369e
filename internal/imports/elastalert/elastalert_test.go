package elastalert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/imports/importstest"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func file(name, text string) imports.File { return imports.File{Name: name, Data: []byte(text)} }

// translate translates rules and writes and reads the result, as a user would.
func translate(
	t *testing.T,
	o imports.Options,
	files ...imports.File,
) (*rule.Set, *imports.Report) {
	t.Helper()
	r := System{}.Translate(files, o)
	if err := imports.Finish(r); err != nil {
		t.Fatal(err)
	}
	importstest.Printed(t, r.Documents...)
	text, err := yaml.Marshal(imports.Merge(r.Documents))
	if err != nil {
		t.Fatal(err)
	}
	set, err := rule.Read("out.rules.yml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	found := rule.Lint(set)
	costs, err := match.Lint(set)
	if err != nil || len(found)+len(costs) > 0 {
		t.Error(err, found, costs)
	}
	return set, r.Report
}

func only(t *testing.T, o imports.Options, text string) *rule.Rule {
	t.Helper()
	set, report := translate(t, o, file("r.yaml", text))
	if len(set.Rules) != 1 {
		t.Fatal(len(set.Rules), report.Remarks)
	}
	return set.Rules[0]
}

func holds(t *testing.T, q rule.Query, log string) (held bool) {
	t.Helper()
	ix, err := match.Compile([]rule.Query{q}, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := decode.New(decode.Config{}, ix.Fields())
	if err != nil {
		t.Fatal(err)
	}
	m := ix.NewMatcher()
	rec := models.Record{Topic: "t", Timestamp: time.Unix(1_800_000_000, 0), Value: []byte(log)}
	d.Decode(
		&rec,
		func(l *decode.Log) { held = len(m.Match(l, nil)) == 1 },
		func(decode.Reason, string) {},
	)
	return held
}

const mappingText = `{"logs-1":{"mappings":{"properties":{
	"note":{"type":"text","fields":{"keyword":{"type":"keyword"}}},"app":{"type":"keyword"},
	"host":{"type":"text","fields":{"keyword":{"type":"keyword"}}},"code":{"type":"long"},
	"client":{"type":"ip"},"ok":{"type":"boolean"},"low":{"type":"keyword","normalizer":"lowercase"},
	"message":{"type":"text"},"level":{"type":"keyword"},"user":{"properties":{"name":{"type":"keyword"}}}}}}}`

// Filters mean what they mean in Elasticsearch, the types of the fields being known.
func TestFilters(t *testing.T) {
	mapping := file("mapping.json", mappingText)
	for _, test := range []struct {
		filter, log string
		want        bool
	}{
		{`{query_string: {query: 'message:error'}}`, `{"message":"3 errors"}`, false},
		{`{query_string: {query: 'message:error'}}`, `{"message":"error_code=7"}`, false},
		{`{query_string: {query: 'message:error'}}`, `{"message":"ERROR: boom"}`, true},
		{`{query_string: {query: 'message:error'}}`, `{"message":"error-free"}`, true},
		{
			`{query_string: {query: 'message:"connection refused"'}}`,
			`{"message":"connection-refused"}`, true,
		},
		{
			`{query_string: {query: 'message:"connection refused"'}}`,
			`{"message":"connection was refused"}`, false,
		},
		{`{query_string: {query: 'message:(timeout refused)'}}`, `{"message":"refused"}`, true},
		{
			`{query_string: {query: 'app:shop OR app:cart AND level:ERROR'}}`,
			`{"app":"shop","level":"ERROR"}`, false,
		},
		{
			`{query_string: {query: 'app:shop OR app:cart AND level:ERROR'}}`,
			`{"app":"cart","level":"ERROR"}`, true,
		},
		{
			`{query_string: {query: 'app:shop OR (app:cart AND level:ERROR)'}}`,
			`{"app":"shop"}`, true,
		},
		{`{query_string: {query: 'app:shop level:ERROR'}}`, `{"app":"shop"}`, true},
		{
			`{query_string: {query: 'app:shop level:ERROR', default_operator: AND}}`,
			`{"app":"shop"}`, false,
		},
		{`{query_string: {query: 'NOT app:shop'}}`, `{"app":"cart"}`, true},
		{
			`{query_string: {query: 'level:ERROR AND NOT app:shop'}}`,
			`{"app":"shop","level":"ERROR"}`, false,
		},
		{
			`{query_string: {query: '-app:shop +level:ERROR'}}`,
			`{"app":"cart","level":"ERROR"}`, true,
		},
		{`{query_string: {query: 'app:Shop'}}`, `{"app":"shop"}`, false},
		{`{query_string: {query: 'low:Shop'}}`, `{"low":"shop"}`, true},
		{`{query_string: {query: 'app:sh*'}}`, `{"app":"shop"}`, true},
		{`{query_string: {query: 'app:Sh*'}}`, `{"app":"shop"}`, false},
		{`{query_string: {query: 'app:my\-shop'}}`, `{"app":"my-shop"}`, true},
		{`{query_string: {query: 'note:tim*'}}`, `{"note":"a Timeout"}`, true},
		{`{query_string: {query: 'note:tim*'}}`, `{"note":"overtime"}`, false},
		{`{query_string: {query: 'note:*out'}}`, `{"note":"a timeout."}`, true},
		{`{query_string: {query: 'host.keyword:/web-[0-9]+/'}}`, `{"host":"old-web-12"}`, false},
		{`{query_string: {query: 'host.keyword:/web-[0-9]+/'}}`, `{"host":"web-12"}`, true},
		{`{query_string: {query: 'code:[400 TO 500}'}}`, `{"code":499}`, true},
		{`{query_string: {query: 'code:[400 TO 500}'}}`, `{"code":500}`, false},
		{
			`{query_string: {query: 'code:>=400 AND _exists_:user.name'}}`,
			`{"code":400,"user":{"name":"a"}}`, true,
		},
		{`{query_string: {query: 'code:404'}}`, `{"code":404}`, true},
		{`{query_string: {query: 'client:"10.0.0.0/8"'}}`, `{"client":"10.2.3.4"}`, true},
		{`{query_string: {query: 'timeout'}}`, `{"x":"a timeout"}`, true},
		{`{query_string: {query: 'refused', fields: [note, message]}}`, `{"note":"refused"}`, true},
		{`{query: {query_string: {query: '*:*'}}}`, `{"x":1}`, true},
		{`{query_string: {query: 'app : "shop"'}}`, `{"app":"shop"}`, true},
		{`{query_string: {query: 'app : "shop"'}}`, `{"app":"cart"}`, false},
		{`{query_string: {query: '/.*[.]ico/'}}`, `{"x":"/a.ico"}`, true},
		{`{query_string: {query: '/.*[.]ico/'}}`, `{"x":"/a.icon"}`, false},
		{`{term: {other: 10.0.0.1}}`, `{"other":"10.0.0.1"}`, true},
		{`{bool: {must_not: {terms: {other: [10.0.0.1]}}}}`, `{"other":"10.0.0.1"}`, false},
		{`{terms: {other: [sshd, web-log]}}`, `{"other":["x","web-log"]}`, true},
		{`{terms: {other: [sshd, web-log]}}`, `{"other":"web log"}`, false},
		{`{term: {note: alert}}`, `{"note":"an ALERT"}`, true},
		{`{term: {app: shop}}`, `{"app":"shop"}`, true},
		{`{term: {ok: true}}`, `{"ok":true}`, true},
		{`{terms: {app: [shop, cart]}}`, `{"app":"cart"}`, true},
		{`{terms: {note: [Alarm, alert]}}`, `{"note":"Alarm"}`, false},
		{`{match: {message: {query: 'a b', operator: and}}}`, `{"message":"b then a"}`, true},
		{`{match: {message: 'a b'}}`, `{"message":"only b"}`, true},
		{`{match_phrase: {message: 'a b'}}`, `{"message":"b a"}`, false},
		{`{match_phrase_prefix: {message: 'con ref'}}`, `{"message":"con refused"}`, true},
		{`{wildcard: {app: {value: 's*p'}}}`, `{"app":"shop"}`, true},
		{`{prefix: {app: sh}}`, `{"app":"Shop"}`, false},
		{`{regexp: {host.keyword: 'web-[0-9]+'}}`, `{"host":"web-1"}`, true},
		{`{range: {code: {gt: 5, lte: 7}}}`, `{"code":5}`, false},
		{`{range: {code: {gt: 5, lte: 7}}}`, `{"code":7}`, true},
		{`{range: {'@timestamp': {gte: now-5m}}}`, `{"code":7}`, true},
		{`{exists: {field: user.name}}`, `{"user":{"name":""}}`, true},
		{`{bool: {should: [{term: {app: a}}, {term: {app: b}}]}}`, `{"app":"c"}`, false},
		{`{bool: {must: {term: {app: a}}, should: {term: {app: b}}}}`, `{"app":"a"}`, true},
		{
			`{bool: {filter: [{term: {app: a}}], must_not: {term: {code: 1}}}}`,
			`{"app":"a","code":1}`, false,
		},
		{`{not: {term: {app: a}}}`, `{"app":"b"}`, true},
		{`{or: [{term: {app: a}}, {term: {app: b}}]}`, `{"app":"b"}`, true},
		{`{multi_match: {query: boom, fields: [note, 'message^3']}}`, `{"message":"boom"}`, true},
		// a point between letters joins them, and one between other characters does not
		{`{query_string: {query: 'note:example.com'}}`, `{"note":"see example.com"}`, true},
		{`{query_string: {query: 'note:example.com'}}`, `{"note":"a com"}`, false},
		{`{query_string: {query: 'note:10.0.0.1'}}`, `{"note":"from 10.0.0.1"}`, true},
		{`{query_string: {query: 'note:10.0.0.1'}}`, `{"note":"from 10.0.0.2"}`, false},
		{`{query_string: {query: 'note:foo-bar'}}`, `{"note":"a bar"}`, true},
		{`{match: {note: {query: 'a.b c', operator: and}}}`, `{"note":"c then a.b"}`, true},
		{`{match: {note: {query: 'a.b c', operator: and}}}`, `{"note":"b c a"}`, false},
		{
			`{query_string: {query: 'client:[10.0.0.1 TO 10.0.0.9}'}}`,
			`{"client":"10.0.0.8"}`, true,
		},
		{
			`{query_string: {query: 'client:[10.0.0.1 TO 10.0.0.9}'}}`,
			`{"client":"10.0.0.9"}`, false,
		},
		{`{range: {client: {gt: 10.0.0.0}}}`, `{"client":"10.0.0.1"}`, true},
		{
			`{bool: {should: [{term: {app: a}}, {term: {code: 1}}, {term: {ok: true}}], ` +
				`minimum_should_match: 2}}`, `{"app":"a","ok":true}`, true,
		},
		{
			`{bool: {should: [{term: {app: a}}, {term: {code: 1}}, {term: {ok: true}}], ` +
				`minimum_should_match: 2}}`, `{"app":"a","ok":false}`, false,
		},
	} {
		r := only(t, imports.Options{Mapping: &mapping},
			"name: x\ntype: any\nindex: l\nalert: debug\nfilter: ["+test.filter+"]\n")
		q := r.Match
		if q == nil {
			q = &rule.And{}
		}
		if got := holds(t, q, test.log); got != test.want {
			t.Errorf("%s on %s: %t; %s", test.filter, test.log, got, r.MatchText)
		}
	}
}

// What no filter of rules can say is refused with its reason.
func TestRefusals(t *testing.T) {
	mapping := file("mapping.json", mappingText)
	deep := strings.Repeat("{bool: {must: ", 200) + "{term: {a: b}}" + strings.Repeat("}}", 200)
	for text, want := range map[string]string{
		"type: my.module.Rule\nfilter: []":                                                       "Python",
		"type: frequncy":                                                                         "not one of ElastAlert's",
		"type: frequency\nnum_events: 3":                                                         "needs timeframe",
		"type: frequency\nnum_events: x\ntimeframe: {hours: 1}":                                  "not a number",
		"type: frequency\nnum_events: 3\ntimeframe: {hours: -1}":                                 "not a duration",
		"type: any\nfilter: [{script: {source: x}}]":                                             "script has no counterpart",
		"type: any\nfilter: [{eql: 'sequence'}]":                                                 "eql has no counterpart",
		"type: any\nfilter: [{query_string: {query: 'a:b~2'}}]":                                  "fuzzy",
		"type: any\nfilter: [{query_string: {query: '(a:b'}}]":                                   "never closed",
		"type: any\nfilter: [{query_string: {query: 'a:[x TO y]'}}]":                             "not a number",
		"type: any\nfilter: [{query_string: {query: 'a:/(?=x)y/'}}]":                             "Lucene",
		"type: any\nfilter: [{query_string: {query: 'a:/x{99999}/'}}]":                           "repeat",
		"type: any\nfilter: [" + deep + "]":                                                      "nested too deeply",
		"type: any\nfilter: [{term: {note: Alarm}}]":                                             "never matches the text field note",
		"type: metric_aggregation\nmetric_agg_key: a\nmetric_agg_type: avg":                      "max_threshold",
		"type: any\nimport: r.yaml":                                                              "circle",
		"type: any\nimport: b.yaml":                                                              "circle",
		"type: any\nimport: none.yaml":                                                           "no such file",
		"type: spike\nspike_height: 3\nspike_type: odd\ntimeframe: {hours: 1}":                   "spike_type",
		"type: blacklist\ncompare_key: a\nblacklist: []":                                         "empty",
		"type: change\ncompare_key: []\nignore_null: true\nquery_key: a":                         "names no field",
		"type: any\nfilter: [{bool: {should: [{term: {app: a}}], minimum_should_match: '75%'}}]": "minimum_should_match",
	} {
		o := imports.Options{Mapping: &mapping, Read: func(name string) ([]byte, error) {
			if name == "b.yaml" {
				return []byte("import: b.yaml\n"), nil
			}
			return nil, errors.New("no such file")
		}}
		set, report := translate(
			t,
			o,
			file("r.yaml", "name: x\nindex: l\nalert: debug\n"+text+"\n"),
			file("good.yaml", "name: good\ntype: any\nindex: l\nalert: debug\n"),
		)
		if len(set.Rules) != 1 || report.Count(imports.Refused) != 1 {
			t.Errorf("%s: %d rules, %v", text, len(set.Rules), report.Remarks)
			continue
		}
		if got := report.Remarks[0].Text; !strings.Contains(got, want) {
			t.Errorf("%.60s: %s, without %q", text, got, want)
		}
	}
}

// Each type becomes a condition.
func TestKinds(t *testing.T) {
	config := "buffer_time: {minutes: 10}\nrun_every: {minutes: 1}\n"
	for text, want := range map[string]string{
		"type: any\nquery_key: [user.name, proc]":                                                                               "when= window=5m0s by=user.name,proc",
		"type: frequency\nnum_events: 3\ntimeframe: {minutes: 10}\nquery_key: user.keyword":                                     "when=count() >= 3 window=10m0s by=user keep=10m0s",
		"type: flatline\nthreshold: 1\ntimeframe: {minutes: 10}":                                                                "when=count() < 1 window=10m0s by=",
		"type: spike\nspike_height: 3\nspike_type: up\ntimeframe: {minutes: 10}\nthreshold_ref: 4":                              "when=count() >= 3 * count() offset 10m and count() offset 10m >= 4 window=10m0s by= keep=20m0s",
		"type: spike\nspike_height: 2\nspike_type: down\ntimeframe: {hours: 1}":                                                 "when=count() <= count() offset 1h / 2 window=1h0m0s by= keep=2h0m0s",
		"type: spike\nspike_height: 2\nspike_type: both\ntimeframe: {hours: 1}\nquery_key: user":                                "when=(count() >= 2 * count() offset 1h and count() > 0 or count() <= count() offset 1h / 2 and count() offset 1h > 0) window=1h0m0s by=user keep=2h0m0s",
		"type: frequency\nnum_events: 3\ntimeframe: {minutes: 10}\nquery_key: user\nuse_count_query: true":                      "when=count() >= 3 window=10m0s by= keep=10m0s",
		"type: cardinality\ncardinality_field: user\nmax_cardinality: 5\ntimeframe: {hours: 1}":                                 "when=distinct(user) > 5 window=1h0m0.001s by=",
		"type: metric_aggregation\nmetric_agg_key: ms\nmetric_agg_type: avg\nmax_threshold: 1.5\nquery_key: h":                  "when=avg(ms) > 1.5 window=10m0s by=h",
		"type: metric_aggregation\nmetric_agg_key: ms\nmetric_agg_type: sum\nmin_threshold: 5":                                  "when=sum(ms) < 5 or count() == 0 window=10m0s by=",
		"type: percentage_match\nmatch_bucket_filter: [{term: {level.keyword: ERROR}}]\nmax_percentage: 25\nmin_denominator: 8": `when=count(fields.level:="ERROR") / count() > 25% and count() >= 8 window=10m0s by=`,
		"type: new_term\nfields: [user]\nterms_window_size: {days: 7}":                                                          "when=new(user) > 0 window=5m0s by= learn=168h0m0s",
		"type: new_term\nfields: [[user, host]]":                                                                                "when=new(user, fields.host) > 0 window=5m0s by= learn=720h0m0s",
		"type: change\ncompare_key: country\nignore_null: true\nquery_key: user\ntimeframe: {days: 1}":                          "when=changed(country, within 1d) > 0 window=5m0s by=user",
	} {
		set, report := translate(
			t,
			imports.Options{},
			file("config.yaml", config),
			file("r.yaml", "name: x\nindex: l\nalert: debug\n"+text+"\n"),
		)
		if len(set.Rules) != 1 {
			t.Errorf("%s: %v", text, report.Remarks)
			continue
		}
		r := set.Rules[0]
		var by []string
		for _, l := range r.By {
			by = append(by, l.Name)
		}
		got := fmt.Sprintf("when=%s window=%s by=%s", r.WhenText, r.Window, strings.Join(by, ","))
		if r.KeepFiringFor > 0 {
			got += " keep=" + r.KeepFiringFor.String()
		}
		if r.Learn > 0 {
			got += " learn=" + r.Learn.String()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

// A list tells case, holds no numbers, and a whitelist also leaves out what a text field finds.
func TestLists(t *testing.T) {
	const head = "name: x\nindex: l\nalert: debug\ncompare_key: uid\n"
	black := only(t, imports.Options{}, head+"type: blacklist\nblacklist: [root, '4711']\n")
	white := only(
		t,
		imports.Options{},
		head+"type: whitelist\nwhitelist: [eu-1, eu-2]\nignore_null: true\n",
	)
	for _, test := range []struct {
		r    *rule.Rule
		log  string
		want bool
	}{
		{black, `{"uid":"root"}`, true},
		{black, `{"uid":"Root"}`, false},
		{black, `{"uid":4711}`, false},
		{black, `{"uid":"4711"}`, true},
		{white, `{"uid":"eu-1"}`, false},
		{white, `{"uid":"EU-1"}`, false},
		{white, `{"uid":"us-1"}`, true},
		{white, `{"x":"us-1"}`, false},
	} {
		if got := holds(t, test.r.Match, test.log); got != test.want {
			t.Errorf("%s on %s: %t", test.r.MatchText, test.log, got)
		}
	}
}

// A file of a list is looked for where ElastAlert runs: here, beside the rule, and above it.
func TestListFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"list.txt": true, "rules/list.txt": true, "rules/web/list.txt": true, "other/list.txt": false,
	} {
		o := imports.Options{Read: func(file string) ([]byte, error) {
			if file == name {
				return []byte("evil\n"), nil
			}
			return nil, errors.New("no such file")
		}}
		set, _ := translate(t, o, file("rules/web/r.yaml", "name: x\nindex: l\nalert: debug\n"+
			"type: blacklist\ncompare_key: uid\nblacklist: ['!file list.txt']\n"))
		if got := len(set.Rules) == 1; got != want {
			t.Errorf("%s: the rule is taken: %t", name, got)
		}
	}
}

// A field of unknown type is taken for a text, and the report names it; a sample decides it.
func TestUnknownTypes(t *testing.T) {
	const text = "name: x\nindex: l\nalert: debug\ntype: any\nfilter: [{query_string: {query: 'state:down'}}]\n"
	set, report := translate(t, imports.Options{}, file("r.yaml", text))
	if got := set.Rules[0].MatchText; got != "state~down" || report.Count(imports.Differs) != 1 {
		t.Error(got, report.Remarks)
	}
	sample := imports.NewSample()
	sample.Fields["state"] = &imports.Field{Logs: 9, Texts: 9}
	set, report = translate(t, imports.Options{Sample: sample}, file("r.yaml", text))
	if got := set.Rules[0].MatchText; got != "state:down" || report.Count(imports.Exact) != 1 {
		t.Error(got, report.Remarks)
	}
	// a term that no text has is imported switched off, as it is there
	set, report = translate(t, imports.Options{}, file("r.yaml",
		"name: x\nindex: l\nalert: debug\ntype: any\nfilter: [{term: {note: Alarm}}]\n"))
	if r := set.Rules[0]; r.Mode != rule.Off || r.MatchText != `note:="Alarm"` ||
		report.Count(imports.Differs) != 1 {
		t.Error(r.Mode, r.MatchText, report.Remarks)
	}
}

// What a rule does not say as it looks is in the report.
func TestRemarks(t *testing.T) {
	for text, want := range map[string]string{
		"filter: [{query_string: {query: 'message:*\"a b\"*'}}]":            "holds for every log",
		"filter: [{query_string: {query: 'message:a or message:b'}}]":       "no operator",
		"filter: [{query_string: {query: 'message:a OR /b.*/'}}]":           "an expression without a field",
		"filter: [{query_string: {query: 'url:/b.*/'}}]":                    "expressions of url match",
		"filter: [{terms: {tag: [a, b-c]}}]":                                "so it is taken for a keyword",
		"filter: [{query_string: {query: 'message:a'}}]":                    "a point between letters",
		"type: flatline\nquery_key: u\nuse_count_query: true\nthreshold: 1": "makes no groups",
		"type: spike\nspike_height: 2\nspike_type: up\nfield_value: ms":     "whole numbers",
	} {
		if !strings.HasPrefix(text, "type") {
			text = "type: any\n" + text
		}
		set, report := translate(t, imports.Options{},
			file("r.yaml", "name: x\nindex: l\nalert: debug\ntimeframe: {hours: 1}\n"+text+"\n"))
		said := func(m imports.Remark) bool { return strings.Contains(m.Text, want) }
		if len(set.Rules) != 1 || !slices.ContainsFunc(report.Remarks, said) {
			t.Errorf("%s: %v, without %q", text, report.Remarks, want)
		}
	}
}

// Imported files give settings that the rule lacks, and their filters are added.
func TestIncludes(t *testing.T) {
	o := imports.Options{Read: func(name string) ([]byte, error) {
		if name != "rules/base.yaml" {
			return nil, fmt.Errorf("read %s", name)
		}
		return []byte(
			"index: l\nalert: debug\nnum_events: 9\ntimeframe: {minutes: 5}\nfilter: [{term: {app.keyword: a}}]\n",
		), nil
	}}
	set, report := translate(t, o, file(
		"rules/r.yaml",
		"import: base.yaml\nname: x\ntype: frequency\nnum_events: 3\nfilter: [{term: {b.keyword: B}}]\n",
	))
	if len(set.Rules) != 1 {
		t.Fatal(report.Remarks)
	}
	if r := set.Rules[0]; r.MatchText != `app:="a" b:="B"` || r.WhenText != "count() >= 3" ||
		r.Window != 5*time.Minute {
		t.Error(r.MatchText, r.WhenText, r.Window)
	}
}

// Texts become templates.
func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"alert_text: 'plain {x}'":                                                                            "plain {x}",
		"alert_text: 'u={0} {1}'\nalert_text_args: [user, num_hits]":                                         `u={{ or .Last.Fields.user "<MISSING VALUE>" }} {{ .Count }}`,
		"alert_text: '{a}'\nalert_text_kw: {a.b: a}":                                                         `{{ or (index .Last.Fields "a.b") "<MISSING VALUE>" }}`,
		"alert_text: '{0}'\nalert_text_args: [owner]\nowner: me":                                             "me",
		"alert_text: '{{ user|upper }}{% if x %}y{% else %}n{% endif %}'\nalert_text_type: alert_text_jinja": `{{ .Last.Fields.user | toUpper }}{{ if .Last.Fields.x }}y{{ else }}n{{ end }}`,
		"alert_text: '{% for x in y %}'\nalert_text_type: alert_text_jinja":                                  "",
	} {
		r := only(t, imports.Options{}, "name: x\ntype: any\nindex: l\nalert: debug\n"+text+"\n")
		if got := r.Annotations["description"]; got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// Broken and huge input has a line in the report, and stops nothing else.
func TestHostileInput(t *testing.T) {
	var branches, words strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&branches, "a:v%d OR ", i)
		fmt.Fprintf(&words, "{term: {a: v%d}}, ", i)
	}
	set, report := translate(
		t,
		imports.Options{},
		file("broken.yaml", "name: [x\n"),
		file("list.yaml", "- 1\n"),
		file(
			"branches.yaml",
			"name: branches\ntype: any\nindex: l\nalert: debug\nfilter: [{query_string: {query: '"+branches.String()+"a:z'}}]\n",
		),
		file(
			"should.yaml",
			"name: should\ntype: any\nindex: l\nalert: debug\nfilter: [{bool: {should: ["+words.String()+"]}}]\n",
		),
		file("good.yaml", "name: good\ntype: any\nindex: l\nalert: debug\n"),
	)
	if len(set.Rules) != 3 || report.Count(imports.Refused) != 2 {
		t.Error(len(set.Rules), report.Summary())
	}
	huge := file(
		"m.json",
		`{"properties":{"a":`+strings.Repeat(
			`{"properties":{"a":`,
			60,
		)+`{"type":"text"}`+strings.Repeat(
			"}}",
			60,
		)+`}}`,
	)
	_, report = translate(
		t,
		imports.Options{Mapping: &huge},
		file("good.yaml", "name: good\ntype: any\nindex: l\nalert: debug\n"),
	)
	if report.Count(imports.Refused) != 1 || report.Count(imports.Exact) != 1 {
		t.Error(report.Remarks)
	}
}

// What the rules notify becomes an alertmanager.yml; the same receiver is written once.
func TestReceivers(t *testing.T) {
	const rest = "type: any\nindex: l\nalert: [slack, debug, jira]\nslack_webhook_url: https://hooks.example/x\nrealert: {minutes: 30}\n"
	r := System{}.Translate(
		[]imports.File{file("a.yaml", "name: a\n"+rest), file("b.yaml", "name: b\n"+rest)},
		imports.Options{},
	)
	text, err := yaml.Marshal(r.Receivers)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"alertname=\"a\"", "alertname=\"b\"", "repeat_interval: 30m",
		"api_url: https://hooks.example/x",
	} {
		if strings.Count(string(text), want) == 0 ||
			want[:3] == "api" && strings.Count(string(text), want) != 1 {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// Files are recognized by their settings.
func TestRecognizes(t *testing.T) {
	for text, want := range map[string]bool{
		"name: x\ntype: any\nindex: l\n":           true,
		"run_every: {minutes: 1}\nes_host: h\n":    true,
		"title: x\ndetection: {a: b}\ntype: any\n": false,
		"groups: []\n":                   false,
		"type: object\nproperties: {}\n": false,
	} {
		documents, err := imports.Read(file("x", text))
		if err != nil {
			t.Fatal(err)
		}
		if got := (System{}).Recognizes(documents); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
