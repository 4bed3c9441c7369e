package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

const listRules = `version: 1
lists: {blocked: {topic: blocked-users}}
groups:
- name: shop
  lateness: 1s
  rules:
  - {alert: Blocked, match: 'user:@blocked', by: ['service=user'], window: 1h}
`

func withBlocked(o *devbroker.Options) {
	o.Topics = append(
		o.Topics,
		devbroker.Topic{Name: "blocked-users", Partitions: 2, Compact: true},
	)
}

// block writes members to the topic of the list, or takes those away that begin with a minus.
func (w *world) block(users ...string) {
	w.t.Helper()
	for _, user := range users {
		r := &kgo.Record{Topic: "blocked-users", Value: []byte("x")}
		if gone, ok := strings.CutPrefix(user, "-"); ok {
			user, r.Value = gone, nil
		}
		r.Key = []byte(user)
		if err := w.producer.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) visit(users ...string) {
	w.t.Helper()
	for _, user := range users {
		w.produce(
			0,
			fmt.Sprintf(`{"timestamp":%q,"user":%q,"message":"hello"}`,
				time.Now().UTC().Format(time.RFC3339Nano), user),
		)
	}
	time.Sleep(5 * time.Second)
}

// A list is read from its topic before the first log is evaluated, and what is written there counts
// from then on, without a restart and without losing what is active.
func TestListsFromTopics(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = listRules
		w.block("ann", "bob", "-bob")
		w.visit("ann", "bob") // before the program is there
		r := w.start("data")
		want(t, "at the start", w.notices(), "firing ann")
		w.block("cid", "-ann")
		time.Sleep(5 * time.Second)
		w.visit("bob", "cid", "ann", "dan")
		want(t, "after a change", w.notices(), "firing ann", "firing cid")
		if n := len(r.process.state.Alerts()); n != 2 {
			t.Errorf("%d alerts are up", n)
		}
		if err := r.process.lists.unread(); err != nil {
			t.Error(err)
		}
		w.rules += "  - {alert: Other, match: 'user:@blocked', by: ['service=user', 'x=host'], " +
			"window: 1h}\n"
		if err := r.process.reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.block("eve")
		time.Sleep(5 * time.Second)
		w.visit("eve")
		if got := w.notices(); len(got) != 5 { // one of Other about cid in its past, two about eve
			t.Errorf("after a reload there are %s", got)
		}
		r.end()
		w.block("-eve", "fay")
		r = w.start("data")
		w.visit("eve", "fay")
		if got := w.notices(); len(got) != 7 {
			t.Errorf("after a restart there are %s", got)
		}
		r.end()
	}, withBlocked)
}

// A list that a reload brings is there with its first log; one that is not there refuses the
// reload, and nothing changes.
func TestReloadBringsLists(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.block("ann")
		r := w.start("data")
		w.rules = strings.Replace(listRules, "blocked-users", "blocked-user", 1)
		if err := r.process.reload(w.t.Context()); err == nil ||
			!strings.Contains(
				err.Error(),
				`list blocked: read the keys of blocked-user: topic "blocked-user" does not `+
					`exist; did you mean "blocked-users"?`,
			) {
			t.Errorf("the reload ends with %v", err)
		}
		if name := r.process.set.Load().Rules[0].Name; name != "Errors" {
			t.Errorf("after it the rule is %s", name)
		}
		w.rules = listRules
		if err := r.process.reload(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.visit("ann")
		time.Sleep(time.Minute)
		want(t, "after the reload", w.notices(), "firing ann")
		r.end()
	}, withBlocked)
}

// Commands that look at a topic take the lists of rules as they are in theirs.
func TestReadLists(t *testing.T) {
	broker, err := devbroker.Start(
		devbroker.Options{Topics: []devbroker.Topic{{Name: "blocked-users", Compact: true}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.ProduceSync(t.Context(),
		&kgo.Record{Topic: "blocked-users", Key: []byte("ann"),
			Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Kafka.Brokers = []string{broker.Addr()}
	f := func(rules, want string) {
		t.Helper()
		set, err := rule.Read("a.yml", []byte(rules))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if set, err = ReadLists(t.Context(), &c, set); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(set.Lists["blocked"].Values)
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", rules, got, want)
		}
	}
	f(listRules, "[ann]")
	f(strings.Replace(listRules, "{topic: blocked-users}", "[bob]", 1), "[bob]")
}

// While the topic of a list cannot be read no log is evaluated, and that is said; a topic that is
// not there ends the start.
func TestListsThatCannotBeRead(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.rules = listRules
		r := w.prepare("data")
		err := r.process.run(w.t.Context())
		if err == nil ||
			!strings.Contains(
				err.Error(),
				`lists: read the keys of blocked-users: topic "blocked-users" does not exist`,
			) {
			t.Errorf("it ends with %v", err)
		}
	})
	inWorld(t, 1, func(w *world) {
		w.rules = listRules
		w.block("ann")
		w.visit("ann", "bob")
		r := w.prepare("data")
		r.link.cut()
		r.begin()
		time.Sleep(10 * time.Minute)
		why := ""
		for _, check := range r.process.ready() {
			if err := check.Err(); check.Name == "lists" && err != nil {
				why = err.Error()
			}
		}
		if !strings.HasPrefix(why, "list blocked: reading its topic blocked-users fails; ") {
			t.Errorf("ready says %q", why)
		}
		r.link.mend()
		time.Sleep(time.Minute)
		want(t, "when the broker is back", w.notices(), "firing ann")
		r.end()
	}, withBlocked)
}
