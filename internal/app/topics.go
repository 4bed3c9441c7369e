package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// topics writes to topics of Kafka that are our own, and makes those that are not there when it
// first writes to them, or that are gone since. It dials only if there is something to write.
type topics struct {
	p *process

	mu       sync.Mutex // guards what follows
	producer *kafka.Producer
	made     map[string]bool
	denied   map[string]error // that we may not write to
}

// compacted is how a topic is made that is not there: of each key it keeps the newest record, and
// of all of them as many as the brokers' retention says.
var compacted = map[string]string{"cleanup.policy": "compact,delete"}

// Write implements notify.Writer.
func (t *topics) Write(ctx context.Context, records ...models.Record) error {
	for i := range records {
		if i == 0 || records[i].Topic != records[i-1].Topic {
			if err := t.make(ctx, records[i].Topic); err != nil {
				return err
			}
		}
	}
	w, err := t.writer()
	if err != nil {
		return err
	}
	if err = w.Write(ctx, records...); kafka.IsGone(err) {
		t.recreate(records)
	}
	return err
}

func (t *topics) writer() (*kafka.Producer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.producer != nil {
		return t.producer, nil
	}
	c := t.p.config.Kafka.Client()
	c.Dial = t.p.network.dial
	w, err := kafka.NewProducer(c, t.p.logger)
	if err != nil {
		return nil, err
	}
	t.producer = w
	return w, nil
}

// make makes a topic unless it is known to be there.
func (t *topics) make(ctx context.Context, topic string) error {
	w, err := t.writer()
	if err != nil {
		return err
	}
	t.mu.Lock()
	made := t.made[topic]
	t.mu.Unlock()
	if made {
		return nil
	}
	if err := w.Create(ctx, topic, compacted); err != nil {
		return fmt.Errorf("topic %q: %w", topic, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[topic] = true
	return nil
}

// recreate has topics created again, one of which was deleted; which one, the error does not say.
func (t *topics) recreate(records []models.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range records {
		delete(t.made, records[i].Topic)
	}
}

// await makes a topic, and waits for brokers that cannot be reached. An error is one that waiting
// does not help.
func (t *topics) await(ctx context.Context, topic string) error {
	for {
		err := t.make(ctx, topic)
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// rightsEvery is how often the rights to write are asked for.
const rightsEvery = time.Minute

// own are the topics that the configuration has us write to. The source checks that of dead
// letters.
func (t *topics) own() (list []string) {
	notifying := t.p.notifying.Load()
	for _, topic := range []string{t.p.config.Kafka.RecordsTopic, notifying.KafkaTopic} {
		if topic != "" {
			list = append(list, topic)
		}
	}
	return list
}

// watchRights says at the start, and later, when our user may not write to one of our topics. It
// does not wait for something to write: that may come in the middle of the night.
func (t *topics) watchRights(ctx context.Context) error {
	for {
		own := t.own()
		t.keepOnly(own)
		for _, topic := range own {
			w, err := t.writer()
			if err != nil {
				return err
			}
			t.note(topic, w.CheckWrite(ctx, topic))
		}
		if !wait.Sleep(ctx, rightsEvery) {
			return nil
		}
	}
}

// keepOnly forgets the rights to topics that a reload has removed.
func (t *topics) keepOnly(own []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.denied, func(topic string, _ error) bool {
		return !slices.Contains(own, topic)
	})
}

// note notes whether we may write to a topic, and logs when that changes.
func (t *topics) note(topic string, err error) {
	t.mu.Lock()
	before := t.denied[topic]
	t.denied[topic] = err
	t.mu.Unlock()
	switch {
	case err != nil && before == nil:
		t.p.logger.Error("a topic may not be written; what is for it waits", "error", err)
	case err == nil && before != nil:
		t.p.logger.Info("the topic may be written again", "topic", topic)
	}
}

// health is an error while one of our topics may not be written.
func (t *topics) health() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, topic := range slices.Sorted(maps.Keys(t.denied)) {
		errs = append(errs, t.denied[topic])
	}
	return errors.Join(errs...)
}

// close gives up what is not written yet.
func (t *topics) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.producer != nil {
		t.producer.Close()
		t.producer = nil
	}
	return nil
}
