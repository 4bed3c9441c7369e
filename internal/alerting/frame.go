package alerting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A frame is scans as bytes: what some members of a cluster have matched, so that another engine
// with the same rules applies it. It begins with the texts and the rules that its spans refer to by
// number, so what comes again is written once.
//
//	version  texts  rules  spans
//	span:    length, place, times, suppression hits, lines, hits
//
// Whole numbers are varints. Times are in milliseconds where all of a span are, else in
// nanoseconds, and differences where they can be. Rules and suppressions are named by their
// fingerprints, and say how many values a hit has, so a reader skips what it does not know.
//
// A span carries no lines but those that an alert can show: the first and the last ones of each
// group in it.

// Of random keys and times nothing is compressed; so what hits have in common stands together, in
// front of their keys and times, and a text has only what differs from the text before it.

// FrameVersion is the version of the format, the first byte of a frame. Older ones are read as
// well: version 1 measures the delay of the first log of a span only; until version 2 texts are
// whole, and the flags of a hit stand before its key.
const FrameVersion = 3

// Span is a stretch of the records of a partition: those from From on, before To.
type Span struct {
	models.Partition
	// distinguishes a topic from another of the same name, after it was deleted and created again
	Incarnation uint64
	From, To    int64
}

// FrameWriter writes scans of one engine into frames. It is for one goroutine.
type FrameWriter struct {
	scanners *scanners

	texts map[string]uint32
	last  []byte // the last one of them
	rules map[*compiledRule]uint32
	dict  []byte // the texts
	known []byte // the rules
	spans []byte
	out   []byte
	name  []byte // scratch
	hits  int
	eager bool

	keys  []uint32            // by hit of the scan, the number of its key
	shown map[uint64]lineUses // by rule and key of the scan
	keep  []bool              // by line of the scan
}

// lineUses are the lines of the hits of a group in a scan.
type lineUses struct {
	first int     // so many were kept as the first ones
	last  []int32 // the last ones
}

// NewFrameWriter returns a writer for scans of the engine's scanners.
func (e *Engine) NewFrameWriter() *FrameWriter {
	w := &FrameWriter{
		scanners: &e.scanners,
		texts:    make(map[string]uint32),
		rules:    make(map[*compiledRule]uint32),
		shown:    make(map[uint64]lineUses),
	}
	return w
}

// Reset begins a frame.
func (w *FrameWriter) Reset() {
	clear(w.texts)
	clear(w.rules)
	w.dict, w.known, w.spans, w.hits, w.eager = w.dict[:0], w.known[:0], w.spans[:0], 0, false
	w.last = w.last[:0]
}

// Len is about how many bytes the frame has.
func (w *FrameWriter) Len() int { return len(w.dict) + len(w.known) + len(w.spans) }

// Hits is how many hits the frame has.
func (w *FrameWriter) Hits() int { return w.hits }

// Eager reports whether the frame has a hit that may fire an alert at once.
func (w *FrameWriter) Eager() bool { return w.eager }

// Bytes returns the frame, which is valid until the next call. The frame may continue.
func (w *FrameWriter) Bytes() []byte {
	b := append(w.out[:0], FrameVersion)
	b = binary.AppendUvarint(b, uint64(len(w.texts)))
	b = append(b, w.dict...)
	b = binary.AppendUvarint(b, uint64(len(w.rules)))
	b = append(b, w.known...)
	w.out = append(b, w.spans...)
	return w.out
}

// text returns the number of a text, from 1; 0 is the empty one.
func (w *FrameWriter) text(t []byte) uint32 {
	if len(t) == 0 {
		return 0
	}
	if n, ok := w.texts[string(t)]; ok {
		return n
	}
	n := uint32(len(w.texts)) + 1
	w.texts[string(t)] = n
	same := min(commonPrefix(w.last, t), maxSame)
	if rest := len(t) - same; rest < maxRest {
		w.dict = append(w.dict, byte(same<<4|rest))
	} else {
		w.dict = append(w.dict, byte(same<<4|maxRest))
		w.dict = binary.AppendUvarint(w.dict, uint64(rest))
	}
	w.dict = append(w.dict, t[same:]...)
	w.last = append(w.last[:0], t...)
	return n
}

