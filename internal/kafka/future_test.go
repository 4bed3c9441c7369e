package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// stamped is a notebook that keeps the timestamps of records.
type stamped struct {
	*notebook
	stamps chan time.Time
}

func (s stamped) NewScanner() models.Scanner { return stamper{s} }

type stamper struct{ s stamped }

func (s stamper) Scan(records []models.Record) models.Scan {
	for _, r := range records {
		s.s.stamps <- r.Timestamp
	}
	return noter{}.Scan(records)
}

// A record whose timestamp lies ahead counts as written now, and its producer is named.
func TestTimestampsAheadAreReplaced(t *testing.T) {
	inBubble(t, 1, func(b *bed) {
		engine := stamped{newNotebook(), make(chan time.Time, 100)}
		s, r := started(b, b.sourceConfig(), engine)
		f := func(at time.Time, replaced bool) {
			t.Helper()
			b.produceAt(0, at, `{"level":"INFO","service":"shop","host":"web-1"}`)
			got, now := <-engine.stamps, time.Now()
			want := at
			if replaced {
				want = now
			}
			if d := got.Sub(want).Abs(); d > 5*time.Second {
				t.Errorf("%s became %s, not %s", at, got, want)
			}
		}
		now := time.Now().Truncate(time.Second)
		f(now.Add(50*time.Minute), true)
		f(now.Add(30*time.Second), false)
		f(now.Add(-time.Hour), false)
		f(time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC), true)
		f(time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC), true)
		if h := s.Health(); h.State != Ready {
			t.Errorf("three records make it %+v", h)
		}
		for range 3 {
			f(now.Add(time.Hour), true)
		}
		h := fmt.Sprint(s.Health())
		for _, text := range []string{
			"75% of the records of application-logs/0", "service shop", "host web-1",
		} {
			if !strings.Contains(h, text) {
				t.Errorf("health does not tell %q: %s", text, h)
			}
		}
		if n := s.Stats().Partitions[0].Future; n != 6 {
			t.Errorf("%d records are counted", n)
		}
		<-time.After(20 * time.Minute)
		b.produce(0, "x")
		<-engine.stamps
		<-time.After(6 * time.Minute)
		b.produce(0, "x")
		<-engine.stamps
		b.moment()
		if h := s.Health(); h.State != Ready {
			t.Errorf("when all is well again it is %+v", h)
		}
		r.stop()
	})
}

// Timestamps beyond the range of nanoseconds do not wrap.
func TestTimestampsDoNotWrap(t *testing.T) {
	f := func(at time.Time, want int64) {
		t.Helper()
		if got := modelRecord(&kgo.Record{Timestamp: at}).Timestamp.UnixNano(); got != want {
			t.Errorf("%s: got %d, want %d", at, got, want)
		}
	}
	f(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), latestTime.UnixNano())
	f(time.UnixMilli(1<<61), latestTime.UnixNano())
	f(time.UnixMilli(-1<<61), -1e6)
	f(time.UnixMilli(-1), -1e6)
	f(time.UnixMilli(1_795_000_000_123), 1_795_000_000_123e6)
}
