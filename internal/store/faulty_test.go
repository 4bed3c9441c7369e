package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

var errCrash = errors.New("crashed")

// memory is a filesystem that can crash, or fail for a while, at any of its operations, and that
// knows what a disk would hold after a power cut.
type memory struct {
	mu       sync.Mutex
	names    map[string]*memoryFile // as processes see them
	lasting  map[string]*memoryFile // as of the last SyncDir
	ops      int                    // operations so far that change something
	failFrom int                    // the operation that fails first; 0 for none
	failTo   int                    // the first one that succeeds again
	err      error
	readOnly error
	before   func() // is called before each of these operations; nil for not
}

type memoryFile struct {
	data   []byte
	synced int // bytes that outlast a power cut
}

func newMemory() *memory {
	return &memory{names: map[string]*memoryFile{}, lasting: map[string]*memoryFile{}}
}

// crashAt returns a memory that fails from its n-th operation on, forever.
func crashAt(n int) *memory {
	m := newMemory()
	m.failFrom, m.failTo, m.err = n, 1<<62, errCrash
	return m
}

func (m *memory) step() error {
	m.ops++
	if m.before != nil {
		m.before()
	}
	if m.failFrom > 0 && m.ops >= m.failFrom && m.ops < m.failTo {
		return m.err
	}
	return nil
}

// killed returns what a process finds that starts after this one was killed.
func (m *memory) killed() *memory {
	image := newMemory()
	for name, f := range m.names {
		image.set(name, f.data)
	}
	return image
}

// unplugged returns what may be on the disk after a power cut: what was synced, and of the rest as
// much as chance wills.
func (m *memory) unplugged(rng *rand.Rand) *memory {
	image := newMemory()
	names := maps.Clone(m.lasting)
	if rng.IntN(2) == 0 {
		names = maps.Clone(m.names)
	}
	for name, f := range names {
		data := slices.Clone(f.data[:f.synced+rng.IntN(len(f.data)-f.synced+1)])
		if unsynced := data[f.synced:]; len(unsynced) > 0 && rng.IntN(2) == 0 {
			clear(unsynced[:rng.IntN(len(unsynced))]) // pages reach the disk in any order
		}
		image.set(name, data)
	}
	return image
}

func (m *memory) set(name string, data []byte) {
	f := &memoryFile{data: slices.Clone(data), synced: len(data)}
	m.names[name], m.lasting[name] = f, f
}

func (m *memory) MkdirAll(string) error { return m.readOnly }

func (m *memory) Lock(string) (func() error, error) {
	return func() error { return nil }, m.readOnly
}

func (m *memory) ReadDir(string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.names {
		names = append(names, filepath.Base(name))
	}
	slices.Sort(names)
	return names, nil
}

func (m *memory) Gone(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.names[name]
	return !ok
}

func (m *memory) Open(name string) (io.ReadCloser, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.names[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(f.data)), int64(len(f.data)), nil
}

func (m *memory) Create(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	f := &memoryFile{}
	m.names[name] = f
	return &memoryHandle{m, f}, nil
}

func (m *memory) Append(name string, at int64) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return nil, err
	}
	f := m.names[name]
	f.data = f.data[:at]
	f.synced = min(f.synced, int(at))
	return &memoryHandle{m, f}, nil
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.names[to] = m.names[from]
	delete(m.names, from)
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	delete(m.names, name)
	return nil
}

func (m *memory) SyncDir(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(); err != nil {
		return err
	}
	m.lasting = maps.Clone(m.names)
	return nil
}

type memoryHandle struct {
	m *memory
	f *memoryFile
}

// Write fails in the middle, as a full disk does.
func (h *memoryHandle) Write(b []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step(); err != nil {
		half := b[:len(b)/2]
		if h.m.ops == h.m.failFrom {
			h.f.data = append(h.f.data, half...)
		}
		return len(half), err
	}
	h.f.data = append(h.f.data, b...)
	return len(b), nil
}

func (h *memoryHandle) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.m.step(); err != nil {
		return err
	}
	h.f.synced = len(h.f.data)
	return nil
}

func (h *memoryHandle) Close() error { return nil }
