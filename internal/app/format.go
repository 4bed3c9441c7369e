package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var errFormat = errors.New(
	"the file cannot be formatted without changing its meaning; it is left as it is")

// FormatYAML formats a rule file, a test script or a configuration: two blanks for each level,
// lists at the level of their key, one blank behind a colon or a dash, one empty line at most. It
// moves lines and changes nothing else in them: comments, quotes, and texts, lists and maps over
// several lines stay as they are written. It returns an error for a text that is not YAML, and
// changes the meaning of none.
func FormatYAML(text []byte) ([]byte, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var before, second yaml.Node
	switch err := d.Decode(&before); {
	case errors.Is(err, io.EOF): // nothing, or comments alone
		return text, nil
	case err != nil:
		return nil, err
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf(
			"line %d: a second document begins here; put it into a file of its own", second.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	source := strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")
	if strings.ContainsAny(source, "\r\u0085\u2028\u2029") { // YAML counts lines by these, too
		return nil, errFormat
	}
	l := newLayout(source)
	l.document(before.Content[0])
	formatted := l.String()
	var after yaml.Node
	if err := yaml.Unmarshal([]byte(formatted), &after); err != nil || !sameYAML(&before, &after) ||
		withoutBlanks(source) != withoutBlanks(formatted) {
		return nil, errFormat
	}
	return []byte(formatted), nil
}

// layout is a YAML text as lines, which it moves by the places of the nodes in them.
type layout struct {
	lines []textLine
	plain []continued // texts without quotes, which may continue in the lines after them
}

// textLine is a line of a YAML text.
type textLine struct {
	text   []rune
	indent int      // blanks before the text
	starts []column // of the nodes and dashes that begin in it, from left to right
	inside bool     // it continues with a text, list or map of a line before
	exact  bool     // its end counts, too
	to     int      // the blanks that it gets
	gaps   []gap
}

// column is where a node of a block began, and begins; columns begin with 0.
type column struct{ from, to int }

// gap is a run of blanks within a line that becomes one blank.
type gap struct{ from, to int }

// continued is a text that begins in a line, and by how much the lines after it move.
type continued struct{ line, by int }

func newLayout(source string) *layout {
	l := &layout{}
	for _, s := range strings.Split(strings.TrimSuffix(source, "\n"), "\n") {
		l.lines = append(l.lines, textLine{text: []rune(s), indent: leading(s)})
	}
	return l
}

func leading(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// document finds out where each line goes.
func (l *layout) document(root *yaml.Node) {
	if !isBlock(root) { // such as a line of JSON: nothing in it is a block
		for i := root.Line - 1; i < len(l.lines); i++ {
			l.continues(i, 0)
		}
		return
	}
	l.block(root, 0)
	for _, p := range l.plain {
		last := p.line
		for i := p.line + 1; i < len(l.lines) && l.lines[i].starts == nil; i++ {
			text := strings.TrimLeft(string(l.lines[i].text), " \t")
			if strings.HasPrefix(text, "#") || text == "..." {
				break
			}
			if text != "" {
				last = i
			}
		}
		for i := p.line + 1; i <= last; i++ {
			l.continues(i, p.by)
		}
	}
	for i := range l.lines {
		if line := &l.lines[i]; line.starts == nil && !line.inside {
			line.to = l.comment(i)
		}
	}
}

func isBlock(n *yaml.Node) bool {
	return (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) &&
		n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

// block moves a map or list, and what is in it, to a column.
func (l *layout) block(n *yaml.Node, to int) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := column{key.Column - 1, to}
			l.starts(key.Line-1, at)
			l.part(value, at, key.Line-1, ':')
		}
		return
	}
	from := n.Column - 1
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 { // then its place is that of these
		for i := n.Line; i < len(l.lines); i++ {
			if text := string(l.lines[i].text[l.lines[i].indent:]); strings.HasPrefix(text, "-") {
				from = l.lines[i].indent
				break
			}
		}
	}
	for _, item := range n.Content {
		dash := item.Line - 1
		for dash > 0 && !l.lines[dash].hasDash(from) {
			dash--
		}
		at := column{from, to}
		l.starts(dash, at)
		l.part(item, at, dash, '-')
	}
}

// hasDash reports whether an item of a list begins at a column.
func (l *textLine) hasDash(col int) bool {
	return col < len(l.text) && l.text[col] == '-' &&
		(col+1 == len(l.text) || strings.ContainsRune(" \t", l.text[col+1])) &&
		strings.Trim(string(l.text[:col]), " \t-") == ""
}

// starts notes that a node begins in a line; the first one moves the line.
func (l *layout) starts(i int, at column) {
	line := &l.lines[i]
	if at.from == line.indent {
		line.to = at.to
	}
	line.starts = append(line.starts, at)
}

// part moves the value of a key, or the item of a dash, that is in a line of its own or behind the
// mark in the line of the key or dash.
func (l *layout) part(n *yaml.Node, parent column, parentLine int, mark rune) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "" {
		return // nothing is written there
	}
	i, col, to := n.Line-1, n.Column-1, parent.to+2
	by := parent.to - parent.from
	switch line := &l.lines[i]; {
	case i == parentLine:
		from := col
		for from > 0 && strings.ContainsRune(" \t", line.text[from-1]) {
			from--
		}
		if from < col && from > 0 && line.text[from-1] == mark {
			line.gaps = append(line.gaps, gap{from, col})
		}
	case !isBlock(n) && col == line.indent:
		l.starts(i, column{col, to})
		by = to - col
	}
	switch {
	case isBlock(n) && n.Kind == yaml.SequenceNode && mark == ':':
		l.block(n, parent.to)
	case isBlock(n):
		l.block(n, to)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		l.literal(i, parent, col)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0,
		n.Style&yaml.FlowStyle != 0, n.Kind == yaml.MappingNode, n.Kind == yaml.SequenceNode:
		for end := l.end(i, col); i < end; i++ {
			l.continues(i+1, by)
		}
	case n.Kind == yaml.ScalarNode:
		l.plain = append(l.plain, continued{i, by})
	}
}

