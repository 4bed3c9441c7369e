package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// search reads logs from the topics and keeps those that match a query.
type search struct {
	logs     Logs
	query    rule.Query // nil for every log
	lists    match.Lists
	decoders map[string]*decode.Decoder

	only      func(*decode.Log) bool // nil for every log
	partition *int32                 // nil for all
}

// run calls each for every matching log until the records end, ctx ends, or each returns false. It
// returns the number of logs read.
func (q *search) run(
	ctx context.Context,
	from From,
	each func(models.LogEntry) bool,
) (read int, err error) {
	for record, err := range q.logs.Records(ctx, from) {
		if err != nil {
			if ctx.Err() != nil {
				return read, nil
			}
			return read, err
		}
		if q.partition != nil && record.Partition != *q.partition {
			continue
		}
		more := true
		decoder, err := q.decoder(record.Topic)
		if err != nil {
			return read, err
		}
		decoder.Decode(&record, func(l *decode.Log) {
			read++
			if more && ctx.Err() == nil && (q.query == nil || match.Eval(q.query, l, q.lists)) &&
				(q.only == nil || q.only(l)) {
				more = each(l.Entry())
			}
		}, func(decode.Reason, string) {})
		if !more || ctx.Err() != nil {
			return read, nil
		}
	}
	return read, nil
}

func (q *search) decoder(topic string) (*decode.Decoder, error) {
	if d := q.decoders[topic]; d != nil {
		return d, nil
	}
	d, err := decode.New(q.logs.Decode(topic), decode.NewFields())
	q.decoders[topic] = d
	return d, err
}

const (
	maxMessage = 2000 // characters of a message
	lookTime   = 8 * time.Second
)

// lineOf is a log for display.
func lineOf(e models.LogEntry) models.Line {
	l := models.Line{
		Time:     e.Timestamp,
		Level:    e.Level,
		Service:  e.Service,
		Message:  safetext.Clip(e.Message, maxMessage),
		Fields:   map[string]string{},
		Position: e.Position,
	}
	if l.Message == "" {
		l.Message = safetext.Clip(e.Raw, maxMessage)
	}
	flatten(l.Fields, "", e.Fields, 3)
	for name, value := range map[string]string{
		"host":                e.Host,
		"namespace":           e.Namespace,
		"kubernetes.pod_name": e.Kubernetes.PodName,
		"trace_id":            e.TraceID,
	} {
		if value != "" {
			l.Fields[name] = safetext.Clip(value, maxValue)
		}
	}
	return l
}

const (
	maxFields = 60  // of a log
	maxValue  = 200 // characters of a value
)

// flatten stores nested fields by their dotted paths.
func flatten(into map[string]string, prefix string, fields map[string]any, depth int) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(into) >= maxFields {
			return
		}
		switch v := fields[name].(type) {
		case map[string]any:
			if depth > 0 {
				flatten(into, prefix+name+".", v, depth-1)
			}
		case string:
			into[safetext.Clip(prefix+name, maxValue)] = safetext.Clip(v, maxValue)
		case json.Number:
			into[safetext.Clip(prefix+name, maxValue)] = v.String()
		default:
			text, err := json.Marshal(v)
			if err == nil {
				into[safetext.Clip(prefix+name, maxValue)] = safetext.Clip(string(text), maxValue)
			}
		}
	}
}

// searchResult is the result of a search.
type searchResult struct {
	Read      int           `json:"read"`    // logs
	Matched   int           `json:"matched"` // logs
	From      time.Time     `json:"from"`
	To        time.Time     `json:"to"`
	Reached   time.Time     `json:"reached"` // everything after it has been read
	Lines     []models.Line `json:"lines"`   // newest first
	Fields    []*fieldCount `json:"fields"`  // of the matches, most frequent first
	Bars      []int         `json:"bars"`    // matches over time, From to To
	Truncated bool          `json:"truncated"`
}

// fieldCount is a field, the number of logs that have it, and its most frequent values.
type fieldCount struct {
	Field  string            `json:"field"`
	Logs   int               `json:"logs"`
	Values []models.TopValue `json:"values"`
	More   bool              `json:"more"` // more values than listed
}

const bars = 60

func (f *searchResult) bar(at time.Time) {
	if span := f.To.Sub(f.From); span > 0 && !at.Before(f.From) && at.Before(f.To) {
		f.Bars[int(float64(at.Sub(f.From))/float64(span)*bars)]++
	}
}

// newest sorts lines, newest first, and keeps at most most.
func newest(lines []models.Line, most int) []models.Line {
	slices.SortStableFunc(lines, func(a, b models.Line) int { return b.Time.Compare(a.Time) })
	return lines[:min(most, len(lines))]
}

// fieldCounts counts the logs that have a field, and its values. Fields and values are bounded.
type fieldCounts map[string]*valueCounts

type valueCounts struct {
	logs   int
	values map[string]int64
}

