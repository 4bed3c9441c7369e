// Package docs holds the documents to the code: links lead somewhere, and tests that are named
// exist.
package docs

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update-docs", false, "write the generated pages anew")

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z]\\w*)`")
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)\(`)
	fence    = regexp.MustCompile("(?s)\n```.*?\n```")
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// files returns the files of the repository with an ending, by path from its root.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") ||
			d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ending) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// anchors returns the anchors of the headings of a page, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := link.ReplaceAllString(m[1], "")
		slug := notSlug.ReplaceAllString(strings.ToLower(title), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

func TestLinks(t *testing.T) {
	for _, page := range files(t, ".md") {
		text := fence.ReplaceAllString(read(t, page), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && strings.HasSuffix(target, ".md") &&
				!anchors(read(t, target))[anchor] {
				t.Errorf("%s: the link %s has no such heading", page, m[1])
			}
		}
	}
}

func TestNamedTestsExist(t *testing.T) {
	exists := map[string]bool{}
	for _, file := range files(t, "_test.go") {
		for _, m := range declared.FindAllStringSubmatch(read(t, file), -1) {
			exists[m[1]] = true
		}
	}
	for _, page := range files(t, ".md") {
		for _, m := range testName.FindAllStringSubmatch(read(t, page), -1) {
			if !exists[m[1]] {
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
	}
}

// The reference of the configuration is the example file, which explains each setting. Another test
// holds that file to the code.
func TestConfigReference(t *testing.T) {
	const file = "reference/config.md"
	page := "# Configuration\n\n" +
		"`alert-engine run` reads `alert-engine.yml`, or the file of `--config`.\n" +
		"Later sources win: defaults, file, environment (`ALERT_ENGINE_BROKERS` and so on), " +
		"flags.\n" +
		"This is `alert-engine.example.yml`, every key with its default or an example:\n\n" +
		"```yaml\n" + read(t, "../alert-engine.example.yml") + "```\n"
	if *update {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, file) != page {
		t.Errorf("%s differs from alert-engine.example.yml; write it anew: "+
			"go test ./docs -update-docs", file)
	}
}
