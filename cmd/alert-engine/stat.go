package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/alerting"
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
	json   bool
	window time.Duration
	counts map[string]map[int64]int // by value of the field and number of the window
	logs   map[int64]int            // all of each window, also those that do not match
	delays alerting.Delays          // from the time of a log to that of its record
	// numbers of the windows of the first and the last record
	firstRecord, lastRecord int64
}

func newStatCommand() *cobra.Command {
	c := statCommand{counts: map[string]map[int64]int{}, logs: map[int64]int{}}
	cmd := &cobra.Command{
		Use:   "stat QUERY",
		Short: "Count matching logs per window, to choose a threshold",
		Long: `Stat reads past logs of a topic, without a consumer group, and counts the logs that QUERY matches per
window; with --by for each value of a field. A good threshold is above the usual count and below
that of a problem.`,
		Example: `  alert-engine stat 'level>=ERROR' --by service --window 5m --since 24h --config alert-engine.yml
  alert-engine stat '"connection refused"' --since 1h --window 1m --config alert-engine.yml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.window <= 0 {
				return fmt.Errorf("--window %s: a window is longer than 0", c.window)
			}
			if strings.ContainsAny(c.by, ", ") {
				return fmt.Errorf("--by %q: it is one field, such as service", c.by)
			}
			var err error
			if c.query, err = rule.ParseQuery(args[0]); err != nil {
				return err
			}
			if err := c.source.logs(cmd.Context(), c.count); err != nil {
				return err
			}
			if _, _, beyond := c.span(); beyond > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(),
					"%d logs are far from all others in time, and left out\n", beyond)
			}
			return c.print(cmd.OutOrStdout())
		},
	}
	c.source.addFlags(cmd)
	c.source.sinceFlag(time.Hour, "read logs since this long ago")
	c.window = 5 * time.Minute
	cmd.Flags().Var((*duration.Flag)(&c.window), "window", "length of the windows")
	cmd.Flags().StringVar(&c.by, "by", "", "count for each value of this field")
	cmd.Flags().BoolVar(&c.json, "json", false, "print each row as JSON")
	return cmd
}

// count takes a log.
func (c *statCommand) count(l *decode.Log) error {
	window := l.Time() / int64(c.window)
	c.logs[window]++
	if record := l.RecordTime(); record > 0 {
		if l.TimeSource() != "kafka" {
			c.delays.Note(record - l.Time())
		}
		number := record / int64(c.window)
		if c.firstRecord == 0 {
			c.firstRecord = number
		}
		c.firstRecord, c.lastRecord = min(c.firstRecord, number), max(c.lastRecord, number)
	}
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

// statRow is how many logs the windows of one value have.
type statRow struct {
	Value   string `json:"value"`
	Logs    int    `json:"logs"`
	Busy    int64  `json:"windows_with_logs"`
	Windows int64  `json:"windows"`
	Median  int    `json:"median"`
	P90     int    `json:"p90"`
	P99     int    `json:"p99"`
	Max     int    `json:"max"`
}

// span is the numbers of the first and last window, and how many logs lie beyond them: few logs,
// of a time at which no record was written, that are further from all others than these are from
// each other. One log of another year would make millions of windows without logs, and each median
// 0.
func (c *statCommand) span() (first, last int64, beyond int) {
	numbers := slices.Sorted(maps.Keys(c.logs))
	all := c.logsOf(numbers)
	for len(numbers) > 1 {
		after, widest := 0, int64(0) // the place after the widest gap
		for i := 1; i < len(numbers); i++ {
			if gap := numbers[i] - numbers[i-1]; gap > widest {
				after, widest = i, gap
			}
		}
		end := len(numbers) - 1
		if widest <= (numbers[end]-numbers[0])/2 {
			break
		}
		early, late := c.logsOf(numbers[:after]), c.logsOf(numbers[after:])
		switch {
		case numbers[after-1] < c.firstRecord && (beyond+early)*10 <= all:
			numbers, beyond = numbers[after:], beyond+early
		case numbers[after] > c.lastRecord && (beyond+late)*10 <= all:
			numbers, beyond = numbers[:after], beyond+late
		default:
			return numbers[0], numbers[end], beyond
		}
	}
	if len(numbers) == 0 {
		return 0, -1, 0
	}
	return numbers[0], numbers[len(numbers)-1], beyond
}

func (c *statCommand) logsOf(windows []int64) (n int) {
	for _, number := range windows {
		n += c.logs[number]
	}
	return n
}

// rows are sorted by their fullest windows. Windows without logs take no memory.
func (c *statCommand) rows() []statRow {
	first, last, _ := c.span()
	windows := last - first + 1
	var rows []statRow
	for value, counts := range c.counts {
		maps.DeleteFunc(counts, func(n int64, _ int) bool { return n < first || n > last })
		if len(counts) == 0 {
			continue
		}
		r := statRow{Value: value, Windows: windows, Busy: int64(len(counts))}
		sorted := slices.Sorted(maps.Values(counts))
		at := func(q float64) int {
			i := int64(q*float64(windows-1)) - (windows - r.Busy)
			if i < 0 {
				return 0
			}
			return sorted[i]
		}
		for _, n := range sorted {
			r.Logs += n
		}
		r.Median, r.P90, r.P99, r.Max = at(0.5), at(0.9), at(0.99), at(1)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b statRow) int {
		return cmp.Or(cmp.Compare(b.Max, a.Max), cmp.Compare(a.Value, b.Value))
	})
	return rows
}

// print lists for each value how many logs its windows have.
func (c *statCommand) print(out io.Writer) error {
	rows := c.rows()
	if c.json {
		e := newJSONEncoder(out)
		for _, r := range rows {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tlogs\twindows with any\tmedian\t90%%\t99%%\tmost\n", cmp.Or(c.by, "query"))
	for _, r := range rows {
		value := safetext.ClipLine(cmp.Or(r.Value, "absent"), 100)
		fmt.Fprintf(w, "%s\t%d\t%d of %d\t%d\t%d\t%d\t%d\n",
			value, r.Logs, r.Busy, r.Windows, r.Median, r.P90, r.P99, r.Max)
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "nothing matches")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	c.printDelays(out)
	return nil
}

// printDelays says how late the logs of the topic are, and which lateness follows from that.
func (c *statCommand) printDelays(out io.Writer) {
	if c.delays.Count() == 0 {
		return
	}
	fmt.Fprint(out, "\nDelay of all logs from their time to that of their record:")
	for _, of := range []struct {
		name string
		part float64
	}{{"50%", 0.5}, {"99%", 0.99}, {"99.9%", 0.999}} {
		within := "more than a day"
		if d, ok := c.delays.Within(of.part); ok {
			within = "within " + duration.Format(d)
		}
		fmt.Fprintf(out, " %s %s;", of.name, within)
	}
	fmt.Fprintf(out, " lateness: auto is %s.\n", duration.Format(c.delays.Lateness()))
}
