package alerting

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/window"
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
	keyUnit        = 'u'
	keyGroup       = 'g'
	keyNumber      = 'n'
	keySuppression = 's'

	formatVersion = 4
)

// keeping is what the engine knows of the state that was saved.
type keeping struct {
	partitions map[models.Partition]bool
	delete     [][]byte // keys of what is gone
	orphans    []orphan // alerts of rules that are gone, until it is told that they are over
}

// orphan is an alert whose rule is gone.
type orphan struct {
	savedAlert
	home models.Partition
}

// gone notes that the state of rules and suppressions that a program no longer has is to be
// deleted.
func (k *keeping) gone(old, p *program) {
	var kept []uint64
	for _, u := range p.units {
		kept = append(kept, u.fingerprint)
	}
	for _, u := range old.units {
		if slices.Contains(kept, u.fingerprint) {
			continue
		}
		k.delete = append(k.delete, idKey(keyUnit, u.fingerprint, ""))
		u.groups.each(
			func(_ uint32, g *group) { k.delete = append(k.delete, idKey(keyGroup, u.fingerprint, g.key)) },
		)
		for _, key := range u.removed {
			k.delete = append(k.delete, idKey(keyGroup, u.fingerprint, key))
		}
	}
	for _, s := range old.suppressions {
		if !slices.ContainsFunc(
			p.suppressions,
			func(n *suppression) bool { return n.fingerprint == s.fingerprint },
		) {
			for key := range s.marks {
				k.delete = append(k.delete, idKey(keySuppression, s.fingerprint, key))
			}
		}
	}
}

func idKey(kind byte, id uint64, key string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kind}, id)
	return append(b, key...)
}

// Save passes the state to put: all of it, or what has changed since the last call, with del for
// what is gone. The slices are valid during the call. It is to be called between Apply and Advance,
// never beside them.
func (e *Engine) Save(full bool, put func(key, value []byte), del func(key []byte)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	put([]byte{keyVersion}, []byte{formatVersion})
	for _, key := range e.kept.delete {
		del(key)
	}
	e.kept.delete = nil
	e.savePartitions(put, del)
	e.saveNumbers(full, put, del)
	p := e.program.Load()
	for _, u := range p.units {
		if u.warming {
			continue // after a restart it is to be found new again
		}
		u.save(&e.times, full, put, del)
	}
	for _, s := range p.suppressions {
		s.save(full, put, del)
	}
}

func (e *Engine) savePartitions(put func(key, value []byte), del func(key []byte)) {
	for p := range e.kept.partitions {
		if e.times.partitions[p] == nil {
			del(partitionKey(p))
		}
	}
	e.kept.partitions = make(map[models.Partition]bool, len(e.times.partitions))
	for p, pt := range e.times.partitions {
		e.kept.partitions[p] = true
		b := binary.AppendVarint(nil, pt.base)
		b = binary.AppendVarint(b, pt.reached)
		b = binary.AppendVarint(b, pt.oldest)
		b = binary.AppendVarint(b, pt.logs)
		b = binary.AppendVarint(b, pt.late)
		put(partitionKey(p), b)
	}
}

func partitionKey(p models.Partition) []byte {
	return append(
		binary.BigEndian.AppendUint32([]byte{keyPartition}, uint32(p.Partition)),
		p.Topic...)
}

func (s *suppression) save(full bool, put func(key, value []byte), del func(key []byte)) {
	for key, m := range s.marks {
		if !full && !s.dirty[key] {
			continue
		}
		b := appendTimes(nil, m.starts)
		put(idKey(keySuppression, s.fingerprint, key), appendTimes(b, m.ends))
	}
	for key := range s.dirty {
		if s.marks[key] == nil {
			del(idKey(keySuppression, s.fingerprint, key))
		}
	}
	clear(s.dirty)
}

func appendTimes(b []byte, times []int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(times)))
	for _, t := range times {
		b = binary.AppendVarint(b, t)
	}
	return b
}

