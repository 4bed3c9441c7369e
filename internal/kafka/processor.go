package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ProcessorConfig configures a processor. Durations are written like "1s" in JSON and YAML; a
// number is nanoseconds.
type ProcessorConfig struct {
	ConsumerConfig ConsumerConfig `json:"consumer_config"` // Base consumer config
	BatchSize      int            `json:"batch_size"`      // Batch processing size
	FlushInterval  time.Duration  `json:"flush_interval"`  // Batch flush interval; 0 for 5 seconds
	RetryAttempts  int            `json:"retry_attempts"`  // Max retry attempts
	// Base retry delay; it doubles with each attempt
	RetryDelay    time.Duration `json:"retry_delay"`
	EnableMetrics bool          `json:"enable_metrics"` // Enable metrics collection
}

// DefaultProcessorConfig returns a configuration for a broker on this machine.
func DefaultProcessorConfig() ProcessorConfig {
	return ProcessorConfig{
		ConsumerConfig: DefaultConsumerConfig(),
		BatchSize:      100,
		FlushInterval:  5 * time.Second,
		RetryAttempts:  3,
		RetryDelay:     time.Second,
		EnableMetrics:  true,
	}
}

// Validate returns all problems of the configuration.
func (c ProcessorConfig) Validate() error {
	return errors.Join(append(c.ConsumerConfig.problems(),
		c.processOptions(c.BatchSize).validate()...)...)
}

// processOptions are the options for batches of the given size.
func (c ProcessorConfig) processOptions(batch int) processOptions {
	m := processOptions{
		batch:   batch,
		flush:   c.FlushInterval,
		workers: 1,
		retries: c.RetryAttempts,
		delay:   c.RetryDelay,
		metrics: c.EnableMetrics,
	}
	if m.flush == 0 {
		m.flush = 5 * time.Second
	}
	return m
}

// ProcessorMetrics are the totals of a processor. Undecodable messages, and messages that the
// engine refuses, count as failed.
type ProcessorMetrics struct {
	MessagesProcessed int64         // Total messages processed
	MessagesFailure   int64         // Total failed messages
	ProcessingTime    time.Duration // Average processing time
	LastProcessed     time.Time     // Last processed message timestamp
	// Current error rate (0.0-1.0) of the last 1,000 messages within five minutes
	ErrorRate float64
}

// LogProcessor evaluates the logs of a topic one message at a time, with retries and metrics.
type LogProcessor struct {
	consumer *Consumer
	config   ProcessorConfig
}

// NewLogProcessor makes a processor with the default configuration. It connects in ProcessLogs.
func NewLogProcessor(brokers []string, topic string, alertEngine AlertEngine) *LogProcessor {
	return newLogProcessor(DefaultProcessorConfig().withTopic(brokers, topic), alertEngine)
}

// withTopic replaces brokers and topic.
func (c ProcessorConfig) withTopic(brokers []string, topic string) ProcessorConfig {
	c.ConsumerConfig.Brokers, c.ConsumerConfig.Topic = brokers, topic
	return c
}

func newLogProcessor(config ProcessorConfig, engine AlertEngine) *LogProcessor {
	return &LogProcessor{
		newConsumer(config.ConsumerConfig, engine, config.processOptions(1)), config,
	}
}

// ProcessLogs evaluates logs until ctx is done or Stop is called, and returns nil. Errors are
// those of Consumer.Start.
func (p *LogProcessor) ProcessLogs(ctx context.Context) error { return p.consumer.Start(ctx) }

// GetMetrics returns the totals; they are zero without EnableMetrics.
func (p *LogProcessor) GetMetrics() ProcessorMetrics { return p.consumer.dispatcher.metrics() }

// GetStats returns what was consumed, and the lag.
func (p *LogProcessor) GetStats() Stats { return p.consumer.GetStats() }

// HealthCheck is like Consumer.HealthCheck.
func (p *LogProcessor) HealthCheck() bool { return p.consumer.HealthCheck() }

// Stop stops ProcessLogs and waits for it.
func (p *LogProcessor) Stop() error { return p.consumer.Close() }

// BatchLogProcessor evaluates the logs of a topic in batches, with retries and metrics.
type BatchLogProcessor struct{ consumer *Consumer }

