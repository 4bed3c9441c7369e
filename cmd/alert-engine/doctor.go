package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newDoctorCommand() *cobra.Command {
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check files, brokers, topics, disk and receivers",
		Long: `Doctor checks everything that run needs, on one screen: the configuration and all files that it
names, connections to brokers, topics, retention, the topics of lists and lookups, the data
directory, the listening address, and connections to receivers. It sends no notification and commits
no offset.

Exit status: 0 without errors, 1 with errors.`,
		Example: `  alert-engine doctor
  alert-engine doctor --config /etc/alert-engine/alert-engine.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := app.LoadConfig(configName(config), os.Getenv, settings(cmd))
			if err != nil {
				return err
			}
			began := time.Now()
			findings := app.Doctor(cmd.Context(), c)
			if asJSON {
				err = newJSONEncoder(cmd.OutOrStdout()).Encode(findings)
			} else {
				err = app.WriteDoctor(cmd.OutOrStdout(), findings, time.Since(began))
			}
			if err != nil {
				return err
			}
			for _, f := range findings {
				if f.Level == app.DoctorError {
					return exitCode(1)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	addSettings(cmd)
	return cmd
}
