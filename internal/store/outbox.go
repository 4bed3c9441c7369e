package store

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/log-monitoring/alert-engine/internal/fair"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Entry is a transition in the outbox.
type Entry struct {
	Seq   uint64 // increases from entry to entry; there may be gaps
	Alert models.Alert
}

// outbox holds the transitions that wait for delivery, and the last ones that were delivered. A
// transition is delivered when its commit has been written: of one that was delivered before, a
// process that is killed would know nothing, and could decide otherwise. The outbox has a lock of
// its own, so that who delivers never waits for the disk.
type outbox struct {
	metrics  *metrics
	maxBytes int64
	history  int

	mu sync.Mutex // guards what follows
	// ordered by sequence number: first the delivered ones, then those that wait
	entries  []entry
	waiting  int    // index of the first entry that waits
	bytes    int64  // of the entries that wait
	next     uint64 // sequence number of the next entry
	released uint64 // everything up to here may be delivered
	acked    uint64 // everything up to here was delivered
	dropped  uint64 // since the store was opened
	savedSeq uint64 // entries up to here are on disk
	savedAck uint64 // value of acked that is on disk
	changed  chan struct{}

	// what savedSeq and savedAck become when the commit that is being written succeeds
	pendingSeq, pendingAck uint64
}

type entry struct {
	Entry
	data []byte // the alert as JSON; nil once it is on disk
	size int64  // of the alert as JSON
}

func newOutbox(maxBytes int64, history int, m *metrics) *outbox {
	return &outbox{
		metrics:  m,
		maxBytes: maxBytes,
		history:  max(history, 0),
		next:     1,
		changed:  make(chan struct{}),
	}
}

// Pending returns the transitions that wait for delivery, oldest first: those of commits that are
// written, or have failed.
func (s *Store) Pending() []Entry { return s.outbox.pending() }

// PendingAfter is Pending without those up to a sequence number.
func (s *Store) PendingAfter(seq uint64) []Entry { return s.outbox.pendingAfter(seq) }

// Waiting returns how many transitions are pending.
func (s *Store) Waiting() int { return s.outbox.count() }

// Changed returns a channel that is closed when the next transition may be delivered. Take the
// channel first, and then look at Pending.
func (s *Store) Changed() <-chan struct{} {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	return s.outbox.changed
}

// Ack says that all transitions up to and including this sequence number were delivered. It is
// written with the next commit, or when the store is closed; a crash before that has them delivered
// again.
func (s *Store) Ack(seq uint64) { s.outbox.ack(seq) }

// AckAll says that all transitions were delivered, or are kept elsewhere for that.
func (s *Store) AckAll() { s.outbox.ack(math.MaxUint64) }

// History returns the last transitions, delivered or not, newest last.
func (s *Store) History() []models.Alert { return s.outbox.all() }

// Health returns an error while an operator should act: the last commit or merge
// failed, or the outbox is nearly full or has lost transitions.
func (s *Store) Health() error {
	s.ailing.Lock()
	failed, unmerged := s.failed, s.unmerged
	s.ailing.Unlock()
	var errs []error
	if failed {
		errs = append(errs, errors.New("the last checkpoint could not be written"))
	}
	if unmerged != nil {
		errs = append(errs, fmt.Errorf("merge checkpoint logs: %w", unmerged))
	}
	return errors.Join(append(errs, s.outbox.alarm())...)
}

func (o *outbox) pending() []Entry { return o.pendingAfter(0) }

