package logprofile

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// Write writes the matches of each rule as a table.
func (p *Profile) Write(w io.Writer) error {
	fmt.Fprintf(w, "%s in %s", safetext.CountOf(p.Logs, "log"), safetext.CountOf(p.Records, "record"))
	if p.Rejected > 0 {
		fmt.Fprintf(w, " (%d unreadable)", p.Rejected)
	}
	if !p.From.IsZero() {
		fmt.Fprintf(w, ", %s to %s (%s)", p.From.Format(time.RFC3339), p.To.Format(time.RFC3339),
			duration.Format(p.To.Sub(p.From).Round(time.Second)))
	}
	fmt.Fprint(w, "\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tMATCHES\tPER MINUTE\tGROUPS")
	for i, r := range p.rules {
		if r.logs == 0 {
			fmt.Fprintf(table, "%s\tno logs\t-\t-\n", r.rule.ID())
			continue
		}
		rate := "-"
		if n, known := p.perMinute(i); known {
			rate = perMinute(n)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", r.rule.ID(), r.matches, rate, r.groupText())
	}
	return table.Flush()
}

// perMinute formats a rate with significant digits.
func perMinute(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 0.01:
		return "<0.01"
	case n < 10:
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

func (w *ruleProfile) groupText() string {
	switch {
	case len(w.by) == 0:
		return "-"
	case w.overLimit:
		return fmt.Sprintf(">%d", w.rule.Limit)
	}
	return fmt.Sprint(len(w.groups))
}
