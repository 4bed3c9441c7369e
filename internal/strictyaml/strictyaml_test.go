package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

type upper string

func (u *upper) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return fmt.Errorf("it is empty")
	}
	*u = upper(strings.ToUpper(string(text)))
	return nil
}

type secret string

func (s *secret) UnmarshalStrict(r *Reader, n *Node, path string) {
	if r.Scalar(n, path, "a text") {
		*s = secret(r.Env(n.Value))
	}
}

type inner struct {
	A   int `yaml:"a"`
	pos problem.Pos
}

func (i *inner) SetPos(pos problem.Pos) { i.pos = pos }

type document struct {
	Text    string            `yaml:"text"`
	Yes     bool              `yaml:"yes"`
	Number  float64           `yaml:"number"`
	Wait    time.Duration     `yaml:"wait"`
	At      time.Time         `yaml:"at"`
	List    []string          `yaml:"list"`
	Map     map[string]int    `yaml:"map"`
	Any     map[string]any    `yaml:"any"`
	Upper   upper             `yaml:"upper"`
	Secret  secret            `yaml:"secret"`
	Pointer *int              `yaml:"pointer"`
	Inner   inner             `yaml:"inner"`
	Inners  []inner           `yaml:"inners"`
	Node    yaml.Node         `yaml:"node"`
	Labels  map[string]string `yaml:"labels"`
}

func TestDecodeFillsEveryKind(t *testing.T) {
	var d document
	r := &Reader{File: "f", Env: func(name string) string { return "env of " + name }}
	err := r.Read([]byte(`
text: a
yes: true
number: 1.5
wait: 1h30m
at: 2026-01-05T09:00:00Z
list: one
map: {a: 1, b: 2}
any: {x: [1, y], z: null}
upper: up
secret: NAME
pointer: 7
inner: {a: 3}
inners:
- {a: 4}
- {a: 5}
node: {whatever: 1}
labels:
`), &d)
	if err != nil {
		t.Fatal(err)
	}
	if d.Text != "a" || !d.Yes || d.Number != 1.5 || d.Wait != 90*time.Minute ||
		!d.At.Equal(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)) ||
		!reflect.DeepEqual(d.List, []string{"one"}) || d.Map["b"] != 2 ||
		fmt.Sprint(d.Any) != "map[x:[1 y] z:<nil>]" || d.Upper != "UP" ||
		d.Secret != "env of NAME" || *d.Pointer != 7 || d.Inner.A != 3 ||
		d.Inners[1].A != 5 || d.Inners[1].pos != (problem.Pos{File: "f", Line: 16, Column: 3}) ||
		d.Node.Kind != yaml.MappingNode || d.Labels != nil {
		t.Errorf("got %+v", d)
	}
}

func TestDecodeReportsAllMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var d document
		err := Read("f", []byte(text), &d)
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	f("text: [a]\nyes: 5\nnumber: x", "f:1:7: text: a text is expected, not a list\n"+
		"f:2:6: yes: \"5\" is not true or false; write true or false\n"+
		"f:3:9: number: \"x\" is not a number")
	f("txt: a", `f:1:1: unknown key "txt"; did you mean "text"?`)
	f("inner: {b: 1}", `f:1:9: unknown key "inner.b"; known are a`)
	f("inner: 5", "f:1:8: inner: a mapping is expected, not a single value; write key: value")
	f("text: a\ntext: b", `f:2:1: "text" is given twice; it is also in line 1`)
	f("map: {a: 1, a: 2}", `f:1:13: "map.a" is given twice`)
	f("map: {a: x}", `f:1:10: map.a: "x" is not a whole number`)
	f("inners: [{a: 1}, {a: z}]", `f:1:22: inners[1].a: "z" is not a whole number`)
	f("upper: ''", "f:1:8: upper: it is empty")
	f("at: today", `f:1:5: at: "today" is not a time; write it like 2026-01-05T09:00:00Z`)
	f("text: !x y",
		`f:1:7: YAML takes "!x" for a tag; if the text begins so, wrap it in single quotes`)
	f("text: &x y",
		`f:1:7: YAML takes "&x" for an anchor; if the text begins so, wrap it in single quotes`)
	f("inner:\n\ta: 1", "f:2:1: a tab indents this line; "+
		"YAML is indented with spaces, for example two for each level")
	f("text: a\n---\ntext: b",
		"f:2:1: a second document begins here; put it into a file of its own")
	f("list: [a", "f:1:1: did not find expected ',' or ']'")
	f("list: [[]\ntext: [a]", "f:1:1: did not find expected ',' or ']'")
}

func TestAliasesAreBounded(t *testing.T) {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		row := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", ")
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, row)
	}
	v := map[string][][][][][][][][][]string{}
	r := &Reader{Aliases: true}
	err := r.Read([]byte(text), &v)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %.200v", err)
	}
}

func TestAliasesStandForTheirAnchors(t *testing.T) {
	var d document
	r := &Reader{Aliases: true}
	if err := r.Read([]byte("text: &t abc\nlist: [*t, d]"), &d); err != nil || d.List[0] != "abc" {
		t.Errorf("got %v, %v", d.List, err)
	}
}

func TestEmptyFileHasNoProblem(t *testing.T) {
	for _, text := range []string{"", "\n", "# comment\n", "---\n"} {
		d := document{Text: "kept"}
		if err := Read("f", []byte(text), &d); err != nil || d.Text != "kept" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestUnquotedQueriesAreReported(t *testing.T) {
	r := &Reader{File: "f", QueryKeys: []string{"match"}}
	root := r.Parse([]byte("match: \"a\" or \"b\"\nother: [1]\n"))
	want := "f:1:8: YAML does not read this as a text; wrap the whole query in single quotes"
	if r.Problems.Error() != want {
		t.Errorf("got %s", r.Problems)
	}
	m := r.Mapping(root, "match", "other")
	if r.Text(m["match"]) != `"a" or "b"` || r.Texts(m["other"])[0] != "1" {
		t.Errorf("got %v", m)
	}
}

func TestSingleValueForListHasExample(t *testing.T) {
	r := &Reader{File: "f"}
	r.Sequence(r.Mapping(r.Parse([]byte("by: service")))["by"])
	if want := "f:1:5: a list is expected here; write [service]"; r.Problems.Error() != want {
		t.Errorf("got %s", r.Problems)
	}
}