// A text is a byte that says how many bytes it shares with the one before it, and how many others
// it has, and these. A number of others that has no room there follows as a varint.
const (
	maxSame = 15
	maxRest = 15
)

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// rule returns the number of a rule.
func (w *FrameWriter) rule(c *compiledRule) uint32 {
	n, ok := w.rules[c]
	if ok {
		return n
	}
	n = uint32(len(w.rules))
	w.rules[c] = n
	w.known = binary.BigEndian.AppendUint64(w.known, c.fingerprint)
	w.known = binary.BigEndian.AppendUint64(w.known, c.shownFingerprint)
	w.known = binary.AppendUvarint(w.known, uint64(len(c.fields)))
	w.known = binary.AppendUvarint(w.known, uint64(len(c.shownFields)))
	return n
}

// fingerprintShown identifies what users see of a hit: rules that mean the same may show other
// fields.
func fingerprintShown(r *rule.Rule) uint64 {
	return fingerprintOf([][]string{r.Samples.Fields, r.Top})
}

// EndOf returns which records a scan is of, up to the offset behind them, and whether it was made
// with the rules that the engine has now.
func (e *Engine) EndOf(s models.Scan) (p models.Partition, end int64, current bool) {
	sc := s.(*scan)
	return sc.partition, sc.end, sc.rules == e.scanners.ruleSet.Load()
}

// Discard gives a scan back that is not applied.
func (e *Engine) Discard(s models.Scan) { e.scanners.release(s.(*scan)) }

// Add writes a span without scans: all of its records are read, and none of them is a log.
func (w *FrameWriter) Add(at Span) { w.add(at, &scan{}) }

// AddScan writes a span with a scan of its records, which is gone afterwards.
func (w *FrameWriter) AddScan(at Span, s models.Scan) {
	sc := s.(*scan)
	w.add(at, sc)
	w.scanners.release(sc)
}

