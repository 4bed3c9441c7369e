package app

import (
	"encoding"
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
)

// schema is a JSON schema, or a part of one.
type schema map[string]any

// Schemas are JSON schemas of the files that users write, by the names of their kinds. Editors
// complete and check files with them.
func Schemas() map[string]json.RawMessage {
	list := map[string]json.RawMessage{}
	for name, s := range map[string]schema{
		"rules":  rulesSchema(),
		"tests":  schemaOf(reflect.TypeFor[ruletest.Script]()),
		"config": schemaOf(reflect.TypeFor[Config]()),
	} {
		s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		s["title"] = "alert-engine " + name
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			panic(err) // texts, maps and lists
		}
		list[name] = append(text, '\n')
	}
	return list
}

var (
	textSchema     = schema{"type": []string{"string", "number", "boolean"}}
	wholeSchema    = schema{"type": "integer", "minimum": 0}
	durationSchema = schema{"anyOf": []schema{
		{
			"type":    "string",
			"pattern": `^([0-9]+(\.[0-9]+)?(y|w|d|h|m|s|ms|us|µs|ns))+$`,
		}, {"const": 0},
	}}
	textMap = schema{"type": "object", "additionalProperties": textSchema}
)

func listOf(items schema) schema { return schema{"type": "array", "items": items} }

// schemaOf is the schema of a struct by its yaml tags, as package strictyaml reads it.
func schemaOf(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[ruletest.Duration]():
		return durationSchema
	case reflect.TypeFor[yaml.Node]():
		return schema{}
	case reflect.TypeFor[slog.Level]():
		return schema{
			"enum": []string{"debug", "info", "warn", "error", "DEBUG", "INFO", "WARN", "ERROR"},
		}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return textSchema
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Struct:
		properties := schema{}
		addProperties(t, properties)
		return schema{"type": "object", "properties": properties, "additionalProperties": false}
	case reflect.Slice:
		items := schemaOf(t.Elem())
		return schema{"anyOf": []schema{listOf(items), items}}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.String:
		return textSchema
	}
	return schema{}
}

func addProperties(t reflect.Type, properties schema) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			addProperties(f.Type, properties)
		case name == "" || name == "-" || !f.IsExported():
		case name == "mechanism":
			properties[name] = schema{"enum": append([]string{""}, Mechanisms...)}
		case name == "format" && t == reflect.TypeFor[decode.Config]():
			properties[name] = schema{"enum": append([]string{""}, decode.Formats()...)}
		default:
			properties[name] = schemaOf(f.Type)
		}
	}
}

// ruleValues are the schemas of keys in rule files; a key without one takes any value.
var ruleValues = map[string]schema{
	"version":         {"const": 1},
	"name":            textSchema,
	"alert":           textSchema,
	"record":          textSchema,
	"uid":             textSchema,
	"when":            textSchema,
	"mode":            {"enum": []string{"live", "shadow", "off", "on"}},
	"limit":           wholeSchema,
	"window":          durationSchema,
	"lateness":        {"anyOf": []schema{durationSchema, {"const": "auto"}}},
	"every":           durationSchema,
	"within":          durationSchema,
	"for":             durationSchema,
	"keep_firing_for": durationSchema,
	"learn":           durationSchema,
	"remember":        durationSchema,
	"by":              listOf(schema{}),
	"labels":          textMap,
	"annotations":     textMap,
	"lint_ignore":     listOf(textSchema),
	"samples": {
		"type": "object", "additionalProperties": false,
		"properties": schema{
			"first":  wholeSchema,
			"last":   wholeSchema,
			"fields": listOf(textSchema),
		},
	},
}

// rulesSchema is the schema of rule files, of the keys that package rule knows.
func rulesSchema() schema {
	file, group, one := rule.Keys()
	object := func(keys []string, required ...string) schema {
		properties := schema{}
		for _, key := range keys {
			if properties[key] = ruleValues[key]; ruleValues[key] == nil {
				properties[key] = schema{}
			}
		}
		s := schema{"type": "object", "properties": properties, "additionalProperties": false}
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	}
	root, groups := object(file, "groups"), object(group, "name")
	groups["properties"].(schema)["rules"] = listOf(object(one))
	root["properties"].(schema)["groups"] = listOf(groups)
	return root
}
