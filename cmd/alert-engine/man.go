package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

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
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := doc.GenManHeader{
				Section: "1",
				Source:  "alert-engine " + app.Version(),
				Manual:  "alert-engine",
			}
			if _, when := app.Commit(); when != "" {
				if at, err := time.Parse(time.RFC3339, when); err == nil {
					header.Date = &at
				}
			}
			return doc.GenManTree(root, &header, args[0])
		},
	}
}
