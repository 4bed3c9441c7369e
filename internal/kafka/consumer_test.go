package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// judge is an engine with one method, which may fail.
type judge struct {
	mu       sync.Mutex
	messages []string
	failing  func(models.LogEntry) bool // panics then
	slow     time.Duration
	running  int
	most     int // goroutines at once
}

func (j *judge) EvaluateLog(l models.LogEntry) {
	j.mu.Lock()
	j.running++
	j.most = max(j.most, j.running)
	failing := j.failing != nil && j.failing(l)
	j.mu.Unlock()
	if j.slow > 0 {
		time.Sleep(j.slow)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running--
	if failing {
		panic("the engine is ill")
	}
	j.messages = append(j.messages, l.Message)
}

func (j *judge) seen() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.messages...)
}

func (j *judge) fail(when func(models.LogEntry) bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failing = when
}

func always(models.LogEntry) bool { return true }

// jury is an engine that takes batches.
type jury struct {
	judge
	batches [][]string
	err     error
}

func (j *jury) EvaluateBatch(_ context.Context, entries []models.LogEntry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	var batch []string
	for _, e := range entries {
		if j.failing != nil && j.failing(e) {
			return errors.New("the jury disagrees on " + e.Message)
		}
		batch = append(batch, e.Message)
	}
	j.batches = append(j.batches, batch)
	j.messages = append(j.messages, batch...)
	return nil
}

func (b *bed) consumerConfig() ConsumerConfig {
	c := DefaultConsumerConfig()
	c.Brokers, c.Topic, c.GroupID, c.MinBytes, c.dial = b.brokers, b.topic, b.group, 1, b.dial
	return c
}

// processorConfig does not pause long where time is real.
func (b *bed) processorConfig() ProcessorConfig {
	c := DefaultProcessorConfig()
	c.ConsumerConfig = b.consumerConfig()
	if b.broker == nil {
		c.RetryDelay = 50 * time.Millisecond
	}
	return c
}

// named are the messages of numbered logs.
func named(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("m%d", i))
	}
	return list
}

// begun starts a consumer, and returns when it has partitions.
func begun(b *bed, c *Consumer, start func(context.Context) error) *running {
	b.t.Helper()
	r := run(b.t, start)
	b.wait("an assignment", func() bool { return r.alive() && len(c.GetStats().Partitions) > 0 })
	return r
}

// A consumer evaluates every log, knows how far behind it is, and continues where it stopped.
func TestConsumer(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := &judge{}
		c := NewConsumer(b.consumerConfig(), engine)
		if c.HealthCheck() {
			t.Error("it is healthy before its start")
		}
		b.numbered(0, 0, 10)
		r := begun(b, c, c.Start)
		b.waitSeen(engine.seen, named(0, 10))
		if s := c.GetStats(); s.Messages != 10 || s.Lag != 0 || s.Logs != 10 {
			t.Errorf("stats are %+v", s)
		}
		if !c.HealthCheck() {
			t.Errorf("it is not healthy: %v", c.healthProblems())
		}
		if err := c.Start(context.Background()); err == nil {
			t.Error("it was started twice")
		}
		r.stop()
		if c.HealthCheck() {
			t.Error("it is healthy after its end")
		}
		b.numbered(0, 10, 15)
		r = begun(b, c, c.Start)
		b.waitSeen(engine.seen, named(0, 15))
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-r.done; err != nil {
			t.Errorf("closed, it ended with %v", err)
		}
		if n := b.committed(0); n != 15 {
			t.Errorf("committed to %d", n)
		}
		c.Close()
		if err := c.Start(context.Background()); err != nil {
			t.Errorf("started after it was closed: %v", err)
		}
	})
}

// Messages in a batch are evaluated when it is full, when the first has waited long enough, and
// when the processor stops.
func TestMessageProcessor(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := &jury{}
		c := NewConsumer(b.consumerConfig(), engine)
		p := NewMessageProcessor(c, 4, 10*time.Second, engine)
		r := begun(b, c, p.ProcessBatch)
		b.numbered(0, 0, 6)
		b.waitSeen(engine.seen, named(0, 4))
		b.waitCommitted(0, 4) // and no further: the others were not evaluated
		if lag := c.GetStats().Lag; lag != 2 {
			t.Errorf("lag is %d", lag)
		}
		b.waitSeen(engine.seen, named(0, 6))
		b.numbered(0, 6, 7)
		b.moment()
		wantSeen(t, engine.seen(), named(0, 6))
		r.stop()
		wantSeen(t, engine.seen(), named(0, 7))
		if n := b.committed(0); n != 7 {
			t.Errorf("committed to %d", n)
		}
		if got := fmt.Sprint(engine.batches); got != "[[m0 m1 m2 m3] [m4 m5] [m6]]" {
			t.Errorf("batches were %s", got)
		}
	})
}

