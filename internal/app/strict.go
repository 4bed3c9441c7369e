package app

import (
	"encoding"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// Secret is a value that is never shown. In a file it may be written as ${VARIABLE}, which is then
// read from the environment; no other value is substituted, so a dollar sign elsewhere is a dollar
// sign.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalYAML hides the secret.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// Path is a path of a file or directory, or a glob. In a file it is relative to that file's
// directory and is resolved when it is read.
type Path string

// Size is a number of bytes, written as 512, 64KB or 10MB (powers of 1024).
type Size int64

var sizeText = regexp.MustCompile(`(?i)^(\d+)\s*([kmg]?)i?b?$`)

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	m := sizeText.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%q is no size; try 64KB or 10MB", text)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	shift := map[string]uint{"": 0, "k": 10, "m": 20, "g": 30}[strings.ToLower(string(m[2]))]
	if err != nil || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(n << shift)
	return nil
}

// MarshalYAML writes a size with the largest unit that leaves it whole.
func (s Size) MarshalYAML() (any, error) {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"GB", 30}, {"MB", 20}, {"KB", 10}} {
		if s > 0 && s&(1<<u.shift-1) == 0 {
			return fmt.Sprintf("%d%s", s>>u.shift, u.name), nil
		}
	}
	return int64(s), nil
}

// strict fills Go values from YAML. Unlike the YAML package's own decoder it knows the column of
// everything, it collects all problems instead of stopping at the first, a key that nobody knows is
// a problem, and a value is read in the notation its type calls for.
type strict struct {
	file     string
	getenv   func(string) string
	problems Problems
}

// readStrict fills v, a pointer to a struct with yaml tags, from a document. Values the document
// does not name keep what they have.
func readStrict(file string, text []byte, getenv func(string) string, v any) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return Problems{{File: file, Text: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if len(doc.Content) == 0 {
		return nil
	}
	d := strict{file: file, getenv: getenv}
	d.value(doc.Content[0], reflect.ValueOf(v).Elem(), "")
	return d.problems.err()
}

func (d *strict) problem(n *yaml.Node, hint, format string, args ...any) {
	d.problems = append(
		d.problems,
		Problem{
			File:   d.file,
			Line:   n.Line,
			Column: n.Column,
			Text:   fmt.Sprintf(format, args...),
			Hint:   hint,
		},
	)
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value reads a node into v; path names the node for people. It is long because it is one list of
// kinds.
func (d *strict) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[Secret]():
		if d.scalar(n, path, "a text") {
			v.SetString(d.expand(n))
		}
		return
	case v.Type() == reflect.TypeFor[Path]():
		if d.scalar(n, path, "a path") {
			v.SetString(d.resolve(n.Value))
		}
		return
	case v.Type() == reflect.TypeFor[time.Duration]():
		if !d.scalar(n, path, "a duration such as 30s") {
			return
		}
		length, err := duration.Parse(n.Value)
		if err != nil {
			d.problem(n, "", "%s: %v", path, err)
			return
		}
		v.SetInt(int64(length))
		return
	case v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler):
		if !d.scalar(n, path, "a text") {
			return
		}
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			d.problem(n, "", "%s: %v", path, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.String:
		if d.scalar(n, path, "a text") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.problem(n, "write true or false", "%s: %q is not true or false", path, n.Value)
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if n.Kind != yaml.ScalarNode || err != nil {
			d.problem(n, "", "%s: %q is no whole number", path, n.Value)
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.problem(n, "", "%s: %q is no number", path, n.Value)
			return
		}
		v.SetFloat(f)
	default:
		panic(
			"app: the configuration has a value of kind " + v.Kind().
				String() +
				", which nobody taught to be read",
		)
	}
}

func (d *strict) scalar(n *yaml.Node, path, want string) bool {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, "", "%s: %s is wanted, not a %s", path, want, kindOf(n))
		return false
	}
	return true
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "map"
	case yaml.SequenceNode:
		return "list"
	}
	return "single value"
}

// object reads a map into a struct by its yaml tags; members of inline structs count as the
// struct's own.
func (d *strict) object(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "", "%s: a map is wanted, not a %s", orText(path, "the file"), kindOf(n))
		return
	}
	fields := map[string]reflect.Value{}
	tagged(v, fields)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		member := join(path, key.Value)
		if line, twice := seen[key.Value]; twice {
			d.problem(
				key,
				fmt.Sprintf("it stands in line %d already", line),
				"%q stands twice",
				member,
			)
			continue
		}
		seen[key.Value] = key.Line
		f, ok := fields[key.Value]
		if !ok {
			d.problem(key, d.didYouMean(key.Value, fields), "unknown key %q", member)
			continue
		}
		d.value(val, f, member)
	}
}

func (d *strict) didYouMean(key string, fields map[string]reflect.Value) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := similar(key, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "known here: " + strings.Join(names, ", ")
}

// tagged collects the settable fields of a struct by their yaml names.
func tagged(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			tagged(v.Field(i), into)
		case f.IsExported() && name != "" && name != "-":
			into[name] = v.Field(i)
		}
	}
}

func (d *strict) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "", "%s: a map is wanted, not a %s", path, kindOf(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[i+1], elem, join(path, n.Content[i].Value))
		m.SetMapIndex(reflect.ValueOf(n.Content[i].Value).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
}

// list reads a list; a single value stands for a list of one.
func (d *strict) list(n *yaml.Node, v reflect.Value, path string) {
	members := n.Content
	if n.Kind != yaml.SequenceNode {
		members = []*yaml.Node{n}
	}
	s := reflect.MakeSlice(v.Type(), len(members), len(members))
	for i, m := range members {
		d.value(m, s.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(s)
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand resolves ${VARIABLE} in a secret. An unset variable is a problem rather than an empty
// password.
func (d *strict) expand(n *yaml.Node) string {
	return variable.ReplaceAllStringFunc(n.Value, func(s string) string {
		name := s[2 : len(s)-1]
		text := d.getenv(name)
		if text == "" {
			d.problem(n, "", "environment variable %s is not set", name)
		}
		return text
	})
}

func (d *strict) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}

// secretFrom reads a secret from a file, without the newline that editors put at its end.
func secretFrom(file Path) (Secret, error) {
	text, err := os.ReadFile(string(file))
	return Secret(strings.TrimRight(string(text), "\r\n")), err
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
