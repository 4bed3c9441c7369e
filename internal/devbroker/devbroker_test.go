package devbroker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func start(t *testing.T, o Options) *Broker {
	t.Helper()
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// produce writes values to partition 0 of a topic.
func produce(t *testing.T, topic string, values []string, opts ...kgo.Opt) {
	t.Helper()
	client, err := kgo.NewClient(
		append(opts, kgo.DefaultProduceTopic(topic),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range values {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// consume reads n values from the start of a topic.
func consume(t *testing.T, topic string, n int, opts ...kgo.Opt) []string {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d values: %v", len(values), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// What is produced can be consumed, over any client.
func TestProduceAndConsume(t *testing.T) {
	b := start(t, Options{Topics: []Topic{{Name: "logs", Partitions: 3}}})
	produce(t, "logs", []string{"a", "b"}, kgo.SeedBrokers(b.Addr()))
	if got := consume(t, "logs", 2, kgo.SeedBrokers(b.Addr())); strings.Join(got, "") != "ab" {
		t.Errorf("got %q", got)
	}
	if n := len(b.Cluster().PartitionInfos("logs")); n != 3 {
		t.Errorf("the topic has %d partitions", n)
	}
}

// A producer creates the topic that it writes to; names that are not valid, and too many, are
// refused.
func TestProducersCreateTopics(t *testing.T) {
	b := start(t, Options{AutoCreate: true})
	seeds := []kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.AllowAutoTopicCreation()}
	produce(t, "mine", []string{"a", "b"}, seeds...)
	if got := consume(t, "mine", 2, seeds...); got[1] != "b" {
		t.Errorf("consumed %q", got)
	}
	f := func(topic string, want bool) {
		t.Helper()
		client, err := kgo.NewClient(append(seeds, kgo.UnknownTopicRetries(0))...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err = client.ProduceSync(ctx, &kgo.Record{Topic: topic}).FirstErr()
		if (err == nil) != want || (b.Cluster().TopicInfo(topic) != nil) != want {
			t.Errorf("topic %q: %v", topic, err)
		}
	}
	f("a/b", false)
	for i := range maxAutoCreate - 1 {
		f(fmt.Sprint("t", i), true)
	}
	f("one-more", false)
}

// In fake time, over a virtual network.
func TestVirtualNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		b, err := Start(
			Options{
				Addr:   "127.0.0.1:9092",
				Listen: network.Listen,
				Topics: []Topic{{Name: "logs"}},
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		opts := []kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.Dialer(network.DialContext)}
		produce(t, "logs", []string{"a"}, opts...)
		if got := consume(t, "logs", 1, opts...); got[0] != "a" {
			t.Errorf("got %q", got)
		}
		b.Close()
	})
}

// A second broker on the same port says so, in a way that a program can tell from other errors.
func TestInUse(t *testing.T) {
	b := start(t, Options{})
	_, err := Start(Options{Addr: b.Addr()})
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.Addr != b.Addr() {
		t.Errorf("got %v", err)
	}
	for _, addr := range []string{"localhost", "localhost:kafka"} {
		if _, err := Start(Options{Addr: addr}); err == nil || errors.As(err, &inUse) ||
			!strings.Contains(err.Error(), "try ") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// With a data directory, records survive the broker.
func TestDataDir(t *testing.T) {
	o := Options{DataDir: t.TempDir(), Topics: []Topic{{Name: "logs"}}}
	first := start(t, o)
	produce(t, "logs", []string{"a"}, kgo.SeedBrokers(first.Addr()))
	first.Close()
	second := start(t, o)
	produce(t, "logs", []string{"b"}, kgo.SeedBrokers(second.Addr()))
	if got := consume(t, "logs", 2, kgo.SeedBrokers(second.Addr())); strings.Join(got, "") != "ab" {
		t.Errorf("got %q", got)
	}
}

// A topic keeps at most what it is set to.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		b, err := Start(
			Options{
				Addr:   "127.0.0.1:9092",
				Listen: network.Listen,
				Topics: []Topic{{Name: "logs", RetentionBytes: 100_000}},
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		values := make([]string, 100)
		for i := range values {
			values[i] = fmt.Sprintf("%010000d", i)
		}
		produce(t, "logs", values, kgo.SeedBrokers(b.Addr()), kgo.Dialer(network.DialContext),
			kgo.ProducerBatchCompression(kgo.NoCompression()))
		time.Sleep(compactEvery + time.Second)
		p := b.Cluster().PartitionInfo("logs", 0)
		if kept := p.HighWatermark - p.LogStartOffset; p.HighWatermark != 100 || kept < 5 ||
			kept > 11 {
			t.Errorf("%d records are kept of %d", kept, p.HighWatermark)
		}
	})
}

// Only those with a password come in.
func TestUsers(t *testing.T) {
	b := start(t, Options{Users: []User{{"PLAIN", "me", "hush"}}, Topics: []Topic{{Name: "logs"}}})
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err == nil {
		t.Error("a client without a password was let in")
	}
}

// Whatever a stranger sends, the broker continues for everyone else.
func TestGuard(t *testing.T) {
	b := start(t, Options{Topics: []Topic{{Name: "logs"}}})
	frame := func(size uint32, key, version int16) string {
		head := binary.BigEndian.AppendUint32(nil, size)
		head = binary.BigEndian.AppendUint16(head, uint16(key))
		return string(binary.BigEndian.AppendUint16(head, uint16(version)))
	}
	f := func(what, sent string) {
		t.Helper()
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, sent)
		if n, err := c.Read(make([]byte, 1)); err == nil || n > 0 ||
			errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: the connection was not closed: %d bytes, %v", what, n, err)
		} else if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
			t.Errorf("%s: the connection stayed open", what)
		}
	}
	f("a browser", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	f("an unknown key", frame(8, 999, 0)+"\x00\x00\x00\x00")
	f("a negative key", frame(8, -1, 0)+"\x00\x00\x00\x00")
	f("an unknown version", frame(8, 3, 999)+"\x00\x00\x00\x00")
	f("a negative version", frame(8, 18, -1)+"\x00\x00\x00\x00")
	f("an enormous frame", frame(1<<31, 0, 3))
	f("an empty frame", frame(0, 0, 0))
	f("nonsense within a frame", frame(12, 1, 11)+"\xff\xff\xff\xff\xff\xff\xff\xff")
	produce(t, "logs", []string{"a"}, kgo.SeedBrokers(b.Addr()))
}
