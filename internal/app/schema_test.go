package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var updateSchemas = flag.Bool("update-schemas", false, "write docs/schemas anew")

func compiledSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schemas()[name]))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v) // times become texts
	if err != nil {
		t.Fatal(err)
	}
	if v, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// The files of the project fit the schemas, which are kept in docs/schemas.
func TestSchemas(t *testing.T) {
	for name, text := range Schemas() {
		file := filepath.Join("../../docs/schemas", name+".schema.json")
		if *updateSchemas {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := os.ReadFile(file); !bytes.Equal(kept, text) {
			t.Errorf("%s differs, %v; write it anew: go test ./internal/app -run TestSchemas "+
				"-update-schemas", file, err)
		}
	}
	f := func(name, pattern string, least int) {
		t.Helper()
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < least {
			t.Fatal(files, err)
		}
		s := compiledSchema(t, name)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, s, text); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	f("rules", "../../examples/rules/*.rules.yml", 3)
	f("rules", "demo/*.rules.yml", 1)
	f("tests", "../../examples/rules/*_test.yml", 3)
	f("config", example, 1)
}

func TestSchemasRefuse(t *testing.T) {
	f := func(name, text string, want bool) {
		t.Helper()
		if err := validate(t, compiledSchema(t, name), []byte(text)); (err == nil) != want {
			t.Errorf("%s: %q: %v", name, text, err)
		}
	}
	f("rules", "groups: [{name: g, rules: [{alert: A, match: x, window: 5m}]}]", true)
	f("rules", "groups: [{name: g, rules: [{alert: A, match: x, windw: 5m}]}]", false)
	f("rules", "groups: [{name: g, rules: [{alert: A, match: x, window: 5x}]}]", false)
	f("rules", "groups: [{name: g, rules: [{alert: A, match: x, by: service}]}]", false)
	f("tests", "rule_files: [a.yml]\ntests: [{name: a, nothing_else: true}]", true)
	f("tests", "rule_files: [a.yml]\ntests: [{nme: a}]", false)
	f("config", "kafka: {brokers: [a:1], max_wait: 1s, sasl: {mechanism: PLAIN}}", true)
	f("config", "kafka: {broker: [a:1]}", false)
	f("config", "kafka: {max_wait: soon}", false)
	f("config", "kafka: {sasl: {mechanism: PLAN}}", false)
	if names := slices.Sorted(maps.Keys(Schemas())); !slices.Equal(names,
		[]string{"config", "rules", "tests"}) {
		t.Error(names)
	}
}
