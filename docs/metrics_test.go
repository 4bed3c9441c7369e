package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The reference of the metrics is made from their declarations.
func TestMetricsReference(t *testing.T) {
	const file = "reference/metrics.md"
	var page strings.Builder
	page.WriteString(
		"# Metrics\n\n`/metrics` has these, besides those of the Go runtime, of the process, " +
			"and of Alertmanager's packages (`alertmanager_*`).\n" +
			"Record rules add their own.\n\n| metric | labels | is |\n|---|---|---|\n")
	found := metrics(t)
	for _, name := range slices.Sorted(maps(found)) {
		m := found[name]
		fmt.Fprintf(&page, "| `%s` | %s | %s |\n", name, strings.Join(m.labels, ", "), m.help)
	}
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d metrics were found in the code", len(found))
	}
	if read(t, file) != page.String() {
		t.Errorf("%s differs from the code; write it anew: go test ./docs -update-docs", file)
	}
}

type metric struct {
	help   string
	labels []string
}

func maps(m map[string]metric) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var metricName = regexp.MustCompile(`^alert_engine_[a-z0-9_]+$`)

// metrics returns the metrics that the code declares: calls and literals with a name and a help
// text, whose further texts are labels.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	found := map[string]metric{}
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || !strings.HasPrefix(file, "../internal/") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(name, help string, labels []string) {
			if !metricName.MatchString(name) || help == "" {
				return
			}
			if old, ok := found[name]; ok {
				labels = append(old.labels, labels...)
				slices.Sort(labels)
				labels = slices.Compact(labels)
			}
			found[name] = metric{help, labels}
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				texts := textsOf(n.Args)
				switch calledName(n) {
				case "NewDesc":
					if len(texts) > 1 {
						add(texts[0], texts[1], texts[2:])
					}
				case "desc":
					if len(texts) > 1 {
						add("alert_engine_"+texts[0], texts[1], texts[2:])
					}
				case "NewCounterVec", "NewGaugeVec", "NewHistogramVec":
					if len(n.Args) == 2 {
						name, help := options(n.Args[0])
						add(name, help, textsOf(n.Args[1:]))
					}
				}
			case *ast.CompositeLit:
				name, help := options(n)
				add(name, help, nil)
			}
			return true
		})
	}
	return found
}

// calledName returns the name of the function that is called.
func calledName(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// options returns Name and Help of a literal.
func options(n ast.Expr) (name, help string) {
	lit, ok := n.(*ast.CompositeLit)
	if !ok {
		return "", ""
	}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				if texts := textsOf([]ast.Expr{kv.Value}); len(texts) == 1 {
					switch key.Name {
					case "Name":
						name = texts[0]
					case "Help":
						help = texts[0]
					}
				}
			}
		}
	}
	return name, help
}

// textsOf returns the constant texts of expressions, also of lists of them.
func textsOf(list []ast.Expr) []string {
	var out []string
	for _, e := range list {
		switch e := e.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
				out = append(out, s)
			}
		case *ast.BinaryExpr:
			if parts := textsOf([]ast.Expr{e.X, e.Y}); len(parts) == 2 {
				out = append(out, parts[0]+parts[1])
			}
		case *ast.CompositeLit:
			out = append(out, textsOf(e.Elts)...)
		}
	}
	return out
}
