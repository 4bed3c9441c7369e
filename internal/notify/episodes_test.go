package notify

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// transitions are the transitions of a number of episodes of one alert, seconds apart.
func transitions(name string, episodes int, apart time.Duration) (list []models.Alert) {
	at := time.Now().Add(-time.Duration(2*episodes) * apart)
	for i := range episodes {
		a := firingAlert(name, "a", int64(i+1))
		a.At, a.StartsAt = at, at
		end := a
		end.State, end.At, end.EndsAt = models.AlertResolved, at.Add(apart), at.Add(apart)
		list = append(list, a, end)
		at = at.Add(2 * apart)
	}
	return list
}

// fileOrder returns what a file of notifications says, as IDs of alerts and states.
func fileOrder(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(text)) {
		var n notification
		mustUnmarshal(t, line, &n)
		list = append(list, string(n.State)+" "+n.AlertID)
	}
	return list
}

// Two episodes within one group interval: each receiver is notified of both, the end of the first
// before the beginning of the second.
func TestEpisodesWithinInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].ids = true
		name, kafka := filepath.Join(t.TempDir(), "alerts.jsonl"), &topicLog{}
		l := start(t, w, Options{
			WebhookURL: "http://hook/x",
			File:       name,
			Topic:      "alerts",
			Writer:     kafka,
		})
		for i := range int64(2) {
			a := firingAlert("Any", "a", i+1)
			l.outbox.add(a)
			after(5 * time.Second)
			l.outbox.add(over(a))
			after(4 * time.Second)
		}
		after(5 * time.Minute)
		want := []string{"firing Any-a-1", "resolved Any-a-1", "firing Any-a-2", "resolved Any-a-2"}
		expect(t, "file", fileOrder(t, name), want...)
		notified, _ := kafka.received(t)
		expect(t, "topic", notified,
			"Any-a-1 firing", "Any-a-1 resolved", "Any-a-2 firing", "Any-a-2 resolved")
		expect(t, "webhook", w.sites["hook"].received(), "firing Any a Any-a-1",
			"resolved Any a Any-a-1",
			"firing Any a Any-a-2", "resolved Any a Any-a-2")
	})
}

// Episodes that are found together after a backlog reach the file and the topic whole, and the
// webhook in order.
func TestEpisodesOfBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].ids = true
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, w, Options{WebhookURL: "http://hook/x", File: name})
		l.outbox.add(transitions("Any", 3, 10*time.Second)...)
		after(5 * time.Minute)
		expect(t, "file", fileOrder(t, name),
			"firing Any-a-1", "resolved Any-a-1", "firing Any-a-2", "resolved Any-a-2",
			"firing Any-a-3", "resolved Any-a-3")
		expect(t, "webhook", w.sites["hook"].received(),
			"firing Any a Any-a-1", "resolved Any a Any-a-1",
			"firing Any a Any-a-2", "resolved Any a Any-a-2",
			"firing Any a Any-a-3", "resolved Any a Any-a-3")
	})
}

// An alert that flaps is notified a few times a minute, and the message says how often it fired.
// The file has every transition.
func TestFlappingIsMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].ids = true
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, w, Options{WebhookURL: "http://hook/x", File: name})
		const episodes = 21
		for i := range int64(episodes) {
			a := firingAlert("Any", "a", i+1)
			l.outbox.add(a)
			after(time.Second)
			l.outbox.add(over(a))
			after(time.Second)
		}
		after(5 * time.Minute)
		if got := fileOrder(t, name); len(got) != 2*episodes {
			t.Errorf("the file has %d transitions, want %d", len(got), 2*episodes)
		}
		got := w.sites["hook"].received()
		if len(got) > 8 {
			t.Errorf("%d messages within a minute: %q", len(got), got)
		}
		expectPaired(t, got)
		if text := string(w.sites["hook"].last()); !strings.Contains(got[len(got)-1], "Any-a-21") {
			t.Errorf("the last message is about %s:\n%s", got[len(got)-1], text)
		}
		all := ""
		for _, raw := range w.sites["hook"].raw {
			all += string(raw)
		}
		if !strings.Contains(all, `"repeated":"fired 1`) {
			t.Errorf("no message says how often the alert fired: %s", all)
		}
	})
}

