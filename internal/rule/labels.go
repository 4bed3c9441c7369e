package rule

import (
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"go.yaml.in/yaml/v3"
)

// Fields of the data of templates, by when a label may read them.
var (
	// constantFields are the same in each transition of an alert.
	constantFields = []string{"Rule", "Group", "Name", "Labels", "Window"}
	// movingFields differ between the transitions of one alert, so a label with one of them would
	// be that of another alert at each of them.
	movingFields = []string{"State", "Severity", "End", "Late", "Current", "Peak", "Duration"}
)

// LabelsAtFiring reports whether a label of the rule reads what is known only when the alert fires,
// such as the value. Such labels are those of the moment at which it fires, for as long as it
// lives.
func (r *Rule) LabelsAtFiring() bool {
	for _, text := range r.Labels {
		if slices.ContainsFunc(dataFields(text), func(field string) bool {
			return !slices.Contains(constantFields, field)
		}) {
			return true
		}
	}
	return false
}

// identityLabels refuses labels that would change the identity of an alert while it lives, and
// those of records, whose values are recorded under their labels.
func (r *reader) identityLabels(n *yaml.Node, rule *Rule) {
	for name, text := range rule.Labels { // the order is that of the problems, which are sorted
		for _, field := range dataFields(text) {
			switch {
			case rule.Record && !slices.Contains(constantFields, field):
				r.Fail(r.labelNode(n, name),
					"labels of a record may read .Labels, .Name and .Group",
					"label %s of a record reads .%s", name, field)
			case field == "Severity", field == "State":
				r.Fail(r.labelNode(n, name),
					"write levels for a severity that moves with the value; other texts belong "+
						"in annotations",
					"label %s reads .%s, which moves while the alert lives, and with it the "+
						"alert's identity",
					name, field)
			case slices.Contains(movingFields, field):
				r.Fail(r.labelNode(n, name), "write it as an annotation",
					"label %s reads .%s, which moves while the alert lives, and with it the "+
						"alert's identity",
					name, field)
			}
		}
	}
}

// labelNode is where a label of a rule stands: its own, or the rule when it is one of the group or
// of the file.
func (r *reader) labelNode(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "labels" {
			continue
		}
		labels := n.Content[i+1]
		for j := 0; j+1 < len(labels.Content); j += 2 {
			if labels.Content[j].Value == name {
				return labels.Content[j+1]
			}
		}
	}
	return n
}

// dataFields are the names of the fields that a template reads from its data, each once, in order.
// "" stands for the data as a whole.
func dataFields(text string) (fields []string) {
	if !strings.Contains(text, "{{") {
		return nil
	}
	t, err := template.New("").Funcs(stubs).Parse(text)
	if err != nil || t.Tree == nil {
		return nil
	}
	add := func(name string) {
		if !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	var walk func(n parse.Node, root bool)
	branch := func(b *parse.BranchNode, root, within bool) {
		walk(b.Pipe, root)
		walk(b.List, within)
		if b.ElseList != nil {
			walk(b.ElseList, root)
		}
	}
	walk = func(n parse.Node, root bool) {
		switch n := n.(type) {
		case *parse.ListNode:
			for _, m := range n.Nodes {
				walk(m, root)
			}
		case *parse.ActionNode:
			walk(n.Pipe, root)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c, root)
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(a, root)
			}
		case *parse.ChainNode:
			walk(n.Node, root)
		case *parse.IfNode:
			branch(&n.BranchNode, root, root)
		case *parse.RangeNode:
			branch(&n.BranchNode, root, false)
		case *parse.WithNode:
			branch(&n.BranchNode, root, false)
		case *parse.TemplateNode:
			if n.Pipe != nil {
				walk(n.Pipe, root)
			}
		case *parse.FieldNode:
			if root {
				add(n.Ident[0])
			}
		case *parse.DotNode:
			if root {
				add("")
			}
		case *parse.VariableNode:
			switch {
			case n.Ident[0] != "$":
			case len(n.Ident) > 1:
				add(n.Ident[1])
			default:
				add("")
			}
		}
	}
	walk(t.Root, true)
	return fields
}
