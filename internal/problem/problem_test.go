package problem

import "testing"

func TestErrorNamesPlaceProblemAndHint(t *testing.T) {
	f := func(e Error, want string) {
		t.Helper()
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Error{Problem: "a"}, "a")
	f(Error{Problem: "a", Hint: "b"}, "a; b")
	f(Error{Pos{File: "f"}, "a", "b"}, "f: a; b")
	f(Error{Pos{"f", 1, 2}, "a", "b"}, "f:1:2: a; b")
	f(Error{Pos{"", 1, 2}, "a", ""}, "1:2: a")
}

func TestListIsSorted(t *testing.T) {
	l := List{
		{Pos{"b", 1, 1}, "4", ""}, {Pos{"a", 2, 1}, "3", ""}, {Pos{"a", 1, 9}, "2", ""},
		{Pos{"a", 1, 2}, "1", ""},
	}
	l.Sort("a", "b")
	want := "a:1:2: 1\na:1:9: 2\na:2:1: 3\nb:1:1: 4"
	if l.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", l, want)
	}
	if (List{}).Err() != nil {
		t.Error("an empty list is an error")
	}
}

func TestClosestIgnoresCaseAndSwaps(t *testing.T) {
	candidates := []string{"contains", "brokers", "window", "by", "for", "group"}
	f := func(word, want string) {
		t.Helper()
		if got := Closest(word, candidates); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
	f("contians", "contains")
	f("Brokers", "brokers")
	f("borkers", "brokers")
	f("windo", "window")
	f("fro", "for")
	f("x", "")
	f("elephant", "")
	f("", "")
}
