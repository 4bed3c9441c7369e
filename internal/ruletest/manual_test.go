package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```")

// manual returns the pages of the manual: RULES.md and those it leads to.
func manual(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{
		"RULES.md", "docs/reference/*.md", "docs/howto/*.md", "docs/*.md",
	} {
		found, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	return pages
}

// Every example of the manual is a complete file: it compiles without a warning, and its tests
// pass, in any order and through crashes. Files with a name stay for the rest of their page.
func TestManualExamples(t *testing.T) {
	for _, page := range manual(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		writeYesterday(t, filepath.Join(dir, "yesterday.log"))
		for i, m := range yamlBlock.FindAllStringSubmatchIndex(string(text), -1) {
			block := string(text[m[2]:m[3]])
			if !strings.Contains(block, "groups:") && !strings.Contains(block, "rule_files:") {
				continue // another kind of file
			}
			place := fmt.Sprintf("%s:%d", page, 1+strings.Count(string(text[:m[2]]), "\n"))
			name := fmt.Sprintf("block%d.yml", i)
			if first, _, _ := strings.Cut(block, "\n"); strings.HasPrefix(first, "# ") &&
				strings.HasSuffix(first, ".yml") {
				name = first[2:]
			}
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			isScript := strings.Contains("\n"+block, "\nrule_files:")
			if !isScript {
				if set, err := rule.Load(file); err != nil {
					t.Errorf("%s: %v", place, err)
					continue
				} else if err := compiles(set); err != nil {
					t.Errorf("%s: %v", place, err)
				}
			}
			if isScript || strings.Contains(block, "\ntests:") {
				for _, failure := range runScript(t, file) {
					t.Errorf("%s: %s", place, failure)
				}
			}
		}
	}
}

// writeYesterday writes the logs that examples name: eleven errors, one each second.
func writeYesterday(t *testing.T, file string) {
	t.Helper()
	var b strings.Builder
	for second := range 11 {
		fmt.Fprintf(
			&b,
			"{\"timestamp\":\"2026-05-04T11:00:%02dZ\",\"service\":\"payment-service\","+
				"\"level\":\"ERROR\",\"message\":\"card refused\"}\n",
			second,
		)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compiles says what is wrong with rules that were read, or only looks wrong.
func compiles(set *rule.Set) error {
	costly, err := match.Lint(set)
	if err != nil {
		return err
	}
	if found := append(rule.Lint(set), costly...); len(found) > 0 {
		return fmt.Errorf("%v", found)
	}
	_, err = EngineFactory(set).New(func(models.Alert) {})
	return err
}

// runScript runs a script in other orders and through crashes, and returns its failures.
func runScript(t *testing.T, file string) []string {
	t.Helper()
	s, err := ReadScript(file)
	if err != nil {
		return []string{err.Error()}
	}
	set, err := rule.Load(s.RuleFiles...)
	if err != nil {
		return []string{err.Error()}
	}
	return failures(s.Run(EngineFactory(set), Options{Shuffle: 5, Seed: 1, Crash: true}))
}

// The manual names every lint, and the rule for each of the fifty needs.
func TestManualIsComplete(t *testing.T) {
	var text string
	for _, page := range manual(t) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text += string(data)
	}
	for _, name := range rule.Lints() {
		if !strings.Contains(text, "\n| `"+name+"` |") {
			t.Errorf("lint %s is not described", name)
		}
	}
	set, err := rule.Load(filepath.Join("..", "..", "examples", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Rules {
		if !strings.Contains(text, "`"+r.Name+"`") {
			t.Errorf("rule %s is not in the cookbook", r.Name)
		}
	}
}
