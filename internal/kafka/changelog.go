package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ChangelogTopic is a compacted topic through which the members of a group pass on the state of
// partitions. Records of one log partition keep their order. It is safe for concurrent use.
type ChangelogTopic struct {
	cfg     ClientConfig
	topic   string
	log     *slog.Logger
	limited *rateLimitedLogger
	*renewable
	failed        atomic.Pointer[error] // the first failed write since the last Flush
	flushTimedOut atomic.Bool           // the last Flush did not finish
}

const (
	maxChangelogRecord   = 15 << 20 // bytes of one record
	maxChangelogBuffered = 64 << 20 // bytes that may be buffered
	changelogReadTimeout = 30 * time.Second
)

// NewChangelogTopic makes a changelog topic. It connects on the first read or write.
func NewChangelogTopic(cfg ClientConfig, topic string, log *slog.Logger) (*ChangelogTopic, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("changelog topic: %w", err)
	}
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	// Records about one log partition go to one changelog partition, so they are read in order.
	home := kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(r *kgo.Record, n int) int {
			h := fnv.New32a()
			home, _, _ := parseChangelogKey(r.Key)
			h.Write(changelogKey(home, ""))
			return int(h.Sum32() % uint32(n))
		}
	})
	opts = append(
		opts,
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(home),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(maxChangelogRecord+1<<20),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.MaxBufferedRecords(100_000),
		kgo.MaxBufferedBytes(maxChangelogBuffered),
		kgo.MetadataMinAge(500*time.Millisecond),
	)
	client, err := newRenewable(opts)
	if err != nil {
		return nil, fmt.Errorf("changelog topic: %w", err)
	}
	return &ChangelogTopic{
		cfg:     cfg,
		topic:   topic,
		log:     log,
		limited: newRateLimitedLogger(log),

		renewable: client,
	}, nil
}

// Put sets the value of a key of a partition; nil deletes it. It does not wait; Flush reports
// errors. A value that is too large is logged and dropped for good: waiting for it would block
// commits for ever.
func (h *ChangelogTopic) Put(p models.Partition, key string, value []byte) {
	if len(value) > maxChangelogRecord {
		h.limited.error("size", "the state of a partition is too large for the changelog topic",
			"topic", p.Topic, "partition", p.Partition, "bytes", len(value))
		return
	}
	client := h.current()
	client.TryProduce(
		context.Background(),
		&kgo.Record{Key: changelogKey(p, key), Value: value},
		func(_ *kgo.Record, err error) {
			h.wrote(client, err)
			if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
				if !errors.Is(err, kerr.MessageTooLarge) &&
					!errors.Is(err, kerr.RecordListTooLarge) {
					h.failed.Store(&err)
				}
				h.limited.error("put", "the changelog topic cannot be written; after a crash "+
					"alerts may be notified twice", "topic", h.topic,
					"error", withWriteHint(err, h.topic))
			}
		},
	)
}

// Flush waits until all values are written, and returns an error when some are not.
func (h *ChangelogTopic) Flush(ctx context.Context) error {
	err := h.current().Flush(ctx)
	h.flushTimedOut.Store(err != nil)
	if failed := h.failed.Swap(nil); err == nil && failed != nil {
		err = *failed
	}
	if err != nil {
		return fmt.Errorf("write changelog topic %q: %w", h.topic, withWriteHint(err, h.topic))
	}
	return nil
}

// Stalled reports whether the topic accepts nothing: the last Flush timed out and its records are
// still buffered. Do not Put more then.
func (h *ChangelogTopic) Stalled() bool {
	return h.flushTimedOut.Load() && h.current().BufferedProduceRecords() > 0
}

// Read returns the current values of some partitions, by key.
func (h *ChangelogTopic) Read(
	ctx context.Context,
	parts []models.Partition,
) (map[models.Partition]map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, changelogReadTimeout)
	defer cancel()
	if err := h.create(ctx); err != nil {
		return nil, err
	}
	said := map[models.Partition]map[string][]byte{}
	for _, p := range parts {
		said[p] = map[string][]byte{}
	}
	for r, err := range NewReader(ReaderConfig{Client: h.cfg, Topics: []string{h.topic},
		Logger: h.log}).Records(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read changelog topic: %w", err)
		}
		home, key, ok := parseChangelogKey(r.Key)
		switch of := said[home]; {
		case !ok || of == nil:
		case len(r.Value) == 0:
			delete(of, key)
		default:
			of[key] = bytes.Clone(r.Value)
		}
	}
	return said, nil
}

// create creates the topic if it does not exist.
func (h *ChangelogTopic) create(ctx context.Context) error {
	text := func(s string) *string { return &s }
	// Small segments: the active segment is never compacted, and a new owner reads all of them.
	config := map[string]*string{
		"cleanup.policy":            text("compact"),
		"segment.bytes":             text("16777216"),
		"segment.ms":                text("600000"),
		"min.cleanable.dirty.ratio": text("0.1"),
		"max.message.bytes":         text(fmt.Sprint(maxChangelogRecord + 1<<20)),
	}
	admin := kadm.NewClient(h.current())
	try := func(config map[string]*string) error {
		answer, err := admin.CreateTopic(ctx, 1, -1, config, h.topic)
		if err == nil {
			err = answer.Err
		}
		return err
	}
	err := try(config)
	// managed clusters may refuse some settings
	if errors.Is(err, kerr.InvalidConfig) || errors.Is(err, kerr.PolicyViolation) {
		h.limited.warn("create",
			"the cluster refuses some settings of the changelog topic; large states may not fit",
			"topic", h.topic, "error", err)
		err = try(map[string]*string{"cleanup.policy": text("compact")})
	}
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return checkWrite(ctx, h.current(), h.topic)
	}
	if meta, metaErr := admin.Metadata(ctx, h.topic); metaErr == nil && meta.Topics.Has(h.topic) &&
		meta.Topics[h.topic].Err == nil {
		return checkWrite(ctx, h.current(), h.topic)
	}
	return fmt.Errorf(
		"changelog topic %q does not exist and cannot be created: %w (create it with "+
			"cleanup.policy=compact and max.message.bytes=%d, or allow CREATE on it)",
		h.topic,
		err,
		maxChangelogRecord+1<<20,
	)
}

// Close drops what is not written yet.
func (h *ChangelogTopic) Close() { h.renewable.Close() }

// changelogKey is the partition number, the topic, a zero byte (not allowed in topic names) and
// the key.
func changelogKey(p models.Partition, key string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(p.Partition)), p.Topic...)
	return append(append(b, 0), key...)
}

func parseChangelogKey(b []byte) (p models.Partition, key string, ok bool) {
	if len(b) < 4 {
		return p, "", false
	}
	topic, rest, ok := bytes.Cut(b[4:], []byte{0})
	return models.Partition{
		Topic:     string(topic),
		Partition: int32(binary.BigEndian.Uint32(b)),
	}, string(rest), ok
}
