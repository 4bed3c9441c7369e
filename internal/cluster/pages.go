package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Rule files that are written on the pages of any member are those of the cluster: an edit is a
// record, and the record is where the rules switch, at all members alike. Whether the rules can be
// read with the edit is checked by its author, for the rules that are in force then. So an edit
// counts only if they still are; its author checks it anew otherwise.

// Page is a rule file of the pages that is in force.
type Page struct {
	Name  string              `json:"name"` // without a directory and without a suffix
	Text  string              `json:"text"`
	Lists map[string][]string `json:"lists,omitempty"` // values of lists of topics that it names
}

// PageSuffix ends the name of a rule file of the pages.
const PageSuffix = ".rules.yml"

// Edit writes or removes a rule file of the pages.
type Edit struct {
	Page
	Base   uint64 `json:"base"` // hash of the rules in force for which it was checked
	Remove bool   `json:"remove,omitempty"`
	// the file was one of each member, and is in force as such
	Adopt bool `json:"adopt,omitempty"`
	// it replaces a text that its author has not seen
	Unseen bool   `json:"unseen,omitempty"`
	By     string `json:"by,omitempty"` // where it was written
}

// PageFile is what became of a rule file of the pages.
type PageFile struct {
	Text     string        `json:"text"`
	Removed  bool          `json:"removed,omitempty"`
	Edit     int64         `json:"edit"` // offset of the last edit
	At       time.Time     `json:"at"`   // of the last edit
	By       string        `json:"by"`
	Unseen   bool          `json:"unseen,omitempty"` // it replaced a text that its author had not seen
	Versions []PageVersion `json:"versions,omitempty"`
}

// PageVersion is an earlier text of a rule file, and when it was replaced.
type PageVersion struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

const (
	keptVersions = 20
	// bytes of earlier texts of a file: of long ones fewer are kept
	versionBytes = 2 << 20
)

// EditRecord is the record of an edit. Members that do not know it stop, since they would decide
// otherwise.
func EditRecord(by Author, e Edit) []byte {
	b := record(kindEdit, by, e)
	b[0] = recordVersion
	return compressed(b)
}

// HashOf identifies rules by their texts, and not by the directory that they are in.
func HashOf(r Rules) uint64 {
	r.Hash, r.Files, r.Documents = 0, slices.Clone(r.Files), slices.Clone(r.Documents)
	for i := range r.Files {
		r.Files[i].Name = filepath.Base(r.Files[i].Name)
	}
	for i := range r.Documents {
		r.Documents[i].File = filepath.Base(r.Documents[i].File)
	}
	h := fnv.New64a()
	h.Write(encode(r))
	return h.Sum64() | 1 // 0 is for none
}

// With are the rules after an edit.
func (r Rules) With(e Edit) Rules {
	pages := slices.Clone(r.Pages)
	at, found := slices.BinarySearchFunc(pages, e.Name, func(p Page, name string) int {
		return strings.Compare(p.Name, name)
	})
	switch {
	case e.Remove && found:
		pages = slices.Delete(pages, at, at+1)
	case e.Remove:
	case found:
		pages[at] = e.Page
	default:
		pages = slices.Insert(pages, at, e.Page)
	}
	if r.Pages = pages; len(pages) == 0 {
		r.Pages = nil
	}
	if e.Adopt {
		r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(f File) bool {
			return filepath.Base(f.Name) == e.Name+PageSuffix
		})
	}
	r.Hash = HashOf(r)
	return r
}

// edit applies an edit, if the rules are in force that it was checked with.
func (f *Fold) edit(by Author, e Edit) error {
	if e.Base != f.rules.Hash {
		f.answer(by, false)
		return nil
	}
	if err := f.setRules(f.rules.With(e)); err != nil {
		return err
	}
	f.keepPage(e)
	f.answer(by, true)
	return nil
}

// keepPage notes an edit, and keeps the text that it replaces.
func (f *Fold) keepPage(e Edit) {
	before, known := f.pages[e.Name]
	exists := known && !before.Removed
	p := PageFile{
		Text: e.Text, Removed: e.Remove, Edit: f.applying, At: f.now, By: e.By,
		Versions: before.Versions, Unseen: exists && e.Unseen,
	}
	if exists && (e.Remove || before.Text != e.Text) {
		p.Versions = append(slices.Clone(p.Versions), PageVersion{
			// edits may be within a millisecond, and a version is named by its time
			f.now.Add(time.Duration(f.applying % int64(time.Millisecond))), before.Text,
		})
	}
	size := 0
	for i := range slices.Backward(p.Versions) {
		size += len(p.Versions[i].Text)
		if n := len(p.Versions) - i; n > keptVersions || n > 1 && size > versionBytes {
			p.Versions = p.Versions[i+1:]
			break
		}
	}
	f.pages[e.Name], f.changedPages[e.Name] = p, true
}

// Pages are the rule files of the pages, also those that were removed. They are not to be changed.
func (f *Fold) Pages() map[string]PageFile {
	pages := make(map[string]PageFile, len(f.pages))
	for name, p := range f.pages {
		pages[name] = p
	}
	return pages
}

// Notes of any member are shown by all: what users did, and what became of notifications. They
// decide nothing. The newest are kept, for members that begin with a snapshot.

const keptNotes = 2000

type notes struct {
	Notes []json.RawMessage `json:"notes"`
}

// storedNote is the notes of one record.
type storedNote struct {
	Offset int64
	Notes  []json.RawMessage
}

// NotesRecord is the record of notes, one JSON text each. A member that does not know it passes it
// over.
func NotesRecord(by Author, list []json.RawMessage) []byte {
	return record(kindNotes, by, notes{list})
}

func (f *Fold) note(n notes) {
	if len(n.Notes) == 0 {
		return
	}
	f.notes = append(f.notes, storedNote{f.applying, n.Notes})
	kept := 0
	for i := range slices.Backward(f.notes) {
		if kept += len(f.notes[i].Notes); kept > keptNotes && i < len(f.notes)-1 {
			for _, old := range f.notes[:i+1] {
				if old.Offset < f.savedNotes {
					f.droppedNotes = append(f.droppedNotes, old)
				}
			}
			f.notes = slices.Delete(f.notes, 0, i+1)
			break
		}
	}
	if f.o.Noted != nil {
		f.o.Noted(n.Notes)
	}
}

// Notes are the newest ones, oldest first.
func (f *Fold) Notes() (list []json.RawMessage) {
	for _, n := range f.notes {
		list = append(list, n.Notes...)
	}
	return list
}

func (f *Fold) saveNotes(full bool, put func(key, value []byte), del func(key []byte)) {
	for _, n := range f.notes {
		if full || n.Offset >= f.savedNotes {
			put(n.key(), encode(n))
		}
	}
	for _, n := range f.droppedNotes {
		del(n.key())
	}
	f.savedNotes, f.droppedNotes = f.next, nil
}

func (n storedNote) key() []byte { return fmt.Appendf(nil, "%s%020d", savedNote, n.Offset) }

// restoreNotes takes over the notes of a record, which come in any order.
func (f *Fold) restoreNotes(name string, value []byte) error {
	var n storedNote
	if err := json.Unmarshal(value, &n); err != nil {
		return fmt.Errorf("notes %s of the cluster: %w", name, err)
	}
	at, _ := slices.BinarySearchFunc(f.notes, n.Offset, func(n storedNote, offset int64) int {
		return cmp.Compare(n.Offset, offset)
	})
	f.notes = slices.Insert(f.notes, at, n)
	f.savedNotes = max(f.savedNotes, n.Offset+1)
	return nil
}
