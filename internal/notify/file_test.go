package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// read returns what a file says, one entry a line: state, name and group.
func read(t *testing.T, name string) (notified []string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n notification
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		notified = append(
			notified,
			fmt.Sprintf("%s %s %s", n.State, n.Labels["alertname"], n.Labels["g"]),
		)
	}
	return notified
}

// An alert whose beginning has moved, by logs that were read in another order, is no news.
func TestFileOfMovedBeginning(t *testing.T) {
	for _, by := range []time.Duration{-time.Second, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "alerts.jsonl")
			l := start(t, newWorld(t, "hook"), Options{File: name, WebhookURL: "http://hook/x"})
			a := firingAlert("Errors", "a", 1)
			l.outbox.add(a)
			after(time.Second)
			moved := a
			moved.At, moved.StartsAt = a.At.Add(by), a.StartsAt.Add(by)
			l.outbox.add(moved)
			after(time.Second)
			l.outbox.add(over(moved))
			after(time.Second)
			expect(t, by.String(), read(t, name), "firing Errors a", "resolved Errors a")
		})
	}
}

// The end of an alert has its own lines, also without annotations, and those of its beginning only
// if it has none.
func TestEndHasItsOwnLines(t *testing.T) {
	for last, want := range map[string]string{"the last log": "the last log", "": "card declined"} {
		synctest.Test(t, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "alerts.jsonl")
			l := start(t, newWorld(t, "hook"), Options{File: name, WebhookURL: "http://hook/x"})
			a := firingAlert("Errors", "a", 1)
			a.Annotations = nil
			l.outbox.add(a)
			after(time.Second)
			end := over(a)
			if end.Last = nil; last != "" {
				end.Last = []models.Line{{Time: a.At, Message: last}}
			}
			l.outbox.add(end)
			after(time.Second)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			if len(lines) != 2 || !strings.Contains(lines[1], want) {
				t.Errorf("%q: got %q", want, lines)
			}
		})
	}
}

// A file has a line for each alert that fires, at once, and one when it has ended, whatever
// receiver is notified. Only its owner may read it.
func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, w, Options{File: name, WebhookURL: "http://hook/x"})
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(time.Second)
		l.outbox.add(firingAlert("Errors", "b", 1))
		after(time.Second)
		expect(t, "the file", read(t, name), "firing Errors a", "firing Errors b")
		l.outbox.add(over(a))
		after(5 * time.Second)
		expect(t, "the file", read(t, name), "firing Errors a", "firing Errors b",
			"resolved Errors a")
		expect(t, "the webhook", w.sites["hook"].received(), "firing Errors a")
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
		text, _ := os.ReadFile(name)
		line, _, _ := strings.Cut(string(text), "\n")
		if want := `{"id":"d86c4c1f079bfaf6c9b325c5","alert_id":"Errors-a-1",` +
			`"rule":"rules/Errors","state":"firing","timestamp":"1999-12-31T23:59:00Z","value":11,` +
			`"labels":{"alertname":"Errors","g":"a"},"annotations":{"alert_id":"Errors-a-1",` +
			`"count":"11","event_time":"1999-12-31T23:59:00Z","fired_value":"11",` +
			`"last_lines":"23:59:00.000 ERROR shop card declined","log_service":"shop",` +
			`"offset":"42","partition":"3","peak":"11","reason":"11 > 10 in 5m",` +
			`"rule":"rules/Errors","source":"shop.rules.yml:7",` +
			`"started_at":"1999-12-31T23:55:00Z","summary":"much of Errors","threshold":"> 10",` +
			`"topic":"logs","value":"11"},"url":"http://alerts.example.com/alerts/Errors-a-1"}`; line != want {
			t.Errorf("got\n%s\nwant\n%s", line, want)
		}
	})
}

// After the file was renamed, as for rotation, the next line is in a new one.
func TestFileIsRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, newWorld(t), Options{File: name})
		l.outbox.add(firingAlert("Errors", "a", 1))
		after(time.Second)
		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
		l.outbox.add(firingAlert("Errors", "b", 1))
		after(time.Second)
		expect(t, "the old file", read(t, name+".1"), "firing Errors a")
		expect(t, "the new one", read(t, name), "firing Errors b")
	})
}

