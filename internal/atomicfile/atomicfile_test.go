package atomicfile

import (
	"os"
	"path/filepath"
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

func only(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != want {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}
