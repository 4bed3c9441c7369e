package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// These tests have a real Kafka refuse things, as scripts/kafka/start.sh starts it with KAFKA_SASL:
// with ACLs, and with listeners for SASL, for TLS with client certificates, and one that advertises
// an address without a listener. KAFKA_SASL_BROKERS, KAFKA_TLS_BROKERS with KAFKA_TLS_DIR, and
// KAFKA_NOWHERE_BROKERS name them.

// onKafka runs a test on a topic of the real broker.
func onKafka(t *testing.T, partitions int32, test func(b *bed)) {
	t.Helper()
	if os.Getenv("KAFKA_BROKERS") == "" || os.Getenv("KAFKA_SASL_BROKERS") == "" {
		t.Skip("KAFKA_BROKERS and KAFKA_SASL_BROKERS name no broker")
	}
	onReal(t, partitions, test)
}

// reader is the configuration of a user who may do only what allow allows.
func (b *bed) reader() ClientConfig {
	return ClientConfig{
		Brokers: strings.Split(os.Getenv("KAFKA_SASL_BROKERS"), ","),
		SASL:    SASL{Mechanism: "PLAIN", Username: "reader", Password: "right-password"},
	}
}

// allow grants the reader a right.
func (b *bed) allow(acl *kadm.ACLBuilder, operations ...kadm.ACLOperation) {
	b.t.Helper()
	acl = acl.Operations(operations...).Allow("User:reader").AllowHosts().
		ResourcePatternType(kadm.ACLPatternLiteral)
	made, err := b.admin.CreateACLs(context.Background(), acl)
	if err == nil {
		for _, one := range made {
			err = errors.Join(err, one.Err)
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// said waits until the health and the log say something.
func (b *bed) said(s *Source, r *running, want string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("%q in health and log", want), func() bool {
		return r.alive() && strings.Contains(fmt.Sprint(s.Health()), want) &&
			strings.Contains(b.logs.String(), want)
	})
}

// A user who may not write dead letters gets the right named at the start; once it is granted, they
// are written.
func TestDeadLettersWithoutWriteOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		dead := b.topic + "-dead"
		if _, err := b.admin.CreateTopic(context.Background(), 1, -1, nil, dead); err != nil {
			t.Fatal(err)
		}
		b.allow(kadm.NewACLs().Topics(b.topic), kadm.OpRead)
		b.allow(kadm.NewACLs().Topics(dead), kadm.OpDescribe)
		b.allow(kadm.NewACLs().Groups(b.group), kadm.OpRead)
		cfg := b.sourceConfig()
		cfg.Client, cfg.DeadLetterTopic = b.reader(), dead
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		b.said(s, r, "may not be written (allow WRITE on it for our user)")
		b.said(s, r, dead)
		b.produce(0, "bad 1")
		b.wait("a loss", func() bool { return s.Stats().LostDeadLetters == 1 })
		if h := s.Health(); !h.Minor || !strings.Contains(fmt.Sprint(h), "dead letters are lost") {
			t.Errorf("health after a loss is %+v", h)
		}
		b.allow(kadm.NewACLs().Topics(dead), kadm.OpWrite)
		n := 1
		b.wait("a dead letter", func() bool {
			n++
			b.produce(0, fmt.Sprint("bad ", n))
			<-time.After(time.Second)
			return s.Stats().DeadLetters > 0
		})
		b.wait("health", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}

// Kafka 4 refuses timestamps that are more than an hour ahead of its clock. Where a topic takes
// them, its dead letters are written and replayed all the same.
func TestDeadLettersOfFutureRecordsOnKafka(t *testing.T) {
	if os.Getenv("KAFKA_BROKERS") == "" {
		t.Skip("KAFKA_BROKERS names no broker")
	}
	onReal(t, 1, func(b *bed) {
		ctx, setting := context.Background(), "message.timestamp.after.max.ms"
		week := fmt.Sprint((7 * 24 * time.Hour).Milliseconds())
		change := []kadm.AlterConfig{{Name: setting, Value: &week}}
		if _, err := b.admin.AlterTopicConfigs(ctx, change, b.topic); err != nil {
			t.Fatal(err)
		}
		ahead := time.Now().Add(2 * time.Hour).Truncate(time.Millisecond)
		b.produceAt(0, ahead, "bad 1")
		cfg := b.sourceConfig()
		cfg.DeadLetterTopic = b.topic + "-dead"
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		defer r.stop()
		b.wait("a dead letter", func() bool { return s.Stats().DeadLetters == 1 })
		dead := DeadLetters{Client: cfg.Client, Topic: cfg.DeadLetterTopic, Logger: b.logger()}
		for l, err := range dead.List(ctx) {
			if err != nil || !l.Timestamp.Equal(ahead) {
				t.Errorf("the dead letter is of %v, want %v (%v)", l.Timestamp, ahead, err)
			}
		}
		if _, err := b.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{
			{Op: kadm.DeleteConfig, Name: setting},
		}, b.topic); err != nil {
			t.Fatal(err)
		}
		n, err := dead.Replay(ctx, func(DeadLetter) bool { return true })
		if n != 1 || err != nil {
			t.Errorf("replayed %d, want 1: %v", n, err)
		}
	})
}

// A producer that was refused, of the topics for records and alerts, gets the right named, and
// works once it is granted.
func TestProducerWithoutWriteOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		p, err := NewProducer(b.reader(), b.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		b.allow(kadm.NewACLs().Topics(b.topic), kadm.OpDescribe)
		write := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			return p.Write(ctx, models.Record{Topic: b.topic, Value: []byte("x")})
		}
		hint := fmt.Sprintf("allow WRITE on topic %q", b.topic)
		b.wait("a right that is named at the start", func() bool {
			err := p.CheckWrite(t.Context(), b.topic)
			return err != nil && strings.Contains(err.Error(), "allow WRITE on it for our user")
		})
		if err := write(); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("without the right: %v", err)
		}
		b.allow(kadm.NewACLs().Topics(b.topic), kadm.OpWrite)
		b.wait("a write", func() bool { return write() == nil })
		if err := p.CheckWrite(t.Context(), b.topic); err != nil {
			t.Errorf("with the right: %v", err)
		}
	})
}

