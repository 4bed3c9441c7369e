package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// deadLettersCommand is one run of one of the commands about dead letters.
type deadLettersCommand struct {
	source topicSource
	topic  string
	reason string
	json   bool
}

func newDeadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletters",
		Short: "Look at the records that could not be read, and have them read again",
		Long: `What cannot be read is put aside on the dead-letter topic, with headers that say where it stood and why, when the
configuration names one.`,
		Example: `  alert-engine deadletters list --config alert-engine.yml
  alert-engine deadletters replay --reason invalid_json --config alert-engine.yml`,
	}
	cmd.AddCommand(newDeadLettersListCommand(), newDeadLettersReplayCommand())
	return cmd
}

func newDeadLettersListCommand() *cobra.Command {
	var c deadLettersCommand
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the records that could not be read",
		Example: `  alert-engine deadletters list --config alert-engine.yml
  alert-engine deadletters list --brokers kafka:9092 --dead-letter-topic logs-dead --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			letters, err := c.letters()
			if err != nil {
				return err
			}
			out := newJSONEncoder(cmd.OutOrStdout())
			for l, err := range letters.List(cmd.Context()) {
				switch {
				case err != nil:
					return err
				case c.reason != "" && l.Reason != c.reason:
				case c.json:
					if err := out.Encode(l); err != nil {
						return err
					}
				default:
					fmt.Fprintf(
						cmd.OutOrStdout(),
						"%s/%d@%d  %s  %s: %s\n    %s\n",
						l.Topic,
						l.Partition,
						l.Offset,
						l.Timestamp.UTC().Format("2006-01-02T15:04:05Z"),
						l.Reason,
						safetext.Line(l.Detail),
						safetext.ClipLine(string(l.Value), 200),
					)
				}
			}
			return nil
		},
	}
	c.addFlags(cmd)
	cmd.Flags().
		BoolVar(&c.json, "json", false, "print each as JSON, whole, with its bytes in base64")
	return cmd
}

func newDeadLettersReplayCommand() *cobra.Command {
	var c deadLettersCommand
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Write them back to the topics they came from, to be read again",
		Long: `Replay writes dead letters back to the topics they came from, with their times, keys and headers: after the format of a topic
was configured, for example. They stay among the dead letters; one that still cannot be read comes back with one attempt
more.`,
		Example: `  alert-engine deadletters replay --config alert-engine.yml
  alert-engine deadletters replay --reason invalid_json --brokers kafka:9092 --dead-letter-topic logs-dead`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			letters, err := c.letters()
			if err != nil {
				return err
			}
			n, err := letters.Replay(
				cmd.Context(),
				func(l kafka.DeadLetter) bool { return c.reason == "" || l.Reason == c.reason },
			)
			fmt.Fprintf(cmd.OutOrStdout(), "%d records were written back\n", n)
			return err
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (c *deadLettersCommand) addFlags(cmd *cobra.Command) {
	c.source.addFlags(cmd)
	cmd.Flags().
		StringVar(&c.topic, "dead-letter-topic", "", "the topic; by default the one of the configuration")
	cmd.Flags().StringVar(&c.reason, "reason", "", "only those with this reason")
}

func (c *deadLettersCommand) letters() (kafka.DeadLetters, error) {
	config, err := c.source.load()
	if err != nil {
		return kafka.DeadLetters{}, err
	}
	if c.topic == "" {
		c.topic = config.Kafka.DeadLetterTopic
	}
	if c.topic == "" {
		return kafka.DeadLetters{}, errors.New(
			"no dead-letter topic is configured; name it with --dead-letter-topic, or kafka.dead_letter_topic in the file given with --config",
		)
	}
	return kafka.DeadLetters{
		Client: config.Kafka.Client(),
		Topic:  c.topic,
		Logger: slog.New(slog.DiscardHandler),
	}, nil
}
