package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// topicSource is where commands read that look at a topic beside the engine: without a consumer
// group, and so without a trace.
type topicSource struct {
	cmd    *cobra.Command
	config string
	topics []string // instead of those of the configuration and its flags
	since  time.Duration
	follow bool
}

// brokerSettings are the settings that say how to reach a topic.
var brokerSettings = []string{
	"brokers",
	"sasl-mechanism",
	"sasl-username",
	"sasl-password-file",
	"tls",
	"tls-ca-file",
}

// addFlags adds the flags that say where to read.
func (s *topicSource) addFlags(cmd *cobra.Command) {
	s.addFlagsOf(cmd, append(brokerSettings, "topic")...)
}

func (s *topicSource) addFlagsOf(cmd *cobra.Command, names ...string) {
	s.cmd = cmd
	cmd.Flags().SortFlags = false
	cmd.Flags().
		StringVarP(&s.config, "config", "c", "", "configuration file for brokers, topic and "+
			"credentials (default alert-engine.yml if it exists)")
	addSettings(cmd, names...)
}

// load reads the configuration.
func (s *topicSource) load() (*app.Config, error) {
	given := settings(s.cmd)
	if len(s.topics) > 0 {
		given["topic"] = s.topics
	}
	return app.LoadConfig(configName(s.config), os.Getenv, given)
}

// loadNamed reads the configuration as load does, and returns an error if neither a configuration
// nor a setting names a topic: the command can read a file instead.
func (s *topicSource) loadNamed() (*app.Config, error) {
	if configName(s.config) == "" && settings(s.cmd)["topic"] == nil &&
		os.Getenv("ALERT_ENGINE_TOPIC") == "" {
		return nil, errors.New("no logs are named; use --file or --topic, or --config")
	}
	return s.load()
}

// reader reads the topics of a configuration since the time that was asked for.
func (s *topicSource) reader(c *app.Config) *kafka.Reader {
	o := c.Reader()
	o.Follow = s.follow
	if s.since > 0 {
		o.From = time.Now().Add(-s.since)
	}
	return kafka.NewReader(o)
}

// logs calls f for every log, until it returns an error or ctx is done.
func (s *topicSource) logs(ctx context.Context, f func(*decode.Log) error) error {
	c, err := s.load()
	if err != nil {
		return err
	}
	decoders := map[string]*decode.Decoder{}
	bad := unreadable{out: s.cmd.ErrOrStderr()}
	defer bad.summary()
	for r, err := range s.reader(c).Records(ctx) {
		if err != nil {
			return err
		}
		d := decoders[r.Topic]
		if d == nil {
			if d, err = decode.New(c.Format(r.Topic), decode.NewFields()); err != nil {
				return err
			}
			decoders[r.Topic] = d
		}
		var failed error
		d.Decode(&r, func(l *decode.Log) {
			if failed == nil && ctx.Err() == nil {
				failed = f(l)
			}
		}, func(reason decode.Reason, detail string) { bad.note(&r, reason, detail) })
		if failed != nil || ctx.Err() != nil {
			return failed
		}
	}
	return nil
}

// unreadable says which records cannot be read: the first for each reason, and in the end how many.
type unreadable struct {
	out    io.Writer
	counts map[decode.Reason]int
}

func (u *unreadable) note(r *models.Record, reason decode.Reason, detail string) {
	if u.counts == nil {
		u.counts = map[decode.Reason]int{}
	}
	if u.counts[reason]++; u.counts[reason] > 1 {
		return
	}
	fmt.Fprintf(u.out, "the record at offset %d of %s/%d cannot be read (%s): %s\n",
		r.Offset, r.Topic, r.Partition, reason, safetext.ClipLine(detail, 200))
}

func (u *unreadable) summary() {
	for _, reason := range slices.Sorted(maps.Keys(u.counts)) {
		if n := u.counts[reason]; n > 1 {
			fmt.Fprintf(u.out, "%d records, or logs within them, cannot be read (%s)\n", n, reason)
		}
	}
}

// sinceFlag adds --since.
func (s *topicSource) sinceFlag(otherwise time.Duration, help string) {
	s.since = otherwise
	s.cmd.Flags().Var((*duration.Flag)(&s.since), "since", help)
}
