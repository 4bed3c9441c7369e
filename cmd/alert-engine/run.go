package main

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newRunCommand() *cobra.Command {
	var config string
	var printConfig bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Read logs from Kafka and send alerts until stopped",
		Long: `Run reads logs from Kafka and sends alerts until it is stopped.

Configuration comes from defaults, file, environment and flags; the later overrides the earlier.
Without --config, alert-engine.yml is read if it exists. Each flag but --config has an environment
variable: ALERT_ENGINE_BROKERS for --brokers, with commas between several values.
alert-engine.example.yml lists all settings.

SIGHUP or POST /-/reload reloads rules and routes. So does a change of a mounted ConfigMap or
Secret. If a file is invalid nothing changes.`,
		Example: `  alert-engine run --brokers kafka:9092 --topic application-logs --rules 'rules/*.rules.yml'
  alert-engine run --config alert-engine.yml
  alert-engine run --config alert-engine.yml --print-config`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*app.Config, error) {
				return app.LoadConfig(config, os.Getenv, settings(cmd))
			}
			config = configName(config)
			c, err := load()
			if err != nil {
				return err
			}
			if printConfig {
				return printEffective(cmd, c)
			}
			return app.Run(cmd.Context(), c, app.Terminal{Out: cmd.OutOrStdout(),
				Err: cmd.ErrOrStderr()}, load)
		},
	}
	cmd.Flags().StringVarP(&config, "config", "c", "", "configuration file")
	cmd.Flags().
		BoolVar(&printConfig, "print-config", false,
			"print the effective configuration without secrets, and exit")
	addSettings(cmd)
	return cmd
}

// addSettings adds a flag for every setting, or for some by their names.
func addSettings(cmd *cobra.Command, names ...string) {
	cmd.Flags().SortFlags = false
	for _, s := range app.Settings {
		switch {
		case len(names) > 0 && !slices.Contains(names, s.Name):
		case s.Many:
			cmd.Flags().StringSlice(s.Name, nil, s.Help)
		case s.Bool:
			cmd.Flags().Bool(s.Name, false, s.Help)
		default:
			cmd.Flags().String(s.Name, "", s.Help)
		}
	}
}

// settings returns the settings that were given as flags.
func settings(cmd *cobra.Command) map[string][]string {
	given := map[string][]string{}
	for _, s := range app.Settings {
		f := cmd.Flags().Lookup(s.Name)
		if f == nil || !f.Changed {
			continue
		}
		given[s.Name] = []string{f.Value.String()}
		if s.Many {
			given[s.Name], _ = cmd.Flags().GetStringSlice(s.Name)
		}
	}
	return given
}
