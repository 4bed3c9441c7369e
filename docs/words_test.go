package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// oldWords are words that readers had to guess at; docs/reference/glossary.md has the terms.
var oldWords = regexp.MustCompile(
	`(?i)\b(told|untold|whoever|somebody|nobody|anybody|of late|heeds?|heeded|belies|hears? of|` +
		`hears|to look at|is over|be over|stands twice|goes round)\b`,
)

var textFiles = []string{
	".md", ".html", ".yml", ".yaml", ".txtar", ".txt", ".golden", ".tmpl", ".sh",
}

// outputs are the golden files of commands and messages; other test data are logs.
var outputs = map[string]bool{
	"../cmd/alert-engine/testdata":  true,
	"../internal/notify/testdata":   true,
	"../internal/alerting/testdata": true,
	"../internal/ruletest/testdata": true,
}

// Texts for users use the terms of the field: pages, messages, help of commands and metrics,
// errors, configuration and documents.
func TestOldWordsStayAway(t *testing.T) {
	count := 0
	check := func(place, text string) {
		count++
		if word := oldWords.FindString(text); word != "" {
			t.Errorf("%s says %q: %.100s", place, word, strings.TrimSpace(text))
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && (name == "findings" || name == "node_modules" || name == "site" ||
			name == "build-docs" || name == "dist" || name == "dist-extra" ||
			name == "testdata" && !outputs[filepath.ToSlash(path)] ||
			strings.HasPrefix(name, ".") && path != ".."):
			return fs.SkipDir
		case d.IsDir():
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			for place, text := range literals(t, path) {
				check(place, text)
			}
		case slices.Contains(textFiles, filepath.Ext(name)):
			for i, line := range strings.Split(read(t, path), "\n") {
				check(lineOf(path, i+1), line)
			}
		}
		return nil
	})
	if err != nil || count < 5000 {
		t.Errorf("%d texts were read, %v", count, err)
	}
}

// literals are the texts in Go code but for names: those with a blank.
func literals(t *testing.T, path string) func(yield func(place, text string) bool) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(place, text string) bool) {
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING &&
				strings.Contains(l.Value, " ") {
				return yield(set.Position(l.Pos()).String(), l.Value)
			}
			return true
		})
	}
}

func lineOf(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }

// oldNames are words of names that docs/reference/glossary.md and the field's own terms replaced.
var oldNames = map[string]string{
	"told": "notified", "untold": "not notified", "heard": "notified", "unheard": "not notified",
	"ledger": "notification log", "owed": "pending", "doubted": "unconfirmed",
	"stray": "orphaned", "strays": "orphaned", "settlers": "destinations",
	"pump": "dispatcher", "manner": "options", "ailment": "problem", "ailments": "problems",
	"sparing": "limited", "handover": "changelog", "baton": "state in flight",
	"crew": "members", "fade": "expire", "fades": "expires", "bury": "resolve",
	"forsake": "release", "forget": "evict", "crowded": "high volume", "shed": "drop",
	"pivot": "access predicate", "strangers": "unknown keys", "survey": "profile",
	"guesses": "login rate limiter", "story": "scenario",
}

var nameWords = regexp.MustCompile(`[A-Z]?[a-z]+`)

// Names in production code use the terms of the field, too.
func TestOldNamesStayAway(t *testing.T) {
	count := 0
	for _, path := range files(t, ".go") {
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "findings") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			name, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			count++
			for _, word := range nameWords.FindAllString(name.Name, -1) {
				if term := oldNames[strings.ToLower(word)]; term != "" {
					t.Errorf("%s: %s; the term is %s", set.Position(name.Pos()), name.Name, term)
				}
			}
			return true
		})
	}
	if count < 100_000 {
		t.Errorf("only %d names were read", count)
	}
}
