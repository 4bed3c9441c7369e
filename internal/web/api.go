package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

//go:embed openapi.yaml
var openAPI []byte

// apiError is an error with an HTTP status.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func missing(what string) error {
	return &apiError{http.StatusNotImplemented, what + " is not configured"}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// apiRoutes are the routes of our API and of the parts of Prometheus' API that clients use.
func (s *Server) apiRoutes() []route {
	return []route{
		{"GET /api/v1/openapi.yaml", Reader, cheap, http.HandlerFunc(serveOpenAPI)},
		{"GET /api/v1/alerts", Reader, cheap, s.api(s.prometheusAlerts)},
		{"GET /api/v1/rules", Reader, cheap, s.api(s.prometheusRules)},
		{"GET /api/v1/alerts/{id}", Reader, cheap, s.api(s.getAlert)},
		{"POST /api/v1/alerts/{id}/ack", Writer, cheap, s.api(s.postAck)},
		{"DELETE /api/v1/alerts/{id}/ack", Writer, cheap, s.api(s.deleteAck)},
		{"POST /api/v1/alerts/{id}/comments", Writer, cheap, s.api(s.postComment)},
		{"POST /api/v1/alerts/{id}/resolve", Writer, cheap, s.api(s.postResolve)},
		{"GET /api/v1/receivers", Reader, cheap, s.api(s.getReceivers)},
		{"POST /api/v1/receivers/{name}/test", Writer, costly, s.api(s.postTest)},
		{"GET /api/v1/audit", Reader, cheap, s.api(s.audit.get)},
		{"GET /api/v1/history", Reader, cheap, s.api(s.getHistory)},
		{"GET /api/v1/rules/{id...}", Reader, cheap, s.api(s.getRule)},
		{"GET /api/v1/rulefiles", Reader, cheap, s.api(s.listRuleFiles)},
		{"GET /api/v1/rulefiles/{name}", Reader, cheap, s.api(s.getRuleFile)},
		{"PUT /api/v1/rulefiles/{name}", Writer, costly, s.api(s.putRuleFile)},
		{"DELETE /api/v1/rulefiles/{name}", Writer, costly, s.api(s.deleteRuleFile)},
		{"PUT /api/v1/rulefiles/{name}/mode", Writer, costly, s.api(s.putMode)},
		{"POST /api/v1/validate", Reader, costly, s.api(s.postValidate)},
		{"POST /api/v1/explain", Reader, costly, s.api(s.postExplain)},
		{"POST /api/v1/decode", Reader, costly, s.api(s.postDecode)},
		{"POST /api/v1/backtest", Reader, backtests, s.api(s.postBacktest)},
		{"GET /api/v1/logs", Reader, searches, s.api(s.getLogs)},
		{"GET /api/v1/search", Reader, searches, s.api(s.getSearch)},
		{"GET /api/v1/fields", Reader, costly, s.api(s.getFields)},
		{"GET /api/v1/record", Reader, costly, s.api(s.getRecord)},
		{"GET /api/v1/tail", Reader, tails, s.api(s.getTail)},
		{"GET /api/v1/deadletters", Reader, costly, s.api(s.getDeadLetters)},
		{"POST /api/v1/deadletters/replay", Writer, costly, s.api(s.postReplay)},
		{"GET /api/v1/engine", Reader, cheap, s.api(s.getEngine)},
	}
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openAPI)
}

// api writes the error of a handler as JSON.
func (s *Server) api(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeError(w, err)
		}
	})
}

// statusClientGone is the status, of nginx, of a request whose client left before the answer. Only
// metrics show it.
const statusClientGone = 499

// statusOf is the HTTP status of an error; 500 if it has none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.status
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, context.Canceled) {
		return statusClientGone
	}
	return http.StatusInternalServerError
}

