package alerting

import (
	"math"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	maxAhead   = int64(60e9) // a log that is further ahead of its record is given the record's time
	maxLabel   = 256         // bytes of a group label's value
	maxLabels  = 8 << 10     // of the labels of an envelope, which stand for one
	maxValue   = 256         // of a field's value that a condition looks at
	maxMessage = 1024        // of a line's message
	maxField   = 256         // of a line's other texts
	maxMembers = 64          // of a list
	keptText   = 1 << 20     // scratch beyond this is given back
)

// scanner is the stateless half of the engine: it reads records and finds the rules that they
// match. It shares nothing that changes, so every worker has one. What matches nothing leaves no
// trace but its time.
type scanner struct {
	shared   *scanners
	rules    *ruleSet
	match    *match.Index
	decoders map[string]*decode.Decoder
	matcher  *match.Matcher
	scan     *scan
	ids      []int32
	record   int
	passed   int // records since the last that was kept as a sample
	text     []byte
	each     func(*decode.Log)
	reject   func(decode.Reason, string)
}

// NewScanner returns a scanner for one goroutine. It follows the rules: each scan is of the newest
// ones.
func (e *Engine) NewScanner() models.Scanner { return e.scanners.newScanner() }

func (ss *scanners) newScanner() *scanner {
	s := &scanner{shared: ss}
	s.each = s.log
	s.reject = func(reason decode.Reason, detail string) {
		if reason.Drop() {
			s.scan.dropped++
			return
		}
		s.scan.rejected = append(
			s.scan.rejected,
			models.Rejection{Record: s.record, Reason: string(reason), Detail: detail},
		)
	}
	return s
}

// Scan reads records of one partition.
func (s *scanner) Scan(records []models.Record) models.Scan {
	s.scan = s.shared.scans.Get().(*scan)
	s.follow()
	if len(records) > 0 {
		s.scan.end = records[len(records)-1].Offset + 1
		s.scan.partition = models.Partition{
			Topic:     records[0].Topic,
			Partition: records[0].Partition,
		}
		s.passed = s.shared.sample.offer(records, s.passed)
		d := s.decoder(records[0].Topic)
		for i := range records {
			s.record = i
			d.Decode(&records[i], s.each, s.reject)
		}
		for n, count := range d.TakeNotices() {
			if count > 0 {
				s.shared.notices[n].Add(count)
			}
		}
	}
	done := s.scan
	s.scan = nil
	return done
}

// entry scans a log that was decoded already.
func (s *scanner) entry(e *models.LogEntry) *scan {
	s.scan = s.shared.scans.Get().(*scan)
	s.follow()
	s.scan.partition = models.Partition{Topic: e.Position.Topic, Partition: e.Position.Partition}
	s.log(s.decoder(e.Position.Topic).Entry(e))
	done := s.scan
	s.scan = nil
	return done
}

// follow takes over the newest program, and its newest plan.
func (s *scanner) follow() {
	p := s.shared.ruleSet.Load()
	if m := p.match.Load(); p != s.rules || m != s.match {
		if s.matcher != nil {
			s.matcher.Flush()
		}
		s.rules, s.match, s.matcher, s.decoders = p, m, m.NewMatcher(),
			make(map[string]*decode.Decoder)
	}
	s.scan.rules = s.rules
}

// decoder returns the decoder of a topic.
func (s *scanner) decoder(topic string) *decode.Decoder {
	d := s.decoders[topic]
	if d == nil {
		d = s.shared.newDecoder(topic, s.match.Fields())
		s.decoders[topic] = d
	}
	return d
}

// log matches one log.
func (s *scanner) log(l *decode.Log) {
	s.scan.logs++
	at := s.time(l)
	s.ids = s.matcher.Match(l, s.ids[:0])
	if len(s.ids) == 0 {
		return
	}
	line := int32(-1)
	topic := s.scan.partition.Topic
	for i := 0; i < len(s.ids); {
		r := s.rules.queryOwners[s.ids[i]]
		if r.suppression != nil {
			s.mark(l, at, r)
			i++
			continue
		}
		var bits, selections uint64
		matched := false
		for ; i < len(s.ids) && s.rules.queryOwners[s.ids[i]].rule == r.rule; i++ {
			switch role := s.rules.queryOwners[s.ids[i]].role; {
			case role == roleMatch:
				matched = true
			case role >= roleLabel:
				selections |= 1 << (role - roleLabel)
			default:
				bits |= 1 << role
			}
		}
		if matched && r.rule.reads(topic) {
			line = s.hit(l, at, r.rule, hitBits{bits, selections}, line)
		}
	}
}

