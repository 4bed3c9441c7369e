package history

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Of returns all entries of an alert, oldest first.
func (l *Log) Of(alertID string) (list []Entry) {
	segments := l.all()
	defer release(segments)
	hash := hashOf(alertID)
	for _, s := range segments {
		offsets, err := s.of(hash)
		if err != nil {
			l.opts.Logger.Warn("a segment of the history cannot be read", "error", err)
			continue
		}
		for _, offset := range offsets {
			if e, err := s.entry(int64(offset)); err == nil && e.AlertID == alertID {
				list = append(list, e)
			}
		}
	}
	return list
}

// Query chooses entries. The zero value chooses all.
type Query struct {
	From, To time.Time // event time; To is excluded
	Kinds    []Kind    // nil for all
	States   []models.AlertState
	Rule     string // group/name
	AlertID  string
	Labels   map[string]string // that the alert of a transition has
	Text     string            // in the summary, the reason, labels or the detail; case is ignored

	// A page is what comes before Before, which is the Next of the page before; "" for the newest.
	Before string
	Limit  int // 200 by default
}

// Page is a part of what a query chooses, newest first.
type Page struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty"` // Before of the next page; "" at the end
	Read    int     `json:"read"`           // entries that were looked at
}

const (
	defaultLimit = 200
	maxLimit     = 5000
	maxRead      = 200_000 // entries of one page
)

// Query returns a page. It looks at a bounded number of entries, so a page may have fewer entries
// than the limit and still a Next.
func (l *Log) Query(ctx context.Context, q Query) (p Page, err error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	from, err := parseCursor(q.Before)
	if err != nil {
		return p, err
	}
	q.Text = strings.ToLower(q.Text)
	segments := l.all()
	defer release(segments)
	p.Entries = []Entry{}
	full := func() bool {
		return len(p.Entries) == q.Limit || p.Read == maxRead || ctx.Err() != nil
	}
	chosen := q.byIndex()
	for _, s := range slices.Backward(segments) {
		before := s.end()
		switch {
		case from.number > 0 && s.first > from.number:
			continue
		case s.number == from.number && s.version == from.version:
			before = min(before, from.offset)
		} // of a segment that was rewritten since, some entries come once more
		if !s.mayHave(&q) {
			continue
		}
		offsets, err := s.choose(chosen)
		if err != nil {
			return p, fmt.Errorf("read history: %w", err)
		}
		for _, at := range slices.Backward(offsets) {
			if int64(at) >= before {
				continue
			}
			if full() {
				return p, ctx.Err()
			}
			p.Read++
			if e, err := s.entry(int64(at)); err == nil && q.matches(&e) {
				p.Entries = append(p.Entries, e)
			}
			p.Next = cursor{s.number, int64(at), s.version}.String()
		}
		if full() {
			return p, ctx.Err()
		}
	}
	p.Next = ""
	return p, nil
}

// byIndex says of what the index has of an entry whether the entry may be chosen.
func (q *Query) byIndex() func(ref) bool {
	alert, rule := hashOf(q.AlertID), hashOf(q.Rule)
	low, high := q.bounds()
	return func(r ref) bool {
		return (q.AlertID == "" || r.alert == alert) && (q.Rule == "" || r.rule == rule) &&
			r.at >= low && r.at <= high &&
			(len(q.Kinds) == 0 ||
				slices.Contains(q.Kinds, kinds[min(int(r.kind), len(kinds)-1)])) &&
			(len(q.States) == 0 ||
				slices.Contains(q.States, alertStates[min(int(r.state), len(alertStates)-1)]))
	}
}

// bounds are the times of the query in the unit of the index.
func (q *Query) bounds() (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if !q.From.IsZero() {
		low = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		high = q.To.UnixMilli()
	}
	return low, high
}

// mayHave reports whether a segment may have an entry that is chosen.
func (s *segment) mayHave(q *Query) bool {
	s.mu.RLock()
	closed := s.refs == nil
	s.mu.RUnlock()
	if !closed {
		return true
	}
	low, high := q.bounds()
	if s.covers.high < low || s.covers.low > high ||
		q.Rule != "" && s.covers.rules[hashOf(q.Rule)] == 0 {
		return false
	}
	return len(q.Kinds) == 0 || slices.ContainsFunc(q.Kinds, func(k Kind) bool {
		return s.covers.kinds[max(0, slices.Index(kinds, k))]
	})
}

