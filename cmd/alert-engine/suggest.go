package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/suggest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// suggestCommand is one run of suggest.
type suggestCommand struct {
	source        topicSource
	file          string
	decode        decode.Config
	most          int
	output        string
	json          bool
	out, progress io.Writer
}

func newSuggestCommand() *cobra.Command {
	c := suggestCommand{}
	cmd := &cobra.Command{
		Use:   "suggest --topic TOPIC | --file LOGS",
		Short: "Propose rules for the logs of a topic",
		Long: `Suggest reads the newest logs of a topic, without a consumer group, or those of a file. It proposes the
rules of a library that fit them: errors by service, silence of services and hosts, new exceptions,
slow requests, failed logins and others. Each threshold is the least round number that would have
been exceeded about once a day, and each rule is backtested over the same logs.

With -o it writes a rule file, and beside it a test script which the rules pass.`,
		Example: `  alert-engine suggest --brokers kafka:9092 --topic application-logs
  alert-engine suggest --brokers kafka:9092 --topic application-logs --since 2d -o first.rules.yml
  alert-engine suggest --file yesterday.log.gz -o first.rules.yml
  alert-engine test first_test.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.out, c.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := onlyWith(cmd, []string{"file"}, "format"); err != nil {
				return err
			}
			return c.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&c.file, "file", "", "file of logs, one record per line")
	cmd.Flags().StringVar(&c.decode.Format, "format", "auto", "format of the records of the file")
	cmd.Flags().
		StringVarP(&c.output, "output", "o", "", "write the rules to this file, *.rules.yml")
	cmd.Flags().IntVar(&c.most, "sample", 1_000_000, "read at most this many of the newest records")
	cmd.Flags().BoolVar(&c.json, "json", false, "print each proposal as JSON")
	c.source.addFlags(cmd)
	c.source.sinceFlag(7*24*time.Hour, "read logs of the topic since this long ago")
	exclude(cmd, "file", append(brokerSettings, "topic", "config", "since")...)
	return cmd
}

// suggested is a proposal with its backtest.
type suggested struct {
	suggest.Proposal
	Alerts int `json:"alerts"`
	Groups int `json:"groups"`
}

func (c *suggestCommand) run(ctx context.Context) error {
	if c.most <= 0 {
		return fmt.Errorf("--sample %d: a sample has at least 1 record", c.most)
	}
	if err := c.checkOutput(); err != nil {
		return err
	}
	logs, err := c.sample(ctx)
	if err != nil {
		return err
	}
	profile, err := suggest.NewProfile(logs.decode)
	if err != nil {
		return err
	}
	if err := c.profile(ctx, logs, profile); err != nil {
		return err
	}
	proposals := profile.Proposals()
	report, err := c.backtest(ctx, logs, proposals)
	if err != nil {
		return err
	}
	list := make([]suggested, len(proposals))
	for i, p := range proposals {
		list[i].Proposal = p
		for _, r := range report.Rules {
			if r.Rule == p.ID {
				list[i].Alerts, list[i].Groups = r.Alerts, r.Groups
			}
		}
	}
	return c.report(list, profile)
}

// sampleLogs are the logs that are read, twice.
type sampleLogs struct {
	name       string
	records    func(context.Context) iter.Seq2[decode.Sample, error]
	decode     func(topic string) decode.Config
	partitions []models.Progress // nil for a file
}

// sample finds the newest records of the topic, or the file.
func (c *suggestCommand) sample(ctx context.Context) (*sampleLogs, error) {
	if c.file != "" {
		info, err := os.Stat(c.file)
		if err != nil {
			return nil, err
		}
		return &sampleLogs{
			name: filepath.Base(c.file),
			records: func(context.Context) iter.Seq2[decode.Sample, error] {
				return decode.ReadFile(c.file, decode.ReadOptions{Time: info.ModTime()})
			},
			decode: func(string) decode.Config { return c.decode },
		}, nil
	}
	config, err := c.source.loadNamed()
	if err != nil {
		return nil, err
	}
	reader := config.Reader()
	reader.Last, reader.From = int64(c.most), time.Now().Add(-c.source.since)
	partitions, err := kafka.NewReader(reader).Partitions(ctx)
	if err != nil {
		return nil, err
	}
	// of each partition as many, and the same records each time
	each := int64(max(1, c.most/max(1, len(partitions))))
	reader.From, reader.Last = time.Time{}, 0
	reader.Offsets, reader.Ends = map[models.Partition]int64{}, map[models.Partition]int64{}
	for i := range partitions {
		p := &partitions[i]
		p.Next = max(p.Next, p.End-each)
		id := models.Partition{Topic: p.Topic, Partition: p.Partition}
		reader.Offsets[id], reader.Ends[id] = p.Next, p.End
	}
	return &sampleLogs{
		name: strings.Join(slices.Concat(config.Kafka.Topics, config.Kafka.TopicPatterns), ", "),
		records: func(ctx context.Context) iter.Seq2[decode.Sample, error] {
			return kafka.Samples(kafka.NewReader(reader).Records(ctx))
		},
		decode:     config.Format,
		partitions: partitions,
	}, nil
}

// profile counts the logs.
func (c *suggestCommand) profile(
	ctx context.Context,
	logs *sampleLogs,
	profile *suggest.Profile,
) error {
	reported := time.Now()
	for sample, err := range logs.records(ctx) {
		switch {
		case err != nil && (sample.Line == 0 || ctx.Err() != nil):
			return err
		case err != nil:
			profile.Rejected++
			continue
		case c.file != "" && profile.Records == c.most:
			return nil
		}
		if err := profile.Add(&sample.Record); err != nil {
			return err
		}
		if time.Since(reported) > time.Second {
			reported = time.Now()
			fmt.Fprintf(c.progress, "%d records, until %s\n", profile.Records,
				profile.To.Format(time.RFC3339))
		}
	}
	if profile.Logs == 0 && c.file != "" {
		return fmt.Errorf("%s has no readable logs; name the --format", logs.name)
	}
	if profile.Logs == 0 {
		return fmt.Errorf(
			"%s has no readable logs; look further back with --since, or name the --format",
			logs.name,
		)
	}
	return nil
}

// backtest evaluates the proposed rules.
func (c *suggestCommand) backtest(
	ctx context.Context,
	logs *sampleLogs,
	proposals []suggest.Proposal,
) (*ruletest.Report, error) {
	text, err := suggest.RuleFile("", proposals, func(suggest.Proposal) string { return "" })
	if err != nil {
		return nil, err
	}
	set, err := rule.Read("suggested", text)
	if err != nil {
		return nil, err
	}
	rules := rulesOf(set)
	rules.topics, rules.decode = c.file == "", logs.decode
	b := ruletest.Backtest{
		Factory:    rules.engines,
		Decode:     c.decode,
		Partitions: logs.partitions,
		Rejected:   func(error) {},
		Progress: func(records int, until time.Time) {
			fmt.Fprintf(c.progress, "backtest: %d records, until %s\n", records,
				until.Format(time.RFC3339))
		},
	}
	b.Factory.Lateness = 0 // nothing is late at the end
	for _, p := range proposals {
		b.Rules = append(b.Rules, p.ID)
	}
	return b.Run(ctx, first(logs.records(ctx), c.most))
}

// first are the first samples.
func first(all iter.Seq2[decode.Sample, error], most int) iter.Seq2[decode.Sample, error] {
	return func(yield func(decode.Sample, error) bool) {
		n := 0
		for s, err := range all {
			if n++; n > most || !yield(s, err) {
				return
			}
		}
	}
}

// report prints the proposals, or writes them to files.
func (c *suggestCommand) report(list []suggested, s *suggest.Profile) error {
	if c.json {
		e := newJSONEncoder(c.out)
		for _, p := range list {
			if err := e.Encode(p); err != nil {
				return err
			}
		}
	} else if err := c.table(list, s); err != nil {
		return err
	}
	if c.output == "" {
		return nil
	}
	return c.write(list, s)
}

func (c *suggestCommand) table(list []suggested, s *suggest.Profile) error {
	fmt.Fprintf(c.out, "%s in %s, %s to %s (%s)\n\n", safetext.CountOf(s.Logs, "log"),
		safetext.CountOf(s.Records, "record"), s.From.Format(time.RFC3339),
		s.To.Format(time.RFC3339), span(s))
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tCONDITION\tMATCHES\tALERTS\tGROUPS\tWHAT FOR")
	for _, p := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", p.Alert, p.Condition(), p.Matches, p.Alerts,
			p.Groups, p.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if c.output == "" {
		fmt.Fprintln(c.out, "\nTo keep them: -o first.rules.yml, then remove what you do not want.")
	}
	return nil
}

func span(s *suggest.Profile) string { return duration.Format(s.To.Sub(s.From).Round(time.Second)) }

// checkOutput says before anything is read that the files cannot be written.
func (c *suggestCommand) checkOutput() error {
	if c.output == "" {
		return nil
	}
	if !strings.HasSuffix(c.output, ".rules.yml") {
		return fmt.Errorf(
			"-o %s: name it *.rules.yml, the name of rule files",
			safetext.ClipLine(c.output, 200),
		)
	}
	if _, err := os.Stat(filepath.Dir(c.output)); err != nil {
		return err
	}
	for _, name := range []string{c.output, c.script()} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf(
				"%s exists; name another file with -o, or remove it",
				safetext.ClipLine(name, 200),
			)
		}
	}
	return nil
}

// script is the name of the test script.
func (c *suggestCommand) script() string {
	return strings.TrimSuffix(c.output, ".rules.yml") + "_test.yml"
}

// write writes the rule file and the test script.
func (c *suggestCommand) write(list []suggested, s *suggest.Profile) error {
	proposals, alerts := make([]suggest.Proposal, len(list)), map[string]int{}
	for i, p := range list {
		proposals[i], alerts[p.ID] = p.Proposal, p.Alerts
	}
	head := fmt.Sprintf("Proposed by alert-engine suggest, from %d logs of %s.", s.Logs, span(s))
	rules, err := suggest.RuleFile(head, proposals, func(p suggest.Proposal) string {
		return fmt.Sprintf("Within %s it matched %d times and fired %d times.", span(s), p.Matches,
			alerts[p.ID])
	})
	if err != nil {
		return err
	}
	script, err := suggest.TestScript(filepath.Base(c.output), proposals)
	if err != nil {
		return err
	}
	// #nosec G306 -- it holds no secrets
	if err := os.WriteFile(c.output, rules, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(c.script(), script, 0o644); err != nil { // #nosec G306 -- as above
		return err
	}
	fmt.Fprintf(c.progress, "written: %s, %s\n", c.output, c.script())
	return nil
}
