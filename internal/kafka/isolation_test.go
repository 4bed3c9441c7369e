package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactions returns a producer of transactions, and a function that writes n records in a new
// one.
func (b *bed) transactions() (client *kgo.Client, write func(n int)) {
	b.t.Helper()
	opts := []kgo.Opt{
		kgo.SeedBrokers(b.brokers...),
		kgo.TransactionalID("tx-" + b.topic),
		kgo.TransactionTimeout(5 * time.Minute),
		kgo.DefaultProduceTopic(b.topic),
		kgo.ProducerLinger(0),
	}
	if b.dial != nil {
		opts = append(opts, kgo.Dialer(b.dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	return client, func(n int) {
		b.t.Helper()
		if err := client.BeginTransaction(); err != nil {
			b.t.Fatal(err)
		}
		for range n {
			if err := client.ProduceSync(b.t.Context(),
				kgo.StringRecord("x")).FirstErr(); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// Records of aborted transactions never were, unless the configuration says otherwise.
func TestAbortedTransactionsAreNotRead(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		client, write := b.transactions()
		defer client.Close()
		for _, end := range []kgo.TransactionEndTry{
			kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort,
		} {
			write(3)
			if err := client.EndTransaction(b.t.Context(), end); err != nil {
				b.t.Fatal(err)
			}
		}
		// each transaction has three records and a marker
		committed := append(offsets(0, 0, 3), offsets(0, 8, 11)...)
		all := slicesOf(offsets(0, 0, 3), offsets(0, 4, 7), offsets(0, 8, 11), offsets(0, 12, 15))
		for level, want := range map[string][]string{
			"":              committed,
			ReadCommitted:   committed,
			ReadUncommitted: all,
		} {
			cfg := b.sourceConfig()
			cfg.Client.Isolation = level
			cfg.Group += level
			engine := newNotebook()
			_, r := started(b, cfg, engine)
			b.waitSeen(engine.seen, want)
			b.wait("the end", func() bool {
				return engine.at(0).CaughtUp && engine.at(0).Next == 16
			})
			r.stop()
			var read []string
			reader := NewReader(ReaderConfig{Client: cfg.Client, Topics: []string{b.topic}})
			for record, err := range reader.Records(b.t.Context()) {
				if err != nil {
					b.t.Fatal(err)
				}
				read = append(read, fmt.Sprintf("0/%d", record.Offset))
			}
			wantSeen(b.t, read, want)
		}
	})
}

func slicesOf(lists ...[]string) (all []string) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// An open transaction holds its partition back, which is said with its age; nothing behind it is
// taken for read.
func TestOpenTransactionIsNamed(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		client, write := b.transactions()
		defer client.Close()
		engine := newNotebook()
		s, r := started(b, b.sourceConfig(), engine)
		b.wait("the end", func() bool { return engine.at(0).CaughtUp })
		write(1)
		b.numbered(0, 0, 2) // behind the first record of the transaction
		<-time.After(15 * time.Second)
		if p := engine.at(0); p.CaughtUp || p.Next != 0 {
			t.Errorf("progress is %+v", p)
		}
		<-time.After(30 * time.Second)
		h := fmt.Sprint(s.Health())
		for _, text := range []string{
			`transactional id "tx-` + b.topic + `"`, "at offset 0 since ",
		} {
			if !strings.Contains(h, text) {
				t.Errorf("health does not tell %q: %s", text, h)
			}
		}
		if err := client.EndTransaction(b.t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		b.waitSeen(engine.seen, offsets(0, 0, 3))
		b.wait("health", func() bool { return s.Health().State == Ready })
		r.stop()
	})
}
