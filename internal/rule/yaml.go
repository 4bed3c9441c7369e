package rule

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const quoteHint = "wrap the whole query in single quotes"

// parse reads the text of a file as YAML. What YAML cannot read because a query was not quoted is
// reported at its place; the rest of the file is read as if it had been, so that its other mistakes
// are found as well.
func (r *reader) parse(data []byte) *yaml.Node {
	var doc yaml.Node
	err := yaml.Unmarshal(data, &doc)
	if err != nil {
		if quoted, places := quoteQueries(string(data)); len(places) > 0 {
			for _, pos := range places {
				pos.File = r.file
				r.errs = append(r.errs, &Error{pos, "YAML does not read this as a text", quoteHint})
			}
			doc = yaml.Node{}
			err = yaml.Unmarshal([]byte(quoted), &doc)
		}
	}
	if err != nil {
		r.errs = append(r.errs, r.yamlError(err))
		return nil
	}
	if len(doc.Content) == 0 {
		r.errs = append(r.errs, &Error{Pos: Pos{File: r.file}, Problem: "file is empty"})
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

func (r *reader) yamlError(err error) *Error {
	pos, problem := Pos{File: r.file}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(problem); m != nil {
		pos.Line, _ = strconv.Atoi(m[1])
		pos.Column, problem = 1, strings.Replace(problem, m[0], "", 1)
	}
	return &Error{pos, problem, "if a query stands near here, " + quoteHint}
}

var (
	queryLine   = regexp.MustCompile(`^(\s*(?:- +)*(?:match|when|start|end|not|resolve): +)(.*\S)`)
	blockHeader = regexp.MustCompile(`^[|>][+-]?\d?[+-]?(\s+#.*)?$`)
	quotedWhole = regexp.MustCompile(`^("([^"\\]|\\.)*"|'([^']|'')*')\s*(#.*)?$`)
)

// quoteQueries puts single quotes around the queries that stand on lines of their own and that YAML
// does not read as texts, and says where they stand.
func quoteQueries(text string) (string, []Pos) {
	lines := strings.Split(text, "\n")
	var places []Pos
	for i, line := range lines {
		m := queryLine.FindStringSubmatch(line)
		if m == nil || readable(m[2]) {
			continue
		}
		lines[i] = m[1] + "'" + strings.ReplaceAll(m[2], "'", "''") + "'"
		places = append(places, Pos{Line: i + 1, Column: len(m[1]) + 1})
	}
	return strings.Join(lines, "\n"), places
}

// readable says whether YAML reads a value on a line as what its author sees.
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

// eaten reports what YAML has taken away from a value without a word: an alias, a tag, an anchor.
func (r *reader) eaten(n *yaml.Node) bool {
	const hint = "if a query stands here, " + quoteHint
	switch {
	case n.Kind == yaml.AliasNode:
		r.fail(n, hint, "YAML aliases are not allowed")
	case n.Anchor != "":
		r.fail(n, hint, "YAML takes %q for an anchor", "&"+n.Anchor)
	case n.Tag != "" && !strings.HasPrefix(n.Tag, "!!"):
		r.fail(n, hint, "YAML takes %q for a tag", n.Tag)
	default:
		return false
	}
	return true
}

// mapping returns the values of a mapping, and reports what else stands in it.
func (r *reader) mapping(n *yaml.Node, known ...string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "keys and values are expected here")
		return values
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case values[key.Value] != nil:
			r.fail(key, "", "%q is given twice", key.Value)
		case len(known) > 0 && !slices.Contains(known, key.Value):
			hint := suggest(key.Value, known, "known are "+strings.Join(known, ", "))
			if strings.ContainsAny(key.Value, " ()<>") {
				hint = "a comma or a brace has split this text; " + quoteHint
			}
			r.fail(key, hint, "unknown key %q", key.Value)
		case !r.eaten(value):
			values[key.Value] = value
		}
	}
	return values
}

func (r *reader) sequence(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "", "a list is expected here")
		return nil
	}
	var whole []*yaml.Node
	for _, m := range n.Content {
		if !r.eaten(m) {
			whole = append(whole, m)
		}
	}
	return whole
}

func (r *reader) text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "", "a text is expected here")
	}
	return n.Value
}

func (r *reader) texts(n *yaml.Node) []string {
	var list []string
	for _, m := range r.sequence(n) {
		list = append(list, r.text(m))
	}
	return list
}

func (r *reader) pairs(n *yaml.Node) map[string]string {
	pairs := map[string]string{}
	if n != nil {
		for key, value := range r.mapping(n) {
			pairs[key] = r.text(value)
		}
	}
	return pairs
}

// whole reports a scalar that is empty, with the given hint, or of which YAML has silently taken a
// part away.
func (r *reader) whole(n *yaml.Node, hint string) bool {
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fail(n, quoteHint, "a text is expected here")
	case n.Style == 0 && n.LineComment != "":
		r.fail(
			n,
			quoteHint+", or put the comment on its own line",
			"YAML takes %q for a comment",
			n.LineComment,
		)
	case strings.TrimSpace(n.Value) == "":
		r.fail(n, hint, "the text is empty")
	default:
		return true
	}
	return false
}
