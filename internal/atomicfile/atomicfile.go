// Package atomicfile replaces whole files: after a crash or a power cut a file has its old content
// or its new content, and nothing between.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Write replaces the file name with data, and syncs file and directory. It makes the directory if
// it is missing. Only the owner can read the file. Any number of goroutines may call it. After an
// error the file may have its old content or the new one.
func Write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return replace(name, data, func(*os.File) error { return nil })
}

// Rewrite replaces the content of an existing file as Write does, and keeps its mode, its owner and
// its group. A symbolic link stays, and the file that it leads to is replaced. Other hard links
// keep the old content.
func Rewrite(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return replace(name, data, func(f *os.File) error {
		return errors.Join(keepOwner(f, info), f.Chmod(info.Mode().Perm()))
	})
}

// replace writes a temporary file, prepares it, and gives it the name.
func replace(name string, data []byte, prepare func(*os.File) error) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, prepare(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// SyncDir makes creations, renames and removals in a directory last, on systems that can do so.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if runtime.GOOS == "windows" || errors.Is(err, syscall.EINVAL) ||
		errors.Is(err, errors.ErrUnsupported) {
		err = nil // directories cannot be synced here
	}
	return errors.Join(err, d.Close())
}
