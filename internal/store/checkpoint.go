package store

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Source is where logs come from: a partition of a topic. The IDs distinguish a topic from another
// of the same name, in another cluster or after it was deleted and created again; such a topic has
// no position here, and starts over.
type Source struct {
	Cluster   string   // cluster ID
	TopicID   [16]byte // topic ID
	Topic     string
	Partition int32
}

// Position is how far a source was read.
type Position struct {
	Next int64 // offset of the next record to be read; all before it are part of the state
	// offset the consumer group held when the checkpoint was taken; any other than this and Next
	// was set by an operator. -1 when unknown
	Committed int64
	Epoch     int32 // leader epoch of the record before Next; -1 when unknown
	Left      bool  // another member may have read on since
	// when the source was last reachable, in milliseconds since 1970; 0 when unknown
	Answered int64
	// when an outage ended in which producers may have buffered what they have not delivered yet,
	// in milliseconds since 1970, and its length in milliseconds; 0 for none
	OutageEnded, Outage int64
	// when the wait for producers began, in milliseconds since 1970; 0 for OutageEnded
	WaitBegan int64
}

// Checkpoint collects what has changed since the last commit. Store.Begin makes it.
type Checkpoint struct {
	full      bool
	body      frames // encoded puts and deletes
	positions map[Source]Position
	released  map[Source]bool
	alerts    []models.Alert
}

func (c *Checkpoint) reset(full bool) {
	clear(c.alerts) // which hold texts
	c.body.reset()
	*c = Checkpoint{full: full, body: c.body, alerts: reuse(c.alerts, 256)}
}

// reuse is the memory of a slice for the next checkpoint. What a single large one needed, and the
// last one did not, is freed.
func reuse[T any](last []T, small int) []T {
	if n := cap(last); n > small && len(last) < n/4 {
		return nil
	}
	return last[:0]
}

// Full reports whether the checkpoint must hold everything.
func (c *Checkpoint) Full() bool { return c.full }

// SetFull makes the checkpoint a full one: state and positions that are not in it will be gone.
// What was put before is dropped.
func (c *Checkpoint) SetFull() {
	c.full = true
	c.body.reset()
}

// Put sets a key. Both slices are copied. Of several values of one key the last one counts; but in
// a full checkpoint every key is put once.
func (c *Checkpoint) Put(key, value []byte) {
	c.body.append(opPut, key, value)
}

// Delete removes a key, if it is there. The slice is copied. In a full checkpoint there is nothing
// to remove.
func (c *Checkpoint) Delete(key []byte) {
	if c.full {
		return
	}
	c.body.append(opDelete, key, nil)
}

// SetPosition says how far a source is covered by this checkpoint.
func (c *Checkpoint) SetPosition(source Source, position Position) {
	if c.positions == nil {
		c.positions = make(map[Source]Position)
	}
	c.positions[source] = position
	delete(c.released, source)
}

// Release removes the position of a source, for example one that another member reads now.
func (c *Checkpoint) Release(source Source) {
	if c.released == nil {
		c.released = make(map[Source]bool)
	}
	c.released[source] = true
	delete(c.positions, source)
}

// Append adds a transition to the outbox.
func (c *Checkpoint) Append(alerts ...models.Alert) {
	c.alerts = append(c.alerts, alerts...)
}

// Size is the size of the changed state, in bytes.
func (c *Checkpoint) Size() int { return c.body.size }

// applyTo returns the positions after the checkpoint; it does not change those before.
func (c *Checkpoint) applyTo(before map[Source]Position) map[Source]Position {
	if len(c.positions) == 0 && len(c.released) == 0 && !c.full {
		return before
	}
	after := make(map[Source]Position, len(before)+len(c.positions))
	if !c.full {
		maps.Copy(after, before)
	}
	maps.Copy(after, c.positions)
	for source := range c.released {
		delete(after, source)
	}
	return after
}

// op is what a record does. The letters are part of the format.
type op byte

const (
	opPut      op = 'P' // key, value
	opDelete   op = 'D' // key
	opPosition op = 'O' // source, position
	opRelease  op = 'F' // source
	opAlert    op = 'A' // sequence number, alert as JSON
	opAck      op = 'K' // sequence number: everything up to it is delivered
	opNext     op = 'N' // sequence number that the next alert gets
)

// record is one entry of a frame: op, length of the key, key, length of the value, value. The
// lengths are uvarints.
type record struct {
	op         op
	key, value []byte
}

func appendRecord(dst []byte, op op, key, value []byte) []byte {
	dst = append(dst, byte(op))
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// nextRecord cuts the first record off b.
func nextRecord(b []byte) (r record, rest []byte, err error) {
	if len(b) == 0 {
		return record{}, nil, fmt.Errorf("record is empty")
	}
	r.op = op(b[0])
	if r.key, b, err = cutBytes(b[1:]); err != nil {
		return record{}, nil, err
	}
	if r.value, b, err = cutBytes(b); err != nil {
		return record{}, nil, err
	}
	return r, b, nil
}

func cutBytes(b []byte) (value, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, fmt.Errorf("record is cut short")
	}
	b = b[used:]
	return b[:n:n], b[n:], nil
}

func appendSource(dst []byte, s Source) []byte {
	dst = append(dst, s.TopicID[:]...)
	dst = binary.AppendVarint(dst, int64(s.Partition))
	dst = binary.AppendUvarint(dst, uint64(len(s.Cluster)))
	dst = append(dst, s.Cluster...)
	return append(dst, s.Topic...)
}

func parseSource(b []byte) (s Source, err error) {
	if len(b) < len(s.TopicID) {
		return s, fmt.Errorf("source is cut short")
	}
	b = b[copy(s.TopicID[:], b):]
	partition, used := binary.Varint(b)
	if used <= 0 {
		return s, fmt.Errorf("source has no partition")
	}
	cluster, topic, err := cutBytes(b[used:])
	if err != nil {
		return s, err
	}
	s.Partition, s.Cluster, s.Topic = int32(partition), string(cluster), string(topic)
	return s, nil
}

func appendPosition(dst []byte, p Position) []byte {
	dst = binary.AppendVarint(dst, p.Next)
	dst = binary.AppendVarint(dst, p.Committed)
	dst = binary.AppendVarint(dst, int64(p.Epoch))
	left := int64(0)
	if p.Left {
		left = 1
	}
	for _, v := range []int64{left, p.Answered, p.OutageEnded, p.Outage, p.WaitBegan} {
		dst = binary.AppendVarint(dst, v)
	}
	return dst
}

func parsePosition(b []byte) (p Position, err error) {
	var fields [4]int64
	for i := range fields {
		v, used := binary.Varint(b)
		if used <= 0 {
			return p, fmt.Errorf("position is cut short")
		}
		fields[i], b = v, b[used:]
	}
	var times [4]int64 // not in files of earlier releases
	for i := range times {
		v, used := binary.Varint(b)
		if used <= 0 {
			break
		}
		times[i], b = v, b[used:]
	}
	return Position{
		Next:        fields[0],
		Committed:   fields[1],
		Epoch:       int32(fields[2]),
		Left:        fields[3] != 0,
		Answered:    times[0],
		OutageEnded: times[1],
		Outage:      times[2],
		WaitBegan:   times[3],
	}, nil
}

func appendPositions(dst *frames, positions map[Source]Position) {
	for source, position := range positions {
		dst.append(opPosition, appendSource(nil, source), appendPosition(nil, position))
	}
}
