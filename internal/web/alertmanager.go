package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertmanager has the silences, and which alerts are inhibited or routed where.
type alertmanager struct {
	api   http.Handler // paths from /api/v2 on; nil for none
	audit *auditTrail
	now   func() time.Time
}

func (am *alertmanager) routes() []route {
	if am.api == nil {
		return nil
	}
	h := am.handler()
	return []route{{"GET /api/v2/", Reader, costly, h}, {"/api/v2/", Writer, costly, h}}
}

// handler passes requests to Alertmanager's API. The Origin header is removed, because the API
// would allow any origin to read the answer. Expressions are bounded before the API compiles them,
// and changes are logged like those of our own pages.
func (am *alertmanager) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkExpressions(r); err != nil {
			writeError(w, err)
			return
		}
		r = r.Clone(r.Context())
		r.Header.Del("Origin")
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			am.api.ServeHTTP(w, r)
			return
		}
		am.changeSilence(w, r)
	})
}

// checkExpressions bounds the expressions in the query of a request.
func checkExpressions(r *http.Request) error {
	if err := tooLong("query", r.URL.RawQuery); err != nil {
		return err
	}
	query := r.URL.Query()
	for _, receiver := range append(query["receiver"], query["receiver_matchers"]...) {
		if _, err := compileBounded(receiver); err != nil {
			return badRequest("receiver: %s", err)
		}
	}
	for _, filter := range query["filter"] {
		if _, expression, is := strings.Cut(filter, "~"); is {
			expression = strings.Trim(strings.TrimSpace(expression), `"`)
			if _, err := compileBounded(expression); err != nil {
				return badRequest("filter: %s", err)
			}
		}
	}
	return nil
}

