package alerting

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/log-monitoring/alert-engine/internal/decode"
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
	due     int64 // when it next must be looked at
	pos     int32 // in the heap of what is due; -1 when it is not
	live    bool
	mark    mark
	expires bool // it stands among those that only expire
}

// more is what few groups have.
type more struct {
	alert    *alert   // nil when nothing is up
	samples  *samples // nil when it keeps no lines
	seen     int64    // when the newest event was, if its window has forgotten it
	episodes uint32
	// of a record, if a late event has entered since the watermark: the value before
	recorded float64
	expected bool // its key must exist, whether it was ever seen or not
}

// none is the empty alert of most groups. It is never written.
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
// Each episode shows its own: so lines are kept with their times, and of those whose instants are
// decided only as many as an alert shows.
type samples struct {
	counted bool // among those that the rule keeps without an alert
	kept    []sampled
	decided int      // so many of kept are decided, and counted in top
	top     []counts // by field, of what is decided since the last episode ended
	newest  int64
}

// sampled is a line, and the values of the fields whose most frequent ones an alert shows.
type sampled struct {
	At   int64       `json:"at"`
	Line models.Line `json:"line"`
	Top  []string    `json:"top,omitempty"`
}

// counts are how often values of a field were seen: of the most frequent ones, nearly right.
type counts []models.TopValue

const (
	maxSampled   = 1000 // groups of a rule that keep lines without an alert
	maxCounted   = 64   // values of a field that are counted
	maxUndecided = 64   // lines of a group that are kept before they are decided
	shownTop     = 5
)

// add counts a value. When there are too many, the rarest gives its place, and its count, to the
// new one: so nothing frequent is ever lost.
func (c *counts) add(value string) {
	rarest := 0
	for i := range *c {
		if v := &(*c)[i]; v.Value == value {
			v.Count++
			return
		} else if v.Count < (*c)[rarest].Count {
			rarest = i
		}
	}
	if len(*c) < maxCounted {
		*c = append(*c, models.TopValue{Value: value, Count: 1})
		return
	}
	(*c)[rarest] = models.TopValue{Value: value, Count: (*c)[rarest].Count + 1}
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
	g.samples.add(rs.compiledRule, sc, h)
	if g.alert == nil {
		g.samples.evict(h.time - int64(rs.condition.Lookback()))
	}
}

// add takes the line and the values of a hit in.
func (s *samples) add(c *compiledRule, sc *scan, h *hit) {
	shown := sc.values[h.shown.from:h.shown.to]
	fields := c.rule.Samples.Fields
	one := sampled{At: h.time, Line: models.Line{Time: instant(h.time)}}
	if h.line >= 0 {
		one.Line = sc.line(c, h, shown[:len(fields)])
	}
	for _, v := range shown[len(fields):] {
		text := ""
		if v.kind != window.Absent {
			text = string(sc.bytes(v.span))
		}
		one.Top = append(one.Top, text)
	}
	s.newest = max(s.newest, h.time)
	at := len(s.kept)
	for at > s.decided && s.kept[at-1].At > one.At {
		at--
	}
	s.kept = slices.Insert(s.kept, at, one)
	if len(s.kept)-s.decided > maxUndecided {
		middle := s.decided + maxUndecided/2
		s.count(&s.kept[middle])
		s.kept = slices.Delete(s.kept, middle, middle+1)
	}
}

// count counts the values of a line that is decided, or not kept.
func (s *samples) count(one *sampled) {
	for i, value := range one.Top {
		if len(s.top) <= i {
			s.top = append(s.top, nil)
		}
		if value != "" {
			s.top[i].add(value)
		}
	}
}

// decide counts the values of the lines until an instant, and keeps as many as an alert shows.
func (s *samples) decide(c *compiledRule, upTo int64) {
	for s.decided < len(s.kept) && s.kept[s.decided].At <= upTo {
		s.count(&s.kept[s.decided])
		s.decided++
	}
	first, most := c.rule.Samples.First, c.rule.Samples.First+c.rule.Samples.Last
	if over := s.decided - most; over > 0 {
		s.kept = slices.Delete(s.kept, first, first+over)
		s.decided = most
	}
}

// endEpisode forgets what was shown by an alert that ended at an instant.
func (s *samples) endEpisode(at int64) {
	n := 0
	for n < len(s.kept) && s.kept[n].At <= at {
		n++
	}
	s.kept = slices.Delete(s.kept, 0, n)
	s.decided, s.top = max(0, s.decided-n), nil
}

// evict drops what is older than anything that a condition looks at, as long as there is no alert
// that is about it.
func (s *samples) evict(before int64) {
	if s.newest <= before {
		*s = samples{counted: s.counted, kept: s.kept[:0]}
		return
	}
	n := 0
	for n < s.decided && s.kept[n].At <= before {
		n++
	}
	s.kept = slices.Delete(s.kept, 0, n)
	s.decided -= n
}

// ofEpisode is what an episode shows that began at an instant, until another one.
func (s *samples) ofEpisode(
	c *compiledRule,
	from, to int64,
) (first, last []models.Line, top map[string][]models.TopValue) {
	from -= c.condition.Span()
	total := make([]counts, len(c.rule.Top))
	for i := range total {
		if i < len(s.top) {
			total[i] = slices.Clone(s.top[i])
		}
	}
	var lines []models.Line
	for i := range s.kept {
		one := &s.kept[i]
		if one.At <= from || one.At > to {
			continue
		}
		lines = append(lines, one.Line)
		for j, value := range one.Top {
			if i >= s.decided && value != "" {
				total[j].add(value)
			}
		}
	}
	if c.maxLines > 0 {
		n := c.rule.Samples
		first = slices.Clone(lines[:min(len(lines), n.First)])
		last = slices.Clone(lines[max(0, len(lines)-n.Last):])
	}
	for i, list := range total {
		if len(list) == 0 {
			continue
		}
		if top == nil {
			top = make(map[string][]models.TopValue)
		}
		slices.SortFunc(list, func(a, b models.TopValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
		top[decode.FieldName(c.rule.Top[i])] = list[:min(len(list), shownTop)]
	}
	return first, last, top
}

// line makes the line of a hit, which owns its memory.
func (s *scan) line(c *compiledRule, h *hit, fields []value) models.Line {
	l := &s.lines[h.line]
	out := models.Line{
		Time:    instant(l.time),
		Level:   string(s.bytes(l.level)),
		Service: string(s.bytes(l.service)),
		Message: string(s.bytes(l.message)),
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
			out.Fields[decode.FieldName(c.rule.Samples.Fields[i])] = string(s.bytes(v.span))
		}
	}
	return out
}

// releaseSamples gives up what a group keeps for an alert that ended, unless the rule has room
// for it.
func (rs *ruleState) releaseSamples(g *group) {
	if g.samples != nil && !g.samples.counted {
		g.samples = nil
	}
}
