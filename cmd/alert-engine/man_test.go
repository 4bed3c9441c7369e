package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each command has a page with what its help says.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	root := newRootCommand()
	if err := writeManPages(root, dir, time.Date(2026, 7, 14, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	f := func(page string, want ...string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, page+".1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s has no %q:\n%s", page, w, text)
			}
		}
	}
	f("alert-engine", `.TH "ALERT-ENGINE" "1" "Jul 2026"`, `\fBalert\-engine\-run\fP(1)`)
	f("alert-engine-state-export", `.SH NAME`, `\fBalert\-engine\-state\fP(1)`)
	f("alert-engine-run", "\n.PP\n", ".SH OPTIONS\n", `\fB\-c\fP, \fB\-\-config\fP \fIstring\fP`,
		".SH EXAMPLE\n.EX\n  alert\\-engine run")
	f("alert-engine-tail", `\fB\-\-limit\fP`)
	if got := roff("a\\b -x\n.c\n\n'd\n"); got != "a\\eb \\-x\n\\&.c\n\n\\(aqd" {
		t.Errorf("%q", got)
	}
}
