// Package imports translates the rules of other systems. A translation is exact, or has a remark
// that says the difference, or is refused with the reason; nothing is left out without one.
//
// Each system is a package below this one that implements System. Beside that interface this
// package has what they share: the report, the sample of logs that decides what rules leave open,
// the check of what they make, and the nodes of rule files.
package imports

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// System is a system whose rules are translated.
type System interface {
	// Name is the word after import, and the system of a rule's origin.
	Name() string
	// Recognizes reports whether the documents of a file are the system's: rules, or what its rules
	// refer to.
	Recognizes(documents []*yaml.Node) bool
	// Translate translates the rules of some files. A file that cannot be read has a remark.
	Translate(files []File, o Options) Result
}

// File is a file of another system.
type File struct {
	Name string
	Data []byte
}

// Options are what a translation may need besides the rules. All of them may be missing.
type Options struct {
	Mapping  *File         // the types of fields, as Elasticsearch answers GET index/_mapping
	Config   *File         // the configuration of the other system
	Labels   *File         // which fields hold the labels of the other system
	Sample   *Sample       // what logs show of fields
	Faithful bool          // evaluate only at the instants of the other system
	Interval time.Duration // between these instants, where rules do not say it; 0 for the default
	// Read reads a file that a rule refers to; nil refuses all.
	Read func(name string) ([]byte, error)
}

// Result is what a translation gives.
type Result struct {
	Documents []rule.Document // one for each file that has rules
	Report    *Report
	Receivers *yaml.Node // an alertmanager.yml of what the rules notify; nil for none
}

// Sort returns the files of each system, by its name, and those that no system recognizes.
func Sort(files []File, systems []System) (of map[string][]File, others []File) {
	of = map[string][]File{}
next:
	for _, f := range files {
		documents, err := Read(f)
		for _, s := range systems {
			if err == nil && s.Recognizes(documents) {
				of[s.Name()] = append(of[s.Name()], f)
				continue next
			}
		}
		others = append(others, f)
	}
	return of, others
}

// Check reads translated rules alone, so that one with a mistake is refused with its reason.
func Check(file string, n *yaml.Node) error {
	root := Place(Group("check", []*yaml.Node{n}), max(n.Line, 1), 1)
	set, err := rule.LoadDocuments(slices.Values([]rule.Document{{File: file, Root: root}}), nil)
	if err != nil {
		return err
	}
	return set.Refused[0].Err()
}

// Group is a rule file with one group of rules.
func Group(name string, rules []*yaml.Node) *yaml.Node {
	return Map(
		"version",
		Text("1"),
		"groups",
		List(Map("name", Text(name), "rules", List(rules...))),
	)
}

// Text is a scalar.
func Text(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == "1" {
		n.Tag = "!!int"
	}
	return n
}

// Number is a scalar that is a number.
func Number(n int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
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
	k := &yaml.Node{
		Kind:   yaml.ScalarNode,
		Tag:    "!!str",
		Value:  key,
		Line:   value.Line,
		Column: value.Column,
	}
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

// Unplaced is a copy of a node without places, for nodes of another file than the rule's.
func Unplaced(n *yaml.Node) *yaml.Node {
	c := *n
	c.Line, c.Column, c.Content = 0, 0, make([]*yaml.Node, len(n.Content))
	for i, m := range n.Content {
		c.Content[i] = Unplaced(m)
	}
	return &c
}

// Escape is a text as a template that writes it.
func Escape(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }
