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
		Short: "Say which version this is",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "alert-engine %s (%s, %s/%s)\n",
				app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			if commit, date := app.Commit(); commit != "" {
				fmt.Fprintf(out, "commit %s of %s\n", commit, date)
			}
		},
	}
}
