package app

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```")

// "Pasted into a file it works": each configuration and alertmanager.yml in the documents passes
// check, where the rules and the files that it names exist. Package ruletest holds rule files
// and test scripts to the same.
func TestDocumentedConfigurationIsComplete(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	write("certs/ca.pem", string(pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw},
	)))
	for _, secret := range []string{
		"kafka", "write", "read", "slack", "pagerduty", "pagerduty-manager",
	} {
		write("secrets/"+secret, "https://secret.example/"+secret)
	}
	write("my.rules.yml", "{version: 1, groups: []}\n")
	write("sigma/rules/a.yml", "title: A\nid: 11111111-1111-4111-8111-111111111111\n"+
		"status: stable\nlevel: high\nlogsource: {product: linux, category: process_creation}\n"+
		"detection: {selection: {Image: /bin/nc}, condition: selection}\n")
	write("windows.fields.yml", "{}\n")
	write("overrides.yml", "{}\n")
	write("web.yml", "basic_auth_users: {}\n")
	write("owners.csv", "service,team,runbook_url\npay,payments,https://runbooks.example/\n")

	checked := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(page) == "config.md" {
				continue // the example, whose test is in package docs
			}
			for _, m := range yamlBlock.FindAllStringSubmatchIndex(string(text), -1) {
				block := string(text[m[2]:m[3]])
				place := fmt.Sprintf("%s:%d", page, 2+strings.Count(string(text[:m[2]]), "\n"))
				block = strings.ReplaceAll(block, "/run/secrets", filepath.Join(dir, "secrets"))
				name := write(fmt.Sprintf("block%d.yml", checked), block)
				if kindOf(name) == configFile {
					name = write(filepath.Base(name), block+"\nrules: [my.rules.yml]\n")
				}
				if kind := kindOf(name); kind != configFile && kind != alertmanagerFile {
					continue
				}
				checked++
				r, err := Check(t.Context(), CheckOptions{
					Files:  []string{name},
					Getenv: func(string) string { return "" },
				})
				if err != nil || len(r.Errors) > 0 {
					t.Errorf("%s: %v, %v", place, r.Errors, err)
				}
			}
		}
	}
	if checked < 9 {
		t.Errorf("%d files were found", checked)
	}
}
