package rule

import (
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// labelTemplate: labels identify an alert while it lives, so what changes in the meantime stays as
// it was.
func (l *linter) labelTemplate(r *Rule) {
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		for _, field := range dataFields(r.Labels[name]) {
			if !slices.Contains(constantFields, field) && !slices.Contains(movingFields, field) {
				l.report(r, "labels",
					"for a severity that moves with the value write levels; other "+
						"texts belong in annotations",
					"label %s reads .%s as it is when the alert fires, and "+
						"keeps that while the alert lives; the rule is decided at the watermark",
					name, field)
				break
			}
		}
	}
}

// templateType: the value is a decimal, and a comparison with an integer fails when the alert
// fires.
func (l *linter) templateType(r *Rule) {
	l.templates(r, func(key, name, text string) {
		for _, c := range commands(text) {
			if len(c.Args) < 3 {
				continue
			}
			f, _ := c.Args[0].(*parse.IdentifierNode)
			if f == nil || !slices.Contains([]string{"eq", "ne", "lt", "le", "gt", "ge"}, f.Ident) {
				continue
			}
			value, integer := false, ""
			for _, arg := range c.Args[1:] {
				switch a := arg.(type) {
				case *parse.FieldNode:
					value = value || len(a.Ident) == 1 && a.Ident[0] == "Value"
				case *parse.NumberNode:
					if !strings.ContainsAny(a.Text, ".eE") {
						integer = a.Text
					}
				}
			}
			if value && integer != "" {
				l.report(r, key, "write "+f.Ident+" .Value "+integer+".0",
					"%s compares .Value, a decimal, with the integer %s, which fails", name,
					integer)
				return
			}
		}
	})
}

// sampleField: an alert keeps only those fields of its logs that samples asks for.
func (l *linter) sampleField(r *Rule) {
	var kept []string
	for _, path := range r.Samples.Fields {
		kept = append(kept, decode.FieldName(path))
	}
	l.templates(r, func(key, name, text string) {
		for _, chain := range chains(text) {
			if len(chain) < 3 || chain[1] != "Fields" || chain[0] != "First" && chain[0] != "Last" {
				continue
			}
			if field := strings.Join(chain[2:], "."); !slices.Contains(kept, field) &&
				!slices.Contains(kept, chain[2]) {
				l.report(r, key, "add samples: {fields: ["+field+"]}",
					"%s reads the field %s of a log, which the alert does not keep", name, field)
				return
			}
		}
	})
}

// unknownLabel: a template that reads a label that the alert cannot have writes nothing.
func (l *linter) unknownLabel(r *Rule) {
	known := map[string]bool{"alertname": true}
	for _, by := range r.By {
		known[by.Name] = true
		if strings.HasSuffix(by.Name, "*") {
			return // any label of the envelope
		}
	}
	for name := range r.Labels {
		known[name] = true
	}
	if len(r.Levels) > 0 {
		known["severity"] = true
	}
	if r.Source == "alerts" {
		return // whose labels are those of other rules
	}
	l.templates(r, func(key, name, text string) {
		for _, chain := range chains(text) {
			if len(chain) >= 2 && chain[0] == "Labels" && !known[chain[1]] {
				l.report(r, key, "labels come from by, labels and levels",
					"%s reads the label %s, which the alert never has", name, chain[1])
				return
			}
		}
	})
}

// labelConflict: of two values of one label, one is lost.
func (l *linter) labelConflict(r *Rule) {
	for _, by := range r.By {
		_, given := r.Labels[by.Name]
		switch {
		case by.Name == "alertname":
			l.report(r, "by", "write by: ['name=alertname']",
				"alertname is the name of the rule, and not of a group")
		case by.Name == "severity" && len(r.Levels) > 0:
			l.report(r, "by", "write by: ['level=severity']",
				"levels set the label severity, which is also that of the group")
		case given:
			l.report(r, "labels", "give one of them another name",
				"label %s is also that of the group; the group's value wins", by.Name)
		}
	}
	if _, given := r.Labels["alertname"]; given {
		l.report(r, "labels", "leave it out", "alertname is the name of the rule")
	}
	if _, given := r.Labels["severity"]; given && len(r.Levels) > 0 &&
		l.set.places[r]["labels"] != (Pos{}) {
		l.report(r, "labels", "leave it out, or write a level for every value",
			"levels set the label severity, so the one of labels counts only below all levels")
	}
}

// templates calls f for each template of a rule.
func (l *linter) templates(r *Rule, f func(key, name, text string)) {
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		f("labels", "label "+name, r.Labels[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		f("annotations", "annotation "+name, r.Annotations[name])
	}
}

// chains are the fields that a template reads from its data, as .Labels.service.
func chains(text string) (list [][]string) {
	walkTemplate(text, func(n parse.Node) {
		switch n := n.(type) {
		case *parse.FieldNode:
			list = append(list, n.Ident)
		case *parse.VariableNode:
			if n.Ident[0] == "$" && len(n.Ident) > 1 {
				list = append(list, n.Ident[1:])
			}
		case *parse.CommandNode:
			// index .Labels "a-b"
			if f, ok := n.Args[0].(*parse.IdentifierNode); ok && f.Ident == "index" &&
				len(n.Args) == 3 {
				field, isField := n.Args[1].(*parse.FieldNode)
				name, isText := n.Args[2].(*parse.StringNode)
				if isField && isText {
					list = append(list, append(slices.Clone(field.Ident), name.Text))
				}
			}
		}
	})
	return list
}

func commands(text string) (list []*parse.CommandNode) {
	walkTemplate(text, func(n parse.Node) {
		if c, ok := n.(*parse.CommandNode); ok {
			list = append(list, c)
		}
	})
	return list
}

// walkTemplate calls f for the nodes of a template outside range and with, whose data is another.
func walkTemplate(text string, f func(parse.Node)) {
	if !strings.Contains(text, "{{") {
		return
	}
	t, err := template.New("").Funcs(stubs).Parse(text)
	if err != nil || t.Tree == nil {
		return
	}
	var walk func(n parse.Node)
	pipe := func(p *parse.PipeNode) {
		if p != nil {
			walk(p)
		}
	}
	list := func(l *parse.ListNode) {
		if l != nil {
			walk(l)
		}
	}
	walk = func(n parse.Node) {
		f(n)
		switch n := n.(type) {
		case *parse.ListNode:
			for _, m := range n.Nodes {
				walk(m)
			}
		case *parse.ActionNode:
			pipe(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c)
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(a)
			}
		case *parse.IfNode:
			pipe(n.Pipe)
			list(n.List)
			list(n.ElseList)
		case *parse.RangeNode:
			pipe(n.Pipe)
		case *parse.WithNode:
			pipe(n.Pipe)
		}
	}
	walk(t.Tree.Root)
}
