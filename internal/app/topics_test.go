package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// read returns the records of a topic, in the order of its partitions.
func (w *world) read(topic string) (list []*kgo.Record) {
	w.t.Helper()
	c, err := kgo.NewClient(
		kgo.SeedBrokers(brokerAddr),
		kgo.Dialer(w.network.DialContext),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		list = append(list, c.PollFetches(ctx).Records()...)
	}
	return list
}

// A topic and a file are told of alerts beside everybody else; a restart tells them nothing twice.
func TestTopicAndFileAreTold(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		file := filepath.Join(w.dir, "alerts.jsonl")
		both := func(p *process) { p.config.Notify.File, p.config.Notify.KafkaTopic = Path(file), "alerts" }
		r := w.start("data", both)
		w.errors(0, "pay", 11)
		time.Sleep(3 * time.Minute)
		r.end()
		r = w.start("data", both)
		w.errors(0, "cart", 11)
		time.Sleep(5 * time.Second)
		r.end()

		want(t, "the webhook", w.notices(), "firing cart", "firing pay", "resolved pay")
		var told []string
		for _, record := range w.read("alerts") {
			var n struct {
				AlertID string `json:"alert_id"`
				State   string
				Labels  map[string]string
			}
			if err := json.Unmarshal(record.Value, &n); err != nil ||
				string(record.Key) != n.AlertID {
				t.Errorf("%s: %s: %v", record.Key, record.Value, err)
			}
			told = append(told, n.State+" "+n.Labels["service"])
		}
		want(t, "the topic", told, "firing pay", "resolved pay", "firing cart")
		text, err := os.ReadFile(file)
		if err != nil || strings.Count(string(text), "\n") != 3 {
			t.Errorf("the file: %v\n%s", err, text)
		}
	})
}

// A topic that is deleted while we run is made anew, and gets what comes then.
func TestTopicIsMadeAnew(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data", func(p *process) { p.config.Notify.KafkaTopic = "alerts" })
		w.errors(0, "pay", 11)
		time.Sleep(5 * time.Second)
		if n := len(w.read("alerts")); n != 1 {
			t.Errorf("at first %d are told", n)
		}
		if err := w.broker.Cluster().DeleteTopic("alerts"); err != nil {
			t.Fatal(err)
		}
		w.errors(0, "cart", 11)
		time.Sleep(2 * time.Minute)
		told := map[string]bool{}
		for _, record := range w.read("alerts") {
			told[string(record.Value)] = true
		}
		if !strings.Contains(fmt.Sprint(told), `"service":"cart"`) {
			t.Errorf("after it was deleted %v is told", told)
		}
		r.end()
	})
}

// What we write ourselves is not read as logs: alerts would be about themselves.
func TestOurTopicsAreNotRead(t *testing.T) {
	f := func(change func(c *Config), want string) {
		t.Helper()
		c := DefaultConfig()
		c.Notify.KafkaTopic, c.Kafka.RecordsTopic, c.Kafka.RecordKey = "alerts", "values", []string{
			"service",
		}
		change(&c)
		if err := c.Validate(); (err == nil) != (want == "") ||
			err != nil && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(c *Config) {}, "")
	f(func(c *Config) { c.Kafka.Topics = []string{"logs", "alerts"} }, "also read")
	f(func(c *Config) { c.Kafka.TopicPatterns = []string{"^al"} }, "also read")
	f(func(c *Config) { c.Kafka.DeadLetterTopic = "alerts" }, "name another")
	f(
		func(c *Config) { c.Kafka.TopicPatterns = []string{"^val"} },
		`"values" is also read, by the pattern "^val"; narrow`,
	)
	f(
		func(c *Config) { c.Kafka.TopicPatterns, c.Kafka.Topics = []string{"^val"}, []string{"values"} },
		"",
	)
	f(func(c *Config) { c.Kafka.Topics = []string{c.Kafka.changelog()} }, `.changelog" is also read`)
	f(func(c *Config) { c.Kafka.TopicPatterns = []string{"handover"} }, "")
	c := DefaultConfig()
	c.Kafka.Group, c.Kafka.RecordKey, c.Kafka.TopicPatterns = "shop", []string{
		"service",
	}, []string{
		".",
	}
	if got := c.source().Exclude; got != "shop.changelog" {
		t.Errorf("patterns do not mean %q", got)
	}
}
