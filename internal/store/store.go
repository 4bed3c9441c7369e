// Package store keeps checkpoints of the engine on local disk: its state as keys and values, the
// source positions that the state covers, and the outbox of alert transitions that are still to be
// delivered. The three change together or not at all, so that a kill at any instant leaves a state
// to continue from: the logs after the positions are read again, give the same transitions with the
// same IDs, and nothing is lost or decided twice.
//
// A directory holds one snapshot and the logs written since:
//
//	LOCK                       held by the process that uses the directory
//	snapshot-0000000000000007  everything, as of the end of log 7
//	log-0000000000000008       the commits since, one after another
//	log-0000000000000009
//
// A commit appends what has changed to the newest log and waits until the disk has it. When the
// logs have grown to a good part of the snapshot, a goroutine merges them into the next snapshot
// while commits continue in a new log; the engine never has to save a million groups for that. A
// full commit writes a snapshot at once. A snapshot appears under its name only when it is whole;
// of the newest log, a commit cut short by a crash is dropped when the directory is opened.
// Anything else that does not read back as it was written is damage, and damage is refused: a state
// that is wrong in silence would be worse than none.
//
// Why not an embedded database: checkpoints are written every second and read once, whole, at
// start. With a million groups of 100 bytes of which a tenth change between two commits, a B+tree
// (bbolt 1.5) rewrites nearly all its pages: 237 MB and 1.1 s a commit. An LSM tree (pebble 2.1)
// writes 20 MB in about 0.3 s, but brings indexes and caches for reads that never happen, and
// thirty modules, one of them an error reporting service's. What is here writes 14 MB in 0.08 s,
// about three times that with merges, loads the million in 0.7 s, and is small enough to be tested
// with a crash at each of its operations.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are the settings of a store. The zero value is usable.
type Options struct {
	// transitions that wait for delivery are kept up to this size; 64 MiB by default
	OutboxBytes int64
	// delivered transitions that are kept; 1,000 by default, negative for none
	History    int
	LogBytes   int64                 // logs smaller than this are never merged; 32 MiB by default
	Logger     *slog.Logger          // slog.Default() by default
	Registerer prometheus.Registerer // nil for no metrics

	// Sync is called each time before what was written is to outlast a power cut: it may take its
	// time, and its error is that of the disk. It is there for tests with a disk that is slow or
	// full; nil for nothing.
	Sync func() error
}

func (o Options) withDefaults() Options {
	if o.OutboxBytes <= 0 {
		o.OutboxBytes = 64 << 20
	}
	if o.History == 0 {
		o.History = 1000
	}
	if o.LogBytes <= 0 {
		o.LogBytes = 32 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Store is an open checkpoint directory. One goroutine at a time may use Begin, Commit, Load and
// Import; the other methods may be called by any number of goroutines in the meantime, and those of
// the outbox (Pending, Changed, Ack, History) never wait for the disk.
type Store struct {
	dir     string
	fs      filesystem
	opts    Options
	unlock  func() error
	metrics *metrics
	outbox  *outbox

	mu         sync.Mutex // guards what follows, and serialises commits
	positions  map[Source]Position
	checkpoint Checkpoint
	commits    uint64 // number of the last commit
	full       bool   // the next commit must be a full one
	reopen     bool   // the directory was removed, and is not there again yet
	closed     bool

	snapshot     uint64 // number of the newest snapshot; 0 for none
	snapshotSize int64
	log          uint64      // number of the newest log; it may not exist yet
	file         file        // the newest log, nil until it is written to
	salt         uint32      // of the newest log
	logSize      int64       // of all logs since the last attempt to merge them
	merging      chan merged // yields the outcome of the running merge; nil when none is running
	copying      bool        // an export reads the files, or an import writes one

	// what Health says, which does not wait for a commit
	ailing   sync.Mutex // guards the two
	failed   bool       // the last commit failed, or its files were removed
	unmerged error      // of the last merge
}

// Open opens the directory, makes it if need be, and locks it. What it finds there is verified; a
// directory that is locked by another process, damaged, or written by a newer version of the
// program is refused with an error that says what to do.
func Open(dir string, opts Options) (*Store, error) {
	return open(dir, opts, disk{opts.Sync})
}

func open(dir string, opts Options, fs filesystem) (*Store, error) {
	opts = opts.withDefaults()
	if err := fs.MkdirAll(dir); err != nil {
		return nil, hint(fmt.Errorf("open store: %w", err), dir)
	}
	unlock, err := fs.Lock(dir)
	if err != nil {
		return nil, hint(fmt.Errorf("open store %s: %w", dir, err), dir)
	}
	s := &Store{
		dir:       dir,
		fs:        fs,
		opts:      opts,
		unlock:    unlock,
		metrics:   newMetrics(opts.Registerer),
		positions: make(map[Source]Position),
	}
	s.outbox = newOutbox(opts.OutboxBytes, opts.History, s.metrics)
	if err := s.recover(); err != nil {
		unlock()
		s.metrics.unregister(opts.Registerer)
		return nil, hint(fmt.Errorf("open store %s: %w", dir, err), dir)
	}
	s.metrics.sizes(s.snapshotSize, s.logSize)
	return s, nil
}

// Empty reports whether the store holds no checkpoint yet.
func (s *Store) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits == 0
}

// Begin returns an empty checkpoint to be filled and committed. It is reused: only one is in use at
// a time.
//
// When its Full method says so, the checkpoint must hold all state and all positions, because what
// is on disk cannot be built upon: nothing was committed yet, the last commit failed, or the files
// were removed. The caller may also make any checkpoint full, for example after its rules have
// changed.
func (s *Store) Begin() *Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.full && s.removed() {
		s.opts.Logger.Error("checkpoint files were removed while the program runs; "+
			"a whole checkpoint replaces them", "directory", s.dir)
		s.full, s.reopen = true, true
		s.fails(true)
	}
	s.checkpoint.reset(s.full)
	return &s.checkpoint
}

