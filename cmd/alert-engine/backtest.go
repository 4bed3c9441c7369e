package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// backtestCommand is one run of backtest.
type backtestCommand struct {
	load          ruleLoader
	file          string
	source        topicSource
	corpus, json  bool
	decode        decode.Config
	old           []string
	budget        string
	lists         listFiles
	in            io.Reader
	out, progress io.Writer
}

func backtestCommandOver(load ruleLoader) *cobra.Command {
	c := backtestCommand{load: load}
	cmd := &cobra.Command{
		Use:   "backtest RULES... --file LOGS | --topic TOPIC",
		Short: "Show which alerts rules would have fired for past logs",
		Long: `Backtest evaluates rules over the logs of a file (one record per line, in any format, plain, gzip or
zstd) or of a topic since some time ago, and shows how often each rule would have fired. It sends no
notifications, and reads topics without a consumer group.

All rules read a file, whatever their source; with --corpus each line names its topic. Time is event
time. Alerts that are active at the last log stay open. Lists whose members are in topics have their
current members, or those of --list.

--json prints one transition per line, in event time. With --diff it prints the transitions that the
change of rules adds or removes.

Exit status: 0, or 1 if --budget is exceeded, or given and there are no logs.`,
		Example: `  alert-engine backtest my.rules.yml --file yesterday.log.gz
  alert-engine backtest my.rules.yml --file app.log --json | jq 'select(.state == "firing")'
  alert-engine backtest my.rules.yml --topic application-logs --since 7d --brokers kafka:9092
  alert-engine backtest new.rules.yml --file app.log --diff old.rules.yml
  alert-engine backtest new.rules.yml --file app.log --diff old.rules.yml --json |
    jq 'select(.diff == "added")'
  alert-engine backtest rules/*.rules.yml --file app.log --budget 20/d
  alert-engine backtest my.rules.yml --file app.log --list blocked=blocked-users.txt
  zcat app.log.gz | alert-engine backtest my.rules.yml --file -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			c.in, c.out, c.progress = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := onlyWith(cmd, []string{"file"}, "corpus"); err != nil {
				return err
			}
			return c.run(cmd.Context(), files)
		},
	}
	cmd.Flags().StringVar(&c.file, "file", "", "file of logs; - for standard input")
	cmd.Flags().
		BoolVar(&c.corpus, "corpus", false,
			"each line of the file describes a record: {\"topic\", \"ts_ms\", \"value\", ...}")
	cmd.Flags().StringVar(&c.decode.Format, "format", "auto", "format of all records")
	cmd.Flags().BoolVar(&c.json, "json", false, "print one transition per line as JSON")
	cmd.Flags().StringSliceVar(&c.old, "diff", nil,
		"show what changes compared with these rule files")
	cmd.Flags().
		StringVar(&c.budget, "budget", "", "fail if more alerts than this fire, as in 20/d")
	c.lists.addFlag(cmd)
	c.source.addFlags(cmd)
	c.source.sinceFlag(24*time.Hour, "read logs of the topic since this long ago")
	exclude(cmd, "file", append(brokerSettings, "topic", "config", "since")...)
	return cmd
}

func (c *backtestCommand) run(ctx context.Context, files []string) error {
	var budget ruletest.Budget
	if c.budget != "" {
		var err error
		if budget, err = ruletest.ParseBudget(c.budget); err != nil {
			return fmt.Errorf("--budget: %w", err)
		}
	}
	if len(c.old) > 0 && c.file == "-" {
		return errors.New("--diff reads the logs twice, so they have to be in a file")
	}
	rules, old, err := c.read(ctx, files)
	if err != nil {
		return err
	}
	report, err := c.backtest(ctx, rules)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // what was read so far says nothing of the rest
	}
	if err := c.print(ctx, report, old); err != nil {
		return err
	}
	if report.Logs == 0 {
		return c.nothing(report)
	}
	if c.budget != "" && budget.Exceeded(report.Fired(), report.Span()) {
		fmt.Fprintf(c.progress, "alert-engine: %d alerts in %s are over the budget of %s\n",
			report.Fired(), duration.Format(report.Span().Round(time.Second)), budget)
		return exitCode(1)
	}
	return nil
}

// nothing says that there was nothing to evaluate, which no budget is kept by.
func (c *backtestCommand) nothing(report *ruletest.Report) error {
	why := "look further back with --since"
	switch {
	case report.Records > 0:
		why = "name their --format"
		if c.corpus {
			why = `each line of a corpus has "value" or "value_b64"`
		}
	case c.file != "":
		why = "the file is empty"
	}
	fmt.Fprintf(
		c.progress,
		"alert-engine: no log was found in %s; %s\n",
		safetext.CountOf(report.Records, "record"),
		why,
	)
	if c.budget != "" {
		return exitCode(1)
	}
	return nil
}

// read reads the rules, and those of --diff, nil for none.
func (c *backtestCommand) read(
	ctx context.Context,
	files []string,
) (rules, old *loadedRules, err error) {
	if rules, err = c.load(files); err != nil {
		return nil, nil, err
	}
	if len(c.old) == 0 {
		return rules, nil, c.giveLists(ctx, rules)
	}
	if old, err = c.load(c.old); err != nil {
		return nil, nil, err
	}
	if err = c.giveLists(ctx, rules, old.set); err != nil {
		return nil, nil, err
	}
	return rules, old, c.giveLists(ctx, old, rules.set)
}

func (c *backtestCommand) print(
	ctx context.Context,
	report *ruletest.Report,
	old *loadedRules,
) error {
	switch {
	case old != nil:
		return c.printDiff(ctx, report, old)
	case c.json:
		return ruletest.WriteJSON(safetext.NewJSONWriter(c.out),
			ruletest.Transitions(report.Alerts))
	default:
		return report.Write(c.out)
	}
}

func (c *backtestCommand) printDiff(
	ctx context.Context,
	report *ruletest.Report,
	before *loadedRules,
) error {
	old, err := c.backtest(ctx, before)
	if err != nil {
		return err
	}
	changes := ruletest.Compare(ruletest.Transitions(old.Alerts),
		ruletest.Transitions(report.Alerts))
	if c.json {
		return ruletest.WriteJSON(safetext.NewJSONWriter(c.out), changes)
	}
	for _, change := range changes {
		if _, err := fmt.Fprintln(c.out, change); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(c.out, "%d alerts before, %d after, %d transitions changed\n", old.Fired(),
		report.Fired(), len(changes))
	return err
}

// backtest evaluates the logs with some rules.
func (c *backtestCommand) backtest(
	ctx context.Context,
	rules *loadedRules,
) (*ruletest.Report, error) {
	rules.topics = c.file == ""
	const mostErrors = 5
	rejected := 0
	b := ruletest.Backtest{
		Factory: rules.engines,
		Decode:  c.decode,
		Rejected: func(err error) {
			if rejected++; rejected <= mostErrors {
				fmt.Fprintln(c.progress, "alert-engine:", err)
			}
		},
		Progress: func(records int, until time.Time) {
			fmt.Fprintf(c.progress, "%d records, until %s\n", records, until.Format(time.RFC3339))
		},
	}
	b.Factory.Lateness = 0 // nothing is late at the end
	for _, r := range rules.set.Rules {
		if !r.Record { // it raises none
			b.Rules = append(b.Rules, r.ID())
		}
	}
	logs, err := c.logs(ctx, &b, rules)
	if err != nil {
		return nil, err
	}
	report, err := b.Run(ctx, decode.JoinSamples(logs, rules.decode))
	if rejected > mostErrors {
		fmt.Fprintf(c.progress, "alert-engine: %d more records cannot be read\n",
			rejected-mostErrors)
	}
	return report, err
}

// giveLists gives lists from topics their members; others are the other rules of this run.
func (c *backtestCommand) giveLists(
	ctx context.Context,
	rules *loadedRules,
	others ...*rule.Set,
) (err error) {
	if c.file != "" {
		rules.set, err = c.lists.giveAll(rules.set, others...)
		return err
	}
	config, err := c.source.loadNamed()
	if err == nil {
		rules.set, err = c.lists.giveFrom(ctx, config, rules.set, others...)
	}
	return err
}

// logs opens the file or the topic.
func (c *backtestCommand) logs(
	ctx context.Context,
	b *ruletest.Backtest,
	rules *loadedRules,
) (iter.Seq2[decode.Sample, error], error) {
	if c.file != "" {
		rules.decode = func(string) decode.Config { return c.decode }
		return c.samples()
	}
	config, err := c.source.loadNamed()
	if err != nil {
		return nil, err
	}
	rules.decode = config.Format
	reader := c.source.reader(config)
	if b.Partitions, err = reader.Partitions(ctx); err != nil {
		return nil, err
	}
	return kafka.Samples(reader.Records(ctx)), nil
}

// samples opens the file. Records that do not say when they were written were so no later than the
// file.
func (c *backtestCommand) samples() (iter.Seq2[decode.Sample, error], error) {
	if c.file == "-" {
		return decode.Read(c.in, "standard input",
			decode.ReadOptions{Time: time.Now(), Corpus: c.corpus}), nil
	}
	info, err := os.Stat(c.file)
	if err != nil {
		return nil, err
	}
	return decode.ReadFile(c.file, decode.ReadOptions{Time: info.ModTime(), Corpus: c.corpus}), nil
}
