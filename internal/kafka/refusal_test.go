package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A refusal is notified with its cause and the next step.
func TestRefusalsHaveHints(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if got := withHint(fmt.Errorf("x: %w", err)); !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	f(kerr.IllegalSaslState, "remove kafka.sasl")
	f(kerr.FencedInstanceID, "has our instance_id")
	f(kerr.InconsistentGroupProtocol, "use another group")
	f(io.EOF, "whether it requires TLS")
}

// Topic patterns that match nothing are said, with the topics that there are, and forgotten once a
// topic matches.
func TestPatternThatMatchesNothing(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := b.sourceConfig()
		cfg.Topics, cfg.Patterns = nil, []string{"^aplication-"}
		s := NewSource(cfg, newNotebook())
		r := run(t, s.Run)
		b.wait("a problem", func() bool { return r.alive() && len(s.Health().Problems) > 0 })
		for _, text := range []string{fmt.Sprint(s.Health()), b.logs.String()} {
			if !strings.Contains(text, "match no topic; visible are application-logs") {
				t.Errorf("it is not said: %s", text)
			}
		}
		if _, err := b.admin.CreateTopic(context.Background(), 1, 1, nil,
			"aplication-logs"); err != nil {
			t.Fatal(err)
		}
		b.wait("health", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}

// Records that were deleted while nothing read them are counted as lost.
func TestRecordsDeletedWhileStopped(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		engine := keeping{newNotebook()}
		_, r := started(b, b.sourceConfig(), engine)
		b.numbered(0, 0, 5)
		b.waitCommitted(0, 5)
		r.stop()
		b.numbered(0, 5, 12)
		b.deleteTo(12)
		b.numbered(0, 12, 14)
		again := engine.crash()
		s, r := started(b, b.sourceConfig(), again)
		b.waitSeen(again.seen, append(offsets(0, 0, 5), offsets(0, 12, 14)...))
		if n := s.Stats().Lost; n != 7 {
			t.Errorf("%d records are lost, not 7", n)
		}
		r.stop()
	})
}

// A broker that cannot be reached at the address that it advertises is said to be misconfigured;
// one of the configured addresses is not.
func TestUnreachableAdvertisedAddress(t *testing.T) {
	log := &journal{}
	b := &bed{logs: log}
	cfg := groupConfig{ClientConfig: ClientConfig{Brokers: []string{"kafka:9092"}}}
	f := func(host string, node int32, want bool) {
		t.Helper()
		err := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
		p := newProblems(cfg, &counters{}, newRateLimitedLogger(b.logger()))
		p.OnBrokerConnect(kgo.BrokerMetadata{NodeID: node, Host: host, Port: 9092}, 0, nil, err)
		if got := strings.Contains(p.networkErr.Error(), "advertised.listeners"); got != want {
			t.Errorf("%s: %v", host, p.networkErr)
		}
	}
	f("kafka", -1, false)
	f("kafka", 1, false)
	f("10.0.0.7", 1, true)
	if !strings.Contains(log.String(), "a broker is not reachable") {
		t.Errorf("it is not logged: %s", log)
	}
}

// A reason that changes is logged at once.
func TestChangedReasonIsLogged(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		var reason atomic.Value
		reason.Store("connection refused")
		cfg := b.sourceConfig()
		cfg.Client.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New(reason.Load().(string))
		}
		r := run(t, NewSource(cfg, newNotebook()).Run)
		<-time.After(20 * time.Second)
		reason.Store("no route to host")
		<-time.After(20 * time.Second)
		for _, text := range []string{"connection refused", "no route to host"} {
			if !strings.Contains(b.logs.String(), text) {
				t.Errorf("%q is not logged: %s", text, b.logs)
			}
		}
		r.stop()
	})
}

// A user who may not write dead letters is named the right at the start; once it is granted, dead
// letters are written.
func TestDeadLettersWithoutWrite(t *testing.T) {
	acl := func(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{
			Resource:  resource,
			Name:      name,
			Pattern:   kmsg.ACLResourcePatternTypeLiteral,
			Operation: operation,
			Allow:     true,
		}
	}
	const topic = "application-logs"
	inBubble(t, 1, func(b *bed) {
		if _, err := b.admin.CreateTopic(context.Background(), 1, 1, nil, "dead"); err != nil {
			t.Fatal(err)
		}
		cfg := b.sourceConfig()
		cfg.Client.SASL = SASL{Mechanism: "PLAIN", Username: "app", Password: "hush"}
		cfg.DeadLetterTopic = "dead"
		engine := newNotebook()
		s, r := started(b, cfg, engine)
		if h := fmt.Sprint(s.Health()); !strings.Contains(h,
			`topic "dead" may not be written (allow WRITE`) {
			t.Errorf("health at the start is %s", h)
		}
		b.produce(0, "bad 1")
		b.wait("a loss", func() bool { return s.Stats().LostDeadLetters == 1 })
		if h := fmt.Sprint(s.Health()); !strings.Contains(h, "dead letters are lost") {
			t.Errorf("health after a loss is %s", h)
		}
		grant := kadm.NewACLs().Topics("dead").Operations(kadm.OpWrite).Allow(
			"User:app").AllowHosts()
		if _, err := b.admin.CreateACLs(context.Background(),
			grant.ResourcePatternType(kadm.ACLPatternLiteral)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		b.produce(0, "bad 2")
		b.wait("a dead letter", func() bool { return s.Stats().DeadLetters == 1 })
		b.wait("health", func() bool { return s.Health().State == Ready })
		r.stop()
	}, func(o *devbroker.Options) {
		o.Users = []devbroker.User{{Mechanism: "PLAIN", Name: "admin", Password: "hush"}}
		o.Extra = []kfake.Opt{
			kfake.EnableACLs(),
			kfake.User("PLAIN", "app", "hush",
				acl(kmsg.ACLResourceTypeTopic, topic, kmsg.ACLOperationRead),
				acl(kmsg.ACLResourceTypeTopic, "dead", kmsg.ACLOperationDescribe),
				acl(kmsg.ACLResourceTypeGroup, "g", kmsg.ACLOperationRead),
			),
		}
	})
}

// A producer that was refused writes once the right is granted.
func TestProducerRecovers(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		cfg := b.clientConfig()
		cfg.SASL = SASL{Mechanism: "PLAIN", Username: "app", Password: "hush"}
		p, err := NewProducer(cfg, b.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		write := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return p.Write(ctx, models.Record{Topic: b.topic, Value: []byte("x")})
		}
		if err := write(); err == nil || !strings.Contains(err.Error(),
			`allow WRITE on topic "application-logs"`) {
			t.Errorf("without the right: %v", err)
		}
		grant := kadm.NewACLs().Topics(b.topic).Operations(kadm.OpWrite).Allow(
			"User:app").AllowHosts()
		if _, err := b.admin.CreateACLs(context.Background(),
			grant.ResourcePatternType(kadm.ACLPatternLiteral)); err != nil {
			t.Fatal(err)
		}
		b.wait("a write", func() bool { return write() == nil })
	}, func(o *devbroker.Options) {
		o.Users = []devbroker.User{{Mechanism: "PLAIN", Name: "admin", Password: "hush"}}
		o.Extra = []kfake.Opt{kfake.EnableACLs(), kfake.User("PLAIN", "app", "hush")}
	})
}
