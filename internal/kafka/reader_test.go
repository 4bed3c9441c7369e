package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// read are the records that a reader yields, as a notebook would call them.
func read(b *bed, cfg ReaderConfig) []string {
	b.t.Helper()
	cfg.Client, cfg.Topics = b.clientConfig(), []string{b.topic}
	var list []string
	for r, err := range NewReader(cfg).Records(context.Background()) {
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%d/%d", r.Partition, r.Offset))
	}
	return list
}

// A topic is read from a time, an offset, or so many records before its end, up to where it ends
// now; and it leaves no trace in any group.
func TestReader(t *testing.T) {
	everywhere(t, 2, func(b *bed) {
		began := time.Now().Add(-time.Hour)
		for i := range 10 {
			b.produceAt(0, began.Add(time.Duration(i)*time.Minute), fmt.Sprint(i))
		}
		b.produceAt(1, began.Add(3*time.Minute), "other")
		f := func(what string, cfg ReaderConfig, want []string) {
			t.Helper()
			if got := read(b, cfg); !slices.Equal(slices.Sorted(slices.Values(got)),
				slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: got %v, want %v", what, got, want)
			}
		}
		f("everything", ReaderConfig{}, append(offsets(0, 0, 10), "1/0"))
		f("from a time", ReaderConfig{From: began.Add(5 * time.Minute)}, offsets(0, 5, 10))
		f(
			"a span of time",
			ReaderConfig{From: began.Add(2 * time.Minute), Until: began.Add(5 * time.Minute)},
			append(offsets(0, 2, 5), "1/0"),
		)
		f(
			"from an offset",
			ReaderConfig{Offsets: map[models.Partition]int64{{Topic: b.topic, Partition: 0}: 7}},
			offsets(0, 7, 10),
		)
		f(
			"up to offsets",
			ReaderConfig{Ends: map[models.Partition]int64{{Topic: b.topic, Partition: 0}: 3}},
			offsets(0, 0, 3),
		)
		f("between offsets", ReaderConfig{
			Offsets: map[models.Partition]int64{
				{Topic: b.topic, Partition: 0}: 4,
				{Topic: b.topic, Partition: 1}: 1,
			},
			Ends: map[models.Partition]int64{
				{Topic: b.topic, Partition: 0}: 6,
				{Topic: b.topic, Partition: 1}: 1,
			},
		}, offsets(0, 4, 6))
		f("the last ones", ReaderConfig{Last: 2}, append(offsets(0, 8, 10), "1/0"))
		f("the last ones of a span", ReaderConfig{Last: 7, From: began.Add(5 * time.Minute)},
			offsets(0, 5, 10))
		f(
			"the last ones of a longer span",
			ReaderConfig{Last: 2, From: began.Add(3 * time.Minute)},
			append(offsets(0, 8, 10), "1/0"),
		)
		f("from a time to come", ReaderConfig{From: time.Now().Add(time.Hour)}, nil)
		groups, err := b.admin.ListGroups(context.Background())
		if _, there := groups[b.group]; there || err != nil {
			t.Errorf("there are groups: %v, %v", groups.Groups(), err)
		}
	})
}

// Following, what comes in is shown until no one looks any more.
func TestFollow(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		b.numbered(0, 0, 5)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			b.moment()
			b.numbered(0, 5, 8)
		}()
		var list []string
		for r, err := range NewReader(ReaderConfig{Client: b.clientConfig(),
			Topics: []string{b.topic}, Follow: true}).Records(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if list = append(list, fmt.Sprintf("%d/%d", r.Partition, r.Offset)); len(list) == 3 {
				cancel()
			}
		}
		wantSeen(t, list, offsets(0, 5, 8))
	})
}

// A topic that does not exist is an error that names it.
func TestReadNothing(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		reader := NewReader(
			ReaderConfig{Client: b.clientConfig(), Topics: []string{"aplication-logs"}},
		)
		const want = `topic "aplication-logs" does not exist; did you mean "application-logs"?`
		for _, err := range reader.Records(context.Background()) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
		}
		if _, err := reader.Partitions(context.Background()); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("of its partitions: %v", err)
		}
	})
}

// Topics are read by pattern, those too that appear later and but for the dead letters and what
// else is excluded; and metrics tell of each partition.
func TestPatterns(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		registry := prometheus.NewRegistry()
		cfg := b.sourceConfig()
		cfg.Topics, cfg.Patterns, cfg.DeadLetterTopic, cfg.Registerer, cfg.Start = nil, []string{
			"^application-.*",
		}, "application-dead", registry, StartEnd
		cfg.Exclude = []string{"application-handover"}
		engine := newNotebook()
		s, r := started(b, cfg, engine)
		b.waitCommitted(0, 0)
		for _, name := range []string{"application-later", "application-handover"} {
			if err := b.broker.CreateTopic(devbroker.Topic{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		b.produce(0, "first", "bad one")
		b.topic = "application-later"
		b.produce(0, "second") // before anyone knows of the topic
		b.waitSeen(engine.seen, []string{"0/0", "0/0"})
		if n := len(s.Stats().Partitions); n != 2 {
			t.Errorf("there are %d partitions", n)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range families {
			names = append(names, f.GetName())
		}
		for _, want := range []string{
			"alert_engine_kafka_messages_total", "alert_engine_kafka_consumer_lag",
			"alert_engine_kafka_consumer_lag_seconds", "alert_engine_kafka_rejected_total",
		} {
			if !slices.Contains(names, want) {
				t.Errorf("there is no metric %s in %v", want, names)
			}
		}
		r.stop()
		if families, _ := registry.Gather(); len(families) > 0 {
			t.Error("the metrics outlive the source")
		}
	})
}

// A static member that comes back at once has its share again, and every record is evaluated once.
func TestStaticMember(t *testing.T) {
	inBubble(t, 2, func(b *bed) {
		first, second := newNotebook(), newNotebook()
		cfg := func(name string) SourceConfig {
			c := b.sourceConfig()
			c.InstanceID = name
			return c
		}
		_, r1 := started(b, cfg("one"), first)
		s2, r2 := started(b, cfg("two"), second)
		b.moment()
		r1.stop()
		b.moment()
		again := newNotebook()
		s1, r1 := started(b, cfg("one"), again)
		b.moment()
		if one, two := s1.Stats().Partitions, s2.Stats().Partitions; len(one) != 1 ||
			len(two) != 1 {
			t.Errorf("partitions are %+v and %+v", one, two)
		}
		b.numbered(0, 0, 3)
		b.numbered(1, 0, 3)
		b.waitSeen(
			func() []string { return append(again.seen(), second.seen()...) },
			append(offsets(0, 0, 3), offsets(1, 0, 3)...),
		)
		r1.stop()
		r2.stop()
	})
}
