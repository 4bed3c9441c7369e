package imports

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// maxNodes bounds the size of a document once its aliases are written out.
const maxNodes = 500_000

// Read reads the documents of a YAML or JSON file, with aliases and merged keys written out. Its
// error is a *problem.Error without the name of the file; the documents before it are returned.
func Read(f File) (documents []*yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(f.Data))
	left := maxNodes
	// without an anchor there is no alias, and without a merged key nothing is written out
	asIs := !bytes.ContainsRune(f.Data, '&') && !bytes.Contains(f.Data, []byte("<<"))
	for {
		var n yaml.Node
		if err := decoder.Decode(&n); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return documents, problem.YAML("", err)[0]
		}
		for _, root := range n.Content {
			if asIs && len(f.Data) < maxNodes {
				documents = append(documents, root)
				continue
			}
			plain, err := writtenOut(root, &left, 0)
			if err != nil {
				return documents, err
			}
			documents = append(documents, plain)
		}
	}
}

// Unreadable is the remark about a file that Read, or the reader of a file of options, refuses.
func Unreadable(file, code string, err error) Remark {
	m := Remark{File: file, Line: 1, Verdict: Refused, Code: code, Text: err.Error()}
	if e, ok := errors.AsType[*problem.Error](err); ok && error(e) == err {
		m.Line, m.Text = max(e.Pos.Line, 1), e.Text()
	}
	return m
}

// writtenOut is a node without aliases and merged keys. Those of a merged mapping give way to the
// mapping's own.
func writtenOut(n *yaml.Node, left *int, depth int) (*yaml.Node, error) {
	if *left--; *left < 0 || depth > 200 {
		return nil, problem.New(problem.Pos{Line: n.Line}, "",
			"the document is too large or nested too deeply")
	}
	if n.Kind == yaml.AliasNode {
		return writtenOut(n.Alias, left, depth+1)
	}
	c := *n
	c.Anchor, c.Content = "", nil
	if n.Kind != yaml.MappingNode {
		for _, m := range n.Content {
			plain, err := writtenOut(m, left, depth+1)
			if err != nil {
				return nil, err
			}
			c.Content = append(c.Content, plain)
		}
		return &c, nil
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		plain, err := writtenOut(n.Content[i+1], left, depth+1)
		switch key := *n.Content[i]; {
		case err != nil:
			return nil, err
		case key.Value == "<<" && plain.Kind == yaml.MappingNode:
			merged = append(merged, plain)
		case key.Value == "<<" && plain.Kind == yaml.SequenceNode:
			merged = append(merged, plain.Content...)
		default:
			key.Anchor = ""
			c.Content = append(c.Content, &key, plain)
		}
	}
	for _, m := range merged {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if Get(&c, m.Content[i].Value) == nil {
				c.Content = append(c.Content, m.Content[i], m.Content[i+1])
			}
		}
	}
	return &c, nil
}
