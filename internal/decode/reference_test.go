package decode

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateDocs = flag.Bool("update-docs", false,
	"write the generated part of docs/reference/formats.md anew")

// The reference of the formats lists the candidates of each well-known field.
func TestFormatsReference(t *testing.T) {
	const file = "../../docs/reference/formats.md"
	const begin, end = "<!-- generated: candidates -->\n", "<!-- end -->\n"
	var table strings.Builder
	table.WriteString("| field | read from |\n|---|---|\n")
	row := func(name string, paths []string) {
		fmt.Fprintf(&table, "| `%s` | `%s` |\n", name, strings.Join(paths, "`, `"))
	}
	for field, paths := range textCandidates {
		if len(paths) > 0 {
			row(canonicalNames[field], paths)
		}
	}
	row("timestamp", timeCandidates)
	for _, field := range slices.Sorted(maps.Keys(commonFields)) {
		row(field, commonFields[field])
	}
	fmt.Fprintf(&table, "\nFormats by name: `%s`.\n", strings.Join(Formats(), "`, `"))

	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no generated part", file)
	}
	page := head + begin + table.String() + end + tail
	if *updateDocs {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if page != string(data) {
		t.Errorf("%s differs from the code; write it anew: "+
			"go test ./internal/decode -run TestFormatsReference -update-docs", file)
	}
}
