package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const temporarySuffix = ".tmp"

// recover reads what is in the directory: everything is verified, and all but the state is kept in
// memory.
func (s *Store) recover() error {
	snapshots, logs, err := s.list()
	if err != nil {
		return err
	}
	s.full, s.log = true, 1
	if len(snapshots) == 0 {
		return s.neverCommitted(logs)
	}
	s.snapshot = slices.Max(snapshots)
	s.log = s.snapshot + 1
	if err := s.recoverSnapshot(); err != nil {
		return err
	}
	if err := s.recoverLogs(logs); err != nil {
		return err
	}
	s.full = false
	s.outbox.recovered()
	removeBefore(s.fs, s.dir, s.snapshot, s.opts.Logger)
	return nil
}

// list returns the numbers of the files in the directory, and removes those that never became
// whole.
func (s *Store) list() (snapshots, logs []uint64, err error) {
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, temporarySuffix) {
			if err := s.fs.Remove(filepath.Join(s.dir, name)); err != nil {
				return nil, nil, err
			}
		}
		if n, ok := fileNumber(name, snapshotKind); ok {
			snapshots = append(snapshots, n)
		}
		if n, ok := fileNumber(name, logKind); ok {
			logs = append(logs, n)
		}
	}
	slices.Sort(logs)
	return snapshots, logs, nil
}

