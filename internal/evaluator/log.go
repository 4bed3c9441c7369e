package evaluator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"regexp"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Log is a log as rules see it.
type Log struct {
	At       instant
	Visible  instant // the first instant whose decision sees it; At, unless it came too late
	Clock    instant // when it arrived; 0 if that was in time
	Place    int     // among all logs
	Topic    string
	late     bool // of one that resolved
	severity int
	fields   map[string][]value // members of arrays, without nulls
	present  map[string]bool    // and not null, though maybe an array without members
	numbers  map[string][]Number
	any      []string // the values of all fields
}

type value struct{ text string }

// text is the text of a field. An empty one is none.
func (l *Log) text(field string) (string, bool) {
	if v := l.fields[field]; len(v) > 0 && v[0].text != "" {
		return v[0].text, true
	}
	return "", false
}

// texts are the texts of a field, that of each member of an array.
func (l *Log) texts(field string) (list []string) {
	for _, v := range l.fields[field] {
		if v.text != "" {
			list = append(list, v.text)
		}
	}
	return list
}

// whole is the texts of a field as one: an array as a whole.
func (l *Log) whole(field string) string { return strings.Join(l.texts(field), "\x00") }

// numbersOf is the numbers of a field.
func (l *Log) numbersOf(field string) []Number {
	list, ok := l.numbers[field]
	if !ok {
		for _, v := range l.fields[field] {
			if n, ok := readNumber(v.text); ok {
				list = append(list, n)
			}
		}
		l.numbers[field] = list
	}
	return list
}

const template = "@template"

// Reader reads the records of logs for some rules.
type Reader struct {
	decoder *decode.Decoder
	fields  *decode.Fields
	masks   bool // the rules name @template
	place   int
}

// NewReader returns a reader of what the rules ask for.
func NewReader(set *Rules) (*Reader, error) {
	paths := set.fields()
	masks := paths[template]
	delete(paths, template)
	for path := range maps.Clone(paths) {
		_, ways := extractionsOf(path)
		for _, way := range ways {
			paths[way.from] = true
		}
	}
	fields := decode.NewFields(slices.Sorted(maps.Keys(paths))...)
	d, err := decode.New(decode.Config{}, fields)
	return &Reader{decoder: d, fields: fields, masks: masks}, err
}

// Read reads the logs of a record.
func (r *Reader) Read(record models.Record) (logs []*Log) {
	r.decoder.Decode(&record, func(d *decode.Log) {
		l := &Log{
			At:       d.Time(),
			Visible:  d.Time(),
			Place:    r.place,
			Topic:    record.Topic,
			severity: d.Severity(),
			fields:   map[string][]value{},
			present:  map[string]bool{},
			numbers:  map[string][]Number{},
		}
		l.any = valuesOf(record.Value)
		r.place++
		for id := range r.fields.Len() {
			id := decode.FieldID(id)
			v := d.Value(id)
			if v.Kind == decode.Absent || v.Kind == decode.Null {
				continue
			}
			path := r.fields.Path(id)
			l.present[path] = true
			v.Each(func(one decode.Value) bool {
				l.fields[path] = append(l.fields[path], value{string(one.Text)})
				return true
			})
		}
		for id := range r.fields.Len() {
			r.extract(l, r.fields.Path(decode.FieldID(id)))
		}
		if m, ok := l.text("message"); ok && r.masks {
			l.fields[template] = []value{{mask(m)}}
		}
		logs = append(logs, l)
	}, func(decode.Reason, string) {})
	return logs
}

// valuesOf are the values of all fields of an object, also those within others.
func valuesOf(object []byte) (list []string) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	var all any
	if !bytes.HasPrefix(object, []byte("{")) || decoder.Decode(&all) != nil {
		return nil
	}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, one := range v {
				collect(one)
			}
		case []any:
			for _, one := range v {
				collect(one)
			}
		case nil:
		case string: // maybe an object in the message, whose fields are those of the log
			list = append(append(list, v), valuesOf([]byte(v))...)
		default:
			list = append(list, fmt.Sprint(v))
		}
	}
	collect(all)
	return list
}