// expectPaired checks that messages about one alert are a beginning and an end in turns, each pair
// under one ID.
func expectPaired(t *testing.T, messages []string) {
	t.Helper()
	open := ""
	for _, m := range messages {
		fields := strings.Fields(m)
		state, id := fields[0], fields[len(fields)-1]
		switch {
		case state == "firing" && open == "":
			open = id
		case state == "resolved" && open == id:
			open = ""
		default:
			t.Errorf("%q while %q is open; all messages: %q", m, open, messages)
			return
		}
	}
}

// The first beginning that an integration lacks may be on its way to it while other episodes come:
// its end must follow, so it is not merged.
func TestPendingFiringIsNotMerged(t *testing.T) {
	s := &state{Labels: packLabels(model.LabelSet{"alertname": "A"})}
	b := newStates(nil, slog.New(slog.DiscardHandler), 0, nil)
	episodes := 0
	flap := func() {
		id := fmt.Sprint("episode ", episodes)
		episodes++
		b.push(s, step{Alert: pack(models.Alert{ID: id, State: models.AlertFiring})})
		b.push(s, step{Alert: pack(models.Alert{ID: id, State: models.AlertResolved})})
	}
	kept := func() (ids []string) {
		for _, t := range s.Steps {
			if t.firing() {
				ids = append(ids, t.Alert.ID)
			}
		}
		return ids
	}
	for range 10 {
		flap()
	}
	if ids := kept(); len(s.Steps) != maxSteps || ids[0] != "episode 0" || ids[1] == "episode 1" {
		t.Errorf("it waits for %v", ids)
	}
	// one receiver has the first episode, another one nothing yet
	s.Notified = map[string]progress{"fast": {N: s.Steps[1].N, State: models.AlertResolved}}
	next := s.Steps[2].Alert.ID
	for range 10 {
		flap()
	}
	if ids := kept(); len(s.Steps) > maxSteps+2 || ids[0] != "episode 0" || ids[1] != next {
		t.Errorf("it waits for %v, want episode 0 and %s first", ids, next)
	}
}

// An alert that comes back to a severity again and again is one alert, and not several that were
// merged.
func TestReturnToASeverityIsNotMerged(t *testing.T) {
	s := &state{Labels: packLabels(model.LabelSet{"alertname": "A", "severity": "warning"})}
	b := newStates(nil, slog.New(slog.DiscardHandler), 0, nil)
	for _, id := range []string{"1", "2", "2", "3", "3", "3", "3", "3"} {
		b.push(s, step{Alert: pack(models.Alert{ID: id, State: models.AlertFiring})})
		b.push(s, step{Alert: pack(models.Alert{ID: id, State: models.AlertResolved})})
	}
	if len(s.Steps) > maxSteps+2 {
		t.Fatalf("%d steps wait", len(s.Steps))
	}
	merged := 0
	for _, step := range s.Steps {
		merged += step.Merged
		if step.Merged != len(step.MergedIDs) || slices.Contains(step.MergedIDs, step.Alert.ID) {
			t.Errorf("%s stands for %d more: %q", step.Alert.ID, step.Merged, step.MergedIDs)
		}
	}
	if merged != 1 { // the first one waits, the second one is merged into the third
		t.Errorf("%d alerts are merged, want 1", merged)
	}
}

