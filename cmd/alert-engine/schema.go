package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema rules|tests|config",
		Short: "Print the JSON schema of rule files, test scripts or configuration",
		Long: `Schema prints a JSON schema. Editors complete and check files with it, for example with this comment
in a rule file:

  # yaml-language-server: $schema=rules.schema.json`,
		Example:   `  alert-engine schema rules > rules.schema.json`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: slices.Sorted(maps.Keys(app.Schemas())),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), string(app.Schemas()[args[0]]))
			return err
		},
	}
}
