package alerting

import (
	"unsafe"

	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// group is one group of one rule. There may be millions, nearly all of them with a few events and
// no alert, so what only few need stands behind a pointer. It is a line and a half of the
// processor's caches; chunks of groups begin with a line, so no group is on more than two.
type group struct {
	key     string
	win     window.Group
	*more         // &none until something is put there, see extend
	due     int64 // when it next has to be looked at
	pos     int32 // in the heap of what is due; -1 when it is not
	live    bool
	dirty   bool
	expires bool // it stands among those that only expire
}

// more is what few groups have.
type more struct {
	alert    *alert   // nil when nothing is up
	samples  *samples // nil when it keeps no lines
	seen     int64    // when the newest event was, if its window has forgotten it
	episodes uint32
	expected bool // its key must exist, whether it was ever seen or not
}

// none is what most groups have of it. Nobody writes there.
var none more

// extend makes room for what few groups have; it is to be called before any of it is written.
func (g *group) extend() *more {
	if g.more == &none {
		g.more = new(more)
	}
	return g.more
}

// newest is when the newest event was, as far as it is known; 0 if it is not.
func (g *group) newest() int64 { return max(g.seen, g.win.Newest()) }

const groupBytes = int(unsafe.Sizeof(group{}))

// samples are the lines and values that an alert shows, and that a group keeps in case it has one.
type samples struct {
	counted     bool // among those that the rule keeps without an alert
	first, last []models.Line
	top         []counts // by field
	newest      int64
}

// counts are how often values of a field were seen: of the most frequent ones, nearly right.
type counts []models.TopValue

const (
	maxSampled = 1000 // groups of a rule that keep lines without an alert
	maxCounted = 64   // values of a field that are counted
	shownTop   = 5
)

// add counts a value. When there are too many, the rarest gives its place, and its count, to the
// new one: so nothing frequent is ever lost.
func (c *counts) add(value []byte) {
	rarest := 0
	for i := range *c {
		if v := &(*c)[i]; v.Value == string(value) {
			v.Count++
			return
		} else if v.Count < (*c)[rarest].Count {
			rarest = i
		}
	}
	if len(*c) < maxCounted {
		*c = append(*c, models.TopValue{Value: string(value), Count: 1})
		return
	}
	(*c)[rarest] = models.TopValue{Value: string(value), Count: (*c)[rarest].Count + 1}
}

// sample keeps what an alert of the group may show of an event.
func (rs *ruleState) sample(g *group, sc *scan, h *hit, fires bool) {
	if h.line < 0 && h.shown.from == h.shown.to {
		return
	}
	if g.samples == nil {
		if g.alert == nil && !fires {
			if rs.sampled >= maxSampled {
				return
			}
			rs.sampled++
		}
		g.extend().samples = &samples{counted: g.alert == nil && !fires}
	}
	s := g.samples
	if g.alert == nil {
		s.forget(h.time - int64(rs.condition.Lookback()))
	}
	s.newest = max(s.newest, h.time)
	shown := sc.values[h.shown.from:h.shown.to]
	fields := rs.rule.Samples.Fields
	if h.line >= 0 {
		s.keep(rs, sc, h, shown[:len(fields)])
	}
	for i, v := range shown[len(fields):] {
		if len(s.top) <= i {
			s.top = append(s.top, nil)
		}
		if v.kind != window.Absent {
			s.top[i].add(sc.bytes(v.span))
		}
	}
}

// keep puts a line among the first or the last ones, if it belongs there.
func (s *samples) keep(rs *ruleState, sc *scan, h *hit, fields []value) {
	n := rs.rule.Samples
	if len(s.first) < n.First {
		s.first = append(s.first, sc.line(rs, h, fields))
	}
	if n.Last == 0 {
		return
	}
	if len(s.last) >= n.Last {
		copy(s.last, s.last[1:])
		s.last = s.last[:n.Last-1]
	}
	s.last = append(s.last, sc.line(rs, h, fields))
}

// forget drops what is older than anything that a condition looks at, as long as there is no alert
// that is about it.
func (s *samples) forget(before int64) {
	if s.newest <= before {
		*s = samples{counted: s.counted, first: s.first[:0], last: s.last[:0]}
		return
	}
	for len(s.first) > 0 && s.first[0].Time.UnixNano() <= before {
		s.first = s.first[1:]
	}
}

// line makes the line of a hit, which owns its memory.
func (s *scan) line(rs *ruleState, h *hit, fields []value) models.Line {
	l := &s.lines[h.line]
	out := models.Line{
		Time: instant(
			l.time,
		), Level: string(s.bytes(l.level)), Service: string(s.bytes(l.service)), Message: string(s.bytes(l.message)),
		Position: models.Position{
			Topic:     s.partition.Topic,
			Partition: s.partition.Partition,
			Offset:    l.offset,
			Index:     l.index,
		},
	}
	for i, v := range fields {
		if v.kind != window.Absent {
			if out.Fields == nil {
				out.Fields = make(map[string]string, len(fields))
			}
			out.Fields[rs.rule.Samples.Fields[i]] = string(s.bytes(v.span))
		}
	}
	return out
}

// releaseSamples gives up what a group keeps for an alert that is over, unless the rule has room
// for it.
func (rs *ruleState) releaseSamples(g *group) {
	if g.samples != nil && !g.samples.counted {
		g.samples = nil
	}
}
