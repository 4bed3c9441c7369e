package store

import "path/filepath"

// writeSnapshot writes a full checkpoint as a new snapshot, which makes all files before it
// needless.
func (s *Store) writeSnapshot(c *Checkpoint, positions map[Source]Position) (int64, error) {
	s.awaitMerge()
	number := s.log
	size, err := writeSnapshot(
		s.fs,
		s.dir,
		number,
		s.commits,
		s.meta(positions),
		func(w *writer) error {
			return w.state(c)
		},
	)
	if err != nil {
		return size, err
	}
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	s.snapshot, s.snapshotSize = number, size
	s.log, s.logSize = number+1, 0
	s.outbox.saved()
	removeBefore(s.fs, s.dir, number, s.opts.Logger)
	return size, nil
}

// meta encodes what is not state, as a snapshot needs it: all of it.
func (s *Store) meta(positions map[Source]Position) *frames {
	meta := &frames{}
	appendPositions(meta, positions)
	s.outbox.appendAll(meta)
	return meta
}

// writeSnapshot writes a snapshot that appears under its name only when it is whole and on disk.
func writeSnapshot(
	fs filesystem,
	dir string,
	number, commit uint64,
	meta *frames,
	state func(*writer) error,
) (int64, error) {
	name := filepath.Join(dir, snapshotKind.name(number))
	temporary := name + temporarySuffix
	f, err := fs.Create(temporary)
	if err != nil {
		return 0, err
	}
	w := newWriter(f, 0, commit)
	defer meta.reset()
	err = firstError(func() error {
		return w.header(snapshotKind, number)
	}, func() error { return w.frames(meta) }, func() error {
		return state(w)
	}, func() error { return w.flushFrame(true) }, w.out.Flush, f.Sync)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fs.Rename(temporary, name)
	}
	if err != nil {
		fs.Remove(temporary)
		return w.n, err
	}
	return w.n, fs.SyncDir(dir)
}

// state writes the state of a checkpoint in frames of their own.
func (w *writer) state(c *Checkpoint) error {
	if err := w.flushFrame(false); err != nil {
		return err
	}
	return w.frames(&c.body)
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
