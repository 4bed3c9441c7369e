package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// AlertEngine evaluates logs. ConsumerGroup calls it from several goroutines. A panic counts as a
// failure, and the log is retried.
type AlertEngine interface {
	EvaluateLog(logEntry models.LogEntry)
}

// BatchEngine is an AlertEngine that takes several logs at once and can return an error; then all
// of them are retried. It is found by a type assertion.
type BatchEngine interface {
	EvaluateBatch(ctx context.Context, entries []models.LogEntry) error
}

// ConsumerConfig configures a consumer. Durations are written like "1s" in JSON and YAML; a
// number is nanoseconds.
type ConsumerConfig struct {
	Brokers  []string      `json:"brokers"`   // Kafka broker addresses
	Topic    string        `json:"topic"`     // Topic to consume from
	GroupID  string        `json:"group_id"`  // Consumer group ID
	MinBytes int           `json:"min_bytes"` // Minimum bytes to fetch; 0 for 1
	MaxBytes int           `json:"max_bytes"` // Maximum bytes to fetch; 0 for 10 MB
	MaxWait  time.Duration `json:"max_wait"`  // Maximum wait time; 0 for 1 second
	// Starting offset of a group without committed offsets: 0 or -2 for the start, -1 for the
	// end, else the offset itself
	StartOffset int64 `json:"start_offset"`

	// topic for messages that cannot be read or evaluated; without it they are only counted
	DeadLetterTopic string `json:"dead_letter_topic,omitempty"`
	// the format of messages, one of decode.Formats; JSON if empty. With "auto" the format of each
	// message is detected.
	Format string `json:"format,omitempty"`
	// read_committed, the default, or read_uncommitted, which reads aborted transactions too
	IsolationLevel string `json:"isolation_level,omitempty"`

	TLS  TLS  `json:"tls,omitzero"`
	SASL SASL `json:"sasl,omitzero"`

	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DefaultConsumerConfig returns a configuration for a broker on this machine, or for what these
// environment variables say: ALERT_ENGINE_BROKERS (with commas), _TOPIC, _GROUP, _TLS (true),
// _TLS_CA_FILE, _TLS_CERT_FILE, _TLS_KEY_FILE, _SASL_MECHANISM, _SASL_USERNAME, _SASL_PASSWORD,
// _SASL_PASSWORD_FILE and _SASL_TOKEN_FILE.
func DefaultConsumerConfig() ConsumerConfig {
	c := ConsumerConfig{
		Brokers: []string{
			"localhost:9092",
		},
		Topic:       "application-logs",
		GroupID:     "log-monitoring-group",
		MinBytes:    10 << 10,
		MaxBytes:    10 << 20,
		MaxWait:     time.Second,
		StartOffset: StartBeginning,
	}
	c.fromEnvironment()
	return c
}

// Validate returns all problems of the configuration.
func (c ConsumerConfig) Validate() error { return errors.Join(c.problems()...) }

func (c ConsumerConfig) problems() []error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(len(c.Brokers) == 0, "brokers is empty; name at least one, such as localhost:9092")
	for _, b := range c.Brokers {
		if err := isURL(b); err != nil {
			errs = append(errs, err)
			continue
		}
		wrong(!isAddress(b), "brokers has the address %q; write host:port, such as localhost:9092",
			b)
	}
	wrong(c.Topic == "", "topic is empty")
	wrong(
		c.Topic != "" && !IsTopic(c.Topic),
		"topic %q is not a valid topic name; use at most 249 letters, digits, '.', '_' and '-'",
		c.Topic,
	)
	wrong(c.GroupID == "", "group_id is empty; the committed offsets need a group")
	wrong(c.MinBytes < 0, "min_bytes is %d; it must not be negative", c.MinBytes)
	wrong(c.MaxBytes < 0, "max_bytes is %d; it must not be negative", c.MaxBytes)
	wrong(c.MaxBytes > 1<<30, "max_bytes is %d; it must be at most %d", c.MaxBytes, 1<<30)
	wrong(c.MaxBytes >= 0 && c.MinBytes > c.filled().MaxBytes,
		"min_bytes is %d, more than max_bytes, %d", c.MinBytes, c.filled().MaxBytes)
	wrong(c.MaxWait < 0, "max_wait is %s; it must not be negative", c.MaxWait)
	wrong(
		c.StartOffset < StartBeginning,
		"start_offset is %d; it must be -2 (start), -1 (end), or an offset",
		c.StartOffset,
	)
	wrong(
		c.DeadLetterTopic != "" && !IsTopic(c.DeadLetterTopic),
		"dead_letter_topic %q is not a valid topic name",
		c.DeadLetterTopic,
	)
	wrong(
		c.DeadLetterTopic != "" && c.DeadLetterTopic == c.Topic,
		"dead_letter_topic is the topic itself; rejected records would loop",
	)
	wrong(c.Format != "" && !slices.Contains(decode.Formats(), c.Format),
		"format %q is unknown; try one of %v", c.Format, decode.Formats())
	if err := validateIsolation(c.IsolationLevel); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.SASL.mechanism(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// isAddress reports whether broker is a host with an optional port.
func isAddress(broker string) bool {
	if net.ParseIP(strings.Trim(broker, "[]")) != nil {
		return true
	}
	host, port, err := net.SplitHostPort(broker)
	if err != nil {
		host, port = broker, "9092"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && host != "" && !strings.ContainsAny(host, " \t/,") &&
		(!strings.Contains(host, ":") || net.ParseIP(host) != nil)
}

// IsTopic reports whether Kafka allows the name.
func IsTopic(name string) bool {
	return len(name) <= 249 && name != "." && name != ".." &&
		strings.Trim(
			name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
		) == ""
}

// filled replaces zero values by defaults.
func (c ConsumerConfig) filled() ConsumerConfig {
	if c.MinBytes == 0 {
		c.MinBytes = 1
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 10 << 20
	}
	if c.MaxWait == 0 {
		c.MaxWait = time.Second
	}
	return c
}

// Consumer evaluates the logs of a topic one message at a time.
type Consumer struct {
	config     ConsumerConfig
	engine     AlertEngine
	opts       processOptions
	log        *slog.Logger
	counters   counters
	group      *groupConsumer
	dispatcher *dispatcher

	mu      sync.Mutex // guards the fields below
	cancel  context.CancelFunc
	done    chan struct{} // closed when the current run ends; nil without one
	closed  bool
	lastErr error // of the last run
	ran     bool
}

// NewConsumer makes a consumer. It connects in Start.
func NewConsumer(config ConsumerConfig, alertEngine AlertEngine) *Consumer {
	return newConsumer(config, alertEngine, defaultProcessOptions())
}

func newConsumer(config ConsumerConfig, engine AlertEngine, opts processOptions) *Consumer {
	c := &Consumer{config: config, engine: engine, opts: opts, log: slog.Default()}
	config = config.filled()
	c.group = newGroupConsumer(groupConfig{
		ClientConfig: ClientConfig{
			Brokers:   config.Brokers,
			TLS:       config.TLS,
			Isolation: config.IsolationLevel,
			SASL:      config.SASL,
			Dial:      config.dial,
		},
		topics: []string{
			config.Topic,
		},
		group:    config.GroupID,
		start:    config.StartOffset,
		minBytes: config.MinBytes,
		maxByte:  config.MaxBytes,
		maxWait:  config.MaxWait,
	}, nil, c.log, &c.counters)
	c.dispatcher = newDispatcher(c.group, opts)
	return c
}

// Start consumes until ctx is done or Close is called, finishes the current messages and returns
// nil. It fails for a wrong configuration, and for problems that need an operator, such as a
// missing topic. An unreachable broker is retried.
func (c *Consumer) Start(ctx context.Context) error { return c.run(ctx, c.engine, c.opts) }

// run consumes with the given engine and options, for the consumer or its processor.
func (c *Consumer) run(ctx context.Context, engine AlertEngine, opts processOptions) error {
	errs := c.config.problems()
	if engine == nil {
		errs = append(errs, errors.New("the alert engine is nil"))
	}
	if err := errors.Join(append(errs, opts.validate()...)...); err != nil {
		return fmt.Errorf("kafka consumer: %w", err)
	}
	ctx, done, err := c.begin(ctx)
	if err != nil || done == nil {
		return err
	}
	err = c.dispatcher.run(ctx, engine, opts, c.config)
	if ctx.Err() != nil {
		err = nil
	}
	c.end(done, err)
	return err
}

// begin registers a run, unless another one is active. After Close it returns a nil channel.
func (c *Consumer) begin(
	parent context.Context,
) (ctx context.Context, done chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return parent, nil, nil
	}
	if c.done != nil {
		return parent, nil, errors.New("kafka consumer: already running")
	}
	ctx, c.cancel = context.WithCancel(parent)
	c.done, c.ran = make(chan struct{}), true
	return ctx, c.done, nil
}

func (c *Consumer) end(done chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	c.lastErr, c.done = err, nil
	close(done)
}

// Close stops Start and waits for it. It may be called more than once.
func (c *Consumer) Close() error {
	c.mu.Lock()
	c.closed = true
	done := c.done
	if done != nil {
		c.cancel()
	}
	c.mu.Unlock()
	if done != nil {
		<-done
	}
	return nil
}

// GetStats returns what was consumed, and the lag.
func (c *Consumer) GetStats() Stats { return c.group.stats() }

// HealthCheck reports whether the consumer runs, brokers answer, the engine succeeds and the lag
// is small. It is false before Start and after it has returned, and recovers by itself.
func (c *Consumer) HealthCheck() bool { return len(c.healthProblems()) == 0 }

// healthProblems are the reasons why the consumer is unhealthy.
func (c *Consumer) healthProblems() []string {
	c.mu.Lock()
	running, outcome := c.done != nil, c.lastErr
	c.mu.Unlock()
	switch {
	case !running && outcome != nil:
		return []string{outcome.Error()}
	case !running:
		return []string{"not running"}
	}
	h := c.group.health()
	if h.State == Starting && len(h.Problems) == 0 {
		h.Problems = []string{"not a member of the group yet"}
	}
	return append(h.Problems, c.dispatcher.healthProblems()...)
}

// MessageProcessor evaluates the logs of a consumer's topic in batches.
type MessageProcessor struct {
	consumer *Consumer
	engine   AlertEngine
	opts     processOptions
}

// NewMessageProcessor makes a batch processor. An incomplete batch is evaluated after
// flushInterval.
func NewMessageProcessor(
	consumer *Consumer,
	batchSize int,
	flushInterval time.Duration,
	alertEngine AlertEngine,
) *MessageProcessor {
	opts := defaultProcessOptions()
	opts.batch, opts.flush = batchSize, flushInterval
	return &MessageProcessor{consumer, alertEngine, opts}
}

// ProcessBatch evaluates batches until ctx is done or the consumer is closed, evaluates the rest
// and returns nil. Errors are those of Consumer.Start.
func (p *MessageProcessor) ProcessBatch(ctx context.Context) error {
	if p.consumer == nil {
		return errors.New("kafka message processor: the consumer is nil")
	}
	return p.consumer.run(ctx, p.engine, p.opts)
}

// ConsumerGroup evaluates the logs of a topic with several workers, each with its own partitions.
// It is one client and one member of the group.
type ConsumerGroup struct{ consumer *Consumer }

// NewConsumerGroup makes a group of consumerCount workers.
func NewConsumerGroup(
	config ConsumerConfig,
	alertEngine AlertEngine,
	consumerCount int,
) *ConsumerGroup {
	opts := defaultProcessOptions()
	opts.workers = consumerCount
	return &ConsumerGroup{newConsumer(config, alertEngine, opts)}
}

// Start consumes like Consumer.Start.
func (g *ConsumerGroup) Start(ctx context.Context) error { return g.consumer.Start(ctx) }

// Close stops Start and waits for it.
func (g *ConsumerGroup) Close() error { return g.consumer.Close() }

// HealthCheck is like Consumer.HealthCheck.
func (g *ConsumerGroup) HealthCheck() bool { return g.consumer.HealthCheck() }

// GetGroupStats returns the statistics of each worker, with its partitions.
func (g *ConsumerGroup) GetGroupStats() []Stats { return g.consumer.dispatcher.stats() }

// UnmarshalJSON keeps the values of fields that the text does not have.
func (c *ConsumerConfig) UnmarshalJSON(text []byte) error {
	type plain ConsumerConfig
	return json.Unmarshal(text, &struct {
		*plain
		MaxWait *jsonDuration `json:"max_wait"`
	}{(*plain)(c), (*jsonDuration)(&c.MaxWait)})
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c ConsumerConfig) MarshalJSON() ([]byte, error) {
	type plain ConsumerConfig
	return json.Marshal(struct {
		plain
		MaxWait jsonDuration `json:"max_wait"`
	}{plain(c), jsonDuration(c.MaxWait)})
}

// UnmarshalYAML reads the same names as UnmarshalJSON.
func (c *ConsumerConfig) UnmarshalYAML(unmarshal func(any) error) error {
	return fromYAML(unmarshal, c)
}

// MarshalYAML writes what UnmarshalYAML reads.
func (c ConsumerConfig) MarshalYAML() (any, error) { return toYAML(c) }
