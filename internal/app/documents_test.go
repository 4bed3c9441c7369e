package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```")
	firstKey  = regexp.MustCompile(`(?m)^([a-z_]+):`)
)

// Every example of a configuration in the documents is read as it stands, and is valid.
func TestDocumentedConfigurations(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	count := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range yamlBlock.FindAllStringSubmatchIndex(string(text), -1) {
			block := string(text[m[2]:m[3]])
			if !isConfiguration(block) {
				continue
			}
			count++
			place := fmt.Sprintf("%s:%d", page, 1+strings.Count(string(text[:m[2]]), "\n"))
			c := DefaultConfig()
			if err := readConfig(place, []byte(block), noEnv, &c); err != nil {
				t.Errorf("%s: %v", place, err)
				continue
			}
			if c.Kafka.SASL.PasswordFile != "" { // which is not here
				c.Kafka.SASL.Password = "secret"
			}
			if err := c.Validate(); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		}
	}
	if count < 8 {
		t.Errorf("only %d configurations are found", count)
	}
}

// isConfiguration says whether a block is one of alert-engine.yml, and no rules, routes or other.
func isConfiguration(block string) bool {
	m := firstKey.FindStringSubmatch(block)
	if m == nil || strings.Contains(block, "\ngroups:") {
		return strings.HasPrefix(block, " ")
	}
	switch m[1] {
	case "kafka", "cluster", "web", "notify", "formats", "sigma", "rules", "limits", "log":
		return true
	}
	return false
}
