package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The memory of records is used again for later ones, and nothing that is kept of a record changes
// with it: what the engine noted, dead letters that are written later, and samples of rejections.
func TestRecordMemoryIsUsedAgain(t *testing.T) {
	everywhere(t, 1, func(b *bed) {
		client, err := kgo.NewClient(append(b.client.Opts(), kgo.DefaultProduceTopic(b.topic),
			kgo.ProducerBatchCompression(kgo.Lz4Compression()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		cfg := b.sourceConfig()
		cfg.DeadLetterTopic = b.topic + "-dead"
		var want, wantDead []string
		for i := range 40 {
			var records []*kgo.Record
			for j := range 20 + i {
				bad := strings.Repeat(fmt.Sprintf("bad %d %d ", i, j), 10)
				good := fmt.Sprintf(`{"level":"ERROR","message":"m%d of %d"}`, j, i)
				records = append(records, &kgo.Record{Value: []byte(bad), Timestamp: time.Now()},
					&kgo.Record{Value: []byte(good), Timestamp: time.Now()})
				wantDead = append(wantDead, bad)
				want = append(want, fmt.Sprintf("0/%d", 2*len(want)+1))
			}
			if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		cfg.Start, cfg.PollRecords = StartBeginning, 500
		n := newNotebook()
		s := NewSource(cfg, n)
		r := run(t, s.Run) // its producer knows the topic of dead letters only after many polls
		b.wait("all of them", func() bool {
			return r.alive() && s.Stats().DeadLetters == int64(len(wantDead))
		})
		if !slices.Equal(n.seen(), want) {
			t.Errorf("the engine saw other records than were written: %d of %d", len(n.seen()), len(want))
		}
		r.stop()
		var dead []string
		letters := DeadLetters{Client: cfg.Client, Topic: cfg.DeadLetterTopic, Logger: b.logger()}
		for l, err := range letters.List(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			dead = append(dead, string(l.Value))
		}
		slices.Sort(dead) // the topic may have several partitions
		slices.Sort(wantDead)
		if !slices.Equal(dead, wantDead) {
			t.Errorf("dead letters are not what was read: %d of %d", len(dead), len(wantDead))
		}
	})
}
