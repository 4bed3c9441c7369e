package cluster

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Engine is what a fold asks of the engine that it drives. alerting.Engine is one, made with
// WithFrames.
type Engine interface {
	NewFrameReader() *alerting.FrameReader
	Apply(models.Scan)
	Advance(now time.Time, progress []models.Progress)
	ResumeAt(now time.Time)
	Resolve(alertID, reason string) bool
	BackfillEngine() (*alerting.Engine, time.Duration)
	FinishBackfill(scratch *alerting.Engine, why string)
	SkipBackfill(scratch *alerting.Engine, why string)
}

// FoldOptions are what a fold works with.
type FoldOptions struct {
	Self   Author
	Engine Engine
	// puts rules in force; an error ends the fold, since it would decide otherwise than others
	SetRules func(Rules) error
	// takes a silence of any member, and returns its ID and until when it is to be kept
	Silence func([]byte) (id string, until time.Time)
	// takes what users did and what became of notifications, one JSON text each; nil for nothing
	Noted func(notes []json.RawMessage)
	// notes that recorded values up to a number are on their topic; nil where none are recorded
	Written func(last uint64)
}

// Seq numbers decisions in the order in which they are made, alike for all members: the offset of
// the record that brought one about, and its place among those of the record.
type Seq uint64

const seqBits = 20

// Decision is a transition that may not be in the notification state yet.
type Decision struct {
	Seq   Seq          `json:"seq"`
	Alert models.Alert `json:"alert"`
}

// maxPending bounds the decisions that wait for a leader; beyond it the oldest ones are dropped,
// and counted. The next leader then learns of alerts that fire from the engine.
const maxPending = 100_000

// Counts are what a fold has done since it was made.
type Counts struct {
	Records int64
	Frames  int64
	Bytes   int64
	Damaged int64 // records that could not be read
	Spans   map[Verdict]int64
	Claims  int64
	Dropped int64 // decisions
}

// Fold applies the records of the frames topic, in order, to an engine. It is for one goroutine at
// a time.
type Fold struct {
	o      FoldOptions
	reader *alerting.FrameReader
	counts Counts

	next      int64 // offset of the next record
	applying  int64 // offset of the record that is applied
	decided   int   // decisions of that record
	values    int   // recorded values of that record
	recorded  bool  // there were some since TakeValues
	positions Positions
	topics    map[string]Topic
	progress  []models.Progress // sorted, of all partitions of the topics
	asked     map[models.Partition]time.Time
	now       time.Time // the newest time of a record
	advanced  time.Time // when the engine was advanced last
	leader    Author
	epoch     int64
	covered   Seq
	pending   []Decision
	rules     Rules
	notified  map[string][]byte // the notification state
	members   map[Author]Seen
	silences  map[string]silence
	snapshots []Stored
	inherited bool // from an instance without a cluster
	pages     map[string]PageFile
	notes     []storedNote // the newest ones, oldest first
	cut       *cut         // nil for none

	// the time of records when the last snapshot was announced; of the first record before that
	since      time.Time
	sinceBytes int64 // of frames that were applied since

	dirty           map[string]bool // entries of notified
	changedSilences map[string]bool // silences that have changed
	changedPages    map[string]bool
	savedNotes      int64 // offset after that of the last record whose notes are saved
	droppedNotes    []storedNote
	newRules        bool
	refused         bool // a span of ours was refused, or rules were switched
	tick            uint64
	answers         map[int64]bool // by offset: what became of a record of ours
}

// Seen is a member, and when it presented itself last.
type Seen struct {
	Member
	At time.Time `json:"at"`
}

