// Package strictyaml reads YAML that users write: rule files, configuration, test scripts. Unlike
// the YAML package's own decoder it knows the column of everything, reports all mistakes of a file
// at once, refuses unknown and repeated keys, and notices what YAML takes away from a text without
// an error: comments, anchors, tags.
//
// There are two ways to read a document. Decode fills a struct by its yaml tags. Mapping, Sequence,
// Text and so on read it node by node; they report mistakes and return zero values for them, so
// that a caller continues and finds the other mistakes.
package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Node is a part of a YAML document.
type Node = yaml.Node

// Reader reads one document and collects its mistakes.
type Reader struct {
	File     string
	Problems problem.List

	// Env looks up environment variables for values that may name one; see Unmarshaler.
	Env func(name string) string

	// QueryKeys are keys whose values are queries. YAML takes unquoted queries apart, so such
	// mistakes get a hint at quotes, and the rest of the file is read as if they were quoted.
	QueryKeys []string

	// Removed are keys that earlier versions had, with what to do instead.
	Removed map[string]string

	// Aliases allows YAML's anchors and aliases, for configuration.
	Aliases bool

	decoded int // nodes, to bound the work of nested aliases
}

const quoteQuery = "wrap the whole query in single quotes"

// maxNodes bounds how many nodes Decode reads, each alias counting as all that it stands for.
const maxNodes = 1 << 18

// Parse reads the text of a file and returns its root, or nil when there is none. An empty file is
// not a mistake of its own: it has no root and no problem.
func (r *Reader) Parse(data []byte) *Node {
	root, err := parse(data)
	if err != nil {
		if quoted, places := r.quote(string(data)); len(places) > 0 {
			for _, pos := range places {
				r.Add(pos, quoteQuery, "YAML does not read this as a text")
			}
			root, err = parse([]byte(quoted))
		}
	}
	if err != nil {
		r.Problems = append(r.Problems, r.yamlError(data, err))
		return nil
	}
	return root
}