func (w *FrameWriter) add(at Span, sc *scan) {
	start := len(w.spans)
	b := w.place(w.spans, at, sc)
	if sc.logs > 0 {
		scale := sc.timeScale()
		b = binary.AppendUvarint(b, uint64(scale))
		b = w.times(b, sc, scale)
		b = w.suppressionHits(b, at, sc)
		b = w.lines(b, at, sc)
		b = w.hitList(b, at, sc, scale)
	}
	// the length goes before
	size := len(b) - start
	var prefix [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(prefix[:], uint64(size))
	b = append(b, prefix[:n]...)
	copy(b[start+n:], b[start:start+size])
	copy(b[start:], prefix[:n])
	w.spans = b
}

func (w *FrameWriter) place(b []byte, at Span, sc *scan) []byte {
	w.name = append(binary.BigEndian.AppendUint64(w.name[:0], at.Incarnation), at.Topic...)
	b = binary.AppendUvarint(b, uint64(w.text(w.name)))
	b = binary.AppendUvarint(b, uint64(at.Partition.Partition))
	b = binary.AppendUvarint(b, uint64(at.From))
	b = binary.AppendUvarint(b, uint64(at.To-at.From))
	for _, n := range []int{sc.logs, sc.dropped, sc.futureTimes, len(sc.rejected)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

const milli = int64(1e6)

// timeScale is a millisecond, or a nanosecond when a time of the scan is not a whole millisecond.
func (s *scan) timeScale() int64 {
	exact := s.newest%milli == 0 && s.oldest%milli == 0
	for _, d := range s.sampled {
		exact = exact && d.at%milli == 0 && d.record%milli == 0
	}
	for i := range min(s.recent.n, recentLogs) {
		exact = exact && s.recent.times[i]%milli == 0
	}
	for i := range s.hits {
		exact = exact && s.hits[i].time%milli == 0
	}
	if exact {
		return milli
	}
	return 1
}

func (w *FrameWriter) times(b []byte, sc *scan, scale int64) []byte {
	b = binary.AppendVarint(b, sc.newest/scale)
	b = binary.AppendVarint(b, (sc.newest-sc.oldest)/scale)
	before := sc.newest
	b = binary.AppendUvarint(b, uint64(len(sc.sampled)))
	for _, d := range sc.sampled {
		b = binary.AppendVarint(b, (d.at-before)/scale)
		b = binary.AppendVarint(b, (d.record-d.at)/scale)
		before = d.at
	}
	r := &sc.recent
	b = binary.AppendUvarint(b, uint64(min(r.n, recentLogs)))
	before = sc.newest
	for i := max(r.n-recentLogs, 0); i < r.n; i++ {
		t := r.times[i%recentLogs]
		b = binary.AppendVarint(b, (t-before)/scale)
		before = t
	}
	return b
}

func (w *FrameWriter) suppressionHits(b []byte, at Span, sc *scan) []byte {
	b = binary.AppendUvarint(b, uint64(len(sc.suppressionHits)))
	for i := range sc.suppressionHits {
		m := &sc.suppressionHits[i]
		b = binary.BigEndian.AppendUint64(b, m.suppression.fingerprint)
		flags := uint64(m.index) << 1
		if m.end {
			flags |= 1
		}
		b = binary.AppendUvarint(b, flags)
		b = binary.AppendVarint(b, m.time)
		b = binary.AppendUvarint(b, uint64(m.offset-at.From))
		b = binary.AppendUvarint(b, uint64(w.text(sc.bytes(m.key))))
	}
	return b
}

// lines writes the lines that an alert can show. It notes the numbers of the hits' keys.
func (w *FrameWriter) lines(b []byte, at Span, sc *scan) []byte {
	w.keys = w.keys[:0]
	for i := range sc.hits {
		w.keys = append(w.keys, w.text(sc.bytes(sc.hits[i].key)))
	}
	w.chooseLines(sc)
	b = binary.AppendUvarint(b, uint64(len(sc.lines)))
	for i := range sc.lines {
		l := &sc.lines[i]
		if !w.keep[i] {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = binary.AppendVarint(b, l.time-sc.newest)
		b = binary.AppendUvarint(b, uint64(l.offset-at.From))
		b = binary.AppendUvarint(b, uint64(l.index))
		for _, text := range []span{l.level, l.service, l.message} {
			b = binary.AppendUvarint(b, uint64(w.text(sc.bytes(text))))
		}
	}
	return b
}

func (w *FrameWriter) chooseLines(sc *scan) {
	if cap(w.keep) < len(sc.lines) {
		w.keep = make([]bool, len(sc.lines))
	}
	w.keep = w.keep[:len(sc.lines)]
	clear(w.keep)
	if len(sc.lines) == 0 {
		return
	}
	clear(w.shown)
	for i := range sc.hits {
		h := &sc.hits[i]
		if h.line < 0 {
			continue
		}
		group := uint64(h.rule.index)<<32 | uint64(w.keys[i])
		uses := w.shown[group]
		if uses.first < h.rule.rule.Samples.First {
			uses.first++
			w.keep[h.line] = true
		}
		if n := h.rule.rule.Samples.Last; n > 0 {
			if len(uses.last) == n {
				copy(uses.last, uses.last[1:])
				uses.last = uses.last[:n-1]
			}
			uses.last = append(uses.last, h.line)
		}
		w.shown[group] = uses
	}
	for _, uses := range w.shown {
		for _, line := range uses.last {
			w.keep[line] = true
		}
	}
}

// appendShort writes a number in one byte if it is less than 240.
func appendShort(b []byte, n uint64) []byte {
	switch {
	case n < 240:
		return append(b, byte(n))
	case n < 240+15<<8:
		n -= 240
		return append(b, byte(240+n>>8), byte(n))
	}
	return binary.AppendUvarint(append(b, 255), n)
}

// short reads what appendShort appended.
func (r *reader) short() uint64 {
	switch first := r.Byte(); {
	case first < 240:
		return uint64(first)
	case first < 255:
		return 240 + uint64(first-240)<<8 + uint64(r.Byte())
	}
	return r.Uvarint()
}

// Flags of a hit, below its index.
const (
	hitSameRule   = 1 << iota // as the hit before
	hitNextOffset             // of the record after that of the hit before
	hitHasLine
	hitIsNewest
	hitHasBits
	hitFlags = iota
)

func (w *FrameWriter) hitList(b []byte, at Span, sc *scan, scale int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(sc.hits)))
	b = w.hitFlags(b, at, sc)
	time, offset := sc.newest/scale, at.From-1
	for i := range sc.hits {
		h := &sc.hits[i]
		b = appendShort(b, uint64(w.keys[i]))
		b = binary.AppendVarint(b, h.time/scale-time)
		if h.offset != offset+1 {
			b = binary.AppendVarint(b, h.offset-offset)
		}
		time, offset = h.time/scale, h.offset
		if w.hasLine(h) {
			b = binary.AppendUvarint(b, uint64(h.line))
		}
		if h.reached != h.time {
			b = binary.AppendVarint(b, h.reached-h.time)
		}
		if h.bits != 0 {
			b = binary.AppendUvarint(b, h.bits)
		}
		b = w.values(b, sc, sc.values[h.values.from:h.values.to])
		b = w.values(b, sc, sc.values[h.shown.from:h.shown.to])
	}
	return b
}

func (w *FrameWriter) hasLine(h *hit) bool { return h.line >= 0 && w.keep[h.line] }

// hitFlags writes the flags of all hits, each with the rule where that changes.
func (w *FrameWriter) hitFlags(b []byte, at Span, sc *scan) []byte {
	offset := at.From - 1
	var before *compiledRule
	for i := range sc.hits {
		h := &sc.hits[i]
		w.hits++
		w.eager = w.eager || h.rule.condition.FiresEarly()
		flags := uint64(h.index) << hitFlags
		if h.rule == before {
			flags |= hitSameRule
		}
		if h.offset == offset+1 {
			flags |= hitNextOffset
		}
		if w.hasLine(h) {
			flags |= hitHasLine
		}
		if h.reached == h.time {
			flags |= hitIsNewest
		}
		if h.bits != 0 {
			flags |= hitHasBits
		}
		b = binary.AppendUvarint(b, flags)
		if h.rule != before {
			b = binary.AppendUvarint(b, uint64(w.rule(h.rule)))
		}
		before, offset = h.rule, h.offset
	}
	return b
}

func (w *FrameWriter) values(b []byte, sc *scan, list []value) []byte {
	for _, v := range list {
		b = append(b, byte(v.kind))
		switch v.kind {
		case window.Absent:
		case window.List:
			b = binary.AppendUvarint(b, uint64(v.to-v.from))
			b = w.values(b, sc, sc.members[v.from:v.to])
		default:
			b = binary.AppendUvarint(b, uint64(w.text(sc.bytes(v.span))))
			if v.kind == window.Number {
				b = appendNumber(b, v.num)
			}
		}
	}
	return b
}

// appendNumber writes whole numbers short.
func appendNumber(b []byte, f float64) []byte {
	if i := int64(f); float64(i) == f && i > -1<<50 && i < 1<<50 && !math.Signbit(f) {
		return binary.AppendUvarint(b, uint64(i)<<1|1)
	}
	return binary.BigEndian.AppendUint64(append(b, 0), math.Float64bits(f))
}

// ErrFrame is the error of a frame that cannot be read.
var ErrFrame = errors.New("the frame cannot be read")

// FrameReader reads frames for an engine. It is for one goroutine, and not to be used beside
// changes of the rules. What it reads was written by others, so it trusts no length or number.
type FrameReader struct {
	scanners     *scanners
	set          *ruleSet
	known        map[uint64]*compiledRule
	suppressions map[uint64]*compiledSuppression

	texts [][]byte // of the frame
	bytes []byte   // of texts
	rules []frameRule
	spans reader // those that are left
	span  reader // the present one, behind its place
	scan  *scan
	at    Span

	version byte
}

// frameRule is a rule of a frame, and the rule that it is here; nil when it is not known.
type frameRule struct {
	*compiledRule
	fields, shown int
	sameShown     bool
}

// NewFrameReader returns a reader whose scans are for the engine.
func (e *Engine) NewFrameReader() *FrameReader { return &FrameReader{scanners: &e.scanners} }

// Reset begins to read a frame, which the reader keeps until the next one.
func (r *FrameReader) Reset(frame []byte) error {
	if set := r.scanners.ruleSet.Load(); set != r.set {
		r.follow(set)
	}
	r.texts, r.rules, r.spans = r.texts[:0], r.rules[:0], newReader(frame)
	in := &r.spans
	r.version = in.Byte()
	if in.Err == nil && (r.version < 1 || r.version > FrameVersion) {
		return fmt.Errorf("%w: it has version %d, and this program reads 1 to %d", ErrFrame,
			r.version, FrameVersion)
	}
	r.readTexts(in)
	for n := in.Uvarint(); n > 0 && in.Err == nil; n-- {
		c := r.known[in.BE64()]
		known := frameRule{compiledRule: c}
		shown := in.BE64()
		known.fields, known.shown = in.Count(), in.Count()
		if c != nil {
			known.sameShown = shown == c.shownFingerprint
		}
		if c != nil && (known.fields != len(c.fields) ||
			known.sameShown && known.shown != len(c.shownFields)) {
			return ErrFrame
		}
		r.rules = append(r.rules, known)
	}
	if in.Err != nil {
		return ErrFrame
	}
	return nil
}

func (r *FrameReader) readTexts(in *reader) {
	r.bytes = r.bytes[:0]
	var last []byte
	for n := in.Uvarint(); n > 0 && in.Err == nil; n-- {
		if r.version < 3 {
			r.texts = append(r.texts, in.Block())
			continue
		}
		head := int(in.Byte())
		same, rest := head>>4, head&maxRest
		if rest == maxRest {
			rest = in.Count()
		}
		if same > len(last) {
			in.Fail()
		}
		other := in.Take(rest)
		if in.Err != nil {
			return
		}
		if same > 0 {
			from := len(r.bytes)
			r.bytes = append(append(r.bytes, last[:same]...), other...)
			other = r.bytes[from:]
		}
		last = other
		r.texts = append(r.texts, last)
	}
}

func (r *FrameReader) follow(set *ruleSet) {
	r.set, r.known = set, make(map[uint64]*compiledRule, len(set.rules))
	r.suppressions = make(map[uint64]*compiledSuppression, len(set.suppressions))
	for _, c := range set.rules {
		r.known[c.fingerprint] = c
	}
	for _, s := range set.suppressions {
		r.suppressions[s.fingerprint] = s
	}
}

// Next moves to the next span. It is false at the end of the frame. After an error the rest of the
// frame cannot be read.
func (r *FrameReader) Next() (at Span, more bool, err error) {
	if len(r.spans.B) == 0 {
		return Span{}, false, nil
	}
	r.span = newReader(r.spans.Block())
	in := &r.span
	name := r.text(in)
	if r.spans.Err != nil || len(name) < 8 {
		r.spans.B = nil
		return Span{}, false, ErrFrame
	}
	r.at = Span{Incarnation: binary.BigEndian.Uint64(name)}
	r.at.Topic = string(name[8:])
	partition, from, length := in.Uvarint(), in.Uvarint(), in.Uvarint()
	if in.Err != nil || partition > math.MaxInt32 || from > math.MaxInt64 ||
		length > math.MaxInt64-from {
		r.spans.B = nil
		return Span{}, false, ErrFrame
	}
	r.at.Partition.Partition, r.at.From, r.at.To = int32(partition), int64(from),
		int64(from+length)
	return r.at, true, nil
}

// Scan reads the present span for Engine.Apply, without what is of records before an offset: they
// were applied already.
func (r *FrameReader) Scan(from int64) (models.Scan, error) {
	sc := r.scanners.scans.Get().(*scan)
	r.scan, sc.rules, sc.partition = sc, r.set, r.at.Partition
	in := &r.span
	sc.logs, sc.dropped, sc.futureTimes = in.number(), in.number(), in.number()
	sc.rejectedElsewhere = in.number()
	if sc.logs > 0 && in.Err == nil {
		scale := int64(in.Uvarint())
		if scale == 1 || scale == milli {
			r.times(in, scale)
			r.suppressionHits(in, from)
			r.lines(in)
			r.hits(in, scale, from)
		} else {
			in.Err = ErrFrame
		}
	}
	if in.Err != nil || len(in.B) > 0 {
		r.scanners.release(sc)
		r.spans.B = nil
		return nil, ErrFrame
	}
	return sc, nil
}

func (r *FrameReader) times(in *reader, scale int64) {
	sc := r.scan
	sc.newest = in.Varint() * scale
	sc.oldest = sc.newest - in.Varint()*scale
	before := sc.newest
	samples := uint64(1)
	if r.version == 1 {
		before = 0
	} else {
		samples = in.Uvarint()
	}
	for ; samples > 0 && in.Err == nil; samples-- {
		before += in.Varint() * scale
		d := delaySample{before, before + in.Varint()*scale}
		if r.version > 1 || d.at != 0 { // version 1 had 0 for none
			sc.sampled = append(sc.sampled, d)
		}
	}
	before = sc.newest
	for n := min(in.Uvarint(), recentLogs); n > 0; n-- {
		before += in.Varint() * scale
		sc.recent.note(before)
	}
}

func (r *FrameReader) suppressionHits(in *reader, from int64) {
	sc := r.scan
	for n := in.Uvarint(); n > 0 && in.Err == nil; n-- {
		m := suppressionHit{suppression: r.suppressions[in.BE64()]}
		flags := in.Uvarint()
		m.index, m.end = int32(flags>>1), flags&1 != 0
		m.time, m.offset = in.Varint(), r.at.From+in.varintFrom0()
		m.key = r.put(in)
		if m.suppression != nil && m.offset >= from {
			sc.suppressionHits = append(sc.suppressionHits, m)
		}
	}
}

func (r *FrameReader) lines(in *reader) {
	sc := r.scan
	for n := in.Uvarint(); n > 0 && in.Err == nil; n-- {
		var l line
		if in.Byte() != 0 {
			l.time, l.offset = sc.newest+in.Varint(), r.at.From+in.varintFrom0()
			l.index = in.number()
			l.level, l.service, l.message = r.put(in), r.put(in),
				r.put(in)
		}
		sc.lines = append(sc.lines, l)
	}
}

func (r *FrameReader) hits(in *reader, scale, from int64) {
	sc := r.scan
	n := in.Uvarint()
	flagsOf := in // where flags are
	if r.version > 2 {
		flags := *in
		flagsOf = &flags
		r.skipFlags(in, n)
	}
	time, offset := sc.newest/scale, r.at.From-1
	number := uint64(math.MaxUint64)
	for ; n > 0 && in.Err == nil; n-- {
		flags := flagsOf.Uvarint()
		if flags&hitSameRule == 0 {
			number = flagsOf.Uvarint()
		}
		if number >= uint64(len(r.rules)) {
			in.Err = ErrFrame
			return
		}
		of := r.rules[number]
		h := hit{rule: of.compiledRule, line: -1}
		if r.version > 2 {
			h.key = r.copied(in, in.short())
		} else {
			h.key = r.put(in)
		}
		time += in.Varint()
		if flags&hitNextOffset != 0 {
			offset++
		} else {
			offset += in.Varint()
		}
		h.time, h.offset = time*scale, offset
		h.index, h.reached = int32(flags>>hitFlags), h.time
		if flags&hitHasLine != 0 {
			line := in.Uvarint()
			if line >= uint64(len(sc.lines)) {
				in.Err = ErrFrame
				return
			}
			h.line = int32(line)
		}
		if flags&hitIsNewest == 0 {
			h.reached += in.Varint()
		}
		if flags&hitHasBits != 0 {
			h.bits = in.Uvarint()
		}
		h.values.from = len(sc.values)
		r.values(in, &sc.values, of.fields, true)
		h.values.to = len(sc.values)
		h.shown.from = len(sc.values)
		r.values(in, &sc.values, of.shown, true)
		if !of.sameShown && of.compiledRule != nil {
			sc.values = append(sc.values[:h.shown.from],
				make([]value, len(of.shownFields))...)
		}
		h.shown.to = len(sc.values)
		if h.rule != nil && h.offset >= from {
			sc.hits = append(sc.hits, h)
		}
	}
}

// skipFlags moves behind the flags of hits.
func (r *FrameReader) skipFlags(in *reader, hits uint64) {
	for ; hits > 0 && in.Err == nil; hits-- {
		if in.Uvarint()&hitSameRule == 0 {
			in.Uvarint()
		}
	}
}

func (r *FrameReader) values(in *reader, into *[]value, n int, lists bool) {
	sc := r.scan
	for ; n > 0 && in.Err == nil; n-- {
		v := value{kind: window.Kind(in.Byte())}
		switch {
		case v.kind == window.Absent:
		case v.kind == window.List && lists:
			members := in.Count()
			if members > maxMembers {
				in.Err = ErrFrame
				return
			}
			v.from = len(sc.members)
			r.values(in, &sc.members, members, false)
			v.to = len(sc.members)
		case v.kind < window.List:
			v.span = r.put(in)
			if v.kind == window.Number {
				v.num = in.float()
			}
		default:
			in.Err = ErrFrame
		}
		*into = append(*into, v)
	}
}

// text reads the number of a text.
func (r *FrameReader) text(in *reader) []byte { return r.numbered(in, in.Uvarint()) }

// numbered is the text of a number.
func (r *FrameReader) numbered(in *reader, n uint64) []byte {
	if n == 0 || in.Err != nil {
		return nil
	}
	if n > uint64(len(r.texts)) {
		in.Err = ErrFrame
		return nil
	}
	return r.texts[n-1]
}

// maxFrameText bounds the texts of a span, in bytes: a few of them may be named over and over.
const maxFrameText = 64 << 20

// put reads the number of a text, and copies it into the scan.
func (r *FrameReader) put(in *reader) span { return r.copied(in, in.Uvarint()) }

// copied copies the text of a number into the scan.
func (r *FrameReader) copied(in *reader, n uint64) span {
	t, sc := r.numbered(in, n), r.scan
	if len(sc.text)+len(t) > maxFrameText {
		in.Err = ErrFrame
		return span{}
	}
	from := len(sc.text)
	sc.text = append(sc.text, t...)
	return span{from, len(sc.text)}
}

// number reads a number of logs or the like.
func (r *reader) number() int {
	return int(r.UpTo(math.MaxInt32))
}

// varintFrom0 reads a number from 0.
func (r *reader) varintFrom0() int64 {
	return int64(r.UpTo(math.MaxInt64))
}

func (r *reader) float() float64 {
	n := r.Uvarint()
	if n&1 != 0 {
		return float64(n >> 1)
	}
	return math.Float64frombits(r.BE64())
}
