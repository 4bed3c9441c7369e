package docs

import (
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxColumns is how wide lines of Go are at most; a tab counts as four columns.
const maxColumns = 100

// "Two files side by side on one screen": code and comments wrap at 100 columns. Of a text within
// quotes, only its own lines count: they may be logs or rules as they are. Production code has no
// such line over 120.
func TestLinesWrap(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "ls-files", "*.go").Output()
	if err != nil {
		t.Skipf("not in a clone: %v", err)
	}
	files := strings.Fields(string(out))
	if len(files) < 300 {
		t.Fatalf("only %d files", len(files))
	}
	for _, name := range files {
		text, err := os.ReadFile("../" + name)
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		quoted := quotedColumns(text)
		for i, line := range strings.Split(string(text), "\n") {
			width, limit := columns(line), maxColumns
			if from, ok := quoted[i+1]; ok {
				width -= from
				if limit = 120; strings.HasSuffix(name, "_test.go") {
					continue
				}
			}
			if width > limit {
				t.Errorf("%s has %d columns, at most %d", lineOf(name, i+1), width, limit)
			}
		}
	}
}

// sentenceEnd is a full stop with another sentence behind it.
var sentenceEnd = regexp.MustCompile("[a-z)`\"]\\. [A-Z`]")

// Markdown has one sentence a line, so that a change of one is a change of one line. Tables, code
// and the changelog are left out.
func TestOneSentenceALine(t *testing.T) {
	for _, page := range files(t, ".md") {
		if strings.Contains(page, "findings") || strings.Contains(page, "CHANGELOG") ||
			strings.Contains(page, "internal") && !strings.Contains(page, "docs") {
			continue
		}
		code := false
		for i, line := range strings.Split(read(t, page), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			}
			if code || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ") {
				continue
			}
			line = inlineCode.ReplaceAllString(line, "`x`")
			line = strings.NewReplacer("e.g.", "", "i.e.", "", "etc.", "").Replace(line)
			if at := sentenceEnd.FindStringIndex(line); at != nil {
				t.Errorf("%s has a second sentence: %.60s", lineOf(page, i+1), line[at[1]-1:])
			}
		}
	}
}

var inlineCode = regexp.MustCompile("`[^`]*`")

func columns(s string) int {
	return utf8.RuneCountInString(strings.ReplaceAll(s, "\t", "    "))
}

// quotedColumns maps lines with a quoted text to the columns before it that do not count: those of
// the first line of a text of several lines, 0 of others.
func quotedColumns(text []byte) map[int]int {
	set := token.NewFileSet()
	file := set.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	lines := strings.Split(string(text), "\n")
	out := map[int]int{}
	for {
		at, tok, literal := s.Scan()
		switch tok {
		case token.EOF:
			return out
		case token.STRING:
			p := file.Position(at)
			n := strings.Count(literal, "\n")
			for i := range n + 1 {
				out[p.Line+i] = max(0, out[p.Line+i])
			}
			if n > 0 {
				out[p.Line] = columns(lines[p.Line-1][:p.Column-1])
			}
		}
	}
}
