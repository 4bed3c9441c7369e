package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// past reads the alerts of --compare, if it is given.
func (c *importCommand) past() ([]imports.Past, error) {
	if c.compare == "" {
		return nil, nil
	}
	data, err := readImport(c.compare)
	if err != nil {
		return nil, err
	}
	past, err := imports.ReadPast(data)
	if err != nil {
		return nil, fmt.Errorf("--compare %s: %w", c.compare, err)
	}
	return past, nil
}

// compareOld backtests the translated rules over the logs of --against or --against-file, and puts
// what they find beside the alerts of the other system.
func (c *importCommand) compareOld(
	ctx context.Context, r imports.Result, past []imports.Past,
) error {
	text, err := yaml.Marshal(imports.Merge(r.Documents))
	if err != nil {
		return err
	}
	set, err := rule.Read(c.compare, text)
	if err != nil {
		return err
	}
	b := backtestCommand{
		file: c.file, source: c.source, decode: decode.Config{Format: c.format},
		in: bytes.NewReader(nil), out: c.stdout, progress: c.stderr,
	}
	report, err := b.backtest(ctx, rulesOf(set))
	if err != nil {
		return err
	}
	return c.writeCompared(imports.Compare(past, episodes(report), report.From, report.To))
}

// episodes are the alerts of a backtest from their beginnings to their ends.
func episodes(report *ruletest.Report) (list []imports.Episode) {
	open := map[string]int{}
	for _, a := range report.Alerts {
		at, fired := open[a.ID]
		switch {
		case a.State == models.AlertFiring && !fired:
			open[a.ID] = len(list)
			list = append(list, imports.Episode{
				Rule: a.Labels["alertname"], Begin: a.At, Labels: a.Labels, Log: lineOf(a),
			})
		case a.State == models.AlertResolved && fired:
			list[at].End = a.At
			delete(open, a.ID)
		}
	}
	return list
}

// lineOf is the last log that an alert shows.
func lineOf(a models.Alert) string {
	if len(a.Last) == 0 {
		return ""
	}
	return a.Last[len(a.Last)-1].Message
}

// writeCompared prints one line for each alert, and the sums.
func (c *importCommand) writeCompared(list []imports.Compared) error {
	out := c.reportTo()
	encoder := newJSONEncoder(out)
	sums := map[imports.Side]int{}
	for _, one := range list {
		sums[one.Side]++
		one.Labels = withoutName(one.Labels)
		one.Time = one.Time.UTC().Truncate(time.Millisecond)
		if c.json {
			if err := encoder.Encode(one); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(out, safetext.ClipLine(one.String(), 400))
	}
	if !c.json {
		fmt.Fprintf(out, "%d alerts: %d both, %d only old, %d only new\n",
			len(list), sums[imports.Both], sums[imports.OnlyOld], sums[imports.OnlyNew])
	}
	return nil
}

// withoutName are labels without the name of the alert, which stands before them.
func withoutName(labels map[string]string) map[string]string {
	rest := map[string]string{}
	for name, value := range labels {
		if !slices.Contains([]string{"alertname", "rule"}, name) {
			rest[name] = value
		}
	}
	return rest
}
