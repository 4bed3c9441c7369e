package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// How far back a topic goes is what its configuration says, or, where size deletes, what is left.
func TestRetention(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		for _, topic := range []devbroker.Topic{
			{Name: "days", Retention: 72 * time.Hour, RetentionBytes: -1}, {
				Name:           "small",
				RetentionBytes: 1 << 20,
			}, {
				Name:           "both",
				RetentionBytes: 1 << 20,
				Retention:      time.Hour,
			},
		} {
			if err := b.broker.CreateTopic(topic); err != nil {
				t.Fatal(err)
			}
		}
		keeps := func(topic string) string {
			t.Helper()
			kept, err := Retentions(context.Background(), b.clientConfig(),
				slog.New(slog.DiscardHandler), topic)
			if err != nil {
				t.Fatal(err)
			}
			back, setting, limited := kept[topic].Limit(time.Now())
			return fmt.Sprint(back.Round(time.Hour), " ", setting, " ", limited)
		}
		f := func(topic, want string) {
			t.Helper()
			if got := keeps(topic); got != want {
				t.Errorf("%s: %s, want %s", topic, got, want)
			}
		}
		f("days", "72h0m0s retention.ms true")
		f("both", "1h0m0s retention.ms true")
		f("small", "168h0m0s retention.ms true") // the broker's own, until something was deleted
		b.topic = "small"
		now := time.Now()
		for hour := range 48 {
			b.produceAt(0, now.Add(time.Duration(hour-48)*time.Hour), strings.Repeat("x", 64<<10))
		}
		time.Sleep(time.Minute)
		if got := keeps("small"); !strings.HasSuffix(got, " retention.bytes true") {
			t.Errorf("a topic that is full keeps %s", got)
		}
		if _, err := Retentions(context.Background(), b.clientConfig(),
			slog.New(slog.DiscardHandler), "gone"); err == nil ||
			!strings.Contains(err.Error(), "gone") {
			t.Errorf("of a topic that is not there: %v", err)
		}
	})
}
