// Package ruler reads rule groups as Prometheus, Loki and vmalert have them: in files, in objects
// of Kubernetes, in texts within them, and alone.
package ruler

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/imports"
)

// Rule is one rule and what its group says.
type Rule struct {
	File string
	Line int

	Name, Expr    string
	ExprLine      int // of the first line of the expression
	Record        bool
	For, Keep     string
	Labels        *yaml.Node // nil for none
	Annotations   *yaml.Node
	Group, Type   string
	Interval      string
	Limit         string
	GroupLabels   *yaml.Node
	Unknown       []string // keys that are not understood
	Node          *yaml.Node
	FromTemplates bool // the text was written for another engine of templates, such as Helm's
}

// group is what the rules of a group share.
type group struct {
	name, kind, interval, limit string
	labels                      *yaml.Node
	unknown                     []string
}

// groupKeys are keys of a group that change what its rules see, and that rules here do not have.
var groupKeys = []string{
	"query_offset", "eval_offset", "eval_delay", "params", "source_tenants", "tenant",
}

// Rules finds the rules in the documents of a file, at whatever depth.
func Rules(file string, documents []*yaml.Node) (rules []Rule) {
	f := finder{file: file}
	for _, d := range documents {
		f.walk(d, group{}, 0)
	}
	return f.rules
}

type finder struct {
	file  string
	line  int // before the first line of the text at hand
	deep  int // texts within texts
	rules []Rule
}

var mention = regexp.MustCompile(`(?m)^\s*(- )?expr:`)

func (f *finder) walk(n *yaml.Node, g group, depth int) {
	switch {
	case depth > 60:
		return
	case n.Kind == yaml.ScalarNode:
		if f.deep < 2 && len(n.Value) < 1<<20 && mention.MatchString(n.Value) {
			f.text(n)
		}
		return
	case n.Kind != yaml.MappingNode:
		for _, m := range n.Content {
			f.walk(m, g, depth+1)
		}
		return
	}
	_, isRule := scalarOf(n, "expr")
	if isRule && (imports.Get(n, "alert") != nil || imports.Get(n, "record") != nil) {
		f.rule(n, g)
		return
	}
	if kind := imports.Value(n, "type"); kind == "alerting" || kind == "recording" {
		if answer := answered(n, kind); answer != nil {
			f.rule(answer, g)
			return
		}
	}
	if rules := imports.Get(n, "rules"); rules != nil && rules.Kind == yaml.SequenceNode {
		g = group{
			imports.Value(n, "name"), imports.Value(n, "type"), imports.Value(n, "interval"),
			imports.Value(n, "limit"), imports.Get(n, "labels"), nil,
		}
		if _, err := strconv.ParseFloat(g.interval, 64); err == nil {
			g.interval += "s" // as the API answers
		}
		for _, key := range groupKeys {
			if imports.Get(n, key) != nil {
				g.unknown = append(g.unknown, key+" of the group")
			}
		}
	}
	for i := 1; i < len(n.Content); i += 2 {
		if g.name == "" && n.Content[i].Kind == yaml.SequenceNode && depth == 0 {
			g.name = n.Content[i-1].Value
		}
		f.walk(n.Content[i], g, depth+1)
	}
}

// answered is a rule as the API of Prometheus, Loki and vmalert answers it, written as in a file;
// nil if it is none.
func answered(n *yaml.Node, kind string) *yaml.Node {
	query := imports.Get(n, "query")
	if query == nil || imports.Value(n, "name") == "" {
		return nil
	}
	key := map[string]string{"alerting": "alert", "recording": "record"}[kind]
	m := imports.Map(key, imports.Get(n, "name"), "expr", query)
	for theirs, ours := range map[string]string{
		"duration": "for", "keepFiringFor": "keep_firing_for",
	} {
		if text := imports.Value(n, theirs); text != "" && text != "0" {
			imports.Set(m, ours, imports.Text(text+"s"))
		}
	}
	for _, key := range []string{"labels", "annotations"} {
		if value := imports.Get(n, key); value != nil {
			imports.Set(m, key, value)
		}
	}
	return imports.Place(m, n.Line, n.Column)
}

func scalarOf(n *yaml.Node, key string) (string, bool) {
	v := imports.Get(n, key)
	if v == nil || v.Kind != yaml.ScalarNode {
		return "", false
	}
	return v.Value, true
}

// text reads rules in a text, as ConfigMaps hold them.
func (f *finder) text(n *yaml.Node) {
	inner := finder{file: f.file, line: f.line + n.Line, deep: f.deep + 1}
	documents, _ := imports.Read(imports.File{Name: f.file, Data: []byte(n.Value)})
	for _, d := range documents {
		inner.walk(d, group{}, 0)
	}
	f.rules = append(f.rules, inner.rules...)
}

var ruleKeys = []string{
	"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations", "debug",
	"update_entries_limit", "eval_offset",
}

func (f *finder) rule(n *yaml.Node, g group) {
	expr := imports.Get(n, "expr")
	r := Rule{
		File: f.file, Line: f.line + n.Line, Name: imports.Value(n, "alert"),
		Expr: expr.Value, ExprLine: f.line + expr.Line,
		For: imports.Value(n, "for"), Keep: imports.Value(n, "keep_firing_for"),
		Labels: imports.Get(n, "labels"), Annotations: imports.Get(n, "annotations"),
		Group: g.name, Type: g.kind, Interval: g.interval, Limit: g.limit, GroupLabels: g.labels,
		Node: n, Unknown: slices.Clone(g.unknown),
	}
	if expr.Style == yaml.LiteralStyle || expr.Style == yaml.FoldedStyle {
		r.ExprLine++ // the text begins below
	}
	if r.Name == "" {
		r.Name, r.Record = imports.Value(n, "record"), true
	}
	if r.Group == "" {
		r.Group = "rules"
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i].Value; !slices.Contains(ruleKeys, k) {
			r.Unknown = append(r.Unknown, k)
		}
	}
	f.rules = append(f.rules, r)
}

// Default is a duration of the file, or another one.
func Default(text string, otherwise time.Duration) time.Duration {
	if d, err := duration.Parse(text); err == nil && d > 0 {
		return d
	}
	return otherwise
}

// zero reports whether a duration is written and is nothing.
func zero(text string) bool {
	d, err := duration.Parse(text)
	return err == nil && d == 0 || text == "0"
}

var (
	named     = regexp.MustCompile(`[A-Za-z0-9_:]\s*\{`)
	anonymous = regexp.MustCompile(`(?:^|[^A-Za-z0-9_:\s])\s*\{`)
	texts     = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`")
	remarks   = regexp.MustCompile(`#[^\n]*`)
)

// IsMetric reports whether a query that LogQL does not read is one of metrics: its selectors have
// names, or it has none.
func IsMetric(expr string) bool {
	bare := remarks.ReplaceAllString(texts.ReplaceAllString(expr, `""`), "")
	if anonymous.MatchString(bare) {
		return strings.Contains(bare, "__name__")
	}
	return named.MatchString(bare) || !strings.Contains(bare, "{") && !strings.Contains(bare, "|")
}
