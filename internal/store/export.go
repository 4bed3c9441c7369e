package store

import (
	"errors"
	"fmt"
	"maps"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ErrBusy is the error of an export that must be tried again: files are being merged, or there is
// no checkpoint that could be exported.
var ErrBusy = errors.New("no checkpoint can be exported now")

// Export is the last committed checkpoint, to be read while commits continue.
type Export struct {
	Positions map[Source]Position
	History   []models.Alert // the last transitions, newest last

	store          *Store
	snapshot, last uint64
}

// Export returns the last committed checkpoint. Commits continue in a new log in the meantime, and
// nothing is merged until the export is closed.
func (s *Store) Export() (*Export, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteMerge()
	if s.closed || s.full || s.merging != nil || s.copying {
		return nil, ErrBusy
	}
	if s.file != nil {
		s.file.Close()
		s.file = nil
		s.log++
	}
	s.copying = true
	return &Export{
		Positions: maps.Clone(s.positions), History: s.outbox.all(),
		store: s, snapshot: s.snapshot, last: s.log - 1,
	}, nil
}

// Each calls each with every key and its value, in no particular order. The slices are valid during
// the call; an error ends it and is returned.
func (x *Export) Each(each func(key, value []byte) error) error {
	if err := readState(x.store.fs, x.store.dir, x.snapshot, x.last, each); err != nil {
		return fmt.Errorf("export checkpoint: %w", err)
	}
	return nil
}

// Close ends the export.
func (x *Export) Close() {
	x.store.mu.Lock()
	defer x.store.mu.Unlock()
	x.store.copying = false
}

// Import replaces everything in the store by what state puts, as one commit: when it fails, the
// store is as it was. Each key is put once. No transition waits for delivery afterwards. state may
// take its time: the store is not locked in the meantime.
func (s *Store) Import(
	positions map[Source]Position,
	history []models.Alert,
	state func(put func(key, value []byte) error) error,
) error {
	outbox := newOutbox(s.opts.OutboxBytes, s.opts.History, s.metrics)
	if err := outbox.append(history); err != nil {
		return fmt.Errorf("import checkpoint: %w", err)
	}
	outbox.ack(outbox.next - 1)
	outbox.release()
	number, commit, err := s.beginImport()
	if err != nil {
		return err
	}
	meta := &frames{}
	appendPositions(meta, positions)
	outbox.appendAll(meta)
	size, err := writeSnapshot(s.fs, s.dir, number, commit, meta, func(w *writer) error {
		if err := w.flushFrame(false); err != nil {
			return err
		}
		return state(func(key, value []byte) error { return w.put(opPut, key, value) })
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copying = false
	if err != nil {
		return hint(fmt.Errorf("import checkpoint: %w", err), s.dir)
	}
	outbox.saved()
	s.outbox.replace(outbox)
	s.commits, s.positions, s.full = commit, maps.Clone(positions), false
	s.fails(false)
	s.snapshot, s.snapshotSize = number, size
	s.log, s.logSize = number+1, 0
	removeBefore(s.fs, s.dir, number, s.opts.Logger)
	return nil
}

// beginImport returns the numbers of the file that an import writes, and of its commit.
func (s *Store) beginImport() (number, commit uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.copying {
		return 0, 0, ErrBusy
	}
	s.awaitMerge()
	if s.file != nil {
		s.file.Close()
		s.file = nil
		s.log++
	}
	s.copying = true
	return s.log, s.commits + 1, nil
}

// replace makes the outbox one that holds what another does.
func (o *outbox) replace(other *outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries, o.waiting, o.bytes = other.entries, other.waiting, other.bytes
	o.next, o.released, o.acked = other.next, other.released, other.acked
	o.savedSeq, o.savedAck = other.savedSeq, other.savedAck
	o.pendingSeq, o.pendingAck = other.pendingSeq, other.pendingAck
	close(o.changed)
	o.changed = make(chan struct{})
}
