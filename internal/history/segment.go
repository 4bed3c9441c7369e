package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	segmentSuffix = ".jsonl"
	indexSuffix   = ".idx"
	indexMagic    = "aehist1\n"
	refSize       = 32
	chunk         = 256 << 10 // bytes that are read at a time
)

// ref is what the index says of an entry. It has 32 bytes on disk.
type ref struct {
	alert  uint64 // hash of the alert's ID
	rule   uint64 // hash of the rule
	at     int64  // event time, in milliseconds
	offset uint32 // of its line
	kind   byte
	state  byte
}

var kinds = []Kind{Transition, Notified, Failed, NotNotified, Acknowledged, Comment, Change}

var alertStates = []models.AlertState{
	"", models.AlertPending, models.AlertFiring, models.AlertResolved, models.AlertSuppressed,
	models.AlertUnknown,
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text)
	return h.Sum64()
}

func refOf(e *Entry, offset int64) ref {
	at := e.At
	if at.IsZero() {
		at = e.Time
	}
	return ref{
		alert: hashOf(e.AlertID), rule: hashOf(e.Rule), at: at.UnixMilli(), offset: uint32(offset),
		kind:  byte(slices.Index(kinds, e.Kind)),
		state: byte(max(0, slices.Index(alertStates, e.State))),
	}
}

func (r ref) encode(b []byte) {
	binary.LittleEndian.PutUint64(b, r.alert)
	binary.LittleEndian.PutUint64(b[8:], r.rule)
	binary.LittleEndian.PutUint64(b[16:], uint64(r.at))
	binary.LittleEndian.PutUint32(b[24:], r.offset)
	b[28], b[29], b[30], b[31] = r.kind, r.state, 0, 0
}

func decodeRef(b []byte) ref {
	return ref{
		alert:  binary.LittleEndian.Uint64(b),
		rule:   binary.LittleEndian.Uint64(b[8:]),
		at:     int64(binary.LittleEndian.Uint64(b[16:])),
		offset: binary.LittleEndian.Uint32(b[24:]),
		kind:   b[28],
		state:  b[29],
	}
}

func byAlert(a, b ref) int {
	switch {
	case a.alert != b.alert && a.alert < b.alert:
		return -1
	case a.alert != b.alert:
		return 1
	}
	return int(int64(a.offset) - int64(b.offset))
}

// segment is a file of the history.
type segment struct {
	dir     string
	first   uint64 // differs from the number if several segments were merged
	number  uint64 // of the last of them
	version int64  // differs when it was rewritten, so that places in it are others; 0 if not
	file    *os.File
	index   *os.File  // of a closed segment
	count   int       // entries of a closed segment
	covers  extent    // of a closed segment
	written time.Time // when the last entry was written
	users   sync.WaitGroup

	mu    sync.RWMutex // guards what follows, which is of the newest segment
	size  int64        // whoever writes holds the log's writing as well
	refs  []ref        // in the order of the lines; nil when it is closed
	dirty bool
}

func createSegment(dir string, number uint64) (*segment, error) {
	s := &segment{dir: dir, first: number, number: number, written: time.Now(), refs: []ref{}}
	f, err := os.OpenFile(s.name(segmentSuffix), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	s.file = f
	return s, nil
}

// name is that of a file of the segment. A merged segment has the numbers of the first and of the
// last in it.
func (s *segment) name(suffix string) string {
	if s.first == s.number {
		return filepath.Join(s.dir, fmt.Sprintf("%016d%s", s.number, suffix))
	}
	return filepath.Join(s.dir, fmt.Sprintf("%016d-%016d%s", s.first, s.number, suffix))
}

// openSegment opens a segment that is there. The newest is continued with.
func openSegment(
	dir string, first, number uint64, newest bool, logger *slog.Logger,
) (*segment, error) {
	s := &segment{dir: dir, first: first, number: number}
	name := s.name(segmentSuffix)
	f, err := os.OpenFile(name, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file, s.size, s.written = f, info.Size(), info.ModTime()
	if !newest && s.openIndex() == nil {
		return s, nil
	}
	whole, err := s.scan()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if whole != s.size {
		logger.Warn(
			"the history has a line that was cut short; it is dropped",
			"file", name, "dropped_bytes", s.size-whole,
		)
		if err := f.Truncate(whole); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		s.size = whole
	}
	if !newest {
		return s, s.seal()
	}
	return s, nil
}

// scan reads all lines for the index, and returns where the last whole line ends.
func (s *segment) scan() (whole int64, err error) {
	s.refs = []ref{}
	in := bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.size), chunk)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
		var e Entry
		if json.Unmarshal(line, &e) == nil {
			s.refs = append(s.refs, refOf(&e, whole))
		}
		whole += int64(len(line))
	}
}

