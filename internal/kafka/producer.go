package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Producer writes records: those of a demo, dead letters that are replayed, and what the program
// must say on topics. Any number of goroutines may use it, but Flush returns the errors of all that
// used Produce.
type Producer struct {
	*renewable

	mu  sync.Mutex // guards err
	err error      // the first since the last Flush
}

// NewProducer makes a producer. It connects on the first write.
func NewProducer(cfg ClientConfig, log *slog.Logger) (*Producer, error) {
	if log == nil {
		log = slog.Default()
	}
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	// A short linger makes batches worth compressing; records of a key stay in order. There is no
	// record timeout: the client measures it from the record's own timestamp, so old records
	// could never be written.
	opts = append(
		opts,
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerLinger(5*time.Millisecond),
	)
	client, err := newRenewable(opts)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return &Producer{renewable: client}, nil
}

// Produce writes a record in the background. Its memory must not change before Flush returns. It
// blocks while the buffer is full. Flush returns errors.
func (p *Producer) Produce(ctx context.Context, r models.Record) {
	client := p.current()
	client.Produce(ctx, produced(r), func(_ *kgo.Record, err error) {
		p.wrote(client, err)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err == nil {
			p.err = err
		}
	})
}

func produced(r models.Record) *kgo.Record {
	record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return record
}

// Write writes records, and returns when the brokers have all of them, or with the first error, or
// when ctx ends; then some of them may be there. Records of a key stay in order, also those of one
// call after another.
func (p *Producer) Write(ctx context.Context, records ...models.Record) error {
	done := make(chan error, len(records))
	client := p.current()
	for _, r := range records {
		client.Produce(ctx, produced(r), func(_ *kgo.Record, err error) { done <- err })
	}
	for range records {
		select {
		case err := <-done:
			p.wrote(client, err)
			if IsGone(err) {
				p.purge(records)
			}
			if err != nil {
				return withWriteHint(err, records[0].Topic)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// purge removes topics from the client's cache. Otherwise it would not find a topic that is
// created again.
func (p *Producer) purge(records []models.Record) {
	var topics []string
	for _, r := range records {
		if !slices.Contains(topics, r.Topic) {
			topics = append(topics, r.Topic)
		}
	}
	p.current().PurgeTopicsFromProducing(topics...)
}

// Create creates a topic with the given settings unless it exists.
func (p *Producer) Create(ctx context.Context, topic string, settings map[string]string) error {
	return createTopic(ctx, p.current(), topic, settings)
}

// CheckWrite returns an error when our user may not write to a topic. It is nil when the brokers do
// not tell.
func (p *Producer) CheckWrite(ctx context.Context, topic string) error {
	return checkWrite(ctx, p.current(), topic)
}

// withWriteHint adds the next step to a write error.
func withWriteHint(err error, topic string) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w (allow WRITE on topic %q)", err, topic)
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("%w (allow WRITE on topic %q, or IDEMPOTENT_WRITE on the cluster)",
			err, topic)
	case IsGone(err):
		return fmt.Errorf("%w (the topic does not exist: create it, or allow CREATE on it)", err)
	}
	return withHint(err)
}

// IsGone reports whether a topic does not exist (any more). Old brokers know topics by name, new
// ones by ID.
func IsGone(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
}

// Flush waits for all records, and returns the first error since the last call.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.current().Flush(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.err
	p.err = nil
	return err
}

// Close drops what is not written yet.
func (p *Producer) Close() { p.renewable.Close() }
