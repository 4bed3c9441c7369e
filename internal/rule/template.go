package rule

import (
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"go.yaml.in/yaml/v3"
)

const (
	maxTemplate    = 16 << 10 // bytes of a template
	maxRangeDepth  = 2        // of range in range
	rangeHint      = "range goes over .Labels, .Top, .First, .Last, or what they hold"
	maxSampleLines = 100 // that an alert shows from its beginning, and from its end
)

// templates reports what text/template cannot parse, and what could do more work than a text about
// an alert needs: templates are executed while logs wait.
func (r *reader) templates(n *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 1; i < len(n.Content); i += 2 {
		if problem, hint := checkTemplate(n.Content[i].Value); problem != "" {
			r.Fail(n.Content[i], hint, "%s", problem)
		}
	}
}

// checkTemplate says what is wrong with a template, and what to do; "" if nothing.
func checkTemplate(text string) (problem, hint string) {
	if len(text) > maxTemplate {
		return "template is longer than 16 KiB", "shorten it"
	}
	if !strings.Contains(text, "{{") {
		return "", ""
	}
	t, err := template.New("").Funcs(stubs).Parse(text)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "template: :"), ""
	}
	if len(t.Templates()) > 1 {
		return "template defines others, which it could call without end",
			"write the text where it is needed instead of define or block"
	}
	c := templateCheck{}
	c.list(t.Root, 0, true)
	return c.problem, c.hint
}

// templateCheck walks through a template, and notes the first thing that could do unbounded work.
type templateCheck struct{ problem, hint string }

func (c *templateCheck) fail(hint, format string, args ...any) {
	if c.problem == "" {
		c.problem, c.hint = fmt.Sprintf(format, args...), hint
	}
}

// list checks nodes in so many ranges; root reports whether the dot is the alert.
func (c *templateCheck) list(l *parse.ListNode, depth int, root bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TemplateNode:
			c.fail("write the text where it is needed", "template %q is called", n.Name)
		case *parse.ActionNode:
			c.pipe(n.Pipe)
		case *parse.IfNode:
			c.pipe(n.Pipe)
			c.list(n.List, depth, root)
			c.list(n.ElseList, depth, root)
		case *parse.WithNode:
			c.pipe(n.Pipe)
			c.list(n.List, depth, false)
			c.list(n.ElseList, depth, root)
		case *parse.RangeNode:
			c.pipe(n.Pipe)
			if !ranged(n.Pipe, root) {
				c.fail(rangeHint, "range goes over %s, whose length nothing bounds", shown(n.Pipe))
			}
			if depth == maxRangeDepth {
				c.fail("make two ranges of it, one after the other",
					"more than %d ranges are nested", maxRangeDepth)
			}
			c.list(n.List, depth+1, false)
			c.list(n.ElseList, depth, root)
		}
	}
}

// ranged reports whether a pipeline is a part of the alert that is a list.
func ranged(p *parse.PipeNode, root bool) bool {
	if len(p.Cmds) != 1 {
		return false
	}
	lists := []string{"Labels", "Top", "First", "Last"}
	var of func(args []parse.Node) bool
	of = func(args []parse.Node) bool {
		if len(args) == 0 {
			return false
		}
		switch n := args[0].(type) {
		case *parse.FieldNode:
			return len(args) == 1 && (!root || slices.Contains(lists, n.Ident[0]))
		case *parse.VariableNode:
			return len(args) == 1 &&
				(n.Ident[0] != "$" || len(n.Ident) > 1 && slices.Contains(lists, n.Ident[1]))
		case *parse.DotNode:
			return !root
		case *parse.ChainNode:
			return of([]parse.Node{n.Node})
		case *parse.PipeNode:
			return ranged(n, root)
		case *parse.IdentifierNode:
			return (n.Ident == "index" || n.Ident == "slice") && len(args) > 1 && of(args[1:2])
		}
		return false
	}
	return of(p.Cmds[0].Args)
}

// argumentMethods are the methods of what alerts hold that take arguments. Format is the only one
// that makes a text, so its layout is written out: one that is made of others grows with each call.
var argumentMethods = []string{
	"Add", "AddDate", "After", "Before", "Compare", "Equal", "Format", "In", "Round", "Sub",
	"Truncate",
}

func (c *templateCheck) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for i, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			switch arg := arg.(type) {
			case *parse.PipeNode:
				c.pipe(arg)
			case *parse.ChainNode:
				if inner, ok := arg.Node.(*parse.PipeNode); ok {
					c.pipe(inner)
				}
			}
		}
		var method string
		switch n := cmd.Args[0].(type) {
		case *parse.FieldNode:
			method = n.Ident[len(n.Ident)-1]
		case *parse.VariableNode:
			method = n.Ident[len(n.Ident)-1]
		case *parse.ChainNode:
			method = n.Field[len(n.Field)-1]
		}
		if method == "" || len(cmd.Args) == 1 && i == 0 {
			continue
		}
		if !slices.Contains(argumentMethods, method) {
			c.fail("methods with arguments are "+strings.Join(argumentMethods, ", "),
				"%s is called with an argument", cmd.Args[0])
		}
		if _, written := cmd.Args[len(cmd.Args)-1].(*parse.StringNode); method == "Format" &&
			(!written || i > 0) {
			c.fail(`write {{ .At.Format "15:04" }}`, "the layout of %s is not written out",
				cmd.Args[0])
		}
	}
}

// shown is a node as it is written, without the variables it sets.
func shown(p *parse.PipeNode) string {
	list := make([]string, len(p.Cmds))
	for i, cmd := range p.Cmds {
		list[i] = cmd.String()
	}
	return strings.Join(list, " | ")
}

// stubs are the names of the functions that templates may call; package alerting has the functions.
var stubs = func() template.FuncMap {
	m := template.FuncMap{}
	for _, name := range []string{
		"humanize", "humanize1024", "humanizeDuration", "humanizePercentage",
		"toUpper", "toLower", "title", "join",
	} {
		m[name] = func(...any) string { return "" }
	}
	return m
}()
