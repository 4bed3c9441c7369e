package app

import (
	"path/filepath"
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
		if err == nil || !strings.Contains(err.Error(), "1 values were refused: they are no JSON objects") {
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
		if err := r.reloadWith(func(*Config) {}); err != nil {
			t.Errorf("without the topic a reload ends with %v", err)
		}
		r.end()
	}, withOwners)
}

const visitRules = `version: 1
groups:
- name: shop
  lateness: 1s
  rules:
  - {alert: Visit, match: 'user:*', by: [user], window: 1h}
`

func lookupsOf(list ...LookupConfig) func(*Config) {
	return func(c *Config) { c.Notify.Lookups = list }
}

// A reload that names a topic that cannot be read is refused, and nothing else happens. One that
// names a new topic has its rows with the first alert; the former topic is followed no more.
func TestReloadBringsLookups(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = visitRules
		w.own(`ann {"team":"shop"}`, `bob {"team":"search"}`, `cid {"team":"late"}`)
		r := w.start("data")
		err := r.reloadWith(lookupsOf(LookupConfig{Topic: "owner", By: []string{"user"}}))
		if err == nil || !strings.Contains(err.Error(), `did you mean "owners"?`) {
			t.Errorf("the reload ends with %v", err)
		}
		w.visit("ann")
		want(t, "after the refused reload", w.teams(), "firing ann ")
		if err := r.process.lookups.health(); err != nil {
			t.Error(err)
		}
		owners := LookupConfig{Topic: "owners", By: []string{"user"}}
		if err := r.reloadWith(lookupsOf(owners)); err != nil {
			t.Fatal(err)
		}
		w.visit("bob")
		want(t, "after the reload", w.teams(), "firing bob search")
		owners.By = []string{"user", "team"}
		if err := r.reloadWith(lookupsOf(owners)); err != nil {
			t.Fatal(err)
		}
		w.visit("cid")
		want(t, "with other labels", w.teams(), "firing cid ")
		l := r.process.lookups
		if len(l.followed) != 1 || len(l.tables) != 1 || len(l.prepared) != 0 {
			t.Errorf("%d topics are followed, %d tables and %d prepared tables are kept",
				len(l.followed), len(l.tables), len(l.prepared))
		}
		if err := r.reloadWith(lookupsOf()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		files, _ := filepath.Glob(filepath.Join(r.dir, "lookups", "*"))
		if len(l.followed)+len(l.tables)+len(l.copies)+len(files) != 0 {
			t.Errorf("without lookups there are %v, %v, %v, %v", l.followed, l.tables, l.copies,
				files)
		}
		r.end()
	}, withOwners)
}

// The alerts of an earlier run have the labels of the table from the start on, also when it was
// never read before.
func TestLookupBeforeRestoredAlerts(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = visitRules
		w.own(`ann {"team":"shop"}`)
		r := w.start("data")
		w.visit("ann")
		want(t, "without the table", w.teams(), "firing ann ")
		r.end()
		r = w.start("data", func(p *process) {
			lookupsOf(LookupConfig{Topic: "owners", By: []string{"user"}})(p.config)
		})
		time.Sleep(time.Minute)
		want(t, "with the table", w.teams(), "firing ann shop", "resolved ann ")
		r.end()
	}, withOwners)
}

// A topic of a lookup that was never read and does not exist ends the start; brokers that cannot
// be reached do not.
func TestLookupThatCannotBeRead(t *testing.T) {
	owners := func(p *process) {
		lookupsOf(LookupConfig{Topic: "owners", By: []string{"user"}})(p.config)
	}
	inWorld(t, 1, func(w *world) {
		r := w.prepare("data")
		owners(r.process)
		err := r.process.run(w.t.Context())
		if err == nil || !strings.Contains(err.Error(), `notify.lookups: read the keys of owners: `+
			`topic "owners" does not exist`) {
			t.Errorf("it ends with %v", err)
		}
	})
	inWorld(t, 1, func(w *world) {
		w.rules = visitRules
		w.own(`ann {"team":"shop"}`)
		r := w.prepare("data")
		lookupsOf(
			LookupConfig{Topic: "owners", By: []string{"user"}},
			LookupConfig{Topic: "hosts", By: []string{"host"}},
			LookupConfig{Topic: "teams", By: []string{"team"}},
		)(r.process.config)
		r.link.cut()
		began := time.Now()
		r.begin()
		if took := time.Since(began); took > 30*time.Second { // of which 10 to join the group
			t.Errorf("the start takes %s", took)
		}
		if err := r.process.lookups.health(); err == nil {
			t.Error("health says nothing of a topic that is not read")
		}
		r.link.mend()
		time.Sleep(time.Minute)
		w.visit("ann")
		want(t, "when the broker is back", w.teams(), "firing ann shop")
		r.end()
	}, withOwners)
}
