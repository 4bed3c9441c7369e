package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A list is in the rule file, in a file beside it, or in a topic, whose keys another package must
// give.
func TestLists(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "hosts.txt", "# ours\nweb-1\n\n  web-2  \n")
	write(t, dir, "a.rules.yml", "lists: {a: [x, y], b: {file: hosts.txt}, "+
		"blocked: {topic: blocked-users}}\n"+
		"groups: [{name: g, rules: [{alert: A, match: 'u:@blocked or u:@a'}]}]\n")
	set, err := Load(dir)
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
		if _, err := Read("a.yml", []byte("lists:\n  a: "+list+
			"\ngroups: [{name: g, rules: [{alert: A}]}]\n")); err == nil ||
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
	f("{file: gone.txt}",
		"a.yml:2:13: only rule files on disk may name files; write the members under values")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListFilesStayBelowRuleFile(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "secret.txt", "token-1\n")
	dir := t.TempDir()
	write(t, dir, "inside.txt", "web-1\n")
	write(t, dir, "large.txt", strings.Repeat("x", maxFile+1))
	write(t, dir, "many.txt", strings.Repeat("x\n", MostMembers+1))
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "below"), "deep.txt", "web-2\n")
	if err := os.Symlink(filepath.Join(outside, "secret.txt"),
		filepath.Join(dir, "link.txt")); err != nil {
		t.Skip(err)
	}
	f := func(file, want string) {
		t.Helper()
		write(t, dir, "a.rules.yml", "lists: {a: {file: '"+file+"'}}\n")
		set, err := Load(filepath.Join(dir, "a.rules.yml"))
		if err != nil {
			if want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", file, err, want)
			}
			if strings.Contains(err.Error(), "token-1") {
				t.Errorf("%s: the mistake shows the file", file)
			}
		} else if got := strings.Join(set.Lists["a"].Values, " "); want == "" || got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	f("inside.txt", "web-1")
	f(filepath.Join(dir, "inside.txt"), "web-1")
	f("below/deep.txt", "web-2")
	f("link.txt", "escapes")
	f("../"+filepath.Base(outside)+"/secret.txt", "escapes")
	f(filepath.Join(outside, "secret.txt"), "escapes")
	f("/dev/zero", "escapes")
	f("below", "is not a regular file")
	f("gone.txt", "no such file")
	f("large.txt", "larger than 4 MiB")
	f("many.txt", "more than 100000 members")
}
