package app

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from the top down. A package imports only from rows below its own, so
// that each part can be understood, tested and replaced without those above it; those of one row do
// not know each other.
var layers = [][]string{
	{"cmd/alert-engine", "examples/consumer", "examples/processor", "scripts/notice"},
	{"internal/lsp"},
	{"internal/app", "internal/evaluator"},
	{"internal/web"},
	{"internal/suggest", "internal/sentence"},
	{"internal/ruletest"},
	{"internal/cluster"},
	{
		"internal/alerting",
		"internal/logprofile",
		"internal/imports",
		"internal/kafka",
		"internal/notify",
		"internal/devbroker",
		"internal/registry",
	},
	{"internal/match", "internal/window", "internal/store", "internal/history"},
	{"internal/rule"},
	{"internal/decode", "internal/strictyaml"},
	{"internal/schema"},
	{
		"internal/jsonscan", "internal/problem", "internal/duration", "internal/safetext",
		"internal/number", "internal/wait", "internal/atomicfile", "internal/fair",
		"internal/wire",
		"internal/linear",
		"pkg/models",
	},
}

// exclusive are the imports that are one package's own affair.
var exclusive = map[string][]string{
	// rule: timeinterval alone, whose syntax rule files share
	"github.com/prometheus/alertmanager":     {"internal/notify", "internal/rule"},
	"github.com/twmb/franz-go/pkg/kfake":     {"internal/devbroker"},
	"github.com/twmb/franz-go/pkg/kgo":       {"internal/kafka"},
	"github.com/twmb/franz-go/pkg/kadm":      {"internal/kafka"},
	"github.com/spf13/cobra":                 {"cmd/alert-engine"},
	"github.com/prometheus/exporter-toolkit": {"internal/web"},
}

// clockless are the packages that start no goroutine and read no clock: time is an argument, so
// live, replay and test are the same code.
var clockless = []string{
	"internal/fair",
	"internal/jsonscan",
	"internal/schema",
	"internal/decode",
	"internal/rule",
	"internal/match",
	"internal/window",
	"internal/alerting",
	"internal/logprofile",
	"internal/cluster",
}

// Imports only point down, and what concerns one package stays in it.
func TestImports(t *testing.T) {
	const module = "github.com/log-monitoring/alert-engine/"
	layer := map[string]int{}
	for i, row := range layers {
		for _, pkg := range row {
			layer[pkg] = i
		}
	}
	eachFile(t, func(pkg, file string, imports []string) {
		own, known := layer[pkg]
		if !known {
			t.Errorf("%s: package %s has no place in layers", file, pkg)
			return
		}
		for _, imp := range imports {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				if l, known := layer[topLevel(ours)]; topLevel(ours) != pkg &&
					(!known || l <= own) {
					t.Errorf("%s imports %s, which is not below %s", file, ours, pkg)
				}
			}
			for prefix, owners := range exclusive {
				if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) &&
					!slices.Contains(owners, pkg) {
					t.Errorf("%s imports %s, which is the affair of %s", file, imp,
						strings.Join(owners, ", "))
				}
			}
		}
	})
}

// The core reads no clock and starts no goroutine.
func TestCoreIsClockless(t *testing.T) {
	forbidden := []string{
		"time.Now(",
		"time.Since(",
		"time.After(",
		"time.NewTimer(",
		"time.NewTicker(",
		"time.Sleep(",
	}
	eachSource(t, func(pkg, file, text string) {
		if !slices.Contains(clockless, pkg) {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			code, _, _ := strings.Cut(line, "//")
			for _, word := range forbidden {
				if strings.Contains(code, word) {
					t.Errorf("%s:%d: %s reads the clock; take the time as an argument", file, i+1,
						strings.TrimSuffix(word, "("))
				}
			}
			if strings.HasPrefix(strings.TrimSpace(code), "go ") {
				t.Errorf("%s:%d: starts a goroutine; leave that to the caller", file, i+1)
			}
		}
	})
}

// eachFile calls f for every Go file that is not a test, with its imports.
func eachFile(t *testing.T, f func(pkg, file string, imports []string)) {
	t.Helper()
	eachSource(t, func(pkg, file, text string) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		var imports []string
		for _, spec := range parsed.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
		f(pkg, file, imports)
	})
}

// eachSource calls f for every Go file of the module that is not a test.
func eachSource(t *testing.T, f func(pkg, file, text string)) {
	t.Helper()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, err := fs.Stat(root, path.Join(file, "go.mod")); d.IsDir() && file != "." &&
			(err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir // another module, or none
		}
		if d.IsDir() || path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(root, file)
		f(topLevel(path.Dir(file)), file, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// topLevel is the package that a directory belongs to: helpers in directories below a package are
// part of it.
func topLevel(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	return path.Join(parts[:min(2, len(parts))]...)
}