// continues notes that a line continues with what began before it.
func (l *layout) continues(i, by int) {
	l.lines[i].inside = true
	l.lines[i].to = max(0, l.lines[i].indent+by)
}

// literal moves the lines of a text in a block, whose head is in line i.
func (l *layout) literal(i int, parent column, col int) {
	head, _, _ := strings.Cut(string(l.lines[i].text[col:]), " #")
	indent, last := -1, i
	by := parent.to - parent.from
	given := strings.ContainsAny(head[strings.LastIndexAny(head, "|>"):], "123456789")
	for j := i + 1; j < len(l.lines); j++ {
		line := &l.lines[j]
		if line.indent == len(line.text) {
			continue
		}
		if line.indent <= parent.from || indent >= 0 && line.indent < indent {
			break
		}
		if indent < 0 {
			indent = line.indent
			if given {
				indent = parent.from + 1
			} else {
				by = parent.to + 2 - indent
			}
		}
		last = j
	}
	if strings.HasSuffix(head, "+") || given {
		for last+1 < len(l.lines) && l.lines[last+1].indent == len(l.lines[last+1].text) {
			last++
		}
	}
	for j := i + 1; j <= last; j++ {
		l.continues(j, by)
		l.lines[j].exact = true
	}
}

// end returns the line in which a text in quotes, a list or a map ends that begins at a place.
func (l *layout) end(i, col int) int {
	depth, quote := 0, rune(0)
	for ; i < len(l.lines); i, col = i+1, 0 {
		text := l.lines[i].text
		for ; col < len(text); col++ {
			c := text[col]
			switch {
			case quote == '"' && c == '\\':
				col++
			case quote == '\'' && c == quote && col+1 < len(text) && text[col+1] == quote:
				col++
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case (c == '"' || c == '\'') && (col == 0 || strings.ContainsRune(" \t[{,:", text[col-1])):
				quote = c
			case c == '#' && (col == 0 || strings.ContainsRune(" \t", text[col-1])):
				col = len(text)
			case c == '[' || c == '{':
				depth++
			case c == ']' || c == '}':
				depth--
			}
			if depth == 0 && quote == 0 && strings.ContainsRune(`]}"'`, c) {
				return i
			}
		}
	}
	return len(l.lines) - 1
}

// comment returns the column of a line that is a comment: that of what follows, or, if the comment
// is further to the right, that of the node before it to which it belongs.
func (l *layout) comment(i int) int {
	from := l.lines[i].indent
	if from == len(l.lines[i].text) || l.lines[i].text[from] != '#' {
		return from // an empty line, or the mark of a document
	}
	next := -1
	for j := i + 1; j < len(l.lines); j++ {
		if starts := l.lines[j].starts; starts != nil {
			if next = l.lines[j].to; from <= l.lines[j].indent {
				return next
			}
			break
		}
	}
	for j := i - 1; j >= 0; j-- {
		for _, at := range slices.Backward(l.lines[j].starts) {
			if at.from <= from {
				return at.to
			}
		}
	}
	return max(next, 0)
}

// String returns the formatted text.
func (l *layout) String() string {
	var out strings.Builder
	skipped := false
	for i := range l.lines {
		line := &l.lines[i]
		text := line.String()
		if text == "" && !line.inside {
			skipped = true
			continue
		}
		if skipped && out.Len() > 0 {
			out.WriteByte('\n')
		}
		skipped = false
		out.WriteString(text)
		out.WriteByte('\n')
	}
	return out.String()
}

func (l *textLine) String() string {
	text := slices.Clone(l.text)
	slices.SortFunc(l.gaps, func(a, b gap) int { return b.from - a.from })
	for _, g := range l.gaps {
		text = slices.Replace(text, g.from, g.to, ' ')
	}
	rest := string(text[l.indent:])
	if trimmed := strings.TrimRight(rest, " \t"); !l.exact && !strings.HasSuffix(trimmed, `\`) {
		rest = trimmed
	}
	if rest == "" && !l.exact {
		return ""
	}
	return strings.Repeat(" ", l.to) + rest
}

// sameYAML reports whether two documents mean the same.
func sameYAML(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.ShortTag() == b.ShortTag() &&
		a.Anchor == b.Anchor && slices.EqualFunc(a.Content, b.Content, sameYAML)
}

// withoutBlanks returns a text without blanks and empty lines; formatting changes nothing else.
func withoutBlanks(text string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\n", "").Replace(text)
}

// Formatted returns the formatted text of a file, and an error with its name.
func Formatted(name string, text []byte) ([]byte, error) {
	formatted, err := FormatYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return formatted, nil
}
