package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	tutorialFile  = regexp.MustCompile("(?s)\n```yaml\n(# (\\S+)\n.*?\n)```")
	tutorialShell = regexp.MustCompile("(?s)\n```sh\n(alert-engine .*?)\n```\n")
	printsInline  = regexp.MustCompile("^\nprints `([^`]+)`")
	printsBlock   = regexp.MustCompile("^\n(?:[^\n`#]+\n\n)?((?:    [^\n]*\n)+)")
	rulesChanged  = regexp.MustCompile("(?s)window from `(.*?)` to `(.*?)`.*?\n\n((?:    .*?\n)+)")
)

// The files of the tutorial, and its commands that need no Kafka, do what the page shows.
func TestTutorialIsTrue(t *testing.T) {
	data, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{}
	for _, m := range tutorialFile.FindAllStringSubmatch(page, -1) {
		files[m[2]] = m[1]
		write(m[2], m[1])
	}
	compared := 0
	compare := func(line, want string) {
		if strings.Contains(line, "demo ") || strings.Contains(line, "127.0.0.1") {
			return
		}
		compared++
		line = strings.ReplaceAll(strings.TrimPrefix(line, "alert-engine "), "\\\n", "")
		args := shellWords.FindAllString(line, -1)
		for i, a := range args {
			args[i] = strings.Trim(a, `'"`)
		}
		var out bytes.Buffer
		execute(t.Context(), args, strings.NewReader(""), &out, &out)
		if got := out.String(); got != want {
			t.Errorf("%s prints\n%s\nthe page says\n%s", line, got, want)
		}
	}
	for _, at := range tutorialShell.FindAllStringSubmatchIndex(page, -1) {
		line, rest := page[at[2]:at[3]], page[at[1]:]
		if m := printsInline.FindStringSubmatch(rest); m != nil {
			compare(line, m[1]+"\n")
		} else if m := printsBlock.FindStringSubmatch(rest); m != nil {
			compare(line, unindented(m[1]))
		}
	}
	m := rulesChanged.FindStringSubmatch(page)
	if m == nil {
		t.Fatal("the page breaks no rule")
	}
	const rules = "payments.rules.yml"
	write(rules, strings.Replace(files[rules], "window: "+m[1], "window: "+m[2], 1))
	compare("alert-engine check "+rules, unindented(m[3]))
	if compared != 4 {
		t.Errorf("%d outputs are compared, not 4", compared)
	}
}

// unindented is the text of a block that is indented by four blanks.
func unindented(block string) string {
	return strings.ReplaceAll("\n"+block, "\n    ", "\n")[1:]
}
