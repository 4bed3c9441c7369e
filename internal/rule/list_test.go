package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A list is in the rule file, in a file beside it, or in a topic, whose keys another package has
// to give.
func TestLists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts.txt")
	if err := os.WriteFile(file, []byte("# ours\nweb-1\n\n  web-2  \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := Read(
		"a.yml",
		[]byte(
			"lists: {a: [x, y], b: {file: "+file+"}, blocked: {topic: blocked-users}}\ngroups: [{name: g, rules: [{alert: A, match: 'u:@blocked or u:@a'}]}]\n",
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	f := func(set *Set, name, want string) {
		t.Helper()
		if got := strings.Join(set.Lists[name].Values, " "); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	f(set, "a", "x y")
	f(set, "b", "web-1 web-2")
	if unknown := set.Unknown(); len(unknown) != 1 || unknown[0].Topic != "blocked-users" ||
		unknown[0].Name != "blocked" {
		t.Errorf("unknown are %v", unknown)
	}
	with, err := set.WithMembers(map[string][]string{"blocked": nil, "a": {"z"}})
	if err != nil || len(with.Unknown()) != 0 || len(with.TopicLists()) != 1 ||
		with.Rules[0] != set.Rules[0] {
		t.Errorf("%v, unknown are %v", err, with.Unknown())
	}
	f(with, "a", "z")
	f(set, "a", "x y")
	if _, err := set.WithMembers(map[string][]string{"blockd": nil}); err == nil ||
		err.Error() != `list "blockd" is not defined; did you mean "blocked"?` {
		t.Errorf("of a list that is not there: %v", err)
	}
}

// A list is one thing.
func TestListMistakes(t *testing.T) {
	f := func(list, want string) {
		t.Helper()
		if _, err := Read("a.yml", []byte("lists:\n  a: "+list+"\ngroups: [{name: g, rules: [{alert: A}]}]\n")); err == nil ||
			err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", list, err, want)
		}
	}
	f(
		"{topic: t, values: [x]}",
		"a.yml:2:6: a list has either a topic, or values and a file; make two lists of it",
	)
	f("{topic: ''}", "a.yml:2:14: topic is empty; name the topic whose keys are the members")
	f("{topik: t}", `a.yml:2:7: unknown key "topik"; did you mean "topic"?`)
	f("{file: gone.txt}", "a.yml:2:13: open gone.txt: no such file or directory")
}