// The severities of an alert that change in one go are steps in the file, and the last one is what
// the webhook knows.
func TestSeverityStepsInOneGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, w, Options{WebhookURL: "http://hook/x", File: name})
		a := firingAlert("Errors", "a", 1)
		var list []models.Alert
		for i, severity := range []string{"warning", "critical", "warning", "critical"} {
			one := a
			one.Severity, one.At = severity, time.Now().Add(time.Duration(i)*time.Millisecond)
			one.Labels = map[string]string{"alertname": "Errors", "g": "a", "severity": severity}
			list = append(list, one)
		}
		end := list[3]
		end.State, end.At = models.AlertResolved, time.Now().Add(time.Second)
		l.outbox.add(append(list, end)...)
		after(5 * time.Minute)
		expect(t, "file", fileOrder(t, name), "firing Errors-a-1", "firing Errors-a-1",
			"firing Errors-a-1", "firing Errors-a-1", "resolved Errors-a-1")
		got := strings.Join(w.sites["hook"].received(), ", ")
		if strings.Count(got, "firing") < 2 || !strings.HasSuffix(got, "resolved Errors a") {
			t.Errorf("webhook: %s", got)
		}
		if firing, pending := l.n.states.counts(); firing+pending != 0 {
			t.Errorf("%d firing and %d pending states are left", firing, pending)
		}
	})
}

// A restart delays no new alert of a group that had alerts before.
func TestRestartDelaysNoNewAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		o := Options{WebhookURL: "http://hook/x", DataDir: t.TempDir()}
		l := start(t, w, o)
		a := firingAlert("Errors", "a", 1)
		l.outbox.add(a)
		after(10 * time.Minute)
		l.stop()
		w.sites["hook"].received()
		o.Firing = []models.Alert{a}
		l = start(t, w, o)
		after(2 * time.Second)
		l.outbox.add(firingAlert("Errors", "b", 1))
		after(time.Millisecond)
		expect(t, "at once", w.sites["hook"].received(), "firing Errors a, firing Errors b")
	})
}

// What waits in the outbox when the process starts is notified as it was decided, and not as the
// engine has the alert now: after a kill a line is written again, to the last byte. The end of an
// episode that waits there is that of the engine, also when the next one fires already.
func TestOutboxBeforeRestoredAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		list := transitions("Any", 2, 10*time.Second)[:3] // fires, is resolved, fires again
		out := newOutbox()
		out.add(list...)
		now := list[2]
		now.Value, now.Count = 35, 35
		firing := []models.Alert{now}
		l := start(t, newWorld(t), Options{File: name, Outbox: out, Firing: firing})
		after(time.Minute)
		l.stop()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, a := range list {
			line, _ := notificationLine(a, l.n.config.Load().external)
			want = append(want, string(line))
		}
		if got := strings.TrimSpace(string(text)); got != strings.Join(want, "\n") {
			t.Errorf("the file has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// A kill between the write of a line and the note of it does not repeat the line; the content of
// the file is each transition once, in order.
func TestFileAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, name := t.TempDir(), filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, newWorld(t), Options{File: name, DataDir: dir})
		list := transitions("Any", 4, time.Second)
		l.outbox.add(list[:3]...)
		synctest.Wait()
		before := killed(t, dir) // the note of the lines is not on disk
		l.stop()
		again := newOutbox()
		again.add(list...)
		start(t, newWorld(t), Options{File: name, DataDir: before, Outbox: again})
		after(time.Minute)
		expect(t, "file", fileOrder(t, name),
			"firing Any-a-1", "resolved Any-a-1", "firing Any-a-2", "resolved Any-a-2",
			"firing Any-a-3", "resolved Any-a-3", "firing Any-a-4", "resolved Any-a-4")
	})
}

