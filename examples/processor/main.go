// Processor evaluates logs like examples/consumer, tries again what fails, counts, and says every
// half minute how it is. It needs a Kafka on this machine with the topic application-logs, and runs
// until it is killed.
package main

import (
	"context"
	"log"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/kafka"
)

func main() {
	// Create alert engine
	alertEngine := alerting.NewEngine()

	// Create processor
	brokers := []string{"localhost:9092"}
	topic := "application-logs"

	processor := kafka.NewLogProcessor(brokers, topic, alertEngine)

	// Start processing with monitoring
	ctx := context.Background()
	go func() {
		if err := processor.ProcessLogs(ctx); err != nil {
			log.Printf("Processor error: %v", err)
		}
	}()

	// Monitor health
	ticker := time.NewTicker(30 * time.Second)
	for range ticker.C {
		if !processor.HealthCheck() {
			log.Println("Processor is unhealthy!")
		}

		metrics := processor.GetMetrics()
		log.Printf("Processed: %d, Failed: %d, Error Rate: %.2f%%",
			metrics.MessagesProcessed,
			metrics.MessagesFailure,
			metrics.ErrorRate*100)
	}
}
