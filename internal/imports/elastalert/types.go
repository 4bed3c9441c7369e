package elastalert

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
)

// kind is how Elasticsearch compares the values of a field.
type kind uint8

const (
	unknown        kind = iota
	text_               // words in any case
	keyword             // the whole value
	anyCaseKeyword      // the whole value in any case
	numeric
	boolean
	ip
	date
)

// field is a field of rules here, and its kind there.
type field struct {
	name string
	kind kind
}

// types knows the kinds of fields.
type types struct {
	kinds  map[string]field // of a mapping, by full name
	sample *imports.Sample
	time   string // the field of event time
}

// maxMapping bounds the fields of a mapping.
const maxMapping = 200_000

// readMapping reads what Elasticsearch answers to GET index/_mapping: an object of indices, or one
// of these, or the properties alone. A field of several kinds is of none.
func readMapping(f *imports.File) (map[string]field, error) {
	if f == nil {
		return nil, nil
	}
	var root map[string]any
	if err := json.Unmarshal(f.Data, &root); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", f.Name, err)
	}
	m := mapping{}
	if err := m.indices(root, 0); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", f.Name, err)
	}
	if len(m) == 0 {
		return nil, fmt.Errorf(
			"mapping %s has no properties; it is what GET index/_mapping answers",
			f.Name,
		)
	}
	return m, nil
}

type mapping map[string]field

// indices finds the properties, however many names are above them.
func (m mapping) indices(node map[string]any, depth int) error {
	if properties, ok := node["properties"].(map[string]any); ok {
		return m.properties("", properties, 0)
	}
	for _, name := range sortedKeys(node) {
		if below, ok := node[name].(map[string]any); ok && depth < 4 {
			if err := m.indices(below, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m mapping) properties(prefix string, properties map[string]any, depth int) error {
	if depth > 50 {
		return fmt.Errorf("it is nested too deeply")
	}
	for _, key := range sortedKeys(properties) {
		node, ok := properties[key].(map[string]any)
		if !ok {
			continue
		}
		name := prefix + key
		if below, ok := node["properties"].(map[string]any); ok {
			if err := m.properties(name+".", below, depth+1); err != nil {
				return err
			}
			continue
		}
		m.add(name, name, node)
		if multi, ok := node["fields"].(map[string]any); ok {
			for _, sub := range sortedKeys(multi) {
				if node, ok := multi[sub].(map[string]any); ok {
					m.add(name+"."+sub, name, node)
				}
			}
		}
		if len(m) > maxMapping {
			return fmt.Errorf("it has more than %d fields", maxMapping)
		}
	}
	return nil
}

func (m mapping) add(name, source string, node map[string]any) {
	kind, _ := node["type"].(string)
	f := field{name: source, kind: kindOf(kind)}
	if _, normalized := node["normalizer"]; normalized && f.kind == keyword {
		f.kind = anyCaseKeyword
	}
	if known, ok := m[name]; ok && known.kind != f.kind {
		f.kind = unknown
	}
	m[name] = f
}

func kindOf(name string) kind {
	switch name {
	case "text", "match_only_text", "annotated_text", "string", "search_as_you_type":
		return text_
	case "keyword", "constant_keyword", "wildcard", "flattened", "version":
		return keyword
	case "long",
		"integer",
		"short",
		"byte",
		"double",
		"float",
		"half_float",
		"scaled_float",
		"unsigned_long":
		return numeric
	case "boolean":
		return boolean
	case "ip":
		return ip
	case "date", "date_nanos":
		return date
	}
	return unknown
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// exactSuffixes are the usual names of a field's second form, which is a keyword.
var exactSuffixes = []string{".keyword", ".raw", ".untouched", ".not_analyzed", ".exact"}

// source is the name of the field in the logs.
func (t *types) source(name string) string {
	if f, ok := t.kinds[name]; ok {
		return f.name
	}
	for _, suffix := range exactSuffixes {
		if short, ok := strings.CutSuffix(name, suffix); ok && short != "" {
			return short
		}
	}
	return name
}

// own is the name by which rules here read a field of the logs.
func (t *types) own(name string) string { return decode.OwnField(t.source(name)) }

// resolve is what is known of a field.
func (t *types) resolve(name string) field {
	source := t.source(name)
	f := field{name: t.own(name)}
	known, mapped := t.kinds[name]
	switch {
	case mapped:
		f.kind = known.kind
	case source != name:
		f.kind = keyword
	case name == "message" || name == "msg" || name == "log":
		f.kind = text_
	case name == "@timestamp" || name == t.time:
		f.kind = date
	case t.sample != nil:
		f.kind = t.sampled(source)
	}
	return f
}

// sampled is what logs say of a field: one that has texts of several words is a text, and for one
// that never has, both kinds say the same.
func (t *types) sampled(source string) kind {
	s := t.sample.Fields[source]
	switch {
	case s == nil || s.Logs == 0:
		return unknown
	case s.Several > 0:
		return text_
	case s.Texts > 0:
		return anyCaseKeyword
	}
	return unknown
}

func isNetwork(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}
