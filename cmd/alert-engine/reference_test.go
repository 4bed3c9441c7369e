package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update-docs", false, "write docs/reference/command-line.md anew")

// The reference of the command line is what --help prints.
func TestCommandLineReference(t *testing.T) {
	const file = "../../docs/reference/command-line.md"
	var page bytes.Buffer
	fmt.Fprint(&page, "# Command line\n\nThis page is what `--help` prints.\n")
	writeHelp(&page, newRootCommand())
	if *update {
		if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, page.Bytes()) {
		t.Errorf("%s differs from --help; write it anew:\n"+
			"go test ./cmd/alert-engine -run TestCommandLineReference -update-docs", file)
	}
}

// writeHelp writes the help of a command and of those below it, as sections.
func writeHelp(page *bytes.Buffer, c *cobra.Command) {
	var help bytes.Buffer
	c.SetOut(&help)
	c.InitDefaultHelpFlag()
	c.Help()
	fmt.Fprintf(page, "\n## %s\n\n```\n", c.CommandPath())
	for line := range strings.Lines(help.String()) {
		fmt.Fprintln(page, strings.TrimRight(line, " \n"))
	}
	fmt.Fprint(page, "```\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			writeHelp(page, sub)
		}
	}
}

// Every command that does something has an example in its help.
func TestCommandsHaveExamples(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Example == "" && c.Name() != "version" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand())
}
