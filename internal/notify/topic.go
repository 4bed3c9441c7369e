package notify

import (
	"context"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Writer writes records to Kafka, and returns when the brokers have all of them, or ctx ends.
type Writer interface {
	Write(ctx context.Context, records ...models.Record) error
}

// notificationIDHeader holds the ID of a notification. One that was written twice has the same.
const notificationIDHeader = "notification_id"

// topic writes notifications to a topic of Kafka: one record for each, keyed by the alert's ID, so
// that a compacted topic keeps how each alert ended.
type topic struct {
	name string
	to   Writer
}

func (t *topic) write(ctx context.Context, list []queued) error {
	records := make([]models.Record, 0, len(list))
	for _, one := range list {
		records = append(records, models.Record{
			Topic:     t.name,
			Key:       []byte(one.AlertID),
			Value:     one.Line,
			Timestamp: one.At,
			Headers:   []models.Header{{Key: notificationIDHeader, Value: []byte(one.ID)}},
		})
	}
	return t.to.Write(ctx, records...)
}

func (t *topic) written(list []queued) []queued { return list }
