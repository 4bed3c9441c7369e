package loki

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a part of a rule that may name something.
type node struct{ *yaml.Node }

func (n node) contains(text string) bool {
	if n.Node == nil {
		return false
	}
	for _, m := range n.Content {
		if strings.Contains(m.Value, text) {
			return true
		}
	}
	return false
}