const (
	clockText = `\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AP]M\b)?`
	zoneText  = `(Z\b| ?[+-]\d\d:?\d\d\b| (UTC|CES?T|E[SD]T)\b)?(\[\w+/\w+\])?`
	monthText = `(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
)

var masks = []struct {
	of   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d{4}[-/]\d\d[-/]\d\d ` + clockText + zoneText), "* *:*:*"},
	{regexp.MustCompile(`\b\d{4}[-/]\d\d[-/]\d\dT` + clockText + zoneText), "*:*:*"},
	{regexp.MustCompile(`\b\d{8}T\d{6}` + zoneText), "*"},
	{regexp.MustCompile(`\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(` + monthText + ` +\d+|\d+[ /]` +
		monthText + `)([ /]\d{4})?[ :]` + clockText + zoneText + `( \d{4}\b)?`), "*:*:*"},
	{regexp.MustCompile(`"[^"]*"|'[^']*'`), "*"},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}\b`), "*"}, // an IPv6 address
	{regexp.MustCompile(`[+-]?\d+([.,:]\d+)*`), "*"},
}

// mask is a message without its numbers, identifiers and quoted texts.
func mask(message string) string {
	for _, m := range masks {
		message = m.of.ReplaceAllString(message, m.with)
	}
	return message
}

// Rules are rules, with the hours that their file names.
type Rules struct {
	*rule.Set
	Records string // the topic of records, which only rules that name it read
	hours   map[string][]hours
}

// ReadRules reads a rule file.
func ReadRules(name string, data []byte) (*Rules, error) {
	set, err := rule.Read(name, data)
	if err != nil {
		return nil, err
	}
	hours, err := readHours(data)
	return &Rules{Set: set, hours: hours}, err
}

// fields are the paths of all fields that the rules name.
func (s *Rules) fields() map[string]bool {
	paths := map[string]bool{"message": true, "stack_trace": true, "raw": true}
	query := func(q rule.Query) {
		leaves(q, func(l *rule.Leaf) { paths[l.Field], paths[l.Other] = true, true })
	}
	labels := func(by []rule.Label) {
		for _, b := range by {
			for _, f := range b.Fields {
				paths[f] = true
			}
			for _, of := range b.Of {
				query(of.Query)
			}
		}
	}
	condition := func(c rule.Condition) {
		calls(c, func(c *rule.Call) {
			paths[c.Field] = true
			for _, field := range c.Also {
				paths[field] = true
			}
			query(c.Filter)
		})
	}
	for _, r := range s.Rules {
		query(r.Match)
		condition(r.When)
		labels(r.By)
		for _, step := range r.Sequence {
			query(step.Match)
		}
		query(r.Resolve.Match)
		condition(r.Resolve.When)
	}
	for _, m := range s.Suppressions {
		query(m.Start)
		query(m.End)
		labels(m.By)
	}
	delete(paths, "")
	delete(paths, rule.AnyField)
	return paths
}

func leaves(q rule.Query, each func(*rule.Leaf)) {
	switch q := q.(type) {
	case *rule.And:
		for _, of := range q.Of {
			leaves(of, each)
		}
	case *rule.Or:
		for _, of := range q.Of {
			leaves(of, each)
		}
	case *rule.Not:
		leaves(q.Of, each)
	case *rule.Leaf:
		each(q)
	}
}

func calls(c rule.Condition, each func(*rule.Call)) {
	switch c := c.(type) {
	case *rule.Binary:
		calls(c.Left, each)
		calls(c.Right, each)
	case *rule.Unary:
		calls(c.Of, each)
	case *rule.Call:
		each(c)
		calls(c.Of, each)
	}
}

// alertLogs are the transitions of all alerts that are about logs, as logs of a rule.
func (e *Evaluation) alertLogs(about *rule.Rule) []*Log {
	var list []Transition
	for _, r := range e.set.Rules {
		if r.Source != "alerts" && sees(about, r) && !r.Record && r.Mode != rule.Off {
			list = append(list, e.outcome(r).all...)
		}
	}
	var logs []*Log
	for i, t := range list {
		l := &Log{
			At: t.At.UnixNano(), Visible: t.At.UnixNano(), Place: i,
			fields: map[string][]value{}, numbers: map[string][]Number{},
		}
		for k, v := range t.Labels {
			l.fields[k] = []value{{v}}
		}
		l.fields["state"] = []value{{t.State}}
		l.fields["rule"] = []value{{t.Rule}}
		if t.Value.rat != nil {
			l.fields["value"] = []value{{strings.TrimSpace(t.Value.rat.FloatString(9))}}
		}
		logs = append(logs, l)
	}
	sortByTime(logs)
	return logs
}

func timeOf(at instant) time.Time { return time.Unix(0, at).UTC() }
