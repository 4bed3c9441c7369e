package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
)

// file appends notifications to a file: one line of JSON for each.
//
// A line counts as written when the disk has it. A disk that is full or stuck holds up nothing
// else: the attempt fails and is made again, less and less often; what was written in part is taken
// back, so every line is whole. After a crash the end of the file says what need not be written
// again.
//
// The file is opened for each write, by its name. To rotate it, rename it.
type file struct {
	name    string
	open    func(name string) (logFile, error)
	writing chan error // the outcome of a write that did not end in time; nil for none
}

// logFile is what is asked of a file; os.File is one.
type logFile interface {
	Write(p []byte) (int, error)
	ReadAt(p []byte, off int64) (int, error)
	Sync() error
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Close() error
}

// fileTail is how much of the end of the file is read for the IDs of notifications.
const fileTail = 4 << 20

func newFile(name string) *file { return &file{name: name, open: openLog} }

func openLog(name string) (logFile, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
}

// check says what is wrong with the name of the file, as far as that can be known before something
// is written. A disk that is full may have room by then.
func (f *file) check() error {
	if info, err := os.Stat(f.name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf(
			"%s is not a regular file; name one that notifications can be appended to",
			f.name,
		)
	}
	out, err := f.open(f.name)
	if err == nil {
		return out.Close()
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return fmt.Errorf(
		"the file of notifications cannot be opened: %w; "+
			"create its directory and make it writable for this process",
		err,
	)
}

// write waits for the disk no longer than ctx allows. A write that the disk holds up continues, and
// its outcome is that of the next call, which brings the same lines.
func (f *file) write(ctx context.Context, list []queued) error {
	done := f.writing
	if done == nil {
		var text []byte
		for _, one := range list {
			text = append(append(text, one.Line...), '\n')
		}
		done = make(chan error, 1)
		go func() { done <- f.append(text) }()
	}
	select {
	case err := <-done:
		if f.writing != nil {
			// The lines of the earlier call are a part of these, or all.
			f.writing = nil
			if err == nil {
				return f.write(ctx, f.written(list))
			}
		}
		return err
	case <-ctx.Done():
		f.writing = done
		return fmt.Errorf("the disk of %s does not answer: %w", f.name, ctx.Err())
	}
}

// written leaves out the lines that the end of the file has.
func (f *file) written(list []queued) []queued {
	in, err := f.open(f.name)
	if err != nil {
		return list
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return list
	}
	text := make([]byte, min(info.Size(), fileTail))
	if _, err := in.ReadAt(text, info.Size()-int64(len(text))); err != nil {
		return list
	}
	ids := map[string]bool{}
	for line := range bytes.Lines(text) {
		var n struct {
			ID string `json:"id"`
		}
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &n) == nil {
			ids[n.ID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(one queued) bool { return ids[one.ID] })
}

// append appends lines, and waits for the disk. After an error the file is as it was, as far as the
// disk allows.
func (f *file) append(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	out, err := f.open(f.name)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if cutShort(out, size) { // by a crash
		text = append([]byte("\n"), text...)
	}
	n, err := out.Write(text)
	if err == nil {
		err = out.Sync()
	}
	if err != nil {
		return errors.Join(err, takeBack(out, size, n))
	}
	if size == 0 {
		// a power cut may lose the entry of a new file
		_ = atomicfile.SyncDir(filepath.Dir(f.name))
	}
	return nil
}

// takeBack takes back what was written, unless another process has appended something since.
func takeBack(f logFile, size int64, n int) error {
	info, err := f.Stat()
	if err != nil || info.Size() != size+int64(n) {
		return err
	}
	return f.Truncate(size)
}

// cutShort reports whether the last line of a file has no end.
func cutShort(f logFile, size int64) bool {
	last := make([]byte, 1)
	if size == 0 {
		return false
	}
	_, err := f.ReadAt(last, size-1)
	return err == nil && last[0] != '\n'
}
