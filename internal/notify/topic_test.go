package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// topicLog is a Kafka that keeps what it is given, unless it is away.
type topicLog struct {
	mu      sync.Mutex // guards what follows
	away    bool
	records []models.Record
}

func (l *topicLog) Write(_ context.Context, records ...models.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, records...)
	if l.away {
		return errors.New("the answer was lost")
	}
	return nil
}

func (l *topicLog) leave(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

// received returns what was written since the last call: key, state and severity.
func (l *topicLog) received(t *testing.T) (got, ids []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		var n notification
		if err := json.Unmarshal(r.Value, &n); err != nil || r.Topic != "alerts" ||
			len(r.Headers) != 1 ||
			string(r.Headers[0].Value) != n.ID ||
			r.Headers[0].Key != notificationIDHeader {
			t.Errorf("%+v: %v", r, err)
		}
		got = append(
			got,
			strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Key, n.State, n.Labels["severity"])),
		)
		ids = append(ids, n.ID)
	}
	l.records = nil
	return got, ids
}

// A topic has a record for each alert that fires and one when it has ended, under the alert's ID.
func TestTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kafka := &topicLog{}
		l := start(t, newWorld(t), Options{Topic: "alerts", Writer: kafka})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(b)
		after(time.Second)
		l.outbox.add(over(a))
		after(5 * time.Second)
		notified, ids := kafka.received(t)
		expect(t, "the topic", notified, "Errors-a-1 firing", "Errors-b-1 firing",
			"Errors-a-1 resolved")
		if slices.Sort(ids); len(slices.Compact(ids)) != 3 {
			t.Errorf("IDs of different notifications: %q", ids)
		}
	})
}

// What is notified twice, since the answer was lost, has one ID and is the same to the last byte.
func TestTopicIsNotifiedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kafka := &topicLog{away: true}
		l := start(t, newWorld(t), Options{Topic: "alerts", Writer: kafka})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(30 * time.Second)
		kafka.leave(false)
		after(time.Minute)
		first := kafka.records[0]
		for _, r := range kafka.records {
			if string(r.Value) != string(first.Value) || !r.Timestamp.Equal(first.Timestamp) {
				t.Errorf("%s\nwas %s", r.Value, first.Value)
			}
		}
		if _, ids := kafka.received(t); len(ids) < 2 || len(slices.Compact(ids)) != 1 {
			t.Errorf("IDs of one notification: %q", ids)
		}
		after(time.Hour)
		if notified, _ := kafka.received(t); len(notified) != 0 {
			t.Errorf("once it was notified, it is notified %q", notified)
		}
	})
}

// The topic has one end of an alert whose severity rose and fell: a consumer that follows its ID
// does not take it for resolved before.
func TestTopicFollowsSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kafka := &topicLog{}
		l := start(t, newWorld(t), Options{Topic: "alerts", Writer: kafka})
		a := firingAlert("Errors", "a", 1)
		for _, severity := range []string{"warning", "critical", "warning"} {
			a.Severity, a.At = severity, time.Now()
			a.Labels = map[string]string{"alertname": "Errors", "g": "a", "severity": severity}
			l.outbox.add(a)
			after(time.Minute)
		}
		l.outbox.add(over(a))
		after(time.Minute)
		notified, ids := kafka.received(t)
		expect(t, "the topic", notified, "Errors-a-1 firing warning", "Errors-a-1 firing critical",
			"Errors-a-1 firing warning", "Errors-a-1 resolved warning")
		if slices.Sort(ids); len(slices.Compact(ids)) != 4 {
			t.Errorf("IDs of different notifications: %q", ids)
		}
	})
}
