package web

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// exploreHandlers search and follow the topics.
type exploreHandlers struct {
	topics   *topics
	details  *alertDetails
	state    *engineState
	pages    *pages
	stopping <-chan struct{} // ends all streams
	now      func() time.Time
}

func (h *exploreHandlers) routes() []route {
	return []route{
		{"GET /explore", Reader, searches, h.pages.handler(h.page)},
		{"GET /api/v1/logs", Reader, searches, api(h.getLogs)},
		{"GET /api/v1/search", Reader, searches, api(h.getSearch)},
		{"GET /api/v1/fields", Reader, costly, api(h.getFields)},
		{"GET /api/v1/record", Reader, costly, api(h.getRecord)},
		{"GET /api/v1/tail", Reader, tails, api(h.getTail)},
	}
}

// exploreData is the data of the explore page.
type exploreData struct {
	Query     string
	Since     string
	From, To  string // absolute times; they take precedence over Since
	Topic     string
	Topics    []string
	Partition string
	Alert     string // shows only logs of this alert
	AlertName string
	Problem   string
	Found     searchResult
	Bars      []band
	Hits      []timeSlice // of the histogram, to zoom in
	Ticks     []tickMark
	Around    *models.Position // shows the logs around this one
	Missing   string
	Stream    string // URL of the stream that goes on searching; "" when the search is complete
}

// timeSlice is a slice of the time range, as wide as a bar.
type timeSlice struct {
	X, Width float64
	From, To string
	Title    string
}

var sinceChoices = []string{"5m", "15m", "1h", "6h", "24h", "7d"}

// Choices are the time ranges of the page.
func (exploreData) Choices() []string { return sinceChoices }

// firstPaint is how long the page searches before it is sent; the script continues.
const firstPaint = 200 * time.Millisecond

func (h *exploreHandlers) page(w http.ResponseWriter, r *http.Request) error {
	d := exploreData{
		Query:     r.FormValue("q"),
		Since:     cmp.Or(r.FormValue("since"), "15m"),
		From:      r.FormValue("from"),
		To:        r.FormValue("to"),
		Topic:     r.FormValue("topic"),
		Partition: r.FormValue("partition"),
		Alert:     r.FormValue("alert"),
	}
	if h.topics.logs == nil {
		d.Missing = "Reading topics is not configured."
	} else {
		d.Topics = h.topics.logs.Topics()
		if err := h.explore(r, &d); err != nil {
			d.Problem = err.Error()
		}
	}
	h.pages.render(w, r, http.StatusOK, "explore", view{Title: "Explore", Page: "explore", Data: d})
	return nil
}

func (h *exploreHandlers) explore(r *http.Request, d *exploreData) error {
	if r.FormValue("offset") != "" {
		return h.around(r, d)
	}
	one, err := h.newLookBack(r)
	if err != nil {
		return err
	}
	d.AlertName = one.alertName
	if one.alertName != "" {
		d.From, d.To = one.from.UTC().Format(time.RFC3339), one.to.UTC().Format(time.RFC3339)
	}
	one.time = firstPaint
	if r.FormValue("wait") != "" { // without the script
		one.time = lookTime
	}
	if d.Found, err = one.run(r.Context(), nil); err != nil {
		return err
	}
	if d.Found.Truncated {
		d.Stream = "/api/v1/search?" + one.parameters(r).Encode()
	}
	d.drawBars()
	return nil
}

// drawBars draws the number of matches over time.
func (d *exploreData) drawBars() {
	const width, height = 960.0, 64.0
	most := max(1, slices.Max(d.Found.Bars))
	step := d.Found.To.Sub(d.Found.From) / bars
	layout := "2 Jan 15:04:05"
	for i, n := range d.Found.Bars {
		from := d.Found.From.Add(time.Duration(i) * step)
		x := float64(i) * width / bars
		d.Hits = append(d.Hits, timeSlice{
			x, width / bars, from.UTC().Format(time.RFC3339Nano),
			from.Add(step).UTC().Format(time.RFC3339Nano),
			fmt.Sprintf("%s: %s", from.UTC().Format(layout), humanNumber(n)),
		})
		if n == 0 {
			continue
		}
		tall := max(1.5, height*float64(n)/float64(most))
		d.Bars = append(d.Bars, band{X: x, Width: tall})
	}
	d.Ticks = plot{from: d.Found.From, to: d.Found.To, left: 0, right: width}.timeTicks(8)
}