// savedUnit is what is kept of a rule besides its groups.
type savedUnit struct {
	Rule      string     `json:"rule"` // for people who look at the state
	Base      int64      `json:"base"`
	Watermark int64      `json:"watermark"`
	Start     int64      `json:"start"`
	Past      [][3]int64 `json:"past,omitempty"` // number in PastKeys, from, to
	PastKeys  [][]byte   `json:"past_keys,omitempty"`
	Matches   int64      `json:"matches"`
	LastMatch int64      `json:"last_match"`
	Fired     int64      `json:"fired"`
	Refused   int64      `json:"refused,omitempty"`
	Shortage  [2]int64   `json:"shortage"`
	Shortages uint32     `json:"shortages,omitempty"`
}

func (u *unit) save(
	times *timekeeper,
	full bool,
	put func(key, value []byte),
	del func(key []byte),
) {
	u.saveGroups(times, full, put, del)
	if !full && !u.changed {
		return
	}
	u.changed = false
	s := savedUnit{
		Rule: u.id, Base: u.base, Watermark: u.watermark, Start: u.start, Matches: u.matches, LastMatch: u.lastMatch, Fired: u.fired,
		Refused: u.refused.count, Shortage: [2]int64{u.refused.first, u.refused.last}, Shortages: u.refused.episodes,
	}
	for i, f := range u.past {
		s.Past = append(s.Past, [3]int64{int64(i), f.from, f.to})
		s.PastKeys = append(s.PastKeys, []byte(f.key))
	}
	put(idKey(keyUnit, u.fingerprint, ""), encode(s))
}

func (u *unit) saveGroups(
	times *timekeeper,
	full bool,
	put func(key, value []byte),
	del func(key []byte),
) {
	for _, key := range u.removed {
		if _, again := u.groups.find([]byte(key)); !again {
			del(idKey(keyGroup, u.fingerprint, key))
		}
	}
	u.removed = nil
	var key, value []byte
	save := func(number uint32, g *group) {
		g.dirty = false
		key = binary.BigEndian.AppendUint64(append(key[:0], keyGroup), u.fingerprint)
		key = append(key, g.key...)
		value = u.append(value[:0], number, g, times)
		put(key, value)
	}
	if full {
		u.groups.each(save)
	} else {
		for _, chunk := range u.dirty {
			for i := range u.groups.chunks[chunk] {
				if g := &u.groups.chunks[chunk][i]; g.live && g.dirty {
					save(chunk*chunkGroups+uint32(i), g)
				}
			}
		}
	}
	for _, chunk := range u.dirty {
		u.groups.dirty[chunk] = false
	}
	u.dirty = u.dirty[:0]
}

