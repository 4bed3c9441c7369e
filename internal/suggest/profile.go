// Package suggest proposes rules for the logs of a topic. It knows a library of rules that most
// teams want, counts in a sample of the logs what each would have counted, and sets thresholds
// above what is usual there.
//
// A profile reads the sample once. What it proposes is text: a rule file, and a test script that
// the rules pass.
package suggest

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	maxGroups = 200  // of a label that are counted; further ones are left out
	maxValues = 2000 // of a field, in one window of a group
	beat      = time.Minute
)

// Profile counts in a sample of logs what the rules of the library would count. It is not safe for
// concurrent use. Its memory is bounded by the number of windows in the sample.
type Profile struct {
	decode   func(topic string) decode.Config
	decoders map[string]*decode.Decoder
	index    *match.Index
	matcher  *match.Matcher
	hits     []int32
	tallies  []*tally

	Records, Logs, Rejected int
	From, To                time.Time // times of the first and the last log
}

// tally is what the sample shows of one kind of rule.
type tally struct {
	*kind
	query, part int // numbers in the index; -1 for every log, or none
	field       decode.FieldID
	labels      []labelTally
	all         groupTally // of all matches, for rules without a label
	matches     int64
	values      int64 // matches whose field has a number
	sample      string
}

// labelTally is what the sample shows of one label that a rule may be grouped by.
type labelTally struct {
	name   string
	id     decode.FieldID
	logs   int64 // matches that have it
	groups map[string]*groupTally
	more   bool // there are more groups
}

// groupTally are the windows of one group by their number.
type groupTally struct {
	logs    int64
	windows map[int64]*cell
}

// cell is one window of a group.
type cell struct {
	logs, part int64
	values     []float64
}

// NewProfile returns a profile of logs that are decoded as decode says for their topic.
func NewProfile(config func(topic string) decode.Config) (*Profile, error) {
	s := &Profile{decode: config, decoders: map[string]*decode.Decoder{}}
	var queries []rule.Query
	var fields []string
	add := func(text string) (int, error) {
		if text == "" {
			return -1, nil
		}
		q, err := rule.ParseQuery(text)
		queries = append(queries, q)
		return len(queries) - 1, err
	}
	for i := range library {
		t := &tally{kind: &library[i]}
		var err error
		if t.query, err = add(t.match); err != nil {
			return nil, err
		}
		if t.part, err = add(t.kind.part); err != nil {
			return nil, err
		}
		fields = append(append(fields, t.by...), t.kind.field)
		s.tallies = append(s.tallies, t)
	}
	var err error
	if s.index, err = match.Compile(queries, match.Options{Fields: fields}); err != nil {
		return nil, err
	}
	s.matcher = s.index.NewMatcher()
	for _, t := range s.tallies {
		t.field, _ = s.index.Fields().ID(t.kind.field)
		for _, name := range t.by {
			id, _ := s.index.Fields().ID(name)
			t.labels = append(
				t.labels,
				labelTally{name: name, id: id, groups: map[string]*groupTally{}},
			)
		}
	}
	return s, nil
}

// Add counts a record. The profile does not keep its memory.
func (s *Profile) Add(r *models.Record) error {
	d := s.decoders[r.Topic]
	if d == nil {
		var err error
		if d, err = decode.New(s.decode(r.Topic), s.index.Fields()); err != nil {
			return err
		}
		s.decoders[r.Topic] = d
	}
	s.Records++
	d.Decode(r, s.log, func(decode.Reason, string) { s.Rejected++ })
	return nil
}

func (s *Profile) log(l *decode.Log) {
	s.Logs++
	at := time.Unix(0, l.Time()).UTC()
	if s.From.IsZero() || at.Before(s.From) {
		s.From = at
	}
	if at.After(s.To) {
		s.To = at
	}
	s.hits = s.matcher.Match(l, s.hits[:0])
	holds := make([]bool, 2*len(s.tallies)+1)
	for _, q := range s.hits {
		holds[q] = true
	}
	for _, t := range s.tallies {
		if t.query < 0 || holds[t.query] {
			t.count(l, t.part >= 0 && holds[t.part])
		}
	}
}

// count counts a match.
func (t *tally) count(l *decode.Log, part bool) {
	value, ok := 0.0, false
	switch t.measure {
	case slowest:
		l.Value(t.field).Each(func(v decode.Value) bool {
			value, ok = number.Parse(v.Text)
			return false
		})
		if !ok {
			return
		}
		t.values++
	case newValue:
		if t.sample == "" {
			t.sample = string(l.Value(t.field).Text)
		}
	}
	t.matches++
	length := t.windowOr()
	if t.measure == silent {
		length = beat
	}
	window := l.Time() / int64(length)
	enter := func(g *groupTally) {
		g.logs++
		c := g.windows[window]
		if c == nil {
			c = &cell{}
			g.windows[window] = c
		}
		c.logs++
		if part {
			c.part++
		}
		if ok && len(c.values) < maxValues {
			c.values = append(c.values, value)
		}
	}
	if t.all.windows == nil {
		t.all.windows = map[int64]*cell{}
	}
	enter(&t.all)
	for i := range t.labels {
		t.labels[i].count(l, enter)
	}
}

func (t *labelTally) count(l *decode.Log, enter func(*groupTally)) {
	v := l.Value(t.id)
	if v.Kind != decode.String && v.Kind != decode.Number || len(v.Text) == 0 {
		return
	}
	t.logs++
	g := t.groups[string(v.Text)]
	if g == nil {
		if t.more = t.more || len(t.groups) == maxGroups; t.more {
			return
		}
		g = &groupTally{windows: map[int64]*cell{}}
		t.groups[string(v.Text)] = g
	}
	enter(g)
}
