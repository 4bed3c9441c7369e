package app

import (
	"log/slog"
	"slices"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Client is the configuration of Kafka clients.
func (k KafkaConfig) Client() kafka.ClientConfig {
	return kafka.ClientConfig{
		Brokers:   k.Brokers,
		ClientID:  k.ClientID,
		Isolation: k.IsolationLevel,
		TLS:       tlsOf(k.TLS),
		SASL: kafka.SASL{
			Mechanism:    k.SASL.Mechanism,
			Username:     k.SASL.Username,
			Password:     string(k.SASL.Password),
			Token:        string(k.SASL.Token),
			TokenFile:    string(k.SASL.TokenFile),
			AccessKey:    k.SASL.AWS.AccessKey,
			SecretKey:    string(k.SASL.AWS.SecretKey),
			SessionToken: string(k.SASL.AWS.SessionToken),
		},
	}
}

// Reader is the configuration of readers of all topics that the engine reads.
func (c *Config) Reader() kafka.ReaderConfig {
	k := c.Kafka
	return kafka.ReaderConfig{
		Client:   k.Client(),
		Topics:   k.Topics,
		Patterns: k.TopicPatterns,
		Exclude:  c.ownTopics(),
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// ownTopics are the topics that this program writes, but for those of recorded values and alerts,
// which Validate refuses to be matched by a pattern. Patterns do not match these.
func (c *Config) ownTopics() []string {
	topics := []string{c.Kafka.DeadLetterTopic}
	if c.Cluster.Enabled {
		topics = append(topics, c.framesTopic(), c.snapshotsTopic())
	}
	return topics
}

// Reads reports whether the engine reads a topic.
func (k KafkaConfig) Reads(topic string) bool {
	return slices.Contains(k.Topics, topic) || k.patternFor(topic) != ""
}

// withTopicsOf are some topics and those of some partitions.
func withTopicsOf(partitions []models.Progress, topics ...string) []string {
	topics = slices.Clone(topics)
	for _, p := range partitions {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

func tlsOf(t TLSConfig) kafka.TLS {
	return kafka.TLS{
		Enabled:            t.Enabled,
		CAFile:             string(t.CAFile),
		CertFile:           string(t.CertFile),
		KeyFile:            string(t.KeyFile),
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
	}
}

// source is the configuration of the Kafka source.
func (c *Config) source() kafka.SourceConfig {
	k := c.Kafka
	return kafka.SourceConfig{
		Client:          k.Client(),
		Topics:          k.Topics,
		Patterns:        k.TopicPatterns,
		Group:           k.Group,
		Start:           int64(k.Start),
		MinBytes:        k.MinBytes,
		MaxBytes:        int(k.MaxBytes),
		MaxWait:         k.MaxWait,
		OutageGrace:     max(k.OutageGrace, 1),
		SessionTimeout:  k.SessionTimeout,
		GroupProtocol:   k.GroupProtocol,
		Rack:            k.Rack,
		PollRecords:     c.Limits.PollRecords,
		Workers:         c.Limits.Workers,
		Exclude:         c.ownTopics(),
		DeadLetterTopic: k.DeadLetterTopic,
		Version:         Version(),
		Readable:        c.readable(),
		Joiner:          c.joiner(),
	}
}

// joiner says how records are joined; nil if none are.
func (c *Config) joiner() func(topic string) decode.Config {
	for _, f := range c.Formats {
		if f.Join.On() {
			return c.Format
		}
	}
	return nil
}