// An alert may fire early with a log that is later than the end that is decided then, when logs of
// several partitions were out of order. Read again after a kill, it is not a new alert.
func TestFiredLaterThanItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		w.sites["hook"].ids = true
		dir, name := t.TempDir(), filepath.Join(t.TempDir(), "alerts.jsonl")
		o := Options{WebhookURL: "http://hook/x", File: name, DataDir: dir}
		l := start(t, w, o)
		a := firingAlert("Any", "a", 1)
		end := over(a)
		end.At, end.EndsAt = a.At.Add(-3*time.Second), a.At.Add(-3*time.Second)
		l.outbox.add(a, end)
		after(time.Minute)
		o.DataDir, o.Outbox = killed(t, dir), newOutbox()
		l.stop()
		o.Outbox.(*outbox).add(a, end)
		start(t, w, o)
		after(10 * time.Minute)
		expect(t, "file", fileOrder(t, name), "firing Any-a-1", "resolved Any-a-1")
		expect(t, "webhook", w.sites["hook"].received(), "firing Any a Any-a-1", "resolved Any a Any-a-1")
	})
}

// No receiver is notified of the end of an alert whose beginning no receiver was notified of, such
// as one that the engine found again after its data directory was lost.
func TestNoEndWithoutBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		name := filepath.Join(t.TempDir(), "alerts.jsonl")
		l := start(t, w, Options{WebhookURL: "http://hook/x", File: name})
		a := firingAlert("Errors", "a", 1)
		a.Historical = true
		end := over(a)
		end.Historical = false
		l.outbox.add(a, end)
		after(5 * time.Minute)
		expect(t, "webhook", w.sites["hook"].received())
		if _, err := os.Stat(name); err == nil {
			text, _ := os.ReadFile(name)
			if len(text) > 0 {
				t.Errorf("file: %s", text)
			}
		}
	})
}