// NewFold makes a fold that begins with the first record.
func NewFold(o FoldOptions) *Fold {
	return &Fold{
		o:               o,
		reader:          o.Engine.NewFrameReader(),
		counts:          Counts{Spans: map[Verdict]int64{}},
		positions:       Positions{},
		topics:          map[string]Topic{},
		asked:           map[models.Partition]time.Time{},
		epoch:           -1,
		notified:        map[string][]byte{},
		members:         map[Author]Seen{},
		silences:        map[string]silence{},
		dirty:           map[string]bool{},
		changedSilences: map[string]bool{},
		pages:           map[string]PageFile{},
		changedPages:    map[string]bool{},
	}
}

// advanceEvery is how far the time of records moves between two advances of the engine.
const advanceEvery = 10 * time.Millisecond

// Apply applies a record. at is its time by the broker's clock. An error is final.
func (f *Fold) Apply(offset int64, at time.Time, b []byte) error {
	if offset < f.next {
		return nil
	}
	f.next, f.applying, f.decided, f.values = offset+1, offset, 0, 0
	f.counts.Records++
	if at.After(f.now) {
		f.now = at
	}
	if f.since.IsZero() {
		f.since = f.now
	}
	if f.cut != nil && f.now.Sub(f.cut.at) > cutMost {
		f.cut = nil
	}
	if len(b) > 0 && b[0] > recordVersion {
		return &VersionError{offset, b[0]}
	}
	if len(b) < 10 || b[0] < firstVersion {
		f.counts.Damaged++
		return nil
	}
	err := f.apply(b[1], Author(binary.BigEndian.Uint64(b[2:10])), b[10:])
	if f.now.Sub(f.advanced) >= advanceEvery {
		f.advance()
	}
	return err
}

func (f *Fold) advance() {
	f.advanced = f.now
	f.o.Engine.Advance(f.now, f.progress)
}

// apply is long because it is a list.
func (f *Fold) apply(kind byte, by Author, b []byte) error {
	read := func(v any) bool {
		if json.Unmarshal(b, v) != nil {
			f.counts.Damaged++
			return false
		}
		return true
	}
	switch kind {
	case kindFrame:
		return f.frame(by, b)
	case kindGenesis:
		if f.applying == 0 {
			f.next = 0
			return ErrGenesis
		}
		f.counts.Damaged++ // it begins something that has begun
	case kindJump:
		var j Jump
		if read(&j) {
			f.jump(j)
		}
	case kindClaim:
		f.leader, f.epoch, f.cut = by, f.applying, nil
		f.counts.Claims++
	case kindTick:
		var t tick
		if read(&t) && by == f.o.Self && t.Epoch == f.epoch {
			f.tick = t.N
		}
	case kindCovers:
		var c covers
		if read(&c) && c.Epoch == f.epoch && c.Seq > f.covered {
			f.covered = c.Seq
			f.pending = slices.DeleteFunc(f.pending, func(d Decision) bool {
				return d.Seq <= c.Seq
			})
		}
	case kindPut:
		var p Put
		if read(&p) && p.Epoch == f.epoch {
			f.put(p)
		}
	case kindSilence:
		f.silence(b)
	case kindSnapshot:
		var s Stored
		if read(&s) {
			f.stored(s)
		}
	case kindResolve:
		var r Resolve
		if read(&r) {
			f.answer(by, f.o.Engine.Resolve(r.Alert, r.Reason))
		}
	case kindRules:
		var r ruling
		if readCompressed(b, &r) != nil {
			f.counts.Damaged++
			return nil
		}
		return f.rule(r)
	case kindEdit:
		var e Edit
		if readCompressed(b, &e) != nil {
			f.counts.Damaged++
			return nil
		}
		return f.edit(by, e)
	case kindNotes:
		var n notes
		if read(&n) {
			f.note(n)
		}
	case kindCut:
		var c cutRecord
		if read(&c) {
			f.cutHere(c)
		}
	case kindPast:
		f.past(b)
	case kindLive:
		var l liveRecord
		if read(&l) {
			f.live(l)
		}
	case kindMember:
		var m Member
		if read(&m) {
			f.member(by, m)
		}
	case kindWritten:
		var w written
		if read(&w) && f.o.Written != nil {
			f.o.Written(w.Last)
		}
	case kindRemove:
		var g removal
		if read(&g) && g.Epoch == f.epoch && f.topics[g.Topic].Incarnation == g.Incarnation {
			f.removeTopic(g.Topic)
		}
	default:
		f.counts.Damaged++
	}
	return nil
}

