package alerting

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/internal/wire"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The state is keys and values:
//
//	v                            the version of the format
//	p partition topic            how far time has come in a partition
//	u rule                       a rule
//	g rule key                   a group of a rule
//	n name key                   the number of the last episode of a group
//	s suppression key            a suppression
//
// Rules and suppressions are known by the fingerprints of what they mean, eight bytes; so the state
// of a rule that was changed is left alone, and removed; but numbers go by the fingerprint of its
// name.
const (
	keyVersion     = 'v'
	keyPartition   = 'p'
	keyRule        = 'u'
	keyGroup       = 'g'
	keyCounter     = 'n'
	keySuppression = 's'

	formatVersion = 5
)

// StateVersion is the version of the format of the state that Save passes on.
const StateVersion = formatVersion

// persistedKeys is what the engine knows of the state that was saved.
type persistedKeys struct {
	partitions map[models.Partition]bool
	delete     [][]byte // keys of what is gone
	orphans    []orphan // alerts of removed rules, until their resolve is notified
}

// orphan is an alert whose rule is gone.
type orphan struct {
	savedEpisode
	rule string
	at   int64
}

// deleteRule notes that the state of a rule that is gone is to be deleted.
func (k *persistedKeys) deleteRule(rs *ruleState) {
	k.delete = append(k.delete, idKey(keyRule, rs.fingerprint, ""))
	rs.groups.each(func(_ uint32, g *group) {
		k.delete = append(k.delete, idKey(keyGroup, rs.fingerprint, g.key))
	})
	for _, key := range rs.removed {
		k.delete = append(k.delete, idKey(keyGroup, rs.fingerprint, key))
	}
}

// deleteSuppressions notes that the state of suppressions that are gone is to be deleted.
func (k *persistedKeys) deleteSuppressions(old, kept []*suppressionState) {
	for _, s := range old {
		if !slices.ContainsFunc(
			kept,
			func(n *suppressionState) bool { return n.fingerprint == s.fingerprint },
		) {
			for key := range s.times {
				k.delete = append(k.delete, idKey(keySuppression, s.fingerprint, key))
			}
		}
	}
}

func idKey(kind byte, id uint64, key string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kind}, id)
	return append(b, key...)
}

// savePartitions adds how far time has come in the partitions.
func (st *state) savePartitions(s *Saving) {
	for p := range st.persisted.partitions {
		if st.watermarks.partitions[p] == nil {
			s.deleted = append(s.deleted, partitionKey(p))
		}
	}
	st.persisted.partitions = make(map[models.Partition]bool, len(st.watermarks.partitions))
	for p, pt := range st.watermarks.partitions {
		st.persisted.partitions[p] = true
		b := binary.AppendVarint(nil, pt.base)
		b = binary.AppendVarint(b, pt.reached)
		b = binary.AppendVarint(b, pt.oldest)
		b = binary.AppendVarint(b, pt.logs)
		b = binary.AppendVarint(b, pt.late)
		if st.opts.frames {
			b = pt.recent.append(b)
		} else {
			b = (&recentTimes{}).append(b)
		}
		b = binary.AppendVarint(b, pt.lateness)
		b = binary.AppendVarint(b, pt.adapted)
		b = binary.AppendVarint(b, pt.watermark)
		for _, n := range pt.delays {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendVarint(b, pt.delayClock.at)
		b = binary.AppendVarint(b, pt.delayClock.ahead)
		s.first.add(partitionKey(p), b)
	}
}

func (r *recentTimes) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(min(r.n, recentLogs)))
	for i := max(r.n-recentLogs, 0); i < r.n; i++ {
		b = binary.AppendVarint(b, r.times[i%recentLogs])
	}
	return b
}

func (r *recentTimes) restore(in *reader) {
	*r = recentTimes{}
	for n := min(in.Uvarint(), recentLogs); n > 0; n-- {
		r.note(in.Varint())
	}
}

func partitionKey(p models.Partition) []byte {
	return append(
		binary.BigEndian.AppendUint32([]byte{keyPartition}, uint32(p.Partition)),
		p.Topic...)
}