// aroundLines is the number of logs shown before and after a log.
const aroundLines = 25

// around reads the logs around an offset of a partition.
func (h *exploreHandlers) around(r *http.Request, d *exploreData) error {
	q, err := h.topics.newSearch(d.Query)
	if err != nil {
		return err
	}
	at, err := h.topics.positionOf(r)
	if err != nil {
		return err
	}
	d.Around = &at
	ctx, cancel := context.WithTimeout(r.Context(), lookTime)
	defer cancel()
	counts := fieldCounts{}
	from := From{
		Topic:     at.Topic,
		Partition: at.Partition,
		Offset:    max(0, at.Offset-aroundLines),
		At:        true,
	}
	read, err := q.run(ctx, from, func(e models.LogEntry) bool {
		if e.Position.Offset > at.Offset+aroundLines {
			return false
		}
		l := lineOf(e)
		counts.add(l)
		d.Found.Matched++
		d.Found.Lines = append(d.Found.Lines, l)
		return len(d.Found.Lines) < 500
	})
	if err != nil {
		return unreadable(err)
	}
	slices.Reverse(d.Found.Lines)
	d.Found.Read, d.Found.Fields = read, counts.list()
	return nil
}

func unreadable(err error) error {
	return &apiError{http.StatusBadGateway, "reading the topic failed: " + err.Error()}
}

// lookBack is a search from newer to older logs. It reads the time range in windows, the newest
// first, so that the first lines are there before the range is read.
type lookBack struct {
	search    *search
	from, to  time.Time
	topic     string
	most      int           // lines that are kept
	time      time.Duration // after which it ends
	now       func() time.Time
	alertName string
	counted   func(models.LogEntry) // called for every match; nil for none
	enough    int                   // logs after which it ends; 0 for no bound
}

// newLookBack reads a search from a request.
func (h *exploreHandlers) newLookBack(r *http.Request) (*lookBack, error) {
	q, err := h.topics.newSearch(cmp.Or(r.FormValue("query"), r.FormValue("q")))
	if err != nil {
		return nil, err
	}
	l := &lookBack{
		search: q,
		topic:  r.FormValue("topic"),
		to:     h.now(),
		most:   200,
		time:   lookTime,
		now:    h.now,
	}
	if err := h.topics.checkTopic(l.topic); err != nil {
		return nil, err
	}
	if l.from, err = parseSince(r.FormValue("since"), 15*time.Minute, h.now()); err != nil {
		return nil, err
	}
	if text := r.FormValue("partition"); text != "" {
		partition := int32(-1)
		if _, err := fmt.Sscan(text, &partition); err != nil || partition < 0 {
			return nil, badRequest("partition: %q is not a number", safetext.ClipLine(text, 40))
		}
		q.partition = &partition
	}
	if id := r.FormValue("alert"); id != "" {
		if err := h.onlyAlert(l, id); err != nil {
			return nil, err
		}
	}
	for name, into := range map[string]*time.Time{"from": &l.from, "to": &l.to} {
		if text := r.FormValue(name); text != "" {
			if *into, err = instant(text); err != nil {
				return nil, badRequest("%s: %s", name, err)
			}
		}
	}
	if !l.from.Before(l.to) {
		return nil, badRequest("from: must be before to")
	}
	return l, nil
}

// instant parses an absolute time, of the API or of a form.
func instant(text string) (time.Time, error) {
	for _, layout := range []string{
		time.RFC3339Nano, minutes, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04",
	} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf(
		"%q is not a time (write 2026-01-05T09:00:00Z)", safetext.ClipLine(text, 40))
}

// onlyAlert limits a search to the logs of an alert: those that its rule matches, of its group,
// from the window before its start to its end.
func (h *exploreHandlers) onlyAlert(l *lookBack, id string) error {
	d, err := h.details.byID(id)
	if err != nil {
		return err
	}
	r, err := h.state.ruleByID(d.Alert.Rule)
	if err != nil {
		return err
	}
	lists := h.state.lists()
	l.search.only = func(log *decode.Log) bool {
		return (r.Match == nil || match.Eval(r.Match, log, lists)) &&
			ofAlert(r, log, d.Alert, lists)
	}
	l.alertName = cmp.Or(d.Alert.Labels["alertname"], d.Alert.Rule)
	l.from, l.to = d.Alert.StartsAt.Add(-max(r.Window, time.Minute)), h.now()
	if d.Alert.State == models.AlertResolved {
		l.to = d.Alert.At.Add(time.Second)
	}
	return nil
}

