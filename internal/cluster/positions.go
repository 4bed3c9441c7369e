package cluster

import (
	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Position is how far a partition of one incarnation of a topic is applied.
type Position struct {
	Incarnation uint64 `json:"incarnation"`
	Next        int64  `json:"next"` // offset of the next record
}

// Positions are how far the partitions are applied. They make each record count exactly once: a
// span counts only if it continues where its partition stands, and only from there on. Scanning
// depends on only the records and the rules, so it does not matter which member has scanned a span,
// or how often.
type Positions map[models.Partition]Position

// Verdict is whether a span is applied, and why not.
type Verdict string

// What becomes of a span.
const (
	Applied Verdict = "applied"
	Known   Verdict = "known"       // all of it was applied before
	Gap     Verdict = "gap"         // records before it are missing
	Other   Verdict = "incarnation" // it is of another incarnation of the topic
	Version Verdict = "version"     // it was scanned with other rules
)

// Accept decides on a span. If it is to be applied, the partition moves to its end, and records
// before from are to be left out, since they were applied.
func (p Positions) Accept(at alerting.Span) (from int64, v Verdict) {
	is, known := p[at.Partition]
	switch {
	case !known:
		is = Position{at.Incarnation, at.From}
	case is.Incarnation != at.Incarnation:
		return 0, Other
	case at.From > is.Next:
		return 0, Gap
	case at.To <= is.Next:
		return 0, Known
	}
	p[at.Partition] = Position{is.Incarnation, at.To}
	return is.Next, Applied
}
