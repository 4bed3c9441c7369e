package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ReaderConfig configures a Reader. From and Offsets exclude each other, as do Until, Ends and
// Follow.
type ReaderConfig struct {
	Client ClientConfig
	Topics []string
	// regular expressions of further topics; those are read that exist when reading begins
	Patterns []string
	Exclude  []string // topics that patterns do not match
	// start at the first records that are not older; zero for the start of the log
	From time.Time
	// end before the first records that are not older; zero for the end of the log
	Until   time.Time
	Offsets map[models.Partition]int64 // start there; other partitions are not read
	// end before there; partitions that are not named are not read
	Ends map[models.Partition]int64
	// start at most so many records before the end of each partition; without Offsets
	Last int64
	// do not stop at the end of the log, and start there by default
	Follow bool
	// what records must wait for; one that cannot be read yet is an error; nil for nothing
	Readable Readable
	Logger   *slog.Logger // slog.Default() by default
}

// Reader reads topics without a consumer group: for backtests, backfills and searches.
type Reader struct{ cfg ReaderConfig }

// NewReader makes a reader. It connects in Records.
func NewReader(cfg ReaderConfig) *Reader {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Reader{cfg}
}

// span is the part of a partition that is to be read.
type span struct{ next, end int64 }

// Records yields the records in order within each partition, up to the end at the time of the
// call; with Follow until ctx is done. A record is valid until the next one. An error is the last
// element; the end of ctx is an error, except with Follow.
func (r *Reader) Records(ctx context.Context) iter.Seq2[models.Record, error] {
	return func(yield func(models.Record, error) bool) {
		err := r.read(ctx, func(m models.Record) bool { return yield(m, nil) })
		if err != nil && !(r.cfg.Follow && ctx.Err() != nil) {
			yield(models.Record{}, r.failed(err))
		}
	}
}

// failed is the error of reading.
func (r *Reader) failed(err error) error {
	names := strings.Join(slices.Concat(r.cfg.Topics, r.cfg.Patterns), ", ")
	return fmt.Errorf("read %s: %w", names, withHint(err))
}

var errStopped = errors.New("stopped")

func (r *Reader) read(ctx context.Context, yield func(models.Record) bool) error {
	if err := r.cfg.Client.validate(); err != nil {
		return err
	}
	opts, err := r.cfg.Client.options(r.cfg.Logger)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		append(opts, kgo.KeepControlRecords(), kgo.FetchMaxWait(time.Second),
			kgo.FetchMaxBytes(10<<20), kgo.FetchMaxPartitionBytes(1<<20))...)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	spans, err := r.spans(ctx, admin)
	if err != nil {
		return err
	}
	err = r.consume(ctx, client, spans, yield)
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// spans finds the offsets to read. Its error names missing topics.
func (r *Reader) spans(ctx context.Context, admin *kadm.Client) (map[models.Partition]span, error) {
	r, err := r.withTopics(ctx, admin)
	if err != nil {
		return nil, err
	}
	spans, err := r.listBounds(ctx, admin)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		err = cmp.Or(unknownTopics(ctx, admin, r.cfg.Topics), err)
	}
	return spans, err
}

// withTopics returns a reader that has the topics that match the patterns among its topics.
func (r *Reader) withTopics(ctx context.Context, admin *kadm.Client) (*Reader, error) {
	if len(r.cfg.Patterns) == 0 {
		return r, nil
	}
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	names := readable(all, r.cfg.Exclude)
	cfg := r.cfg
	cfg.Topics = slices.Clone(cfg.Topics)
	for _, name := range names {
		if matchesAny(cfg.Patterns, name) && !slices.Contains(cfg.Topics, name) {
			cfg.Topics = append(cfg.Topics, name)
		}
	}
	if len(cfg.Topics) == 0 {
		return nil, noTopicMatches(cfg.Patterns, names)
	}
	return &Reader{cfg}, nil
}