// NewBatchLogProcessor makes a processor with the default configuration. It connects in
// ProcessBatch.
func NewBatchLogProcessor(
	brokers []string,
	topic string,
	alertEngine AlertEngine,
) *BatchLogProcessor {
	return newBatchLogProcessor(DefaultProcessorConfig().withTopic(brokers, topic), alertEngine)
}

func newBatchLogProcessor(config ProcessorConfig, engine AlertEngine) *BatchLogProcessor {
	return &BatchLogProcessor{
		newConsumer(config.ConsumerConfig, engine, config.processOptions(config.BatchSize)),
	}
}

// ProcessBatch evaluates batches until ctx is done or Stop is called, evaluates the rest and
// returns nil. A batch is evaluated when it is full, or FlushInterval after its first message.
// Errors are those of Consumer.Start.
func (p *BatchLogProcessor) ProcessBatch(ctx context.Context) error { return p.consumer.Start(ctx) }

// GetMetrics returns the totals; they are zero without EnableMetrics.
func (p *BatchLogProcessor) GetMetrics() ProcessorMetrics { return p.consumer.dispatcher.metrics() }

// GetStats returns what was consumed, and the lag.
func (p *BatchLogProcessor) GetStats() Stats { return p.consumer.GetStats() }

// HealthCheck is like Consumer.HealthCheck.
func (p *BatchLogProcessor) HealthCheck() bool { return p.consumer.HealthCheck() }

// Stop stops ProcessBatch and waits for it.
func (p *BatchLogProcessor) Stop() error { return p.consumer.Close() }

// ProcessorFactory makes processors with one configuration.
type ProcessorFactory struct{ config ProcessorConfig }

// NewProcessorFactory makes a factory.
func NewProcessorFactory(
	config ProcessorConfig,
) *ProcessorFactory {
	return &ProcessorFactory{config}
}

// CreateProcessor makes a processor of single messages. Brokers and topic replace those of the
// configuration. It fails for a wrong configuration.
func (f *ProcessorFactory) CreateProcessor(
	brokers []string,
	topic string,
	alertEngine AlertEngine,
) (*LogProcessor, error) {
	config, err := f.check(brokers, topic, alertEngine)
	if err != nil {
		return nil, err
	}
	return newLogProcessor(config, alertEngine), nil
}

// CreateBatchProcessor makes a batch processor. Brokers and topic replace those of the
// configuration. It fails for a wrong configuration.
func (f *ProcessorFactory) CreateBatchProcessor(
	brokers []string,
	topic string,
	alertEngine AlertEngine,
) (*BatchLogProcessor, error) {
	config, err := f.check(brokers, topic, alertEngine)
	if err != nil {
		return nil, err
	}
	return newBatchLogProcessor(config, alertEngine), nil
}

func (f *ProcessorFactory) check(
	brokers []string,
	topic string,
	engine AlertEngine,
) (ProcessorConfig, error) {
	config := f.config.withTopic(brokers, topic)
	err := config.Validate()
	if engine == nil {
		err = errors.Join(err, errors.New("the alert engine is nil"))
	}
	if err != nil {
		return config, fmt.Errorf("kafka processor: %w", err)
	}
	return config, nil
}

// UnmarshalJSON keeps the values of fields that the text does not have.
func (c *ProcessorConfig) UnmarshalJSON(text []byte) error {
	type plain ProcessorConfig
	return json.Unmarshal(text, &struct {
		*plain
		FlushInterval *jsonDuration `json:"flush_interval"`
		RetryDelay    *jsonDuration `json:"retry_delay"`
	}{(*plain)(c), (*jsonDuration)(&c.FlushInterval), (*jsonDuration)(&c.RetryDelay)})
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c ProcessorConfig) MarshalJSON() ([]byte, error) {
	type plain ProcessorConfig
	return json.Marshal(struct {
		plain
		FlushInterval jsonDuration `json:"flush_interval"`
		RetryDelay    jsonDuration `json:"retry_delay"`
	}{plain(c), jsonDuration(c.FlushInterval), jsonDuration(c.RetryDelay)})
}

// UnmarshalYAML reads the same names as UnmarshalJSON.
func (c *ProcessorConfig) UnmarshalYAML(unmarshal func(any) error) error {
	return fromYAML(unmarshal, c)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (c ProcessorConfig) MarshalYAML() (any, error) { return toYAML(c) }
