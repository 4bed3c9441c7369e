package notify

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// killed returns a copy of what a process that is killed now leaves on the disk.
func killed(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		to := filepath.Join(copied, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

// After a kill, what was notified is not notified again, even if the outbox has it once more; what
// was not notified is.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Other", "b", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		l.outbox.add(over(a), b)
		after(2 * time.Minute)
		expect(t, "before the kill", w.sites["hook"].received(), "firing Errors a",
			"firing Other b", "resolved Errors a")
		disk := killed(t, dir)
		l.stop()
		w.sites["hook"].received()

		again := newOutbox()
		again.add(a, over(a), b) // acknowledged, but the kill came before that was on disk
		l = start(
			t,
			w,
			Options{
				WebhookURL: "http://hook/x",
				DataDir:    disk,
				Outbox:     again,
				Firing:     []models.Alert{b},
			},
		)
		after(10 * time.Minute)
		expect(t, "after the kill", w.sites["hook"].received())
		expectDetails(t, l.n, b.ID, "firing default sent accepted, before the restart")
		if n := len(again.Pending()); n != 0 {
			t.Errorf("%d transitions were not acknowledged", n)
		}
		again.add(over(b))
		after(2 * time.Minute)
		expect(t, "when it is over", w.sites["hook"].received(), "resolved Other b")
	})
}

// An alert that was acknowledged but not notified when the process was killed is notified after the
// restart, and so is its end.
func TestKillBeforeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		var up atomic.Bool
		w.sites["hook"].answer = func(int) int {
			if up.Load() {
				return http.StatusOK
			}
			return http.StatusBadGateway
		}
		dir := t.TempDir()
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir, Grace: time.Second})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Other", "b", 1)
		l.outbox.add(a, b)
		after(time.Minute)
		l.outbox.add(over(b))
		after(time.Minute)
		if n := len(l.outbox.Pending()); n != 0 {
			t.Fatalf("%d transitions were not acknowledged", n)
		}
		disk := killed(t, dir)
		l.stop()
		up.Store(true)
		start(t, w, Options{WebhookURL: "http://hook/x", DataDir: disk, Firing: []models.Alert{a}})
		after(time.Second)
		expect(t, "after the kill", slices.Sorted(slices.Values(w.sites["hook"].received())),
			"firing Errors a", "firing Other b", "resolved Other b")
	})
}

// What fires is restored before anything is notified: no group seems resolved after a restart, and
// what the engine no longer knows has ended only after a while.
func TestRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		o := Options{WebhookURL: "http://hook/x", DataDir: dir}
		l := start(t, w, o)
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "b", 1)
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(b)
		after(2 * time.Minute)
		l.stop()
		expect(t, "before", w.sites["hook"].received(), "firing Errors a",
			"firing Errors a, firing Errors b")

		after(time.Hour)
		o.Firing = []models.Alert{a}
		start(t, w, o)
		after(4 * time.Minute)
		expect(t, "after the restart", w.sites["hook"].received())
		after(5 * time.Minute)
		expect(t, "when doubt is over", w.sites["hook"].received(),
			"firing Errors a, resolved Errors b")
	})
}

// Firing alerts are notified after the notification state was lost.
func TestMemoryLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		a := firingAlert("Errors", "a", 1)
		start(t, w, Options{WebhookURL: "http://hook/x", Firing: []models.Alert{a}})
		after(time.Second)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a")
	})
}

// A memory that is damaged is put aside, loudly; one that was cut short by a crash loses at most
// the last change.
func TestDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		l.silence("g", "z", time.Hour) // a change after the first snapshot
		l.stop()
		w.sites["hook"].received()
		cut := killed(t, dir)
		appendTo(t, newestFile(t, cut, "log-*"), "half a frame")
		l = start(t, w, Options{
			WebhookURL: "http://hook/x",
			DataDir:    cut,
			Firing:     []models.Alert{a},
		})
		after(2 * time.Minute)
		expect(t, "after a crash in the middle of a write", w.sites["hook"].received())
		if text := l.log.String(); !strings.Contains(text, "dropped") {
			t.Errorf("the log does not say that something was dropped:\n%s", text)
		}
		l.stop()

		snapshot := newestFile(t, dir, "snapshot-*")
		text, err := os.ReadFile(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)-3] ^= 0xff
		if err := os.WriteFile(snapshot, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l = start(t, w, Options{
			WebhookURL: "http://hook/x",
			DataDir:    dir,
			Firing:     []models.Alert{a},
		})
		after(time.Second)
		expect(t, "after damage", w.sites["hook"].received(), "firing Errors a")
		if text := l.log.String(); !strings.Contains(text, "damaged") {
			t.Errorf("the log does not say that something is damaged:\n%s", text)
		}
		if found, _ := filepath.Glob(filepath.Join(dir, "notify.damaged-*")); len(found) != 1 {
			t.Errorf("put aside: %q", found)
		}
	})
}

