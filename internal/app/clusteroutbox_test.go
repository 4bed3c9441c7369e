package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

const alertsTopic = "alerts"

// written are the notifications that the members have written to a file or a topic, by ID. Those
// that came again must be the same to the last byte.
type written struct {
	t     *testing.T
	lines map[string]string
	again int
}

func (n *written) add(line []byte) {
	var one struct {
		ID, Rule, State string
		Labels          map[string]string
	}
	if err := json.Unmarshal(line, &one); err != nil {
		n.t.Errorf("%q: %v", line, err)
	}
	if before, ok := n.lines[one.ID]; ok {
		if n.again++; before != string(line) {
			n.t.Errorf("a notification was written otherwise:\n%s\n%s", before, line)
		}
	}
	n.lines[one.ID] = string(line)
}

// list says what was written: "service state", each once for each notification.
func (n *written) list() (list []string) {
	for line := range maps.Values(n.lines) {
		var one struct {
			State  string
			Labels map[string]string
		}
		_ = json.Unmarshal([]byte(line), &one)
		list = append(list, one.Labels["service"]+" "+one.State)
	}
	slices.Sort(list)
	return list
}

// inTopic is what the members have written to the topic.
func (w *world) inTopic() *written {
	w.t.Helper()
	n := &written{t: w.t, lines: map[string]string{}}
	for _, record := range w.read(alertsTopic) {
		n.add(record.Value)
	}
	return n
}

// keepsAlerts makes the topic that the members would make, but without compaction.
func keepsAlerts(o *devbroker.Options) {
	o.Topics = append(o.Topics, devbroker.Topic{Name: alertsTopic})
}

// inFiles is what the members have written to their files.
func (w *world) inFiles(names ...string) *written {
	w.t.Helper()
	n := &written{t: w.t, lines: map[string]string{}}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(w.dir, name, "alerts.jsonl"))
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			n.add(bytes.TrimSpace(line))
		}
	}
	return n
}

// refuseAlerts has the broker refuse what is written to the topic of alerts.
func (w *world) refuseAlerts() (stop func()) {
	return w.refuseWhile(kmsg.Produce, func(r kmsg.Request) bool {
		produce := r.(*kmsg.ProduceRequest)
		return slices.ContainsFunc(produce.Topics, func(t kmsg.ProduceRequestTopic) bool {
			of := w.broker.Cluster().TopicIDInfo(t.TopicID)
			return t.Topic == alertsTopic || of != nil && of.Topic == alertsTopic
		})
	})
}

// writing makes a program a member that writes its notifications to a topic, and to a file in a
// directory of its own.
func (w *world) writing(name string) func(p *process) {
	return func(p *process) {
		w.clustered(p)
		p.config.Notify.KafkaTopic = alertsTopic
		dir := filepath.Join(w.dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			w.t.Fatal(err)
		}
		p.config.Notify.File = Path(filepath.Join(dir, "alerts.jsonl"))
	}
}

// What a leader that is killed had decided and not written, its successor writes.
func TestClusterOutboxOutlivesLeader(t *testing.T) {
	skipShort(t)
	inWorld(t, 4, func(w *world) {
		list := []*run{w.start("a", w.writing("of a")), w.start("b", w.writing("of b"))}
		w.spread("first", 12)
		time.Sleep(2 * time.Second)
		first := leader(list)
		file := string(first.config.Notify.File)
		want(t, "in the topic", w.inTopic().list(), "first firing")
		want(t, "in the files", w.inFiles("of a", "of b").list(), "first firing")
		// the topic takes nothing, and the file is gone with its disk
		stop := w.refuseAlerts()
		if err := os.RemoveAll(filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
		w.spread("second", 12)
		time.Sleep(2 * time.Second)
		want(t, "while nothing can be written", w.fired(), "Errors first", "Errors second")
		list = w.without(list, first)
		first.kill("gone")
		stop()
		time.Sleep(5 * time.Minute)
		for what, n := range map[string]*written{
			"topic": w.inTopic(), "files": w.inFiles("of a", "of b"),
		} {
			if n.again > 0 {
				t.Errorf("%d notifications came twice to the %s", n.again, what)
			}
			all := []string{"first firing", "first resolved", "second firing", "second resolved"}
			if what == "files" {
				all = all[1:] // the first is gone with its disk
			}
			want(t, "at the end, in the "+what, n.list(), all...)
		}
		list[0].end()
	}, keepsAlerts)
}

// Leaders are killed at any moment, also between a decision and the write: each notification is in
// the topic, and what is there twice is the same.
func TestClusterOutboxAtAnyMoment(t *testing.T) {
	skipShort(t)
	inWorld(t, 4, func(w *world) {
		names := []string{"of a", "of b", "of c"}
		list := []*run{
			w.start("a", w.writing(names[0])), w.start("b", w.writing(names[1])),
			w.start("c", w.writing(names[2])),
		}
		var expected []string
		for i := range 8 {
			done := make(chan bool)
			for s := range 3 {
				service := fmt.Sprintf("s%d-%d", i, s)
				expected = append(expected, service+" firing", service+" resolved")
				go func() { w.spread(service, 11+rand.IntN(3)); done <- true }()
			}
			gone := leader(list)
			// the eleventh log of each comes after a second, and takes a few milliseconds
			time.Sleep(time.Second + time.Duration(rand.IntN(300_000))*time.Microsecond)
			gone.kill(fmt.Sprint("after-", i))
			for range 3 {
				<-done
			}
			time.Sleep(time.Minute)
			for j, r := range list {
				if r == gone {
					list[j] = w.start(fmt.Sprint("after-", i), w.writing(names[j]))
				}
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(3 * time.Minute)
		slices.Sort(expected)
		inTopic, inFiles := w.inTopic(), w.inFiles(names...)
		want(t, "in the topic", inTopic.list(), expected...)
		want(t, "in the files", inFiles.list(), expected...)
		t.Logf("%d notifications came again", inTopic.again+inFiles.again)
		for _, r := range list {
			r.end()
		}
	}, keepsAlerts)
}

// What an instance had queued is written when it has become a cluster, and what the leader of a
// cluster had queued when it has become an instance again, each once.
func TestOutboxOutlivesMigration(t *testing.T) {
	skipShort(t)
	inWorld(t, 4, func(w *world) {
		toTopic := func(p *process) { p.config.Notify.KafkaTopic = alertsTopic }
		single := w.start("a", toTopic)
		stop := w.refuseAlerts()
		w.spread("first", 12)
		time.Sleep(2 * time.Second)
		single.end()
		member := w.prepare("a")
		w.often(member.process)
		toTopic(member.process)
		stop()
		member.begin()
		time.Sleep(20 * time.Second)
		want(t, "as a cluster", w.inTopic().list(), "first firing")
		other := w.start("b", w.often, toTopic)
		stop = w.refuseAlerts()
		w.spread("second", 12)
		time.Sleep(2 * time.Second)
		other.end()
		member.kill("c")
		stop()
		time.Sleep(time.Minute)
		single = w.start("b", toTopic)
		time.Sleep(5 * time.Minute)
		all := w.inTopic()
		want(t, "as an instance", all.list(), "first firing", "first resolved", "second firing",
			"second resolved")
		if all.again > 0 {
			t.Errorf("%d notifications came twice", all.again)
		}
		want(t, "the webhook", w.notified(), "first firing resolved", "second firing resolved")
		single.end()
	}, keepsAlerts)
}