func (s *suppressionState) save(to *Saving) {
	for key, m := range s.times {
		if !to.full && !s.dirty[key] {
			continue
		}
		b := appendPlaces(nil, m.starts)
		to.first.add(idKey(keySuppression, s.fingerprint, key), appendPlaces(b, m.ends))
	}
	for key := range s.dirty {
		if s.times[key] == nil {
			to.deleted = append(to.deleted, idKey(keySuppression, s.fingerprint, key))
		}
	}
	clear(s.dirty)
}

func appendPlaces(b []byte, places []logPlace) []byte {
	b = binary.AppendUvarint(b, uint64(len(places)))
	for _, p := range places {
		b = binary.AppendUvarint(binary.AppendVarint(b, p.at), uint64(p.order.Topic))
		b = binary.AppendVarint(binary.AppendVarint(b, int64(p.order.Partition)), p.order.Offset)
		b = binary.AppendVarint(b, int64(p.order.Index))
	}
	return b
}

// savedRule is what is kept of a rule besides its groups.
type savedRule struct {
	Rule      string     `json:"rule"` // for people who look at the state
	Base      int64      `json:"base"`
	Watermark int64      `json:"watermark"`
	Start     int64      `json:"start"`
	Spans     [][3]int64 `json:"past,omitempty"` // number in PastKeys, from, to
	SpanKeys  [][]byte   `json:"past_keys,omitempty"`
	Matches   int64      `json:"matches"`
	LastMatch int64      `json:"last_match"`
	Fired     int64      `json:"fired"`
	Refused   int64      `json:"refused,omitempty"`
	Shortage  [2]int64   `json:"shortage"`
	Room      int64      `json:"room,omitempty"` // after a shortage, since when
	Shortages uint32     `json:"shortages,omitempty"`
}

// saved is what is kept of the rule besides its groups, as it is now.
func (rs *ruleState) saved() savedRule {
	s := savedRule{
		Rule:      rs.id,
		Base:      rs.base,
		Watermark: rs.watermark,
		Start:     rs.started,
		Matches:   rs.matches,
		LastMatch: rs.lastMatch,
		Fired:     rs.fired,
		Refused:   rs.refused.count,
		Shortage:  [2]int64{rs.refused.first, rs.refused.last},
		Room:      rs.refused.room,
		Shortages: rs.refused.episodes,
	}
	for key, list := range rs.firingSpans {
		for _, f := range list {
			s.Spans = append(s.Spans, [3]int64{int64(len(s.SpanKeys)), f.from, f.to})
		}
		s.SpanKeys = append(s.SpanKeys, []byte(key))
	}
	return s
}

// savedAlert is what is kept of an alert.
type savedAlert struct {
	Phase   phase         `json:"phase"`
	Holding bool          `json:"holding"`
	Since   int64         `json:"since"`
	Holds   bool          `json:"holds"`
	Blocked bool          `json:"blocked,omitempty"`
	At      int64         `json:"at"`
	Episode savedEpisode  `json:"episode"`
	Early   *savedEpisode `json:"early,omitempty"`
	Rule    string        `json:"rule"` // for an alert whose rule is gone when it is restored
}

type savedEpisode struct {
	Number     uint32            `json:"number"`
	ID         string            `json:"id"` // this is for the same, and so is count
	Count      int64             `json:"count"`
	Start      int64             `json:"start"`
	Fired      int64             `json:"fired"`
	Fell       int64             `json:"fell"`
	Edge       savedEdge         `json:"edge"`
	Base       int64             `json:"base"`
	Level      int               `json:"level,omitempty"`
	Shown      int               `json:"shown,omitempty"`
	Late       bool              `json:"late,omitempty"`
	HasFired   bool              `json:"has_fired,omitempty"`
	ByHand     bool              `json:"by_hand,omitempty"`
	Notified   notification      `json:"notified"`
	FiredValue float64           `json:"fired_value"`
	Peak       float64           `json:"peak"`
	Labels     map[string]string `json:"labels,omitempty"`
	Points     []Point           `json:"points,omitempty"`
}

type savedEdge struct {
	At        int64   `json:"at"`
	Value     float64 `json:"value"`
	Threshold string  `json:"threshold"`
	Reason    string  `json:"reason"`
}

