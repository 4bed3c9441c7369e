package kafka

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// refusing has the broker answer every Produce with an error, as long as there is one.
func refusing(b *bed, with *atomic.Pointer[kerr.Error]) {
	cluster := b.broker.Cluster()
	cluster.ControlKey(kmsg.Produce.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		refusal := with.Load()
		if refusal == nil {
			return nil, nil, false
		}
		answer := r.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range r.(*kmsg.ProduceRequest).Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, refusal.Code
				topic.Partitions = append(topic.Partitions, part)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
}

// What cannot be left for others holds up the offsets, which would otherwise say that it was. What
// is too large for ever does not.
func TestHandoverThatFails(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		h, err := NewChangelogTopic(b.clientConfig(), "handover", b.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		home := models.Partition{Topic: b.topic}
		// which makes the topic
		if _, err := h.Read(b.t.Context(), []models.Partition{home}); err != nil {
			t.Fatal(err)
		}
		var with atomic.Pointer[kerr.Error]
		refusing(b, &with)
		flush := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			h.Put(home, "engine", []byte("state"))
			return h.Flush(ctx)
		}
		if err := flush(); err != nil || h.Stalled() {
			t.Errorf("at first: %v, behind %v", err, h.Stalled())
		}
		with.Store(kerr.TopicAuthorizationFailed)
		if err := flush(); err == nil ||
			!strings.Contains(err.Error(), "TOPIC_AUTHORIZATION_FAILED") {
			t.Errorf("without rights: %v", err)
		}
		with.Store(kerr.MessageTooLarge)
		if err := flush(); err != nil {
			t.Errorf("what is too large holds up offsets: %v", err)
		}
		with.Store(kerr.NotEnoughReplicas)
		if err := flush(); err == nil || !h.Stalled() {
			t.Errorf("while replicas are away: %v, behind %v", err, h.Stalled())
		}
		with.Store(nil)
		b.wait("what was put", func() bool { return !h.Stalled() })
		if err := flush(); err != nil {
			t.Errorf("in the end: %v", err)
		}
	})
}
