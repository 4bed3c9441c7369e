package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

func withOwners(o *devbroker.Options) {
	o.Topics = append(o.Topics, devbroker.Topic{Name: "owners", Partitions: 2, Compact: true})
}

// own writes rows to the topic of owners; those without a value are removed.
func (w *world) own(rows ...string) {
	w.t.Helper()
	for _, row := range rows {
		key, value, _ := strings.Cut(row, " ")
		r := &kgo.Record{Topic: "owners", Key: []byte(key)}
		if value != "" {
			r.Value = []byte(value)
		}
		if err := w.producer.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
}

// teams are the status, group and team of what was received since the last call.
func (w *world) teams() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.received {
		list = append(list, n.status+" "+n.labels["user"]+" "+n.labels["team"])
	}
	w.received = nil
	slices.Sort(list)
	return list
}

// The values of a topic add labels from the first alert on, follow the topic, and survive a
// restart while Kafka has lost it. An alert ends with the labels that it began with.
func TestLookupInTopic(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - {alert: Visit, match: 'user:*', by: [user], window: 1m}
`
		owners := func(p *process) {
			p.config.Notify.Lookups = []LookupConfig{{Topic: "owners", By: []string{"user"}}}
		}
		w.own(`ann {"team":"shop","level":3}`, `bob {"team":"search"}`, "bob", "cid nothing")
		r := w.start("data", owners)
		w.visit("ann", "bob", "cid")
		want(t, "at the start", w.teams(), "firing ann shop", "firing bob ", "firing cid ")
		err := r.process.lookups.health()
		if err == nil || !strings.Contains(err.Error(), "1 values are no rows") {
			t.Errorf("health says %v", err)
		}
		w.own(`ann {"team":"music"}`, `dan {"team":"books","user":"eve"}`, `cid {"team":"late"}`)
		w.visit("eve")
		want(t, "after a change", w.teams(), "firing eve books")
		time.Sleep(3 * time.Minute)
		want(t, "at the end", w.teams(), "resolved ann shop", "resolved bob ",
			"resolved cid ", "resolved eve books")
		r.end()
		if _, err := kadm.NewClient(w.producer).DeleteTopics(w.t.Context(), "owners"); err != nil {
			t.Fatal(err)
		}
		r = w.start("data", owners)
		w.visit("ann")
		want(t, "from disk", w.teams(), "firing ann music")
		r.end()
	}, withOwners)
}