// The law of receivers: whatever happens (receivers that come and go, kills at any instant,
// transitions in one go, an outbox that brings transitions again), the file and the topic have each
// transition once or identically repeated, in order, and the webhook has the beginning and the end
// of each episode in turns.
func TestReceiversLaw(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { receiversLaw(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func receiversLaw(t *testing.T, rng *rand.Rand) {
	w := newWorld(t, "hook")
	w.sites["hook"].ids = true
	down := w.sites["hook"].breakable()
	conf := configFile(t, `
route: {receiver: r, group_by: ['...'], group_interval: 20s, repeat_interval: 1y}
receivers: [{name: r, webhook_configs: [{url: 'http://hook/x'}]}]
`)
	dir, name, kafka := t.TempDir(), filepath.Join(t.TempDir(), "alerts.jsonl"), &topicLog{}
	o := Options{AlertmanagerConfig: conf, DataDir: dir, File: name, Topic: "alerts", Writer: kafka}
	l := start(t, w, o)
	up, episodes := map[string]models.Alert{}, map[string]int64{}
	var all []models.Alert
	received := map[string][]string{}
	hear := func() {
		for _, m := range w.sites["hook"].received() {
			g := strings.Fields(m)[2]
			received[g] = append(received[g], m)
		}
	}
	next := func() models.Alert {
		g := string(rune('a' + rng.IntN(3)))
		if a, ok := up[g]; ok {
			delete(up, g)
			return over(a)
		}
		episodes[g]++
		up[g] = firingAlert("Errors", g, episodes[g])
		return up[g]
	}
	for range 50 {
		switch rng.IntN(8) {
		case 0, 1, 2, 3:
			a := next()
			all = append(all, a)
			l.outbox.add(a)
		case 4:
			var burst []models.Alert
			for range 1 + rng.IntN(5) {
				time.Sleep(time.Millisecond)
				burst = append(burst, next())
			}
			all = append(all, burst...)
			l.outbox.add(burst...)
		case 5:
			down.Store(!down.Load())
		case 6:
			kafka.leave(rng.IntN(2) == 0)
		case 7:
			disk := killed(t, dir)
			pending := l.outbox.Pending()
			hear()
			down.Store(true)
			l.stop()
			w.sites["hook"].received()
			again := newOutbox()
			again.add(all[max(0, len(all)-len(pending)-rng.IntN(10)):]...)
			o.Firing = nil
			for _, a := range up {
				o.Firing = append(o.Firing, a)
			}
			down.Store(rng.IntN(3) == 0)
			dir = disk
			o.DataDir, o.Outbox = dir, again
			l = start(t, w, o)
		}
		after(time.Duration(rng.Int64N(int64(30 * time.Second))))
	}
	down.Store(false)
	kafka.leave(false)
	after(15 * time.Minute)
	hear()

	want := []string{}
	for _, a := range all {
		want = append(want, string(a.State)+" "+a.ID)
	}
	expect(t, "file", fileOrder(t, name), want...)
	expect(t, "topic", topicOrder(t, kafka), want...)
	for g, list := range received {
		expectPaired(t, list)
		if len(list) == 0 || !strings.HasSuffix(list[len(list)-1],
			fmt.Sprintf("-%d", episodes[g])) {
			t.Errorf("the last message about %s is %q", g, list[len(list)-1])
		}
	}
}

// topicOrder returns the notifications of a topic in the order in which they came first, and checks
// that repeats are identical.
func topicOrder(t *testing.T, kafka *topicLog) (list []string) {
	t.Helper()
	kafka.mu.Lock()
	defer kafka.mu.Unlock()
	first := map[string]string{}
	for _, r := range kafka.records {
		var n notification
		mustUnmarshal(t, string(r.Value), &n)
		if old, ok := first[n.ID]; ok {
			if old != string(r.Value) {
				t.Errorf("a repeat differs:\n%s\n%s", old, r.Value)
			}
			continue
		}
		first[n.ID] = string(r.Value)
		list = append(list, string(n.State)+" "+n.AlertID)
	}
	return list
}

// When more waits for the file than there is room for, the oldest is dropped, counted, and an alert
// of our own says so.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		kafka := &topicLog{away: true}
		const room = 1 << 20
		l := start(t, w, Options{
			WebhookURL:    "http://hook/x",
			Topic:         "alerts",
			Writer:        kafka,
			MaxQueueBytes: room,
		})
		a := firingAlert("Errors", "a", 1)
		a.Annotations = map[string]string{}
		for i := range 9 {
			a.Annotations[fmt.Sprint("text", i)] = strings.Repeat("x", maxAnnotation)
		}
		var list []models.Alert
		for i := range room/(9*maxAnnotation) + 10 {
			a.ID = fmt.Sprint("id-", i)
			a.Labels = map[string]string{"alertname": "Errors", "g": fmt.Sprint(i)}
			list = append(list, a)
		}
		l.outbox.add(list...)
		after(2 * time.Minute)
		if _, bytes, dropped := l.n.queue.waiting(); bytes > room || dropped == 0 {
			t.Errorf("%d bytes wait, %d were dropped", bytes, dropped)
		}
		if err := l.n.CapacityHealth(); err == nil ||
			!strings.Contains(err.Error(), "were dropped") {
			t.Errorf("Health: %v", err)
		}
		if got := w.sites["hook"].received(); !slices.Contains(got,
			"firing NotificationQueueFull") {
			t.Errorf("no alert says that the queue is full: %d messages", len(got))
		}
	})
}

// 10,000 alerts of one rule do not hold back the alert of another, nor a page.
func TestFloodHoldsBackNoOtherRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "hook")
		l := start(t, w, Options{WebhookURL: "http://hook/x", MaxAlerts: 1000})
		var flood []models.Alert
		for i := range 1100 {
			flood = append(flood, firingAlert("LoginFailed", fmt.Sprint(i), 1))
		}
		l.outbox.add(flood...)
		after(2 * time.Second)
		db := firingAlert("DatabaseDown", "db", 1)
		db.Severity = "page"
		l.outbox.add(db, firingAlert("Other", "x", 1))
		after(2 * time.Second)
		got := w.sites["hook"].received()
		for _, want := range []string{
			"firing DatabaseDown db", "firing Other x", "firing NotificationsHeldBack",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("no message %q among %d", want, len(got))
			}
		}
		if text := l.log.String(); !strings.Contains(text, "level=ERROR") {
			t.Error("the log does not say that alerts are held back")
		}
	})
}
