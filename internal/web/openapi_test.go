package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

func document(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// The document lists exactly the routes of the API.
func TestDocumentListsRoutes(t *testing.T) {
	doc, _ := document(t)
	listed := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			listed[method+" "+path] = true
		}
	}
	s := newServer(t, Options{})
	ofPrometheus := map[string]bool{} // documented by Prometheus
	for _, r := range (&prometheusAPI{}).queryRoutes() {
		ofPrometheus[r.pattern] = true
	}
	for _, r := range s.routes() {
		if ofPrometheus[r.pattern] {
			continue
		}
		method, path, _ := strings.Cut(strings.ReplaceAll(r.pattern, "{id...}", "{id}"), " ")
		if !strings.HasPrefix(path, "/api/v1/") && path != "/metrics" && path != "/-/reload" &&
			!strings.HasSuffix(path, "z") && !strings.HasPrefix(path, "/schemas/") {
			continue
		}
		if !listed[method+" "+path] {
			t.Errorf("%s %s is not in the document", method, path)
		}
		delete(listed, method+" "+path)
	}
	for route := range listed {
		t.Errorf("%s is in the document, but not answered", route)
	}
}

// Answers match the document, for successes and errors.
func TestAnswersAreAsDocumented(t *testing.T) {
	_, router := document(t)
	_, o := newFake(t)
	s := newServer(t, o)
	text := strings.ReplaceAll(fileRules, "payments", "mine")
	answered := map[string]bool{}
	f := func(method, path, body string, status int) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "localhost"
		r.URL.Scheme, r.URL.Host = "", ""
		r.Header.Set("Content-Type", "application/json")
		if strings.Contains(path, "validate") ||
			method == http.MethodPut && !strings.HasSuffix(path, "mode") {
			r.Header.Set("Content-Type", "application/yaml")
		}
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return
		}
		answered[method+" "+route.Path] = true
		input := &openapi3filter.RequestValidationInput{
			Request:    r,
			PathParams: params,
			Route:      route,
			Options: &openapi3filter.Options{
				AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
				IncludeResponseStatus: true,
			},
		}
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil && status < 300 {
			t.Errorf("%s %s: the request is not as documented: %v", method, path, err)
		}
		code, answer, header := exchange(s, method, path, body)
		if code != status {
			t.Errorf("%s %s is %d, not %d: %.300s", method, path, code, status, answer)
			return
		}
		output := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input,
			Status:                 code,
			Header:                 header,
			Options:                input.Options,
		}
		output.SetBodyBytes([]byte(answer))
		if err := openapi3filter.ValidateResponse(t.Context(), output); err != nil {
			t.Errorf("%s %s: the answer is not as documented: %v", method, path, err)
		}
	}
	f("GET", "/healthz", "", 200)
	f("GET", "/readyz", "", 200)
	f("GET", "/metrics", "", 200)
	f("POST", "/-/reload", "", 200)
	f("GET", "/api/v1/openapi.yaml", "", 200)
	f("GET", "/api/v1/alerts", "", 200)
	f("GET", "/api/v1/alerts/a1", "", 200)
	f("GET", "/api/v1/alerts/gone", "", 404)
	f("POST", "/api/v1/alerts/a1/ack", `{"by":"ada"}`, 200)
	f("POST", "/api/v1/alerts/a1/ack", `{"who":"ada"}`, 400)
	f("POST", "/api/v1/alerts/gone/ack", `{}`, 404)
	f("POST", "/api/v1/alerts/a1/ack", `{"by":"ada"}`, 200)
	f("DELETE", "/api/v1/alerts/a1/ack?by=ada", "", 200)
	f("DELETE", "/api/v1/alerts/a1/ack", "", 404)
	f("POST", "/api/v1/alerts/a1/comments", `{"by":"ada","text":"on it"}`, 200)
	f("POST", "/api/v1/alerts/a1/comments", `{"by":"ada","text":""}`, 400)
	f("POST", "/api/v1/alerts/a1/resolve", `{"by":"ada"}`, 200)
	f("POST", "/api/v1/alerts/gone/resolve", `{}`, 404)
	f("GET", "/api/v1/alerts/a1", "", 200)
	f("GET", "/api/v1/audit", "", 200)
	f("GET", "/api/v1/receivers", "", 200)
	f("POST", "/api/v1/receivers/pager/test", `{}`, 200)
	f("POST", "/api/v1/receivers/gone/test", `{"resolved":true}`, 422)
	f("GET", "/api/v1/history", "", 200)
	f("GET", "/api/v1/history?format=csv", "", 200)
	f("GET", "/api/v1/history?alert=a1", "", 200)
	f("GET", "/api/v1/history?rule=payments/PaymentErrors&since=1h&limit=1", "", 200)
	f("GET", "/api/v1/history?since=yesterday", "", 400)
	f("GET", "/api/v1/rules", "", 200)
	f("GET", "/api/v1/rules/"+url.PathEscape("payments/PaymentErrors"), "", 200)
	f("GET", "/api/v1/rules/gone", "", 404)
	f("GET", "/api/v1/rulefiles", "", 200)
	f("PUT", "/api/v1/rulefiles/mine", text, 200)
	f("PUT", "/api/v1/rulefiles/mine", "version: 2", 422)
	f("PUT", "/api/v1/rulefiles/a.b", text, 400)
	f("GET", "/api/v1/rulefiles/mine", "", 200)
	f("GET", "/api/v1/rulefiles/other", "", 404)
	f("GET", "/api/v1/rulefiles", "", 200)
	f("PUT", "/api/v1/rulefiles/mine/mode", `{"mode":"shadow"}`, 200)
	f("PUT", "/api/v1/rulefiles/mine/mode", `{"mode":"loud"}`, 400)
	f("DELETE", "/api/v1/rulefiles/mine", "", 200)
	f("DELETE", "/api/v1/rulefiles/mine", "", 404)
	f("POST", "/api/v1/validate", text, 200)
	f("POST", "/api/v1/validate", "nonsense: 1", 200)
	f("POST", "/api/v1/explain", `{"rule":"payments/PaymentErrors","event":"{\"level\":\"ERROR\",`+
		`\"service\":\"payment-service\"}"}`, 200)
	f("POST", "/api/v1/explain", `{"rule":"gone","event":"x"}`, 404)
	f("POST", "/api/v1/decode", `{"event":"level=error msg=boom"}`, 200)
	f("POST", "/api/v1/decode", `{"event":5}`, 400)
	f("POST", "/api/v1/backtest", `{"rule":"payments/PaymentErrors","since":"1d"}`, 200)
	f("POST", "/api/v1/backtest", `{"text":"version: 2"}`, 422)
	f("GET", "/api/v1/logs?query=level%3E%3DERROR&limit=5", "", 200)
	f("GET", "/api/v1/logs?query=(", "", 400)
	f("GET", "/api/v1/logs?from=2026-03-02T11:59:30Z&to=2026-03-02T11:59:40Z&partition=0", "", 200)
	f("GET", "/api/v1/logs?alert=a1", "", 200)
	f("GET", "/api/v1/logs?topic=other", "", 404)
	f("GET", "/api/v1/search?query=(", "", 400)
	f("GET", "/api/v1/fields", "", 200)
	f("GET", "/api/v1/fields?topic=secret", "", 404)
	f("GET", "/api/v1/record?topic=logs&partition=0&offset=3", "", 200)
	f("GET", "/api/v1/record?topic=logs&partition=0&offset=999", "", 404)
	f("GET", "/api/v1/record?topic=secret&partition=0&offset=3", "", 404)
	f("GET", "/api/v1/tail?query=(", "", 400)
	f("GET", "/api/v1/deadletters", "", 200)
	f("POST", "/api/v1/deadletters/replay", `{"topic":"dead","partition":0,"offset":1}`, 200)
	f("POST", "/api/v1/deadletters/replay", `{"topic":"dead","partition":0,"offset":2}`, 502)
	f("GET", "/api/v1/engine", "", 200)
	ofPrometheus := map[string]bool{} // documented by Prometheus
	for _, r := range (&prometheusAPI{}).queryRoutes() {
		ofPrometheus[r.pattern] = true
	}
	for _, r := range s.routes() {
		if !strings.Contains(r.pattern, " /api/v1/") || ofPrometheus[r.pattern] {
			continue
		}
		if pattern := strings.ReplaceAll(r.pattern, "{id...}", "{id}"); !answered[pattern] {
			t.Errorf("%s is not tried", pattern)
		}
	}
}