// A topic pattern matches nothing where the user may not see the topic, until that is granted.
func TestPatternOfHiddenTopicsOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		b.allow(kadm.NewACLs().Groups(b.group), kadm.OpRead)
		cfg := b.sourceConfig()
		cfg.Client, cfg.Topics, cfg.Patterns = b.reader(), nil, []string{"^" + b.topic + "$"}
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		b.said(s, r, "match no topic")
		b.said(s, r, "or allow DESCRIBE on the topics")
		b.allow(kadm.NewACLs().Topics(b.topic), kadm.OpRead)
		b.wait("health", func() bool { return r.alive() && s.Health().State == Ready })
		r.stop()
	})
}

// Without the right to read topic or group the start ends with the right that is missing.
func TestReadingWithoutRightsOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		f := func(want string) {
			t.Helper()
			cfg := b.sourceConfig()
			cfg.Client = b.reader()
			s := NewSource(cfg, newNotebook())
			r := run(t, s.Run)
			select {
			case err := <-r.done:
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			case <-time.After(30 * time.Second):
				t.Errorf("it does not end, want %s; health %+v; the log:\n%s", want, s.Health(),
					b.logs)
				r.cancel()
			}
		}
		f("allow READ and DESCRIBE on it")
		b.allow(kadm.NewACLs().Topics(b.topic), kadm.OpRead)
		f("we may not use the consumer group; allow READ on it")
	})
}

