package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
)

// A snapshot is the state of a fold and its engine at one record of the frames topic: what Save has
// passed on, as keys and values. These are a stream of bytes, which a topic of its own has in
// chunks, cut wherever one is full. An end record says what the chunks add up to. So a snapshot
// without its end record is none, chunks of two members that write at once are distinguished, and
// what is not whole is noticed.

// snapshotVersion is the version of the records of a snapshot.
const snapshotVersion = 1

const (
	kindChunk = 'B'
	kindEnd   = 'E'

	chunkBytes = 512 << 10 // of a record at most; brokers take a megabyte by default
	chunkHead  = 2 + 8
)

// Snapshot says what a snapshot holds.
type Snapshot struct {
	ID     uint64   `json:"id"`
	Frames [16]byte `json:"frames"` // ID of the frames topic
	Next   int64    `json:"next"`   // offset of the first record that it does not cover
	// time of the newest record that was applied when it was begun, by the clock of the topic
	At     time.Time `json:"at"`
	State  int       `json:"state"` // format of the engine's state
	By     string    `json:"by"`    // version of the program that has written it
	First  int64     `json:"first"` // offset of the first chunk
	Chunks uint64    `json:"chunks"`
	Bytes  int64     `json:"bytes"`
	Sum    uint32    `json:"sum"` // checksum of all chunks
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SnapshotWriter makes the records of a snapshot.
type SnapshotWriter struct {
	s       Snapshot
	buf     []byte
	lengths []byte
	send    func(record []byte) error
}

// NewSnapshotWriter begins a snapshot. send gets each chunk, which it then owns.
func NewSnapshotWriter(s Snapshot, send func(chunk []byte) error) *SnapshotWriter {
	s.State = alerting.StateVersion
	return &SnapshotWriter{s: s, send: send}
}

// Put adds a key with a value, both of any size.
func (w *SnapshotWriter) Put(key, value []byte) error {
	w.lengths = binary.AppendUvarint(w.lengths[:0], uint64(len(key)))
	w.lengths = binary.AppendUvarint(append(w.lengths, key...), uint64(len(value)))
	if err := w.write(w.lengths); err != nil {
		return err
	}
	return w.write(value)
}

// write adds bytes to the stream, and sends the chunks that are full.
func (w *SnapshotWriter) write(b []byte) error {
	for len(b) > 0 {
		if len(w.buf) == 0 {
			w.buf = snapshotHead(make([]byte, 0, chunkBytes), kindChunk, w.s.ID)
			w.buf = binary.BigEndian.AppendUint64(w.buf, w.s.Chunks)
		}
		n := min(len(b), chunkBytes-len(w.buf))
		w.buf, b = append(w.buf, b[:n]...), b[n:]
		if len(w.buf) < chunkBytes {
			return nil
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Flush sends the last chunk.
func (w *SnapshotWriter) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	w.s.Chunks++
	w.s.Bytes += int64(len(w.buf))
	w.s.Sum = crc32.Update(w.s.Sum, castagnoli, w.buf[chunkHead:])
	chunk := w.buf
	w.buf = nil
	return w.send(chunk)
}

// End returns the end record, to be sent when the topic has all chunks, and what it says. first is
// the offset of the first of them.
func (w *SnapshotWriter) End(first int64) ([]byte, Snapshot) {
	w.s.First = first
	text, err := json.Marshal(w.s)
	if err != nil {
		panic(err) // plain values
	}
	return append(snapshotHead(nil, kindEnd, w.s.ID), text...), w.s
}

func snapshotHead(b []byte, kind byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, snapshotVersion, kind), id)
}

// ReadSnapshotEnd reads an end record. ok is false for any other record. A record of a newer
// version is an end record too: what it says is not known, but that it is there.
func ReadSnapshotEnd(record []byte) (s Snapshot, ok bool) {
	if len(record) < chunkHead || record[1] != kindEnd {
		return s, false
	}
	if record[0] > snapshotVersion {
		return Snapshot{State: int(record[0])<<16 | alerting.StateVersion, By: "newer"}, true
	}
	err := json.Unmarshal(record[chunkHead:], &s)
	return s, err == nil && s.ID == binary.BigEndian.Uint64(record[2:])
}

// Check returns why a snapshot cannot be joined from, by a member of a cluster with a frames topic
// that has the records from offset start on, before end.
func (s Snapshot) Check(frames [16]byte, start, end int64) error {
	switch {
	case s.State > alerting.StateVersion:
		return fmt.Errorf("it was written by a newer version of the program (%s); run that "+
			"version", s.By)
	case s.State < alerting.StateVersion:
		return fmt.Errorf("it was written by an older version of the program (%s), whose state "+
			"has format %d, and this one reads %d; run that version, or a member that has its "+
			"data_dir, until there is a new snapshot", s.By, s.State, alerting.StateVersion)
	case s.Frames != frames:
		return errors.New("it is of another frames topic, or of one that was deleted and created " +
			"again")
	case s.Next < start:
		return fmt.Errorf("it ends at record %d of the frames topic, whose records before %d are "+
			"deleted", s.Next, start)
	case s.Next > end:
		return fmt.Errorf("it ends at record %d of the frames topic, which ends at %d: that topic "+
			"has lost records", s.Next, end)
	}
	return nil
}

// ErrTorn is the error of a snapshot that does not add up to what its end record says.
var ErrTorn = errors.New("the snapshot is not whole")

// SnapshotReader reads the chunks of a snapshot, in the order of the topic.
type SnapshotReader struct {
	s, got Snapshot
	rest   []byte // of the stream: the beginning of a key and value whose end is in later chunks
}

// NewSnapshotReader begins to read a snapshot, whose end record was read.
func NewSnapshotReader(s Snapshot) *SnapshotReader { return &SnapshotReader{s: s} }

// Read passes the keys that end in a record to each, if it is a chunk of the snapshot. The slices
// are valid during the call. What was passed on counts only if Done returns nil later.
func (r *SnapshotReader) Read(record []byte, each func(key, value []byte) error) error {
	if len(record) < chunkHead+8 || record[0] != snapshotVersion || record[1] != kindChunk ||
		binary.BigEndian.Uint64(record[2:]) != r.s.ID {
		return nil
	}
	if number := binary.BigEndian.Uint64(record[chunkHead:]); number != r.got.Chunks {
		return fmt.Errorf("%w: chunk %d follows chunk %d", ErrTorn, number, int64(r.got.Chunks)-1)
	}
	r.got.Chunks++
	r.got.Bytes += int64(len(record))
	r.got.Sum = crc32.Update(r.got.Sum, castagnoli, record[chunkHead:])
	r.rest = append(r.rest, record[chunkHead+8:]...)
	b, err := cutPairs(r.rest, each)
	if err != nil {
		return err
	}
	if len(b) < len(r.rest) {
		r.rest = append(r.rest[:0], b...)
	}
	return nil
}

// Done returns an error unless all of the snapshot was read.
func (r *SnapshotReader) Done() error {
	if r.got.Chunks != r.s.Chunks || r.got.Bytes != r.s.Bytes || r.got.Sum != r.s.Sum ||
		len(r.rest) > 0 {
		return fmt.Errorf("%w: %d of %d chunks were read, with %d of %d bytes", ErrTorn,
			r.got.Chunks, r.s.Chunks, r.got.Bytes, r.s.Bytes)
	}
	return nil
}

// cutPairs calls each for the keys and values at the front of b, and returns what is left: nothing,
// or the beginning of a pair.
func cutPairs(b []byte, each func(key, value []byte) error) ([]byte, error) {
	for len(b) > 0 {
		key, after, whole := cutBytes(b)
		if !whole {
			break
		}
		value, after, whole := cutBytes(after)
		if !whole {
			break
		}
		if err := each(key, value); err != nil {
			return nil, err
		}
		b = after
	}
	return b, nil
}

// cutBytes cuts a length and as many bytes off a stream. whole is false when it has fewer.
func cutBytes(b []byte) (value, rest []byte, whole bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	b = b[used:]
	return b[:n:n], b[n:], true
}

// Stored is a snapshot in its topic, as its author announces it in the frames topic. By then the
// brokers have all of it.
type Stored struct {
	Snapshot
	Topic [16]byte `json:"topic"` // ID of the topic of snapshots
	End   int64    `json:"end"`   // offset of the end record
}

// keptSnapshots is how many snapshots are kept: if the newest one turns out to be unusable, there
// is the one before, and the frames since that.
const keptSnapshots = 2

// stored takes in a snapshot that a member has written.
func (f *Fold) stored(s Stored) {
	if s.Next > f.applying {
		return
	}
	if n := len(f.snapshots); n > 0 && f.snapshots[n-1].Topic == s.Topic {
		// of two that were written at the same time, the other may have had us delete chunks of it
		if last := f.snapshots[n-1]; s.Next <= last.Next || s.First <= last.First {
			return
		}
	}
	f.snapshots = append(f.snapshots, s)
	if n := len(f.snapshots); n > keptSnapshots {
		f.snapshots = f.snapshots[n-keptSnapshots:]
	}
	f.since, f.sinceBytes = f.now, 0
}

// Snapshots are the newest ones in their topic, oldest first.
func (f *Fold) Snapshots() []Stored { return append([]Stored(nil), f.snapshots...) }

// Deletable is the snapshot before which records of the frames topic are needed by no member, and
// snapshots neither: the one before the newest.
func (f *Fold) Deletable() (s Stored, ok bool) {
	if n := len(f.snapshots); n == keptSnapshots && f.snapshots[0].Topic == f.snapshots[1].Topic {
		return f.snapshots[0], true
	}
	return s, false
}

// SnapshotAge is how long before the newest record the newest snapshot was begun; before the first
// one, how long ago the first record was that we have applied.
func (f *Fold) SnapshotAge() time.Duration {
	if n := len(f.snapshots); n > 0 {
		return f.now.Sub(f.snapshots[n-1].At)
	}
	return f.now.Sub(f.since)
}

// SnapshotDue reports whether it is on us to write a snapshot: the last one is so old, or so many
// bytes were written since. Followers come first, one after another if one does not do it, and the
// leader last. The cluster must have rules by then.
func (f *Fold) SnapshotDue(every time.Duration, most int64) bool {
	if f.inherited && len(f.snapshots) == 0 {
		return f.rules.Hash != 0 // others wait for it
	}
	rank := time.Duration(0)
	for author := range f.Members() {
		switch {
		case author == f.o.Self:
		case f.leader == f.o.Self, author != f.leader && author < f.o.Self:
			rank++
		}
	}
	age := f.now.Sub(f.since)
	return f.rules.Hash != 0 &&
		(age >= every*(2+rank)/2 || f.sinceBytes >= most && age >= rank*time.Minute)
}
