package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// put writes a key, and a key without a value when it begins with a minus.
func put(b *bed, partition int32, keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		r := &kgo.Record{Topic: b.topic, Partition: partition, Value: []byte("since monday")}
		if gone, ok := strings.CutPrefix(key, "-"); ok {
			key, r.Value = gone, nil
		}
		if r.Key = []byte(key); key == "" {
			r.Key = nil
		}
		if err := b.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

func compactTopic(o *devbroker.Options) { o.Topics[0].Compact = true }

// kept runs Keys of the topic of a bed until the test stops them.
func (b *bed) kept(most int) (k *KeyTable, changes *atomic.Int64, stop func()) {
	return b.keptWith(func(c *KeyTableConfig) { c.MaxKeys = most })
}

func (b *bed) keptWith(
	change func(*KeyTableConfig),
) (k *KeyTable, changes *atomic.Int64, stop func()) {
	changes = new(atomic.Int64)
	c := KeyTableConfig{
		Client:      b.clientConfig(),
		Topic:       b.topic,
		LoadTimeout: time.Minute,
		Logger:      b.logger(),
		OnChange:    func() { changes.Add(1) },
	}
	change(&c)
	k = NewKeyTable(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	return k, changes, func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

// waitKeys waits until the keys are known to be these.
func (b *bed) waitKeys(k *KeyTable, want ...string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("that the keys are %v", want), func() bool {
		keys, known := k.Keys()
		return known && slices.Equal(keys, want) && k.Err() == nil
	})
}

// The keys of a topic are what was written and not taken away since, from the moment on when it was
// read to its end, and soon after whenever something is written.
func TestKeys(t *testing.T) {
	everywhere(t, 2, func(b *bed) {
		put(b, 0, "ann", "bob", "cid", "-bob", "")
		put(b, 1, "dan", "-unknown")
		k, changes, stop := b.kept(100)
		b.waitKeys(k, "ann", "cid", "dan")
		if n := changes.Load(); n != 1 {
			t.Errorf("at the start %d changes are notified", n)
		}
		put(b, 1, "bob", "-dan", "bob")
		b.waitKeys(k, "ann", "bob", "cid")
		b.moment()
		before := changes.Load()
		put(b, 0, "ann", "-unknown")
		b.moment()
		if n := changes.Load(); n != before {
			t.Errorf("%d changes are notified that are none", n-before)
		}
		stop()
		read, err := ReadKeyTable(
			context.Background(),
			KeyTableConfig{
				Client:      b.clientConfig(),
				Topic:       b.topic,
				MaxKeys:     100,
				LoadTimeout: time.Minute,
				Logger:      b.logger(),
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		if keys, _ := read.Keys(); read.Rejected() != 0 ||
			!slices.Equal(keys, []string{"ann", "bob", "cid"}) {
			t.Errorf("read once: %v, %d", keys, read.Rejected())
		}
	})
}

// A topic that was compacted has the same keys, and one that was deleted and created again has
// those that it has now.
func TestKeysOfACompactedTopic(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		put(b, 0, "ann", "bob", "-bob", "cid")
		k, _, stop := b.kept(100)
		b.waitKeys(k, "ann", "cid")
		time.Sleep(2 * tableCheckInterval) // the broker compacts
		put(b, 0, "-ann")
		b.waitKeys(k, "cid")
		stop()
		k, _, stop = b.kept(100)
		b.waitKeys(k, "cid")
		if _, err := b.admin.DeleteTopic(context.Background(), b.topic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if keys, known := k.Keys(); !known || !slices.Equal(keys, []string{"cid"}) {
			t.Errorf("when the topic is gone the keys are %v", keys)
		}
		if err := b.broker.CreateTopic(devbroker.Topic{Name: b.topic, Compact: true}); err != nil {
			t.Fatal(err)
		}
		b.client.Close()
		b.open() // this one does not remember the topic that is gone
		put(b, 0, "dan")
		b.waitKeys(k, "dan")
		stop()
	}, compactTopic)
}

// More keys than there may be are refused, and counted; those there are stay, and when there is
// room again the topic is read anew; but not for a key that is too long.
func TestKeysAreBounded(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		for i := range 7 {
			put(b, 0, fmt.Sprint("k", i))
		}
		put(b, 0, strings.Repeat("x", maxKeyBytes+1))
		k, changes, stop := b.kept(5)
		b.waitKeys(k, "k0", "k1", "k2", "k3", "k4")
		if k.Rejected() != 3 {
			t.Errorf("%d are refused", k.Rejected())
		}
		put(b, 0, "-k0", "-k1")
		b.waitKeys(k, "k2", "k3", "k4", "k5", "k6")
		if k.Rejected() != 1 {
			t.Errorf("when there is room %d are refused", k.Rejected())
		}
		put(b, 0, "-k2")
		b.waitKeys(k, "k3", "k4", "k5", "k6")
		before := changes.Load()
		time.Sleep(5 * tableCheckInterval)
		if n := changes.Load() - before; n != 0 {
			t.Errorf("for a key that is too long the topic is read anew %d times", n)
		}
		stop()
	}, compactTopic)
}

// A topic that is not there ends the reading with what was meant; a broker that is away is waited
// for; and an empty topic is read to its end.
func TestKeysThatCannotBeRead(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := KeyTableConfig{
			Client:      b.clientConfig(),
			Topic:       b.topic,
			MaxKeys:     5,
			LoadTimeout: time.Minute,
			Logger:      b.logger(),
		}
		k, err := ReadKeyTable(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if keys, known := k.Keys(); !known || len(keys) > 0 {
			t.Errorf("of an empty topic: %v", keys)
		}
		cfg.Topic = "aplication-logs"
		if err := NewKeyTable(cfg).Run(context.Background()); err == nil ||
			!strings.Contains(
				err.Error(),
				`topic "aplication-logs" does not exist; did you mean "application-logs"?`,
			) {
			t.Errorf("of a topic that is not there: %v", err)
		}
		cfg.Client.Brokers = []string{"127.0.0.1:9"}
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
		defer stop()
		k = NewKeyTable(cfg)
		if err := k.Run(ctx); err != nil {
			t.Errorf("of a broker that is away: %v", err)
		}
		if _, known := k.Keys(); known || k.Err() == nil {
			t.Errorf("of a broker that is away it is known %v, with the problem %v", known, k.Err())
		}
		if _, err := ReadKeyTable(ctx, cfg); err == nil {
			t.Error("they are read of a broker that is away")
		}
	})
}

