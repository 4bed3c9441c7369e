package survey

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Write writes what the rules saw as a table.
func (s *Survey) Write(w io.Writer) error {
	fmt.Fprintf(w, "%d logs in %d records", s.Logs, s.Records)
	if s.Rejected > 0 {
		fmt.Fprintf(w, " (%d unreadable)", s.Rejected)
	}
	if !s.From.IsZero() {
		fmt.Fprintf(
			w,
			", %s to %s (%s)",
			s.From.Format(time.RFC3339),
			s.To.Format(time.RFC3339),
			s.To.Sub(s.From).Round(time.Second),
		)
	}
	fmt.Fprint(w, "\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RULE\tMATCHES\tPER MINUTE\tGROUPS")
	for i, r := range s.watched {
		if r.logs == 0 {
			fmt.Fprintf(table, "%s\tno logs\t-\t-\n", r.rule.ID())
			continue
		}
		rate := "-"
		if n, known := s.perMinute(i); known {
			rate = perMinute(n)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", r.rule.ID(), r.matches, rate, r.groupText())
	}
	return table.Flush()
}

// perMinute writes a rate with as many digits as say something.
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

func (w *watched) groupText() string {
	switch {
	case len(w.by) == 0:
		return "-"
	case w.many:
		return fmt.Sprintf(">%d", w.rule.Limit)
	}
	return fmt.Sprint(len(w.groups))
}