func (r *Reader) listBounds(
	ctx context.Context,
	admin *kadm.Client,
) (map[models.Partition]span, error) {
	starts, err := admin.ListStartOffsets(ctx, r.cfg.Topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, err
	}
	ends, err := r.offsetsAt(ctx, admin, r.cfg.Until)
	if err != nil {
		return nil, err
	}
	from, err := r.offsetsAt(ctx, admin, r.cfg.From)
	if err != nil {
		return nil, err
	}
	spans := map[models.Partition]span{}
	starts.Each(func(o kadm.ListedOffset) {
		p := models.Partition{Topic: o.Topic, Partition: o.Partition}
		end, _ := ends.Lookup(o.Topic, o.Partition)
		s := span{o.Offset, end.Offset}
		if until, ends := r.cfg.Ends[p]; ends {
			s.end = min(s.end, until)
		} else if r.cfg.Ends != nil {
			return
		}
		at, named := r.cfg.Offsets[p]
		switch {
		case r.cfg.Offsets != nil && !named:
			return
		case named:
			s.next = max(s.next, at)
		case !r.cfg.From.IsZero():
			f, _ := from.Lookup(o.Topic, o.Partition)
			s.next = max(s.next, f.Offset)
		case r.cfg.Follow && r.cfg.Last == 0:
			s.next = s.end
		}
		if r.cfg.Last > 0 && !named {
			s.next = max(s.next, s.end-r.cfg.Last)
		}
		if r.cfg.Follow || s.next < s.end {
			spans[p] = s
		}
	})
	return spans, nil
}

// offsetsAt lists the offsets of the first records that are not older than a time, or the ends
// where there are none, or without a time.
func (r *Reader) offsetsAt(
	ctx context.Context,
	admin *kadm.Client,
	at time.Time,
) (kadm.ListedOffsets, error) {
	if at.IsZero() {
		listed, err := r.cfg.Client.readableEnds(ctx, admin, r.cfg.Topics...)
		if err == nil {
			err = listed.Error()
		}
		return listed, err
	}
	listed, err := admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), r.cfg.Topics...)
	if err == nil {
		err = listed.Error()
	}
	return listed, err
}

func (r *Reader) consume(
	ctx context.Context,
	client *kgo.Client,
	spans map[models.Partition]span,
	yield func(models.Record) bool,
) error {
	if len(spans) == 0 && !r.cfg.Follow {
		return nil
	}
	partitions := map[string]map[int32]kgo.Offset{}
	for p, s := range spans {
		if partitions[p.Topic] == nil {
			partitions[p.Topic] = map[int32]kgo.Offset{}
		}
		partitions[p.Topic][p.Partition] = kgo.NewOffset().At(s.next)
	}
	client.AddConsumePartitions(partitions)
	for len(spans) > 0 {
		fetches := client.PollRecords(ctx, 10_000)
		if err := firstError(fetches); err != nil {
			return err
		}
		var stopped error
		fetches.EachRecord(func(record *kgo.Record) {
			p := models.Partition{Topic: record.Topic, Partition: record.Partition}
			s, reading := spans[p]
			if stopped != nil || !reading || record.Offset < s.next {
				return
			}
			beyond := !r.cfg.Follow && record.Offset >= s.end
			if !beyond && !record.Attrs.IsControl() {
				if stopped = r.unreadable(record); stopped != nil {
					return
				}
			}
			if !beyond && !record.Attrs.IsControl() && !yield(modelRecord(record)) {
				stopped = errStopped
				return
			}
			s.next = record.Offset + 1
			spans[p] = s
			if !r.cfg.Follow && s.next >= s.end {
				delete(spans, p)
				client.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
			}
		})
		if stopped != nil {
			return stopped
		}
	}
	return nil
}

// firstError returns the first error that ends reading.
func firstError(fetches kgo.Fetches) (first error) {
	fetches.EachError(func(topic string, partition int32, err error) {
		var loss *kgo.ErrDataLoss
		if first == nil && !errors.As(err, &loss) {
			first = err
			if topic != "" {
				first = fmt.Errorf("%s/%d: %w", topic, partition, err)
			}
		}
	})
	return first
}

// timesAt returns the timestamps of the records at the given offsets, or of the next ones.
func timesAt(
	ctx context.Context,
	cfg ClientConfig,
	log *slog.Logger,
	offsets map[models.Partition]int64,
) (map[models.Partition]time.Time, error) {
	topics := map[string]bool{}
	config := ReaderConfig{Client: cfg, Offsets: offsets, Logger: log}
	for p := range offsets {
		if !topics[p.Topic] {
			topics[p.Topic] = true
			config.Topics = append(config.Topics, p.Topic)
		}
	}
	times := map[models.Partition]time.Time{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for r, err := range NewReader(config).Records(ctx) {
		if err != nil {
			return nil, err
		}
		p := models.Partition{Topic: r.Topic, Partition: r.Partition}
		if _, ok := times[p]; !ok {
			times[p] = r.Timestamp
		}
		if len(times) == len(offsets) {
			break
		}
	}
	return times, nil
}