type savedSamples struct {
	Kept    []sampled `json:"kept,omitempty"`
	Decided int       `json:"decided"`
	Top     []counts  `json:"top,omitempty"`
	Newest  int64     `json:"newest"`
	Counted bool      `json:"counted"`
}

const (
	hasAlert = 1 << iota
	hasSamples
	isExpected
	hasGaps
	hasOwner // in states of earlier versions: the partition of its logs
	hasRecorded
)

// appendGroup appends a group: flags, episodes, when it was last seen, what few groups have, and
// the window.
func (rs *ruleState) appendGroup(b []byte, number uint32, g *group) []byte {
	flags := byte(0)
	if g.alert != nil {
		flags |= hasAlert
	}
	if g.samples != nil {
		flags |= hasSamples
	}
	if g.expected {
		flags |= isExpected
	}
	gaps := rs.gaps[number]
	if len(gaps) > 0 {
		flags |= hasGaps
	}
	if rs.recorded && g.win.Late() {
		flags |= hasRecorded
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(g.episodes))
	if exact, ok := rs.lastSeen[number]; ok {
		b = binary.AppendVarint(b, exact)
	} else {
		b = binary.AppendVarint(b, g.newest())
	}
	if g.alert != nil {
		b = appendBlock(b, encode(rs.savedAlert(g)))
	}
	if s := g.samples; s != nil {
		b = appendBlock(b, encode(savedSamples{s.kept, s.decided, s.top, s.newest, s.counted}))
	}
	if len(gaps) > 0 {
		b = binary.AppendUvarint(b, uint64(len(gaps)))
		for _, p := range gaps {
			b = binary.AppendVarint(binary.AppendVarint(b, p.last), p.again)
		}
	}
	if flags&hasRecorded != 0 {
		b = binary.AppendUvarint(b, math.Float64bits(g.recorded))
	}
	return g.win.Append(b)
}

func (rs *ruleState) savedAlert(g *group) savedAlert {
	a := g.alert
	s := savedAlert{
		Phase:   a.phase,
		Holding: a.conditionHolds,
		Since:   a.conditionSince,
		Holds:   a.holds,
		Blocked: a.blocked,
		At:      a.decidedTo,
		Episode: rs.savedEpisode(g, &a.episode),
		Rule:    rs.id,
	}
	if a.early != nil {
		early := rs.savedEpisode(g, a.early)
		s.Early = &early
	}
	return s
}

func (rs *ruleState) savedEpisode(g *group, ep *episode) savedEpisode {
	return savedEpisode{
		Number:     ep.number,
		ID:         rs.alertID(g.key, ep.number),
		Count:      g.win.Entered(never) - ep.countFrom,
		Start:      ep.startsAt,
		Fired:      ep.firedAt,
		Fell:       ep.fellAt,
		Edge:       savedEdge{ep.edge.At, finite(ep.edge.Value), ep.edge.Threshold, ep.edge.Reason},
		Base:       ep.countFrom,
		Level:      ep.level,
		Shown:      ep.notifiedLevel,
		Late:       ep.late,
		HasFired:   ep.fired,
		ByHand:     ep.byHand,
		Notified:   ep.notified,
		FiredValue: finite(ep.firedValue),
		Peak:       finite(ep.peak),
		Labels:     ep.labels,
		Points:     ep.points,
	}
}

func (s savedAlert) alert() *alert {
	a := &alert{
		phase:          s.Phase,
		episode:        s.Episode.episode(),
		conditionHolds: s.Holding,
		conditionSince: s.Since,
		holds:          s.Holds,
		blocked:        s.Blocked,
		decidedTo:      s.At,
	}
	if s.Early != nil {
		early := s.Early.episode()
		a.early = &early
	}
	return a
}

func (s savedEpisode) episode() episode {
	return episode{
		number:   s.Number,
		startsAt: s.Start,
		firedAt:  s.Fired,
		fellAt:   s.Fell,
		edge: window.Edge{
			At:        s.Edge.At,
			Holds:     true,
			Value:     s.Edge.Value,
			Threshold: s.Edge.Threshold,
			Reason:    s.Edge.Reason,
		},
		countFrom:     s.Base,
		level:         s.Level,
		notifiedLevel: s.Shown,
		late:          s.Late,
		fired:         s.HasFired,
		byHand:        s.ByHand,
		notified:      s.Notified,
		firedValue:    s.FiredValue,
		peak:          s.Peak,
		labels:        s.Labels,
		points:        s.Points,
	}
}

