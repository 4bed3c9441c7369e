package store

import (
	"path/filepath"
)

// writeLog appends a checkpoint to the newest log, and starts that log if need be.
func (s *Store) writeLog(c *Checkpoint, _ map[Source]Position) (int64, error) {
	w := newWriter(nil, s.salt, s.commits)
	created := false
	if s.file == nil {
		f, err := s.fs.Create(filepath.Join(s.dir, logKind.name(s.log)))
		if err != nil {
			return 0, err
		}
		s.file, created = f, true
	}
	w.out.Reset(s.file)
	if created {
		if err := firstError(func() error {
			return w.header(logKind, s.log)
		}, w.out.Flush, s.file.Sync); err != nil {
			return w.n, err
		}
		s.salt = w.salt
	}
	meta := s.changedMeta(c)
	defer meta.reset()
	err := firstError(func() error {
		return w.frames(meta)
	}, func() error { return w.state(c) }, func() error {
		return w.flushFrame(true)
	}, w.out.Flush)
	if err == nil {
		s.outbox.release() // a killed process has it; only a machine that fails may not
		err = s.file.Sync()
	}
	if err == nil && created {
		err = s.fs.SyncDir(s.dir)
	}
	if err != nil {
		return w.n, err
	}
	s.logSize += w.n
	s.outbox.saved()
	return w.n, nil
}

// changedMeta encodes what is not state, as a log needs it: what has changed.
func (s *Store) changedMeta(c *Checkpoint) *frames {
	meta := &frames{}
	appendPositions(meta, c.positions)
	for source := range c.released {
		meta.append(opRelease, appendSource(nil, source), nil)
	}
	s.outbox.appendUnsaved(meta)
	return meta
}
