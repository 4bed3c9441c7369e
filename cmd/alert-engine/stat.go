package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// statCommand is one run of stat.
type statCommand struct {
	source topicSource
	query  rule.Query
	by     string
	window time.Duration
	counts map[string]map[int64]int // by value of the field and number of the window
	first  int64                    // number of the first and last window that has logs
	last   int64
}

func newStatCommand() *cobra.Command {
	c := statCommand{counts: map[string]map[int64]int{}}
	cmd := &cobra.Command{
		Use:   "stat QUERY",
		Short: "Show how many logs a query matches per window, to choose a threshold",
		Long: `Stat reads the logs of the past from the topic, beside the engine, and counts per window those that QUERY matches, for each value
of a field if you like. A threshold somewhat above what is usual, and below what is trouble, is a good one.`,
		Example: `  alert-engine stat 'level>=ERROR' --by service --window 5m --since 24h --brokers kafka:9092 --topic logs
  alert-engine stat '"connection refused"' --since 1h --window 1m --config alert-engine.yml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.window <= 0 {
				return fmt.Errorf("--window %s: a window has a length", c.window)
			}
			var err error
			if c.query, err = rule.ParseQuery(args[0]); err != nil {
				return err
			}
			if err := c.source.logs(cmd.Context(), c.count); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout())
		},
	}
	c.source.addFlags(cmd)
	c.source.sinceFlag(time.Hour, "read the logs of this long ago until now")
	c.window = 5 * time.Minute
	cmd.Flags().Var((*duration.Flag)(&c.window), "window", "length of the windows")
	cmd.Flags().StringVar(&c.by, "by", "", "count for each value of this field")
	return cmd
}

// count takes a log.
func (c *statCommand) count(l *decode.Log) error {
	window := l.Time() / int64(c.window)
	if c.first == 0 {
		c.first, c.last = window, window
	}
	c.first, c.last = min(c.first, window), max(c.last, window)
	if !match.Eval(c.query, l, nil) {
		return nil
	}
	key := "all"
	if c.by != "" {
		key = string(l.Lookup(decode.Canonical(c.by)).Text)
	}
	if c.counts[key] == nil {
		c.counts[key] = map[int64]int{}
	}
	c.counts[key][window]++
	return nil
}

// print lists for each value how many logs its windows have: those with the most in any window
// first.
func (c *statCommand) print(out io.Writer) error {
	type row struct {
		key    string
		total  int
		counts []int // of all windows, sorted
		busy   int
	}
	windows := int(c.last - c.first + 1)
	var rows []row
	for key, counts := range c.counts {
		r := row{key: key, counts: make([]int, windows), busy: len(counts)}
		for window, n := range counts {
			r.counts[window-c.first] = n
			r.total += n
		}
		slices.Sort(r.counts)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(b.counts[windows-1], a.counts[windows-1]),
			cmp.Compare(a.key, b.key),
		)
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tlogs\twindows with any\tmedian\t90%%\t99%%\tmost\n", cmp.Or(c.by, "query"))
	for _, r := range rows {
		at := func(q float64) int { return r.counts[int(q*float64(windows-1))] }
		fmt.Fprintf(
			w,
			"%s\t%d\t%d of %d\t%d\t%d\t%d\t%d\n",
			safetext.ClipLine(cmp.Or(r.key, "absent"), 100),
			r.total,
			r.busy,
			windows,
			at(0.5),
			at(0.9),
			at(0.99),
			r.counts[windows-1],
		)
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "nothing matches")
	}
	return w.Flush()
}