// frame applies the spans of a frame, and then its marks.
func (f *Fold) frame(by Author, b []byte) error {
	f.counts.Frames++
	f.counts.Bytes += int64(len(b))
	f.sinceBytes += int64(len(b))
	frame, err := readFrame(b)
	if err != nil {
		f.counts.Damaged++
		return nil
	}
	if len(frame.Spans) > 0 && frame.Spans[0] > alerting.FrameVersion {
		return &VersionError{f.applying, frame.Spans[0]} // to pass it over would leave out records
	}
	for _, t := range frame.Topics {
		f.topic(t)
	}
	if len(frame.Spans) > 0 {
		f.spans(by, frame)
	}
	for _, m := range frame.Marks {
		f.mark(m, frame.At)
	}
	return nil
}

func (f *Fold) spans(by Author, frame *Frame) {
	err := f.reader.Reset(frame.Spans)
	var applied []int64 // from which offset on, by span; -1 for not
	for err == nil {
		at, more, failed := f.reader.Next()
		if err = failed; err != nil || !more {
			break
		}
		verdict, from, since := Version, int64(0), int64(-1)
		before, known := f.positions[at.Partition]
		if frame.Rules == f.rules.Hash {
			from, verdict = f.positions.Accept(at)
		}
		if verdict == Applied {
			var scan models.Scan
			if scan, err = f.reader.Scan(from); err == nil {
				f.moved(at.Partition)
				f.o.Engine.Apply(scan)
				since = from
			} else if known { // it is as if it had not come
				f.positions[at.Partition] = before
			} else {
				delete(f.positions, at.Partition)
			}
		}
		if f.cut != nil {
			applied = append(applied, since)
		}
		f.counts.Spans[verdict]++
		f.refused = f.refused || by == f.o.Self && verdict != Applied && verdict != Known
	}
	if err != nil {
		f.counts.Damaged++
		f.refused = f.refused || by == f.o.Self
	}
	if len(applied) > 0 {
		f.cut.spans = append(f.cut.spans, appliedFrame{bytes.Clone(frame.Spans), applied})
		f.keep(len(frame.Spans))
	}
}

// topic takes in how many partitions a topic has: all of them hold back its time, also those that
// no member has read yet.
func (f *Fold) topic(t Topic) {
	is, known := f.topics[t.Name]
	if known && (is.Incarnation != t.Incarnation || is.Partitions >= t.Partitions) {
		return
	}
	f.topics[t.Name] = t
	for p := is.Partitions; p < t.Partitions; p++ {
		f.at(models.Partition{Topic: t.Name, Partition: p})
	}
}

// at returns the progress of a partition.
func (f *Fold) at(p models.Partition) *models.Progress {
	i, found := slices.BinarySearchFunc(f.progress, p, func(a models.Progress,
		p models.Partition) int {
		return cmp.Or(strings.Compare(a.Topic, p.Topic), cmp.Compare(a.Partition, p.Partition))
	})
	if !found {
		f.progress = slices.Insert(f.progress, i,
			models.Progress{Topic: p.Topic, Partition: p.Partition})
	}
	return &f.progress[i]
}

// moved notes that a partition was applied further.
func (f *Fold) moved(p models.Partition) {
	at := f.at(p)
	if next := f.positions[p].Next; next > at.Next {
		at.Next, at.CaughtUp = next, false
	}
	at.End = max(at.End, at.Next)
}

