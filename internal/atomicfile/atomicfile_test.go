package atomicfile

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file is replaced whole, its directory is made, and nothing else stays in the directory.
func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a", "b.json")
	for _, text := range []string{"long text", "short", ""} {
		if err := Write(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("the file has %q, %v", got, err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	only(t, filepath.Dir(name), "b.json")
}

// A write that fails leaves what was there.
func TestWriteFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "dir")
	if err := os.MkdirAll(filepath.Join(name, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(name, []byte("text")); err == nil {
		t.Error("a file replaces a directory")
	}
	only(t, filepath.Dir(name), "dir")
	if err := Write(filepath.Join(name, "x", ".."), nil); err == nil {
		t.Error("a directory is written")
	}
}

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("the directory has %v, %v", names, err)
	}
}

// A rewritten file keeps its mode and its link; who has it open reads the old content to the end.
func TestRewriteKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "a.yml"), filepath.Join(dir, "link.yml")
	if err := os.WriteFile(name, []byte("old content"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.yml", link); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := Rewrite(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if old, err := io.ReadAll(reader); err != nil || string(old) != "old content" {
		t.Errorf("the reader got %q, %v", old, err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "new" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if info, err := os.Lstat(name); err != nil || info.Mode() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != "a.yml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if err := Rewrite(filepath.Join(dir, "gone"), nil); !os.IsNotExist(err) {
		t.Errorf("a file that does not exist: %v", err)
	}
	only(t, dir, "a.yml", "link.yml")
}
