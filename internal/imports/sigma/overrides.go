package sigma

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/strictyaml"
)

// Overrides are keys of single rules, by their Sigma IDs, that replace what the translation writes.
type Overrides struct {
	file string
	ids  []*yaml.Node
	byID map[string]*yaml.Node
}

// overridable are the keys of a rule that an override may have. What a rule matches is for its
// author to say.
var overridable = []string{
	"mode", "by", "when", "window", "every", "for", "keep_firing_for", "resolve", "levels",
	"active", "suppressed_by", "notify_limit", "limit", "samples", "top", "labels", "annotations", "source",
}

// ReadOverrides reads a file of overrides: a mapping of Sigma IDs. The error is a problem.List.
func ReadOverrides(name string, data []byte) (*Overrides, error) {
	r := strictyaml.Reader{File: name}
	root := r.Parse(data)
	o := &Overrides{file: name, byID: map[string]*yaml.Node{}}
	if root == nil {
		return o, r.Problems.Err()
	}
	r.Mapping(root)
	for i := 0; i+1 < len(root.Content); i += 2 {
		id, value := root.Content[i], root.Content[i+1]
		r.Mapping(value, overridable...)
		o.ids, o.byID[strings.ToLower(id.Value)] = append(o.ids, id), value
		one := imports.Map("alert", imports.Text("override"))
		one.Line = value.Line
		one.Content = append(one.Content, value.Content...)
		documents := []rule.Document{{File: name, Root: imports.Place(
			imports.Group("check", []*yaml.Node{one}), value.Line, value.Column)}}
		if set, err := rule.LoadDocuments(slices.Values(documents), nil); err == nil {
			r.Problems = append(r.Problems, set.Refused[0]...)
		} // an interval or a rule that it names may be in the rule files
	}
	return o, r.Problems.Err()
}

// override applies the override of a rule.
func (t *Translation) override(d *document, n *yaml.Node) {
	if t.opt.Overrides == nil || d.id == "" {
		return
	}
	given := t.opt.Overrides.byID[strings.ToLower(d.id)]
	if given == nil {
		return
	}
	for i := 0; i+1 < len(given.Content); i += 2 {
		key, value := given.Content[i].Value, imports.Unplaced(given.Content[i+1])
		own := imports.Get(n, key)
		switch {
		case own == nil:
			imports.Set(n, key, value)
		case key == "labels" || key == "annotations":
			for j := 0; j+1 < len(value.Content); j += 2 {
				put(own, value.Content[j].Value, value.Content[j+1])
			}
		default:
			put(n, key, value)
		}
	}
}

// put sets a key of a mapping, whether it has it or not.
func put(m *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	imports.Set(m, key, value)
}

// unused reports overrides of rules that no file has.
func (t *Translation) unused() {
	if t.opt.Overrides == nil {
		return
	}
	known := map[string]bool{}
	for d := range t.documents {
		known[strings.ToLower(d.id)] = true
	}
	for _, id := range t.opt.Overrides.ids {
		if !known[strings.ToLower(id.Value)] {
			t.Report.Add(imports.Remark{
				File: t.opt.Overrides.file, Line: id.Line, Verdict: imports.Note, Code: "override",
				Text: fmt.Sprintf("%s:%d: no rule has the id %s", t.opt.Overrides.file, id.Line,
					id.Value),
			})
		}
	}
}

// ReadFields reads a file of field names, each with the name or the names that the logs have for
// it. The error is a problem.List.
func ReadFields(name string, data []byte) (*Pipeline, error) {
	r := strictyaml.Reader{File: name}
	mapping := map[string][]string{}
	if root := r.Parse(bytes.TrimSpace(data)); root != nil {
		for field, node := range r.Mapping(root) {
			var names []string
			r.Decode(node, &names)
			mapping[field] = names
		}
	}
	return Fields(mapping), r.Problems.Err()
}

// Refuse reports the documents that a set was loaded without. set is what rule.LoadDocuments made
// of the documents, after first others.
func (t *Translation) Refuse(set *rule.Set, first int) {
	for i, from := range t.made {
		said := map[string]bool{}
		for _, mistake := range set.Refused[first+i] {
			text := mistake.Error()
			if said[text] {
				continue // a selection that is used twice is read twice
			}
			said[text] = true
			t.Report.Add(imports.Remark{
				File: from.file, Line: from.line, Rule: from.title,
				Verdict: imports.Refused, Code: "refused", Text: text,
				Mistake: mistake,
			})
		}
	}
}

// Made is how many documents were made.
func (t *Translation) Made() int { return len(t.made) }

// Accepted are the documents that a set was loaded with.
func Accepted(documents []rule.Document, set *rule.Set) (list []rule.Document) {
	for i, d := range documents {
		if len(set.Refused[i]) == 0 {
			list = append(list, d)
		}
	}
	return list
}

// ruleOf is the only rule of a document.
func ruleOf(d rule.Document) *yaml.Node {
	return imports.Get(imports.Get(d.Root, "groups").Content[0], "rules").Content[0]
}

// perFile joins the documents of one file to one.
func perFile(documents []rule.Document) (files []rule.Document) {
	for _, d := range documents {
		if last := len(files) - 1; last >= 0 && files[last].File == d.File {
			rules := imports.Get(imports.Get(files[last].Root, "groups").Content[0], "rules")
			rules.Content = append(rules.Content, ruleOf(d))
			continue
		}
		files = append(files, d)
	}
	return files
}
