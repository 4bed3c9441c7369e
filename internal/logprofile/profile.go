// Package logprofile compares rules with a sample of the logs that they read. It finds what a rule
// file cannot show by itself: fields that no log has, rules that no log matches, unbounded groups,
// and the expected number of matches a minute.
//
// It only counts. A backtest reports whether a rule would fire. The findings have the form of lint
// findings, with names by which a rule can ignore them. A Profile is not safe for concurrent use.
package logprofile

import (
	"cmp"
	"fmt"
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
	Decode func(topic string) decode.Config // decoder configuration of a topic
	// The records come from a file: every rule reads them, whatever topics it names, and the time
	// range comes from the logs.
	File  bool
	Until time.Time // end of the sample of a topic, normally now
	// Only compare fields, for Referenced and Unreferenced. No rule is evaluated.
	FieldsOnly bool
}

const (
	leastPartial   = 3   // bytes of a text that is searched within values
	longestPartial = 100 // bytes of such a value
)

// Profile holds rules and what the sample shows of each.
type Profile struct {
	set        *rule.Set
	o          Options
	index      *match.Index
	matcher    *match.Matcher
	decoders   map[string]*decode.Decoder
	rules      []*ruleProfile
	names      fieldNames
	partitions map[models.Partition]*partition
	current    *partition // of the current log
	hits       []int32
	seed       maphash.Seed

	Records, Logs, Rejected int
	// records, of Rejected, that made the decoder or a rule panic, and what the last one said
	Panics   int
	Panic    string
	From, To time.Time // times of the first and the last log

	named int // logs whose fields were counted
}

// partition is what the sample shows of one partition.
type partition struct {
	topic    string
	from, to time.Time // of the records, or of a file's logs
	matches  []int64   // by rule
}

// ruleProfile is what the sample shows of one rule.
type ruleProfile struct {
	rule      *rule.Rule
	query     int   // number in the query index
	steps     []int // query numbers of a sequence's steps; -1 for a negated step
	uses      []use
	by        [][]decode.FieldID
	logs      int64 // logs that it reads
	matches   int64
	stepped   []int64 // by step
	grouped   []int64 // matches that have the label, by label
	groups    map[uint64]bool
	overLimit bool // more groups than the rule's limit; counting has stopped
	partials  []partial
}

// partial is a text that a rule compares with the whole value of a field, and a longer value that
// contains the text.
type partial struct {
	leaf *rule.Leaf
	id   decode.FieldID
	text string // folded
	in   string // "" for none
}

// use is a field that a rule reads.
type use struct {
	rule.Use
	ids  []decode.FieldID
	seen bool
}

// New returns a profile of the rules that read topics and are not off.
func New(set *rule.Set, o Options) (*Profile, error) {
	p := &Profile{
		set:        set,
		o:          o,
		decoders:   map[string]*decode.Decoder{},
		names:      fieldNames{},
		partitions: map[models.Partition]*partition{},
		seed:       maphash.MakeSeed(),
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
		w := &ruleProfile{
			rule:    r,
			groups:  map[uint64]bool{},
			stepped: make([]int64, len(r.Sequence)),
			grouped: make([]int64, len(r.By)),
		}
		if !o.FieldsOnly {
			q, err := query(r)
			if err != nil {
				return nil, err
			}
			w.query = add(q)
			for _, step := range r.Sequence {
				at := -1
				if !step.Not {
					at = add(both(r.Match, step.Match))
				}
				w.steps = append(w.steps, at)
			}
		}
		for _, u := range set.Uses(r) {
			w.uses = append(w.uses, use{Use: u})
			fields = append(fields, u.Fields...)
		}
		p.rules = append(p.rules, w)
	}
	var err error
	p.index, err = match.Compile(
		queries,
		match.Options{
			Fields: fields,
			Lists: func(name string) ([]string, bool) {
				l, ok := set.Lists[name]
				if !ok {
					return nil, false
				}
				return l.Values, true
			},
		},
	)
	if err != nil {
		return nil, err
	}
	p.matcher = p.index.NewMatcher()
	p.locate()
	return p, nil
}

// query returns the query whose matches are counted: the rule's own, or that of its condition or
// sequence.
func query(r *rule.Rule) (rule.Query, error) {
	if r.Match != nil {
		return r.Match, nil
	}
	c := *r
	c.Resolve.Match = nil // a resolving log is not a match
	if c.Record {
		return nil, nil
	}
	compiled, err := window.Compile(&c)
	if err != nil {
		return nil, err
	}
	return compiled.Match(), nil
}

func both(a, b rule.Query) rule.Query {
	if a == nil {
		return b
	}
	return &rule.And{Of: []rule.Query{a, b}}
}

func sources(r *rule.Rule) []string { return append([]string{r.Source}, r.Sources...) }

// locate resolves the IDs of the fields.
func (p *Profile) locate() {
	ids := func(paths []string) (list []decode.FieldID) {
		for _, path := range paths {
			if id, ok := p.index.Fields().ID(path); ok {
				list = append(list, id)
			}
		}
		return list
	}
	for _, w := range p.rules {
		for i := range w.uses {
			w.uses[i].ids = ids(w.uses[i].Fields)
		}
		for _, leaf := range rule.Wanted(w.rule) {
			if id, ok := p.index.Fields().ID(leaf.Field); ok && leaf.Op == rule.OpEqual &&
				len(leaf.Text) >= leastPartial {
				w.partials = append(
					w.partials,
					partial{leaf: leaf, id: id, text: strings.ToLower(leaf.Text)},
				)
			}
		}
		for _, label := range w.rule.By {
			w.by = append(w.by, ids(label.Fields))
		}
	}
}

