package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ProcessorConfig says what to consume, and how to evaluate it. Durations are written like "1s" in
// JSON and YAML; a number is nanoseconds.
type ProcessorConfig struct {
	ConsumerConfig ConsumerConfig `json:"consumer_config"` // Base consumer config
	BatchSize      int            `json:"batch_size"`      // Batch processing size
	FlushInterval  time.Duration  `json:"flush_interval"`  // Batch flush interval; 0 for 5 seconds
	RetryAttempts  int            `json:"retry_attempts"`  // Max retry attempts
	// Base retry delay, which doubles with each attempt
	RetryDelay    time.Duration `json:"retry_delay"`
	EnableMetrics bool          `json:"enable_metrics"` // Enable metrics collection
}

// DefaultProcessorConfig returns the configuration of someone with a broker on his own machine.
func DefaultProcessorConfig() ProcessorConfig {
	return ProcessorConfig{
		ConsumerConfig: DefaultConsumerConfig(), BatchSize: 100, FlushInterval: 5 * time.Second, RetryAttempts: 3, RetryDelay: time.Second, EnableMetrics: true,
	}
}

// Validate returns all that is wrong with the configuration.
func (c ProcessorConfig) Validate() error {
	return errors.Join(append(c.ConsumerConfig.problems(), c.processOptions(c.BatchSize).validate()...)...)
}

// manner is how messages are evaluated in batches of the given size.
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

// ProcessorMetrics is what a processor has done. Invalid messages count as failed, as do those that
// the engine would not take while it took others.
type ProcessorMetrics struct {
	MessagesProcessed int64         // Total messages processed
	MessagesFailure   int64         // Total failed messages
	ProcessingTime    time.Duration // Average processing time
	LastProcessed     time.Time     // Last processed message timestamp
	// Current error rate (0.0-1.0), over the last thousand messages of five minutes
	ErrorRate float64
}

// LogProcessor evaluates the logs of a topic one message after the other, tries again what fails,
// and counts.
type LogProcessor struct {
	consumer *Consumer
	config   ProcessorConfig
}

// NewLogProcessor makes a processor with the default configuration, which does nothing before
// ProcessLogs.
func NewLogProcessor(brokers []string, topic string, alertEngine AlertEngine) *LogProcessor {
	return newLogProcessor(DefaultProcessorConfig().withTopic(brokers, topic), alertEngine)
}

// of is the configuration for another topic.
func (c ProcessorConfig) withTopic(brokers []string, topic string) ProcessorConfig {
	c.ConsumerConfig.Brokers, c.ConsumerConfig.Topic = brokers, topic
	return c
}

func newLogProcessor(config ProcessorConfig, engine AlertEngine) *LogProcessor {
	return &LogProcessor{newConsumer(config.ConsumerConfig, engine, config.processOptions(1)), config}
}

// ProcessLogs evaluates logs until ctx is done or Stop is called, and returns nil. Errors are those
// of Consumer.Start.
func (p *LogProcessor) ProcessLogs(ctx context.Context) error { return p.consumer.Start(ctx) }

// GetMetrics returns what was done so far; nothing is counted when the configuration says so.
func (p *LogProcessor) GetMetrics() ProcessorMetrics { return p.consumer.dispatcher.metrics() }

// GetStats returns what was consumed so far, and how much there is still to consume.
func (p *LogProcessor) GetStats() Stats { return p.consumer.GetStats() }

// HealthCheck says whether the processor does its work, as Consumer.HealthCheck does.
func (p *LogProcessor) HealthCheck() bool { return p.consumer.HealthCheck() }

// Stop ends ProcessLogs, and returns when it has ended.
func (p *LogProcessor) Stop() error { return p.consumer.Close() }

// BatchLogProcessor evaluates the logs of a topic in batches, tries again what fails, and counts.
type BatchLogProcessor struct{ consumer *Consumer }

// NewBatchLogProcessor makes a processor with the default configuration, which does nothing before
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

// ProcessBatch evaluates batch after batch until ctx is done or Stop is called, evaluates what is
// left, and returns nil. A batch is evaluated when it is full, or when its first message has waited
// for the flush interval. Errors are those of Consumer.Start.
func (p *BatchLogProcessor) ProcessBatch(ctx context.Context) error { return p.consumer.Start(ctx) }

// GetMetrics returns what was done so far; nothing is counted when the configuration says so.
func (p *BatchLogProcessor) GetMetrics() ProcessorMetrics { return p.consumer.dispatcher.metrics() }

// GetStats returns what was consumed so far, and how much there is still to consume.
func (p *BatchLogProcessor) GetStats() Stats { return p.consumer.GetStats() }

// HealthCheck says whether the processor does its work, as Consumer.HealthCheck does.
func (p *BatchLogProcessor) HealthCheck() bool { return p.consumer.HealthCheck() }

// Stop ends ProcessBatch, and returns when it has ended.
func (p *BatchLogProcessor) Stop() error { return p.consumer.Close() }

// ProcessorFactory makes processors of one configuration.
type ProcessorFactory struct{ config ProcessorConfig }

// NewProcessorFactory makes a factory.
func NewProcessorFactory(
	config ProcessorConfig,
) *ProcessorFactory {
	return &ProcessorFactory{config}
}

// CreateProcessor makes a processor of single messages. The brokers and the topic take the place of
// those in the configuration; a wrong configuration is an error.
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

// CreateBatchProcessor makes a processor of batches. The brokers and the topic take the place of
// those in the configuration; a wrong configuration is an error.
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

// UnmarshalJSON reads a configuration; what it does not say stays as it is.
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

// UnmarshalYAML reads a configuration under the names that it has in JSON.
func (c *ProcessorConfig) UnmarshalYAML(unmarshal func(any) error) error {
	return fromYAML(unmarshal, c)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (c ProcessorConfig) MarshalYAML() (any, error) { return toYAML(c) }
