package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/atomicfile"
)

func newFmtCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt FILES|-",
		Short: "Format rule files, test scripts and configuration",
		Long: `Fmt formats YAML files in place: two blanks for each level, lists at the level of their key, one
empty line at most, and LF at the end of lines. It moves lines and changes nothing else in them:
comments, quotes, and texts, lists and maps over several lines stay as they are written. A file whose
meaning would change, or that has a second document, is left as it is, with an error. "-" formats
standard input to standard output.

Exit status: 0, or 1 if a file cannot be formatted or, with --check, is not formatted.`,
		Example: `  alert-engine fmt rules/*.rules.yml
  alert-engine fmt --check rules/*.rules.yml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			different := false
			var errs []error
			for _, name := range files {
				changed, err := formatFile(cmd, name, check)
				different = different || changed
				errs = append(errs, err)
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			if check && different {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false,
		"list files that are not formatted, and change none")
	return cmd
}

// formatFile formats a file, and returns whether it was not formatted.
func formatFile(cmd *cobra.Command, name string, check bool) (changed bool, err error) {
	if name == "-" {
		text, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return false, err
		}
		formatted, err := app.Formatted(app.StdinName, text)
		if err != nil {
			return false, err
		}
		_, err = cmd.OutOrStdout().Write(formatted)
		return !bytes.Equal(text, formatted), err
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	formatted, err := app.Formatted(name, text)
	if err != nil || bytes.Equal(text, formatted) {
		return false, err
	}
	if !check {
		if err := atomicfile.Rewrite(name, formatted); err != nil {
			return true, err
		}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), name)
	return true, err
}