// time is the log's event time. It also moves the partition's: by what the broker or the producer
// has seen of time, so that one clock that is ahead does not make the logs of all others late.
func (s *scanner) time(l *decode.Log) int64 {
	at, record := l.Time(), l.RecordTime()
	reached := at
	if record > 0 {
		if at > record+maxAhead {
			s.scan.futureTimes++
			at = record
		}
		reached = min(at, record)
	}
	if l.Position().Offset%delayStride == 0 && l.TimeSource() != "kafka" {
		s.scan.sampled = append(s.scan.sampled, delaySample{at, record})
	}
	s.scan.newest = max(s.scan.newest, reached)
	s.scan.oldest = min(s.scan.oldest, reached)
	s.scan.recent.note(reached)
	return at
}

// hitBits are the filters of a rule's condition that a log matches, and the selections of its
// labels.
type hitBits struct{ filters, selections uint64 }

// hit notes that a log matters to a rule.
func (s *scanner) hit(
	l *decode.Log, at int64, rs *compiledRule, bits hitBits, line int32,
) int32 {
	sc := s.scan
	pos := l.Position()
	h := hit{
		rule:    rs,
		time:    at,
		reached: sc.newest,
		offset:  pos.Offset,
		index:   int32(pos.Index),
		bits:    bits.filters,
		line:    -1,
	}
	h.key.from = len(sc.text)
	sc.text = s.appendKey(sc.text, l, rs.by, bits.selections)
	h.key.to = len(sc.text)
	h.values.from = len(sc.values)
	for _, id := range rs.fields {
		sc.values = append(sc.values, s.value(l, id))
	}
	h.values.to = len(sc.values)
	for _, id := range rs.shownFields {
		sc.values = append(sc.values, s.value(l, id))
	}
	h.shown.from, h.shown.to = h.values.to, len(sc.values)
	if rs.maxLines > 0 {
		if line < 0 {
			line = s.line(l, at)
		}
		h.line = line
	}
	sc.hits = append(sc.hits, h)
	return line
}

// mark notes that a log begins or ends a suppression.
func (s *scanner) mark(l *decode.Log, at int64, r queryOwner) {
	sc := s.scan
	pos := l.Position()
	m := suppressionHit{
		suppression: r.suppression,
		time:        at,
		offset:      pos.Offset,
		index:       int32(pos.Index),
		end:         r.role == 1,
	}
	m.key.from = len(sc.text)
	sc.text = s.appendKey(sc.text, l, r.suppression.by, 0)
	m.key.to = len(sc.text)
	sc.suppressionHits = append(sc.suppressionHits, m)
}

// appendKey appends the group key: each label's value, preceded by its length. A label whose fields
// the log lacks has an empty value: a log without a service is a group of its own rather than none,
// since losing an alert would be worse.
func (s *scanner) appendKey(
	dst []byte, l *decode.Log, by []byLabel, selections uint64,
) []byte {
	for i := range by {
		label := &by[i]
		s.text = s.text[:0]
		for _, id := range label.fieldsIn(selections) {
			if v := scalarOf(l.Value(id)); v.Kind > decode.Null && len(v.Text) > 0 {
				most := maxLabel
				if label.all {
					most = maxLabels
				}
				s.text = appendClean(s.text, v.Text, most)
				break
			}
		}
		dst = appendText(dst, s.text)
	}
	return dst
}

// fieldsIn are the fields that may hold the value in a log that matches some selections.
func (l *byLabel) fieldsIn(selections uint64) []decode.FieldID {
	if l.of == nil {
		return l.fields
	}
	for i, fields := range l.of {
		if selections&(1<<(l.first+i)) != 0 {
			return fields
		}
	}
	return nil
}

// scalarOf is a value as it stands for a group: an array stands by its first member.
func scalarOf(v decode.Value) decode.Value {
	if v.Kind != decode.Array {
		return v
	}
	var first decode.Value
	v.Each(func(member decode.Value) bool {
		first = member
		return false
	})
	return first
}

// value is a field's value as conditions see it: its text, and its number where it is one.
func (s *scanner) value(l *decode.Log, id decode.FieldID) value {
	sc := s.scan
	v := value{span: span{len(sc.text), len(sc.text)}}
	if id == masked {
		message := l.Value(decode.FieldMessage).Text
		s.text = window.Mask(s.text[:0], message[:min(len(message), maxMessage)])
		sc.text = appendClean(sc.text, s.text, maxValue)
		v.kind, v.to = window.Text, len(sc.text)
		return v
	}
	found := window.ValueOf(l.Value(id))
	if found.Kind != window.List {
		return sc.value(found)
	}
	v.kind, v.from = window.List, len(sc.members)
	for _, member := range found.List[:min(len(found.List), maxMembers)] {
		sc.members = append(sc.members, sc.value(member))
	}
	v.to = len(sc.members)
	return v
}

