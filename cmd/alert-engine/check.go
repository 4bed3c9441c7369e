package main

import (
	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newCheckCommand() *cobra.Command {
	var lintFatal bool
	cmd := &cobra.Command{
		Use:   "check FILES",
		Short: "Check rule files",
		Long: `Check reads rule files as run would and prints every error with its place and a hint, then what is allowed but probably
not meant.

It exits with 0 when the rules are good, 1 when there is an error, and, with --lint-fatal, 3 when there is only something
to look at.`,
		Example: `  alert-engine check my.rules.yml
  alert-engine check --lint-fatal rules/*.rules.yml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			switch v := app.Check(cmd.OutOrStdout(), files); {
			case v == app.CheckErrors:
				return exitCode(1)
			case v == app.CheckLints && lintFatal:
				return exitCode(3)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&lintFatal, "lint-fatal", false, "exit with 3 when there is something to look at")
	return cmd
}
