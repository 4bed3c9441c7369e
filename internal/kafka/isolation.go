package kafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// The isolation levels of a consumer, as Kafka calls them.
const (
	ReadCommitted   = "read_committed"
	ReadUncommitted = "read_uncommitted"
)

// isolation is the option for ClientConfig.Isolation.
func (c ClientConfig) isolation() kgo.Opt {
	level := kgo.ReadCommitted()
	if c.Isolation == ReadUncommitted {
		level = kgo.ReadUncommitted()
	}
	return kgo.FetchIsolationLevel(level)
}

func validateIsolation(level string) error {
	switch level {
	case "", ReadCommitted, ReadUncommitted:
		return nil
	}
	return fmt.Errorf(
		"isolation level %q is unknown; it is %s or %s", level, ReadCommitted, ReadUncommitted,
	)
}

// readableEnds lists the offsets up to which topics can be read: the last stable offsets, which an
// open transaction holds back, or the ends.
func (c ClientConfig) readableEnds(
	ctx context.Context,
	admin *kadm.Client,
	topics ...string,
) (kadm.ListedOffsets, error) {
	if c.Isolation == ReadUncommitted {
		return admin.ListEndOffsets(ctx, topics...)
	}
	return admin.ListCommittedOffsets(ctx, topics...)
}

// openTransaction is an error when a fetched batch belongs to a transaction that is still open, so
// that nothing from there on can be read.
func (g *groupConsumer) openTransaction(
	ctx context.Context,
	p *partition,
	answer *kmsg.FetchResponseTopicPartition,
) error {
	if g.cfg.Isolation == ReadUncommitted || answer.LastStableOffset > p.next ||
		p.next >= answer.HighWatermark {
		return nil
	}
	// after batchEnd's header: base timestamp (8), maximum timestamp (8), producer ID (8)
	const header = 51
	if len(answer.RecordBatches) < header {
		return nil
	}
	since := time.UnixMilli(int64(binary.BigEndian.Uint64(answer.RecordBatches[27:])))
	producer := int64(binary.BigEndian.Uint64(answer.RecordBatches[43:]))
	name := ""
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if listed, err := g.admin().ListTransactions(ctx, []int64{producer}, nil); err == nil {
		for id := range listed {
			name = fmt.Sprintf(", transactional id %q", id)
		}
	}
	age := g.clock.at(time.Now()).Sub(since)
	return fmt.Errorf(
		"an open transaction (producer id %d%s) holds it back at offset %d since %s; it is read "+
			"on when the transaction ends (abort it with kafka-transactions.sh if its producer "+
			"is gone)",
		producer,
		name,
		p.next,
		duration.Format(max(age, 0).Round(time.Second)),
	)
}
