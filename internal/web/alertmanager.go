package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertmanager passes requests to Alertmanager's API. The Origin header is removed, because the API
// would allow any origin to read the answer.
func (s *Server) alertmanager() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("Origin")
		s.Alertmanager.ServeHTTP(w, r)
	})
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
func (m *matcher) compile() {
	if m.IsRegex {
		m.re, _ = regexp.Compile("^(?s:" + m.Value + ")$")
	}
}

// String is the matcher in Alertmanager's syntax.
func (m matcher) String() string {
	op := map[[2]bool]string{{false, true}: "=", {false, false}: "!=", {true, true}: "=~", {true, false}: "!~"}[[2]bool{m.IsRegex, m.IsEqual}]
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
	for _, part := range splitMatchers(text) {
		m := matcherSyntax.FindStringSubmatch(part)
		if m == nil {
			return nil, badRequest(
				"%q is not a matcher (write label=value, label!=value, label=~regexp or label!~regexp)",
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
		if one.compile(); one.IsRegex && one.re == nil {
			return nil, badRequest("%q is not a regular expression", safetext.Clip(value, 80))
		}
		list = append(list, one)
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
func (s *Server) ask(ctx context.Context, method, path string, body, v any) error {
	if s.Alertmanager == nil {
		return missing("Alertmanager's API")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(
		ctx,
		method,
		"http://localhost/api/v2"+path,
		bytes.NewReader(text),
	)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	a := answer{header: http.Header{}, status: http.StatusOK}
	s.Alertmanager.ServeHTTP(&a, req)
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
func (s *Server) silences(ctx context.Context) ([]silence, error) {
	if s.Alertmanager == nil {
		return nil, nil
	}
	var list []silence
	if err := s.ask(ctx, http.MethodGet, "/silences", nil, &list); err != nil {
		return nil, fmt.Errorf("list silences: %w", err)
	}
	for i := range list {
		for j := range list[i].Matchers {
			list[i].Matchers[j].compile()
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
func (s *Server) idsOf(ctx context.Context, query url.Values) (map[string]bool, error) {
	if s.Alertmanager == nil {
		return nil, nil
	}
	var list []struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := s.ask(ctx, http.MethodGet, "/alerts?"+query.Encode(), nil, &list); err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	ids := map[string]bool{}
	for _, a := range list {
		ids[a.Annotations["alert_id"]] = true
	}
	return ids, nil
}

// inhibited are the alerts that are inhibited by another alert.
func (s *Server) inhibited(ctx context.Context) (map[string]bool, error) {
	return s.idsOf(
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
func (s *Server) routedTo(ctx context.Context, receiver string) (map[string]bool, error) {
	return s.idsOf(ctx, url.Values{"receiver": {regexp.QuoteMeta(receiver)}})
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

func (s *Server) addSilence(ctx context.Context, one silence) (id string, err error) {
	var made struct {
		SilenceID string `json:"silenceID"`
	}
	err = s.ask(ctx, http.MethodPost, "/silences", one, &made)
	return made.SilenceID, err
}

func (s *Server) expireSilence(ctx context.Context, id string) error {
	return s.ask(ctx, http.MethodDelete, "/silence/"+url.PathEscape(id), nil, nil)
}

// An acknowledgement is a silence for one alert that ends when the alert resolves. Its comment
// holds the alert's ID.
const ackMark = "acknowledged alert "

// ack silences one alert until it resolves.
func (s *Server) ack(
	ctx context.Context,
	a models.Alert,
	by, comment string,
) (id string, err error) {
	one := silence{
		StartsAt:  s.Now(),
		EndsAt:    s.Now().Add(7 * 24 * time.Hour),
		CreatedBy: by,
		Comment:   ackMark + a.ID,
	}
	if comment != "" {
		one.Comment += ": " + comment
	}
	for name, value := range a.Labels {
		if value != "" {
			one.Matchers = append(one.Matchers, matcher{Name: name, Value: value, IsEqual: true})
		}
	}
	slices.SortFunc(one.Matchers, func(a, b matcher) int { return strings.Compare(a.Name, b.Name) })
	return s.addSilence(ctx, one)
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

func (s *Server) postAck(w http.ResponseWriter, r *http.Request) error {
	d, err := s.alertByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if d.Alert.State == models.AlertResolved {
		return &apiError{http.StatusConflict, "the alert is resolved"}
	}
	var body struct {
		By      string `json:"by"`
		Comment string `json:"comment"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if body.By == "" {
		body.By = unnamed
	}
	id, err := s.ack(r.Context(), d.Alert, body.By, body.Comment)
	if err != nil {
		return err
	}
	s.audit(r, "alert acknowledged", "alert", d.Alert.ID, "by", body.By, "silence", id)
	return ok(w, map[string]string{"silence": id})
}

// expireAcks ends the acknowledgements of resolved alerts until ctx ends, so that the next episode
// is notified again.
func (s *Server) expireAcks(ctx context.Context) {
	if s.Alertmanager == nil || s.Alerts == nil {
		return
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.expireAcksNow(ctx); err != nil && ctx.Err() == nil {
				s.Logger.Warn("expiring acknowledgements failed", "error", err)
			}
		}
	}
}

func (s *Server) expireAcksNow(ctx context.Context) error {
	list, err := s.silences(ctx)
	if err != nil {
		return err
	}
	up := map[string]bool{}
	for _, a := range s.Alerts.Current() {
		up[a.ID] = true
	}
	for _, one := range list {
		if id := ackOf(one); id != "" && one.State() == "active" && !up[id] {
			if err := s.expireSilence(ctx, one.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// unnamed is the author of a change whose request names none.
const unnamed = "unknown"