// savedAlert is what is kept of an alert, and of the lines that it shows.
type savedAlert struct {
	Phase   phase             `json:"phase"`
	Raw     bool              `json:"raw"`
	Holds   bool              `json:"holds"`
	Blocked bool              `json:"blocked,omitempty"`
	Early   bool              `json:"early,omitempty"`
	Passed  bool              `json:"passed,omitempty"`
	Told    told              `json:"told"`
	Late    bool              `json:"late,omitempty"`
	At      int64             `json:"at"`
	Start   int64             `json:"start"`
	Fired   int64             `json:"fired"`
	Fell    int64             `json:"fell"`
	Edge    savedEdge         `json:"edge"`
	Base    int64             `json:"base"`
	Level   int               `json:"level,omitempty"`
	Shown   int               `json:"shown,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	// this, and what follows, for an alert whose rule is gone when it is restored
	Rule    string  `json:"rule"`
	ID      string  `json:"id"`
	Episode int64   `json:"episode"`
	Count   int64   `json:"count"`
	Points  []Point `json:"points,omitempty"`
}

type savedEdge struct {
	At        int64   `json:"at"`
	Value     float64 `json:"value"`
	Threshold string  `json:"threshold"`
	Reason    string  `json:"reason"`
}

type savedSamples struct {
	First   []models.Line `json:"first,omitempty"`
	Last    []models.Line `json:"last,omitempty"`
	Top     []counts      `json:"top,omitempty"`
	Newest  int64         `json:"newest"`
	Counted bool          `json:"counted"`
}

const (
	hasAlert = 1 << iota
	hasSamples
	isExpected
	hasGaps
	hasOwner
)

// append appends a group: flags, episodes, when it was last seen, what few groups have, and the
// window.
func (u *unit) append(b []byte, number uint32, g *group, times *timekeeper) []byte {
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
	gaps := u.gaps[number]
	if len(gaps) > 0 {
		flags |= hasGaps
	}
	owner := u.owner(number)
	if owner != nobody {
		flags |= hasOwner
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(g.episodes))
	if exact, ok := u.seen[number]; ok {
		b = binary.AppendVarint(b, exact)
	} else {
		b = binary.AppendVarint(b, g.newest())
	}
	if g.alert != nil {
		b = appendBlock(b, encode(u.saved(g)))
	}
	if s := g.samples; s != nil {
		b = appendBlock(b, encode(savedSamples{s.first, s.last, s.top, s.newest, s.counted}))
	}
	if len(gaps) > 0 {
		b = binary.AppendUvarint(b, uint64(len(gaps)))
		for _, p := range gaps {
			b = binary.AppendVarint(binary.AppendVarint(b, p.last), p.again)
		}
	}
	b = times.appendOwner(b, owner)
	return g.win.Append(b)
}

func (u *unit) saved(g *group) savedAlert {
	a := g.alert
	return savedAlert{
		Phase: a.phase, Raw: a.raw, Holds: a.holds, Blocked: a.blocked, Early: a.early, Passed: a.passed, Told: a.told, Late: a.late, At: a.at, Start: a.start, Fired: a.fired, Fell: a.fell,
		Edge: savedEdge{
			a.edge.At,
			finite(a.edge.Value),
			a.edge.Threshold,
			a.edge.Reason,
		}, Base: a.base, Level: a.level, Shown: a.shown, Labels: a.labels,
		Rule: u.id, ID: u.alertID(g), Episode: int64(g.episodes), Count: g.win.Entered(never) - a.base, Points: a.points,
	}
}

func (s savedAlert) alert() *alert {
	return &alert{
		phase: s.Phase, raw: s.Raw, holds: s.Holds, blocked: s.Blocked, early: s.Early, passed: s.Passed, told: s.Told, late: s.Late, at: s.At, start: s.Start, fired: s.Fired, fell: s.Fell,
		edge: window.Edge{
			At:        s.Edge.At,
			True:      true,
			Value:     s.Edge.Value,
			Threshold: s.Edge.Threshold,
			Reason:    s.Edge.Reason,
		},
		base: s.Base, level: s.Level, shown: s.Shown, labels: s.Labels, points: s.Points,
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
	p := e.program.Load()
	r := &restoring{
		e:            e,
		units:        make(map[uint64]*unit),
		suppressions: make(map[uint64]*suppression),
	}
	for _, u := range p.units {
		r.units[u.fingerprint] = u
	}
	for _, s := range p.suppressions {
		r.suppressions[s.fingerprint] = s
	}
	if err := load(r.each); err != nil {
		return fmt.Errorf("restore state: %w", err)
	}
	for _, u := range p.units {
		u.groups.each(func(number uint32, _ *group) { e.at(u, number).schedule() })
		if u.start != always {
			e.expect(u, max(u.base, u.start)) // keys that were added to the list meanwhile
		}
	}
	return nil
}

// restoring is one run of Restore.
type restoring struct {
	e            *Engine
	units        map[uint64]*unit
	suppressions map[uint64]*suppression
}

func (r *restoring) each(key, value []byte) error {
	if len(key) == 0 {
		return nil
	}
	in := reader{b: value}
	switch kind := key[0]; kind {
	case keyVersion:
		if len(value) != 1 || value[0] != formatVersion {
			return fmt.Errorf(
				"the state is of format %v, and this program knows %d: use the version that wrote it, or start with an empty data directory",
				value,
				formatVersion,
			)
		}
	case keyPartition:
		if len(key) < 5 {
			return errDamaged
		}
		p := models.Partition{
			Topic:     string(key[5:]),
			Partition: int32(binary.BigEndian.Uint32(key[1:])),
		}
		pt := r.e.times.partition(p)
		pt.base, pt.reached, pt.oldest, pt.logs, pt.late = in.varint(), in.varint(), in.varint(), in.varint(), in.varint()
		if r.e.kept.partitions == nil {
			r.e.kept.partitions = make(map[models.Partition]bool)
		}
		r.e.kept.partitions[p] = true
	default:
		if len(key) < 9 {
			return errDamaged
		}
		id, rest := binary.BigEndian.Uint64(key[1:]), string(key[9:])
		if kind == keyNumber {
			r.e.numbersAt(id).last[rest] = r.e.times.readNumbered(&in)
			break
		}
		known := r.units[id] != nil || r.suppressions[id] != nil
		if !known {
			r.e.kept.delete = append(r.e.kept.delete, slices.Clone(key))
			if kind == keyGroup {
				r.orphan(value, models.Partition{})
			}
			return nil
		}
		r.owned(kind, id, rest, &in)
	}
	return in.err
}

// owned takes over what belongs to a rule or a suppression.
func (r *restoring) owned(kind byte, id uint64, key string, in *reader) {
	u := r.units[id]
	switch {
	case kind == keySuppression && r.suppressions[id] != nil:
		r.suppressions[id].marks[key] = &marks{starts: in.times(), ends: in.times()}
	case u == nil:
	case kind == keyUnit:
		u.restore(in)
	case kind == keyGroup:
		r.group(u, key, in)
	}
}

func (u *unit) restore(in *reader) {
	var s savedUnit
	in.decode(in.b, &s)
	u.warming = false
	u.base, u.watermark, u.start, u.matches, u.lastMatch, u.fired = s.Base, s.Watermark, s.Start, s.Matches, s.LastMatch, s.Fired
	u.refused = refusals{
		count:    s.Refused,
		first:    s.Shortage[0],
		last:     s.Shortage[1],
		episodes: s.Shortages,
	}
	for _, p := range s.Past {
		if i := int(p[0]); i < len(s.PastKeys) {
			u.past = append(u.past, firing{string(s.PastKeys[i]), p[1], p[2]})
		}
	}
}

func (r *restoring) group(u *unit, key string, in *reader) {
	number, ok := u.groups.find([]byte(key))
	if !ok {
		number = u.groups.add(strings.Clone(key))
		r.e.live++
	}
	g := u.groups.at(number)
	flags := in.byte()
	if expected, episodes := flags&isExpected != 0, uint32(in.uvarint()); expected || episodes > 0 {
		more := g.extend()
		more.expected, more.episodes = expected, episodes
	}
	u.sees(number, g, in.varint())
	if flags&hasAlert != 0 {
		var s savedAlert
		in.decode(in.block(), &s)
		g.extend().alert = s.alert()
		u.open[number], u.unheard = true, true
	}
	if flags&hasSamples != 0 {
		var s savedSamples
		in.decode(in.block(), &s)
		g.extend().samples = &samples{s.Counted, s.First, s.Last, s.Top, s.Newest}
		if s.Counted {
			u.sampled++
		}
	}
	if flags&hasGaps != 0 {
		for n := min(in.uvarint(), uint64(len(in.b))); n > 0; n-- {
			u.gaps[number] = append(u.gaps[number], gap{in.varint(), in.varint()})
		}
	}
	if flags&hasOwner != 0 {
		p := models.Partition{Partition: int32(in.varint()), Topic: string(in.block())}
		u.own(number, r.e.times.partition(p).number)
	}
	if in.err != nil {
		g.win = *u.plan.NewGroup(0)
		return
	}
	win, err := u.plan.Decode(in.b)
	if err != nil {
		in.err = fmt.Errorf("a group of rule %s: %w", u.id, err)
		win = u.plan.NewGroup(0)
	}
	g.win = *win
}

// orphan notes an alert whose rule is no longer there, and whose logs are on a partition, as far as
// that is known.
func (r *restoring) orphan(value []byte, home models.Partition) {
	in := reader{b: value}
	flags := in.byte()
	in.uvarint()
	in.varint()
	if flags&hasAlert == 0 {
		return
	}
	var s savedAlert
	in.decode(in.block(), &s)
	if in.err == nil && s.Told == said && (s.Phase == up || s.Phase == muted) {
		r.e.kept.orphans = append(r.e.kept.orphans, orphan{s, home})
	}
}

var errDamaged = fmt.Errorf("the state is damaged")

// reader reads what was appended to a value. After an error it yields zeroes.
type reader struct {
	b   []byte
	err error
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.err = errDamaged
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err = errDamaged
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errDamaged
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) block() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.err = errDamaged
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) times() []int64 {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.err = errDamaged
		return nil
	}
	times := make([]int64, n)
	for i := range times {
		times[i] = r.varint()
	}
	return times
}

func (r *reader) decode(b []byte, v any) {
	if r.err == nil {
		if err := json.Unmarshal(b, v); err != nil {
			r.err = fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
}