func (s *segment) append(e Entry) error {
	line, err := json.Marshal(&e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.file.WriteAt(line, s.size)
	if err != nil {
		if n > 0 {
			_ = s.file.Truncate(s.size)
		}
		return err
	}
	s.refs = append(s.refs, refOf(&e, s.size))
	s.size += int64(len(line))
	s.written, s.dirty = e.Time, true
	return nil
}

// sync has the disk keep what was written; before is called if there is something.
func (s *segment) sync(before func() error) error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = false
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	return errors.Join(before(), s.file.Sync())
}

// seal closes a segment, to which nothing is written any more: it writes its index. It is read on
// meanwhile.
func (s *segment) seal() error {
	s.mu.RLock()
	refs := slices.Clone(s.refs)
	s.mu.RUnlock()
	slices.SortFunc(refs, byAlert)
	b := make([]byte, len(indexMagic)+4+len(refs)*refSize)
	copy(b, indexMagic)
	body := b[len(indexMagic)+4:]
	for i, r := range refs {
		r.encode(body[i*refSize:])
	}
	binary.LittleEndian.PutUint32(b[len(indexMagic):], crc32.ChecksumIEEE(body))
	err := errors.Join(s.file.Sync(), atomicfile.Write(s.name(indexSuffix), b))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openIndex(); err != nil {
		return err
	}
	s.refs = nil
	return nil
}

// openIndex opens the index of a closed segment.
func (s *segment) openIndex() error {
	b, err := os.ReadFile(s.name(indexSuffix))
	if err != nil {
		return err
	}
	head := len(indexMagic) + 4
	if len(b) < head || string(b[:len(indexMagic)]) != indexMagic || (len(b)-head)%refSize != 0 ||
		crc32.ChecksumIEEE(b[head:]) != binary.LittleEndian.Uint32(b[len(indexMagic):]) {
		return errors.New("index is damaged")
	}
	f, err := os.Open(s.name(indexSuffix))
	if err != nil {
		return err
	}
	s.index, s.count = f, (len(b)-head)/refSize
	s.covers = extent{low: math.MaxInt64, high: math.MinInt64, rules: map[uint64]int64{}}
	refs := make([]ref, 0, s.count)
	for b = b[head:]; len(b) > 0; b = b[refSize:] {
		refs = append(refs, decodeRef(b))
	}
	slices.SortFunc(refs, byOffset)
	for i, r := range refs {
		s.covers.add(r, s.lineSize(refs, i))
	}
	return nil
}

func byOffset(a, b ref) int { return cmp.Compare(a.offset, b.offset) }

// lineSize is how many bytes the i-th of the entries in the order of lines has.
func (s *segment) lineSize(refs []ref, i int) int64 {
	end := s.size
	if i+1 < len(refs) {
		end = int64(refs[i+1].offset)
	}
	return end - int64(refs[i].offset)
}

// extent is what a closed segment is about, so that most queries need not read its index.
type extent struct {
	low, high int64            // event time, in milliseconds
	rules     map[uint64]int64 // bytes of each, with those in the index
	kinds     [8]bool
}

func (x *extent) add(r ref, size int64) {
	x.low, x.high = min(x.low, r.at), max(x.high, r.at)
	x.rules[r.rule] += size + refSize
	x.kinds[r.kind%8] = true
}

