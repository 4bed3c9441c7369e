package vmalert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports/tree"
	"github.com/log-monitoring/alert-engine/internal/number"
)

// names are what the fields of a query are called in logs here.
type names struct {
	labels    map[string]string // as --labels has them
	renames   map[string]string
	extracted []string            // fields that an extraction names
	open      string              // json or logfmt, once a pipe unpacks whatever there is
	from      string              // what it unpacks
	members   map[string][]string // that are asked of json and logfmt
	dropped   []string            // fields that a pipe has removed
	kept      []string            // the fields that a pipe has left; nil for all
}

// gone reports whether a pipe has removed a field.
func (n *names) gone(name string) bool {
	return slices.Contains(n.dropped, name) || n.kept != nil && !slices.Contains(n.kept, name)
}

// field is the field that a name means; "" is the message.
func (n *names) field(name string) string {
	if old, ok := n.renames[name]; ok {
		name = old
	}
	if name == "" || name == "_msg" {
		return "line"
	}
	if field, ok := n.labels[name]; ok {
		return field
	}
	if n.open != "" && !slices.Contains(n.extracted, name) && fieldName.MatchString(name) {
		if !slices.Contains(n.members[n.open], name) {
			n.members[n.open] = append(n.members[n.open], name)
		}
		return "fields." + name
	}
	if slices.Contains(n.extracted, name) {
		if decode.Canonical(name) != name || name == "level" {
			return "fields." + name
		}
		return name
	}
	if _, known := decode.NewFields().ID(name); known || slices.Contains(common, name) {
		return "fields." + name
	}
	return name
}

var fieldName = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_.@-]*$`)

// common are fields that rules read under several names, beside the well-known ones.
var common = []string{
	"http.status", "path", "method", "exception.class", "user.name", "source_ip", "duration_ms",
	"timestamp", "line",
}

// absent is the condition that a field is absent or empty, which is the same there.
func absent(field string) tree.Node {
	return tree.Any(
		tree.Leaf{Field: field, Null: true},
		tree.Leaf{Field: field, Values: []string{""}},
	)
}

func equal(field, value string) tree.Node {
	switch {
	case value == "":
		return absent(field)
	case field == "line": // of which a plain value is a part
		expr := `^(?s:` + regexp.QuoteMeta(value) + `)$`
		return tree.Leaf{Field: field, Mods: "re", Values: []string{expr}}
	}
	return tree.Leaf{Field: field, Mods: "cased", Values: []string{tree.Escape(value)}}
}

// oneOf is the condition that a field has one of some values.
func oneOf(field string, values []string) tree.Node {
	if field != "line" && !slices.Contains(values, "") {
		return tree.Leaf{Field: field, Mods: "cased", Values: escaped(values)}
	}
	of := make([]tree.Node, len(values))
	for i, v := range values {
		of[i] = equal(field, v)
	}
	return tree.Any(of...)
}

func (n *names) present(field string) tree.Node {
	return tree.Leaf{Field: n.field(field), Values: []string{"?*"}}
}

func (n *names) number(text string) bool {
	_, ok := number.Parse([]byte(text))
	return ok
}

// isTokenRune reports whether a character belongs to a word.
func isTokenRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// words is the condition that a text occurs in a field as it is written, with whole words at its
// ends.
func (n *names) words(field, text string, quoted, prefix, fold bool) (tree.Node, error) {
	name := n.field(field)
	mods := "|cased"
	if fold {
		mods = ""
	}
	if text == "" && quoted && !prefix {
		return absent(name), nil
	}
	plain := !strings.ContainsFunc(text, func(r rune) bool { return !isTokenRune(r) })
	switch {
	case prefix && text == "":
		return tree.Leaf{Field: name, Values: []string{"?*"}}, nil
	case prefix:
		flag := ""
		if fold {
			flag = "(?i)"
		}
		expr := flag + `(?:^|[^\pL\pN_])` + regexp.QuoteMeta(text)
		return tree.Leaf{Field: name, Mods: "re", Values: []string{expr}}, nil
	case plain:
		return tree.Leaf{Field: name, Mods: "word" + mods, Values: []string{text}}, nil
	case !strings.ContainsFunc(text, isTokenRune):
		return tree.Leaf{
			Field:  name,
			Mods:   "contains" + mods,
			Values: []string{tree.Escape(text)},
		}, nil
	}
	return tree.All(
		tree.Leaf{Field: name, Mods: "word" + mods, Values: []string{text}},
		tree.Leaf{Field: name, Mods: "contains" + mods, Values: []string{tree.Escape(text)}},
	), nil
}

// addresses is ipv4_range("10.0.0.0/8"), or of two addresses.
func (q *query) addresses(field string, args []string) (tree.Node, error) {
	var list []string
	var err error
	switch len(args) {
	case 1:
		if list = args; !strings.Contains(args[0], "/") {
			list = []string{args[0] + "/32"}
		}
	case 2:
		list, err = tree.Networks(args[0], args[1])
	default:
		err = fmt.Errorf("ipv4_range has one network, or two addresses")
	}
	if err != nil {
		return nil, q.fail("%s", err)
	}
	return tree.Leaf{Field: field, Mods: "cidr", Values: list}, nil
}
