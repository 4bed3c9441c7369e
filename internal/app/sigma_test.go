package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const sigmaRule = `title: Shell
id: 11111111-1111-4111-8111-111111111111
status: test
author: Ann
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection:
    Image|endswith: /sh
  condition: selection
`

// sigmaWorld is a directory of Sigma rules and a configuration that names it.
func sigmaWorld(
	t *testing.T,
	config string,
	files map[string]string,
) (*Config, func(name, text string)) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(name, text)
	}
	write("alert-engine.yml", "data_dir: data\nsigma:\n- path: rules\n"+config)
	c, err := LoadConfig(filepath.Join(dir, "alert-engine.yml"), os.Getenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, write
}

func ids(set *rule.Set) string {
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

// Sigma rules are read as they are: each has its own ID, and the place that the original has.
func TestSigmaRulesAreReadNatively(t *testing.T) {
	c, _ := sigmaWorld(t, "  labels: {team: soc}\n  by: [host]\n", map[string]string{
		"rules/linux/shell.yml": "# a comment\n" + sigmaRule,
		"rules/README.md":       "not a rule",
	})
	set, report, err := (&sigmaFiles{}).rules(c)
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules[0]
	if len(set.Rules) != 1 || report.Loaded != 1 ||
		r.ID() != "11111111-1111-4111-8111-111111111111" ||
		r.Pos.Line != 2 ||
		!strings.HasSuffix(r.Pos.File, "/rules/linux/shell.yml") ||
		r.Labels["team"] != "soc" ||
		r.Labels["severity"] != "high" ||
		r.By[0].Name != "host" {
		t.Errorf("got %+v %+v", r, report)
	}
}

// A file that becomes bad keeps its last good form; others are read as they are now.
func TestBadSigmaFileKeepsItsLastGoodForm(t *testing.T) {
	other := strings.NewReplacer("Shell", "Other", "1111-4", "2222-4").Replace(sigmaRule)
	c, write := sigmaWorld(t, "", map[string]string{"rules/a.yml": sigmaRule, "rules/b.yml": other})
	s := &sigmaFiles{}
	f := func(want, refused string) {
		t.Helper()
		set, report, err := s.rules(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(set); got != want {
			t.Errorf("rules are %s, not %s", got, want)
		}
		var text string
		for _, e := range report.Refused {
			text += filepath.Base(e.Pos.File) + ": " + e.Problem + "; " + e.Hint
		}
		if !strings.Contains(text, refused) || refused == "" && text != "" {
			t.Errorf("refused are %s, not %s", text, refused)
		}
	}
	f("Shell, Other", "")
	write("rules/a.yml", strings.Replace(sigmaRule, "condition: selection", "condition: gone", 1))
	write("rules/b.yml", strings.Replace(other, "title: Other", "title: Renamed", 1))
	f(
		"Shell, Renamed",
		`selection "gone" is not defined; known are selection; what the file said before stays in effect`,
	)
	write("rules/a.yml", "title: [")
	f("Shell, Renamed", "what the file said before stays in effect")
	f("Shell, Renamed", "what the file said before stays in effect") // and still
	write("rules/a.yml", strings.Replace(sigmaRule, "title: Shell", "title: Better", 1))
	f("Better, Renamed", "")
	s = &sigmaFiles{} // at a start there is no last good form
	write("rules/a.yml", "title: [")
	f("Renamed", "the other rules are loaded")
	// a file of several rules
	write("rules/a.yml", sigmaRule+"---\ntitle: [")
	f("Shell, Renamed", "the other rules are loaded")
}

// Rules of a logsource that no source provides are counted and named.
func TestUnprovidedLogsources(t *testing.T) {
	windows := strings.NewReplacer("Shell", "Win", "1111-4", "2222-4", "linux", "windows").
		Replace(sigmaRule)
	c, _ := sigmaWorld(
		t,
		"  logsources:\n  - {product: linux, source: audit, match: {kind: exec}}\n",
		map[string]string{"rules/a.yml": sigmaRule, "rules/b.yml": windows},
	)
	set, report, err := (&sigmaFiles{}).rules(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(set); got != "Shell" || set.Rules[0].Source != "audit" {
		t.Errorf("rules are %s of %s", got, set.Rules[0].Source)
	}
	want := "1 Sigma rule of 1 logsource that no source provides:\n  windows/process_creation: 1"
	if got := strings.Join(report.Lines(), "\n"); got != want {
		t.Errorf("got %s", got)
	}
}

// Overrides change single rules; their mistakes are named in their own file.
func TestSigmaOverrides(t *testing.T) {
	c, write := sigmaWorld(t, "  overrides: overrides.yml\n", map[string]string{
		"rules/a.yml": sigmaRule,
		"overrides.yml": "11111111-1111-4111-8111-111111111111:\n  mode: shadow\n  by: [user]\n" +
			"  labels: {severity: low, owner: ann}\n22222222-1111-4111-8111-111111111111: {window: 1h}\n",
	})
	set, report, err := (&sigmaFiles{}).rules(c)
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules[0]
	if r.Mode != rule.Shadow || r.By[0].Name != "user" || r.Labels["severity"] != "low" ||
		r.Labels["owner"] != "ann" {
		t.Errorf("got %+v", r)
	}
	if got := strings.Join(report.Lines(), "\n"); !strings.Contains(got,
		"overrides.yml:5: no rule has the id 22222222-1111-4111-8111-111111111111") {
		t.Errorf("got %s", got)
	}
	write("overrides.yml", "11111111-1111-4111-8111-111111111111:\n  mode: loud\n  match: x\n")
	if _, _, err = (&sigmaFiles{}).rules(c); err == nil ||
		!strings.Contains(err.Error(), `overrides.yml:2:9: unknown mode "loud"`) ||
		!strings.Contains(err.Error(), `overrides.yml:3:3: unknown key "match"`) {
		t.Errorf("got %v", err)
	}
}

// A refused rule is an error where its file is named, and a warning where it is one of many.
func TestCheckOfRefusedSigma(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "lookahead.yml")
	text := "title: Look Ahead\nid: 22222222-0000-4000-8000-000000000004\n" +
		"logsource: {product: app}\ndetection: {s: {c|re: 'a(?!b)'}, condition: s}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]CheckResult{name: CheckErrors, dir: CheckLints} {
		r, err := Check(t.Context(), CheckOptions{Files: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Result() != want {
			t.Errorf("%s: %v, errors %v, warnings %v", file, r.Result(), r.Errors, r.Warnings)
		}
	}
}

// Members of a cluster agree on Sigma rules as on others: what goes through the topic is the same
// rules.
func TestSigmaRulesOfACluster(t *testing.T) {
	c, write := sigmaWorld(t, "  labels: {team: '123', note: 'yes: #1 {{ .Labels.host }}'}\n", map[string]string{
		"rules/shell.yml": "# a comment\n" + sigmaRule,
		"rules/keys.yml": strings.NewReplacer("11111111-1111", "33333333-1111", "Shell", "Keys",
			"Image|endswith: /sh", "Image: ['007', 'true', 'a\"b', \"it's\", \"two\\nlines\", null]\n"+
				"    CommandLine|re: '^\\d+[a-z]{2}$'\n    EventID: 4625").Replace(sigmaRule),
		"rules/bad.yml": strings.ReplaceAll(sigmaRule, "Image|endswith", "Image|nonsense"),
	})
	c.Cluster.Enabled = true
	p := newProcess(c, Terminal{Out: io.Discard, Err: io.Discard})
	set, err := p.rules(c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.rulesOf(c)
	if err != nil {
		t.Fatal(err)
	}
	m := &clusterMember{p: p}
	m.pages = newClusterPages(m)
	got, err := m.setOf(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 2 || len(set.Rules) != 2 {
		t.Fatalf("%s of %s rules", ids(got), ids(set))
	}
	for i, is := range got.Rules {
		was := set.Rules[i]
		if is.Pos.File != was.Pos.File || is.Pos.Line != was.Pos.Line {
			t.Errorf("%s is at %s, want %s", is.ID(), is.Pos, was.Pos)
		}
		if diff := cmp.Diff(was, is, cmp.Exporter(func(reflect.Type) bool { return true }),
			cmp.Comparer(func(a, b rule.Pos) bool { return true }), // of each value
			cmp.Comparer(func(a, b *regexp.Regexp) bool {
				return a == b || a != nil && b != nil && a.String() == b.String()
			})); diff != "" {
			t.Error(diff)
		}
	}
	before := cluster.HashOf(r)
	write("rules/shell.yml", strings.ReplaceAll(sigmaRule, "/sh", "/bash"))
	if _, err := p.rules(c); err != nil {
		t.Fatal(err)
	}
	if r, err = p.rulesOf(c); err != nil {
		t.Fatal(err)
	}
	if cluster.HashOf(r) == before {
		t.Error("a Sigma rule that has changed goes unnoticed")
	}
	c.Cluster.Enabled = false
	if _, err := p.rules(c); err != nil || len(p.sigma.taken) > 0 {
		t.Errorf("without a cluster %d texts are kept; %v", len(p.sigma.taken), err)
	}
}

// Sigma rules alone are compiled while they are read, and not held; rules of files are.
func TestCheckLetsGoOfSigmaRules(t *testing.T) {
	var batch checkBatch
	documents := func(yield func(rule.Document) bool) {
		text := "groups:\n- name: g\n  rules:\n  - {alert: A%d, match: {a|re: 'b{%d}'}}\n"
		for i, repeats := range []int{1, 1000, 2} {
			var node yaml.Node
			if err := yaml.Unmarshal(fmt.Appendf(nil, text, i, repeats), &node); err != nil {
				t.Fatal(err)
			}
			if !yield(rule.Document{File: "f", Root: node.Content[0]}) {
				return
			}
		}
	}
	set, err := rule.LoadEach(documents, batch.add, nil)
	if err != nil || len(set.Rules) != 3 || set.Rules[0].Match == nil {
		t.Fatal(err, set)
	}
	batch.check(set)
	if one := set.Rules[2]; one.ID() != "g/A2" || one.Match != nil || len(batch.errs) > 0 {
		t.Error(one, batch.errs)
	}
	set, _ = rule.LoadEach(documents, batch.add, nil)
	set.Rules[1].Annotations = map[string]string{"a": "{{ .Gone.x }}"}
	if batch.check(set); len(batch.errs) == 0 {
		t.Error("a template that fails is not reported")
	}
}
