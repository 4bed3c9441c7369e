package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

// The keys of a topic are what was written and not taken away since, from the moment on when it was read to its end, and soon after whenever something is written.
func TestKeys(t *testing.T) {
	inBubble(t, 2, func(b *bed) {
		put(b, 0, "ann", "bob", "cid", "-bob", "")
		put(b, 1, "dan", "-nobody")
		changes := 0
		k := NewKeys(KeysConfig{Client: b.clientConfig(), Topic: b.topic, Most: 100, Within: time.Minute, Logger: b.logger(), Changed: func() { changes++ }})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		f := func(what string, want ...string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			if keys, known := k.Now(); !known || !slices.Equal(keys, want) || k.Problem() != nil {
				t.Errorf("%s: %v (%v, %v), want %v", what, keys, known, k.Problem(), want)
			}
		}
		f("at the start", "ann", "cid", "dan")
		put(b, 1, "bob", "-dan", "bob")
		f("while it runs", "ann", "bob", "cid")
		before := changes
		put(b, 0, "ann", "-nobody")
		f("nothing new", "ann", "bob", "cid")
		if changes != before {
			t.Errorf("%d changes are told that are none", changes-before)
		}
		time.Sleep(10 * time.Minute) // the broker compacts
		put(b, 0, "-ann")
		f("after a compaction", "bob", "cid")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		keys, refused, err := ReadKeys(context.Background(), KeysConfig{Client: b.clientConfig(), Topic: b.topic, Most: 100, Within: time.Minute, Logger: b.logger()})
		if err != nil || refused != 0 || !slices.Equal(keys, []string{"bob", "cid"}) {
			t.Errorf("read once: %v, %d, %v", keys, refused, err)
		}
	}, compactTopic)
}

// More keys than there may be are refused, and counted; those there are stay, and when there is room again the topic is read anew.
func TestKeysAreBounded(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		for i := range 7 {
			put(b, 0, fmt.Sprint("k", i))
		}
		put(b, 0, strings.Repeat("x", longestKey+1))
		k := NewKeys(KeysConfig{Client: b.clientConfig(), Topic: b.topic, Most: 5, Within: time.Minute, Logger: b.logger()})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(5 * time.Second)
		if keys, _ := k.Now(); !slices.Equal(keys, []string{"k0", "k1", "k2", "k3", "k4"}) || k.Refused() != 3 {
			t.Errorf("%v, %d refused", keys, k.Refused())
		}
		put(b, 0, "-k0", "-k1")
		time.Sleep(2 * keysAgain)
		if keys, _ := k.Now(); !slices.Equal(keys, []string{"k2", "k3", "k4", "k5", "k6"}) || k.Refused() != 1 {
			t.Errorf("when there is room: %v, %d refused", keys, k.Refused())
		}
		stop()
		<-done
	}, compactTopic)
}

// A topic that is not there ends the reading with what was meant; a broker that is away is waited for; and an empty topic is read to its end.
func TestKeysThatCannotBeRead(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := KeysConfig{Client: b.clientConfig(), Topic: b.topic, Most: 5, Within: time.Minute, Logger: b.logger()}
		if keys, _, err := ReadKeys(context.Background(), cfg); err != nil || len(keys) > 0 {
			t.Errorf("of an empty topic: %v, %v", keys, err)
		}
		cfg.Topic = "aplication-logs"
		if err := NewKeys(cfg).Run(context.Background()); err == nil || !strings.Contains(err.Error(), `topic "aplication-logs" does not exist; did you mean "application-logs"?`) {
			t.Errorf("of a topic that is not there: %v", err)
		}
		cfg.Client.Brokers = []string{"127.0.0.1:9"}
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
		defer stop()
		k := NewKeys(cfg)
		if err := k.Run(ctx); err != nil {
			t.Errorf("of a broker that is away: %v", err)
		}
		if _, known := k.Now(); known || k.Problem() == nil {
			t.Errorf("of a broker that is away it is known %v, with the problem %v", known, k.Problem())
		}
		if _, _, err := ReadKeys(ctx, cfg); err == nil {
			t.Error("they are read of a broker that is away")
		}
	})
}
