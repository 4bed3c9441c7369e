package kafka

import (
	"context"
	"sync"
	"time"
)

// saving is the checkpoint that is being written while reading continues. Each is durable, or has
// failed, before the next is taken.
type saving struct {
	dropped int // positions that the last one drops; guarded by the lock of the source

	mu      sync.Mutex    // guards what follows
	busy    chan struct{} // is closed when it is written; nil when none is being written
	pending bool          // another one was wanted meanwhile
	err     error         // why the last one could not be written
}

// writeBeside is how long a checkpoint may be written before reading waits for it: a disk that is
// stuck must not go unnoticed, and what is decided meanwhile is kept in memory.
const writeBeside = 5 * time.Second

// begin notes that a checkpoint is being written.
func (w *saving) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy, w.pending = make(chan struct{}), false
}

// end notes that it is, and reports whether another one was wanted meanwhile.
func (w *saving) end() (pending bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.busy)
	w.busy = nil
	return w.pending
}

// postponed reports whether a checkpoint is being written, after which the one that is wanted is
// taken.
func (w *saving) postponed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = w.busy != nil
	return w.pending
}

// wanted reports whether a checkpoint was postponed.
func (w *saving) wanted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pending
}

// await returns how the last checkpoint went, when it is written.
func (w *saving) await() error {
	w.mu.Lock()
	busy := w.busy
	w.mu.Unlock()
	if busy != nil {
		<-busy
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// note notes how a checkpoint went.
func (w *saving) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// save takes a checkpoint, and has it written and its offsets committed while reading continues.
// While the last one is being written it takes none: a round does as soon as that is done.
func (s *Source) save(ctx context.Context) {
	if s.checkpointer == nil {
		s.checkpoint()
		s.group.commits.commitSoon(ctx, &s.commits)
		return
	}
	if time.Since(s.lastCheckpoint) < writeBeside && s.saving.postponed() {
		return
	}
	write := s.take()
	positions := s.group.commits.take()
	s.saving.begin()
	s.commits.Go(func() {
		saved := s.written(write())
		if s.saving.end() {
			s.group.wake()
		}
		s.group.commits.sendTaken(ctx, positions, saved)
	})
}

// checkpoint takes a checkpoint, and returns whether offsets may be committed.
func (s *Source) checkpoint() bool {
	if s.checkpointer == nil {
		s.lastCheckpoint = time.Now()
		s.deadLetters.flush()
		return true
	}
	write := s.take()
	return s.written(write())
}

// take takes a checkpoint, once the last one is written.
func (s *Source) take() (write func() error) {
	if s.saving.await() == nil {
		s.dropped = s.dropped[s.saving.dropped:]
	}
	s.lastCheckpoint = time.Now()
	s.deadLetters.flush()
	a := s.group.assignment
	positions := append(a.positions(nil), a.releasedPositions()...)
	dropped := s.droppedPositions(positions)
	positions = append(positions, s.unclaimed(positions, dropped)...)
	for i := range positions {
		positions[i].Left = positions[i].Left || s.leaving
	}
	s.saving.dropped = len(dropped)
	return s.checkpointer.Checkpoint(positions, dropped)
}

// written notes how a checkpoint went, and returns whether offsets may be committed.
func (s *Source) written(err error) bool {
	if s.saving.note(err); err != nil {
		s.counters.errors.add("checkpoint", 1)
		s.group.problems.set("checkpoint", err)
		s.group.limited.error("checkpoint", "checkpoint failed; offsets are not committed",
			"error", err)
		return false
	}
	s.group.problems.clear("checkpoint")
	return true
}
