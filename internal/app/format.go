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

const (
	// blankMark stands for an empty line while YAML is formatted, since the YAML package drops
	// these.
	blankMark = "#~blank~"
	// foldMark is the comment of a folded text, which is formatted as a literal one, since the YAML
	// package joins its lines.
	foldMark = "#~folded~"
)

var (
	markedLines = regexp.MustCompile(`(?m)^[ \t]*` + blankMark + `\n(?:[ \t]*` + blankMark + `\n)*`)
	folded      = regexp.MustCompile(`(^|[:\-][ \t]+)>([+\-0-9]*)[ \t]*?((?: #.*)?)$`)
	markedFold  = regexp.MustCompile(`(?m)\|([+\-0-9]*) ` + foldMark)
	errFormat   = errors.New(
		"the file cannot be formatted without changing its meaning; it is left as it is")
)

// FormatYAML formats a rule file, a test script or a configuration: two blanks for each level,
// lists at the level of their key, one empty line at most. Comments, quotes, and the style of lists
// and maps stay. It returns an error for a text that is not YAML, and changes the meaning of none.
func FormatYAML(text []byte) ([]byte, error) {
	if bytes.Contains(text, []byte(blankMark)) || bytes.Contains(text, []byte(foldMark)) {
		return nil, errFormat
	}
	standIn, ok := standIns(string(text))
	if !ok {
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
		content := strings.TrimLeft(lines[i], " ")
		own := lines[i][:len(lines[i])-len(content)]
		if strings.HasPrefix(content, "#") && len(own) < len(indent) {
			lines[i] = indent + content // the level of what follows
			continue
		}
		indent = own
		lines[i] = folded.ReplaceAllString(lines[i], "$1|$2 "+foldMark+"$3")
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(standIn.forth.Replace(strings.Join(lines, "\n"))), &root); err != nil {
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
	formatted := markedLines.ReplaceAllString(standIn.back.Replace(out.String()), "\n")
	formatted = markedFold.ReplaceAllString(formatted, ">$1")
	formatted = strings.Trim(formatted, "\n") + "\n"
	var after yaml.Node
	if err := yaml.Unmarshal([]byte(formatted), &after); err != nil || !sameYAML(&before, &after) ||
		!slices.Equal(comments(string(text)), comments(formatted)) {
		return nil, errFormat
	}
	return []byte(formatted), nil
}

// replacers replace characters, and put them back.
type replacers struct{ forth, back *strings.Replacer }

// standIns replaces characters beyond the Basic Multilingual Plane, such as emojis, by private ones
// that the text does not have, since the YAML package writes the former as escapes. It returns
// false if there are too many.
func standIns(text string) (r replacers, ok bool) {
	var forth, back []string
	seen := map[rune]bool{}
	next := '\ue000'
	for _, c := range text {
		if c <= 0xffff || seen[c] {
			continue
		}
		seen[c] = true
		for strings.ContainsRune(text, next) {
			next++
		}
		if next > '\uf8ff' {
			return r, false
		}
		forth, back = append(forth, string(c), string(next)), append(back, string(next), string(c))
		next++
	}
	return replacers{strings.NewReplacer(forth...), strings.NewReplacer(back...)}, true
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