// What a broker refuses about the connection ends the start, with the cause and the next step.
func TestConnectionsThatKafkaRefuses(t *testing.T) {
	f := func(what, brokers string, client ClientConfig, want string) {
		t.Helper()
		if brokers == "" {
			t.Skipf("%s: no broker is named", what)
		}
		client.Brokers = strings.Split(brokers, ",")
		b := &bed{t: t, logs: &journal{}}
		name := fmt.Sprintf("none-%d", time.Now().UnixNano())
		s := NewSource(
			SourceConfig{Client: client, Topics: []string{name}, Group: name, Logger: b.logger()},
			newNotebook(),
		)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q; the log:\n%s", what, err, want, b.logs)
		}
	}
	f("SASL against a plain listener", os.Getenv("KAFKA_BROKERS"), ClientConfig{
		SASL: SASL{Mechanism: "PLAIN", Username: "alert-engine", Password: "right-password"},
	}, "this listener has no SASL; remove kafka.sasl")
	f("TLS against a plain listener", os.Getenv("KAFKA_BROKERS"),
		ClientConfig{TLS: TLS{Enabled: true}}, "whether it requires TLS")
	secure, dir := os.Getenv("KAFKA_TLS_BROKERS"), os.Getenv("KAFKA_TLS_DIR")
	ca := TLS{CAFile: filepath.Join(dir, "ca.pem")}
	f("no certificate", secure, ClientConfig{TLS: ca},
		"the broker refuses our client certificate, or demands one; check tls.cert_file")
	f("another authority", secure, ClientConfig{TLS: TLS{Enabled: true}}, "check the CA")
	f("plain against TLS", secure, ClientConfig{}, "turn TLS on")
	ca.CertFile, ca.KeyFile = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	f("a certificate", secure, ClientConfig{TLS: ca}, "we may not read the topic; allow READ")
}

// An address that the broker advertises and that cannot be reached is said to be the broker's.
func TestNowhereOfKafka(t *testing.T) {
	brokers := os.Getenv("KAFKA_NOWHERE_BROKERS")
	if brokers == "" {
		t.Skip("KAFKA_NOWHERE_BROKERS names no broker")
	}
	onKafka(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Client.Brokers = strings.Split(brokers, ",")
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		b.wait("the cause", func() bool {
			return r.alive() && strings.Contains(b.logs.String(), "advertised.listeners")
		})
		r.cancel()
		<-r.done
	})
}

// A member of the new group protocol is seen before we join, and named.
func TestMemberOfTheNewProtocolOnKafka(t *testing.T) {
	onKafka(t, 2, func(b *bed) {
		member := b.member(kgo.ConsumerGroup(b.group), kgo.ServerSideBalancer())
		cfg := b.sourceConfig()
		cfg.SessionTimeout = 6 * time.Second
		cfg.Exclusive = func() error { return errors.New("rule shop/Errors is spread") }
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		b.said(s, r, "another member")
		select {
		case err := <-r.done:
			if err == nil || !strings.Contains(err.Error(), "stop the other one") {
				t.Errorf("it ends with %v", err)
			}
		case <-time.After(40 * time.Second):
			t.Errorf("it does not end; the log:\n%s", b.logs)
			r.cancel()
		}
		member()
		_, r = started(b, cfg, newNotebook())
		r.stop()
	})
}

// A share group of our group's name is said, with the next step.
func TestShareGroupOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		defer b.member(kgo.ShareGroup(b.group))()
		s := NewSource(b.sourceConfig(), newNotebook())
		r := run(t, s.Run)
		select {
		case err := <-r.done:
			if err == nil || !strings.Contains(err.Error(), "use another group") {
				t.Errorf("it ends with %v", err)
			}
		case <-time.After(30 * time.Second):
			if text := b.logs.String(); !strings.Contains(text, "use another group") {
				t.Errorf("it is not said; health %+v; the log:\n%s", s.Health(), text)
			}
			r.cancel()
			<-r.done
		}
	})
}

// Of two instances with one instance ID, the one that is put out says why and what to do.
func TestOneInstanceIDTwiceOnKafka(t *testing.T) {
	onKafka(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.InstanceID = "same"
		_, first := started(b, cfg, newNotebook())
		_, second := started(b, cfg, newNotebook())
		const want = "another process of the group has our instance_id; give each its own"
		b.wait("the cause", func() bool { return strings.Contains(b.logs.String(), want) })
		for _, r := range []*running{first, second} {
			r.cancel()
			<-r.done
		}
	})
}

// member joins the group with a client of its own, reads, and returns how to leave.
func (b *bed) member(opts ...kgo.Opt) (leave func()) {
	b.t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.brokers...),
		kgo.ConsumeTopics(b.topic))...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.produce(0, "x")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client.PollFetches(ctx)
	ctx, poll := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	}()
	return func() { poll(); client.Close() }
}
