package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/internal/fair"
)

// span is which segments a file holds.
type span struct{ first, last uint64 }

// parseSpan reads the name of a segment.
func parseSpan(name string) (sp span, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	first, last, merged := strings.Cut(digits, "-")
	if !merged {
		last = first
	}
	var errs [2]error
	sp.first, errs[0] = strconv.ParseUint(first, 10, 64)
	sp.last, errs[1] = strconv.ParseUint(last, 10, 64)
	return sp, ok && errors.Join(errs[:]...) == nil && sp.first <= sp.last
}

// withoutMerged returns the segments in order, without those that others hold: a crash between a
// merge and the removal of what was merged leaves both.
func withoutMerged(list []span) (kept []span) {
	slices.SortFunc(list, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	for _, sp := range list {
		if len(kept) == 0 || sp.last > kept[len(kept)-1].last {
			kept = append(kept, sp)
		}
	}
	return kept
}

// retain removes segments that are too old, and of rules that have more than their share of the
// bytes the oldest entries. The newest segment stays.
func (l *Log) retain(now time.Time) {
	l.retaining.Lock()
	defer l.retaining.Unlock()
	l.dropOldest(func(s *segment, _ int64) bool { return now.Sub(s.written) > l.opts.MaxAge })
	closed, newest := l.closed()
	sizes, total := map[uint64]int64{}, newest
	for _, s := range closed {
		total += s.bytes()
		for rule, size := range s.covers.rules {
			sizes[rule] += size
		}
	}
	if total > l.opts.MaxBytes {
		// A segment less than there may be, so that it is not done again for each entry.
		err := l.remove(closed, excess(sizes, l.opts.MaxBytes-newest-l.segmentSize()))
		if err != nil {
			l.opts.Logger.Warn("the history cannot be made smaller by entries of the rules with "+
				"most; its oldest segments are removed", "error", err)
		}
	}
	l.dropOldest(func(_ *segment, total int64) bool { return total > l.opts.MaxBytes })
}

// excess is how many bytes each has beyond its share of a bound.
func excess(sizes map[uint64]int64, bound int64) map[uint64]int64 {
	level := fair.Level(slices.Collect(maps.Values(sizes)), max(0, bound))
	over := map[uint64]int64{}
	for rule, size := range sizes {
		if size > level {
			over[rule] = size - level
		}
	}
	return over
}

// dropOldest removes the oldest segment as long as it is to go, by the segment and the size of all.
func (l *Log) dropOldest(is func(s *segment, total int64) bool) {
	total := l.Bytes()
	for {
		l.mu.Lock()
		oldest := l.segments[0]
		last := len(l.segments) == 1
		l.mu.Unlock()
		if last || !is(oldest, total) {
			return
		}
		total -= oldest.bytes()
		l.replace([]*segment{oldest}, nil)
	}
}

// closed returns the closed segments, and the size of the newest. One that could not be closed when
// it was full is closed now; if it cannot be, those after it are left out.
func (l *Log) closed() (list []*segment, newest int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.segments) - 1
	for _, s := range l.segments[:last] {
		if s.index == nil && s.seal() != nil {
			break
		}
		list = append(list, s)
	}
	return list, l.segments[last].bytes()
}

func (l *Log) removed(err error) {
	if err != nil {
		l.opts.Logger.Warn("an old segment of the history cannot be removed", "error", err)
	}
}

// remove removes the oldest entries of rules, as many bytes as are said of each. Neighbours that
// have little left become one segment.
func (l *Log) remove(closed []*segment, excess map[uint64]int64) error {
	planned := maps.Clone(excess)
	var together []*segment
	kept, changes := int64(0), false
	flush := func() (err error) {
		if changes || len(together) > 1 {
			err = l.rewrite(together, excess)
		}
		together, kept, changes = nil, 0, false
		return err
	}
	for _, s := range closed {
		rest := s.bytes()
		for rule, size := range s.covers.rules {
			less := min(size, planned[rule])
			planned[rule] -= less
			rest -= less
		}
		if len(together) > 0 && kept+rest > l.segmentSize() {
			if err := flush(); err != nil {
				return err
			}
		}
		together = append(together, s)
		kept += rest
		changes = changes || rest < s.bytes()
	}
	return flush()
}

// rewrite puts what is to be kept of some neighbours into one segment.
func (l *Log) rewrite(old []*segment, excess map[uint64]int64) error {
	var b bytes.Buffer
	refs := []ref{}
	for _, s := range old {
		if err := s.keep(&b, &refs, excess); err != nil {
			return err
		}
	}
	if len(refs) == 0 {
		l.replace(old, nil)
		return nil
	}
	last := old[len(old)-1]
	s := &segment{
		dir: l.opts.Dir, first: old[0].first, number: last.number, version: time.Now().UnixNano(),
		size: int64(b.Len()), refs: refs, written: last.written,
	}
	name := s.name(segmentSuffix)
	// An index of other places would be worse than none after a crash.
	if err := os.Remove(s.name(indexSuffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := atomicfile.Write(name, b.Bytes())
	if err == nil {
		err = os.Chtimes(name, s.written, s.written)
	}
	if err != nil {
		return err
	}
	if s.file, err = os.OpenFile(name, os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := s.seal(); err != nil {
		return errors.Join(err, s.file.Close())
	}
	l.replace(old, s)
	return nil
}

// keep appends the lines that are not in excess, and says where they are now.
func (s *segment) keep(b *bytes.Buffer, refs *[]ref, excess map[uint64]int64) error {
	var list []ref
	if err := s.each(func(r ref) { list = append(list, r) }); err != nil {
		return err
	}
	slices.SortFunc(list, byOffset)
	for i, r := range list {
		size := s.lineSize(list, i)
		if excess[r.rule] > 0 {
			excess[r.rule] -= size + refSize
			continue
		}
		line := io.NewSectionReader(s.file, int64(r.offset), size)
		r.offset = uint32(b.Len())
		if n, err := b.ReadFrom(line); err != nil || n != size {
			return fmt.Errorf("read %s: %d of %d bytes: %w", s.file.Name(), n, size, err)
		}
		*refs = append(*refs, r)
	}
	return nil
}

// replace has a segment, or none, in the place of some neighbours, whose files it removes.
func (l *Log) replace(old []*segment, with *segment) {
	l.mu.Lock()
	at := slices.Index(l.segments, old[0])
	if with == nil {
		l.segments = slices.Delete(slices.Clone(l.segments), at, at+len(old))
	} else {
		l.segments = slices.Replace(slices.Clone(l.segments), at, at+len(old), with)
	}
	l.mu.Unlock()
	for _, s := range old {
		if with != nil && s.first == with.first && s.number == with.number {
			go func() { _ = s.close() }() // its files have been replaced
			continue
		}
		l.removed(s.remove())
	}
}