// changeSilence passes on a change and writes it to the audit log.
func (am *alertmanager) changeSilence(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		writeError(w, err)
		return
	}
	var one silence
	if r.Method == http.MethodPost && json.Unmarshal(body, &one) == nil {
		for i := range one.Matchers {
			if err := one.Matchers[i].compile(); err != nil {
				writeError(w, badRequest("%s: %s", safetext.Clip(one.Matchers[i].Name, 80), err))
				return
			}
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	out := &answer{header: w.Header(), status: http.StatusOK}
	am.api.ServeHTTP(out, r)
	if out.status < 300 {
		am.auditSilence(r, one, out.body.Bytes())
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body.Bytes()) // the client may be gone
}

func (am *alertmanager) auditSilence(r *http.Request, one silence, answer []byte) {
	if r.Method == http.MethodDelete {
		am.audit.record(r, "silence expired", "silence", path.Base(r.URL.Path))
		return
	}
	var made struct {
		ID string `json:"silenceID"`
	}
	_ = json.Unmarshal(answer, &made) // other changes have no silence
	what := "silence created"
	if one.ID != "" {
		what = "silence changed"
	}
	am.audit.record(r, what, "silence", made.ID, "by", one.CreatedBy, "comment", one.Comment)
}

// silence is a silence in the form of Alertmanager's API.
type silence struct {
	ID        string    `json:"id,omitempty"`
	Matchers  []matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	Status    *struct {
		State string `json:"state"` // active, pending or expired
	} `json:"status,omitempty"`
}

// State is active, pending or expired.
func (s silence) State() string {
	if s.Status == nil {
		return ""
	}
	return s.Status.State
}

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`

	re *regexp.Regexp // of Value, compiled once
}

// compile prepares a matcher. One with a broken expression matches nothing.
func (m *matcher) compile() error {
	if !m.IsRegex {
		return nil
	}
	var err error
	m.re, err = compileBounded("^(?s:" + m.Value + ")$")
	return err
}

const (
	maxQuery    = 4096     // bytes of a query, a filter or an expression in a request
	maxMatchers = 32 << 10 // bytes of a list of matchers; an alert may have many labels
	maxPattern  = 2000     // instructions of an expression, about
)

// tooLong refuses text of a request before it is parsed.
func tooLong(what, text string) error {
	if len(text) > maxQuery {
		return badRequest("%s: %d bytes; at most %d are allowed", what, len(text), maxQuery)
	}
	return nil
}

// compileBounded compiles a regular expression whose repetitions do not expand to too much. A few
// bytes of it may otherwise take gigabytes.
func compileBounded(expression string) (*regexp.Regexp, error) {
	if len(expression) > maxQuery+16 {
		return nil, fmt.Errorf("regular expression has more than %d bytes", maxQuery)
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if patternSize(parsed) > maxPattern {
		return nil, errors.New("regular expression is too large (use fewer repetitions)")
	}
	return regexp.Compile(expression)
}

// patternSize estimates the number of instructions of an expression.
func patternSize(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<20)
}

// String is the matcher in Alertmanager's syntax.
func (m matcher) String() string {
	op := map[[2]bool]string{
		{false, true}:  "=",
		{false, false}: "!=",
		{true, true}:   "=~",
		{true, false}:  "!~",
	}[[2]bool{m.IsRegex, m.IsEqual}]
	return fmt.Sprintf("%s%s%q", m.Name, op, m.Value)
}

// matches reports whether the labels match. An absent label equals an empty one.
func (m matcher) matches(labels map[string]string) bool {
	if !m.IsRegex {
		return (labels[m.Name] == m.Value) == m.IsEqual
	}
	return m.re != nil && m.re.MatchString(labels[m.Name]) == m.IsEqual
}

func (s silence) matches(labels map[string]string) bool {
	return !slices.ContainsFunc(s.Matchers, func(m matcher) bool { return !m.matches(labels) })
}

var matcherSyntax = regexp.MustCompile(
	`^\s*([\p{L}_:][\p{L}\p{N}_:.]*)\s*(=~|!~|!=|=)\s*(?s:(.*))$`,
)

// parseMatchers reads matchers, one a line or separated by commas outside quotes:
// service="payment", host=~web.*
func parseMatchers(text string) ([]matcher, error) {
	var list []matcher
	if len(text) > maxMatchers {
		return nil, badRequest("matchers: %d bytes; at most %d are allowed", len(text), maxMatchers)
	}
	for _, part := range splitMatchers(text) {
		m := matcherSyntax.FindStringSubmatch(part)
		if m == nil {
			return nil, badRequest(
				"%q is not a matcher (write label=value, label!=value, label=~regexp or "+
					"label!~regexp)",
				safetext.Clip(part, 80),
			)
		}
		value := strings.TrimSpace(m[3])
		if len(value) > 1 && value[0] == '"' {
			if err := json.Unmarshal([]byte(value), &value); err != nil {
				return nil, badRequest("%q has an unterminated quote", safetext.Clip(part, 80))
			}
		}
		one := matcher{
			Name:    m[1],
			Value:   value,
			IsRegex: strings.HasSuffix(m[2], "~"),
			IsEqual: m[2][0] == '=',
		}
		if err := one.compile(); err != nil {
			return nil, badRequest("%q: %s", safetext.Clip(value, 80), err)
		}
		if list = append(list, one); len(list) > 500 {
			return nil, badRequest("matchers: at most 500 are allowed")
		}
	}
	if len(list) == 0 {
		return nil, badRequest("no matcher given (for example service=payment)")
	}
	return list, nil
}

func splitMatchers(text string) []string {
	var parts []string
	quoted, from := false, 0
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
	add := func(part string) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == ',' || c == '\n') && !quoted:
			add(text[from:i])
			from = i + 1
		}
	}
	add(text[from:])
	return parts
}

// answer is a response within this process.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// ask calls Alertmanager's API within this process and reads the answer into v.
func (am *alertmanager) ask(ctx context.Context, method, path string, body, v any) error {
	if am.api == nil {
		return missing("Alertmanager's API")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost/api/v2"+path,
		bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	a := answer{header: http.Header{}, status: http.StatusOK}
	am.api.ServeHTTP(&a, req)
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.status >= 300 {
		return &apiError{
			a.status,
			safetext.Clip(strings.Trim(strings.TrimSpace(a.body.String()), `"`), 500),
		}
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(a.body.Bytes(), v)
}

