// Package survey holds rules against a sample of the logs that they are to read, and says what no
// rule file can show by itself: fields that no log has, rules that no log matches, groups without
// end, and how many matches a minute are to be expected.
//
// It counts and judges nothing else: whether a rule would fire is what a backtest says. What it
// finds are findings like those of lints, with names by which a rule ignores them. One goroutine
// uses a Survey at a time.
package survey

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Options say what the sample is.
type Options struct {
	Decode func(topic string) decode.Config // how records of a topic are read
	// the records are a file's: every rule reads them, whichever topics it names, and their logs
	// tell the time
	File  bool
	Until time.Time // when the sample of a topic ends: now
}

const (
	leastWhole   = 3   // bytes of a text that is looked for within values
	longestWhole = 100 // bytes of such a value
)

// Survey is rules, and what was seen of a sample.
type Survey struct {
	set      *rule.Set
	o        Options
	program  *match.Program
	matcher  *match.Matcher
	decoders map[string]*decode.Decoder
	watched  []*watched
	names    names
	parts    map[models.Partition]*part
	current  *part // of the log that is looked at
	hits     []int32
	seed     maphash.Seed

	Records, Logs, Rejected int
	From, To                time.Time // of the first and the last log
}

// part is what was seen of one partition.
type part struct {
	topic    string
	from, to time.Time // of the records, or of a file's logs
	matches  []int64   // by watched rule
}

// watched is a rule and what was seen of it.
type watched struct {
	rule    *rule.Rule
	query   int   // its number in the program
	steps   []int // those of the steps of a sequence, -1 for what must not happen
	uses    []use
	by      [][]decode.FieldID
	logs    int64 // that it reads
	matches int64
	stepped []int64 // by step
	grouped []int64 // by label: matches that have it
	groups  map[uint64]bool
	many    bool // there were more groups than its limit, after which none is counted
	wholes  []whole
}

// whole is a text with which a rule compares the whole value of a field, and a longer value that
// the text is within.
type whole struct {
	leaf *rule.Leaf
	id   decode.FieldID
	text string // folded
	in   string // "" for none
}

// use is a field that a rule asks for.
type use struct {
	rule.Use
	ids  []decode.FieldID
	seen bool
}

// New prepares a survey of the rules that read topics and are not off.
func New(set *rule.Set, o Options) (*Survey, error) {
	s := &Survey{
		set:      set,
		o:        o,
		decoders: map[string]*decode.Decoder{},
		names:    names{},
		parts:    map[models.Partition]*part{},
		seed:     maphash.MakeSeed(),
	}
	var queries []rule.Query
	var fields []string
	add := func(q rule.Query) int {
		queries = append(queries, q)
		return len(queries) - 1
	}
	for _, r := range set.Rules {
		if r.Mode == rule.Off || slices.Contains(sources(r), "alerts") {
			continue
		}
		q, err := query(r)
		if err != nil {
			return nil, err
		}
		w := &watched{
			rule:    r,
			query:   add(q),
			groups:  map[uint64]bool{},
			stepped: make([]int64, len(r.Sequence)),
			grouped: make([]int64, len(r.By)),
		}
		for _, step := range r.Sequence {
			at := -1
			if !step.Not {
				at = add(both(r.Match, step.Match))
			}
			w.steps = append(w.steps, at)
		}
		for _, u := range set.Uses(r) {
			w.uses = append(w.uses, use{Use: u})
			fields = append(fields, u.Fields...)
		}
		s.watched = append(s.watched, w)
	}
	var err error
	s.program, err = match.Compile(
		queries,
		match.Options{Fields: fields, Lists: func(name string) ([]string, bool) {
			l, ok := set.Lists[name]
			if !ok {
				return nil, false
			}
			return l.Values, true
		}},
	)
	if err != nil {
		return nil, err
	}
	s.matcher = s.program.NewMatcher()
	s.locate()
	return s, nil
}

// query is the one whose matches count: the rule's own, or what its condition or its sequence asks
// for.
func query(r *rule.Rule) (rule.Query, error) {
	if r.Match != nil {
		return r.Match, nil
	}
	c := *r
	c.Resolve.Match = nil // a log that resolves is no match
	if c.Record {
		return nil, nil
	}
	p, err := window.Compile(&c)
	if err != nil {
		return nil, err
	}
	return p.Match(), nil
}

func both(a, b rule.Query) rule.Query {
	if a == nil {
		return b
	}
	return &rule.And{Of: []rule.Query{a, b}}
}

func sources(r *rule.Rule) []string { return append([]string{r.Source}, r.Sources...) }

// locate finds the places of the fields.
func (s *Survey) locate() {
	ids := func(paths []string) (list []decode.FieldID) {
		for _, path := range paths {
			if id, ok := s.program.Fields().ID(path); ok {
				list = append(list, id)
			}
		}
		return list
	}
	for _, w := range s.watched {
		for i := range w.uses {
			w.uses[i].ids = ids(w.uses[i].Fields)
		}
		for _, leaf := range rule.Wanted(w.rule) {
			if id, ok := s.program.Fields().ID(leaf.Field); ok && leaf.Op == rule.OpEqual &&
				len(leaf.Text) >= leastWhole {
				w.wholes = append(
					w.wholes,
					whole{leaf: leaf, id: id, text: strings.ToLower(leaf.Text)},
				)
			}
		}
		for _, label := range w.rule.By {
			w.by = append(w.by, ids(label.Fields))
		}
	}
}

