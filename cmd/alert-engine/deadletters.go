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
		Short: "List or replay rejected records",
		Long: `Records that cannot be decoded go to the dead-letter topic, if the configuration names one. Headers
have their topic, partition, offset and the reason.`,
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
		Short: "List rejected records",
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
					fmt.Fprintf(cmd.OutOrStdout(), "%s/%d@%d  %s  %s: %s\n    %s\n", l.Topic,
						l.Partition, l.Offset, l.Timestamp.UTC().Format("2006-01-02T15:04:05Z"),
						l.Reason, safetext.Line(l.Detail), safetext.ClipLine(string(l.Value), 200))
				}
			}
			return nil
		},
	}
	c.addFlags(cmd)
	cmd.Flags().
		BoolVar(&c.json, "json", false, "print each as JSON, with its bytes in base64")
	return cmd
}

func newDeadLettersReplayCommand() *cobra.Command {
	var c deadLettersCommand
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Write rejected records back to their topics",
		Long: `Replay writes dead letters back to their topics, with their timestamps, keys and headers; for
example after the format of a topic was configured. They stay in the dead-letter topic. A record
that is rejected again comes back with one more attempt.`,
		Example: `  alert-engine deadletters replay --config alert-engine.yml
  alert-engine deadletters replay --reason invalid_json --brokers kafka:9092 --dead-letter-topic dead`,
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
			fmt.Fprintf(cmd.OutOrStdout(), "%s written back\n", safetext.CountOf(n, "record"))
			return err
		},
	}
	c.addFlags(cmd)
	return cmd
}

func (c *deadLettersCommand) addFlags(cmd *cobra.Command) {
	c.source.addFlags(cmd)
	cmd.Flags().
		StringVar(&c.topic, "dead-letter-topic", "",
			"dead-letter topic (default kafka.dead_letter_topic)")
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
			"no dead-letter topic is configured; name it with --dead-letter-topic, or " +
				"kafka.dead_letter_topic in the file given with --config",
		)
	}
	return kafka.DeadLetters{
		Client: config.Kafka.Client(),
		Topic:  c.topic,
		Logger: slog.New(slog.DiscardHandler),
	}, nil
}