func (c fieldCounts) add(l models.Line) {
	count := func(field, value string) {
		of := c[field]
		if of == nil {
			if len(c) >= 200 {
				return
			}
			of = &valueCounts{values: map[string]int64{}}
			c[field] = of
		}
		of.logs++
		if _, known := of.values[value]; known || len(of.values) < 1000 {
			of.values[value]++
		}
	}
	for field, value := range l.Fields {
		count(field, value)
	}
	if l.Level != "" {
		count("level", l.Level)
	}
	if l.Service != "" {
		count("service", l.Service)
	}
}

func (c fieldCounts) list() []*fieldCount {
	const mostValues = 8
	var list []*fieldCount
	for field, of := range c {
		one := &fieldCount{Field: field, Logs: of.logs, More: len(of.values) > mostValues}
		for value, n := range of.values {
			one.Values = append(one.Values, models.TopValue{Value: value, Count: n})
		}
		slices.SortFunc(one.Values, func(a, b models.TopValue) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
		one.Values = one.Values[:min(mostValues, len(one.Values))]
		list = append(list, one)
	}
	rank := map[string]int{"level": -2, "service": -1}
	slices.SortFunc(list, func(a, b *fieldCount) int {
		return cmp.Or(cmp.Compare(rank[a.Field], rank[b.Field]), cmp.Compare(b.Logs, a.Logs),
			cmp.Compare(a.Field, b.Field))
	})
	return list[:min(40, len(list))]
}

// tailLimit is the maximum number of lines per second of a tail; the rest is only counted.
const tailLimit = 100

// getTail streams new matching logs: an event "line" for each, and "count" once a second with the
// number of matches.
func (h *exploreHandlers) getTail(w http.ResponseWriter, r *http.Request) error {
	q, err := h.topics.newSearch(r.FormValue("query"))
	if err != nil {
		return err
	}
	if err := h.topics.checkTopic(r.FormValue("topic")); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out, err := newStream(w)
	if err != nil {
		return err
	}
	t := &tail{sent: make(chan models.Line, tailLimit)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(t.sent)
		_, t.err = q.run(ctx, From{Topic: r.FormValue("topic"), Follow: true}, t.line)
	})
	err = h.sendTail(ctx, out, t)
	cancel()
	for range t.sent { // unblock the reader
	}
	reading.Wait()
	return err
}

// tail passes lines from the reader of the topic to the response.
type tail struct {
	sent    chan models.Line
	err     error // set before sent is closed
	mu      sync.Mutex
	matched int
}

// line never blocks: a client that is slower than the topic misses lines but sees their number.
func (t *tail) line(e models.LogEntry) bool {
	t.mu.Lock()
	t.matched++
	t.mu.Unlock()
	select {
	case t.sent <- lineOf(e):
	default:
	}
	return true
}

func (t *tail) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.matched
}

func (h *exploreHandlers) sendTail(ctx context.Context, out *stream, t *tail) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	budget := tailLimit
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.stopping:
			return nil
		case <-tick.C:
			budget = tailLimit
			if out.send("count", map[string]int{"matched": t.count()}) != nil {
				return nil
			}
		case l, open := <-t.sent:
			if !open {
				if t.err != nil {
					_ = out.send("problem", map[string]string{"error": t.err.Error()})
				}
				return nil
			}
			if budget--; budget >= 0 && out.send("line", showLine(l)) != nil {
				return nil
			}
		}
	}
}

// stream is a response with server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newStream(w http.ResponseWriter) (*stream, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	out := &stream{w, http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	// a comment, since compression flushes nothing before it knows what there is
	if _, err := io.WriteString(w, ":\n\n"); err != nil {
		return nil, err
	}
	return out, out.flush()
}

func (o *stream) flush() error {
	if err := o.control.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil &&
		!errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return o.control.Flush()
}

// send writes an event with v as JSON.
func (o *stream) send(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text = safetext.JSON(text)
	if _, err := fmt.Fprintf(o.w, "event: %s\ndata: %s\n\n", name, text); err != nil {
		return err
	}
	return o.flush()
}

// shownLine is a line for display with hidden characters made visible.
type shownLine struct {
	Time    string            `json:"time"`
	At      time.Time         `json:"at"`
	Level   string            `json:"level"`
	Service string            `json:"service"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields"`
	Link    string            `json:"link"`
	Where   string            `json:"where"`
}

func showLine(l models.Line) shownLine {
	fields := make(map[string]string, len(l.Fields))
	for name, value := range l.Fields {
		fields[safetext.Visible(name)] = safetext.Visible(value)
	}
	return shownLine{
		l.Time.UTC().Format("15:04:05.000"),
		l.Time.UTC(),
		safetext.Visible(l.Level),
		safetext.Visible(l.Service),
		safetext.Visible(l.Message),
		fields,
		offsetLink(l.Position),
		safetext.ClipLine(fmt.Sprintf("%s/%d/%d", l.Position.Topic, l.Position.Partition,
			l.Position.Offset), 80),
	}
}