// While the file cannot be written everyone else gets alerts, it is said that the file does
// not, and it has all of them when it can be written again.
func TestFileIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		dir := filepath.Join(t.TempDir(), "log")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "alerts.jsonl")
		l := start(t, w, Options{File: name, WebhookURL: "http://hook/x"})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(2 * time.Minute)
		expect(t, "the webhook", w.sites["hook"].received(), "firing Errors a")
		if n := len(l.outbox.Pending()); n != 0 {
			t.Errorf("%d transitions wait for the file", n)
		}
		if err := l.n.Health(); err == nil ||
			!strings.Contains(err.Error(), "receiver file has failed") {
			t.Errorf("Health: %v", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		after(2 * time.Minute)
		expect(t, "the file", read(t, name), "firing Errors a")
		if err := l.n.Health(); err != nil {
			t.Errorf("Health: %v", err)
		}
	})
}

// A file that cannot be written is refused at the start, and by a reload.
func TestFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		dir:                                      "is not a regular file",
		filepath.Join(dir, "no", "alerts.jsonl"): "create its directory",
	} {
		if _, err := newReceiverConfig(Options{File: name}.withDefaults()); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// Logs written by attackers are in the file without anything that a terminal would obey, on one
// line, and bounded.
func TestHostileTextInFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, newWorld(t), Options{File: name})
		l.outbox.add(hostile())
		after(time.Second)
		text, _ := os.ReadFile(name)
		if strings.Count(string(text), "\n") != 1 || len(text) > 32<<10 {
			t.Errorf("%d lines, %d bytes", strings.Count(string(text), "\n"), len(text))
		}
		for _, forbidden := range []string{"\x1b", `\u001b`, "\x07", "\u202e", `\u202e`, "\xff"} {
			if strings.Contains(string(text), forbidden) {
				t.Errorf("the file has %q: %s", forbidden, text)
			}
		}
	})
}

// disk is a file of which a test decides what becomes of each write.
type disk struct {
	logFile
	d *diskFaults
}

type diskFaults struct {
	mu    sync.Mutex // guards what follows
	room  int        // bytes; negative for any number
	syncs int
	stuck chan struct{} // Sync waits for it, unless it is nil
}

func (d *diskFaults) open(name string) (logFile, error) {
	out, err := openLog(name)
	return disk{out, d}, err
}

func (f disk) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.room < 0 || len(p) <= f.d.room {
		return f.logFile.Write(p)
	}
	n, _ := f.logFile.Write(p[:f.d.room])
	return n, syscall.ENOSPC
}

func (f disk) Sync() error {
	f.d.mu.Lock()
	f.d.syncs++
	stuck := f.d.stuck
	f.d.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	return f.logFile.Sync()
}

// named is a notification of an alert of that name.
func named(name string) []queued {
	line, id := notificationLine(
		models.Alert{State: models.AlertFiring, Labels: map[string]string{"alertname": name}},
		&url.URL{},
	)
	return []queued{{ID: id, Line: line}}
}

// A disk that is full leaves no part of a line behind, and takes the line when it has room.
func TestFullDisk(t *testing.T) {
	d := &diskFaults{room: 20}
	f := &file{name: filepath.Join(t.TempDir(), "alerts.jsonl"), open: d.open}
	if err := f.write(t.Context(), named("A")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	expect(t, "the file", read(t, f.name))
	d.room = -1
	if err := f.write(t.Context(), named("A")); err != nil {
		t.Error(err)
	}
	expect(t, "the file", read(t, f.name), "firing A ")
}

// A line that a crash has cut short does not spoil the one after it, and is written again.
func TestLineCutShort(t *testing.T) {
	f := newFile(filepath.Join(t.TempDir(), "alerts.jsonl"))
	list := named("A")
	cut := string(list[0].Line[:20])
	if err := os.WriteFile(f.name, []byte(cut), 0o600); err != nil {
		t.Fatal(err)
	}
	if left := f.written(list); len(left) != 1 {
		t.Error("a line that was cut short counts as written")
	}
	if err := f.write(t.Context(), list); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(f.name)
	if before, _, _ := strings.Cut(string(text), "\n"); before != cut ||
		strings.Count(string(text), "\n") != 2 {
		t.Errorf("%q", text)
	}
	if left := f.written(list); len(left) != 0 {
		t.Error("the line is not found again")
	}
}

// A stuck disk holds up a write no longer than its context allows. The lines are written once.
func TestStuckDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diskFaults{room: -1, stuck: make(chan struct{})}
		f := &file{name: filepath.Join(t.TempDir(), "alerts.jsonl"), open: d.open}
		list := append(named("A"), named("B")...)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := f.write(ctx, list); err == nil {
				t.Error("a stuck disk has written")
			}
			cancel()
		}
		close(d.stuck)
		list = append(list, named("C")...)
		if err := f.write(t.Context(), list); err != nil {
			t.Error(err)
		}
		expect(t, "the file", read(t, f.name), "firing A ", "firing B ", "firing C ")
	})
}