// parse reads the only document of a text.
func parse(data []byte) (*Node, error) {
	d := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, next yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if d.Decode(&next) == nil {
		return nil, problem.New(problem.Pos{Line: next.Line, Column: next.Column},
			"put it into a file of its own", "a second document begins here")
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// yamlError gives an error of the YAML package its place and a hint.
func (r *Reader) yamlError(data []byte, err error) *problem.Error {
	if second, ok := errors.AsType[*problem.Error](err); ok {
		second.Pos.File = r.File
		return second
	}
	e := problem.YAML(r.File, err)[0]
	e.Pos.Line, e.Pos.Column = cmp.Or(e.Pos.Line, 1), 1
	if line, column := tabIndent(data); line > 0 {
		e.Pos.Line, e.Pos.Column = line, column
		e.Problem = "a tab indents this line"
		e.Hint = "YAML is indented with spaces, for example two for each level"
		return e
	}
	switch {
	case !plainText(data):
		e.Hint = "the file is binary, or a text that is not in UTF-8"
	case len(r.QueryKeys) > 0:
		e.Hint = "if there is a query near here, " + quoteQuery
	}
	return e
}

// plainText reports whether data is UTF-8 without the control characters that YAML refuses.
func plainText(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsFunc(data, func(c rune) bool {
		return unicode.IsControl(c) && !strings.ContainsRune("\t\n\r\u0085", c)
	})
}

// tabIndent finds the first tab in the indentation of a line.
func tabIndent(data []byte) (line, column int) {
	for text := range strings.Lines(string(data)) {
		line++
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if at := strings.IndexByte(indent, '\t'); at >= 0 && strings.TrimSpace(text) != "" {
			return line, at + 1
		}
	}
	return 0, 0
}

var (
	blockHeader = regexp.MustCompile(`^[|>][+-]?\d?[+-]?(\s+#.*)?$`)
	quotedWhole = regexp.MustCompile(`^("([^"\\]|\\.)*"|'([^']|'')*')\s*(#.*)?$`)
)

// quote puts single quotes around the queries that are on lines of their own and that YAML does not
// read as texts, and returns their places.
func (r *Reader) quote(text string) (string, []problem.Pos) {
	if len(r.QueryKeys) == 0 {
		return text, nil
	}
	queryLine := regexp.MustCompile(
		`^(\s*(?:- +)*(?:` + strings.Join(r.QueryKeys, "|") + `): +)(.*\S)`,
	)
	lines := strings.Split(text, "\n")
	var places []problem.Pos
	for i, line := range lines {
		m := queryLine.FindStringSubmatch(line)
		if m == nil || readable(m[2]) {
			continue
		}
		lines[i] = m[1] + "'" + strings.ReplaceAll(m[2], "'", "''") + "'"
		places = append(places, problem.Pos{File: r.File, Line: i + 1, Column: len(m[1]) + 1})
	}
	return strings.Join(lines, "\n"), places
}

// readable reports whether YAML reads a value on a line as what its author sees.
func readable(value string) bool {
	switch value[0] {
	case '"', '\'':
		return quotedWhole.MatchString(value)
	case '|', '>':
		return blockHeader.MatchString(value)
	case '[', '{':
		return true
	case '@', '%', '`', '*', '&', '!':
		return false
	case '-', '?':
		return len(value) > 1 && value[1] != ' '
	}
	return !strings.Contains(value, ": ") && !strings.HasSuffix(value, ":")
}

// Pos is the place of a node.
func (r *Reader) Pos(n *Node) problem.Pos {
	return problem.Pos{File: r.File, Line: n.Line, Column: n.Column}
}

// Inside is the place of a byte of a scalar's value. In a block, or in a text with escapes, it is
// the place of the scalar or close to it.
func (r *Reader) Inside(n *Node, at int) problem.Pos {
	pos := r.Pos(n)
	at = min(at, len(n.Value))
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		pos.Column += 1 + at + strings.Count(n.Value[:at], "'")
	case n.Style&yaml.DoubleQuotedStyle != 0:
		pos.Column += 1 + at + strings.Count(n.Value[:at], `"`) + strings.Count(n.Value[:at], `\`)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		pos.Column += at
	}
	return pos
}

// Fail reports a mistake at a node.
func (r *Reader) Fail(n *Node, hint, format string, args ...any) {
	r.Add(r.Pos(n), hint, format, args...)
}

// Add reports a mistake at any place.
func (r *Reader) Add(pos problem.Pos, hint, format string, args ...any) {
	r.Problems = append(r.Problems, problem.New(pos, hint, format, args...))
}

// taken reports what YAML has taken away from a value without an error: an alias, a tag, an anchor.
func (r *Reader) taken(n *Node) bool {
	hint := "if the text begins so, wrap it in single quotes"
	if len(r.QueryKeys) > 0 {
		hint = "if this is a query, " + quoteQuery
	}
	switch {
	case n.Kind == yaml.AliasNode && !r.Aliases:
		r.Fail(n, hint, "YAML aliases are not allowed")
	case n.Anchor != "" && n.Kind != yaml.AliasNode && !r.Aliases:
		r.Fail(n, hint, "YAML takes %q for an anchor", "&"+n.Anchor)
	case n.Tag != "" && !strings.HasPrefix(n.Tag, "!!"):
		r.Fail(n, hint, "YAML takes %q for a tag", n.Tag)
	default:
		return false
	}
	return true
}

// Mapping returns the values of a mapping by their keys, and reports repeated keys and, when known
// keys are given, unknown ones.
func (r *Reader) Mapping(n *Node, known ...string) map[string]*Node {
	values := map[string]*Node{}
	if n.Kind != yaml.MappingNode {
		r.Fail(n, "write key: value", "a mapping is expected here, not a %s", Kind(n))
		return values
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		line, twice := seen[key.Value]
		seen[key.Value] = key.Line
		switch {
		case twice:
			r.Fail(key, fmt.Sprintf("it is also in line %d", line), "%q is given twice", key.Value)
		case len(known) > 0 && !slices.Contains(known, key.Value):
			r.Fail(key, r.unknownHint(key.Value, known), "unknown key %q", key.Value)
		case !r.taken(value):
			values[key.Value] = value
		}
	}
	return values
}

// unknownHint names the key that was probably meant.
func (r *Reader) unknownHint(key string, known []string) string {
	if len(r.QueryKeys) > 0 && strings.ContainsAny(key, " ()<>") {
		return "a comma or a brace has split this text; " + quoteQuery
	}
	if hint := r.Removed[key]; hint != "" {
		return hint
	}
	return problem.DidYouMean(key, known)
}

// Sequence returns the members of a list; those of nil are none.
func (r *Reader) Sequence(n *Node) []*Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" && !strings.ContainsAny(n.Value, "[],") {
			hint = "write [" + n.Value + "]"
		}
		r.Fail(n, hint, "a list is expected here")
		return nil
	}
	var whole []*Node
	for _, m := range n.Content {
		if !r.taken(m) {
			whole = append(whole, m)
		}
	}
	return whole
}

// Text returns a scalar's text; that of nil is empty.
func (r *Reader) Text(n *Node) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.Fail(n, "", "a text is expected here, not a %s", Kind(n))
	}
	return n.Value
}

// Texts returns the texts of a list.
func (r *Reader) Texts(n *Node) []string {
	var list []string
	for _, m := range r.Sequence(n) {
		list = append(list, r.Text(m))
	}
	return list
}

// Pairs returns the texts of a mapping.
func (r *Reader) Pairs(n *Node) map[string]string {
	pairs := map[string]string{}
	if n != nil {
		for key, value := range r.Mapping(n) {
			pairs[key] = r.Text(value)
		}
	}
	return pairs
}

// Whole reports whether a scalar is a text that is all there. It reports an empty one with the
// given hint, and one of which YAML took the end for a comment.
func (r *Reader) Whole(n *Node, hint string) bool {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.Fail(n, quoteQuery, "a text is expected here, not a %s", Kind(n))
	case n.Style == 0 && n.LineComment != "":
		r.Fail(n, quoteQuery+", or put the comment on its own line",
			"YAML takes %q for a comment", n.LineComment)
	case strings.TrimSpace(n.Value) == "":
		r.Fail(n, hint, "the text is empty")
	default:
		return true
	}
	return false
}

// IsNull reports whether a node is YAML's null.
func IsNull(n *Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Kind names what a node is.
func Kind(n *Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	case yaml.AliasNode:
		return "alias"
	}
	return "single value"
}
