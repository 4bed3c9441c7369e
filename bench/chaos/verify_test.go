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

// A message about an alert that began after what is compared may stand for one before that.
func TestLaterMessageStandsForAnAlertBefore(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	one := func(state, id string, second int) change {
		return change{alert: "Any key=a", state: state, id: id, at: at(second)}
	}
	decided := []change{
		one("firing", "a", 10), one("resolved", "a", 15),
		one("firing", "b", 16), one("resolved", "b", 20),
	}
	got := []notice{
		{change: decided[0]}, {change: decided[1]},
		{change: one("firing", "c", 40), merged: []string{"b"}},
	}
	if v := received("webhook", decided, got, at(30)); v.faults() != 0 || v.merged != 1 || v.got != 2 {
		t.Errorf("%+v", v)
	}
	got[2].merged = nil
	if v := received("webhook", decided, got, at(30)); len(v.missing) != 1 {
		t.Errorf("%+v", v)
	}
}
