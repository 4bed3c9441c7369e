// Package importstest prints and compares translated rules for the tests of the systems below
// package imports.
package importstest

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Flat is a mapping in one line, its own keys without braces and without those to leave out.
func Flat(n *yaml.Node, without ...string) string {
	var parts []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; !slices.Contains(without, key) {
			parts = append(parts, key+": "+flow(n.Content[i+1]))
		}
	}
	return strings.Join(parts, " ")
}

func flow(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+": "+flow(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, m := range n.Content {
			parts = append(parts, flow(m))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if n.Style == yaml.DoubleQuotedStyle {
		return `"` + n.Value + `"`
	}
	return n.Value
}