// mark moves the time of a partition, if all that was written before the member asked is applied.
func (f *Fold) mark(m Mark, asked time.Time) {
	is, known := f.positions[m.Partition]
	if !known || is.Incarnation != m.Incarnation || is.Next < m.Next ||
		asked.Before(f.asked[m.Partition]) {
		return
	}
	f.asked[m.Partition] = asked
	p := f.at(m.Partition)
	p.Settling, p.CaughtUp = m.Settling, m.CaughtUp
	if m.CaughtUp && asked.After(p.At) {
		p.At = asked
	}
}

// jump moves a partition to where its records are now.
func (f *Fold) jump(j Jump) {
	if f.positions[j.Partition] != j.From {
		return
	}
	f.positions[j.Partition] = j.To
	if t := f.topics[j.Topic]; t.Incarnation != j.To.Incarnation {
		f.topics[j.Topic] = Topic{j.Topic, j.To.Incarnation, j.Partitions}
		f.progress = slices.DeleteFunc(f.progress, func(p models.Progress) bool {
			return p.Topic == j.Topic && p.Partition >= j.Partitions
		})
	}
	*f.at(j.Partition) = models.Progress{
		Topic: j.Topic, Partition: j.Partition.Partition, Next: j.To.Next, End: j.To.Next,
		At: f.at(j.Partition).At,
	}
}

func (f *Fold) removeTopic(topic string) {
	delete(f.topics, topic)
	f.progress = slices.DeleteFunc(f.progress, func(p models.Progress) bool {
		return p.Topic == topic
	})
	maps.DeleteFunc(f.positions, func(p models.Partition, _ Position) bool {
		return p.Topic == topic
	})
}

func (f *Fold) put(p Put) {
	for _, e := range p.Entries {
		if f.dirty[e.Key] = true; len(e.Value) == 0 {
			delete(f.notified, e.Key)
		} else {
			f.notified[e.Key] = e.Value
		}
	}
}

// silence is a silence of some member, as it came.
type silence struct {
	value []byte
	until time.Time
}

func (f *Fold) silence(b []byte) {
	id, until := f.o.Silence(b)
	if id == "" {
		return
	}
	f.silences[id], f.changedSilences[id] = silence{bytes.Clone(b), until}, true
	for id, s := range f.silences {
		if f.now.After(s.until) {
			delete(f.silences, id)
			f.changedSilences[id] = true
		}
	}
}

// answer notes whether a record of ours did what it was to do.
func (f *Fold) answer(by Author, done bool) {
	if by != f.o.Self {
		return
	}
	if f.answers == nil {
		f.answers = map[int64]bool{}
	}
	f.answers[f.applying] = done
}

// rule puts rules in force that the leader has proposed.
func (f *Fold) rule(r ruling) error {
	if r.Base != 0 && r.Base != f.rules.Hash {
		return nil // an edit came before it; the leader proposes anew
	}
	if r.Pages = f.rules.Pages; len(r.Pages) > 0 {
		r.Hash = HashOf(r.Rules)
	}
	return f.setRules(r.Rules)
}

func (f *Fold) setRules(r Rules) error {
	if r.Hash == f.rules.Hash {
		return nil
	}
	if err := f.o.SetRules(r); err != nil {
		return fmt.Errorf("the rules that the other members have in force: %w", err)
	}
	if f.rules.Hash == 0 { // nothing was read before
		f.o.Engine.SkipBackfill(nil, "")
	}
	f.rules, f.newRules, f.refused, f.cut = r, true, true, nil
	return nil
}

// memberGone is after how long a member that says nothing is no longer shown.
const memberGone = 30 * time.Second

func (f *Fold) member(by Author, m Member) {
	f.members[by] = Seen{m, f.now}
	maps.DeleteFunc(f.members, func(_ Author, s Seen) bool {
		return s.Stopped || f.now.Sub(s.At) > memberGone
	})
}

