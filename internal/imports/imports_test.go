package imports

import (
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

type named string

func (n named) Name() string { return string(n) }

func (n named) Recognizes(documents []*yaml.Node) bool {
	return len(documents) > 0 && Get(documents[0], string(n)) != nil
}

func (n named) Translate([]File, Options) Result { return Result{} }

// A file belongs to the first system that recognizes it; a broken file belongs to none.
func TestSort(t *testing.T) {
	file := func(name, text string) File { return File{Name: name, Data: []byte(text)} }
	of, others := Sort([]File{
		file("a", "x: 1"), file("b", "y: 1\nx: 2"), file("c", "y: 1"), file("d", "z: 1"),
		file("e", "x: ["),
	}, []System{named("x"), named("y")})
	text := func(files []File) (names string) {
		for _, f := range files {
			names += f.Name
		}
		return names
	}
	if text(of["x"]) != "ab" || text(of["y"]) != "c" || text(others) != "de" {
		t.Error(of, others)
	}
}

// Aliases and merged keys are written out, within bounds.
func TestRead(t *testing.T) {
	documents, err := Read(File{Data: []byte("base: &b {x: 1, y: 2}\nrule: {<<: *b, y: 3}\n")})
	if err != nil {
		t.Fatal(err)
	}
	r := Get(documents[0], "rule")
	if Value(r, "x") != "1" || Value(r, "y") != "3" || len(r.Content) != 4 {
		t.Error(Value(r, "x"), Value(r, "y"), len(r.Content))
	}
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n")
	for i := 1; i < 9; i++ {
		a := string(rune('0' + i - 1))
		list := strings.TrimSuffix(strings.Repeat("*a"+a+",", 10), ",")
		bomb.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" +
			list + "]\n")
	}
	for _, text := range []string{bomb.String(), "a: &a [*a]\n", "a: ["} {
		if _, err := Read(File{Data: []byte(text)}); err == nil {
			t.Errorf("%.40q is read", text)
		}
	}
}

// A rule has the worst of its verdicts, and counts once.
func TestReport(t *testing.T) {
	r := &Report{}
	for _, m := range []Remark{
		{File: "a", Line: 1, Rule: "x", Verdict: Exact},
		{File: "a", Line: 1, Rule: "x", Verdict: Differs, Text: "of case"},
		{File: "a", Line: 9, Rule: "y", Verdict: Refused, Text: "it is a script"},
		{File: "b", Line: 1, Rule: "x", Verdict: WithinPoll},
	} {
		r.Add(m)
	}
	const want = "3 rules: 1 within a poll, 1 differs, 1 refused"
	if got := r.Summary(); got != want {
		t.Error(got)
	}
	if got := r.Remarks[1].String(); got != "a:1 x: differs: of case" {
		t.Error(got)
	}
}

// Rules of several files with one identity get names of their own, so one file can hold all.
func TestDistinct(t *testing.T) {
	document := func(file string) rule.Document {
		one := Map("alert", Text("Down"), "match", Text("a:b"))
		return rule.Document{File: file, Root: Place(Group("g", []*yaml.Node{one}), 1, 1)}
	}
	result := Result{Documents: []rule.Document{document("a"), document("b")}, Report: &Report{}}
	if err := Finish(result); err != nil {
		t.Fatal(err)
	}
	Merge(result.Documents) // it changes nothing
	set, err := rule.LoadDocuments(slices.Values([]rule.Document{{File: "all", Root: Merge(result.Documents)}}),
		nil)
	if err != nil || len(set.Refused) > 0 || len(set.Rules) != 2 || set.Rules[1].Name != "Down 2" {
		t.Error(err, set.Refused, len(set.Rules))
	}
	if found := rule.Lint(set); len(found) > 0 {
		t.Error(found)
	}
	if len(result.Report.Remarks) != 1 {
		t.Error(result.Report.Remarks)
	}
}

// A sample counts the texts of several words of each field.
func TestWords(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a": 1, "web-1": 2, "my_error": 1, "connection refused": 2, "é è": 2, "--": 0,
	} {
		if got := Words(text); got != want {
			t.Errorf("%q: %d words", text, got)
		}
	}
}
