package sigma

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Pipeline is a pySigma pipeline file: transformations of field names and detections.
type Pipeline struct{ steps []step }

type step struct {
	node   *yaml.Node
	kind   string
	fields map[string][]string // of a mapping
}

type logsource struct{ product, category, service string }

func logsourceOf(root *yaml.Node) *logsource {
	s := imports.Get(root, "logsource")
	return &logsource{
		imports.Value(s, "product"), imports.Value(s, "category"), imports.Value(s, "service"),
	}
}

// supported are the transformations that are applied; those with false change no match.
var supported = map[string]bool{
	"field_name_mapping": true, "field_name_prefix_mapping": true, "field_name_prefix": true,
	"field_name_suffix": true, "add_condition": true, "change_logsource": true,
	"drop_detection_item": true, "set_state": false, "set_custom_attribute": false,
}

// ReadPipeline reads a pipeline file. A transformation that is not supported is a mistake.
func ReadPipeline(name string, data []byte) (*Pipeline, error) {
	documents, err := imports.Read(imports.File{Name: name, Data: data})
	if err != nil {
		return nil, problem.In(name, err)
	}
	if len(documents) == 0 {
		return &Pipeline{}, nil
	}
	p := &Pipeline{}
	list := imports.Get(documents[0], "transformations")
	if list == nil {
		return nil, problem.New(problem.Pos{File: name, Line: 1, Column: 1}, "",
			"a pipeline has transformations")
	}
	for _, m := range list.Content {
		s := step{node: m, kind: imports.Value(m, "type"), fields: map[string][]string{}}
		if _, ok := supported[s.kind]; !ok {
			return nil, problem.New(problem.Pos{File: name, Line: m.Line, Column: m.Column}, "",
				"transformation %q is not supported", s.kind)
		}
		if mapping := imports.Get(m, "mapping"); mapping != nil {
			for i := 0; i+1 < len(mapping.Content); i += 2 {
				s.fields[mapping.Content[i].Value] = imports.Values(mapping,
					mapping.Content[i].Value)
			}
		}
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// Fields is a pipeline that maps names of fields.
func Fields(mapping map[string][]string) *Pipeline {
	return &Pipeline{steps: []step{{kind: "field_name_mapping", fields: mapping}}}
}

// names applies the mappings to names of fields.
func (p *Pipeline) names(names []string, source *logsource) []string {
	for _, s := range p.steps {
		if !s.applies(source) {
			continue
		}
		var next []string
		for _, n := range names {
			next = append(next, s.rename(n)...)
		}
		names = next
	}
	return names
}

// change applies change_logsource.
func (p *Pipeline) change(source *logsource) {
	for i := range p.steps {
		if s := &p.steps[i]; s.kind == "change_logsource" && s.applies(source) {
			s.change(source)
		}
	}
}

func (s *step) change(source *logsource) {
	for key, value := range map[string]*string{
		"product": &source.product, "category": &source.category, "service": &source.service,
	} {
		if imports.Get(s.node, key) != nil {
			*value = imports.Value(s.node, key)
		}
	}
}

func (s *step) rename(name string) []string {
	if name == "" || !s.includes(name) {
		return []string{name}
	}
	switch s.kind {
	case "field_name_mapping":
		if to := s.fields[name]; len(to) > 0 {
			return to
		}
	case "field_name_prefix_mapping":
		for prefix, to := range s.fields {
			if rest, ok := strings.CutPrefix(name, prefix); ok && len(to) > 0 {
				return []string{to[0] + rest}
			}
		}
	case "field_name_prefix":
		return []string{imports.Value(s.node, "prefix") + name}
	case "field_name_suffix":
		return []string{name + imports.Value(s.node, "suffix")}
	}
	return []string{name}
}

// includes evaluates field_name_conditions.
func (s *step) includes(name string) bool {
	conditions := imports.Get(s.node, "field_name_conditions")
	if conditions == nil {
		return true
	}
	for _, c := range conditions.Content {
		listed := slices.Contains(imports.Values(c, "fields"), name)
		switch imports.Value(c, "type") {
		case "include_fields":
			if !listed {
				return false
			}
		case "exclude_fields":
			if listed {
				return false
			}
		}
	}
	return true
}

// applies evaluates rule_conditions.
func (s *step) applies(source *logsource) bool {
	conditions := imports.Get(s.node, "rule_conditions")
	if conditions == nil || len(conditions.Content) == 0 {
		return true
	}
	some := imports.Value(s.node, "rule_cond_op") == "or"
	result := !some
	for _, c := range conditions.Content {
		holds := true
		if imports.Value(c, "type") == "logsource" {
			for key, value := range map[string]string{
				"product": source.product, "category": source.category, "service": source.service,
			} {
				if want := imports.Value(c, key); want != "" && want != value {
					holds = false
				}
			}
		}
		if some {
			result = result || holds
		} else {
			result = result && holds
		}
	}
	return result != (imports.Value(s.node, "rule_cond_not") == "true")
}

// apply applies the pipeline to a detection.
func (p *Pipeline) apply(det *yaml.Node, source *logsource) (*yaml.Node, error) {
	for i, s := range p.steps {
		if !s.applies(source) {
			continue
		}
		switch s.kind {
		case "field_name_mapping", "field_name_prefix_mapping", "field_name_prefix",
			"field_name_suffix":
			det = eachKey(det, s.rename)
		case "add_condition":
			conditions := imports.Get(s.node, "conditions")
			if conditions == nil {
				return nil, fmt.Errorf("add_condition of the pipeline has no conditions")
			}
			joined := "_pipeline and _rule"
			if imports.Value(s.node, "negated") == "true" {
				joined = "not _pipeline and _rule"
			}
			det = imports.Map("_pipeline", imports.Unplaced(conditions), "_rule", det,
				"condition", imports.Text(joined))
		case "change_logsource":
			s.change(source)
		case "drop_detection_item":
			dropItems(det, &p.steps[i])
		}
	}
	return det, nil
}

// dropItems removes the fields of a detection that a step includes.
func dropItems(n *yaml.Node, s *step) {
	if n.Kind != yaml.MappingNode || imports.Get(n, "condition") != nil {
		for _, m := range n.Content {
			dropItems(m, s)
		}
		return
	}
	for i := 0; i+1 < len(n.Content); {
		name, _, _ := strings.Cut(n.Content[i].Value, "|")
		if s.includes(name) && imports.Get(s.node, "field_name_conditions") != nil {
			n.Content = slices.Delete(n.Content, i, i+2)
			continue
		}
		i += 2
	}
}
