package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
)

func newStateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Export, import or inspect the state of a data directory",
		Long: `State is the windows, alerts, offsets and notifications in the data directory. Export and import are
for backup and for moving to another machine; stop the process before an export.`,
		Example: `  alert-engine state export backup.tar.gz --data-dir /var/lib/alert-engine
  alert-engine state import backup.tar.gz --data-dir /var/lib/alert-engine
  alert-engine state inspect --data-dir /var/lib/alert-engine`,
	}
	dir := cmd.PersistentFlags().String("data-dir", "data", "directory for state")
	cmd.AddCommand(
		&cobra.Command{
			Use:     "export FILE|-",
			Short:   "Write the state to an archive",
			Example: `  alert-engine state export backup.tar.gz`,
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if args[0] == "-" {
					return app.ExportState(*dir, os.Stdout)
				}
				return exportState(*dir, args[0])
			},
		},
		&cobra.Command{
			Use:     "import FILE|-",
			Short:   "Unpack an archive into an empty data directory",
			Example: `  alert-engine state import backup.tar.gz --data-dir new`,
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				in := cmd.InOrStdin()
				if args[0] != "-" {
					f, err := os.Open(args[0])
					if err != nil {
						return err
					}
					defer f.Close()
					in = f
				}
				return app.ImportState(*dir, in)
			},
		},
		newStateInspectCommand(dir),
	)
	return cmd
}

// exportState writes an archive, and leaves none behind that is not whole.
func exportState(dir, name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(app.ExportState(dir, f), f.Close())
	if err != nil {
		os.Remove(name)
	}
	return err
}

func newStateInspectCommand(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show offsets and sizes; the process may be running",
		Example: `  alert-engine state inspect
  alert-engine state inspect --json --data-dir /var/lib/alert-engine`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := app.InspectState(*dir)
			if err != nil {
				return err
			}
			if asJSON {
				return newJSONEncoder(cmd.OutOrStdout()).Encode(s)
			}
			return printState(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printState(out io.Writer, s app.StateSummary) error {
	fmt.Fprintf(out, "state         %d entries, %d bytes\n", s.Entries, s.Bytes)
	fmt.Fprintf(out, "transitions   %d", s.Transitions)
	if !s.Newest.IsZero() {
		fmt.Fprintf(out, ", newest of %s", s.Newest.UTC().Format("2006-01-02T15:04:05Z"))
	}
	fmt.Fprintf(out, "\nnotifications %d not sent yet\n\n", s.Outbox)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tPARTITION\tNEXT\tCOMMITTED")
	for _, p := range s.Partitions {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", p.Topic, p.Partition, p.Next, p.Committed)
	}
	return w.Flush()
}