func (s *segment) bytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size + int64(s.count)*refSize
}

func (s *segment) close() error {
	s.users.Wait()
	err := s.file.Close()
	if s.index != nil {
		err = errors.Join(err, s.index.Close())
	}
	return err
}

func (s *segment) remove() error {
	go func() { _ = s.close() }() // those who read it may continue
	err := os.Remove(s.name(segmentSuffix))
	if s.index != nil {
		err = errors.Join(err, os.Remove(s.name(indexSuffix)))
	}
	return err
}

// of returns the places of an alert's entries, oldest first.
func (s *segment) of(alert uint64) (offsets []uint32, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.refs != nil {
		for _, r := range s.refs {
			if r.alert == alert {
				offsets = append(offsets, r.offset)
			}
		}
		return offsets, nil
	}
	low, high := 0, s.count
	for low < high {
		mid := (low + high) / 2
		r, err := s.ref(mid)
		if err != nil {
			return nil, err
		}
		if r.alert < alert {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for ; low < s.count; low++ {
		r, err := s.ref(low)
		if err != nil || r.alert != alert {
			return offsets, err
		}
		offsets = append(offsets, r.offset)
	}
	return offsets, nil
}

func (s *segment) ref(i int) (ref, error) {
	var b [refSize]byte
	_, err := s.index.ReadAt(b[:], int64(len(indexMagic)+4+i*refSize))
	return decodeRef(b[:]), err
}

// each calls f with what the index says of each entry, in the order of the index.
func (s *segment) each(f func(ref)) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.refs != nil {
		for _, r := range s.refs {
			f(r)
		}
		return nil
	}
	b, err := s.readIndex()
	for ; len(b) > 0; b = b[refSize:] {
		f(decodeRef(b))
	}
	return err
}

// ordered calls f with what the index says of the entries that are wanted, in the order in which
// they were written.
func (s *segment) ordered(wanted func(ref) bool, f func(ref)) error {
	s.mu.RLock()
	inOrder := s.refs
	var b []byte
	var err error
	if inOrder == nil {
		b, err = s.readIndex()
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	for _, r := range inOrder { // what is there does not change
		if wanted(r) {
			f(r)
		}
	}
	n := 0
	for at := 0; at < len(b); at += refSize {
		if wanted(decodeRef(b[at:])) {
			n++
		}
	}
	refs := make([]ref, 0, n)
	for ; len(b) > 0; b = b[refSize:] {
		if r := decodeRef(b); wanted(r) {
			refs = append(refs, r)
		}
	}
	slices.SortFunc(refs, func(a, b ref) int { return cmp.Compare(a.offset, b.offset) })
	for _, r := range refs {
		f(r)
	}
	return nil
}

// readIndex reads the entries of the index of a closed segment.
func (s *segment) readIndex() ([]byte, error) {
	b := make([]byte, s.count*refSize)
	if _, err := s.index.ReadAt(b, int64(len(indexMagic)+4)); err != nil && len(b) > 0 {
		return nil, err
	}
	return b, nil
}

// choose returns the places of the entries that f chooses by what the index says, oldest first.
func (s *segment) choose(f func(ref) bool) (offsets []uint32, err error) {
	err = s.each(func(r ref) {
		if f(r) {
			offsets = append(offsets, r.offset)
		}
	})
	slices.Sort(offsets)
	return offsets, err
}

// end is where the last line ends.
func (s *segment) end() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.size
}

// entry reads the line at a place.
func (s *segment) entry(offset int64) (e Entry, err error) {
	end := s.end()
	for size := int64(4 << 10); ; size *= 4 {
		line := make([]byte, min(size, end-offset))
		if _, err := s.file.ReadAt(line, offset); err != nil {
			return e, err
		}
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			return e, json.Unmarshal(line[:i], &e)
		}
		if offset+int64(len(line)) >= end {
			return e, io.ErrUnexpectedEOF
		}
	}
}
