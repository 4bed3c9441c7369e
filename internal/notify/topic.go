package notify

import (
	"context"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Writer writes records to Kafka, and returns when the brokers have all of them, or ctx ends.
type Writer interface {
	Write(ctx context.Context, records ...models.Record) error
}

// notificationID is the header with the ID of a notification. One that was told twice has the same.
const notificationID = "notification_id"

// topic tells a topic of Kafka: one record for each alert, keyed by the alert's ID, so that a
// compacted topic keeps how each alert ended.
type topic struct {
	name string
	to   Writer
}

// Notify implements notify.Notifier.
func (t *topic) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	records := make([]models.Record, 0, len(alerts))
	for _, a := range alerts {
		n := notificationOf(a)
		line, err := n.line()
		if err != nil {
			return false, err
		}
		records = append(records, models.Record{
			Topic: t.name, Key: []byte(n.AlertID), Value: line[:len(line)-1], Timestamp: n.at(), Headers: []models.Header{{Key: notificationID, Value: []byte(n.ID)}},
		})
	}
	err = t.to.Write(ctx, records...)
	return err != nil, err
}