// A group spreads the partitions over its workers, each of which works for itself.
func TestConsumerGroup(t *testing.T) {
	everywhere(t, 6, func(b *bed) {
		engine := &judge{slow: 100 * time.Millisecond}
		g := NewConsumerGroup(b.consumerConfig(), engine, 3)
		var want []string
		for n := range int32(6) {
			b.numbered(n, int(n)*10, int(n)*10+10)
			want = append(want, named(int(n)*10, int(n)*10+10)...)
		}
		r := run(t, g.Start)
		b.waitSeen(engine.seen, want)
		if engine.most != 3 {
			t.Errorf("%d workers worked at once", engine.most)
		}
		stats := g.GetGroupStats()
		if len(stats) != 3 {
			t.Fatalf("there are stats of %d workers", len(stats))
		}
		for i, s := range stats {
			if s.Messages != 20 || len(s.Partitions) != 2 || s.Lag != 0 {
				t.Errorf("worker %d: %+v", i, s)
			}
		}
		r.stop()
	})
}

// Two processes with a consumer each share the partitions, and no message is lost when one of them
// comes or goes.
func TestConsumersRebalance(t *testing.T) {
	everywhere(t, 4, func(b *bed) {
		engine := &judge{}
		c1, c2 := NewConsumer(b.consumerConfig(), engine), NewConsumer(b.consumerConfig(), engine)
		r1 := begun(b, c1, c1.Start)
		b.numbered(0, 0, 100)
		r2 := run(t, c2.Start)
		for n := range int32(4) {
			b.numbered(n, 100+int(n)*50, 150+int(n)*50)
		}
		b.wait("half of the partitions", func() bool { return len(c2.GetStats().Partitions) == 2 })
		b.waitSeen(engine.seen, named(0, 300))
		r1.stop()
		b.numbered(1, 300, 350)
		b.numbered(2, 350, 400)
		b.waitSeen(engine.seen, named(0, 400))
		r2.stop()
	})
}

// A failure that passes is tried again, and nothing is evaluated twice.
func TestRetry(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := &judge{}
		times := 0
		engine.fail(
			func(l models.LogEntry) bool { times++; return l.Message == "m2" && times <= 4 },
		)
		p := newLogProcessor(b.processorConfig(), engine)
		r := begun(b, p.consumer, p.ProcessLogs)
		b.numbered(0, 0, 5)
		b.waitSeen(engine.seen, named(0, 5))
		if m := p.GetMetrics(); m.MessagesProcessed != 5 || m.MessagesFailure != 0 ||
			m.ErrorRate != 0 ||
			m.LastProcessed.IsZero() {
			t.Errorf("metrics are %+v", m)
		}
		r.stop()
	})
}

// A failure that stays opens the breaker: consumption pauses, health says so, and when the engine
// is well everything is evaluated.
func TestBreaker(t *testing.T) {
	everywhere(t, 2, func(b *bed) {
		engine := &judge{}
		engine.fail(always)
		p := newLogProcessor(b.processorConfig(), engine)
		r := begun(b, p.consumer, p.ProcessLogs)
		b.numbered(0, 0, 20)
		b.numbered(1, 20, 40)
		b.wait(
			"the breaker's opening",
			func() bool { return p.consumer.dispatcher.breaker.reason() != nil },
		)
		for range 10 {
			b.moment()
		}
		if got := engine.seen(); len(got) != 0 {
			t.Errorf("evaluated %v", got)
		}
		if p.HealthCheck() {
			t.Error("it is healthy")
		}
		if b.committed(0) > 0 || b.committed(1) > 0 {
			t.Errorf("committed to %d and %d, though nothing was evaluated", b.committed(0),
				b.committed(1))
		}
		m := p.GetMetrics()
		if m.MessagesProcessed != 0 || m.MessagesFailure == 0 || m.ErrorRate != 1 {
			t.Errorf("metrics are %+v", m)
		}
		engine.fail(nil)
		b.waitSeen(engine.seen, named(0, 40))
		failed := m.MessagesFailure
		m = p.GetMetrics()
		rate := float64(failed) / float64(40+failed)
		if m.MessagesProcessed != 40 || m.MessagesFailure != failed || m.ErrorRate != rate {
			t.Errorf("after recovery %d messages have failed, but metrics are %+v", failed, m)
		}
		b.wait("recovery", p.HealthCheck)
		b.waitCommitted(0, 20)
		b.waitCommitted(1, 20)
		r.stop()
	})
}