// value copies a value that is not a list.
func (s *scan) value(v window.Value) value {
	from := len(s.text)
	s.text = appendClean(s.text, v.Text, maxValue)
	return value{v.Kind, v.Num, span{from, len(s.text)}}
}

// line notes what an alert may show of a log.
func (s *scanner) line(l *decode.Log, at int64) int32 {
	sc := s.scan
	pos := l.Position()
	ln := line{time: at, offset: pos.Offset, index: pos.Index}
	keep := func(id decode.FieldID, most int) span {
		from := len(sc.text)
		if v := l.Value(id); v.Kind > decode.Null {
			sc.text = appendClean(sc.text, v.Text, most)
		}
		return span{from, len(sc.text)}
	}
	message := decode.FieldMessage
	if l.Value(message).Kind <= decode.Null {
		message = decode.FieldRaw
	}
	ln.level, ln.service, ln.message = keep(decode.FieldLevel, maxField),
		keep(decode.FieldService, maxField), keep(message, maxMessage)
	sc.lines = append(sc.lines, ln)
	return int32(len(sc.lines) - 1)
}

// scan is what a scanner found in some records. All texts stand in one buffer, so that a scan costs
// no allocation once it has grown.
type scan struct {
	rules       *ruleSet
	partition   models.Partition
	end         int64 // the offset after its records
	logs        int
	dropped     int
	futureTimes int
	newest      int64 // event time that the partition has reached
	oldest      int64
	recent      recentTimes
	sampled     []delaySample
	rejected    []models.Rejection
	// so many were rejected by the scanner of another process
	rejectedElsewhere int

	hits            []hit
	suppressionHits []suppressionHit
	values          []value
	members         []value // of lists
	lines           []line
	text            []byte
}

type span struct{ from, to int }

// hit is one log that matters to one rule.
type hit struct {
	rule    *compiledRule
	time    int64
	reached int64 // event time of the newest log of the partition by then
	offset  int64
	index   int32
	line    int32 // -1 when the rule shows none
	bits    uint64
	key     span
	values  span // in scan.values: what the condition looks at
	shown   span // in scan.values: what only users see
}

// suppressionHit is a log that begins or ends a suppression.
type suppressionHit struct {
	suppression *compiledSuppression
	time        int64
	offset      int64
	index       int32
	end         bool
	key         span
}

type value struct {
	kind window.Kind
	num  float64
	span // in scan.text; of a list in scan.members
}

type line struct {
	time                    int64
	offset                  int64
	index                   int
	level, service, message span
}

func newScan() *scan { return &scan{newest: math.MinInt64, oldest: math.MaxInt64} }

// Logs is the number of logs that were read.
func (s *scan) Logs() int { return s.logs }

// Rejected lists what could not be read.
func (s *scan) Rejected() []models.Rejection { return s.rejected }

// order is the place of a log of the scan.
func (s *scan) order(offset int64, index int32) window.Order {
	return window.Order{
		Topic:     s.topicNumber(),
		Partition: s.partition.Partition,
		Offset:    offset,
		Index:     index,
	}
}

// topicNumber identifies a topic by the same number in every run.
func (s *scan) topicNumber() uint32 {
	h := uint32(2166136261)
	for i := range len(s.partition.Topic) {
		h = (h ^ uint32(s.partition.Topic[i])) * 16777619
	}
	return h
}

func (s *scan) bytes(p span) []byte { return s.text[p.from:p.to] }

// recycle makes an applied scan ready for the next records.
func (s *scan) recycle() bool {
	if cap(s.text) > keptText || cap(s.hits) > 1<<14 {
		return false
	}
	clear(s.hits)
	clear(s.suppressionHits)
	*s = scan{
		newest:          math.MinInt64,
		oldest:          math.MaxInt64,
		sampled:         s.sampled[:0],
		rejected:        s.rejected[:0],
		hits:            s.hits[:0],
		suppressionHits: s.suppressionHits[:0],
		values:          s.values[:0],
		members:         s.members[:0],
		lines:           s.lines[:0],
		text:            s.text[:0],
	}
	return true
}

// appendClean appends a text that a log contains: bounded in length, and valid UTF-8.
func appendClean(dst, text []byte, most int) []byte {
	cut := len(text) > most
	if cut {
		text = text[:most]
		for n := len(text); n > 0 && n > most-utf8.UTFMax; n-- {
			if utf8.RuneStart(text[n-1]) {
				if !utf8.FullRune(text[n-1:]) {
					text = text[:n-1]
				}
				break
			}
		}
	}
	if utf8.Valid(text) {
		dst = append(dst, text...)
	} else {
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			dst = utf8.AppendRune(dst, r)
			text = text[n:]
		}
	}
	if cut {
		dst = append(dst, "…"...)
	}
	return dst
}
