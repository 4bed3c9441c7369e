package cluster

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/log-monitoring/alert-engine/internal/wire"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// recordVersion is the newest version of the records of the frames topic. A member that finds a
// newer one stops rather than decide otherwise than the others. So records that members of version
// 1 must not pass over have version 2, and all others version 1.
const (
	recordVersion = 2
	firstVersion  = 1
)

// Kinds of records.
const (
	kindFrame    = 'F' // marks, and what matched
	kindJump     = 'J' // a partition is read on from elsewhere
	kindGenesis  = 'A' // the cluster begins with the state of an instance without one
	kindClaim    = 'C' // the author leads from here on; the offset is its epoch
	kindTick     = 'T' // the leader of an epoch lives
	kindCovers   = 'V' // decisions up to one are in the notification state
	kindPut      = 'P' // entries of the notification state
	kindSilence  = 'S' // a silence, by any member
	kindResolve  = 'R' // an alert is resolved by hand, by any member
	kindRules    = 'U' // the rules in force
	kindMember   = 'M' // a member, and which rules it has
	kindRemove   = 'G' // a topic is gone
	kindSnapshot = 'N' // a snapshot is in its topic
	kindWritten  = 'W' // recorded values up to one are on their topic
	kindCut      = 'K' // the past of new rules ends here
	kindPast     = 'B' // a part of their state there
	kindLive     = 'L' // they go live
	kindEdit     = 'E' // a rule file of the pages changes
	kindNotes    = 'H' // what users did, and what became of notifications
)

// Author identifies a member from its start to its end.
type Author uint64

// Mark says how far a member has read a partition.
type Mark struct {
	models.Partition
	Incarnation uint64
	Next        int64 // everything before it was read
	CaughtUp    bool  // and there was nothing else when the member asked
	Settling    bool  // see models.Progress
}

// Topic is how many partitions a topic has.
type Topic struct {
	Name        string
	Incarnation uint64
	Partitions  int32
}

// Jump moves a partition: its topic was created again, or records that were applied are gone.
type Jump struct {
	models.Partition
	From Position `json:"from"` // it counts only if the partition stands there
	To   Position `json:"to"`
	// how many partitions the topic has now
	Partitions int32  `json:"partitions"`
	Reason     string `json:"reason"`
}

// Put sets entries of the notification state, all of them or none.
type Put struct {
	Epoch   int64   `json:"epoch"`
	Entries []Entry `json:"entries"`
}

