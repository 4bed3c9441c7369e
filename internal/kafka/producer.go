package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Producer writes records, for demos, and to replay dead letters. Any number of goroutines may use it.
type Producer struct {
	client *kgo.Client

	mu  sync.Mutex // guards err
	err error      // the first since the last Flush
}

// NewProducer makes a producer, which dials when it has something to write.
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
	// A short linger makes batches that are worth compressing, and the records of a key stay in order. There is no timeout for a record: the client would count it from
	// the record's own timestamp, so that what was written a minute ago could never be written again.
	opts = append(opts, kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	return &Producer{client: client}, nil
}

// Produce writes a record in the background; its memory must not change until Flush has returned. It waits while too much is under way. Errors are returned by Flush.
func (p *Producer) Produce(ctx context.Context, r models.Record) {
	record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	p.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err == nil {
			p.err = err
		}
	})
}

// Flush waits until everything is written, and returns the first error since the last call.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.err
	p.err = nil
	return err
}

// Close gives up what is not written yet.
func (p *Producer) Close() { p.client.Close() }