// silences returns all silences, those that are active first.
func (am *alertmanager) silences(ctx context.Context) ([]silence, error) {
	if am.api == nil {
		return nil, nil
	}
	var list []silence
	if err := am.ask(ctx, http.MethodGet, "/silences", nil, &list); err != nil {
		return nil, fmt.Errorf("list silences: %w", err)
	}
	for i := range list {
		for j := range list[i].Matchers {
			_ = list[i].Matchers[j].compile() // one that is refused matches nothing
		}
	}
	order := map[string]int{"active": 0, "pending": 1, "expired": 2}
	slices.SortStableFunc(list, func(a, b silence) int {
		if d := order[a.State()] - order[b.State()]; d != 0 {
			return d
		}
		if a.State() == "expired" {
			return b.EndsAt.Compare(a.EndsAt)
		}
		return a.EndsAt.Compare(b.EndsAt)
	})
	return list, nil
}

// idsOf returns the IDs of the alerts that Alertmanager's API lists for a query.
func (am *alertmanager) idsOf(ctx context.Context, query url.Values) (map[string]bool, error) {
	if am.api == nil {
		return nil, nil
	}
	var list []struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := am.ask(ctx, http.MethodGet, "/alerts?"+query.Encode(), nil, &list); err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	ids := map[string]bool{}
	for _, a := range list {
		ids[a.Annotations["alert_id"]] = true
	}
	return ids, nil
}

// inhibited are the alerts that are inhibited by another alert.
func (am *alertmanager) inhibited(ctx context.Context) (map[string]bool, error) {
	return am.idsOf(
		ctx,
		url.Values{
			"active":      {"false"},
			"silenced":    {"false"},
			"unprocessed": {"false"},
			"muted":       {"false"},
			"inhibited":   {"true"},
		},
	)
}

// routedTo are the alerts that are routed to a receiver.
func (am *alertmanager) routedTo(ctx context.Context, receiver string) (map[string]bool, error) {
	return am.idsOf(ctx, url.Values{"receiver": {regexp.QuoteMeta(receiver)}})
}

// silencedBy returns the active silences that match the labels.
func silencedBy(list []silence, labels map[string]string) []silence {
	var found []silence
	for _, one := range list {
		if one.State() == "active" && one.matches(labels) {
			found = append(found, one)
		}
	}
	return found
}

func (am *alertmanager) addSilence(ctx context.Context, one silence) (id string, err error) {
	var made struct {
		SilenceID string `json:"silenceID"`
	}
	err = am.ask(ctx, http.MethodPost, "/silences", one, &made)
	return made.SilenceID, err
}

func (am *alertmanager) expireSilence(ctx context.Context, id string) error {
	return am.ask(ctx, http.MethodDelete, "/silence/"+url.PathEscape(id), nil, nil)
}

// An acknowledgement is a silence for one alert that ends when the alert resolves. Its comment
// holds the alert's ID.
const ackMark = "acknowledged alert "

// ack silences one alert until it resolves.
func (am *alertmanager) ack(
	ctx context.Context,
	a models.Alert,
	by, comment string,
) (id string, err error) {
	one := silence{
		StartsAt:  am.now(),
		EndsAt:    am.now().Add(7 * 24 * time.Hour),
		CreatedBy: by,
		Comment:   ackMark + a.ID,
	}
	if comment != "" {
		one.Comment += ": " + comment
	}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if value := a.Labels[name]; value != "" {
			one.Matchers = append(one.Matchers, matcher{Name: name, Value: value, IsEqual: true})
		}
	}
	return am.addSilence(ctx, one)
}

// ackOf is the ID of the alert that a silence acknowledges; "" for an ordinary silence.
func ackOf(one silence) string {
	rest, is := strings.CutPrefix(one.Comment, ackMark)
	if !is {
		return ""
	}
	id, _, _ := strings.Cut(rest, ":")
	return strings.TrimSpace(id)
}

// saveSilence creates or changes a silence.
func (am *alertmanager) saveSilence(r *http.Request, one silence) (id string, err error) {
	if id, err = am.addSilence(r.Context(), one); err != nil {
		return "", err
	}
	what := "silence created"
	if one.ID != "" {
		what = "silence changed"
	}
	var matchers []string
	for _, m := range one.Matchers {
		matchers = append(matchers, m.String())
	}
	am.audit.record(r, what, "silence", id, "by", one.CreatedBy, "comment", one.Comment,
		"matchers", strings.Join(matchers, ", "))
	return id, nil
}
