package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/duration"
)

func newDemoCommand() *cobra.Command {
	o := app.DefaultDemoOptions()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it: an embedded Kafka broker, a demo workload and rules in one process",
		Long: `Demo starts an embedded Kafka broker on loopback and a demo workload, the services of a web shop,
and evaluates its rules. The first alert fires within seconds. It needs nothing installed and leaves
no files.

Topics are created when a client writes to them. --topic creates and reads topics of your own.`,
		Example: `  alert-engine demo
  alert-engine demo --rules my.rules.yml         with your own rules
  alert-engine demo --duration 30s --seed 7      the same logs each time
  alert-engine demo --broker-only --topic logs   only the broker, for another process:
    alert-engine run --brokers 127.0.0.1:19092 --topic logs --rules my.rules.yml
    echo '{"level":"ERROR","service":"mine","message":"boom"}' | kcat -b 127.0.0.1:19092 -t logs -P`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.BrokerOnly && given(cmd, "rules", "webhook-url", "listen", "rate", "seed") {
				return errors.New(
					"with --broker-only nothing is written or evaluated; leave out --rules, " +
						"--webhook-url, --listen, --rate and --seed",
				)
			}
			return app.Demo(cmd.Context(), o, app.Terminal{
				Out: cmd.OutOrStdout(),
				Err: cmd.ErrOrStderr(),
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Float64Var(&o.Rate, "rate", o.Rate, "logs per second")
	f.Var((*duration.Flag)(&o.Duration), "duration", "stop after this long; 0 for until stopped")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "random seed; the same seed gives the same logs")
	f.BoolVar(&o.BrokerOnly, "broker-only", o.BrokerOnly, "start only the broker")
	f.StringSliceVar(&o.Topics, "topic", nil, "create and read this topic; repeat for more")
	f.StringVar(&o.Broker, "broker", o.Broker, "address of the broker")
	f.StringVar(&o.Listen, "listen", o.Listen, "address of pages, metrics and API")
	f.StringSliceVar(&o.Rules, "rules", o.Rules, "rule files instead of those of the demo")
	f.StringVar(&o.WebhookURL, "webhook-url", o.WebhookURL,
		"URL that notifications are posted to, too")
	return cmd
}
