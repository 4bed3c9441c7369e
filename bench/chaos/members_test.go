package main

import (
	"testing"
	"time"
)

// An alert that the receiver was not notified of is missing, unless the message of a later alert of
// the same group names it.
func TestMissingAlertIsNamedByItsGroup(t *testing.T) {
	at := func(id, rule, key string, number int64) episode {
		from := time.Unix(1000*number, 0)
		return episode{id: id, rule: rule, key: key, number: number, from: from,
			to: from.Add(time.Minute)}
	}
	got := decided{byID: map[string]episode{}}
	for _, e := range []episode{
		at("a1", "g/Errors", "a", 1), at("a2", "g/Errors", "a", 2), at("b1", "g/Errors", "b", 1),
		at("c1", "g/Other", "a", 1), at("c2", "g/Other", "a", 2),
	} {
		got.byID[e.id] = e
	}
	message := func(id, what, status string, merged ...string) notification {
		return notification{id: id, what: what, status: status, merged: merged}
	}
	all := func(of string, merged ...string) (list []notification) {
		for id, what := range map[string]string{
			"a1": "Errors a", "a2": "Errors a", "b1": "Errors b", "c1": "Other a", "c2": "Other a",
		} {
			if id == "a1" {
				continue
			}
			var named []string
			if id == of {
				named = merged
			}
			list = append(list, message(id, what, "firing", named...),
				message(id, what, "resolved", named...))
		}
		return list
	}
	for _, c := range []struct {
		what  string
		list  []notification
		wrong bool
	}{
		{"no message names it", all("", ""), true},
		{"the next alert of its group names it", all("a2", "a1"), false},
		{"another group names it", all("b1", "a1"), true},
		{"another rule names it", all("c2", "a1"), true},
		{"its group names one that was not decided", all("a2", "a1", "x"), true},
	} {
		if err := compareNotified(got, c.list); (err != nil) != c.wrong {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