// Stopped while the breaker is open, it stops, and the next one evaluates what was left.
func TestStopWhileFailing(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := &judge{}
		engine.fail(always)
		p := newLogProcessor(b.processorConfig(), engine)
		r := begun(b, p.consumer, p.ProcessLogs)
		b.numbered(0, 0, 5)
		b.wait(
			"the breaker's opening",
			func() bool { return p.consumer.dispatcher.breaker.reason() != nil },
		)
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the stop took %s", took)
		}
		engine.fail(nil)
		c := NewConsumer(b.consumerConfig(), engine)
		r = begun(b, c, c.Start)
		b.waitSeen(engine.seen, named(0, 5))
		r.stop()
	})
}

// One message that the engine refuses forever does not stop the others: it goes to the dead
// letters. So do those that cannot be read.
func TestPoison(t *testing.T) {
	type ill interface {
		AlertEngine
		fail(func(models.LogEntry) bool)
		seen() []string
	}
	f := func(batch int, sick func() ill) {
		t.Helper()
		everywhere(t, 1, func(b *bed) {
			engine := sick()
			engine.fail(func(l models.LogEntry) bool { return l.Message == "m2" })
			cfg := b.processorConfig()
			cfg.ConsumerConfig.DeadLetterTopic = b.topic + "-dead"
			cfg.BatchSize = batch
			p := newBatchLogProcessor(cfg, engine)
			r := begun(b, p.consumer, p.ProcessBatch)
			b.numbered(0, 0, 5)
			b.produce(0, "\x00\x01\x02\x03\xff")
			b.numbered(0, 5, 7)
			b.waitSeen(engine.seen, []string{"m0", "m1", "m3", "m4", "m5", "m6"})
			b.waitCommitted(0, 8)
			if m := p.GetMetrics(); m.MessagesProcessed != 6 || m.MessagesFailure != 2 {
				t.Errorf("metrics are %+v", m)
			}
			var reasons []string
			for l, err := range (DeadLetters{Client: b.clientConfig(), Topic: b.topic +
				"-dead"}).List(context.Background()) {
				if err != nil {
					t.Fatal(err)
				}
				reasons = append(reasons, fmt.Sprintf("%d %s", l.Offset, l.Reason))
				if l.Reason == "evaluation_failed" && l.Attempts < 4 {
					t.Errorf("only %d attempts", l.Attempts)
				}
			}
			wantSeen(t, reasons, []string{"2 evaluation_failed", "5 invalid_json"})
			b.numbered(0, 7, 40)
			b.wait("recovery", p.HealthCheck)
			r.stop()
		})
	}
	f(1, func() ill { return &judge{} })
	f(3, func() ill { return &judge{} })
	f(3, func() ill { return &jury{} })
	f(1, func() ill { return &jury{} })
}

// The error rate is that of recent messages, and health follows it both ways.
func TestErrorRate(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		p := newLogProcessor(b.processorConfig(), &judge{})
		r := begun(b, p.consumer, p.ProcessLogs)
		b.numbered(0, 0, 5)
		for range 15 {
			b.produce(0, "\x00\x01\x02\x03\xff")
		}
		b.wait("all messages", func() bool { return p.GetStats().Messages == 20 })
		b.moment()
		if m := p.GetMetrics(); m.ErrorRate != 0.75 || m.MessagesFailure != 15 ||
			m.MessagesProcessed != 5 {
			t.Errorf("metrics are %+v", m)
		}
		if p.HealthCheck() {
			t.Error("it is healthy")
		}
		b.numbered(0, 5, 45)
		b.wait("all messages", func() bool { return p.GetStats().Messages == 60 })
		b.moment()
		if m := p.GetMetrics(); m.ErrorRate != 0.25 || p.HealthCheck() {
			t.Errorf("with a quarter of failures, metrics are %+v, and it is healthy", m)
		}
		b.numbered(0, 45, 145)
		b.wait("all messages", func() bool { return p.GetStats().Messages == 160 })
		b.moment()
		if m := p.GetMetrics(); m.ErrorRate != 15./160 || !p.HealthCheck() {
			t.Errorf("metrics are %+v, problems %v", m, p.consumer.healthProblems())
		}
		r.stop()
	})
}

