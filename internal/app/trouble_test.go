package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
)

// Anyone who starts with an empty directory, because the old one was lost, reads again, silently,
// what windows need: nothing that was notified is notified again, and a window that was half full
// continues where it was. What was notified is lost as well, so nothing is notified of the end of
// an alert that was up then.
func TestDirectoryLostAtStart(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 11)
		w.errors(0, "cart", 6)
		r.end()
		want(t, "before", w.notices(), "firing pay")
		if err := os.RemoveAll(r.dir); err != nil {
			t.Fatal(err)
		}
		r = w.start("data")
		w.errors(0, "cart", 5)
		time.Sleep(2 * time.Minute)
		want(t, "after the loss", w.notices(), "firing cart", "firing pay", "resolved cart")
		r.end()
	})
}

// A directory that is taken away from a running program does not silence it.
func TestDirectoryLostWhileRunning(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 6)
		if err := os.RemoveAll(r.dir); err != nil {
			t.Fatal(err)
		}
		w.errors(0, "pay", 5)
		want(t, "without a directory", w.notices(), "firing pay")
		time.Sleep(20 * time.Minute)
		w.errors(0, "cart", 11)
		time.Sleep(2 * time.Minute)
		want(t, "later", w.notices(), "firing cart", "firing pay", "resolved cart", "resolved pay")
		r.stop()
		<-r.done // it may complain of its directory
		r = w.start("data")
		w.errors(0, "stock", 11)
		time.Sleep(2 * time.Minute)
		want(
			t,
			"of the program after it",
			w.notices(),
			"firing cart",
			"firing pay",
			"firing stock",
			"resolved cart",
			"resolved pay",
			"resolved stock",
		)
		r.end()
	})
}

// What is left of a directory that was emptied under a running program is written again: after a
// kill, an alert has no ID that an earlier one had.
func TestDirectoryEmptiedThenKilled(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 11)
		time.Sleep(2 * time.Minute)
		w.errors(0, "pay", 11)
		time.Sleep(time.Hour) // a start without its state reads less far back
		list, err := os.ReadDir(r.dir)
		for _, one := range list {
			if err == nil {
				err = os.RemoveAll(filepath.Join(r.dir, one.Name()))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		w.errors(0, "cart", 1)
		time.Sleep(5 * time.Second)
		r.kill("killed")
		r = w.start("killed")
		time.Sleep(time.Minute) // the session of the one that was killed, whose instance ID is lost
		w.errors(0, "pay", 11)
		time.Sleep(2 * time.Minute)
		want(t, "after the kill", w.notices(), "firing pay", "firing pay", "firing pay",
			"resolved pay", "resolved pay", "resolved pay")
		ids := map[string]int{}
		for _, n := range w.received {
			ids[n.alert]++
		}
		if len(ids) != 3 {
			t.Errorf("three alerts have the IDs %v", ids)
		}
		r.end()
	})
}

// A data directory that cannot be one is refused with its name, before any log is read.
func TestDirectoryThatIsNone(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		file := filepath.Join(w.dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := w.prepare("file/data")
		if err := r.process.run(w.t.Context()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// State that does not read back as it was written is refused, with what to do; a file that a crash
// has cut short is not damage.
func TestDamagedState(t *testing.T) {
	f := func(change func(name string, text []byte) []byte, refused bool) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			r := w.start("data")
			w.errors(0, "pay", 11)
			r.end()
			files, _ := filepath.Glob(filepath.Join(r.dir, "state", "*-*"))
			for _, name := range files {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, change(filepath.Base(name), text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if refused {
				if err := w.prepare("data").process.run(w.t.Context()); err == nil ||
					!strings.Contains(err.Error(), "move the directory away") {
					t.Errorf("it ends with %v", err)
				}
				return
			}
			r = w.start("data")
			w.errors(0, "cart", 11)
			time.Sleep(2 * time.Minute)
			want(
				t,
				"after the crash",
				w.notices(),
				"firing cart",
				"firing pay",
				"resolved cart",
				"resolved pay",
			)
			r.end()
		})
	}
	f(func(name string, text []byte) []byte {
		if strings.HasPrefix(name, "snapshot") {
			text[len(text)/2] ^= 1
		}
		return text
	}, true)
	f(func(name string, text []byte) []byte {
		if strings.HasPrefix(name, "log") {
			return text[:len(text)-7]
		}
		return text
	}, false)
}

// Logs of a topic that was deleted and created again are read from its beginning, and what they
// amount to is notified.
func TestTopicCreatedAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 11)
		time.Sleep(2 * time.Minute)
		want(t, "before", w.notices(), "firing pay", "resolved pay")
		if err := w.broker.Cluster().DeleteTopic(worldTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := w.broker.CreateTopic(devbroker.Topic{
			Name:       worldTopic,
			Partitions: 1,
		}); err != nil {
			t.Fatal(err)
		}
		w.producer.PurgeTopicsFromClient(worldTopic)
		time.Sleep(time.Minute)
		w.errors(0, "cart", 11)
		time.Sleep(2 * time.Minute)
		want(t, "after", w.notices(), "firing cart", "firing pay", "resolved cart", "resolved pay")
		r.end()
	})
}

