package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var invocation = regexp.MustCompile(
	"(?m)(?:^|[|`\\s])(?:go run \\./cmd/)?alert-engine " +
		"((?:backtest|check|completion|config|deadletters|decode|demo|doctor|explain|fmt|health|" +
		"import|lsp|man|mcp|new|notify|run|schema|stat|state|suggest|tail|test|version|" +
		"[a-z]+ -)[^|`\\n]*)",
)

// Every command that a document or a help text shows exists, with every flag that it is given.
func TestDocumentedCommandsExist(t *testing.T) {
	found := 0
	check := func(where, text string) {
		for _, m := range invocation.FindAllStringSubmatch(text, -1) {
			found++
			checkInvocation(t, where, m[1])
		}
	}
	for _, file := range append(documents(t), "../../alert-engine.example.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check(filepath.Base(file), string(text))
	}
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		check(c.CommandPath()+" --help", c.Long+"\n"+c.Example)
		if c.Example == "" && c.Runnable() && c.Name() != "version" {
			t.Errorf("%s --help has no examples", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(newRootCommand())
	if found < 20 {
		t.Errorf("only %d commands are found", found)
	}
}

// checkInvocation looks up the command and the flags of a command line.
func checkInvocation(t *testing.T, where, line string) {
	t.Helper()
	words := strings.Fields(line)
	cmd, _, err := newRootCommand().Find(words)
	if err != nil || !cmd.HasParent() {
		t.Errorf("%s: alert-engine %s: there is no such command (%v)", where, line, err)
		return
	}
	for _, w := range words {
		name, ok := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(strings.TrimRight(name, ",.;)"), "=")
		if ok && name != "help" && cmd.Flags().Lookup(name) == nil &&
			cmd.InheritedFlags().Lookup(name) == nil {
			t.Errorf("%s: alert-engine %s: %s has no flag --%s", where, line,
				cmd.CommandPath(), name)
		}
	}
}

// documents returns the documents of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	return files
}

var place = regexp.MustCompile("`((?:cmd|internal|pkg|examples|bench|scripts)/[\\w./-]*)`")

// Every place that a document names is there.
func TestDocumentedPlacesExist(t *testing.T) {
	found := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range place.FindAllSubmatch(text, -1) {
			found++
			if _, err := os.Stat(filepath.Join("../..", string(m[1]))); err != nil {
				t.Errorf("%s names %s: %v", filepath.Base(file), m[1], err)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d places are found", found)
	}
}
