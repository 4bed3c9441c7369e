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

// HandoverTopic is a compacted topic in which the members of a group leave for each other what
// whoever gets a partition next has to know of it. What is put of one partition stands there in the
// order in which it was put. Any number of goroutines may use it.
type ChangelogTopic struct {
	cfg           ClientConfig
	topic         string
	log           *slog.Logger
	limited       *rateLimitedLogger
	client        *kgo.Client
	failed        atomic.Pointer[error] // of something that was put since the last Flush
	flushTimedOut atomic.Bool           // the last Flush did not live to see the end
}

const (
	maxChangelogRecord   = 15 << 20 // bytes of one record, at most
	maxChangelogBuffered = 64 << 20 // bytes that may wait to be written
	changelogReadTimeout = 30 * time.Second
)

// NewHandoverTopic makes a handover topic. It dials when there is something to read or to write.
func NewChangelogTopic(cfg ClientConfig, topic string, log *slog.Logger) (*ChangelogTopic, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("handover topic: %w", err)
	}
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	// All that is said of a partition is in one partition here, whatever their number, so it is
	// read in the order in which it was said.
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
		kgo.ProducerBatchCompression(
			kgo.Lz4Compression(),
			kgo.NoCompression(),
		),
		kgo.MaxBufferedRecords(100_000),
		kgo.MaxBufferedBytes(maxChangelogBuffered),
		kgo.MetadataMinAge(500*time.Millisecond),
	)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("handover topic: %w", err)
	}
	return &ChangelogTopic{
		cfg:     cfg,
		topic:   topic,
		log:     log,
		limited: newRateLimitedLogger(log),
		client:  client,
	}, nil
}

// Put says something of a partition under a key, in place of what was said under it before; nil
// takes it back. It does not wait; Flush tells whether it is there. What is too large for a record
// is left out for good, and said: offsets that waited for it would wait for ever.
func (h *ChangelogTopic) Put(p models.Partition, key string, value []byte) {
	if len(value) > maxChangelogRecord {
		h.limited.error(
			"size",
			"what is known of a partition is too large to be handed over",
			"topic",
			p.Topic,
			"partition",
			p.Partition,
			"bytes",
			len(value),
		)
		return
	}
	h.client.TryProduce(
		context.Background(),
		&kgo.Record{Key: changelogKey(p, key), Value: value},
		func(_ *kgo.Record, err error) {
			if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
				if !errors.Is(err, kerr.MessageTooLarge) &&
					!errors.Is(err, kerr.RecordListTooLarge) {
					h.failed.Store(&err)
				}
				h.limited.error(
					"put",
					"what another member would have to know cannot be left for it; after a crash it may be told once more",
					"topic",
					h.topic,
					"error",
					withHint(err),
				)
			}
		},
	)
}

// Flush waits until all that was put is there, and returns an error when not all of it is.
func (h *ChangelogTopic) Flush(ctx context.Context) error {
	err := h.client.Flush(ctx)
	h.flushTimedOut.Store(err != nil)
	if failed := h.failed.Swap(nil); err == nil && failed != nil {
		err = *failed
	}
	if err != nil {
		return fmt.Errorf("write to handover topic %q: %w", h.topic, withHint(err))
	}
	return nil
}

// Behind says that the topic takes nothing: the last Flush ended too early, and what it waited for
// still waits. More is not to be put then, it would only pile up.
func (h *ChangelogTopic) Stalled() bool {
	return h.flushTimedOut.Load() && h.client.BufferedProduceRecords() > 0
}

// Read returns what was said of some partitions and not taken back, by key.
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
	for r, err := range NewReader(ReaderConfig{Client: h.cfg, Topics: []string{h.topic}, Logger: h.log}).Records(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read handover topic: %w", err)
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

// create makes sure that the topic is there.
func (h *ChangelogTopic) create(ctx context.Context) error {
	text := func(s string) *string { return &s }
	// Segments are small, since the one that is written to is never compacted, and whoever takes a
	// partition over reads them all.
	config := map[string]*string{
		"cleanup.policy": text("compact"),
		"segment.bytes":  text("16777216"),
		"segment.ms":     text("600000"),
		"min.cleanable.dirty.ratio": text(
			"0.1",
		),
		"max.message.bytes": text(fmt.Sprint(maxChangelogRecord + 1<<20)),
	}
	admin := kadm.NewClient(h.client)
	try := func(config map[string]*string) error {
		answer, err := admin.CreateTopic(ctx, 1, -1, config, h.topic)
		if err == nil {
			err = answer.Err
		}
		return err
	}
	err := try(config)
	// as of clusters that somebody else runs
	if errors.Is(err, kerr.InvalidConfig) || errors.Is(err, kerr.PolicyViolation) {
		h.limited.warn(
			"create",
			"the cluster does not allow the handover topic all of its settings; what is large may not be left there",
			"topic",
			h.topic,
			"error",
			err,
		)
		err = try(map[string]*string{"cleanup.policy": text("compact")})
	}
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if meta, metaErr := admin.Metadata(ctx, h.topic); metaErr == nil && meta.Topics.Has(h.topic) &&
		meta.Topics[h.topic].Err == nil {
		return nil
	}
	return fmt.Errorf(
		"handover topic %q does not exist, and cannot be created: %w; create it with cleanup.policy=compact and max.message.bytes=%d, or allow CREATE on it",
		h.topic,
		err,
		maxChangelogRecord+1<<20,
	)
}

// Close gives up what is not written yet.
func (h *ChangelogTopic) Close() { h.client.Close() }

// handoverKey is the partition's number, its topic, a zero, which no topic has in its name, and the
// key.
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
		}, string(
			rest,
		), ok
}