// Decided notes a transition, which the engine has passed on while a record was applied.
func (f *Fold) Decided(a models.Alert) {
	seq := Seq(f.applying)<<seqBits | Seq(f.decided)
	f.decided++
	if seq <= f.covered && f.covered > 0 {
		return
	}
	if math.IsNaN(a.Value) || math.IsInf(a.Value, 0) {
		a.Value = 0 // JSON has none of these; the reason says it in words
	}
	f.pending = append(f.pending, Decision{seq, a})
	if n := len(f.pending) - maxPending; n > 0 {
		f.pending = slices.Delete(f.pending, 0, n)
		f.counts.Dropped += int64(n)
	}
}

// ValueSeq numbers a recorded value, which the engine passes on while a record is applied, in the
// order of records, alike for all members; those of one record may be in another order elsewhere.
func (f *Fold) ValueSeq() uint64 {
	n := f.values
	f.values = min(f.values+1, 1<<seqBits-1)
	f.recorded = true
	return uint64(f.applying)<<seqBits | uint64(n)
}

// SameRecord reports whether two recorded values came of the same record.
func SameRecord(a, b uint64) bool { return a>>seqBits == b>>seqBits }

// BeforeRecord is the last number that a value of an earlier record may have.
func BeforeRecord(seq uint64) uint64 { return max(seq>>seqBits<<seqBits, 1) - 1 }

// TakeValues reports once whether values were recorded.
func (f *Fold) TakeValues() bool {
	recorded := f.recorded
	f.recorded = false
	return recorded
}

// Next is the offset of the next record.
func (f *Fold) Next() int64 { return f.next }

// Now is the newest time of a record.
func (f *Fold) Now() time.Time { return f.now }

// Position is how far a partition is applied.
func (f *Fold) Position(p models.Partition) (Position, bool) {
	at, ok := f.positions[p]
	return at, ok
}

// Progress is how far all partitions are applied. It is valid until the next record.
func (f *Fold) Progress() []models.Progress { return f.progress }

// Silent are the topics of which no member has said for a time how far a partition is read.
func (f *Fold) Silent(since time.Duration) (list []Topic) {
	for _, t := range f.topics {
		silent := true
		for p := range t.Partitions {
			asked, ok := f.asked[models.Partition{Topic: t.Name, Partition: p}]
			silent = silent && (!ok || f.now.Sub(asked) > since)
		}
		if silent {
			list = append(list, t)
		}
	}
	return list
}

// Leader is the member that leads, and since which record; -1 while there is none.
func (f *Fold) Leader() (Author, int64) { return f.leader, f.epoch }

// Leads reports whether we lead, as far as we have read.
func (f *Fold) Leads() bool { return f.epoch >= 0 && f.leader == f.o.Self }

// Tick is the newest tick of ours in the present epoch that was read back.
func (f *Fold) Tick() uint64 { return f.tick }

// Pending are the decisions that are not in the notification state, oldest first. They are not to
// be changed, and count until the next record is applied.
func (f *Fold) Pending() []Decision { return f.pending }

// Notified is the notification state.
func (f *Fold) Notified() map[string][]byte { return maps.Clone(f.notified) }

// Rules are those in force; without a hash there are none.
func (f *Fold) Rules() Rules { return f.rules }

// Members are those that have presented themselves within memberGone.
func (f *Fold) Members() map[Author]Seen {
	alive := maps.Clone(f.members)
	maps.DeleteFunc(alive, func(_ Author, s Seen) bool { return f.now.Sub(s.At) > memberGone })
	return alive
}

// Counts are what was done.
func (f *Fold) Counts() Counts {
	c := f.counts
	c.Spans = maps.Clone(c.Spans)
	return c
}

// TakeRefused reports once whether our scanner must begin anew where the partitions stand: a span
// of ours was refused, or other rules came in force.
func (f *Fold) TakeRefused() bool {
	refused := f.refused
	f.refused = false
	return refused
}

// TakeAnswer reports once whether a manual resolve or an edit of ours did what it was to do.
func (f *Fold) TakeAnswer(offset int64) (done, known bool) {
	done, known = f.answers[offset]
	delete(f.answers, offset)
	return done, known
}
