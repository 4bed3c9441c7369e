package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// blankMark stands for an empty line while YAML is formatted, since the YAML package drops these.
const blankMark = "#~blank~"

var (
	markedLines = regexp.MustCompile(`(?m)^[ \t]*` + blankMark + `\n(?:[ \t]*` + blankMark + `\n)*`)
	errFormat   = errors.New(
		"the file cannot be formatted without changing its meaning; it is left as it is")
)

// FormatYAML formats a rule file, a test script or a configuration: two blanks for each level,
// lists at the level of their key, one empty line at most. Comments, quotes, and the style of lists
// and maps stay. It returns an error for a text that is not YAML, and changes the meaning of none.
func FormatYAML(text []byte) ([]byte, error) {
	if bytes.Contains(text, []byte(blankMark)) {
		return nil, errFormat
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	block := blockLines(lines)
	indent := ""
	for i := len(lines) - 1; i >= 0; i-- {
		if block[i] {
			continue
		}
		lines[i] = strings.TrimRight(lines[i], " \t")
		if lines[i] == "" && i < len(lines)-1 {
			lines[i] = indent + blankMark
			continue
		}
		indent = lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " "))]
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &root); err != nil {
		return nil, err
	}
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
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(&root); err != nil {
		return nil, err
	}
	formatted := markedLines.ReplaceAllString(out.String(), "\n")
	formatted = strings.Trim(formatted, "\n") + "\n"
	var after yaml.Node
	if err := yaml.Unmarshal([]byte(formatted), &after); err != nil || !sameYAML(&before, &after) ||
		!slices.Equal(comments(string(text)), comments(formatted)) {
		return nil, errFormat
	}
	return []byte(formatted), nil
}

var blockStart = regexp.MustCompile(`(?:^|[:\-][ \t]+)[|>][+\-0-9]*(?:[ \t]+#.*)?$`)

// blockLines says which lines are texts in blocks, whose empty lines count.
func blockLines(lines []string) []bool {
	block := make([]bool, len(lines))
	in, level := false, 0
	for i, line := range lines {
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		if in = in && (strings.TrimSpace(line) == "" || indent > level); in {
			block[i] = true
			continue
		}
		if blockStart.MatchString(strings.TrimRight(line, " \t\r")) {
			in, level = true, indent
		}
	}
	return block
}

// sameYAML says whether two documents mean the same.
func sameYAML(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.ShortTag() == b.ShortTag() &&
		a.Anchor == b.Anchor && slices.EqualFunc(a.Content, b.Content, sameYAML)
}

var comment = regexp.MustCompile(`(?m)(?:^|[ \t])#.*$`)

// comments are the comments of a text, roughly; both sides of a comparison are as rough.
func comments(text string) []string {
	list := comment.FindAllString(strings.ReplaceAll(text, "\r\n", "\n"), -1)
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// Formatted returns the formatted text of a file, and an error with its name.
func Formatted(name string, text []byte) ([]byte, error) {
	formatted, err := FormatYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return formatted, nil
}
