package decode

import (
	"math"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// extractedFrom is what an extraction finds in a line: its fields as name=value, those that are
// absent left out.
func extractedFrom(t *testing.T, x Extraction, line string) string {
	t.Helper()
	names, err := x.Names()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, name := range names {
		paths = append(paths, Path(name, x))
	}
	fields := NewFields(paths...)
	d, err := New(Config{Format: "text"}, fields)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	d.Decode(&models.Record{Value: []byte(line)}, func(l *Log) {
		for i, path := range paths {
			id, _ := fields.ID(path)
			if v := l.Value(id); v.Kind > Null {
				found = append(found, names[i]+"="+string(v.Text))
			}
			if a, b := l.Value(id), l.Lookup(path); string(a.Text) != string(b.Text) {
				t.Errorf("Lookup gives %q for %s, and Value %q", b.Text, names[i], a.Text)
			}
		}
	}, func(reason Reason, detail string) { t.Errorf("rejected: %s %s", reason, detail) })
	return strings.Join(found, " ")
}

func TestExtraction(t *testing.T) {
	for _, c := range []struct{ method, text, line, want string }{
		{"pattern", `<ip> - - [<_>] "<method> <_>" <status> <size>`,
			`10.0.0.2 - - [x] "GET /a HTTP/1.1" 404 12`,
			"ip=10.0.0.2 method=GET status=404 size=12"},
		{"pattern", "user=<user>", "user=ann", "user=ann"},
		{"pattern", "user=<user>", "the user=ann", ""},
		{"pattern", "<user>: <text>", "no colon", "user=no colon"},
		{"regexp", `user=(?P<user>\w+)`, "the user=ann!", "user=ann"},
		{"regexp", `user=(?P<user>\w+)( on (?P<host>\w+))?`, "user=ann", "user=ann"},
		{"json", "level", `{"level":"error","msg":"cut o`, "level=error"},
		{"json", "tags,n,ok", `{"tags":["a"],"n":1.5,"ok":true,"x":null}`, "n=1.5 ok=true"},
		{"json", "http_status,http.method", `{"http":{"status":500,"method":"GET"}}`,
			"http_status=500 http.method=GET"},
		{"json", "user_id", `{"user-id":"a\"b"}`, `user_id=a"b`},
		{"json", `first=a[1].b,ua=h["User-Agent"]`, `{"a":[1,{"b":"x"}],"h":{"User-Agent":"curl"}}`,
			"first=x ua=curl"},
		{"json", "a", `plain text`, ""},
		{"json", "a", `{"b":{"a":1},"a":2,"a":3}`, "a=2"},
		{"logfmt", "src,msg", `denied src=10.1.2.3 msg="two \"words\"" bad="`,
			`src=10.1.2.3 msg=two "words"`},
		{"logfmt", "who=user", `user=ann`, "who=ann"},
	} {
		x := Extraction{From: "line", Method: c.method, Text: c.text}
		if got := extractedFrom(t, x, c.line); got != c.want {
			t.Errorf("%s %s of %s: %s, want %s", c.method, c.text, c.line, got, c.want)
		}
	}
}

func TestExtractionsThatAreRefused(t *testing.T) {
	for _, x := range []Extraction{
		{Method: "pattern", Text: "no capture"},
		{Method: "pattern", Text: "<a><b>"},
		{Method: "pattern", Text: "<a> <a>"},
		{Method: "regexp", Text: "(a"},
		{Method: "regexp", Text: "(a)"},
		{Method: "json", Text: "a=b..c"},
		{Method: "json", Text: ""},
		{Method: "logfmt", Text: "a=b.c"},
		{Method: "xml", Text: "a"},
	} {
		if _, err := x.Names(); err == nil {
			t.Errorf("%s %q is accepted", x.Method, x.Text)
		}
	}
}

const push = `{"streams":[{"stream":{"app":"shop","pod":"p1"},"values":[["1767603601000000000",` +
	`"{\"app\":\"evil\",\"user\":\"ann\",\"line\":\"other\"}",{"trace":"t1"}]]}]}`

func TestLineCannotReplaceLokiLabels(t *testing.T) {
	x := Extraction{From: "line", Method: "json", Text: "app,user"}
	want := map[string]string{
		Path("app", x):             "shop",
		Path("user", x):            "ann",
		"stream.app":               "shop",
		"stream.service":           "", // well-known names are those of other formats
		"stream.*":                 `{"app":"shop","pod":"p1","trace":"t1"}`,
		"stream.* without pod,app": `{"trace":"t1"}`,
		"line":                     `{"app":"evil","user":"ann","line":"other"}`,
	}
	var paths []string
	for path := range want {
		paths = append(paths, path)
	}
	fields := NewFields(paths...)
	d, err := New(Config{}, fields)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time with what was learnt
		d.Decode(&models.Record{Value: []byte(push)}, func(l *Log) {
			for path, text := range want {
				id, _ := fields.ID(path)
				if v := l.Value(id); string(v.Text) != text {
					t.Errorf("%q is %s, want %s", path, v.Text, text)
				}
				if v := l.Lookup(path); string(v.Text) != text {
					t.Errorf("%q is %s when it is looked up, want %s", path, v.Text, text)
				}
			}
		}, nil)
	}
}

func TestEnvelopeLabelsArePlace(t *testing.T) {
	fields := NewFields("stream.*")
	d, _ := New(Config{}, fields)
	d.Decode(&models.Record{
		Value: []byte(`{"kubernetes":{"pod_name":"p1","namespace_name":"prod"},"log":"hello"}`),
	}, func(l *Log) {
		id, _ := fields.ID("stream.*")
		if v := l.Value(id); string(v.Text) != `{"namespace":"prod","pod":"p1"}` {
			t.Errorf("the labels are %s", v.Text)
		}
	}, nil)
}

func TestExtractionCostsNoMemory(t *testing.T) {
	for _, x := range []Extraction{
		{From: "line", Method: "pattern", Text: "<ip> - <user> <rest>"},
		{From: "line", Method: "json", Text: "http_status,user=u.name"},
		{From: "line", Method: "logfmt", Text: "src,msg"},
		{From: "line", Method: "regexp", Text: `absent=(?P<a>\w+)`},
	} {
		names, _ := x.Names()
		path := Path(names[0], x)
		fields := NewFields(path)
		id, _ := fields.ID(path)
		d, _ := New(Config{Format: "text"}, fields)
		found := 0
		record := &models.Record{
			Value: []byte(`{"http":{"status":500},"u":{"name":"ann"}} src=1 msg=x`),
		}
		each := func(l *Log) { found += int(l.Value(id).Kind) }
		reject := func(Reason, string) {}
		least := math.Inf(1) // pools forget at any time, and often under the race detector
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, func() { d.Decode(record, each, reject) }))
		}
		if least > 0 {
			t.Errorf("%s allocates %v times", x.Method, least)
		}
	}
}

// A writer of logs must not be able to take them out of the scope of a rule.
func TestALineCannotReplaceItsEnvelope(t *testing.T) {
	fields := NewFields("stream.app", "stream.namespace", "app")
	d, _ := New(Config{}, fields)
	record := `{"app":"shop","kubernetes":{"namespace_name":"prod"},"log":"{\"app\":\"evil\",\"namespace\":\"x\"}"}`
	d.Decode(&models.Record{Value: []byte(record)}, func(l *Log) {
		for path, want := range map[string]string{
			"stream.app": "shop", "stream.namespace": "prod",
		} {
			id, _ := fields.ID(path)
			if v := l.Value(id); string(v.Text) != want {
				t.Errorf("%s is %q", path, v.Text)
			}
		}
	}, nil)
}