func appendBlock(b, block []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(block))), block...)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain values, in which nothing is infinite
	}
	return b
}

// Restore takes over a state that Save has passed on; load passes its keys and values to each, in
// any order. The engine is new. What belongs to rules that are no longer there, or mean something
// else now, is deleted with the next Save, and their alerts are over.
func (e *Engine) Restore(load func(each func(key, value []byte) error) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := &restoring{
		state:        &e.state,
		rules:        e.state.byFingerprint,
		suppressions: make(map[uint64]*suppressionState),
	}
	for _, s := range e.state.suppressions {
		r.suppressions[s.fingerprint] = s
	}
	if err := load(r.each); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	for _, rs := range e.state.rules {
		rs.groups.each(func(number uint32, _ *group) { e.state.at(rs, number).schedule() })
		if rs.started != always { // keys may have been added to the list in the meantime
			e.state.expect(rs, max(rs.base, rs.started))
		}
	}
	return nil
}

// restoring is one run of Restore.
type restoring struct {
	state        *state
	rules        map[uint64]*ruleState
	suppressions map[uint64]*suppressionState
}

func (r *restoring) each(key, value []byte) error {
	if len(key) == 0 {
		return nil
	}
	in := newReader(value)
	switch kind := key[0]; kind {
	case keyVersion:
		if len(value) != 1 || value[0] != formatVersion {
			return fmt.Errorf(
				"the state is of format %v, and this program knows %d: "+
					"use the version that wrote it, or start with an empty data directory",
				value,
				formatVersion,
			)
		}
	case keyPartition:
		if len(key) < 5 {
			return wire.ErrDamaged
		}
		p := models.Partition{
			Topic:     string(key[5:]),
			Partition: int32(binary.BigEndian.Uint32(key[1:])),
		}
		pt := r.state.watermarks.partition(p)
		pt.base, pt.reached, pt.oldest = in.Varint(), in.Varint(), in.Varint()
		pt.logs, pt.late = in.Varint(), in.Varint()
		if len(in.B) > 0 {
			pt.recent.restore(&in)
		}
		if len(in.B) > 0 { // earlier versions did not keep it
			pt.lateness, pt.adapted, pt.watermark = in.Varint(), in.Varint(), in.Varint()
			for i := range pt.delays {
				pt.delays[i] = in.Varint()
			}
		}
		if len(in.B) > 0 {
			pt.delayClock.at, pt.delayClock.ahead = in.Varint(), in.Varint()
		}
		if r.state.persisted.partitions == nil {
			r.state.persisted.partitions = make(map[models.Partition]bool)
		}
		r.state.persisted.partitions[p] = true
	default:
		if len(key) < 9 {
			return wire.ErrDamaged
		}
		id, rest := binary.BigEndian.Uint64(key[1:]), string(key[9:])
		if kind == keyCounter {
			r.state.countersAt(id).last[rest] = readCounter(&in)
			break
		}
		known := r.rules[id] != nil || r.suppressions[id] != nil
		if !known {
			r.state.persisted.delete = append(r.state.persisted.delete, slices.Clone(key))
			if kind == keyGroup {
				r.orphan(value)
			}
			return nil
		}
		r.owned(kind, id, rest, &in)
	}
	return in.Err
}

// owned takes over what belongs to a rule or a suppression.
func (r *restoring) owned(kind byte, id uint64, key string, in *reader) {
	rs := r.rules[id]
	switch {
	case kind == keySuppression && r.suppressions[id] != nil:
		r.suppressions[id].times[key] = &suppressionTimes{starts: in.places(), ends: in.places()}
	case rs == nil:
	case kind == keyRule:
		rs.restore(in)
	case kind == keyGroup:
		r.group(rs, key, in)
	}
}

