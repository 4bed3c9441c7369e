package kafka_test

import (
	"context"
	"log"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// engine is an alert engine of one's own.
type engine struct{}

func (engine) EvaluateLog(l models.LogEntry) { log.Print(l.Message) }

var (
	ctx         = context.Background()
	alertEngine = engine{}
	brokers     = []string{"localhost:9092"}
	topic       = "application-logs"
)

func ExampleNewConsumer() {
	// Create and start a single consumer
	config := kafka.DefaultConsumerConfig()
	consumer := kafka.NewConsumer(config, alertEngine)
	consumer.Start(ctx)
}

func ExampleNewConsumerGroup() {
	// Create consumer group for higher throughput
	config := kafka.DefaultConsumerConfig()
	group := kafka.NewConsumerGroup(config, alertEngine, 3) // 3 consumers
	group.Start(ctx)
}

func ExampleProcessorFactory_CreateBatchProcessor() {
	// Create batch processor for high-throughput scenarios
	factory := kafka.NewProcessorFactory(kafka.DefaultProcessorConfig())
	batchProcessor, _ := factory.CreateBatchProcessor(brokers, topic, alertEngine)
	batchProcessor.ProcessBatch(ctx)
}

func ExampleProcessorFactory_CreateProcessor() {
	// Create processor with custom configuration
	config := kafka.ProcessorConfig{
		ConsumerConfig: kafka.ConsumerConfig{
			Brokers: []string{"broker1:9092", "broker2:9092"},
			Topic:   "custom-logs",
			GroupID: "custom-group",
		},
		BatchSize:     200,
		FlushInterval: 10 * time.Second,
		RetryAttempts: 5,
		RetryDelay:    2 * time.Second,
		EnableMetrics: true,
	}

	factory := kafka.NewProcessorFactory(config)
	processor, _ := factory.CreateProcessor(config.ConsumerConfig.Brokers,
		config.ConsumerConfig.Topic,
		alertEngine)
	processor.ProcessLogs(ctx)
}

func ExampleLogProcessor_HealthCheck() {
	processor := kafka.NewLogProcessor(brokers, topic, alertEngine)

	// Check processor health
	if processor.HealthCheck() {
		log.Println("Processor is healthy")
	} else {
		log.Println("Processor is unhealthy - check logs")
	}

	// Get detailed metrics
	metrics := processor.GetMetrics()
	log.Printf("Error rate: %.2f%%", metrics.ErrorRate*100)
}

func ExampleConsumer_GetStats() {
	consumer := kafka.NewConsumer(kafka.DefaultConsumerConfig(), alertEngine)

	// Get Kafka consumer statistics
	stats := consumer.GetStats()
	log.Printf("Consumer lag: %d", stats.Lag)
	log.Printf("Messages consumed: %d", stats.Messages)
}