// putValue writes a key with a value.
func putValue(b *bed, key, value string) {
	b.t.Helper()
	r := &kgo.Record{Topic: b.topic, Key: []byte(key), Value: []byte(value)}
	if err := b.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// The values of a table are bounded together, also when the topic has more at the start; what is
// refused for lack of room is read again when there is room. An empty value is a value.
func TestValuesAreBounded(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		for i := range 6 {
			putValue(b, fmt.Sprint("k", i), strings.Repeat("v", 30))
		}
		putValue(b, "long", strings.Repeat("v", maxValueBytes+1))
		k, changes, stop := b.keptValues(100, 100)
		b.waitKeys(k, "k0", "k1", "k2")
		if k.Rejected() != 4 {
			t.Errorf("%d are refused", k.Rejected())
		}
		putValue(b, "k0", "new")
		b.waitValue(k, "k0", "new")
		time.Sleep(2 * tableCheckInterval)
		b.waitKeys(k, "k0", "k1", "k2", "k3")
		if k.Rejected() != 3 {
			t.Errorf("when there is room %d are refused", k.Rejected())
		}
		before := changes.Load()
		time.Sleep(5 * tableCheckInterval)
		if n := changes.Load() - before; n != 0 {
			t.Errorf("without room the topic is read anew %d times", n)
		}
		putValue(b, "k1", "")
		b.waitValue(k, "k1", "")
		putValue(b, "empty", "")
		b.waitValue(k, "empty", "")
		stop()
	}, compactTopic)
}

// A table over its bound keeps the oldest values that fit, of whatever sizes, and the topic is not
// read again before there is more room than at the end of the reading.
func TestValuesOfUnequalSizes(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int
		kept  []string
	}{
		"in the middle":       {[]int{900, 300, 5}, []string{"k0", "k2"}},
		"before the end":      {[]int{900, 3200, 5}, []string{"k0", "k2"}},
		"small while reading": {[]int{600, 900, 900, 900, 698, 5}, []string{"k0"}},
	} {
		inBubble(t, 1, func(b *bed) {
			for i, size := range c.sizes {
				putValue(b, fmt.Sprint("k", i), strings.Repeat("v", size))
			}
			k, changes, stop := b.keptValues(100, 1000)
			b.waitKeys(k, c.kept...)
			before := changes.Load()
			time.Sleep(5 * tableCheckInterval)
			if n := changes.Load() - before; n != 0 {
				b.t.Errorf("%s: the topic is read anew %d times", name, n)
			}
			stop()
		}, compactTopic)
	}
}

// keptValues runs a KeyTable with values until the test stops it.
func (b *bed) keptValues(most, bytes int) (k *KeyTable, changes *atomic.Int64, stop func()) {
	return b.keptWith(func(c *KeyTableConfig) { c.MaxKeys, c.MaxValues = most, bytes })
}

func (b *bed) waitValue(k *KeyTable, key, want string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("that %s is %q", key, want), func() bool {
		values, known := k.Values()
		value, there := values[key]
		return known && there && value == want
	})
}