func (rs *ruleState) restore(in *reader) {
	var s savedRule
	in.decode(in.B, &s)
	rs.backfilling = false
	rs.base, rs.watermark, rs.started = s.Base, s.Watermark, s.Start
	rs.missedFrom = rs.watermark
	rs.matches, rs.lastMatch, rs.fired = s.Matches, s.LastMatch, s.Fired
	rs.refused = refusals{
		count:    s.Refused,
		first:    s.Shortage[0],
		last:     s.Shortage[1],
		room:     s.Room,
		episodes: s.Shortages,
	}
	for _, p := range s.Spans {
		if i := int(p[0]); i >= 0 && i < len(s.SpanKeys) {
			key := string(s.SpanKeys[i])
			rs.firingSpans[key] = append(rs.firingSpans[key], firingSpan{p[1], p[2]})
			rs.spans++
		}
	}
}

func (r *restoring) group(rs *ruleState, key string, in *reader) {
	number, ok := rs.groups.find([]byte(key))
	if !ok {
		number = rs.groups.add(strings.Clone(key))
		r.state.live++
	}
	g := rs.groups.at(number)
	flags := in.Byte()
	if expected, episodes := flags&isExpected != 0, uint32(in.Uvarint()); expected || episodes > 0 {
		more := g.extend()
		more.expected, more.episodes = expected, episodes
	}
	if seen := in.Varint(); seen != 0 {
		rs.noteSeen(number, g, seen, always)
	}
	if flags&hasAlert != 0 {
		var s savedAlert
		in.decode(in.Block(), &s)
		if g.alert != nil {
			rs.uncount(g.alert)
		}
		g.extend().alert = s.alert()
		rs.count(g.alert)
		rs.alerts[number], rs.deferred = true, true
	}
	if flags&hasSamples != 0 {
		var s savedSamples
		in.decode(in.Block(), &s)
		g.extend().samples = &samples{
			s.Counted,
			s.Kept,
			min(max(s.Decided, 0), len(s.Kept)),
			s.Top,
			s.Newest,
		}
		if s.Counted {
			rs.sampled++
		}
	}
	if flags&hasGaps != 0 {
		for n := min(in.Uvarint(), uint64(len(in.B))); n > 0; n-- {
			rs.gaps[number] = append(rs.gaps[number], gap{in.Varint(), in.Varint()})
		}
	}
	if flags&hasOwner != 0 {
		in.Varint()
		in.Block()
	}
	if flags&hasRecorded != 0 {
		g.extend().recorded = math.Float64frombits(in.Uvarint())
	}
	if in.Err != nil {
		g.win = *rs.condition.NewGroup(0)
		return
	}
	win, err := rs.condition.Decode(in.B)
	if err != nil {
		in.Err = fmt.Errorf("a group of rule %s: %w", rs.id, err)
		win = rs.condition.NewGroup(0)
	}
	g.win = *win
}

// orphan notes an alert whose rule is no longer there, and whose logs are on a partition, as far as
// that is known.
func (r *restoring) orphan(value []byte) {
	in := newReader(value)
	flags := in.Byte()
	in.Uvarint()
	in.Varint()
	if flags&hasAlert == 0 {
		return
	}
	var s savedAlert
	in.decode(in.Block(), &s)
	if in.Err != nil {
		return
	}
	if s.Phase == firing || s.Phase == suppressed {
		r.state.orphan(s.Rule, s.At, s.Episode)
	}
	if s.Early != nil && !s.Early.ByHand {
		r.state.orphan(s.Rule, s.At, *s.Early)
	}
}

func (st *state) orphan(rule string, at int64, ep savedEpisode) {
	if ep.Notified == wasNotified {
		st.persisted.orphans = append(st.persisted.orphans, orphan{ep, rule, at})
	}
}

// reader reads what was appended to a value.
type reader struct{ wire.Reader }

func newReader(b []byte) reader { return reader{wire.Reader{B: b}} }

func (r *reader) places() []logPlace {
	places := make([]logPlace, r.Count())
	for i := range places {
		p := &places[i]
		p.at, p.order.Topic = r.Varint(), uint32(r.Uvarint())
		p.order.Partition, p.order.Offset = int32(r.Varint()), r.Varint()
		p.order.Index = int32(r.Varint())
	}
	return places
}

func (r *reader) decode(b []byte, v any) {
	if r.Err == nil {
		if err := json.Unmarshal(b, v); err != nil {
			r.Err = fmt.Errorf("%w: %w", wire.ErrDamaged, err)
		}
	}
}
