package main

import (
	"testing"
	"time"
)

// An alert may fire early with a log of the alert after it, but not with a log that belongs to
// none, and not with one of the time between two alerts.
func TestEarlyLogOfALaterAlert(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	one := func(state, id string, second int) change {
		return change{alert: "Any key=a", state: state, id: id, at: at(second)}
	}
	want := map[string][]change{"Any key=a": {
		one("firing", "", 10), one("resolved", "", 15),
		one("firing", "", 40), one("resolved", "", 48),
	}}
	faultsAt := map[int]int{10: 0, 12: 0, 15: 0, 20: 1, 39: 1, 40: 0, 47: 0, 48: 1}
	for second, faults := range faultsAt {
		got := []change{
			one("firing", "a", second), one("resolved", "a", 15),
			one("firing", "b", 40), one("resolved", "b", 48),
		}
		got[1].from, got[3].from = at(10), at(40)
		if v := whole("file", want, got, 0); v.faults() != faults {
			t.Errorf("fired with a log of second %d: %d faults, want %d", second, v.faults(), faults)
		}
	}
	late := []change{
		one("firing", "a", 10), one("resolved", "a", 15),
		one("firing", "b", 49), one("resolved", "b", 48),
	}
	late[1].from, late[3].from = at(10), at(40)
	if v := whole("file", want, late, 0); v.faults() != 1 {
		t.Errorf("fired with a log after the last end: %d faults, want 1", v.faults())
	}
}
