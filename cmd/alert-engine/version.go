package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprint(cmd.OutOrStdout(), versionText())
		},
	}
}

// versionText is the version, and the commit if it is known.
func versionText() string {
	text := fmt.Sprintf(
		"alert-engine %s (%s, %s/%s)\n", app.Version(), runtime.Version(), runtime.GOOS,
		runtime.GOARCH,
	)
	if commit, date := app.Commit(); commit != "" {
		text += fmt.Sprintf("commit %s of %s\n", commit, date)
	}
	return text
}
