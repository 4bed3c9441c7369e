package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
)

// filesystem is what the store asks of the operating system. Tests put one in its place that fails
// and forgets.
type filesystem interface {
	MkdirAll(dir string) error
	Lock(dir string) (unlock func() error, err error)
	ReadDir(dir string) (names []string, err error)
	Open(name string) (in io.ReadCloser, size int64, err error)
	Gone(name string) bool                      // does not exist; false when that is unknown
	Create(name string) (file, error)           // replaces what is there
	Append(name string, at int64) (file, error) // cuts the file at this length first
	Rename(from, to string) error               // replaces what is there
	Remove(name string) error
	SyncDir(dir string) error // makes creations, renames and removals last
}

type file interface {
	io.WriteCloser
	Sync() error
}

// disk is the real filesystem.
type disk struct{ sync func() error }

// synced is a file of a disk on which that is not all there is to it.
type synced struct {
	*os.File
	before func() error
}

// Sync implements file.
func (f synced) Sync() error {
	if err := f.before(); err != nil {
		return err
	}
	return f.File.Sync()
}

// file is what the store is given of a file.
func (d disk) file(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	if d.sync == nil {
		return f, nil
	}
	return synced{f, d.sync}, nil
}

func (disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func (disk) Lock(dir string) (func() error, error) { return lockFile(filepath.Join(dir, lockName)) }

// lockName is the file that the process holds that uses a directory.
const lockName = "LOCK"

func (disk) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (disk) Gone(name string) bool {
	_, err := os.Lstat(name)
	return errors.Is(err, os.ErrNotExist)
}

func (disk) Open(name string) (io.ReadCloser, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (d disk) Create(name string) (file, error) {
	return d.file(os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600))
}

func (d disk) Append(name string, at int64) (file, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(at); err != nil {
		f.Close()
		return nil, err
	}
	return d.file(f, nil)
}

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

func (disk) Remove(name string) error { return os.Remove(name) }

func (disk) SyncDir(dir string) error { return atomicfile.SyncDir(dir) }

func isFull(err error) bool     { return errors.Is(err, syscall.ENOSPC) }
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// Lock takes the lock of a store's directory, which must exist. It fails while a process uses it.
func Lock(dir string) (unlock func() error, err error) { return disk{}.Lock(dir) }

// errLocked is the error of a directory that another process uses.
var errLocked = errors.New(
	"the directory is in use by another process: stop that one, or give each its own directory",
)
