package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// read returns the records of a topic, in the order of its partitions.
func (w *world) read(topic string) (list []*kgo.Record) {
	w.t.Helper()
	c, err := kgo.NewClient(append(slices.Clip(w.connect), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
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

// A topic and a file are notified of alerts beside everyone else; a restart tells them nothing
// twice.
func TestTopicAndFileAreNotified(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		file := filepath.Join(w.dir, "alerts.jsonl")
		both := func(p *process) {
			p.config.Notify.File, p.config.Notify.KafkaTopic = Path(file), "alerts"
		}
		r := w.start("data", both)
		w.errors(0, "pay", 11)
		time.Sleep(3 * time.Minute)
		r.end()
		r = w.start("data", both)
		w.errors(0, "cart", 11)
		time.Sleep(5 * time.Second)
		r.end()

		want(t, "the webhook", w.notices(), "firing cart", "firing pay", "resolved pay")
		var notified []string
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
			notified = append(notified, n.State+" "+n.Labels["service"])
		}
		want(t, "the topic", notified, "firing pay", "resolved pay", "firing cart")
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
			t.Errorf("at first %d are notified", n)
		}
		if err := w.broker.Cluster().DeleteTopic("alerts"); err != nil {
			t.Fatal(err)
		}
		w.errors(0, "cart", 11)
		time.Sleep(2 * time.Minute)
		notified := map[string]bool{}
		for _, record := range w.read("alerts") {
			notified[string(record.Value)] = true
		}
		if !strings.Contains(fmt.Sprint(notified), `"service":"cart"`) {
			t.Errorf("after it was deleted %v is notified", notified)
		}
		r.end()
	})
}

// A missing right to write to the topic of alerts or of recorded values is named at the start,
// before there is anything to write. Once it is granted, what waits is written.
func TestTopicsWithoutWrite(t *testing.T) {
	acl := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{
			Resource:  resource,
			Name:      name,
			Pattern:   kmsg.ACLResourcePatternTypeLiteral,
			Operation: operation,
			Allow:     true,
		}
	}
	inWorld(t, 1, func(w *world) {
		r := w.start("data", func(p *process) {
			p.config.Kafka.SASL = SASLConfig{Mechanism: "PLAIN", Username: "app", Password: "hush"}
			p.config.Kafka.RecordsTopic, p.config.Notify.KafkaTopic = "values", "alerts"
		})
		health := func() string { return fmt.Sprint(r.topics.health()) }
		for _, topic := range []string{"alerts", "values"} {
			want := fmt.Sprintf("topic %q may not be written (allow WRITE on it", topic)
			if got := health(); !strings.Contains(got, want) ||
				!strings.Contains(r.out.String(), topic) {
				t.Errorf("/readyz says %s\n%s", got, r.out.String())
			}
		}
		w.errors(0, "pay", 11)
		time.Sleep(time.Minute)
		if n := len(w.read("alerts")); n != 0 {
			t.Errorf("%d alerts were written without the right", n)
		}
		grant := kadm.NewACLs().Topics("alerts", "values").Operations(kadm.OpWrite).
			Allow("User:app").AllowHosts().ResourcePatternType(kadm.ACLPatternLiteral)
		if _, err := kadm.NewClient(w.producer).CreateACLs(context.Background(),
			grant); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := len(w.read("alerts")); n != 2 {
			t.Errorf("%d alerts were written with the right, not that it fires and is resolved", n)
		}
		if got := health(); got != "<nil>" {
			t.Errorf("/readyz says %s", got)
		}
		r.end()
	}, func(o *devbroker.Options) {
		o.Topics = append(o.Topics, devbroker.Topic{Name: "alerts"},
			devbroker.Topic{Name: "values"})
		o.Users = []devbroker.User{{Mechanism: "PLAIN", Name: "admin", Password: "hush"}}
		o.Extra = []kfake.Opt{
			kfake.EnableACLs(),
			kfake.User("PLAIN", "app", "hush",
				acl(kmsg.ACLResourceTypeTopic, worldTopic, kmsg.ACLOperationRead),
				acl(kmsg.ACLResourceTypeTopic, "alerts", kmsg.ACLOperationDescribe),
				acl(kmsg.ACLResourceTypeGroup, "log-monitoring-group", kmsg.ACLOperationRead),
			),
		}
	})
}

// What we write ourselves is not read as logs: alerts would be about themselves.
func TestOurTopicsAreNotRead(t *testing.T) {
	f := func(change func(c *Config), want string) {
		t.Helper()
		c := DefaultConfig()
		c.Notify.KafkaTopic, c.Kafka.RecordsTopic = "alerts", "values"
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
		func(c *Config) {
			c.Kafka.TopicPatterns, c.Kafka.Topics = []string{"^val"}, []string{"values"}
		},
		"",
	)
}
