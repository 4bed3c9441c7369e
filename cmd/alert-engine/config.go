package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

// defaultConfigFile is read if it is in the working directory and no other is named.
const defaultConfigFile = "alert-engine.yml"

// configName is the configuration file to read: the named one, or the default one if it exists.
func configName(named string) string {
	if _, err := os.Stat(defaultConfigFile); named == "" && err == nil {
		return defaultConfigFile
	}
	return named
}

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or print the configuration",
		Example: `  alert-engine config check
  alert-engine config print --config alert-engine.yml`,
	}
	cmd.AddCommand(newConfigCheckCommand(), newConfigPrintCommand())
	return cmd
}

func newConfigCheckCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and all files that it names",
		Long: `Check reads everything that run reads: the configuration, rule files, alertmanager.yml and its
templates, certificates, and files of secrets. It connects to nothing and changes nothing.

Exit status: 0 without errors, 1 with errors. Doctor also checks brokers, topics, the data directory
and the listening address.`,
		Example: `  alert-engine config check
  alert-engine config check --config /etc/alert-engine/alert-engine.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config = configName(config)
			c, err := app.LoadConfig(config, os.Getenv, settings(cmd))
			if err != nil {
				return err
			}
			report, err := app.CheckConfigFiles(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := report.WriteText(cmd.OutOrStdout()); err != nil {
				return err
			}
			if report.Result() == app.CheckErrors {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file")
	addSettings(cmd)
	return cmd
}

func newConfigPrintCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration, without secrets",
		Long: `Print prints the configuration in effect: defaults, file, environment and flags. Then it checks the
files that this names, as config check does.

Exit status: 0 without errors, 1 with errors.`,
		Example: `  alert-engine config print --config alert-engine.yml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := app.LoadConfig(configName(config), os.Getenv, settings(cmd))
			if err != nil {
				return err
			}
			return printEffective(cmd, c)
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file")
	addSettings(cmd)
	return cmd
}

// printEffective prints the configuration on standard output, and what is wrong with the files that
// it names on standard error.
func printEffective(cmd *cobra.Command, c *app.Config) error {
	text, err := c.YAML()
	if err != nil {
		return err
	}
	cmd.OutOrStdout().Write(text)
	report, err := app.CheckConfigFiles(cmd.Context(), c)
	if err != nil {
		return err
	}
	return report.Errors.Err()
}