// ofAlert reports whether a log belongs to an alert's group.
func ofAlert(r *rule.Rule, log *decode.Log, a models.Alert, lists match.Lists) bool {
	group := groupOf(r, log, lists)
	for _, by := range r.By {
		if safetext.Visible(group[by.Name]) != safetext.Visible(a.Labels[by.Name]) {
			return false
		}
	}
	return true
}

// parameters are those of the same search with absolute times.
func (l *lookBack) parameters(r *http.Request) url.Values {
	v := url.Values{
		"query": {cmp.Or(r.FormValue("query"), r.FormValue("q"))},
		"from":  {l.from.UTC().Format(time.RFC3339Nano)},
		"to":    {l.to.UTC().Format(time.RFC3339Nano)},
	}
	for _, name := range []string{"topic", "partition", "alert"} {
		if text := r.FormValue(name); text != "" {
			v.Set(name, text)
		}
	}
	return v
}

const (
	firstWindow  = time.Second
	aimedRecords = 50_000 // of a window; more makes the next one shorter, fewer longer
)

// run searches until the range is read, the time limit is reached, or ctx ends. It calls each,
// which may be nil, with the new lines of every window, newest first.
func (l *lookBack) run(
	ctx context.Context, each func(searchResult, []models.Line) error,
) (searchResult, error) {
	f := searchResult{
		From:    l.from,
		To:      l.to,
		Reached: l.to,
		Lines:   []models.Line{},
		Fields:  []*fieldCount{},
		Bars:    make([]int, bars),
	}
	limited, cancel := context.WithTimeout(ctx, l.time)
	defer cancel()
	counts := fieldCounts{}
	for until, window := l.to, firstWindow; until.After(l.from); {
		from := until.Add(-window)
		if from.Before(l.from.Add(window / 2)) {
			from = l.from
		}
		lines, read, err := l.window(limited, from, until, &f, counts)
		f.Read += read
		if err != nil {
			return f, unreadable(err)
		}
		fresh := lines[:min(len(lines), max(0, l.most-len(f.Lines)))]
		f.Lines = append(f.Lines, fresh...)
		if limited.Err() != nil {
			f.Truncated = true
			break
		}
		f.Reached = from
		if l.enough > 0 && f.Read >= l.enough {
			break
		}
		if each != nil {
			f.Fields = counts.list()
			if err := each(f, fresh); err != nil {
				return f, err
			}
		}
		until = from
		switch {
		case read < aimedRecords/4:
			window *= 4
		case read > aimedRecords:
			window = max(window/2, 100*time.Millisecond)
		}
	}
	f.Fields = append([]*fieldCount{}, counts.list()...)
	return f, nil
}

// window reads the records of a window and returns its newest lines, newest first.
func (l *lookBack) window(
	ctx context.Context, from, until time.Time, f *searchResult, counts fieldCounts,
) (lines []models.Line, read int, err error) {
	most := max(l.most-len(f.Lines), 1)
	read, err = l.search.run(ctx, From{Topic: l.topic, Time: from, Until: until},
		func(e models.LogEntry) bool {
			f.Matched++
			if l.counted != nil {
				l.counted(e)
			}
			one := lineOf(e)
			counts.add(one)
			f.bar(one.Time)
			if lines = append(lines, one); len(lines) >= 2*most+500 {
				lines = newest(lines, most)
			}
			return true
		})
	return newest(lines, most), read, err
}

// streamTime is how long a streamed search may read.
const streamTime = 10 * time.Minute

