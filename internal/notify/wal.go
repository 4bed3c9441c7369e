package notify

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/store"
)

// Prefixes of keys.
const (
	keyAlert    = "alert/"    // notification states, by fingerprint
	keyEpisode  = "episode/"  // episodes, by alert ID
	keyLog      = "nflog/"    // Alertmanager's notification log
	keySilence  = "silence/"  // silences, by ID
	keyQueued   = "queued/"   // notifications that wait for the file or topic
	keyPosition = "position/" // of the file and the topic in the queue
	keyFormat   = "format"    // the version of all these
)

// walFormat is the version of what the log holds, and oldestFormat the oldest that is read. In
// version 1 notification states were JSON.
const (
	walFormat    = 2
	oldestFormat = 1
)

// wal is a write-ahead log in a directory of its own, for what must outlive the process:
// notification states, the notification log, silences, the queue of the sinks. It is a map from
// keys to values that are on disk when flush returns. Goroutines that flush at the same time share
// one write.
type wal struct {
	store  *store.Store
	logger *slog.Logger

	// one commit at a time; those that wait for it mostly find their change in it
	committing sync.Mutex

	mu    sync.Mutex // guards what follows; never held during I/O
	live  map[string]kept
	dirty map[string]bool
	seq   uint64 // of the last change
	saved uint64 // of the last change on disk
	fault error  // of the last commit
}

// kept is a value and when it expires.
type kept struct {
	value   string
	expires int64 // Unix time; 0 for never
}

// openWAL opens the directory, or makes it. A directory that is damaged is put aside, loudly: to
// start without silences, and perhaps to repeat a notification, is better than not to notify.
func openWAL(dir string, logger *slog.Logger, now time.Time) (*wal, error) {
	w, err := readWAL(dir, logger)
	if err != nil && (store.IsCorrupt(err) || errors.Is(err, errOldFormat)) {
		aside := fmt.Sprintf("%s.damaged-%d", strings.TrimRight(dir, "/"), now.UnixNano())
		logger.Error(
			"notification state cannot be read and was put aside: "+
				"silences are lost, and firing alerts may be notified again",
			"error", err, "kept_as", aside,
		)
		if err := os.Rename(dir, aside); err != nil {
			return nil, fmt.Errorf("put directory aside: %w", err)
		}
		w, err = readWAL(dir, logger)
	}
	return w, err
}

// errOldFormat is the error of a directory that an older version has written.
var errOldFormat = errors.New("it has the format of an older version")

func readWAL(dir string, logger *slog.Logger) (*wal, error) {
	s, err := store.Open(dir, store.Options{Logger: logger, History: -1})
	if err != nil {
		return nil, fmt.Errorf("open notification state: %w", err)
	}
	w := &wal{store: s, logger: logger, live: map[string]kept{}, dirty: map[string]bool{}}
	if err = s.Load(w.load); err == nil {
		err = w.checkFormat(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read notification state: %w", err), s.Close())
	}
	return w, nil
}

// checkFormat looks at the version before anything else is read.
func (w *wal) checkFormat(dir string) error {
	format := 0
	if k, ok := w.live[keyFormat]; ok {
		format, _ = strconv.Atoi(k.value)
	} else if len(w.live) == 0 {
		format = walFormat
	}
	switch {
	case format > walFormat:
		return fmt.Errorf(
			"%s has format %d, and this program reads formats up to %d: it was written by a newer "+
				"version; run that version, or move the directory away",
			dir, format, walFormat,
		)
	case format < oldestFormat:
		return errOldFormat
	}
	w.put(keyFormat, strconv.Itoa(walFormat), time.Time{})
	return nil
}

func (w *wal) load(key, value []byte) error {
	seconds, n := binary.Varint(value)
	if n <= 0 {
		return fmt.Errorf("value of %q is cut short", key)
	}
	w.live[string(key)] = kept{string(value[n:]), seconds}
	return nil
}

func (k kept) encode() []byte {
	b := make([]byte, 0, len(k.value)+binary.MaxVarintLen64)
	return append(binary.AppendVarint(b, k.expires), k.value...)
}

// put sets a value. It expires to the second; zero is for never.
func (w *wal) put(key, value string, expires time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := kept{value: value}
	if !expires.IsZero() {
		k.expires = expires.Unix()
	}
	w.live[key] = k
	w.change(key)
}

// remove deletes a key.
func (w *wal) remove(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.live[key]; ok {
		delete(w.live, key)
		w.change(key)
	}
}

func (w *wal) change(key string) {
	w.dirty[key] = true
	w.seq++
}

// each calls f for all values whose key has this prefix and that have not expired, in no order.
func (w *wal) each(prefix string, now time.Time, f func(key, value string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, k := range w.live {
		if strings.HasPrefix(key, prefix) && !k.expired(now) {
			f(strings.TrimPrefix(key, prefix), k.value)
		}
	}
}

func (k kept) expired(now time.Time) bool { return k.expires != 0 && now.Unix() >= k.expires }

// expire deletes what has expired.
func (w *wal) expire(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, k := range w.live {
		if k.expired(now) {
			delete(w.live, key)
			w.change(key)
		}
	}
}

// shrink deletes, of the keys with a prefix, those that expire first, until there are at
// most so many.
func (w *wal) shrink(prefix string, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []string
	for key := range w.live {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	if len(keys) <= most {
		return
	}
	slices.SortFunc(
		keys,
		func(a, b string) int { return cmp.Compare(w.live[a].expires, w.live[b].expires) },
	)
	for _, key := range keys[:len(keys)-most] {
		delete(w.live, key)
		w.change(key)
	}
}

// flush returns when all changes made before it was called are on disk. After an error they are
// tried again with the next flush.
func (w *wal) flush() error {
	w.mu.Lock()
	want := w.seq
	w.mu.Unlock()
	w.committing.Lock()
	defer w.committing.Unlock()
	w.mu.Lock()
	if w.saved >= want && w.fault == nil {
		w.mu.Unlock()
		return nil
	}
	c, taken := w.collect()
	w.mu.Unlock()
	err := w.store.Commit(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.fault == nil {
		w.logger.Error("notification state cannot be written to disk; a crash now would repeat "+
			"notifications", "error", err)
	}
	if w.fault = err; err == nil {
		w.saved = taken
	}
	return err
}

// collect makes a checkpoint of what has changed. When it is a full one, as at first and after an
// error, it holds everything.
func (w *wal) collect() (c *store.Checkpoint, taken uint64) {
	c = w.store.Begin()
	if c.Full() {
		for key, k := range w.live {
			c.Put([]byte(key), k.encode())
		}
	} else {
		for key := range w.dirty {
			if k, ok := w.live[key]; ok {
				c.Put([]byte(key), k.encode())
			} else {
				c.Delete([]byte(key))
			}
		}
	}
	clear(w.dirty)
	return c, w.seq
}

// err is the error of the last write, nil when it succeeded.
func (w *wal) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

// close writes what is not on disk yet, and gives the directory up.
func (w *wal) close() error { return errors.Join(w.flush(), w.store.Close()) }

// get is a value, if it is there and has not expired.
func (w *wal) get(key string, now time.Time) (value string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.live[key]
	return k.value, ok && !k.expired(now)
}
