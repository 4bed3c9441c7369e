package app

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const clockRules = errorRules +
	`  - {alert: Silent, match: 'event:heartbeat', when: count() == 0, window: 5m, by: [service]}
`

const day = 24 * time.Hour

// at writes an error of a service, or a sign of life, as a user whose clock is so far ahead of
// the world's.
func (w *world) at(ahead time.Duration, kind, service string) {
	w.t.Helper()
	now := time.Now().Add(ahead)
	value := fmt.Sprintf(`{"timestamp":%q,"level":%q,"event":%q,"service":%q,"message":"hello"}`,
		now.UTC().Format(time.RFC3339Nano), kind, kind, service)
	if err := w.producer.ProduceSync(w.t.Context(),
		&kgo.Record{Timestamp: now, Value: []byte(value)}).FirstErr(); err != nil {
		w.t.Error(err)
	}
}

// trouble has a service log eleven errors within a minute, and has ended when it returns.
func (w *world) trouble(ahead time.Duration, service string) {
	w.t.Helper()
	for i := range 100 {
		if i < 11 {
			w.at(ahead, "ERROR", service)
		}
		if i%30 == 0 {
			w.at(ahead, "heartbeat", "agent")
		}
		time.Sleep(time.Second)
	}
}

// The clock of this machine jumps by a day, forward or back, while the program runs: no alert is
// false, none is missing, none comes late, none has ended too soon; and what falls silent in the
// meantime is reported when it is time.
func TestClockJumps(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		var ahead atomic.Int64
		w.rules = clockRules
		r := w.start("data", func(p *process) {
			p.wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		var notified []string
		for i, jump := range []time.Duration{0, day, 0, -day, 0, day} {
			ahead.Store(int64(jump))
			name := fmt.Sprint("service-", i)
			w.trouble(0, name)
			notified = append(notified, "firing "+name, "resolved "+name)
			for _, want := range notified {
				if !contains(w.notices(), want) {
					t.Errorf("with the clock %s ahead it was not notified: %s", jump, want)
				}
			}
			if n := len(w.notices()); n != len(notified) {
				t.Errorf("with the clock %s ahead people were notified %v", jump, w.notices())
			}
			if err := checkOf(r, "clock"); (err != nil) != (jump != 0) {
				t.Errorf("with the clock %s ahead /readyz says %v", jump, err)
			}
		}
		if n := r.state.Stats().Late; n != 0 {
			t.Errorf("%d logs were late", n)
		}
		time.Sleep(4*time.Minute + 30*time.Second) // it is 280 seconds since the last sign of life
		if contains(w.notices(), "firing agent") {
			t.Error("silence was reported too soon")
		}
		time.Sleep(time.Minute)
		if !contains(w.notices(), "firing agent") {
			t.Error("silence was not reported while the clock is wrong")
		}
		r.end()
	})
}

func checkOf(r *run, name string) error {
	for _, c := range r.ready() {
		if c.Name == name {
			return c.Err()
		}
	}
	return nil
}

// notReady is the first problem for which /readyz fails; nil while it is ready or degraded.
func notReady(r *run) error {
	for _, c := range r.ready() {
		if err := c.Err(); err != nil && !c.Soft {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// A program that runs under a clock that is a day ahead from its start, and once more when the
// clock is right: time goes by the logs, so the second run finds nothing late, and continues with
// what was up; and what fires once more is notified once more, although the first run has noted
// that it notified of it a day from now.
func TestClockAheadBeforeRestart(t *testing.T) {
	dir := t.TempDir()
	broker := func(o *devbroker.Options) { o.DataDir = filepath.Join(dir, "broker") }
	begin := func(w *world, ahead time.Duration) *run {
		w.rules = clockRules
		var writing sync.WaitGroup
		defer writing.Wait()
		writing.Go(func() {
			for range 15 {
				w.at(ahead, "heartbeat", "agent")
				time.Sleep(time.Second)
			}
		})
		return w.start("data")
	}
	inWorldOf(t, dir, 1, func(w *world) {
		time.Sleep(day)
		w.at(-day, "heartbeat", "agent")
		r := begin(w, -day)
		w.trouble(-day, "before")
		want(t, "under a clock a day ahead", w.notices(), "firing before", "resolved before")
		for range 11 {
			w.at(-day, "ERROR", "pay")
		}
		time.Sleep(5 * time.Second)
		want(t, "under a clock a day ahead", w.notices(), "firing before", "firing pay",
			"resolved before")
		if n := r.state.Stats().Late; n != 0 {
			t.Errorf("under a clock a day ahead %d logs were late", n)
		}
		r.end()
	}, broker)
	inWorldOf(t, dir, 1, func(w *world) {
		time.Sleep(5 * time.Minute)
		r := begin(w, 0)
		w.trouble(0, "after")
		want(t, "when the clock is right", w.notices(), "firing after", "resolved after",
			"resolved pay")
		w.trouble(0, "pay")
		want(t, "of what fires once more", w.notices(), "firing after", "firing pay",
			"resolved after", "resolved pay", "resolved pay")
		if n := r.state.Stats().Late; n != 0 {
			t.Errorf("when the clock is right %d logs are late", n)
		}
		if err := checkOf(r, "clock"); err != nil {
			t.Errorf("/readyz says %v", err)
		}
		r.end()
	}, broker)
}
