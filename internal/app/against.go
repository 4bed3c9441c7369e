package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/logprofile"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Against is the logs that Check compares rules with: the newest ones of the topics of a
// configuration, or those of a file.
type Against struct {
	Config *Config                         // of topics
	Since  time.Duration                   // no logs of topics are looked at that are older
	Most   int                             // records of topics
	File   iter.Seq2[decode.Sample, error] // nil for topics
	Format decode.Config                   // of a file
	// gives lists from topics their members; nil leaves them empty
	Lists func(*rule.Set) (*rule.Set, error)
	// is called about every second; of is 0 when it is not known
	Progress func(records, of int)
	Warn     func(error) // is called with what could not be determined

	// nil for the usual way
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// when progress was last reported
	reported time.Time
	kept     map[string]kafka.Retention // by topic
	// the first line of a file that could not be read
	bad error
}

// sampleTime bounds how long a topic is read, whatever else is said of the sample.
const sampleTime = 2 * time.Minute

// look adds to what was found what the logs show. Its table is what the rules saw of them.
func (a *Against) look(
	ctx context.Context,
	set *rule.Set,
	found []rule.Finding,
) ([]rule.Finding, func(io.Writer) error, error) {
	if a.Lists != nil {
		var err error
		if set, err = a.Lists(set); err != nil {
			return nil, nil, err
		}
	}
	a.reported = time.Now()
	s, err := a.profile(ctx, set)
	if err != nil {
		return nil, nil, err
	}
	// what is known without logs is said once
	fresh := slices.DeleteFunc(s.Findings(), func(f rule.Finding) bool {
		return slices.ContainsFunc(
			found,
			func(known rule.Finding) bool { return known.Name == f.Name && known.Rule == f.Rule },
		)
	})
	return slices.Concat(found, fresh, overRetention(set, a.kept, time.Now())),
		func(w io.Writer) error {
			fmt.Fprintln(w)
			err := s.Write(w)
			fmt.Fprintln(w)
			return err
		}, nil
}

// profile evaluates the rules on the sample.
func (a *Against) profile(ctx context.Context, set *rule.Set) (s *logprofile.Profile, err error) {
	if a.File != nil {
		if s, err = logprofile.New(set, logprofile.Options{Decode: func(string) decode.Config {
			return a.Format
		}, File: true}); err == nil {
			err = a.ofFile(ctx, s)
		}
	} else {
		if s, err = logprofile.New(set, logprofile.Options{Decode: a.Config.Format,
			Until: time.Now()}); err == nil {
			err = a.ofTopics(ctx, s)
		}
	}
	if err == nil && s.Logs == 0 {
		err = a.empty(s)
	}
	return s, err
}

// empty says why nothing can be said.
func (a *Against) empty(s *logprofile.Profile) error {
	switch {
	case s.Rejected > 0:
		return fmt.Errorf("none of %s can be read as logs; name their format",
			safetext.CountOf(s.Records, "record"))
	case a.File != nil:
		return errors.Join(errors.New("the file has no logs"), a.bad)
	}
	return fmt.Errorf(
		"%s has no logs of the last %s; look further back with --since",
		strings.Join(slices.Concat(a.Config.Kafka.Topics, a.Config.Kafka.TopicPatterns), ", "),
		duration.Format(a.Since),
	)
}

// ofFile takes the records of a file.
func (a *Against) ofFile(ctx context.Context, s *logprofile.Profile) error {
	for sample, err := range a.File {
		switch {
		case err != nil && sample.Line == 0:
			return err // there is no such file
		case err != nil:
			s.Rejected++
			a.bad = cmp.Or(a.bad, err)
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err := s.Add(&sample.Record); err != nil {
			return err
		}
		a.report(s.Records, 0)
	}
	return nil
}

// ofTopics takes the newest records of all topics, of each partition as many.
func (a *Against) ofTopics(ctx context.Context, s *logprofile.Profile) (err error) {
	ctx, stop := context.WithTimeout(ctx, sampleTime)
	defer stop()
	k := a.Config.Kafka
	o := a.Config.Reader()
	o.From, o.Last, o.Client.Dial = time.Now().Add(-a.Since), int64(a.Most), a.dial
	partitions, err := kafka.NewReader(o).Partitions(ctx)
	if err != nil {
		return err
	}
	o.Last = int64(max(1, (a.Most+len(partitions)-1)/max(1, len(partitions))))
	total := int64(0)
	for _, p := range partitions {
		total += min(o.Last, p.End-p.Next)
		if p.End-p.Next <= o.Last && p.Next > 0 { // it goes back to that time, and beyond
			s.Begin(models.Partition{Topic: p.Topic, Partition: p.Partition}, o.From)
		}
	}
	if a.kept, err = kafka.Retentions(ctx, o.Client, o.Logger,
		withTopicsOf(partitions, k.Topics...)...); err != nil {
		a.Warn(err) // reading a topic does not imply the right to read its settings
	}
	return a.read(ctx, s, kafka.NewReader(o).Records(ctx), int(total))
}

// read looks at records. When its time has passed, what was read is the sample, which ends with
// it.
func (a *Against) read(
	ctx context.Context,
	s *logprofile.Profile,
	records iter.Seq2[models.Record, error],
	total int,
) error {
	for r, err := range records {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && s.Records > 0 {
			s.CutShort()
			a.Warn(
				fmt.Errorf(
					"the sample ends early, after %d of %d records, because reading takes longer "+
						"than %s; look at fewer with --sample",
					s.Records,
					total,
					duration.Format(sampleTime),
				),
			)
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Add(&r); err != nil {
			return err
		}
		a.report(s.Records, total)
	}
	return nil
}

func (a *Against) report(records, of int) {
	if records%1000 == 0 && a.Progress != nil && time.Since(a.reported) >= time.Second {
		a.reported = time.Now()
		a.Progress(records, of)
	}
}
