package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

const pagesAddr = "127.0.0.1:8080"

// stranger is a client of the API that knows nothing of it but what its document says: it has read
// that over HTTP, and holds every request and answer against it.
type stranger struct {
	t      *testing.T
	http   http.Client
	doc    *openapi3.T
	router routers.Router
	did    []string // operations
}

func newStranger(w *world) *stranger {
	w.t.Helper()
	s := &stranger{
		t: w.t,
		http: http.Client{
			Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true},
		},
	}
	text := s.send("GET", "/api/v1/openapi.yaml", "", nil)
	var err error
	if s.doc, err = openapi3.NewLoader().LoadFromData(text); err != nil {
		s.t.Fatal(err)
	}
	if s.router, err = gorillamux.NewRouter(s.doc); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// send sends a request whose answer is a success.
func (s *stranger) send(method, path, contentType string, body []byte) []byte {
	s.t.Helper()
	status, answer, _ := s.exchange(method, path, contentType, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s is %d: %.300s", method, path, status, answer)
	}
	return answer
}

func (s *stranger) exchange(
	method, path, contentType string,
	body []byte,
) (int, []byte, http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+pagesAddr+path,
		bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, text, answer.Header
}

// do does an operation, as the document names it: a path with its parameters, what they are, and a
// body: a text is sent in the one format that the operation takes, anything else as JSON. The
// answer must be of the status, and all of it as documented.
func (s *stranger) do(method, path string, parameters map[string]string, body any, status int) any {
	s.t.Helper()
	item := s.doc.Paths.Find(path)
	if item == nil || item.GetOperation(method) == nil {
		s.t.Fatalf("the document has no %s %s", method, path)
	}
	s.did = append(s.did, method+" "+path)
	address, query := path, url.Values{}
	for name, value := range parameters {
		if in := "{" + name + "}"; strings.Contains(address, in) {
			address = strings.ReplaceAll(address, in, url.PathEscape(value))
		} else {
			query.Set(name, value)
		}
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	contentType, sent := s.body(item.GetOperation(method), body)
	input := s.checkRequest(method, address, contentType, sent)
	got, answer, header := s.exchange(method, address, contentType, sent)
	if got != status {
		s.t.Fatalf("%s %s is %d, not %d: %.300s", method, address, got, status, answer)
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 got,
		Header:                 header,
		Options:                input.Options,
	}
	output.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(s.t.Context(), output); err != nil {
		s.t.Errorf("%s %s: the answer is not as documented: %v", method, address, err)
	}
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		s.t.Errorf("%s %s: %v", method, address, err)
	}
	return value
}

func (s *stranger) body(o *openapi3.Operation, body any) (contentType string, sent []byte) {
	s.t.Helper()
	if body == nil {
		return "", nil
	}
	for contentType = range o.RequestBody.Value.Content {
		if text, is := body.(string); is {
			return contentType, []byte(text)
		}
	}
	sent, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return contentType, sent
}

func (s *stranger) checkRequest(
	method, address, contentType string,
	body []byte,
) *openapi3filter.RequestValidationInput {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	route, parameters, err := s.router.FindRoute(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, address, err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request:    r,
		PathParams: parameters,
		Route:      route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true,
		},
	}
	if err := openapi3filter.ValidateRequest(s.t.Context(), input); err != nil {
		s.t.Errorf("%s %s: the request is not as documented: %v", method, address, err)
	}
	return input
}