func fileNumber(name string, kind kind) (uint64, bool) {
	_, digits, _ := strings.Cut(name, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && kind.name(n) == name
}

// neverCommitted is the case of a directory without a snapshot: the first commit writes one, so
// there cannot be logs.
func (s *Store) neverCommitted(logs []uint64) error {
	if len(logs) == 0 {
		return nil
	}
	return &corruption{
		filepath.Join(s.dir, logKind.name(logs[0])),
		0,
		"the snapshot that it continues is missing",
	}
}

func (s *Store) recoverSnapshot() error {
	name := filepath.Join(s.dir, snapshotKind.name(s.snapshot))
	r, closeFile, err := s.openReader(name, snapshotKind, s.snapshot)
	if err == errTorn {
		return &corruption{name, 0, "it is cut short"}
	}
	if err != nil {
		return err
	}
	defer closeFile()
	s.snapshotSize = r.size
	for {
		commit, final, payload, err := r.next()
		switch {
		case err == io.EOF || err == errTorn:
			return &corruption{name, r.offset, "a frame does not match its checksum, or is missing"}
		case err != nil:
			return err
		}
		s.commits = commit
		if err := s.recoverFrame(r, payload); err != nil {
			return err
		}
		if final && r.offset != r.size {
			return &corruption{name, r.offset, "it goes on after its end"}
		}
		if final {
			return nil
		}
	}
}

// recoverLogs reads the logs after the snapshot. Only the last one may end within a commit.
func (s *Store) recoverLogs(logs []uint64) error {
	for i, number := range logs {
		if number <= s.snapshot {
			continue
		}
		name := filepath.Join(s.dir, logKind.name(number))
		if number != s.log {
			return &corruption{
				filepath.Join(s.dir, logKind.name(s.log)),
				0,
				"it is missing, although later logs are there",
			}
		}
		end, size, err := s.recoverLog(name, number)
		if err != nil {
			return err
		}
		last := i == len(logs)-1
		if !last && end != size {
			return &corruption{
				name,
				end,
				"a frame does not match its checksum, although later logs are there",
			}
		}
		s.logSize += end
		if last {
			return s.continueLog(name, end, size)
		}
		s.log++
	}
	return nil
}

// continueLog makes the last log the one that commits are appended to, cut behind its last whole
// commit.
func (s *Store) continueLog(name string, end, size int64) error {
	if end != size {
		s.opts.Logger.Warn("the last checkpoint was not written completely and is dropped; the "+
			"one before it counts", "file", name, "commit", s.commits, "dropped_bytes", size-end)
	}
	if end == 0 {
		return s.fs.Remove(name)
	}
	f, err := s.fs.Append(name, end)
	if err != nil {
		return err
	}
	s.file = f
	return nil
}

// recoverLog reads one log, and returns where its last whole commit ends.
func (s *Store) recoverLog(name string, number uint64) (end, size int64, err error) {
	r, closeFile, err := s.openReader(name, logKind, number)
	if err == errTorn {
		return 0, r.size, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer closeFile()
	s.salt = r.salt
	var meta []byte // of the commit being read; it counts when its last frame was read
	for {
		commit, final, payload, err := r.next()
		if err == io.EOF {
			return end, r.size, nil
		}
		if err == errTorn {
			return end, r.size, s.isCrash(r, name)
		}
		if err != nil {
			return 0, 0, err
		}
		if commit != s.commits+1 {
			return 0, 0, &corruption{
				name,
				r.offset,
				fmt.Sprintf("commit %d follows commit %d", commit, s.commits),
			}
		}
		if !isState(payload) {
			meta = append(meta, payload...)
		}
		if !final {
			continue
		}
		if err := s.recoverFrame(r, meta); err != nil {
			return 0, 0, err
		}
		s.commits, end, meta = commit, r.offset, meta[:0]
	}
}

// isCrash returns nil when the torn frame at which r stands is what a crash during a commit leaves.
func (s *Store) isCrash(r *reader, name string) error {
	in, size, err := s.fs.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.CopyN(io.Discard, in, r.offset); err != nil {
		return err
	}
	rest := make([]byte, size-r.offset)
	if _, err := io.ReadFull(in, rest); err != nil {
		return err
	}
	if laterCommit(rest, r.salt, s.commits+1) {
		return &corruption{
			name,
			r.offset,
			"a frame does not match its checksum, although later commits are there",
		}
	}
	return nil
}

// openReader opens a file for reading. With errTorn it returns a reader that only knows the size.
func (s *Store) openReader(name string, kind kind, number uint64) (*reader, func() error, error) {
	in, size, err := s.fs.Open(name)
	if err != nil {
		return nil, nil, err
	}
	r, err := newReader(name, in, size, kind, number)
	if err != nil {
		in.Close()
		return &reader{name: name, size: size}, nil, err
	}
	return r, in.Close, nil
}

func (s *Store) recoverFrame(r *reader, payload []byte) error {
	if isState(payload) {
		return nil
	}
	return eachRecord(r.name, r.offset, payload, func(rec record) error {
		if err := s.recoverRecord(rec); err != nil {
			return &corruption{r.name, r.offset, err.Error()}
		}
		return nil
	})
}

func (s *Store) recoverRecord(r record) error {
	switch r.op {
	case opPosition, opRelease:
		return s.recoverPosition(r)
	case opAlert, opAck, opNext:
		seq, used := binary.Uvarint(r.key)
		if used <= 0 {
			return fmt.Errorf("record has no sequence number")
		}
		return s.outbox.recover(r.op, seq, r.value)
	default:
		return fmt.Errorf("record has unknown type %q", r.op)
	}
}

func (s *Store) recoverPosition(r record) error {
	source, err := parseSource(r.key)
	if err != nil {
		return err
	}
	if r.op == opRelease {
		delete(s.positions, source)
		return nil
	}
	s.positions[source], err = parsePosition(r.value)
	return err
}

// removeBefore removes the files that the snapshot with the given number makes needless. Files that
// cannot be removed only take room; they are tried again when the directory is opened next.
func removeBefore(fs filesystem, dir string, snapshot uint64, logger *slog.Logger) {
	names, err := fs.ReadDir(dir)
	for _, name := range names {
		log, isLog := fileNumber(name, logKind)
		old, isSnapshot := fileNumber(name, snapshotKind)
		if isLog && log <= snapshot || isSnapshot && old < snapshot {
			err = errors.Join(err, fs.Remove(filepath.Join(dir, name)))
		}
	}
	if err != nil {
		logger.Warn("old checkpoint files could not be removed", "error", err)
	}
}

// IsCorrupt reports whether Open refused a directory because it does not read back as it was
// written. A caller that can do without what is in it may move it away.
func IsCorrupt(err error) bool {
	var d *corruption
	return errors.As(err, &d)
}