func (o *outbox) pendingAfter(seq uint64) []Entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	from, _ := slices.BinarySearchFunc(o.entries, seq+1,
		func(e entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	from = max(from, o.waiting)
	entries := make([]Entry, 0, len(o.entries)-from)
	for _, e := range o.entries[from:] {
		if e.Seq <= o.released {
			entries = append(entries, e.Entry)
		}
	}
	return entries
}

// count returns how many entries pending returns.
func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	released, _ := slices.BinarySearchFunc(o.entries, o.released+1,
		func(e entry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return max(released-o.waiting, 0)
}

func (o *outbox) all() []models.Alert {
	o.mu.Lock()
	defer o.mu.Unlock()
	alerts := make([]models.Alert, 0, len(o.entries))
	for _, e := range o.entries {
		alerts = append(alerts, e.Alert)
	}
	return alerts
}

func (o *outbox) ack(seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acked = max(o.acked, min(seq, o.next-1))
	o.archive()
}

// archive moves entries that were acknowledged to the history, and forgets the oldest of it.
func (o *outbox) archive() {
	for o.waiting < len(o.entries) && o.entries[o.waiting].Seq <= o.acked {
		o.bytes -= o.entries[o.waiting].size
		o.waiting++
	}
	if n := o.waiting - o.history; n > 0 {
		o.entries = slices.Delete(o.entries, 0, n)
		o.waiting -= n
		if large := cap(o.entries); large > 4096 && len(o.entries) < large/4 { // after a flood
			o.entries = slices.Clone(o.entries)
		}
	}
	o.metrics.outbox(len(o.entries)-o.waiting, o.bytes)
}

func (o *outbox) append(alerts []models.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	entries := make([]entry, 0, len(alerts))
	for _, alert := range alerts {
		data, err := encodeAlert(alert)
		if err != nil {
			return fmt.Errorf("encode alert of rule %s: %w", alert.Rule, err)
		}
		entries = append(entries, entry{Entry{Alert: alert}, data, int64(len(data))})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range entries {
		e.Seq = o.next
		o.next++
		o.add(e)
	}
	o.shrink()
	o.archive()
	return nil
}

// release has all transitions delivered: the commit with the newest of them is written, or cannot
// be.
func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.released == o.next-1 {
		return
	}
	o.released = o.next - 1
	close(o.changed)
	o.changed = make(chan struct{})
}

// encodeAlert encodes an alert. JSON has no infinite and undefined numbers; a value of that kind is
// left out, since the reason says it in words.
func encodeAlert(alert models.Alert) ([]byte, error) {
	if math.IsNaN(alert.Value) || math.IsInf(alert.Value, 0) {
		alert.Value = 0
	}
	return json.Marshal(alert)
}

func (o *outbox) add(e entry) {
	o.entries = append(o.entries, e)
	o.bytes += e.size
}

// shrink brings the waiting entries within their bound: first go those that a later transition of
// the same alert has overtaken, then the oldest of the rules that have most, so that a flood of one
// rule takes the places of no other.
func (o *outbox) shrink() {
	if o.bytes <= o.maxBytes {
		return
	}
	last := make(map[string]uint64)
	for _, e := range o.entries[o.waiting:] {
		last[e.Alert.ID] = e.Seq
	}
	o.drop(func(e entry) bool { return last[e.Alert.ID] != e.Seq })
	byRule := make(map[string]int64)
	for _, e := range o.entries[o.waiting:] {
		byRule[e.Alert.Rule] += e.size
	}
	most := fair.Level(slices.Collect(maps.Values(byRule)), o.maxBytes)
	o.drop(func(e entry) bool {
		if byRule[e.Alert.Rule] <= most {
			return false
		}
		byRule[e.Alert.Rule] -= e.size
		return true
	})
}

// drop removes waiting entries of a kind, oldest first, until the rest fits.
func (o *outbox) drop(kind func(entry) bool) {
	kept := o.entries[:o.waiting]
	for _, e := range o.entries[o.waiting:] {
		if o.bytes > o.maxBytes && kind(e) {
			o.bytes -= e.size
			o.dropped++
			o.metrics.dropped()
			continue
		}
		kept = append(kept, e)
	}
	clear(o.entries[len(kept):])
	o.entries = kept
}

func (o *outbox) alarm() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped > 0 {
		return fmt.Errorf(
			"%d alert transitions were dropped before delivery: more than %d bytes of them waited",
			o.dropped,
			o.maxBytes,
		)
	}
	if o.bytes > o.maxBytes/10*8 {
		return fmt.Errorf("%d bytes of alert transitions wait for delivery; beyond %d bytes the "+
			"oldest ones of the rule that has most are dropped", o.bytes, o.maxBytes)
	}
	return nil
}

// appendUnsaved encodes what is not on disk yet.
func (o *outbox) appendUnsaved(dst *frames) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		if e.Seq > o.savedSeq {
			dst.append(opAlert, seqKey(e.Seq), e.data)
		}
	}
	if o.acked != o.savedAck {
		dst.append(opAck, seqKey(o.acked), nil)
	}
	o.saving()
}

// appendAll encodes everything.
func (o *outbox) appendAll(dst *frames) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.entries {
		if e.data == nil {
			e.data, _ = encodeAlert(e.Alert) // it was encoded before
		}
		dst.append(opAlert, seqKey(e.Seq), e.data)
	}
	dst.append(opAck, seqKey(o.acked), nil)
	dst.append(opNext, seqKey(o.next), nil)
	o.saving()
}

// saving notes what the commit that is being written holds. When it fails, the next one is a full
// commit, which holds everything.
func (o *outbox) saving() { o.pendingSeq, o.pendingAck = o.next-1, o.acked }

// saved notes that what was encoded last is on disk.
func (o *outbox) saved() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.entries) - 1; i >= 0 && o.entries[i].Seq > o.savedSeq; i-- {
		if e := &o.entries[i]; e.Seq <= o.pendingSeq {
			e.data = nil // in a flood it is as large as the alert
		}
	}
	o.savedSeq, o.savedAck = o.pendingSeq, o.pendingAck
}

func (o *outbox) unsavedAck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acked != o.savedAck
}

// recover adds what one record says.
func (o *outbox) recover(op op, seq uint64, data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch op {
	case opAlert:
		e := entry{Entry: Entry{Seq: seq}, size: int64(len(data))}
		if err := json.Unmarshal(data, &e.Alert); err != nil {
			return fmt.Errorf("read alert: %w", err)
		}
		if n := len(o.entries); n > 0 && o.entries[n-1].Seq >= seq {
			return fmt.Errorf("alert %d follows alert %d", seq, o.entries[n-1].Seq)
		}
		o.add(e)
		o.next = max(o.next, seq+1)
	case opAck:
		o.acked = max(o.acked, seq)
	case opNext:
		o.next = max(o.next, seq)
	}
	return nil
}

// recovered puts the outbox in order after its last record.
func (o *outbox) recovered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.archive()
	o.shrink()
	o.saving()
	o.released = o.next - 1
	o.savedSeq, o.savedAck = o.pendingSeq, o.pendingAck
}

func seqKey(seq uint64) []byte { return binary.AppendUvarint(nil, seq) }