// writeError writes an error as JSON.
func writeError(w http.ResponseWriter, err error) {
	writeJSON(w, statusOf(err), map[string]string{"error": safetext.Visible(err.Error())})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError,
			[]byte(`{"error":"encoding the answer as JSON failed"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(safetext.JSON(text), '\n'))
}

func ok(w http.ResponseWriter, v any) error {
	writeJSON(w, http.StatusOK, v)
	return nil
}

// readJSON reads the body of a request. Unknown keys are errors.
func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		return nil
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	return badRequest("invalid JSON body: %v", err)
}

// number reads a positive integer from a query parameter and limits it to most.
func number(r *http.Request, name string, otherwise, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("%s: %q is not a positive integer", name, text)
	}
	return min(n, most), nil
}

// ago parses a start time: a duration before now, or a timestamp.
func (s *Server) ago(text string, otherwise time.Duration) (time.Time, error) {
	if text == "" {
		return s.Now().Add(-otherwise), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := duration.Parse(text)
	if err != nil || d == 0 {
		return time.Time{}, badRequest(
			"since: %q is neither a duration (15m, 2d) nor a timestamp (2026-01-05T09:00:00Z)",
			safetext.Clip(text, 80),
		)
	}
	return s.Now().Add(-d), nil
}

// alertDetail is an alert with its history.
type alertDetail struct {
	Alert       models.Alert   `json:"alert"` // newest transition
	Transitions []models.Alert `json:"transitions"`
	Deliveries  []Delivery     `json:"deliveries"`
	Series      []Point        `json:"series"`
	Values      alertValues    `json:"values"`
	Comments    []AuditEntry   `json:"comments"` // and other actions, newest first
}

// alertByID returns a current alert or one from the history.
func (s *Server) alertByID(id string) (alertDetail, error) {
	d := alertDetail{
		Transitions: []models.Alert{},
		Deliveries:  []Delivery{},
		Series:      []Point{},
		Comments:    []AuditEntry{},
	}
	if s.state.alerts == nil {
		return d, missing("alerts")
	}
	found := false
	for _, a := range s.state.transitions(HistoryQuery{Alert: id}) {
		d.Alert, found = a, true
		d.Transitions = append(d.Transitions, a)
	}
	for _, a := range s.state.current() {
		if a.ID == id {
			a = s.state.detailed([]models.Alert{a})[0]
			if len(d.Transitions) == 0 {
				d.Transitions = append(d.Transitions, a)
			}
			d.Alert, found = a, true
		}
	}
	if !found {
		return d, notFound("no alert %q (it may have left the history)",
			safetext.Clip(safetext.Visible(id), 80))
	}
	d.Series = append(d.Series, s.state.alerts.Series(d.Alert)...)
	d.Values = valuesOf(d.Alert, d.Transitions, d.Series)
	d.Comments = append(d.Comments, s.audit.of(id)...)
	if s.Notifier != nil {
		d.Deliveries = append(d.Deliveries, s.Notifier.Deliveries(id)...)
	}
	return d, nil
}

func (s *Server) getAlert(w http.ResponseWriter, r *http.Request) error {
	d, err := s.alertByID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return ok(w, d)
}

func (s *Server) getEngine(w http.ResponseWriter, _ *http.Request) error {
	if s.state.engine == nil {
		return missing("the engine status")
	}
	state := struct {
		Version  string          `json:"version"`
		Engine   EngineStatus    `json:"engine"`
		Notifier *NotifierStatus `json:"notifier,omitempty"`
	}{Version: s.Version, Engine: s.state.engineStatus()}
	if s.Notifier != nil {
		n := s.Notifier.Status()
		state.Notifier = &n
	}
	return ok(w, state)
}

// event is the value of a record, to be decoded or explained.
type event struct {
	Event string `json:"event"`
	Topic string `json:"topic,omitempty"`
	Rule  string `json:"rule,omitempty"`
}

const (
	maxEvent = 256 << 10 // bytes of an event to decode or explain
	maxLogs  = 200       // of an event that are decoded or explained
)

// eachLog decodes the logs of an event, at most maxLogs.
func (s *Server) eachLog(e event, each func(*decode.Log)) error {
	var config decode.Config
	if s.Logs != nil {
		config = s.Logs.Decode(e.Topic)
	}
	decoder, err := decode.New(config, decode.NewFields())
	if err != nil {
		return err
	}
	if len(e.Event) > maxEvent {
		return badRequest("event: %d bytes; at most %d are allowed", len(e.Event), maxEvent)
	}
	if e.Topic != "" {
		if err := s.checkTopic(e.Topic); err != nil {
			return err
		}
	}
	var rejected error
	n := 0
	record := models.Record{Topic: e.Topic, Timestamp: s.Now(), Value: []byte(e.Event)}
	decoder.Decode(&record, func(l *decode.Log) {
		if n++; n <= maxLogs {
			each(l)
		}
	}, func(reason decode.Reason, detail string) {
		rejected = &apiError{
			http.StatusUnprocessableEntity,
			fmt.Sprintf("decoding the event failed: %s: %s", reason, detail),
		}
	})
	return rejected
}

// decoded is a decoded log.
type decoded struct {
	Format string          `json:"format"`
	Entry  models.LogEntry `json:"entry"`
}

func (s *Server) postDecode(w http.ResponseWriter, r *http.Request) error {
	var e event
	if err := readJSON(r, &e); err != nil {
		return err
	}
	list := []decoded{}
	if err := s.eachLog(e, func(l *decode.Log) {
		list = append(list, decoded{l.Format(), l.Entry()})
	}); err != nil {
		return err
	}
	return ok(w, list)
}

// groupOf returns the group labels of a log.
func groupOf(r *rule.Rule, l *decode.Log, lists match.Lists) map[string]string {
	labels := map[string]string{}
	holds := func(q rule.Query) bool { return match.Eval(q, l, lists) }
	for _, by := range r.By {
		for _, field := range by.FieldsIn(holds) {
			if v := l.Lookup(field); v.Kind != decode.Absent && v.Kind != decode.Null {
				if decode.IsStream(field) {
					maps.Copy(labels, decode.LabelsOf(string(v.Text)))
				} else {
					labels[by.Name] = string(v.Text)
				}
				break
			}
		}
	}
	return labels
}

func (s *Server) getDeadLetters(w http.ResponseWriter, r *http.Request) error {
	if s.DeadLetters == nil {
		return missing("a dead-letter topic")
	}
	most, err := number(r, "limit", 100, 1000)
	if err != nil {
		return err
	}
	list, err := s.DeadLetters.List(r.Context(), most)
	if err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	if list == nil {
		list = []DeadLetter{}
	}
	return ok(w, list)
}

func (s *Server) postReplay(w http.ResponseWriter, r *http.Request) error {
	if s.DeadLetters == nil {
		return missing("a dead-letter topic")
	}
	var at models.Position
	if err := readJSON(r, &at); err != nil {
		return err
	}
	if err := s.DeadLetters.Replay(r.Context(), at); err != nil {
		return &apiError{http.StatusBadGateway, err.Error()}
	}
	s.audit.record(r, "dead letter replayed", "topic", at.Topic, "partition", at.Partition,
		"offset", at.Offset)
	return ok(w, map[string]bool{"replayed": true})
}

// readAll reads a text body.
func readAll(r *http.Request) (string, error) {
	text, err := io.ReadAll(r.Body)
	return string(text), err
}
