package cluster

import (
	"encoding/binary"
	"errors"
	"maps"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Rules that come in force after the cluster has begun wait for their past, in all members. The
// leader reads it, into an engine of its own with these rules alone, and appends
//
//	cut    its engine reads the logs up to where the partitions stand at this record
//	past…  the state of that engine, in parts
//	live   the rules go live here
//
// From the cut on, folds keep the spans that they apply. At the live record each makes an engine of
// the parts, applies the spans to it, and takes its rules over. So what a rule begins with is in
// the topic, as all that counts is: it does not depend on who can still read the logs, and when.
// Another leader, other rules, or too much to keep end a cut, and the leader begins anew.

const (
	cutMost  = time.Minute // from the cut to live, by the time of records
	pastMost = 256 << 20   // bytes that are kept in the meantime
	pastPart = 512 << 10   // of a record
	pastHead = 8 + 8       // epoch and cut
)

// ErrPastTooLarge is the error of a past that the frames topic does not take.
var ErrPastTooLarge = errors.New("its groups have more state than a cluster hands over at once " +
	"(256 MiB)")

// cut is what a fold keeps between a cut and the live record.
type cut struct {
	record    int64
	at        time.Time
	positions map[models.Partition]int64
	spans     []appliedFrame
	state     [][]byte
	bytes     int
}

// appliedFrame is the spans of a frame, and from which offset on each was applied; -1 for not.
type appliedFrame struct {
	spans []byte
	from  []int64
}

type cutRecord struct {
	Epoch int64 `json:"epoch"`
}

type liveRecord struct {
	Epoch int64  `json:"epoch"`
	Rules uint64 `json:"rules"` // hash of those in force
	Cut   int64  `json:"cut"`
	Parts int    `json:"parts"`         // without any, the rules begin without their past
	Why   string `json:"why,omitempty"` // not all of the past was read
}

// Cut is the record at which the past ends that the leader of an epoch reads for new rules.
func Cut(by Author, epoch int64) []byte { return record(kindCut, by, cutRecord{epoch}) }

// Past makes the records of the state of a leader's backfill engine.
func Past(by Author, epoch, cut int64, e *alerting.Engine) (parts [][]byte, err error) {
	var part []byte
	size := 0
	write := func(b []byte) {
		for size += len(b); len(b) > 0; {
			if part == nil {
				part = binary.BigEndian.AppendUint64(head(kindPast, by), uint64(epoch))
				part = binary.BigEndian.AppendUint64(part, uint64(cut))
			}
			n := min(len(b), pastPart-len(part))
			part, b = append(part, b[:n]...), b[n:]
			if len(part) == pastPart {
				parts, part = append(parts, part), nil
			}
		}
	}
	put := func(key, value []byte) {
		if size <= pastMost {
			write(binary.AppendUvarint(nil, uint64(len(key))))
			write(key)
			write(binary.AppendUvarint(nil, uint64(len(value))))
			write(value)
		}
	}
	e.Save(true, put, func([]byte) {})
	if size > pastMost {
		return nil, ErrPastTooLarge
	}
	return append(parts, part), nil
}

// Live is the record at which new rules go live with the state that parts have; without any they
// begin without their past.
func Live(by Author, epoch int64, rules uint64, cut int64, parts int, why string) []byte {
	return record(kindLive, by, liveRecord{epoch, rules, cut, parts, why})
}

// cutHere begins to keep what new rules need.
func (f *Fold) cutHere(c cutRecord) {
	if c.Epoch != f.epoch {
		return
	}
	f.cut = &cut{record: f.applying, at: f.now, positions: f.Applied()}
}

// Applied are the offsets up to which the partitions are applied.
func (f *Fold) Applied() map[models.Partition]int64 {
	at := make(map[models.Partition]int64, len(f.positions))
	for p, is := range f.positions {
		at[p] = is.Next
	}
	return at
}

// keep counts bytes that are kept since the cut; it ends when they are too many.
func (f *Fold) keep(n int) {
	if f.cut.bytes += n; f.cut.bytes > 2*pastMost {
		f.cut = nil
	}
}

// past takes in a part of the state of new rules.
func (f *Fold) past(b []byte) {
	if len(b) < pastHead {
		f.counts.Damaged++
		return
	}
	epoch, record := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if f.cut == nil || int64(epoch) != f.epoch || int64(record) != f.cut.record {
		return
	}
	f.cut.state = append(f.cut.state, append([]byte(nil), b[pastHead:]...))
	f.keep(len(b))
}

// live has the rules that wait go live.
func (f *Fold) live(l liveRecord) {
	if l.Epoch != f.epoch || l.Rules != f.rules.Hash {
		return
	}
	c := f.cut
	if l.Parts > 0 && (c == nil || c.record != l.Cut || len(c.state) != l.Parts) {
		return
	}
	f.cut = nil
	scratch, _ := f.o.Engine.BackfillEngine()
	switch {
	case scratch == nil:
	case l.Parts == 0:
		f.o.Engine.SkipBackfill(nil, l.Why)
	default:
		if err := c.restore(scratch); err != nil {
			f.counts.Damaged++ // by all members alike
			f.o.Engine.SkipBackfill(nil, err.Error())
			return
		}
		f.o.Engine.FinishBackfill(scratch, l.Why)
	}
}

// restore gives an engine the state of the leader's, and the spans since.
func (c *cut) restore(e *alerting.Engine) error {
	var rest []byte
	err := e.Restore(func(each func(key, value []byte) error) error {
		for _, part := range c.state {
			rest = append(rest, part...)
			b, err := cutPairs(rest, each)
			if err != nil {
				return err
			}
			rest = append(rest[:0], b...)
		}
		if len(rest) > 0 {
			return ErrRecord
		}
		return nil
	})
	if err != nil {
		return err
	}
	reader := e.NewFrameReader()
	for _, f := range c.spans {
		err := reader.Reset(f.spans)
		for _, from := range f.from {
			if err != nil {
				return err
			}
			if _, _, err = reader.Next(); err != nil || from < 0 {
				continue
			}
			var scan models.Scan
			if scan, err = reader.Scan(from); err == nil {
				e.Apply(scan)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// MaySave reports whether Save keeps all that counts. What is kept since a cut it does not: the
// last state before it is to be kept, which takes a restart through the cut again.
func (f *Fold) MaySave() bool { return f.cut == nil }

// Cut is the record of the cut that is open, and where the partitions stood there; -1 for none.
func (f *Fold) Cut() (record int64, at map[models.Partition]int64) {
	if f.cut == nil {
		return -1, nil
	}
	return f.cut.record, maps.Clone(f.cut.positions)
}
