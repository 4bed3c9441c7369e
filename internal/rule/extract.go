package rule

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// extract reads the extractions of a rule, and gives the fields that the rule names and they yield
// the paths by which they are found.
func (r *reader) extract(n *yaml.Node, rule *Rule) {
	if n == nil {
		return
	}
	of := map[string][]decode.Extraction{}
	for _, m := range r.Sequence(n) {
		x, ok := r.extraction(m)
		if !ok {
			continue
		}
		names, err := x.Names()
		if err != nil {
			r.Fail(m, "", "%s", err)
			continue
		}
		rule.Extract = append(rule.Extract, x)
		for _, name := range names {
			of[name] = append(of[name], x)
		}
	}
	paths := map[string]string{}
	for name, list := range of {
		path := decode.Path(name, list...)
		paths["fields."+name] = path
		// the level is a rank, whatever a log calls it
		if c := decode.Canonical(name); c != "level" {
			paths[c] = path
		}
	}
	replaceFields(rule, paths)
}

// extraction reads one extraction.
func (r *reader) extraction(n *yaml.Node) (x decode.Extraction, ok bool) {
	before := len(r.Problems)
	v := r.Mapping(n, append([]string{"from"}, decode.Methods...)...)
	x.From = "line"
	if from := v["from"]; from != nil {
		if x.From = decode.Canonical(r.Text(from)); x.From == "" {
			r.Fail(from, "name a field, such as line", "from is empty")
		}
	}
	for _, method := range decode.Methods {
		m := v[method]
		if m == nil {
			continue
		}
		if x.Method != "" {
			r.Fail(m, "write two extractions", "an extraction has one method, and this one has two")
		}
		x.Method = method
		if m.Kind == yaml.SequenceNode {
			x.Text = strings.Join(r.Texts(m), ",")
		} else {
			x.Text = r.Text(m)
		}
	}
	if x.Method == "" && len(r.Problems) == before {
		r.Fail(n, "write pattern, regexp, json or logfmt", "an extraction has no method")
	}
	if x.Method == "regexp" && len(r.Problems) == before {
		leaf := Leaf{}
		if err := r.regexps.compile(&leaf, x.Text); err != nil {
			r.Fail(v["regexp"], "the syntax is RE2", "%s", err)
		}
	}
	return x, len(r.Problems) == before
}

// replaceFields replaces the fields that a rule names.
func replaceFields(r *Rule, paths map[string]string) {
	replace := func(field *string) {
		if path, ok := paths[*field]; ok {
			*field = path
		}
	}
	query := func(q Query) {
		eachLeaf(q, func(l *Leaf) {
			if l.Op != OpLevel {
				replace(&l.Field)
			}
			replace(&l.Other)
		})
	}
	condition := func(c Condition) {
		for _, call := range calls(c) {
			replace(&call.Field)
			query(call.Filter)
		}
	}
	list := func(fields []string) []string {
		fields = slices.Clone(fields)
		for i := range fields {
			replace(&fields[i])
		}
		return fields
	}
	query(r.Match)
	condition(r.When)
	for _, s := range r.Sequence {
		query(s.Match)
	}
	query(r.Resolve.Match)
	condition(r.Resolve.When)
	for i := range r.By {
		r.By[i].Fields = list(r.By[i].Fields)
		for j := range r.By[i].Of {
			r.By[i].Of[j].Fields = list(r.By[i].Of[j].Fields)
		}
	}
	r.Samples.Fields, r.Top = list(r.Samples.Fields), list(r.Top)
}

// streamLabel is the label that stands for all labels of the envelope, or for all but some.
func streamLabel(text string) Label {
	without, ok := strings.CutPrefix(text, "stream.* without ")
	if !ok {
		return Label{Name: text, Fields: []string{text}}
	}
	names := strings.Split(strings.ReplaceAll(without, " ", ""), ",")
	return Label{
		Name: text, Fields: []string{"stream.* without " + strings.Join(names, ",")},
	}
}