// Add looks at a record. The survey keeps nothing of its memory.
func (s *Survey) Add(r *models.Record) error {
	d := s.decoders[r.Topic]
	if d == nil {
		var err error
		if d, err = decode.New(s.o.Decode(r.Topic), s.program.Fields()); err != nil {
			return err
		}
		s.decoders[r.Topic] = d
	}
	s.current = s.part(models.Partition{Topic: r.Topic, Partition: r.Partition})
	if !s.o.File {
		s.current.at(r.Timestamp)
	}
	s.Records++
	d.Decode(r, s.log, func(decode.Reason, string) { s.Rejected++ })
	return nil
}

// Begin says that the sample has all records of a partition since a time, and that there were
// others before. Without it the sample of the partition begins with its first record, though nobody
// knows for how long there was none before.
func (s *Survey) Begin(p models.Partition, at time.Time) { s.part(p).at(at) }

// CutShort says that the sample has ended before all was read: of each partition with its last
// record, and not now.
func (s *Survey) CutShort() { s.o.Until = time.Time{} }

func (s *Survey) part(p models.Partition) *part {
	if s.parts[p] == nil {
		s.parts[p] = &part{topic: p.Topic, matches: make([]int64, len(s.watched))}
	}
	return s.parts[p]
}

// at widens the time that was seen.
func (p *part) at(t time.Time) {
	if p.from.IsZero() || t.Before(p.from) {
		p.from = t
	}
	if t.After(p.to) {
		p.to = t
	}
}

func (s *Survey) log(l *decode.Log) {
	s.Logs++
	at := time.Unix(0, l.Time()).UTC()
	if !s.o.File || l.TimeSource() != "kafka" { // the time of a file says nothing of its lines
		if s.From.IsZero() || at.Before(s.From) {
			s.From = at
		}
		if at.After(s.To) {
			s.To = at
		}
		if s.o.File {
			s.current.at(at)
		}
	}
	if s.Logs <= namedLogs || s.Logs%namedEvery == 0 {
		s.names.add(l)
	}
	s.hits = s.matcher.Match(l, s.hits[:0])
	for i, w := range s.watched {
		if s.reads(w.rule, s.current.topic) {
			w.look(s, l, i)
		}
	}
}

// reads says whether a rule reads a topic.
func (s *Survey) reads(r *rule.Rule, topic string) bool {
	if s.o.File || r.Source == "" {
		return true
	}
	return slices.Contains(sources(r), topic)
}

func (s *Survey) holds(query int) bool {
	_, found := slices.BinarySearch(s.hits, int32(query))
	return found
}

// look takes notice of a log that the rule reads.
func (w *watched) look(s *Survey, l *decode.Log, number int) {
	w.logs++
	for i := range w.uses {
		if u := &w.uses[i]; !u.seen {
			u.seen = slices.ContainsFunc(
				u.ids,
				func(id decode.FieldID) bool { return present(l, id) },
			)
		}
	}
	for i, step := range w.steps {
		if step >= 0 && s.holds(step) {
			w.stepped[i]++
		}
	}
	if !s.holds(w.query) {
		w.almost(l)
		return
	}
	w.matches++
	s.current.matches[number]++
	w.group(s, l)
}

// almost notes values that hold a text which the rule wants to be all of them, as long as nothing
// matches.
func (w *watched) almost(l *decode.Log) {
	if w.matches > 0 {
		return
	}
	for i := range w.wholes {
		o := &w.wholes[i]
		if o.in != "" {
			continue
		}
		v := l.Value(o.id)
		if v.Kind == decode.String && len(v.Text) > len(o.text) && len(v.Text) <= longestWhole &&
			strings.Contains(strings.ToLower(string(v.Text)), o.text) {
			o.in = strings.ToValidUTF8(string(v.Text), "\ufffd")
		}
	}
}

// group notes the group of a log that matches.
func (w *watched) group(s *Survey, l *decode.Log) {
	if len(w.by) == 0 {
		return
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	for i, ids := range w.by {
		for _, id := range ids {
			if present(l, id) {
				w.grouped[i]++
				h.Write(l.Value(id).Text)
				break
			}
		}
		h.WriteByte(0)
	}
	key := h.Sum64()
	if w.many || w.groups[key] {
		return
	}
	if w.many = len(w.groups) >= w.rule.Limit; !w.many {
		w.groups[key] = true
	}
}

// present says whether a log has a field. A level that is not known is none.
func present(l *decode.Log, id decode.FieldID) bool {
	if id == decode.FieldLevel {
		return l.Severity() > 0
	}
	return l.Value(id).Kind > decode.Null
}

// perMinute is how many matches of a rule are to be expected; false when the sample tells no time.
func (s *Survey) perMinute(number int) (sum float64, known bool) {
	for _, p := range s.parts {
		until := p.to
		if !s.o.File && s.o.Until.After(until) {
			until = s.o.Until
		}
		if span := until.Sub(p.from); span > 0 {
			sum += float64(p.matches[number]) / max(span, time.Second).Minutes()
			known = true
		}
	}
	return sum, known
}

// Findings are what is probably not meant, in the order of the files; what a rule ignores is among
// them.
func (s *Survey) Findings() []rule.Finding {
	var found []rule.Finding
	for _, w := range s.watched {
		if w.logs > 0 {
			found = append(found, s.of(w)...)
		}
	}
	slices.SortStableFunc(found, func(a, b rule.Finding) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
		)
	})
	return found
}
