package ruler

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
)

// Labels are which fields hold the labels of streams.
type Labels struct {
	Fields map[string]string
	Stream []string // that make a stream
}

// ReadLabels reads a file of label: field, with the labels of streams as a list under stream.
func ReadLabels(f *imports.File) (l Labels, err error) {
	l.Fields = map[string]string{}
	if f == nil {
		return l, nil
	}
	documents, err := imports.Read(*f)
	if err != nil {
		return l, fmt.Errorf("%s: %w", f.Name, err)
	}
	for _, d := range documents {
		if d.Kind != yaml.MappingNode {
			return l, fmt.Errorf("%s:%d: write label: field, one below the other", f.Name, d.Line)
		}
		for i := 0; i+1 < len(d.Content); i += 2 {
			switch key, value := d.Content[i].Value, d.Content[i+1]; {
			case key == "stream" && value.Kind == yaml.SequenceNode:
				l.Stream = imports.Values(d, key)
			case value.Kind == yaml.ScalarNode && value.Value != "":
				l.Fields[key] = value.Value
			default:
				return l, fmt.Errorf("%s:%d: label %q has no field", f.Name, value.Line, key)
			}
		}
	}
	return l, nil
}

// Extract is the key extract of a rule with some extractions, nil for none.
func Extract(of []decode.Extraction) *yaml.Node {
	list := imports.List()
	for _, x := range of {
		value := imports.Text(x.Text)
		if x.Method == "json" || x.Method == "logfmt" {
			value = imports.Texts(strings.Split(x.Text, ",")...)
		}
		list.Content = append(
			list.Content,
			imports.Map("from", imports.Text(x.From), x.Method, value),
		)
	}
	if len(list.Content) == 0 {
		return nil
	}
	return list
}