// Entry is an entry of the notification state; without a value it is deleted.
type Entry struct {
	Key   string `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// Rules are the texts of a set of rules: rule files, rules of other systems as rule files, and list
// values.
type Rules struct {
	Hash      uint64              `json:"hash"`
	Files     []File              `json:"files"`
	Documents []Document          `json:"documents,omitempty"`
	Lists     map[string][]string `json:"lists,omitempty"`
	// rule files that were written on the pages, by name; a change of them is an Edit
	Pages []Page `json:"pages,omitempty"`
}

// Document is a rule of another system: the file and the line where it is, and what it means.
type Document struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// File is a rule file.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Member is what a member says of itself.
type Member struct {
	Name       string `json:"name"`
	Host       string `json:"host"`
	Version    string `json:"version"`
	Rules      uint64 `json:"rules"` // hash of the rules that it has
	Partitions int    `json:"partitions"`
	Stopped    bool   `json:"stopped,omitempty"` // its last words
}

type tick struct {
	Epoch int64  `json:"epoch"`
	N     uint64 `json:"n"` // counts the ticks of the author
}

type covers struct {
	Epoch int64 `json:"epoch"`
	Seq   Seq   `json:"seq"`
}

type written struct {
	Last uint64 `json:"last"`
}

type removal struct {
	Epoch       int64  `json:"epoch"`
	Topic       string `json:"topic"`
	Incarnation uint64 `json:"incarnation"`
}

// Resolve resolves an alert by hand.
type Resolve struct {
	Alert  string `json:"alert"`
	Reason string `json:"reason"`
}

// head begins a record.
func head(kind byte, by Author) []byte {
	return binary.BigEndian.AppendUint64([]byte{firstVersion, kind}, uint64(by))
}

func record(kind byte, by Author, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain values
	}
	return append(head(kind, by), text...)
}

// Claim is the record by which the author begins to lead.
func Claim(by Author) []byte { return head(kindClaim, by) }

// Tick is the record by which a leader shows that it lives.
func Tick(by Author, epoch int64, n uint64) []byte { return record(kindTick, by, tick{epoch, n}) }

// Covers is the record by which a leader says that all decisions up to one are in the notification
// state.
func Covers(by Author, epoch int64, seq Seq) []byte {
	return record(kindCovers, by, covers{epoch, seq})
}

// PutRecord is the record of entries of the notification state.
func PutRecord(by Author, p Put) []byte { return record(kindPut, by, p) }

// Silence is the record of a silence.
func Silence(by Author, silence []byte) []byte { return append(head(kindSilence, by), silence...) }

// ResolveRecord is the record of a manual resolve.
func ResolveRecord(by Author, r Resolve) []byte { return record(kindResolve, by, r) }

// ruling is rules that come in force instead of those with a hash; 0 for any.
type ruling struct {
	Rules
	Base uint64 `json:"base,omitempty"`
}

// RulesRecord is the record by which rules come in force, if those with the hash base are in force.
// The rule files of the pages stay. Thousands of rules are compressed, so that they fit.
func RulesRecord(by Author, base uint64, r Rules) []byte {
	r.Pages = nil
	return compressed(record(kindRules, by, ruling{r, base}))
}

// compressed compresses what follows the head of a record, if it is long.
func compressed(b []byte) []byte {
	const beginning = 2 + 8 // as head makes it
	if len(b) < compressedRules {
		return b
	}
	var out bytes.Buffer
	out.Write(b[:beginning])
	w := gzip.NewWriter(&out)
	_, err := w.Write(b[beginning:])
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes all
	}
	return out.Bytes()
}

const (
	compressedRules = 64 << 10  // bytes, from which on rules are compressed
	maxRules        = 256 << 20 // bytes of rules that were compressed
)

// readCompressed reads what follows the head of a record that compressed has made.
func readCompressed(b []byte, value any) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		in, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		if b, err = io.ReadAll(io.LimitReader(in, maxRules)); err != nil {
			return err
		}
	}
	return json.Unmarshal(b, value)
}

// MemberRecord is the record by which a member presents itself.
func MemberRecord(by Author, m Member) []byte { return record(kindMember, by, m) }

// RemoveTopic is the record by which a leader says that a topic is gone, so that it does not hold
// back time.
func RemoveTopic(by Author, epoch int64, topic string, incarnation uint64) []byte {
	return record(kindRemove, by, removal{epoch, topic, incarnation})
}

// SnapshotRecord is the record by which the author says that a snapshot is in its topic.
func SnapshotRecord(by Author, s Stored) []byte { return record(kindSnapshot, by, s) }

// WroteValues is the record by which a leader says that recorded values up to one are on their
// topic. It counts in any epoch: they are there.
func WroteValues(by Author, last uint64) []byte { return record(kindWritten, by, written{last}) }

// JumpRecord is the record of a jump.
func JumpRecord(by Author, j Jump) []byte { return record(kindJump, by, j) }

// Frame is marks, and the spans of scanned records as alerting.FrameWriter writes them.
type Frame struct {
	Rules  uint64    // hash of the rules that the records were scanned with
	At     time.Time // when the member asked where the partitions end
	Topics []Topic
	Marks  []Mark
	Spans  []byte
}

const (
	markCaughtUp = 1 << iota
	markSettling
)

// FrameRecord is the record of a frame.
func FrameRecord(by Author, f *Frame) []byte {
	b := binary.BigEndian.AppendUint64(head(kindFrame, by), f.Rules)
	b = binary.AppendVarint(b, f.At.UnixNano())
	b = binary.AppendUvarint(b, uint64(len(f.Topics)))
	number := make(map[Topic]int, len(f.Topics))
	for i, t := range f.Topics {
		number[Topic{Name: t.Name, Incarnation: t.Incarnation}] = i
		b = append(binary.AppendUvarint(b, uint64(len(t.Name))), t.Name...)
		b = binary.BigEndian.AppendUint64(b, t.Incarnation)
		b = binary.AppendUvarint(b, uint64(t.Partitions))
	}
	b = binary.AppendUvarint(b, uint64(len(f.Marks)))
	for _, m := range f.Marks {
		topic := number[Topic{Name: m.Topic, Incarnation: m.Incarnation}]
		b = binary.AppendUvarint(b, uint64(topic))
		b = binary.AppendUvarint(b, uint64(m.Partition.Partition))
		b = binary.AppendUvarint(b, uint64(m.Next))
		flags := byte(0)
		if m.CaughtUp {
			flags |= markCaughtUp
		}
		if m.Settling {
			flags |= markSettling
		}
		b = append(b, flags)
	}
	return append(b, f.Spans...)
}

// ErrRecord is the error of a record that cannot be read. Every member finds it, so all pass over
// the record alike.
var ErrRecord = errors.New("a record of the frames topic cannot be read")

// VersionError says that a record was written by a newer version of the program.
type VersionError struct {
	Offset  int64
	Version byte
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the record at offset %d of the frames topic has version %d, which this "+
		"program does not read: run the newer version on all members", e.Offset, e.Version)
}

// readFrame reads what follows the head of a frame.
func readFrame(b []byte) (*Frame, error) {
	r := &wire.Reader{B: b}
	f := &Frame{Rules: r.BE64(), At: time.Unix(0, r.Varint())}
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		t := Topic{Name: string(r.Block()), Incarnation: r.BE64()}
		t.Partitions = int32(r.UpTo(maxPartitions))
		f.Topics = append(f.Topics, t)
	}
	for n := r.Count(); n > 0 && r.Err == nil; n-- {
		topic := r.UpTo(math.MaxInt32)
		if topic >= uint64(len(f.Topics)) {
			return nil, ErrRecord
		}
		t := f.Topics[topic]
		m := Mark{Incarnation: t.Incarnation}
		m.Topic, m.Partition.Partition = t.Name, int32(r.UpTo(maxPartitions))
		m.Next = int64(r.UpTo(math.MaxInt64))
		flags := r.Byte()
		m.CaughtUp, m.Settling = flags&markCaughtUp != 0, flags&markSettling != 0
		f.Marks = append(f.Marks, m)
	}
	if r.Err != nil {
		return nil, ErrRecord
	}
	f.Spans = r.B
	return f, nil
}

// maxPartitions bounds the partitions of a topic; Kafka has a few thousand at most.
const maxPartitions = 1 << 17