// at is a value within a JSON value: members by their names, elements by their numbers, nil where
// there is none.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// withPages starts a program that serves its pages in the world, with its rules in a file and a
// dead-letter topic for what is not JSON.
func (w *world) withPages(name string) *run {
	w.t.Helper()
	file := filepath.Join(w.dir, "shop.rules.yml")
	if err := os.WriteFile(file, []byte(w.rules), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.start(name, func(p *process) {
		p.config.Web.Listen, p.config.Rules, p.config.Kafka.DeadLetterTopic = pagesAddr, []Path{
			Path(file),
		}, "dead"
		p.config.Formats = []FormatConfig{
			{Topic: worldTopic, Config: decode.Config{Format: "json"}},
		}
		p.rules, p.network.listen = loadRules, w.network.Listen
	})
}

// Anyone who has only the API's document finds the way through it: from the rules that are there to
// one of his own, what it does, and out again.
func TestAPIFromItsDocument(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		r := w.withPages("data")
		s := newStranger(w)
		is := func(what string, got, want any) {
			t.Helper()
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s is %v, not %v", what, got, want)
			}
		}

		is(
			"the rule that is there",
			at(s.do("GET", "/api/v1/rules", nil, nil, 200), "data", "groups", 0, "rules", 0,
				"name"),
			"Errors",
		)
		mine := strings.NewReplacer("name: shop", "name: mine", "alert: Errors", "alert: Mine",
			"> 10", "> 5").
			Replace(errorRules)
		is(
			"a mistake's line",
			at(s.do("POST", "/api/v1/validate", nil, strings.Replace(mine, "1m", "1", 1), 200),
				"problems", 0, "line"),
			9,
		)
		is("what is right", at(s.do("POST", "/api/v1/validate", nil, mine, 200), "rules", 0, "id"),
			"mine/Mine")
		s.do("PUT", "/api/v1/rulefiles/{name}", map[string]string{"name": "mine"}, mine, 200)
		s.do("PUT", "/api/v1/rulefiles/{name}/mode", map[string]string{"name": "mine"},
			map[string]string{"mode": "shadow"}, 200)
		id := map[string]string{"id": "mine/Mine"}
		is("my rule's mode", at(s.do("GET", "/api/v1/rules/{id}", id, nil, 200), "mode"), "shadow")

		w.errors(0, "pay", 11)
		w.produce(0, `{"level":`)
		time.Sleep(5 * time.Second)
		report := s.do("POST", "/api/v1/backtest", nil,
			map[string]string{"text": mine, "since": "1h"}, 200)
		is("what the backtest finds", at(report, "fired"), 1)
		is("its group", at(report, "rules", 0, "episodes", 0, "labels", "service"), "pay")
		log := map[string]string{"rule": "mine/Mine", "event": `{"level":"ERROR","service":"pay"}`}
		explained := s.do("POST", "/api/v1/explain", nil, log, 200)
		is("the match", at(explained, 0, "match", "pass"), true)
		is("the state of the log's group", at(explained, 0, "group", "state"), "firing")
		is("the value of it", at(explained, 0, "group", "value"), 11)
		is(
			"the service",
			at(s.do("POST", "/api/v1/decode", nil, map[string]string{"event": log["event"]}, 200),
				0, "entry", "service"),
			"pay",
		)

		is(
			"the alert that is up",
			at(s.do("GET", "/api/v1/alerts", nil, nil, 200), "data", "alerts", 0, "state"),
			"firing",
		)
		history := s.do("GET", "/api/v1/history", map[string]string{"rule": "mine/Mine"}, nil, 200)
		is("the newest transition", at(history, 0, "state"), "firing")
		is("no receiver is notified", at(history, 0, "shadow"), true)
		alert := s.do("GET", "/api/v1/alerts/{id}",
			map[string]string{"id": fmt.Sprint(at(history, 0, "id"))}, nil, 200)
		is("its alert's rule", at(alert, "alert", "rule"), "mine/Mine")
		dead := s.do("GET", "/api/v1/deadletters", map[string]string{"limit": "5"}, nil, 200)
		is("why a record is dead", at(dead, 0, "reason"), "invalid_json")
		engine := s.do("GET", "/api/v1/engine", nil, nil, 200)
		is("the logs read", at(engine, "engine", "logs"), 11)
		is("the offset of a rejected record", at(engine, "engine", "rejected_sample", 0, "position",
			"offset"), 11)
		is("the members of the group", at(engine, "engine", "members"), 1)

		s.do("DELETE", "/api/v1/rulefiles/{name}", map[string]string{"name": "mine"}, nil, 200)
		s.do("GET", "/api/v1/rules/{id}", id, nil, 404)
		want(t, "who was notified", w.notices(), "firing pay")
		if slices.Sort(s.did); len(slices.Compact(s.did)) < 13 {
			t.Errorf("only %s", strings.Join(s.did, ", "))
		}
		r.end()
	})
}
