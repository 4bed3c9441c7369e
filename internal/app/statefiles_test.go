package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/internal/store"
)

// A state that was exported and imported elsewhere is the same; while a process uses it, it can be
// inspected and not exported.
func TestStateExportAndImport(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "new")
	s, err := store.Open(filepath.Join(dir, stateDir), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Begin()
	c.Put([]byte("key"), []byte("value"))
	c.SetPosition(store.Source{Topic: "logs", Partition: 2}, store.Position{Next: 7, Committed: 5})
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
	if got, err := InspectState(dir); err != nil || got.Entries != 1 ||
		got.Partitions[0].Next != 7 {
		t.Errorf("in use it holds %+v, %v", got, err)
	}
	var archive bytes.Buffer
	if err := ExportState(dir, &archive); err == nil {
		t.Error("a state in use is exported")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "instance-id"), []byte("me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive.Reset()
	if err := ExportState(dir, &archive); err != nil {
		t.Fatal(err)
	}
	whole := archive.Bytes()
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-5]++ // of the checksum
	for _, archive := range [][]byte{damaged, whole[:len(whole)/2], nil, []byte("text")} {
		if err := ImportState(other, bytes.NewReader(archive)); err == nil {
			t.Error("a damaged archive is imported")
		}
		if left, err := os.ReadDir(other); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a damaged archive leaves %v, %v", left, err)
		}
	}
	if err := ImportState(other, bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	if id, err := os.ReadFile(filepath.Join(other, "instance-id")); string(id) != "me\n" {
		t.Errorf("the instance is %q, %v", id, err)
	}
	want, _ := InspectState(dir)
	if got, err := InspectState(other); err != nil || got.Bytes != want.Bytes ||
		len(got.Partitions) != 1 {
		t.Errorf("imported is %+v, %v; want %+v", got, err, want)
	}
	if err := ImportState(other, bytes.NewReader(whole)); err == nil ||
		!strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second import: %v", err)
	}
}

// An archive cannot write outside of the data directory, nor is anything taken for a state.
func TestStateImportRefuses(t *testing.T) {
	f := func(typ byte, name, want string) {
		t.Helper()
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		if err := w.WriteHeader(&tar.Header{Typeflag: typ, Name: name,
			Linkname: "/etc"}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		z.Close()
		dir := filepath.Join(t.TempDir(), "d")
		err := ImportState(dir, &b)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if left, err := os.ReadDir(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it leaves %v, %v", name, left, err)
		}
	}
	f(tar.TypeReg, "../evil", "escapes")
	f(tar.TypeSymlink, "state", "neither a file nor a directory")
	f(tar.TypeReg, "other", "has no state")
}
