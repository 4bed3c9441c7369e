// Consumer is the smallest program that consumes logs and evaluates them: one message after the
// other, with the rules that alerting.NewEngine brings along, whose alerts go to the log. It needs
// a Kafka on this machine with the topic application-logs, and runs until it is killed.
package main

import (
	"context"
	"log"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/kafka"
)

func main() {
	// Create alert engine
	alertEngine := alerting.NewEngine()

	// Create consumer with default config
	config := kafka.DefaultConsumerConfig()
	config.Brokers = []string{"localhost:9092"}
	config.Topic = "application-logs"

	consumer := kafka.NewConsumer(config, alertEngine)

	// Start consuming
	ctx := context.Background()
	if err := consumer.Start(ctx); err != nil {
		log.Fatal(err)
	}
}