// Logs that retention has deleted before they were read are counted, and those behind them are
// read.
func TestReadTooLate(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		w.errors(0, "pay", 11)
		r.end()
		w.errors(0, "lost", 11)
		if err := w.broker.Cluster().DeleteRecords(worldTopic, 0, 22); err != nil {
			t.Fatal(err)
		}
		r = w.start("data")
		w.errors(0, "cart", 11)
		time.Sleep(2 * time.Minute)
		want(
			t,
			"after the loss",
			w.notices(),
			"firing cart",
			"firing pay",
			"resolved cart",
			"resolved pay",
		)
		if !strings.Contains(r.out.String(), "records before offset 22 were deleted") {
			t.Errorf("nothing was said of it:\n%s", r.out.String())
		}
		r.end()
	})
}

// A disk that takes ten seconds for each checkpoint makes alerts late by as much, and does nothing
// else: none is lost, none is notified twice, anyone who looks after the process lets it live, and
// its partitions stay its own.
func TestSlowDisk(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var slow atomic.Bool
		r := w.start("data", func(p *process) {
			p.disk = func() error {
				if slow.Load() {
					time.Sleep(10 * time.Second)
				}
				return nil
			}
		})
		slow.Store(true)
		var all []string
		for i := range 6 {
			name := fmt.Sprint("service-", i)
			w.errors(int32(i%2), name, 11)
			all = append(all, "firing "+name)
		}
		time.Sleep(25 * time.Second)
		want(t, "with a slow disk", w.notices(), all...)
		for range 5 {
			time.Sleep(time.Minute)
			if err := checkLive(r); err != nil || r.source.Health().State != kafka.Ready {
				t.Errorf("health is %+v, %v", r.source.Health(), err)
			}
		}
		if s := r.source.Stats(); s.Rebalances != 0 || s.Lag != 0 {
			t.Errorf("the lag is %d after %d rebalances", s.Lag, s.Rebalances)
		}
		slow.Store(false) // fake time stands still while two wait for one disk
		r.kill("copy")
		r = w.start("copy")
		time.Sleep(3 * time.Minute)
		for i := range 6 {
			all = append(all, fmt.Sprint("resolved service-", i))
		}
		want(t, "when all is over", w.notices(), all...)
		r.end()
	})
}

func checkLive(r *run) error {
	for _, c := range r.live() {
		if err := c.Err(); err != nil {
			return err
		}
	}
	return nil
}