// All that is wrong with a configuration is said at once, by the first call that can, and nothing
// is dialled.
func TestInvalidConfig(t *testing.T) {
	bad := ConsumerConfig{MinBytes: 10, MaxBytes: 5, MaxWait: -1, StartOffset: -3}
	const want = "brokers is empty; name at least one, such as localhost:9092\ntopic is " +
		"empty\ngroup_id is empty; the committed offsets need a group\n" +
		"min_bytes is 10, more than max_bytes, 5\nmax_wait is -1ns; it must not be " +
		"negative\nstart_offset is -3; it must be -2 (start), -1 (end), or an offset"
	f := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
	}
	ctx := t.Context()
	f("Start", NewConsumer(bad, &judge{}).Start(ctx), want)
	f("Start", NewConsumer(DefaultConsumerConfig(), nil).Start(ctx), "the alert engine is nil")
	f(
		"group",
		NewConsumerGroup(bad, &judge{}, 0).Start(ctx),
		want+"\nthe number of consumers is 0; it must be at least 1",
	)
	f("group", NewConsumerGroup(bad, &judge{}, -1).Start(ctx), "the number of consumers is -1")
	f(
		"messages",
		NewMessageProcessor(NewConsumer(bad, nil), 0, 0, &judge{}).ProcessBatch(ctx),
		want+
			"\nbatch_size is 0; it must be at least 1\nflush_interval is 0s; it must be above zero",
	)
	f(
		"logs",
		NewLogProcessor(nil, "", &judge{}).ProcessLogs(ctx),
		"brokers is empty; name at least one, such as localhost:9092\ntopic is empty",
	)
	f("batches", NewBatchLogProcessor(nil, "", &judge{}).ProcessBatch(ctx), "topic is empty")
	factory := NewProcessorFactory(
		ProcessorConfig{ConsumerConfig: bad, RetryAttempts: -1, RetryDelay: -1, FlushInterval: -1},
	)
	_, err := factory.CreateProcessor(nil, "", nil)
	f(
		"CreateProcessor",
		err,
		want+"\nbatch_size is 0; it must be at least 1\nflush_interval is -1ns; it must be above "+
			"zero\nretry_attempts is -1; it must not be negative\nretry_delay is -1ns; it must "+
			"not be negative\nthe alert engine is nil",
	)
	_, err = factory.CreateBatchProcessor(nil, "", nil)
	f("CreateBatchProcessor", err, want)
	defaults := NewProcessorFactory(DefaultProcessorConfig())
	for _, broker := range []string{
		"a:1", "a", "10.0.0.1", "10.0.0.1:9092", "::1", "[::1]", "[::1]:9092",
	} {
		if _, err := defaults.CreateProcessor([]string{broker}, "t.T-_9", &judge{}); err != nil {
			t.Errorf("%s: %v", broker, err)
		}
	}
	for _, broker := range []string{
		"", " ", "a:b:c", "a:", "a:port", "a:70000", ":9092", "a:1,b:1",
	} {
		_, err := defaults.CreateProcessor([]string{"a:1", broker}, "a topic", &judge{})
		f(
			broker,
			err,
			fmt.Sprintf(
				"brokers has the address %q; write host:port, such as localhost:9092\ntopic \"a "+
					"topic\" is not a valid topic name; use at most 249 letters, digits, '.', "+
					"'_' and '-'",
				broker,
			),
		)
	}
}