func newestFile(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "notify", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	return names[len(names)-1]
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A stop waits for an attempt under way, and takes what is left in the outbox with it.
func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].answer = func(int) int {
			time.Sleep(3 * time.Second)
			return http.StatusOK
		}
		dir := t.TempDir()
		l := start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		l.stop()
		expect(t, "at the stop", w.sites["hook"].received(), "firing Errors a")
		start(t, w, Options{WebhookURL: "http://hook/x", DataDir: dir, Firing: []models.Alert{a}})
		after(10 * time.Minute)
		expect(t, "after the restart", w.sites["hook"].received())
	})
}

// A receiver that hangs delays a stop by at most the grace that is given.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].answer = func(int) int { return 0 }
		l := start(t, w, Options{WebhookURL: "http://hook/x", Grace: 4 * time.Second})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		began := time.Now()
		l.stop()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

// After its state was lost, the engine reads once more what it read before, silently. What it finds
// to fire, and was notified, continues to fire.
func TestStateLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := t.TempDir()
		o := Options{WebhookURL: "http://hook/x", DataDir: dir}
		l := start(t, w, o)
		a := firingAlert("Errors", "a", 7)
		l.outbox.add(a)
		after(2 * time.Minute)
		l.stop()
		w.sites["hook"].received()
		l = start(t, w, o)
		replayed := firingAlert("Errors", "a", 1) // counted anew
		replayed.Historical = true
		l.outbox.add(replayed)
		after(30 * time.Minute)
		expect(t, "after the restart", w.sites["hook"].received())
		end := over(replayed)
		l.outbox.add(end)
		after(2 * time.Minute)
		expect(t, "when it is over", w.sites["hook"].received(), "resolved Errors a")
	})
}

// A disk that does not take what was notified is an alarm; nothing is acknowledged, nothing is
// notified the same again and again, and alerts are notified as before.
func TestDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		if err := l.n.wal.store.Close(); err != nil { // as good as a disk that fails
			t.Fatal(err)
		}
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(10 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(), "firing Errors a")
		if n := len(l.outbox.Pending()); n != 1 {
			t.Errorf("%d transitions wait to be acknowledged", n)
		}
		if err := l.n.StateHealth(); err == nil {
			t.Error("StateHealth knows nothing")
		}
		l.cancel()
		if err := <-l.done; err == nil {
			t.Error("Run ends without an error")
		}
		close(l.done)
	})
}

// Two rules whose alerts have the same labels are two alerts, each with its beginning and its end.
func TestSameLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].ids = true
		l := start(t, w, Options{WebhookURL: "http://hook/x"})
		a, b := firingAlert("Errors", "a", 1), firingAlert("Errors", "a", 1)
		b.ID, b.Rule = "other", "others/Errors"
		l.outbox.add(a, b)
		after(2 * time.Minute)
		l.outbox.add(over(a))
		after(2 * time.Minute)
		l.outbox.add(over(b))
		after(2 * time.Minute)
		expect(t, "notified", w.sites["hook"].received(),
			"firing Errors a Errors-a-1, firing Errors a other",
			"resolved Errors a Errors-a-1, firing Errors a other", "resolved Errors a other")
		if text := string(w.sites["hook"].last()); !strings.Contains(text,
			`"rule":"others/Errors"`) {
			t.Errorf("the label rule does not tell the two apart: %s", text)
		}
	})
}

// Whatever the notification state holds, it is read rightly or refused: no panic, no wrong start.
func TestForeignState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for range 200 {
			dir := t.TempDir()
			logger := slog.New(slog.DiscardHandler)
			w, err := openWAL(filepath.Join(dir, "notify"), logger, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			s := &state{
				Labels: packLabels(model.LabelSet{"alertname": "Errors"}),
				Steps:  []step{{N: 1, Alert: pack(firingAlert("Errors", "a", 1))}},
			}
			good := []byte(s.pack())
			if rng.IntN(2) == 0 {
				good, _ = json.Marshal(s)
			}
			for _, prefix := range []string{
				keyAlert, keyEpisode, keyLog, keySilence, keyQueued, keyPosition,
			} {
				bad := slices.Clone(good[:1+rng.IntN(len(good)-1)])
				bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
				w.put(prefix+"x", string(bad), time.Time{})
			}
			if err := w.close(); err != nil {
				t.Fatal(err)
			}
			n, err := New(Options{
				DataDir: dir, Logger: logger, WebhookURL: "http://hook/x", Outbox: newOutbox(),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// State of another version is named: an older one is put aside, a newer one refused.
func TestStateOfOtherVersion(t *testing.T) {
	for _, format := range []string{"0", "99"} {
		dir := t.TempDir()
		logger := slog.New(slog.DiscardHandler)
		w, err := openWAL(filepath.Join(dir, "notify"), logger, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.put(keyFormat, format, time.Time{})
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		w, err = openWAL(filepath.Join(dir, "notify"), logger, time.Now())
		if format == "99" {
			if err == nil || !strings.Contains(err.Error(), "newer version") {
				t.Errorf("format %s: %v", format, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		w.close()
		if found, _ := filepath.Glob(filepath.Join(dir, "notify.damaged-*")); len(found) != 1 {
			t.Errorf("put aside: %q", found)
		}
	}
}
