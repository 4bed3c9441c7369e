// Package imports translates the rules of other systems. A translation is exact, or has a remark
// that says the difference, or is refused with the reason; nothing is left out without one.
package imports

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Verdict is how much of a rule was translated.
type Verdict string

const (
	Exact   Verdict = "exact"
	Warned  Verdict = "warned"  // translated, with a difference
	Skipped Verdict = "skipped" // not asked for, or not a rule over logs
	Refused Verdict = "refused" // not translated
)

// Remark is what is to be said of one rule.
type Remark struct {
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
	Code    string  `json:"code,omitempty"` // a constant word, for lists of accepted remarks
	Text    string  `json:"text,omitempty"`
}

// String is one line of a report.
func (r Remark) String() string {
	return fmt.Sprintf("%s:%d %s: %s: %s", r.File, r.Line, r.Rule, r.Verdict, r.Text)
}

// Report is the remarks of an import, one at least for each rule.
type Report struct{ Remarks []Remark }

// Add adds a remark.
func (r *Report) Add(m Remark) { r.Remarks = append(r.Remarks, m) }

// Count is how many rules have a verdict. A rule has the worst of its remarks.
func (r *Report) Count(v Verdict) (n int) {
	for _, m := range r.Remarks {
		if m.Verdict == v {
			n++
		}
	}
	return n
}

// Summary is the last line of a report.
func (r *Report) Summary() string {
	parts := []string{fmt.Sprintf("%d exact", r.Count(Exact))}
	for _, v := range []Verdict{Warned, Skipped, Refused} {
		if n := r.Count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return fmt.Sprintf("%d rules: %s", len(r.Remarks), strings.Join(parts, ", "))
}

// Group is a rule file with one group of rules.
func Group(name string, rules []*yaml.Node) *yaml.Node {
	return Map("version", Text("1"), "groups", List(Map("name", Text(name), "rules", List(rules...))))
}

// Text is a scalar.
func Text(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == "1" {
		n.Tag = "!!int"
	}
	return n
}

// List is a sequence.
func List(members ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: members}
}

// Texts is a sequence of scalars.
func Texts(texts ...string) *yaml.Node {
	l := List()
	l.Style = yaml.FlowStyle
	for _, t := range texts {
		l.Content = append(l.Content, Text(t))
	}
	return l
}

// Map is a mapping of keys and nodes in turn; keys with nil nodes are left out.
func Map(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(pairs); i += 2 {
		if value, _ := pairs[i+1].(*yaml.Node); value != nil {
			Set(m, pairs[i].(string), value)
		}
	}
	return m
}

// Set adds a key to a mapping.
func Set(m *yaml.Node, key string, value *yaml.Node) {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: value.Line, Column: value.Column}
	m.Content = append(m.Content, k, value)
}

// Get is the value of a key of a mapping, nil when there is none.
func Get(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// Value is the text of a key of a mapping, "" when there is none.
func Value(m *yaml.Node, key string) string {
	if n := Get(m, key); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// Values are the texts of a key: of a list, or of a single value.
func Values(m *yaml.Node, key string) (list []string) {
	n := Get(m, key)
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Value != "":
		list = []string{n.Value}
	default:
		for _, member := range n.Content {
			if member.Kind == yaml.ScalarNode {
				list = append(list, member.Value)
			}
		}
	}
	return list
}

// Place sets the place of a node and all below it that have none.
func Place(n *yaml.Node, line, column int) *yaml.Node {
	if n.Line == 0 {
		n.Line, n.Column = line, column
	}
	for _, m := range n.Content {
		Place(m, line, column)
	}
	return n
}

// Escape is a text as a template that writes it.
func Escape(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }
