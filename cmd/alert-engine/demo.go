package main

import (
	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/duration"
)

func newDemoCommand() *cobra.Command {
	o := app.DefaultDemoOptions()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a small Kafka, a noisy shop, and rules, all in this process",
		Long: `Demo starts a small Kafka in this process, on a port of this machine alone, lets an invented web shop write its logs to
it, and raises alerts by the rules it ships with. Within seconds the shop gets into its first trouble. Nothing needs to
be installed, and nothing is left behind when it stops.`,
		Example: `  alert-engine demo
  alert-engine demo --rules my.rules.yml         with rules of your own
  alert-engine demo --duration 30s --seed 7      the same trouble each time
  alert-engine demo --broker-only                only the Kafka, for an engine and logs of your own:
    alert-engine run --brokers 127.0.0.1:19092 --topic shop-logs --rules my.rules.yml
    echo '{"level":"ERROR","service":"mine","message":"boom"}' | kcat -b 127.0.0.1:19092 -t shop-logs -P`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Demo(
				cmd.Context(),
				o,
				app.Terminal{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()},
			)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Float64Var(&o.Rate, "rate", o.Rate, "logs a second")
	f.Var((*duration.Flag)(&o.Duration), "duration", "stop after this long; 0 for until stopped")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of the shop's chance; the same seed shows the same logs")
	f.BoolVar(
		&o.BrokerOnly,
		"broker-only",
		o.BrokerOnly,
		"start only the Kafka, for an engine and logs of your own",
	)
	f.StringVar(&o.Broker, "broker", o.Broker, "address of the Kafka")
	f.StringVar(&o.Listen, "listen", o.Listen, "address of pages, metrics and API")
	f.StringSliceVar(&o.Rules, "rules", o.Rules, "rule files of your own instead of the shop's")
	f.StringVar(&o.WebhookURL, "webhook-url", o.WebhookURL, "URL that alerts are posted to, too")
	return cmd
}
