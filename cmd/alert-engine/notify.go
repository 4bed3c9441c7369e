package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

func newNotifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Preview and test what receivers get",
		Long: `Notify shows the message that each receiver gets of an alert, and sends a sample to a receiver.
The receivers are those of the configuration of run.`,
		Example: `  alert-engine notify preview --config alert-engine.yml
  alert-engine notify test chat --alertmanager-config alertmanager.yml`,
	}
	cmd.AddCommand(newNotifyPreviewCommand(), newNotifyTestCommand())
	return cmd
}

// receiverFlags are the flags of commands about receivers.
type receiverFlags struct {
	source   topicSource
	resolved bool
	json     bool
}

func (f *receiverFlags) add(cmd *cobra.Command) {
	f.source.addFlagsOf(cmd, "alertmanager-config", "webhook-url", "slack-url", "external-url")
	cmd.Flags().BoolVar(&f.resolved, "resolved", false, "the sample is resolved, and not firing")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *receiverFlags) options() (notify.Options, error) {
	c, err := f.source.load()
	if err != nil {
		return notify.Options{}, err
	}
	return app.ReceiverOptions(c), nil
}

func newNotifyPreviewCommand() *cobra.Command {
	var f receiverFlags
	cmd := &cobra.Command{
		Use:   "preview [RECEIVER]",
		Short: "Show the message that receivers get of a sample alert",
		Long: `Preview prints the message of each integration of a receiver, or of all receivers that the route
of a sample leads to. It sends nothing.`,
		Example: `  alert-engine notify preview -c alert-engine.yml
  alert-engine notify preview chat --alertmanager-config alertmanager.yml --resolved`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			list, err := notify.PreviewWith(
				o, strings.Join(args, ""), notify.Sample(f.resolved, time.Now()),
			)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return errors.New("no receiver with integrations is configured; name one with " +
					"--alertmanager-config, --webhook-url or --slack-url, or in the configuration")
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			for _, p := range list {
				printPreview(cmd.OutOrStdout(), p)
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func printPreview(w io.Writer, p notify.Preview) {
	fmt.Fprintf(w, "%s %s\n", safetext.Line(p.Receiver), p.Integration)
	for _, field := range p.Fields {
		fmt.Fprintf(w, "  %s:\n", safetext.Line(field.Name))
		for line := range strings.Lines(field.Text) {
			fmt.Fprintf(w, "    %s\n", safetext.Line(line))
		}
	}
	if p.Error != "" {
		fmt.Fprintf(w, "  template fails: %s\n", safetext.Line(p.Error))
	}
	fmt.Fprintln(w)
}

func newNotifyTestCommand() *cobra.Command {
	var f receiverFlags
	cmd := &cobra.Command{
		Use:   "test RECEIVER",
		Short: "Send a sample alert to a receiver",
		Long: `Test sends a sample alert to all integrations of a receiver, by the route that leads there, and
prints what each answered. It exits with 1 if one did not accept it.`,
		Example: `  alert-engine notify test chat --alertmanager-config alertmanager.yml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			list, err := notify.TestWith(
				cmd.Context(), o, args[0], notify.Sample(f.resolved, time.Now()),
			)
			if err != nil {
				return err
			}
			failed := false
			for _, r := range list {
				failed = failed || !r.Sent
			}
			if f.json {
				err = printJSON(cmd.OutOrStdout(), list)
			} else {
				for _, r := range list {
					sent := map[bool]string{true: "sent", false: "failed"}[r.Sent]
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s, %s\n",
						safetext.Line(r.Receiver), r.Integration, sent, safetext.Line(r.Detail))
				}
			}
			if failed {
				err = errors.New("the receiver did not accept the sample")
			}
			return err
		},
	}
	f.add(cmd)
	return cmd
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", safetext.JSON(text))
	return err
}