// Add evaluates one record. The profile does not keep the record's memory. A record that makes the
// decoder or a rule panic is rejected, and counted in Panics. An error says that the format of the
// topic is wrong.
func (p *Profile) Add(r *models.Record) error {
	defer func() {
		if cause := recover(); cause != nil {
			p.Rejected++
			p.Panics++
			p.Panic = fmt.Sprintf("%.150v", cause)
			// their state after the panic is unknown
			delete(p.decoders, r.Topic)
			p.matcher = p.index.NewMatcher()
		}
	}()
	d := p.decoders[r.Topic]
	if d == nil {
		var err error
		if d, err = decode.New(p.o.Decode(r.Topic), p.index.Fields()); err != nil {
			return err
		}
		p.decoders[r.Topic] = d
	}
	p.current = p.partition(models.Partition{Topic: r.Topic, Partition: r.Partition})
	if !p.o.File {
		p.current.widen(r.Timestamp)
	}
	p.Records++
	d.Decode(r, p.log, func(decode.Reason, string) { p.Rejected++ })
	return nil
}

// Begin declares that the sample holds all records of a partition since a time. Without it the
// sample of the partition begins with its first record.
func (p *Profile) Begin(id models.Partition, from time.Time) { p.partition(id).widen(from) }

// CutShort declares that the sample was not read to its end: it ends with the last record of each
// partition, and not now.
func (p *Profile) CutShort() { p.o.Until = time.Time{} }

func (p *Profile) partition(id models.Partition) *partition {
	if p.partitions[id] == nil {
		p.partitions[id] = &partition{topic: id.Topic, matches: make([]int64, len(p.rules))}
	}
	return p.partitions[id]
}

// widen extends the time range of the partition to t.
func (p *partition) widen(t time.Time) {
	if p.from.IsZero() || t.Before(p.from) {
		p.from = t
	}
	if t.After(p.to) {
		p.to = t
	}
}

func (p *Profile) log(l *decode.Log) {
	p.Logs++
	at := time.Unix(0, l.Time()).UTC()
	if !p.o.File || l.TimeSource() != "kafka" { // a file's own time does not date its lines
		if p.From.IsZero() || at.Before(p.From) {
			p.From = at
		}
		if at.After(p.To) {
			p.To = at
		}
		if p.o.File {
			p.current.widen(at)
		}
	}
	if p.Logs <= namedLogs || p.Logs%namedEvery == 0 {
		p.named++
		p.names.add(l)
	}
	if !p.o.FieldsOnly {
		p.hits = p.matcher.Match(l, p.hits[:0])
	}
	for i, w := range p.rules {
		if p.reads(w.rule, p.current.topic) {
			w.look(p, l, i)
		}
	}
}

// reads reports whether a rule reads a topic.
func (p *Profile) reads(r *rule.Rule, topic string) bool {
	if p.o.File || r.Source == "" {
		return true
	}
	return slices.Contains(sources(r), topic)
}

func (p *Profile) holds(query int) bool {
	_, found := slices.BinarySearch(p.hits, int32(query))
	return found
}

// look counts a log that the rule reads.
func (w *ruleProfile) look(p *Profile, l *decode.Log, number int) {
	w.logs++
	for i := range w.uses {
		if u := &w.uses[i]; !u.seen {
			u.seen = slices.ContainsFunc(u.ids, func(id decode.FieldID) bool {
				return present(l, id)
			})
		}
	}
	if p.o.FieldsOnly {
		return
	}
	for i, step := range w.steps {
		if step >= 0 && p.holds(step) {
			w.stepped[i]++
		}
	}
	if !p.holds(w.query) {
		w.notePartial(l)
		return
	}
	w.matches++
	p.current.matches[number]++
	w.group(p, l)
}

// notePartial keeps a value that contains a text which the rule compares with the whole value, as
// long as nothing matches.
func (w *ruleProfile) notePartial(l *decode.Log) {
	if w.matches > 0 {
		return
	}
	for i := range w.partials {
		o := &w.partials[i]
		if o.in != "" {
			continue
		}
		v := l.Value(o.id)
		if v.Kind == decode.String && len(v.Text) > len(o.text) && len(v.Text) <= longestPartial &&
			strings.Contains(strings.ToLower(string(v.Text)), o.text) {
			o.in = strings.ToValidUTF8(string(v.Text), "\ufffd")
		}
	}
}

// group counts the group of a matching log.
func (w *ruleProfile) group(p *Profile, l *decode.Log) {
	if len(w.by) == 0 {
		return
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
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
	if w.overLimit || w.groups[key] {
		return
	}
	if w.overLimit = len(w.groups) >= w.rule.Limit; !w.overLimit {
		w.groups[key] = true
	}
}

// present reports whether a log has a field. An unknown level counts as absent.
func present(l *decode.Log, id decode.FieldID) bool {
	if id == decode.FieldLevel {
		return l.Severity() > 0
	}
	return l.Value(id).Kind > decode.Null
}

// perMinute returns the expected matches of a rule a minute; false when the sample has no times.
func (p *Profile) perMinute(number int) (sum float64, known bool) {
	for _, part := range p.partitions {
		until := part.to
		if !p.o.File && p.o.Until.After(until) {
			until = p.o.Until
		}
		if span := until.Sub(part.from); span > 0 {
			sum += float64(part.matches[number]) / max(span, time.Second).Minutes()
			known = true
		}
	}
	return sum, known
}

// Findings returns the findings in the order of the files, including those that a rule ignores.
func (p *Profile) Findings() []rule.Finding {
	var found []rule.Finding
	for _, w := range p.rules {
		if w.logs > 0 {
			found = append(found, p.of(w)...)
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