// getSearch streams a search: "lines" for the lines of a window, newest first, "progress", and
// "end" with the reason.
func (h *exploreHandlers) getSearch(w http.ResponseWriter, r *http.Request) error {
	l, err := h.newLookBack(r)
	if err != nil {
		return err
	}
	if l.most, err = number(r, "limit", 500, 5000); err != nil {
		return err
	}
	l.time = streamTime
	out, err := newStream(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-h.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	f, err := l.run(ctx, func(f searchResult, lines []models.Line) error {
		return out.sendFound(f, lines)
	})
	if r.Context().Err() != nil {
		return nil
	}
	end := map[string]any{"reason": "complete"}
	switch {
	case err != nil:
		end = map[string]any{"reason": "error", "error": safetext.Visible(err.Error())}
	case f.Truncated:
		end["reason"] = "time limit"
	}
	if err := out.sendFound(f, nil); err == nil {
		_ = out.send("end", end) // the client may be gone
	}
	return nil
}

func (o *stream) sendFound(f searchResult, lines []models.Line) error {
	if len(lines) > 0 {
		shown := make([]shownLine, len(lines))
		for i, one := range lines {
			shown[i] = showLine(one)
		}
		if err := o.send("lines", shown); err != nil {
			return err
		}
	}
	f.Lines = nil
	for _, one := range f.Fields {
		one.Field = safetext.ClipLine(one.Field, 60)
		values := slices.Clone(one.Values)
		for j := range values {
			values[j].Value = strings.ToValidUTF8(values[j].Value, "\uFFFD")
		}
		one.Values = values
	}
	return o.send("progress", f)
}

// rawRecord is a record as it is on the topic.
type rawRecord struct {
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Offset    int64          `json:"offset"`
	Timestamp time.Time      `json:"timestamp"`
	Key       string         `json:"key"`
	Headers   []rawHeader    `json:"headers"`
	Value     string         `json:"value"`
	Encoding  string         `json:"encoding"` // of the value: text, or base64 for other bytes
	Bytes     int            `json:"bytes"`
	Logs      []decodedShort `json:"logs"`
	Rejected  string         `json:"rejected,omitempty"`
}

type rawHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type decodedShort struct {
	Format string      `json:"format"`
	Line   models.Line `json:"line"`
}

// maxRaw is the number of bytes of a raw record that are shown.
const maxRaw = 256 << 10

func (h *exploreHandlers) getRecord(w http.ResponseWriter, r *http.Request) error {
	if h.topics.logs == nil {
		return missing("reading topics")
	}
	at, err := h.topics.positionOf(r)
	if err != nil {
		return err
	}
	record, err := h.topics.readRecord(r.Context(), at)
	if err != nil {
		return err
	}
	raw := rawRecord{
		Topic:     record.Topic,
		Partition: record.Partition,
		Offset:    record.Offset,
		Timestamp: record.Timestamp.UTC(),
		Key:       textOf(record.Key),
		Bytes:     len(record.Value),
		Headers:   []rawHeader{},
		Logs:      []decodedShort{},
	}
	for _, h := range record.Headers {
		raw.Headers = append(raw.Headers, rawHeader{textOf([]byte(h.Key)), textOf(h.Value)})
	}
	raw.Value, raw.Encoding = valueText(record.Value)
	decoder, err := decode.New(h.topics.logs.Decode(record.Topic), decode.NewFields())
	if err != nil {
		return err
	}
	decoder.Decode(&record, func(l *decode.Log) {
		if len(raw.Logs) < maxLogs {
			raw.Logs = append(raw.Logs, decodedShort{l.Format(), lineOf(l.Entry())})
		}
	}, func(reason decode.Reason, detail string) {
		raw.Rejected = safetext.Visible(fmt.Sprintf("%s: %s", reason, detail))
	})
	return ok(w, raw)
}

// textOf is bytes as text, or in base64.
func textOf(b []byte) string {
	text, _ := valueText(b)
	return text
}

func valueText(b []byte) (text, encoding string) {
	if len(b) > maxRaw {
		for b = b[:maxRaw]; len(b) > maxRaw-utf8.UTFMax && !utf8.Valid(b); { // a cut character
			b = b[:len(b)-1]
		}
	}
	if utf8.Valid(b) {
		return string(b), "text"
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}

// getFields are the fields of recent logs, for completion.
func (h *exploreHandlers) getFields(w http.ResponseWriter, r *http.Request) error {
	q, err := h.topics.newSearch("")
	if err != nil {
		return err
	}
	if err := h.topics.checkTopic(r.FormValue("topic")); err != nil {
		return err
	}
	l := &lookBack{
		search: q,
		topic:  r.FormValue("topic"),
		from:   h.now().Add(-time.Hour),
		to:     h.now(),
		most:   1,
		time:   time.Second,
		now:    h.now,
		enough: 5000,
	}
	f, err := l.run(r.Context(), nil)
	if err != nil {
		return err
	}
	return ok(w, f.Fields)
}

func (h *exploreHandlers) getLogs(w http.ResponseWriter, r *http.Request) error {
	l, err := h.newLookBack(r)
	if err != nil {
		return err
	}
	if l.most, err = number(r, "limit", 100, 1000); err != nil {
		return err
	}
	f, err := l.run(r.Context(), nil)
	if err != nil {
		return err
	}
	return ok(w, f)
}
