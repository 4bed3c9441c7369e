package kafka

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var fence = regexp.MustCompile("(?s)```go\n(.*?)```")

// snippets are the pieces of Go in the README.
func snippets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	return list
}

// The quick-start programs of the README are those in examples, to the letter, and they build.
func TestQuickStart(t *testing.T) {
	var programs []string
	for _, s := range snippets(t) {
		if strings.HasPrefix(s, "package main") {
			programs = append(programs, s)
		}
	}
	for i, name := range []string{"consumer", "processor"} {
		text, err := os.ReadFile("../../examples/" + name + "/main.go")
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(string(text), "\npackage main\n") // without the comment above it
		want, err := format.Source([]byte(programs[i]))
		if err != nil {
			t.Fatal(err)
		}
		if got := "package main\n" + code; got != string(want) {
			t.Errorf("examples/%s differs from the README:\n%s", name, got)
		}
	}
	// Two packages at once are compiled, but not linked.
	if out, err := exec.Command("go", "build", "../../examples/consumer",
		"../../examples/processor").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Every type that the README shows has the fields that it shows, with their types and tags.
func TestDocumentedTypes(t *testing.T) {
	ours := map[string]reflect.Type{
		"ConsumerConfig":   reflect.TypeFor[ConsumerConfig](),
		"ProcessorConfig":  reflect.TypeFor[ProcessorConfig](),
		"ProcessorMetrics": reflect.TypeFor[ProcessorMetrics](),
	}
	for _, s := range snippets(t) {
		if !strings.HasPrefix(s, "type ") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), "README.md", "package kafka\n"+s, 0)
		if err != nil {
			t.Fatal(err)
		}
		spec := file.Decls[0].(*ast.GenDecl).Specs[0].(*ast.TypeSpec)
		shown, isStruct := spec.Type.(*ast.StructType)
		if !isStruct {
			continue
		}
		our := ours[spec.Name.Name]
		delete(ours, spec.Name.Name)
		for _, f := range shown.Fields.List {
			var text strings.Builder
			if err := format.Node(&text, token.NewFileSet(), f.Type); err != nil {
				t.Fatal(err)
			}
			got, ok := our.FieldByName(f.Names[0].Name)
			if name := strings.TrimPrefix(got.Type.String(), "kafka."); !ok ||
				name != text.String() {
				t.Errorf("%s.%s is %s, documented as %s", spec.Name, f.Names[0], name, &text)
			}
			if f.Tag != nil && "`"+string(got.Tag)+"`" != f.Tag.Value {
				t.Errorf("%s.%s has the tag %s, documented as %s", spec.Name, f.Names[0], got.Tag,
					f.Tag.Value)
			}
		}
	}
	for name := range ours {
		t.Errorf("the README does not show %s", name)
	}
}

// Every piece of code in the README stands in an example, and so compiles.
func TestDocumentedUsage(t *testing.T) {
	text, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	examples := squeeze(string(text))
	for _, s := range snippets(t) {
		if strings.HasPrefix(s, "package ") || strings.HasPrefix(s, "type ") ||
			strings.HasPrefix(s, "func ") ||
			strings.HasPrefix(s, "// Default") {
			continue
		}
		if !strings.Contains(examples, squeeze(s)) {
			t.Errorf("no example has this:\n%s", s)
		}
	}
}

// squeeze makes one blank of all white space.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// The functions have the documented signatures, and the defaults the documented values.
func TestDocumentedFunctions(t *testing.T) {
	var (
		_ func(ConsumerConfig, AlertEngine) *Consumer           = NewConsumer
		_ func([]string, string, AlertEngine) *LogProcessor     = NewLogProcessor
		_ func(ConsumerConfig, AlertEngine, int) *ConsumerGroup = NewConsumerGroup
		_ func(ProcessorConfig) *ProcessorFactory               = NewProcessorFactory
	)
	want := ConsumerConfig{
		Brokers: []string{
			"localhost:9092",
		},
		Topic:       "application-logs",
		GroupID:     "log-monitoring-group",
		MinBytes:    10 * 1024,
		MaxBytes:    10 * 1024 * 1024,
		MaxWait:     time.Second,
		StartOffset: -2,
	}
	if got := DefaultConsumerConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := DefaultProcessorConfig(); !reflect.DeepEqual(got, ProcessorConfig{
		ConsumerConfig: want,
		BatchSize:      100,
		FlushInterval:  5 * time.Second,
		RetryAttempts:  3,
		RetryDelay:     time.Second,
		EnableMetrics:  true,
	}) {
		t.Errorf("got %+v", got)
	}
	if err := DefaultProcessorConfig().Validate(); err != nil {
		t.Error(err)
	}
}
