package store

import (
	"fmt"
	"io"
	"path/filepath"
)

// merged is the outcome of a merge.
type merged struct {
	number uint64
	size   int64
	err    error
}

// mergeIfDue starts a merge when none is running and the logs have grown to half of the snapshot.
// What is read at start so stays within one and a half times the live state and what commits add
// during one merge, and all in all each byte of state is written about three times.
func (s *Store) mergeIfDue() {
	s.noteMerge()
	if s.merging != nil || s.copying || s.file == nil ||
		s.logSize < max(s.opts.LogBytes, s.snapshotSize/2) {
		return
	}
	s.merge()
}

// noteMerge takes note of a merge that has ended.
func (s *Store) noteMerge() {
	select {
	case m := <-s.merging:
		s.mergeEnded(m)
	default:
	}
}

// merge closes the newest log and starts a goroutine that makes a snapshot of it and all before.
func (s *Store) merge() {
	s.file.Close()
	s.file = nil
	base, last := s.snapshot, s.log
	s.log, s.logSize = last+1, 0
	commit, meta := s.commits, s.meta(s.positions)
	s.merging = make(chan merged, 1)
	go func(done chan<- merged) {
		size, err := writeSnapshot(s.fs, s.dir, last, commit, meta, func(w *writer) error {
			return readState(s.fs, s.dir, base, last, func(key, value []byte) error {
				return w.put(opPut, key, value)
			})
		})
		if err == nil {
			removeBefore(s.fs, s.dir, last, s.opts.Logger)
		}
		done <- merged{last, size, err}
	}(s.merging)
}

// awaitMerge waits for the running merge, if there is one.
func (s *Store) awaitMerge() {
	if s.merging != nil {
		s.mergeEnded(<-s.merging)
	}
}

// mergeEnded takes note of the outcome. After a failure the files stay as they were, and the next
// merge, when the logs have grown as much again, covers them.
func (s *Store) mergeEnded(m merged) {
	s.merging = nil
	s.ailing.Lock()
	s.unmerged = m.err
	s.ailing.Unlock()
	s.metrics.merged(m.err)
	if m.err != nil {
		s.opts.Logger.Error("merge of checkpoint logs failed, it will be tried again",
			"error", m.err)
		return
	}
	s.snapshot, s.snapshotSize = m.number, m.size
}

// Load calls each with every key of the last committed checkpoint and its value, in no particular
// order. The slices are valid during the call; an error ends the loading and is returned.
func (s *Store) Load(each func(key, value []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commits == 0 {
		return nil
	}
	s.awaitMerge()
	last := s.log
	if s.file == nil {
		last--
	}
	if err := readState(s.fs, s.dir, s.snapshot, last, each); err != nil {
		return fmt.Errorf("load checkpoint: %w", err)
	}
	return nil
}

// readState reads the state of a snapshot and the logs after it, up to the last one given. It goes
// over the logs first, to learn which of their records count; so memory is needed for the keys that
// the logs hold, not for all.
func readState(
	fs filesystem,
	dir string,
	snapshot, last uint64,
	each func(key, value []byte) error,
) error {
	latest := make(map[string]uint32)
	var n uint32
	logs := func(visit func(record) error) error {
		n = 0
		for number := snapshot + 1; number <= last; number++ {
			if err := readRecords(fs, dir, logKind, number, visit); err != nil {
				return err
			}
		}
		return nil
	}
	err := logs(func(r record) error {
		n++
		latest[string(r.key)] = n
		return nil
	})
	if err != nil {
		return err
	}
	err = readRecords(fs, dir, snapshotKind, snapshot, func(r record) error {
		if _, replaced := latest[string(r.key)]; replaced {
			return nil
		}
		return each(r.key, r.value)
	})
	if err != nil {
		return err
	}
	return logs(func(r record) error {
		n++
		if r.op == opDelete || latest[string(r.key)] != n {
			return nil
		}
		return each(r.key, r.value)
	})
}

// readRecords visits the state records of one file that was verified before.
func readRecords(
	fs filesystem,
	dir string,
	kind kind,
	number uint64,
	visit func(record) error,
) error {
	name := filepath.Join(dir, kind.name(number))
	in, size, err := fs.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := newReader(name, in, size, kind, number)
	if err != nil {
		return err
	}
	for {
		_, _, payload, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err == errTorn {
			return &corruption{name, r.offset, "a frame does not match its checksum"}
		}
		if err != nil {
			return err
		}
		if !isState(payload) {
			continue
		}
		if err := eachRecord(name, r.offset, payload, visit); err != nil {
			return err
		}
	}
}

func isState(payload []byte) bool {
	return len(payload) > 0 && (op(payload[0]) == opPut || op(payload[0]) == opDelete)
}

func eachRecord(name string, offset int64, payload []byte, visit func(record) error) error {
	for len(payload) > 0 {
		r, rest, err := nextRecord(payload)
		if err != nil {
			return &corruption{name, offset, err.Error()}
		}
		if err := visit(r); err != nil {
			return err
		}
		payload = rest
	}
	return nil
}
