package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// checkCommand is one run of check.
type checkCommand struct {
	lintFatal     bool
	output        string
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
		Short: "Check rule files, configuration and test scripts",
		Long: `Check reads rule files as run does. It prints each error with its place and a hint, then
warnings: what is valid but probably not intended. A file can also be a configuration
(alert-engine.yml), an alertmanager.yml or a test script; "-" is a rule file on standard input.

With --against it also compares the rules with the newest logs of a topic, which it reads without a
consumer group; with --against-file with those of a file. It reports fields that no log has, rules
that match nothing, groups that grow without bound, rules that look back further than the topic
keeps logs, and the matches per minute of each rule.

Each warning has a name. lint_ignore in a rule file silences it.

Exit status: 0 without errors, 1 with errors, 3 with warnings alone if --lint-fatal is given.`,
		Example: `  alert-engine check my.rules.yml
  alert-engine check alert-engine.yml alertmanager.yml rules/*.rules.yml
  alert-engine check --output github --lint-fatal rules/*.rules.yml
  alert-engine check my.rules.yml --against application-logs --brokers kafka:9092
  alert-engine check my.rules.yml --against-file yesterday.log.gz
  cat my.rules.yml | alert-engine check -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			c.in, c.out, c.progress = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := errors.Join(
				onlyWith(cmd, []string{"against", "against-file"}, "sample", "list"),
				onlyWith(cmd, []string{"against-file"}, "format"),
				onlyWith(cmd, []string{"against"}, append(brokerSettings, "config", "since")...),
			); err != nil {
				return err
			}
			if json, _ := cmd.Flags().GetBool("json"); json {
				c.output = "json"
			}
			return c.run(cmd.Context(), files)
		},
	}
	cmd.Flags().
		BoolVar(&c.lintFatal, "lint-fatal", false, "exit with 3 if there are warnings")
	cmd.Flags().
		StringVar(&c.output, "output", "text", "text, json, sarif or github (annotations)")
	cmd.Flags().Bool("json", false, "the same as --output json")
	cmd.Flags().
		StringSliceVar(&c.source.topics, "against", nil,
			"compare with the newest logs of this topic; repeat for more")
	cmd.Flags().
		StringVar(&c.file, "against-file", "",
			"compare with the logs of this file; - for standard input")
	cmd.Flags().
		IntVar(&c.most, "sample", 100_000, "read at most this many records of the topics")
	cmd.Flags().StringVar(&c.format, "format", "auto", "format of all records of the file")
	c.lists.addFlag(cmd)
	c.source.addFlagsOf(cmd, brokerSettings...)
	c.source.sinceFlag(24*time.Hour, "read logs of the topics since this long ago")
	completeFlag(cmd, "output", []string{"text", "json", "sarif", "github"})
	exclude(cmd, "against", "against-file")
	return cmd
}

func (c *checkCommand) run(ctx context.Context, files []string) error {
	app.SaveMemory()
	if writers[c.output] == nil {
		return fmt.Errorf("--output %q is unknown; use text, json, sarif or github", c.output)
	}
	if c.file == "-" && slices.Contains(files, "-") {
		return errors.New("rules and logs cannot both come from standard input")
	}
	var o app.CheckOptions
	var err error
	if o.Logs, err = c.against(ctx); err != nil {
		return err
	}
	o.Files, o.Stdin, o.Getenv = files, c.in, os.Getenv
	report, err := app.Check(ctx, o)
	if err != nil {
		return err
	}
	if err := writers[c.output](report, c.out); err != nil {
		return err
	}
	switch result := report.Result(); {
	case result == app.CheckErrors:
		return exitCode(1)
	case result == app.CheckLints && c.lintFatal:
		return exitCode(3)
	}
	return nil
}

// writers are the outputs of check by name.
var writers = map[string]func(*app.Report, io.Writer) error{
	"text": (*app.Report).WriteText,
	"json": func(r *app.Report, w io.Writer) error {
		return r.WriteJSON(safetext.NewJSONWriter(w))
	},
	"sarif": func(r *app.Report, w io.Writer) error {
		return r.WriteSARIF(safetext.NewJSONWriter(w))
	},
	"github": (*app.Report).WriteGitHub,
}

// against is the logs to compare the rules with, nil for none.
func (c *checkCommand) against(ctx context.Context) (*app.Against, error) {
	if c.most <= 0 {
		return nil, fmt.Errorf("--sample %d: a sample has at least 1 record", c.most)
	}
	a := &app.Against{
		Since:  c.source.since,
		Most:   c.most,
		Format: decode.Config{Format: c.format},
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