// cursor is a place in the history.
type cursor struct {
	number  uint64
	offset  int64
	version int64
}

func (c cursor) String() string {
	if c.version == 0 {
		return fmt.Sprintf("%d-%d", c.number, c.offset)
	}
	return fmt.Sprintf("%d-%d-%d", c.number, c.offset, c.version)
}

func parseCursor(text string) (c cursor, err error) {
	if text == "" {
		return c, nil
	}
	parts := append(strings.SplitN(text, "-", 3), "0")
	if len(parts) >= 3 {
		var errs [3]error
		c.number, errs[0] = strconv.ParseUint(parts[0], 10, 64)
		c.offset, errs[1] = strconv.ParseInt(parts[1], 10, 64)
		c.version, errs[2] = strconv.ParseInt(parts[2], 10, 64)
		if errors.Join(errs[:]...) == nil && c.number > 0 && c.offset >= 0 {
			return c, nil
		}
	}
	return c, fmt.Errorf("%q is not a place in the history; use the next of a page", text)
}

func (q *Query) matches(e *Entry) bool {
	at := e.At
	if at.IsZero() {
		at = e.Time
	}
	switch {
	case !q.From.IsZero() && at.Before(q.From), !q.To.IsZero() && !at.Before(q.To),
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, e.Kind),
		len(q.States) > 0 && !slices.Contains(q.States, e.State),
		q.Rule != "" && q.Rule != e.Rule,
		q.AlertID != "" && q.AlertID != e.AlertID:
		return false
	}
	for name, value := range q.Labels {
		if e.Alert == nil || e.Alert.Labels[name] != value {
			return false
		}
	}
	return q.Text == "" || e.contains(q.Text)
}

func (e *Entry) contains(text string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if has(e.Detail) || has(e.Rule) || has(e.Receiver) || has(e.By) {
		return true
	}
	if e.Alert == nil {
		return false
	}
	for _, v := range e.Alert.Labels {
		if has(v) {
			return true
		}
	}
	return has(e.Alert.Reason) || has(e.Alert.Annotations["summary"])
}

// Formats of Export.
const (
	JSON = "json" // an entry a line
	CSV  = "csv"
)

// Export writes all that a query chooses, newest first. Its Before and Limit do not count.
func (l *Log) Export(ctx context.Context, w io.Writer, q Query, format string) error {
	var write func(*Entry) error
	switch format {
	case JSON:
		out := json.NewEncoder(safetext.NewJSONWriter(w))
		out.SetEscapeHTML(false)
		write = func(e *Entry) error { return out.Encode(e) }
	case CSV:
		out := csv.NewWriter(w)
		if err := out.Write(csvHeader); err != nil {
			return err
		}
		defer out.Flush()
		write = func(e *Entry) error { return out.Write(e.csv()) }
	default:
		return fmt.Errorf("format %q is not known; there are json and csv", format)
	}
	q.Limit, q.Before = maxLimit, ""
	for {
		p, err := l.Query(ctx, q)
		if err != nil {
			return err
		}
		for i := range p.Entries {
			if err := write(&p.Entries[i]); err != nil {
				return err
			}
		}
		if p.Next == "" {
			return nil
		}
		q.Before = p.Next
	}
}

var csvHeader = []string{
	"time", "kind", "rule", "alert_id", "state", "at", "severity", "labels", "value", "threshold",
	"reason", "summary", "receiver", "integration", "detail", "by",
}

func (e *Entry) csv() []string {
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	row := []string{
		stamp(e.Time), string(e.Kind), e.Rule, e.AlertID, string(e.State), stamp(e.At),
		"", "", "", "", "", "", e.Receiver, e.Integration, e.Detail, e.By,
	}
	if a := e.Alert; a != nil {
		row[6], row[7] = a.Severity, labelText(a.Labels)
		row[8], row[9] = strconv.FormatFloat(a.Value, 'g', -1, 64), a.Threshold
		row[10], row[11] = a.Reason, a.Annotations["summary"]
	}
	for i := range row {
		row[i] = safetext.Cell(row[i])
	}
	return row
}

func labelText(set map[string]string) string {
	parts := make([]string, 0, len(set))
	for name, value := range set {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
