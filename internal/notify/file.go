package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/prometheus/alertmanager/alert"
)

// file tells a file: one line of JSON for each notification of an alert, only ever appended.
//
// A line counts as told when the disk has it. Those who wait for the disk at the same time share
// one write and one sync, so a storm of alerts costs few of them. A disk that is full or stuck
// holds up nobody else: the attempt fails and is made again, less and less often; what was written
// in part is taken back, so every line is whole.
//
// The file is opened for each write, by its name. So whoever rotates it renames it, and that is
// all.
type file struct {
	name string
	open func(name string) (logFile, error)

	mu      sync.Mutex // guards what follows
	waiting []*parcel
	writing bool
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

// parcel is lines of which somebody waits until they are on disk.
type parcel struct {
	text []byte
	done chan error
}

func newFile(name string) *file { return &file{name: name, open: openLog} }

func openLog(name string) (logFile, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
}

// check says what is wrong with the name of the file, as far as that can be known before something
// is written. A disk that is full may have room by then.
func (f *file) check() error {
	if info, err := os.Stat(f.name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf(
			"%s is no regular file; name one that notifications can be appended to",
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
		"the file of notifications cannot be opened: %w; make its directory, and let us write there",
		err,
	)
}

// Notify implements notify.Notifier. Whoever waits for the disk waits no longer than ctx allows.
func (f *file) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	l := &parcel{done: make(chan error, 1)}
	for _, a := range alerts {
		n := notificationOf(a)
		line, err := n.line()
		if err != nil {
			return false, err
		}
		l.text = append(l.text, line...)
	}
	f.enqueue(l)
	select {
	case err := <-l.done:
		return err != nil, err
	case <-ctx.Done():
		f.withdraw(l)
		return true, fmt.Errorf("the disk of %s is stuck: %w", f.name, ctx.Err())
	}
}

// enqueue has lines written, by a goroutine that lives as long as there are some.
func (f *file) enqueue(l *parcel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, l)
	if !f.writing {
		f.writing = true
		go f.work()
	}
}

// withdraw drops lines that are not being written yet: they are brought anew, and must not pile up
// meanwhile.
func (f *file) withdraw(l *parcel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = slices.DeleteFunc(f.waiting, func(other *parcel) bool { return other == l })
}

func (f *file) work() {
	for list := f.take(); len(list) > 0; list = f.take() {
		var text []byte
		for _, l := range list {
			text = append(text, l.text...)
		}
		err := f.write(text)
		for _, l := range list {
			l.done <- err
		}
	}
}

func (f *file) take() []*parcel {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.waiting
	f.waiting, f.writing = nil, len(list) > 0
	return list
}

// write appends lines, and waits for the disk. After an error the file is as it was, as far as the
// disk allows.
func (f *file) write(text []byte) error {
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
		syncDirectory(filepath.Dir(f.name))
	}
	return nil
}

// takeBack takes back what was written, unless somebody has appended something since.
func takeBack(f logFile, size int64, n int) error {
	info, err := f.Stat()
	if err != nil || info.Size() != size+int64(n) {
		return err
	}
	return f.Truncate(size)
}

// cutShort says whether the last line of a file has no end.
func cutShort(f logFile, size int64) bool {
	last := make([]byte, 1)
	if size == 0 {
		return false
	}
	_, err := f.ReadAt(last, size-1)
	return err == nil && last[0] != '\n'
}

// syncDirectory has the disk know of a file that is new, where that can be asked for.
func syncDirectory(name string) {
	if d, err := os.Open(name); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
