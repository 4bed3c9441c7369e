package app

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

//go:embed demo/shop.rules.yml
var shopRules []byte

// DemoOptions configure the demo.
type DemoOptions struct {
	Rate       float64       // logs per second without scenarios
	Duration   time.Duration // 0 for until stopped
	Seed       uint64        // of the workload
	BrokerOnly bool          // only the broker
	Topics     []string      // topics to create and to read, besides the workload's
	Broker     string        // address of the Kafka
	Listen     string        // address of pages, metrics and API
	Rules      []string      // files instead of the shop's rules
	WebhookURL string
}

// maxDemoRate is more than one process can write, evaluate and show.
const maxDemoRate = 1_000_000

// DefaultDemoOptions are the defaults of the demo.
func DefaultDemoOptions() DemoOptions {
	return DemoOptions{Rate: 300, Seed: 1, Broker: "127.0.0.1:19092", Listen: "127.0.0.1:8080"}
}

// Demo is Run against an embedded broker with a demo workload. It leaves no files.
func Demo(ctx context.Context, o DemoOptions, t Terminal) (err error) {
	if !(o.Rate > 0 && o.Rate <= maxDemoRate) {
		return fmt.Errorf("--rate: %v is out of range; use 300, and at most %d logs per second",
			o.Rate, maxDemoRate)
	}
	if o.Duration < 0 {
		return fmt.Errorf("--duration: %s is negative; use 30s, or 0 to run until stopped",
			o.Duration)
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	c := o.config(DefaultConfig().Kafka.Brokers[0], "data") // the port may not be chosen yet
	c.origins = map[string]string{
		"topic": "--topic", "listen": "--listen", "webhook-url": "--webhook-url",
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if _, err := o.rules(&Config{}); err != nil {
		return err
	}
	// What is kept of the logs is enough to look back for a while, and bounds the demo's memory.
	broker, err := devbroker.Start(
		devbroker.Options{Addr: o.Broker, Topics: o.brokerTopics(), AutoCreate: true},
	)
	if err != nil {
		return portHint(err, "--broker 127.0.0.1:0")
	}
	defer broker.Close()
	if o.BrokerOnly {
		o.describeBroker(t, broker.Addr())
		<-ctx.Done()
		return nil
	}
	dir, err := os.MkdirTemp("", "alert-engine-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := newProcess(o.config(broker.Addr(), dir), t)
	p.rules, p.ruleFile = o.rules, o.ruleFile
	p.started = func(pages string) { o.describe(t, broker.Addr(), pages) }
	p.beside = func(ctx context.Context) error { return o.write(ctx, broker.Addr()) }
	p.load = func() (*Config, error) { return p.config, nil } // the rules are read again
	if err := p.run(ctx); err != nil {
		return err
	}
	o.summarize(t, p)
	return nil
}

// brokerTopics are the topics to create: the workload's, unless only others are wanted.
func (o DemoOptions) brokerTopics() []devbroker.Topic {
	var list []devbroker.Topic
	for _, name := range o.topics() {
		list = append(list, devbroker.Topic{Name: name, Partitions: 4, RetentionBytes: 16 << 20})
	}
	return list
}

func (o DemoOptions) topics() []string {
	if o.BrokerOnly && len(o.Topics) > 0 {
		return o.Topics
	}
	return append([]string{demoTopic}, o.Topics...)
}

// rules are the files that were asked for, or the shop's, and those that were written on the pages.
func (o DemoOptions) rules(c *Config) (*rule.Set, error) {
	if len(o.Rules) > 0 {
		own := Config{DataDir: c.DataDir}
		for _, file := range o.Rules {
			own.Rules = append(own.Rules, Path(file))
		}
		return loadRules(&own)
	}
	files := []rule.File{{Name: shopRulesName, Data: shopRules}}
	for _, name := range c.ownRuleFiles() {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, rule.File{Name: name, Data: text})
	}
	return rule.ReadAll(files...)
}

// shopRulesName is what the shop's rules are called, though they are in no file.
const shopRulesName = "shop.rules.yml"

// ruleFile is the text of a rule file.
func (o DemoOptions) ruleFile(name string) ([]byte, error) {
	if len(o.Rules) == 0 && name == shopRulesName {
		return shopRules, nil
	}
	return os.ReadFile(name)
}

// config is that of a run against the demo's Kafka.
func (o DemoOptions) config(broker, dir string) *Config {
	c := DefaultConfig()
	c.Kafka.Brokers, c.Kafka.Topics = []string{broker}, o.topics()
	c.Kafka.Group, c.Kafka.Start = "alert-engine-demo", StartBeginning
	c.Kafka.DeadLetterTopic = deadTopic
	c.Notify.Terminal, c.Notify.WebhookURL = true, Secret(o.WebhookURL)
	c.Web.Listen, c.DataDir = o.Listen, Path(dir)
	if err := c.Log.Level.UnmarshalText([]byte("error")); err != nil {
		panic(err) // it is a level
	}
	return &c
}

// deadTopic is where the demo's records go that cannot be read.
const deadTopic = demoTopic + "-dead"

// brokenRecord is truncated compressed data. It shows rejections and dead letters.
var brokenRecord = []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\xcaH\xcd\xc9\xc9")

// write lets the shop write its logs until ctx is done.
func (o DemoOptions) write(ctx context.Context, broker string) error {
	w, err := kafka.NewProducer(
		kafka.ClientConfig{Brokers: []string{broker}},
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		return err
	}
	defer w.Close()
	shop := NewWorkload(o.Seed, time.Now(), o.Rate)
	broken := time.Now().Add(5 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, l := range shop.Until(now) {
				w.Produce(ctx, l.record())
			}
			if now.After(broken) {
				w.Produce(
					ctx,
					models.Record{
						Topic:     demoTopic,
						Timestamp: now,
						Key:       []byte("old-agent"),
						Value:     brokenRecord,
					},
				)
				broken = now.Add(time.Minute)
			}
		}
	}
}

func (o DemoOptions) describeBroker(t Terminal, broker string) {
	topic := o.topics()[0]
	fmt.Fprintf(
		t.Out,
		"An embedded Kafka broker listens on %s until you stop it. Topics: %s, and any that you "+
			"write to.\n",
		broker,
		strings.Join(o.topics(), ", "),
	)
	fmt.Fprintf(t.Out, "  read   alert-engine run --brokers %s --topic %s --rules my.rules.yml\n",
		broker, topic)
	fmt.Fprintf(t.Out, "  write  %s\n", kcat(broker, topic))
}

func (o DemoOptions) describe(t Terminal, broker, pages string) {
	fmt.Fprintf(
		t.Out,
		"Services of a web shop write about %.0f logs per second to an embedded Kafka broker. "+
			"Problems occur every minute.\n",
		o.Rate,
	)
	if pages != "" {
		fmt.Fprintf(t.Out, "  pages   %s\n", pages)
	}
	topics := o.topics()
	fmt.Fprintf(t.Out, "  write   %s\n", kcat(broker, topics[len(topics)-1]))
	fmt.Fprintf(t.Out, "  stop    Ctrl-C\n\n")
}

// summarize prints what happened.
func (o DemoOptions) summarize(t Terminal, p *process) {
	fired := int64(0)
	for _, r := range p.state.Rules() {
		fired += r.Fired
	}
	fmt.Fprintf(t.Out, "\nStopped. Logs read: %d; alerts fired: %d.\n",
		p.source.Stats().Logs, fired)
}

// kcat is the command that writes a log of one's own.
func kcat(broker, topic string) string {
	return fmt.Sprintf(
		`echo '{"level":"ERROR","service":"mine","message":"boom"}' | kcat -b %s -t %s -P`,
		broker, topic)
}
