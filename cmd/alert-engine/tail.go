package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// tailCommand is one run of tail.
type tailCommand struct {
	source topicSource
	query  rule.Query
	json   bool
	limit  int
	out    io.Writer
	shown  int
}

func newTailCommand() *cobra.Command {
	var c tailCommand
	cmd := &cobra.Command{
		Use:   "tail [QUERY]",
		Short: "Show matching logs as they arrive",
		Long: `Tail reads a topic without a consumer group and prints the logs that QUERY matches, or all logs.
With --since it starts with past logs.`,
		Example: `  alert-engine tail 'level>=ERROR service:payment*' --brokers kafka:9092 --topic logs
  alert-engine tail '"connection refused"' --since 1h --limit 20 --config alert-engine.yml
  alert-engine tail --json --topic logs | jq .service`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.out = cmd.OutOrStdout()
			if c.limit < 0 {
				return fmt.Errorf("--limit %d: the number is negative", c.limit)
			}
			if len(args) > 0 {
				var err error
				if c.query, err = rule.ParseQuery(args[0]); err != nil {
					return err
				}
			}
			c.source.follow = true
			return c.run(cmd.Context())
		},
	}
	c.source.addFlags(cmd)
	c.source.sinceFlag(0, "start with logs since this long ago; 0 for new logs only")
	cmd.Flags().IntVar(&c.limit, "limit", 0, "stop after this many logs; 0 for no limit")
	cmd.Flags().BoolVar(&c.json, "json", false, "print each log as JSON")
	return cmd
}

func (c *tailCommand) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return c.source.logs(ctx, func(l *decode.Log) error {
		if c.query != nil && !match.Eval(c.query, l, nil) {
			return nil
		}
		if c.shown++; c.limit > 0 && c.shown >= c.limit {
			stop()
		}
		return c.show(l.Entry())
	})
}

func (c *tailCommand) show(e models.LogEntry) error {
	if c.json {
		return newJSONEncoder(c.out).Encode(e)
	}
	message := e.Message
	if message == "" {
		message = e.Raw
	}
	_, err := fmt.Fprintf(c.out, "%s %-5s %s %s\n",
		e.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"), safetext.ClipLine(e.Level, 20),
		safetext.ClipLine(e.Service, 100), safetext.Line(message))
	return err
}