// removed reports whether a file of the last checkpoint is not there any more. A merge removes the
// old snapshot itself.
func (s *Store) removed() bool {
	gone := func(kind kind, number uint64) bool {
		return s.fs.Gone(filepath.Join(s.dir, kind.name(number)))
	}
	return s.file != nil && gone(logKind, s.log) ||
		s.merging == nil && s.snapshot > 0 && gone(snapshotKind, s.snapshot)
}

// recreate makes the directory again and locks it. Another process may use it in the meantime.
func (s *Store) recreate() error {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return err
	}
	if s.fs.Gone(filepath.Join(s.dir, lockName)) {
		unlock, err := s.fs.Lock(s.dir)
		if err != nil {
			return err
		}
		if err := s.unlock(); err != nil {
			s.opts.Logger.Warn("the lock of a removed directory was not given up", "error", err)
		}
		s.unlock = unlock
	}
	s.reopen = false
	return nil
}

// Commit writes the checkpoint and returns when the disk has it. The alerts appended to it then are
// in the outbox.
//
// After an error, disk and positions are as they were before, and the next checkpoint must be a
// full one, which then covers the failed one as well. Only the alerts enter the outbox even so: a
// full disk must not hold back notifications. They are written with the next commit that succeeds;
// until then a crash repeats them.
func (s *Store) Commit(c *Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("commit checkpoint: store is closed")
	}
	if s.full && !c.full {
		return errors.New(
			"commit checkpoint: it has to be a full one, since nothing was committed yet or the " +
				"last commit failed",
		)
	}
	began := time.Now()
	written, err := s.commit(c)
	s.outbox.release() // also when it failed: a full disk stops no notification
	s.metrics.committed(time.Since(began), written, err)
	s.metrics.sizes(s.snapshotSize, s.logSize)
	if s.fails(err != nil); err != nil {
		s.full = true
		return hint(fmt.Errorf("commit checkpoint: %w", err), s.dir)
	}
	return nil
}

func (s *Store) commit(c *Checkpoint) (int64, error) {
	if err := s.outbox.append(c.alerts); err != nil {
		return 0, err
	}
	if s.reopen {
		if err := s.recreate(); err != nil {
			return 0, err
		}
	}
	s.commits++
	positions := c.applyTo(s.positions)
	write := s.writeLog
	if c.full {
		write = s.writeSnapshot
	}
	written, err := write(c, positions)
	if err != nil {
		return written, err
	}
	s.positions = positions
	s.full = false
	s.mergeIfDue()
	return written, nil
}

// fails notes for Health whether the last commit failed.
func (s *Store) fails(failed bool) {
	s.ailing.Lock()
	defer s.ailing.Unlock()
	s.failed = failed
}

// Positions returns the source positions that the last committed checkpoint covers.
func (s *Store) Positions() map[Source]Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	positions := make(map[Source]Position, len(s.positions))
	for source, position := range s.positions {
		positions[source] = position
	}
	return positions
}

// Close waits for a running merge, writes the acknowledgements that no commit has written yet, and
// gives the directory up. State that was not committed is lost.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.awaitMerge()
	var errs []error
	if !s.full && s.outbox.unsavedAck() {
		s.commits++
		_, err := s.writeLog(&Checkpoint{}, s.positions)
		errs = append(errs, err)
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	errs = append(errs, s.unlock())
	s.metrics.unregister(s.opts.Registerer)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store %s: %w", s.dir, err)
	}
	return nil
}

// hint adds to an error of the operating system what the reader can do about it.
func hint(err error, dir string) error {
	switch {
	case isFull(err):
		return fmt.Errorf(
			"%w; make room on the disk of %s, and the next checkpoint succeeds (no log is lost "+
				"meanwhile, but a restart repeats work)",
			err,
			dir,
		)
	case isReadOnly(err) || errors.Is(err, os.ErrPermission):
		return fmt.Errorf(
			"%w; the data directory has to be writable for this user: mount a volume there, or "+
				"configure another directory",
			err,
		)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; a file is where the data directory would be: configure another "+
			"directory", err)
	default:
		return err
	}
}
