package app

import (
	"testing"
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
