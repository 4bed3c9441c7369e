package strictyaml

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Unmarshaler is a value that reads itself from a node. It reports mistakes with r.Fail; path names
// the value for users, as in "kafka.brokers[0]".
type Unmarshaler interface {
	UnmarshalStrict(r *Reader, n *Node, path string)
}

// Positioned is a struct that wants to know where it begins in the file.
type Positioned interface{ SetPos(pos problem.Pos) }

// Read fills v, a pointer to a struct with yaml tags, from a document. Values that the document
// does not name keep what they have. The error is a problem.List.
func Read(file string, data []byte, v any) error {
	r := &Reader{File: file}
	return r.Read(data, v)
}

// Read is as the function Read, with the settings of r.
func (r *Reader) Read(data []byte, v any) error {
	if root := r.Parse(data); root != nil {
		r.Decode(root, v)
	}
	return r.Problems.Err()
}

// Decode fills v, a pointer, from a node:
//
//   - a struct by its yaml tags; fields tagged inline count as its own, and yaml.Node keeps a part
//     as it is;
//   - a slice from a list, or from a single value, which is a list of one;
//   - a time.Duration from a text like 90s, 5m or 1h30m;
//   - an Unmarshaler or an encoding.TextUnmarshaler by its method;
//   - any, and maps of it, as the YAML package does.
//
// Null leaves a value as it is.
func (r *Reader) Decode(n *Node, v any) { r.value(n, reflect.ValueOf(v).Elem(), "") }

var (
	nodeType     = reflect.TypeFor[yaml.Node]()
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
)

// value reads a node into v. It is long because it is one list of kinds.
func (r *Reader) value(n *Node, v reflect.Value, path string) {
	if r.decoded++; r.decoded > maxNodes {
		if r.decoded == maxNodes+1 {
			r.Fail(n, "", "the document is too large")
		}
		return
	}
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*n))
		return
	}
	if r.taken(n) {
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if IsNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		r.value(n, v.Elem(), path)
		return
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(Unmarshaler); ok {
			u.UnmarshalStrict(r, n, path)
			return
		}
	}
	switch v.Type() {
	case durationType:
		if r.Scalar(n, path, "a duration such as 30s") {
			d, err := duration.Parse(n.Value)
			if err != nil {
				r.failAt(n, path, "", "%v", err)
			}
			v.SetInt(int64(d))
		}
		return
	case timeType:
		if err := n.Decode(v.Addr().Interface()); err != nil {
			r.failAt(n, path, "write it like 2026-01-05T09:00:00Z", "%q is not a time", n.Value)
		}
		return
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if r.Scalar(n, path, "a text") {
				if err := u.UnmarshalText([]byte(n.Value)); err != nil {
					r.failAt(n, path, "", "%v", err)
				}
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		r.object(n, v, path)
	case reflect.Map:
		r.pairs(n, v, path)
	case reflect.Slice:
		r.list(n, v, path)
	case reflect.Interface:
		if err := n.Decode(v.Addr().Interface()); err != nil {
			r.failAt(n, path, "", "%v", err)
		}
	case reflect.String:
		if r.Scalar(n, path, "a text") {
			v.SetString(n.Value)
		}
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.failAt(n, path, "write true or false", "%q is not true or false", n.Value)
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		if n.Kind != yaml.ScalarNode || err != nil {
			r.failAt(n, path, "", "%q is not a whole number", n.Value)
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			r.failAt(n, path, "", "%q is not a number", n.Value)
			return
		}
		v.SetFloat(f)
	default:
		panic("strictyaml: values of type " + v.Type().String() + " cannot be read")
	}
}

// Scalar reports whether a node is a single value, and reports it if it is not.
func (r *Reader) Scalar(n *Node, path, want string) bool {
	if n.Kind != yaml.ScalarNode {
		r.failAt(n, path, "", "%s is expected, not a %s", want, Kind(n))
		return false
	}
	return true
}

func (r *Reader) failAt(n *Node, path, hint, format string, args ...any) {
	if path != "" {
		format, args = "%s: "+format, append([]any{path}, args...)
	}
	r.Fail(n, hint, format, args...)
}

// object reads a mapping into a struct.
func (r *Reader) object(n *Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		r.failAt(n, path, "write key: value", "a mapping is expected, not a %s", Kind(n))
		return
	}
	if p, ok := v.Addr().Interface().(Positioned); ok {
		p.SetPos(r.Pos(n))
	}
	fields := map[string]reflect.Value{}
	tagged(v, fields)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		member := join(path, key.Value)
		if line, twice := seen[key.Value]; twice {
			r.Fail(key, fmt.Sprintf("it is also in line %d", line), "%q is given twice", member)
			continue
		}
		seen[key.Value] = key.Line
		f, ok := fields[key.Value]
		if !ok {
			r.Fail(key, r.unknownHint(key.Value, slices.Sorted(maps.Keys(fields))),
				"unknown key %q", member)
			continue
		}
		r.value(val, f, member)
	}
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

func (r *Reader) pairs(n *Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		r.failAt(n, path, "write key: value", "a mapping is expected, not a %s", Kind(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.ValueOf(n.Content[i].Value).Convert(v.Type().Key())
		if m.MapIndex(key).IsValid() {
			r.Fail(n.Content[i], "", "%q is given twice", join(path, n.Content[i].Value))
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		r.value(n.Content[i+1], elem, join(path, n.Content[i].Value))
		m.SetMapIndex(key, elem)
	}
	v.Set(m)
}

func (r *Reader) list(n *Node, v reflect.Value, path string) {
	members := n.Content
	if n.Kind != yaml.SequenceNode {
		members = []*Node{n}
	}
	s := reflect.MakeSlice(v.Type(), len(members), len(members))
	for i, m := range members {
		r.value(m, s.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(s)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
