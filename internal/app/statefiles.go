package app

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/internal/store"
)

// ExportState writes the data directory as a tar archive, compressed with gzip. The process that
// uses the directory must be stopped.
func ExportState(dir string, w io.Writer) (err error) {
	if err := hasState(dir); err != nil {
		return err
	}
	unlock, err := store.Lock(filepath.Join(dir, stateDir))
	if err != nil {
		return fmt.Errorf("export %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	if err := t.AddFS(stateFS{root.FS()}); err != nil {
		return err
	}
	return errors.Join(t.Close(), z.Close())
}

// stateDir is where the store is, in the data directory.
const stateDir = "state"

// hasState returns an error if a data directory has no state.
func hasState(dir string) error {
	_, err := os.Stat(filepath.Join(dir, stateDir))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the state in %s cannot be read: %w", dir, err)
	case err != nil:
		return fmt.Errorf("there is no state in %s: %w; name the directory with --data-dir", dir,
			err)
	}
	return nil
}

// stateFS is a data directory without locks.
type stateFS struct{ fs.FS }

// ReadDir leaves out locks and what is neither a file nor a directory.
func (f stateFS) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool {
		return e.Name() == "LOCK" || !e.IsDir() && !e.Type().IsRegular()
	}), err
}

const maxStateFile = 64 << 30

// importDir is where an archive is unpacked, in the data directory.
const importDir = ".import"

// ImportState unpacks an archive of ExportState into a data directory, which must be empty or
// absent. After an error it is empty.
func ImportState(dir string, r io.Reader) (err error) {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return fmt.Errorf("import into %s: the directory is not empty; use another --data-dir", dir)
	}
	_, absent := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil && absent != nil {
			os.Remove(dir) // it is empty again
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(importDir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.RemoveAll(importDir)) }()
	unpacked, err := root.OpenRoot(importDir) // no name in the archive leads out of it
	if err != nil {
		return err
	}
	defer unpacked.Close()
	if err := unpack(unpacked, r); err != nil {
		return err
	}
	list, err := fs.ReadDir(unpacked.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := root.Rename(filepath.Join(importDir, e.Name()), e.Name()); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(dir)
}

// maxPadding bounds what may stand between the last file of an archive and its checksum.
const maxPadding = 1 << 20

// unpack unpacks a whole archive that has a state.
func unpack(root *os.Root, r io.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("read archive: %w; give one of state export", err)
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if err := extract(root, h, t); err != nil {
			return fmt.Errorf("import %s: %w", h.Name, err)
		}
	}
	// the checksum is behind the padding
	switch _, err := io.CopyN(io.Discard, z, maxPadding); {
	case err == nil:
		return errors.New("read archive: it goes on behind its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read archive: %w", err)
	}
	if _, err := root.Stat(stateDir); err != nil {
		return errors.New("the archive has no state; it is not one of state export")
	}
	return nil
}

func extract(root *os.Root, h *tar.Header, r io.Reader) error {
	name := filepath.FromSlash(strings.TrimSuffix(h.Name, "/"))
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o700)
	case tar.TypeReg:
	default:
		return fmt.Errorf("it is neither a file nor a directory")
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.LimitReader(r, maxStateFile)); err != nil {
		f.Close()
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// StateSummary is what a data directory holds.
type StateSummary struct {
	Bytes       int64            `json:"bytes"`
	Partitions  []StatePartition `json:"partitions"`
	Entries     int              `json:"entries"` // of the engine's state
	Outbox      int              `json:"outbox"`  // notifications that are not sent yet
	Transitions int              `json:"transitions"`
	Newest      time.Time        `json:"newest,omitzero"` // transition, in event time
}

// StatePartition is how far a partition was read.
type StatePartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next_offset"`
	Committed int64  `json:"committed_offset"`
	Released  bool   `json:"released,omitempty"` // to another member of the group
}

// InspectState reads a copy of a data directory, which may be in use, and changes nothing.
func InspectState(dir string) (s StateSummary, err error) {
	if err := hasState(dir); err != nil {
		return s, err
	}
	scratch, err := os.MkdirTemp("", "alert-engine-state-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(scratch)
	if err := os.CopyFS(scratch, stateFS{os.DirFS(filepath.Join(dir, stateDir))}); err != nil {
		return s, err
	}
	st, err := store.Open(scratch, store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return s, fmt.Errorf("read state in %s: %w", dir, err)
	}
	defer st.Close()
	for source, at := range st.Positions() {
		s.Partitions = append(s.Partitions, StatePartition{
			source.Topic, source.Partition, at.Next, at.Committed, at.Left,
		})
	}
	slices.SortFunc(s.Partitions, func(a, b StatePartition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition - b.Partition)
	})
	err = st.Load(func(key, value []byte) error {
		s.Entries++
		s.Bytes += int64(len(key) + len(value))
		return nil
	})
	history := st.History()
	s.Outbox, s.Transitions = st.Waiting(), len(history)
	for _, a := range history {
		if a.At.After(s.Newest) {
			s.Newest = a.At
		}
	}
	return s, err
}
