package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func edit(base Rules, name, text string) Edit {
	return Edit{Page: Page{Name: name, Text: text}, Base: base.Hash, Remove: text == ""}
}

// An edit counts if the rules are in force that it was checked with, and its author learns whether
// it did. The rules of the configuration come in force beside it, and what is saved reads back.
func TestEditCountsForItsRules(t *testing.T) {
	f, offset := newFolder(t, 1), int64(0)
	apply := func(record []byte) (done bool) {
		t.Helper()
		if err := f.Apply(offset, start, record); err != nil {
			t.Fatal(err)
		}
		done, _ = f.TakeAnswer(offset)
		offset++
		return done
	}
	apply(RulesRecord(1, 0, rulesOf(7, oldRules)))
	base := f.Rules()
	if !apply(EditRecord(1, edit(base, "mine", "one"))) {
		t.Fatal("an edit of the rules in force does not count")
	}
	if apply(EditRecord(1, edit(base, "mine", "two"))) {
		t.Error("an edit counts that was checked with other rules")
	}
	if apply(RulesRecord(1, base.Hash, rulesOf(8, newRules))); f.Rules().Files[0].Text != oldRules {
		t.Error("rules come in force that were proposed beside others")
	}
	apply(RulesRecord(1, f.Rules().Hash, rulesOf(8, newRules)))
	if r := f.Rules(); r.Files[0].Text != newRules || len(r.Pages) != 1 || r.Hash != HashOf(r) {
		t.Errorf("the rules in force are %+v", r)
	}
	for n := range 2 * keptVersions {
		if !apply(EditRecord(1, edit(f.Rules(), "mine", fmt.Sprint("text ", n)))) {
			t.Fatal("an edit does not count")
		}
	}
	if n := len(f.Pages()["mine"].Versions); n != keptVersions {
		t.Errorf("%d versions are kept, want %d", n, keptVersions)
	}
	for range 3 {
		apply(EditRecord(1, edit(f.Rules(), "mine", strings.Repeat("x\n", versionBytes/3))))
		apply(EditRecord(1, edit(f.Rules(), "mine", "short")))
	}
	if n := len(f.Pages()["mine"].Versions); n > 5 {
		t.Errorf("%d versions of long texts are kept", n)
	}
	apply(EditRecord(1, edit(f.Rules(), "other", "other")))
	apply(EditRecord(1, edit(f.Rules(), "mine", "")))
	if p := f.Pages()["mine"]; !p.Removed || len(f.Rules().Pages) != 1 {
		t.Errorf("the file is %+v, and in force are %+v", p, f.Rules().Pages)
	}
	again := f.restart(t, false)
	if diff := cmp.Diff(f.Pages(), again.Pages()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(f.Rules(), again.Rules()); diff != "" {
		t.Error(diff)
	}
}

// A member of the version before edits stops at one, and does not decide without it.
func TestEditIsOfNewerVersion(t *testing.T) {
	if b := EditRecord(1, Edit{}); b[0] != 2 || NotesRecord(1, nil)[0] != 1 {
		t.Errorf("the versions are %d and %d", b[0], NotesRecord(1, nil)[0])
	}
}

// Rules without rule files of the pages are identified as by members of earlier versions.
func TestHashOfRules(t *testing.T) {
	r := Rules{Files: []File{{Name: "/etc/a.rules.yml", Text: "x"}}}
	const before = 0xdfaf50905f3478f7
	if got := HashOf(r); got != before {
		t.Errorf("the rules are %#x", got)
	}
	if r.Files[0].Name = "/mnt/a.rules.yml"; HashOf(r) != HashOf(Rules{Files: r.Files}) {
		t.Error("rules of another directory are others")
	}
}

// The newest notes are kept, also over a restart, and each is passed on once.
func TestNotesAreKept(t *testing.T) {
	f, passed := newFolder(t, 1), 0
	f.o.Noted = func(list []json.RawMessage) { passed += len(list) }
	for n := range int64(keptNotes) {
		list := []json.RawMessage{
			fmt.Appendf(nil, "%d", 2*n), fmt.Appendf(nil, "%d", 2*n+1),
		}
		at := start.Add(time.Duration(n) * time.Second)
		if err := f.Apply(n, at, NotesRecord(2, list)); err != nil {
			t.Fatal(err)
		}
		if n%500 == 499 {
			again := f.restart(t, n == 999)
			if diff := cmp.Diff(f.Notes(), again.Notes()); diff != "" {
				t.Fatal(diff)
			}
			again.o.Noted, f = f.o.Noted, again
		}
	}
	list := f.Notes()
	if len(list) != keptNotes || string(list[len(list)-1]) != fmt.Sprint(2*keptNotes-1) {
		t.Errorf("%d notes are kept, the last is %s", len(list), list[len(list)-1])
	}
	if passed != 2*keptNotes {
		t.Errorf("%d notes are passed on, want %d", passed, 2*keptNotes)
	}
	saved := 0
	for key := range f.state {
		if strings.HasPrefix(key, savedNote) {
			saved++
		}
	}
	if saved != keptNotes/2 {
		t.Errorf("the notes of %d records are saved, want %d", saved, keptNotes/2)
	}
}
