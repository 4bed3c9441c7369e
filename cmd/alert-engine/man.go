package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write man pages of all commands",
		Example: `  alert-engine man /usr/local/share/man/man1
  alert-engine man . && man ./alert-engine-run.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { // #nosec G301 -- for all users
				return err
			}
			at := time.Now()
			if _, when := app.Commit(); when != "" {
				if t, err := time.Parse(time.RFC3339, when); err == nil {
					at = t
				}
			}
			return writeManPages(cmd.Root(), args[0], at)
		},
	}
}

// writeManPages writes the pages of a command and of those below it.
func writeManPages(c *cobra.Command, dir string, at time.Time) error {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeManPages(sub, dir, at); err != nil {
			return err
		}
	}
	// #nosec G306 -- for all users
	return os.WriteFile(filepath.Join(dir, manName(c)+".1"), []byte(manPage(c, at)), 0o644)
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is the page of a command, in the macros of man(7).
func manPage(c *cobra.Command, at time.Time) string {
	c.InitDefaultHelpCmd()
	c.InitDefaultHelpFlag()
	var b strings.Builder
	fmt.Fprintf(&b, ".nh\n.TH %q \"1\" %q %q \"alert-engine\"\n", strings.ToUpper(manName(c)),
		at.UTC().Format("Jan 2006"), "alert-engine "+app.Version())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(c)), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fP\n", roff(c.UseLine()))
	description := c.Long
	if description == "" {
		description = c.Short
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n",
		strings.ReplaceAll(roff(description), "\n\n", "\n.PP\n"))
	manFlags(&b, "OPTIONS", c.NonInheritedFlags())
	manFlags(&b, "OPTIONS INHERITED FROM PARENT COMMANDS", c.InheritedFlags())
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLE\n.EX\n%s\n.EE\n", roff(c.Example))
	}
	var others []string
	if c.HasParent() {
		others = append(others, manName(c.Parent()))
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			others = append(others, manName(sub))
		}
	}
	for i, name := range others {
		others[i] = `\fB` + roff(name) + `\fP(1)`
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", strings.Join(others, ", "))
	}
	return b.String()
}

// manFlags writes a section of flags, if there are any.
func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(b, `\fB\-%s\fP, `, f.Shorthand)
		}
		fmt.Fprintf(b, `\fB\-\-%s\fP`, roff(f.Name))
		if value != "" {
			fmt.Fprintf(b, ` \fI%s\fP`, roff(value))
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0s" {
			usage += " (default " + d + ")"
		}
		fmt.Fprintf(b, "\n%s\n", roff(usage))
	})
}

// roff is a text as it stands in a page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "\n.", "\n\\&.").Replace(text)
	return strings.TrimRight(text, "\n")
}
