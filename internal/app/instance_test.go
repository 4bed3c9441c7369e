package app

import (
	"io"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// "Anyone who starts with my state again is the same member of the group."
func TestInstance(t *testing.T) {
	c := DefaultConfig()
	c.DataDir = Path(t.TempDir())
	name := func() string {
		id, err := instance(&c)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := name()
	if first == "" || name() != first {
		t.Errorf("the name is %q and then %q; want one that stays", first, name())
	}
	other := c
	other.DataDir = Path(t.TempDir())
	if id, err := instance(&other); err != nil || id == first {
		t.Errorf("other state has the name %q, %v; want another than %q", id, err, first)
	}
	c.Kafka.InstanceID = "none"
	if id := name(); id != "" {
		t.Errorf("none is %q, want a dynamic member", id)
	}
	c.Kafka.InstanceID = "mine"
	if id := name(); id != "mine" {
		t.Errorf("a given name is %q", id)
	}
}

// Values of one service may be on several partitions, even if its logs are not: who has rules about
// values is alone.
func TestRulesOverRecordedValuesAreAlone(t *testing.T) {
	c := DefaultConfig()
	c.Kafka.RecordKey, c.Kafka.RecordsTopic = []string{"service"}, "values"
	p := newProcess(&c, Terminal{Out: io.Discard, Err: io.Discard})
	f := func(text string, want string) {
		t.Helper()
		set, err := rule.Read("test.rules.yml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p.set.Store(set)
		if err := p.exclusive(); (err == nil) != (want == "") ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("alone because %v, want %q", err, want)
		}
	}
	before, _, _ := strings.Cut(recordRules, "- name: over")
	f(before, "")
	f(recordRules, "rule over/Many needs")
}