// A disk that is full while logs come in silences no one: alerts go out, offsets stay where they
// are, and it is said. When there is room again all of it is saved; and who is killed before reads
// it all once more, decides the same, and notifies nothing twice.
func TestFullDisk(t *testing.T) {
	f := func(name string, killed bool) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			var full atomic.Bool
			r := w.start("data", func(p *process) {
				p.disk = func() error {
					if full.Load() {
						return syscall.ENOSPC
					}
					return nil
				}
			})
			w.errors(0, "before", 11)
			time.Sleep(2 * time.Second)
			committed := r.source.Stats().Partitions[0].Committed
			full.Store(true)
			w.errors(0, "pay", 11)
			w.errors(0, "cart", 6)
			want(t, name, w.notices(), "firing before", "firing pay")
			time.Sleep(2 * time.Second)
			if at := r.source.Stats().Partitions[0].Committed; at != committed {
				t.Errorf("%s: offset %d was committed beyond %d", name, at, committed)
			}
			if err := checkOf(r, "state"); err == nil {
				t.Errorf("%s: /readyz does not say that the disk is full", name)
			}
			if err := notReady(r); err != nil {
				t.Errorf("%s: /readyz fails, not only degraded: %v", name, err)
			}
			if killed {
				r.kill("copy")
				r = w.start("copy")
			} else {
				full.Store(false)
			}
			w.errors(0, "cart", 5)
			time.Sleep(3 * time.Minute)
			want(
				t,
				name+", and later",
				w.notices(),
				"firing before",
				"firing cart",
				"firing pay",
				"resolved before",
				"resolved cart",
				"resolved pay",
			)
			if err := checkOf(r, "state"); err != nil {
				t.Errorf("%s: with room again /readyz says %v", name, err)
			}
			if at := r.source.Stats().Partitions[0].Committed; at != 33 {
				t.Errorf("%s: offset %d is committed in the end", name, at)
			}
			r.end()
		})
	}
	f("a full disk", false)
	f("a kill with a full disk", true)
}

// A record from the future harms no other: the errors of another host raise their alert, also
// when both are read as a backlog.
func TestRecordFromTheFuture(t *testing.T) {
	skipShort(t)
	f := func(what string, ahead time.Duration, backlog bool) {
		t.Helper()
		inWorld(t, 1, func(w *world) {
			var r *run
			if !backlog {
				r = w.start("data")
			}
			at := time.Now().Add(ahead)
			record := &kgo.Record{Timestamp: at, Value: fmt.Appendf(nil,
				`{"level":"INFO","service":"switch","timestamp":%q}`, at.Format(time.RFC3339Nano))}
			if err := w.producer.ProduceSync(w.t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
			w.errors(0, "pay", 20)
			if backlog {
				time.Sleep(30 * time.Minute)
				r = w.start("data")
			}
			time.Sleep(5 * time.Minute)
			want(t, what, w.notices(), "firing pay", "resolved pay")
			r.end()
		})
	}
	f("fifty minutes ahead", 50*time.Minute, false)
	f("a century ahead", 100*365*24*time.Hour, false)
	f("half a minute ahead", 30*time.Second, false)
	f("in a backlog", 20*time.Minute, true)
	f("ahead of now, in a backlog", 50*time.Minute, true)
	f("in the year 9999", time.Until(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), false)
}

// When a share of the records comes from the future, an alert of its own names their producer, and
// is resolved when it is well again.
func TestRecordsFromTheFutureAreAnAlert(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.start("data")
		own := func(status string) (found []notice) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, n := range w.received {
				if n.labels["alertname"] == futureAlert && n.status == status {
					found = append(found, n)
				}
			}
			return found
		}
		for range 6 {
			record := &kgo.Record{
				Timestamp: time.Now().Add(30 * time.Minute),
				Value:     []byte(`{"level":"INFO","service":"switch","host":"sw-1"}`),
			}
			if err := w.producer.ProduceSync(w.t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		firing := own("firing")
		if len(firing) != 1 || !strings.Contains(firing[0].summary, "service switch, host sw-1") ||
			firing[0].labels["severity"] != "warning" {
			t.Fatalf("the receiver has %+v\n%s", firing, r.out.String())
		}
		if err := checkOf(r, "records"); err == nil ||
			!strings.Contains(err.Error(), "service switch, host sw-1") {
			t.Errorf("/readyz says %v", err)
		}
		if err := notReady(r); err != nil {
			t.Errorf("/readyz fails, not only degraded: %v", err)
		}
		for range 20 {
			time.Sleep(time.Minute)
			w.errors(0, "pay", 1)
		}
		if n := len(own("resolved")); n != 1 {
			t.Errorf("it is resolved %d times", n)
		}
		r.end()
	})
}
