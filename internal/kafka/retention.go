package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Retention is how long a topic keeps its records.
type Retention struct {
	Time  time.Duration // retention.ms; 0 for unlimited
	Bytes int64         // retention.bytes of each partition; 0 for unlimited
	// for topics that delete by size and have deleted: the oldest record of the partition with
	// the shortest history; zero otherwise
	Oldest time.Time
}

// Limit is how far back the topic goes at least, and by which setting; false for unlimited or
// unknown.
func (r Retention) Limit(now time.Time) (back time.Duration, setting string, limited bool) {
	if r.Time > 0 {
		back, setting, limited = r.Time, "retention.ms", true
	}
	if age := now.Sub(r.Oldest); !r.Oldest.IsZero() && (!limited || age < back) {
		back, setting, limited = age, "retention.bytes", true
	}
	return back, setting, limited
}

// Retentions asks the brokers for the retention of topics. It needs DESCRIBE_CONFIGS on them.
func Retentions(
	ctx context.Context,
	cfg ClientConfig,
	log *slog.Logger,
	topics ...string,
) (map[string]Retention, error) {
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	described, err := admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("read the retention of %v: %w", topics, withHint(err))
	}
	kept := map[string]Retention{}
	for _, topic := range described {
		if topic.Err != nil {
			return nil, fmt.Errorf("read the retention of %s: %w", topic.Name, withHint(topic.Err))
		}
		r := retentionOf(topic.Configs)
		if r.Bytes > 0 {
			if r.Oldest, err = oldest(ctx, cfg, log, admin, topic.Name); err != nil {
				return nil, err
			}
		}
		kept[topic.Name] = r
	}
	return kept, nil
}

func retentionOf(configs []kadm.Config) (r Retention) {
	for _, c := range configs {
		n, err := strconv.ParseInt(c.MaybeValue(), 10, 64)
		switch {
		case c.Key == "cleanup.policy" && c.Value != nil && !strings.Contains(*c.Value, "delete"):
			return Retention{}
		case err != nil || n < 0:
		case c.Key == "retention.ms":
			r.Time = time.Duration(min(n, int64(1<<62)/int64(time.Millisecond))) * time.Millisecond
		case c.Key == "retention.bytes":
			r.Bytes = n
		}
	}
	return r
}

// oldest is the time of the oldest record of the partition that goes back least, among those that
// have deleted records.
func oldest(
	ctx context.Context,
	cfg ClientConfig,
	log *slog.Logger,
	admin *kadm.Client,
	topic string,
) (least time.Time, err error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = admin.ListEndOffsets(ctx, topic)
	}
	if err != nil {
		return least, fmt.Errorf("list the offsets of %s: %w", topic, withHint(err))
	}
	firsts := map[models.Partition]int64{}
	starts.Each(func(o kadm.ListedOffset) {
		if end, ok := ends.Lookup(o.Topic, o.Partition); ok && o.Offset > 0 &&
			o.Offset < end.Offset {
			firsts[models.Partition{Topic: o.Topic, Partition: o.Partition}] = o.Offset
		}
	})
	if len(firsts) == 0 {
		return least, nil
	}
	times, err := timesAt(ctx, cfg, log, firsts)
	for _, at := range times {
		if at.After(least) {
			least = at
		}
	}
	return least, err
}
