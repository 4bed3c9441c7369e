package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// checkCommand is one run of check.
type checkCommand struct {
	lintFatal     bool
	source        topicSource
	file          string
	format        string
	most          int
	lists         listFiles
	in            io.Reader
	out, progress io.Writer
}

func newCheckCommand() *cobra.Command {
	var c checkCommand
	cmd := &cobra.Command{
		Use:   "check FILES",
		Short: "Check rule files, by themselves and against logs",
		Long: `Check reads rule files as run would and prints every error with its place and a hint, then what is allowed but probably
not meant.

With --against it also holds the rules against the newest logs of a topic, which it reads beside the engine, without a
consumer group; with --against-file against those of a file. It says which fields no log has, and what they are called
there; which rules no log matches; which groups have no end; and how many matches a minute each rule has to expect. Of a
topic it also says which rules look back further than the topic keeps its logs. What it finds has names, by which a rule
file silences it (lint_ignore), as with everything that is found without logs. With the --config of several instances
(record_key) it names the rules that they cannot share.

It exits with 0 when the rules are good, 1 when there is an error, and, with --lint-fatal, 3 when there is only something
to look at.`,
		Example: `  alert-engine check my.rules.yml
  alert-engine check --lint-fatal rules/*.rules.yml
  alert-engine check my.rules.yml --against application-logs --brokers kafka:9092
  alert-engine check my.rules.yml --against application-logs --since 2h --sample 20000 --config alert-engine.yml
  alert-engine check my.rules.yml --against-file yesterday.log.gz`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			c.in, c.out, c.progress = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return c.run(cmd.Context(), files)
		},
	}
	cmd.Flags().
		BoolVar(&c.lintFatal, "lint-fatal", false, "exit with 3 when there is something to look at")
	cmd.Flags().
		StringSliceVar(&c.source.topics, "against", nil, "hold the rules against the newest logs of this topic; repeat for more")
	cmd.Flags().
		StringVar(&c.file, "against-file", "", "hold the rules against the logs of this file; - for the standard input")
	cmd.Flags().
		IntVar(&c.most, "sample", 100_000, "look at no more records of the topics than this")
	cmd.Flags().StringVar(&c.format, "format", "auto", "the format of every record of the file")
	c.lists.addFlag(cmd)
	c.source.addFlagsOf(cmd, brokerSettings...)
	c.source.sinceFlag(24*time.Hour, "look at no logs of the topics that are older than this")
	cmd.MarkFlagsMutuallyExclusive("against", "against-file")
	return cmd
}

func (c *checkCommand) run(ctx context.Context, files []string) error {
	var o app.CheckOptions
	if c.source.config != "" {
		config, err := c.source.load()
		if err != nil {
			return err
		}
		o.RecordKey = config.Kafka.RecordKey
	}
	var err error
	if o.Logs, err = c.against(ctx); err != nil {
		return err
	}
	switch v, err := app.Check(ctx, c.out, files, o); {
	case err != nil:
		return err
	case v == app.CheckErrors:
		return exitCode(1)
	case v == app.CheckLints && c.lintFatal:
		return exitCode(3)
	}
	return nil
}

// against is the logs to hold the rules against, nil for none.
func (c *checkCommand) against(ctx context.Context) (*app.Against, error) {
	if c.most <= 0 {
		return nil, fmt.Errorf("--sample %d: a sample has at least one record", c.most)
	}
	a := &app.Against{
		Since: c.source.since, Most: c.most, Format: decode.Config{Format: c.format},
		Progress: func(records, of int) {
			if of == 0 {
				fmt.Fprintf(c.progress, "%d records\n", records)
				return
			}
			fmt.Fprintf(c.progress, "%d of %d records\n", records, of)
		},
		Warn: func(err error) { fmt.Fprintln(c.progress, "alert-engine:", err) },
	}
	var err error
	switch {
	case len(c.source.topics) > 0:
		a.Config, err = c.source.load()
	case c.file == "-":
		a.File = decode.Read(c.in, "standard input", decode.ReadOptions{Time: time.Now()})
	case c.file != "":
		a.File = decode.ReadFile(c.file, decode.ReadOptions{Time: time.Now()})
	case len(c.lists) > 0:
		return nil, errors.New(
			"--list is for --against and --against-file: without logs, nothing is compared with a list",
		)
	default:
		return nil, nil
	}
	a.Lists = func(set *rule.Set) (*rule.Set, error) {
		if a.Config != nil {
			return c.lists.giveFrom(ctx, a.Config, set)
		}
		return c.lists.giveAll(set)
	}
	return a, err
}
