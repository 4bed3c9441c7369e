package notify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/store"
)

// journal remembers, in a directory of its own, whatever must outlive the process: what is to be
// told, what was told to whom, and silences. It is a map from keys to values that are on disk when
// flush returns. Goroutines that flush at the same time share one write.
type journal struct {
	store  *store.Store
	logger *slog.Logger

	// one commit at a time; those who wait for it mostly find their change in it
	committing sync.Mutex

	mu    sync.Mutex // guards what follows; never held during I/O
	live  map[string]kept
	dirty map[string]bool
	seq   uint64 // of the last change
	saved uint64 // of the last change on disk
	fault error  // of the last commit
}

// kept is a value and when it may be forgotten.
type kept struct {
	value   []byte
	expires time.Time // zero for never
}

// openJournal opens the directory, or makes it. A directory that is damaged is put aside, loudly:
// to start without silences and perhaps to repeat a notification is better than to tell nobody.
func openJournal(dir string, logger *slog.Logger, now time.Time) (*journal, error) {
	s, err := store.Open(dir, store.Options{Logger: logger, History: -1})
	if err != nil && store.IsCorrupt(err) {
		aside := fmt.Sprintf("%s.damaged-%d", strings.TrimRight(dir, "/"), now.UnixNano())
		logger.Error(
			"the memory of notifications is damaged and was put aside: silences are gone, and what is firing may be told once more",
			"error",
			err,
			"kept_as",
			aside,
		)
		if err := os.Rename(dir, aside); err != nil {
			return nil, fmt.Errorf("put damaged directory aside: %w", err)
		}
		s, err = store.Open(dir, store.Options{Logger: logger, History: -1})
	}
	if err != nil {
		return nil, fmt.Errorf("open the memory of notifications: %w", err)
	}
	j := &journal{store: s, logger: logger, live: map[string]kept{}, dirty: map[string]bool{}}
	if err := s.Load(j.load); err != nil {
		return nil, errors.Join(fmt.Errorf("read the memory of notifications: %w", err), s.Close())
	}
	return j, nil
}

func (j *journal) load(key, value []byte) error {
	seconds, n := binary.Varint(value)
	if n <= 0 {
		return fmt.Errorf("value of %q is cut short", key)
	}
	k := kept{value: append([]byte(nil), value[n:]...)}
	if seconds != 0 {
		k.expires = time.Unix(seconds, 0)
	}
	j.live[string(key)] = k
	return nil
}

func (k kept) encode() []byte {
	seconds := int64(0)
	if !k.expires.IsZero() {
		seconds = k.expires.Unix()
	}
	return append(binary.AppendVarint(nil, seconds), k.value...)
}

// put sets a value, which the journal then owns.
func (j *journal) put(key string, value []byte, expires time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live[key] = kept{value, expires}
	j.change(key)
}

// remove forgets a key.
func (j *journal) remove(key string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.live[key]; ok {
		delete(j.live, key)
		j.change(key)
	}
}

func (j *journal) change(key string) {
	j.dirty[key] = true
	j.seq++
}

// each calls f for all values whose key has this prefix and that have not expired, in no order.
func (j *journal) each(prefix string, now time.Time, f func(key string, value []byte)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, k := range j.live {
		if strings.HasPrefix(key, prefix) && !k.expired(now) {
			f(strings.TrimPrefix(key, prefix), k.value)
		}
	}
}

func (k kept) expired(now time.Time) bool { return !k.expires.IsZero() && !now.Before(k.expires) }

// expire forgets what may be forgotten.
func (j *journal) expire(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, k := range j.live {
		if k.expired(now) {
			delete(j.live, key)
			j.change(key)
		}
	}
}

// shrink forgets, of the keys with a prefix, those that expire first, until there are no more than
// most.
func (j *journal) shrink(prefix string, most int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var keys []string
	for key := range j.live {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	if len(keys) <= most {
		return
	}
	slices.SortFunc(
		keys,
		func(a, b string) int { return j.live[a].expires.Compare(j.live[b].expires) },
	)
	for _, key := range keys[:len(keys)-most] {
		delete(j.live, key)
		j.change(key)
	}
}

// flush returns when all changes made before it was called are on disk. After an error they are
// tried again with the next flush.
func (j *journal) flush() error {
	j.mu.Lock()
	want := j.seq
	j.mu.Unlock()
	j.committing.Lock()
	defer j.committing.Unlock()
	j.mu.Lock()
	if j.saved >= want && j.fault == nil {
		j.mu.Unlock()
		return nil
	}
	c, taken := j.collect()
	j.mu.Unlock()
	err := j.store.Commit(c)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.fault == nil {
		j.logger.Error(
			"what was told cannot be written to disk; a crash now would repeat it",
			"error",
			err,
		)
	}
	if j.fault = err; err == nil {
		j.saved = taken
	}
	return err
}

// collect makes a checkpoint of what has changed. When it is a full one, as at first and after an
// error, it holds everything.
func (j *journal) collect() (c *store.Checkpoint, taken uint64) {
	c = j.store.Begin()
	if c.Full() {
		for key, k := range j.live {
			c.Put([]byte(key), k.encode())
		}
	} else {
		for key := range j.dirty {
			if k, ok := j.live[key]; ok {
				c.Put([]byte(key), k.encode())
			} else {
				c.Delete([]byte(key))
			}
		}
	}
	clear(j.dirty)
	return c, j.seq
}

// err is the error of the last write, nil when it succeeded.
func (j *journal) err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fault
}

// close writes what is not on disk yet, and gives the directory up.
func (j *journal) close() error { return errors.Join(j.flush(), j.store.Close()) }

// get calls f with a value, if it is there and has not expired.
func (j *journal) get(key string, now time.Time, f func(value []byte)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k, ok := j.live[key]; ok && !k.expired(now) {
		f(k.value)
	}
}
