package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// exported copies an export to another store, with commits to the first one in between.
func exported(t *testing.T, from *life, to *Store) (want content, err error) {
	t.Helper()
	x, err := from.store.Export()
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	want = from.want.clone()
	want.Pending = nil
	for range 40 {
		if err := from.commit(); err != nil {
			t.Fatal(err)
		}
	}
	return want, to.Import(x.Positions, x.History, func(put func(key, value []byte) error) error {
		return x.Each(put)
	})
}

// An export is the checkpoint that was the last one, whatever is committed in the meantime, and a
// store that imports it holds that and nothing else.
func TestImportHoldsWhatWasExported(t *testing.T) {
	for _, commits := range []int{1, 2, 30} {
		t.Run(fmt.Sprint(commits), func(t *testing.T) {
			a := newLife(mustOpen(t, newMemory(), Options{LogBytes: 500}))
			for range commits {
				if err := a.commit(); err != nil {
					t.Fatal(err)
				}
			}
			a.store.mu.Lock()
			a.store.awaitMerge()
			a.store.mu.Unlock()
			fs := newMemory()
			b := newLife(mustOpen(t, fs, Options{LogBytes: 500}))
			for range commits % 3 { // it may have something already
				if err := b.commit(); err != nil {
					t.Fatal(err)
				}
			}
			want, err := exported(t, a, b.store)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contentOf(t, b.store)); diff != "" {
				t.Errorf("imported (-want +got):\n%s", diff)
			}
			if n := len(b.store.History()); n != commits {
				t.Errorf("%d transitions in the history, want %d", n, commits)
			}
			b.want, b.step = want, 100
			for range 20 { // it continues from there
				if err := b.commit(); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(b.want, contentOf(t, b.store)); diff != "" {
				t.Errorf("after more commits (-want +got):\n%s", diff)
			}
			if err := b.store.Close(); err != nil {
				t.Fatal(err)
			}
			again := mustOpen(t, fs, Options{})
			if diff := cmp.Diff(b.want, contentOf(t, again)); diff != "" {
				t.Errorf("after a restart (-want +got):\n%s", diff)
			}
		})
	}
}

// An import that fails, or is cut short by a crash at any of its operations, leaves the store as it
// was, or holds all of it.
func TestImportIsAllOrNothing(t *testing.T) {
	for n := 1; ; n++ {
		fs := newMemory()
		b := newLife(mustOpen(t, fs, Options{}))
		for range 3 {
			if err := b.commit(); err != nil {
				t.Fatal(err)
			}
		}
		before := b.want.clone()
		after := content{State: map[string]string{"k": "v"}, Positions: map[Source]Position{{
			Topic: "frames"}: {Next: 7}}}
		fs.failFrom, fs.failTo, fs.err = fs.ops+n, 1<<62, errCrash
		err := b.store.Import(after.Positions, []models.Alert{{ID: "old"}},
			func(put func(key, value []byte) error) error { return put([]byte("k"), []byte("v")) })
		got := contentOf(t, mustOpen(t, fs.killed(), Options{}))
		if d1, d2 := cmp.Diff(before, got), cmp.Diff(after, got); d1 != "" && d2 != "" {
			t.Fatalf("crash at operation %d: neither what was\n%s\nnor what came\n%s", n, d1, d2)
		}
		if err == nil {
			return
		}
	}
}

// The store answers while an import reads its source, which may take long; another import or export
// must wait.
func TestStoreAnswersDuringImport(t *testing.T) {
	b := newLife(mustOpen(t, newMemory(), Options{}))
	if err := b.commit(); err != nil {
		t.Fatal(err)
	}
	err := b.store.Import(nil, nil, func(put func(key, value []byte) error) error {
		if !b.store.mu.TryLock() {
			return errors.New("the store is locked")
		}
		b.store.mu.Unlock()
		if _, err := b.store.Export(); !errors.Is(err, ErrBusy) {
			t.Errorf("an export meanwhile: %v", err)
		}
		if err := b.store.Import(nil, nil, nil); !errors.Is(err, ErrBusy) {
			t.Errorf("an import meanwhile: %v", err)
		}
		return put([]byte("k"), []byte("v"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if x, err := b.store.Export(); err != nil {
		t.Errorf("an export after it: %v", err)
	} else {
		x.Close()
	}
}

// A source of an import that fails halfway changes nothing.
func TestImportFails(t *testing.T) {
	b := newLife(mustOpen(t, newMemory(), Options{}))
	if err := b.commit(); err != nil {
		t.Fatal(err)
	}
	torn := errors.New("torn")
	err := b.store.Import(nil, nil, func(put func(key, value []byte) error) error {
		if err := put([]byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		return torn
	})
	if !errors.Is(err, torn) {
		t.Errorf("Import: %v, want the error of its source", err)
	}
	if diff := cmp.Diff(b.want, contentOf(t, b.store)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := b.commit(); err != nil {
		t.Error(err)
	}
}

func mustOpen(t *testing.T, fs *memory, o Options) *Store {
	t.Helper()
	o.Logger = quiet
	s, err := open("state", o, fs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
