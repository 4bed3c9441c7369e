package alerting

import (
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Late is a match that came later than its rule's lateness allows.
type Late struct {
	Rule string `json:"rule"`
	// how far it lay before the time that the rule's partitions had come to
	Behind time.Duration `json:"behind"`
	// the rule's lateness; of one that follows the delays what was left of it, since the watermark
	// does not go back
	Allowed time.Duration `json:"allowed"`
	// it still lay in the window; it may have brought about an alert, but late
	Counted bool        `json:"counted"`
	Line    models.Line `json:"line"` // without texts where the rule shows none
}

// keptLate is how many are kept for the engine page.
const keptLate = 8

// lateLog are the newest late matches. A log that is late may be one of millions, so noting one
// copies texts into memory that is there already.
type lateLog struct {
	ring [keptLate]late
	n    int // ever noted
}

type late struct {
	Late                    // its line has a time and a position
	text                    []byte
	level, service, message int // where each ends in text
}

func (ls *lateLog) note(
	rs *ruleState, sc *scan, h *hit, behind, allowed time.Duration, counted bool,
) {
	at := &ls.ring[ls.n%keptLate]
	ls.n++
	at.Late = Late{
		Rule:    rs.id,
		Behind:  behind,
		Allowed: allowed,
		Counted: counted,
		Line: models.Line{
			Time: instant(h.time),
			Position: models.Position{
				Topic:     sc.partition.Topic,
				Partition: sc.partition.Partition,
				Offset:    h.offset,
				Index:     int(h.index),
			},
		},
	}
	at.text, at.level, at.service, at.message = at.text[:0], 0, 0, 0
	if h.line < 0 {
		return
	}
	l := &sc.lines[h.line]
	at.text = append(at.text, sc.bytes(l.level)...)
	at.level = len(at.text)
	at.text = append(at.text, sc.bytes(l.service)...)
	at.service = len(at.text)
	at.text = append(at.text, sc.bytes(l.message)...)
	at.message = len(at.text)
}

// lateBy says how far an instant lies before the time that a partition and the rule have come to,
// and how far it may.
func (st *state) lateBy(
	rs *ruleState,
	pt *partitionTime,
	at int64,
) (behind, allowed time.Duration) {
	allowed = time.Duration(rs.lateness()) - rs.extraLateness
	if rs.rule.LatenessAuto {
		allowed = min(allowed, time.Duration(rs.base-rs.watermark-1)-rs.extraLateness)
	}
	return time.Duration(rs.base - at), allowed
}

// Late returns the newest matches that came late, newest first.
func (e *Engine) Late() []Late {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Late
	for i := e.state.late.n - 1; i >= max(e.state.late.n-keptLate, 0); i-- {
		l := &e.state.late.ring[i%keptLate]
		one := l.Late
		one.Line.Level, one.Line.Service, one.Line.Message = string(l.text[:l.level]),
			string(l.text[l.level:l.service]), string(l.text[l.service:l.message])
		list = append(list, one)
	}
	return slices.Clip(list)
}