// Configurations are read from JSON and YAML, and come back as they were written.
func TestConfigText(t *testing.T) {
	var c ProcessorConfig
	text := `{"consumer_config":{"brokers":["a:1","b:2"],"topic":"t","group_id":"g",` +
		`"min_bytes":1,"max_bytes":2,"max_wait":"500ms","start_offset":-1},` +
		`"batch_size":7,"flush_interval":"10s","retry_attempts":2,"retry_delay":250000000,` +
		`"enable_metrics":true}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	want := ProcessorConfig{
		ConsumerConfig: ConsumerConfig{
			Brokers:     []string{"a:1", "b:2"},
			Topic:       "t",
			GroupID:     "g",
			MinBytes:    1,
			MaxBytes:    2,
			MaxWait:     500 * time.Millisecond,
			StartOffset: -1,
		},
		BatchSize:     7,
		FlushInterval: 10 * time.Second,
		RetryAttempts: 2,
		RetryDelay:    250 * time.Millisecond,
		EnableMetrics: true,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
	for _, format := range []struct {
		name      string
		marshal   func(any) ([]byte, error)
		unmarshal func([]byte, any) error
	}{{"JSON", json.Marshal, json.Unmarshal}, {"YAML", yaml.Marshal, yaml.Unmarshal}} {
		text, err := format.marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var back ProcessorConfig
		if err := format.unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s: %s came back as %+v, %v", format.name, text, back, err)
		}
	}
	c = DefaultProcessorConfig()
	if err := yaml.Unmarshal([]byte(
		"consumer_config: {topic: mine, max_wait: 2s}\nretry_delay: 3s\n"), &c); err != nil {
		t.Fatal(err)
	}
	want = DefaultProcessorConfig()
	want.ConsumerConfig.Topic, want.ConsumerConfig.MaxWait, want.RetryDelay = "mine", 2*time.Second,
		3*time.Second
	if !reflect.DeepEqual(c, want) {
		t.Errorf("over the defaults: got %+v", c)
	}
	if err := json.Unmarshal([]byte(`{"max_wait":"soon"}`), &ConsumerConfig{}); err == nil ||
		!strings.Contains(err.Error(), `"soon" is not a duration`) {
		t.Errorf("got %v", err)
	}
}

// A URL in place of an address gets the address that was meant.
func TestBrokerURL(t *testing.T) {
	f := func(broker, want string) {
		t.Helper()
		c := DefaultConsumerConfig()
		c.Brokers = []string{broker}
		for _, err := range []error{c.Validate(), ClientConfig{Brokers: c.Brokers}.validate()} {
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	f("http://kafka:9092/", `brokers has the address "http://kafka:9092/"; Kafka does not speak `+
		`HTTP, write "kafka:9092"`)
	f("SASL_SSL://kafka:9093", `brokers has the address "SASL_SSL://kafka:9093"; the address has `+
		`no scheme; TLS and SASL are configured beside it, write "kafka:9093"`)
	f("kafka://a:1",
		`brokers has the address "kafka://a:1"; the address has no scheme, write "a:1"`)
}

// Messages that are not JSON are counted as failed, logged with a limit, and skipped, unless
// another format is configured.
func TestInvalidJSONIsSkipped(t *testing.T) {
	f := func(format string, failed int64) {
		t.Helper()
		inBubble(t, 1, func(b *bed) {
			cfg := b.processorConfig()
			cfg.ConsumerConfig.Format = format
			engine := &judge{}
			p := newLogProcessor(cfg, engine)
			r := begun(b, p.consumer, p.ProcessLogs)
			b.numbered(0, 0, 1)
			for range 10 {
				b.produce(0, "plain text", `{"level":"ERROR","message":"cut`)
			}
			b.numbered(0, 1, 2)
			b.wait("all messages", func() bool { return p.GetStats().Messages == 22 })
			seen := slices.DeleteFunc(engine.seen(), func(m string) bool {
				return !strings.HasPrefix(m, "m")
			})
			if !slices.Equal(seen, []string{"m0", "m1"}) {
				t.Errorf("format %q: evaluated %v", format, seen)
			}
			if m := p.GetMetrics(); m.MessagesFailure != failed {
				t.Errorf("format %q: %d messages failed, not %d", format, m.MessagesFailure, failed)
			}
			if n := strings.Count(b.logs.String(), "reason=invalid_json"); failed == 20 &&
				n != logBurst {
				t.Errorf("it is logged %d times", n)
			}
			r.stop()
		})
	}
	f("", 20)
	f("json", 20)
	f("auto", 0) // what is not JSON is text
}

// Addresses and credentials come from the environment where it has them.
func TestConfigFromEnvironment(t *testing.T) {
	if c := DefaultConsumerConfig(); !slices.Equal(c.Brokers, []string{"localhost:9092"}) {
		t.Errorf("without variables the brokers are %v", c.Brokers)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"BROKERS": "a:1,b:2", "TLS": "true", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "me",
		"SASL_PASSWORD_FILE": file, "TLS_CA_FILE": "ca.pem",
	} {
		t.Setenv("ALERT_ENGINE_"+name, value)
	}
	c := DefaultProcessorConfig().ConsumerConfig
	want := SASL{Mechanism: "PLAIN", Username: "me", Password: "hush"}
	if !slices.Equal(c.Brokers, []string{"a:1", "b:2"}) || c.SASL != want || !c.TLS.Enabled ||
		c.TLS.CAFile != "ca.pem" || c.Topic != "application-logs" {
		t.Errorf("got %+v", c)
	}
}
