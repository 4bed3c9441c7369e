package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	migrateDirectory = regexp.MustCompile(`^ +cd (examples/migrate/\w+)$`)
	migrateCommand   = regexp.MustCompile(`^ +alert-engine (.*)$`)
	shellWords       = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
)

// The commands of the page about migration run in the order given, in the directories that it
// names, and print what it shows. Those that need a broker are not run.
func TestMigrationPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/howto/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	lines, compared := strings.Split(string(page), "\n"), 0
	for i, line := range lines {
		if m := migrateDirectory.FindStringSubmatch(line); m != nil {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, m[1]))); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
		}
		m := migrateCommand.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "--brokers") || strings.Contains(line, "--topic") {
			continue
		}
		args := shellWords.FindAllString(m[1], -1)
		for i, a := range args {
			args[i] = strings.Trim(a, `'"`)
		}
		var out bytes.Buffer
		code := execute(t.Context(), args, strings.NewReader(""), &out, &out)
		if want, shown := outputAfter(lines[i+1:]); shown {
			compared++
			if got := out.String(); !strings.HasSuffix(got, want) {
				t.Errorf("%s prints\n%s\nthe page says\n%s", line, got, want)
			}
		} else if code != 0 {
			t.Errorf("%s: exit status %d\n%s", line, code, &out)
		}
	}
	if compared < 6 {
		t.Errorf("only %d outputs are compared", compared)
	}
}

// outputAfter is the block that is marked as output, if it is what comes next: alone or behind one
// line of text.
func outputAfter(lines []string) (text string, shown bool) {
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if strings.TrimSpace(line) != "```" {
			if i > 4 || migrateCommand.MatchString(line) {
				return "", false
			}
			continue
		}
		for _, line := range lines[i+1:] {
			if strings.TrimSpace(line) == "```" {
				return text, true
			}
			text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return "", false
}
