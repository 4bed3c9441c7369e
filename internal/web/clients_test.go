package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// recorded is a request of a client, as it was recorded, and a part of the answer that it needs.
type recorded struct {
	client, method, path, body, want string
}

// requests are those of Grafana 12 (adding an Alertmanager and a Prometheus as data sources, "Save
// & test", the query builder), Karma 0.121, amtool 0.28 and Prometheus 3.
var requests = []recorded{
	{"Grafana, Prometheus: save and test", "POST", "/api/v1/query",
		"query=1%2B1&time=1772452800.123", `"result":[1772452800.123,"2"]`},
	{"Grafana, Prometheus: save and test", "GET", "/api/v1/status/buildinfo", "",
		`"version":"3.0.0"`},
	{"Grafana, Prometheus: save and test", "GET", "/api/v1/rules?limit=1", "", `"groups":[`},
	{"Grafana, Prometheus: builder", "GET",
		"/api/v1/label/__name__/values?start=1772449200&end=1772452800", "", `["ALERTS"]`},
	{"Grafana, Prometheus: builder", "POST", "/api/v1/labels", "match%5B%5D=ALERTS", `"service"`},
	{"Grafana, Prometheus: builder", "GET",
		"/api/v1/label/service/values?match%5B%5D=ALERTS%7Balertname%3D%22PaymentErrors%22%7D", "",
		`["payment-service"]`},
	{"Grafana, Prometheus: builder", "GET", "/api/v1/series?match%5B%5D=ALERTS&start=1&end=2", "",
		`"alertstate":"firing"`},
	{"Grafana, Prometheus: builder", "GET", "/api/v1/metadata", "", `"ALERTS":[{"type":"gauge"`},
	{"Grafana, Prometheus: explore", "POST", "/api/v1/query",
		"query=ALERTS%7Bservice%3D~%22pay.%2A%22%7D&time=1772452800", `"value":[1772452800,"1"]`},
	{"Grafana, Prometheus: panel", "POST", "/api/v1/query_range",
		"query=ALERTS%7Balertstate%3D%22firing%22%7D&start=1772452500&end=1772452800&step=60",
		`[1772452680,"1"]`},
	{"Grafana, Prometheus: panel", "POST", "/api/v1/query_range",
		"query=1&start=1772452500&end=1772452800&step=5m",
		`"values":[[1772452500,"1"],[1772452800,"1"]]`},
	{"Grafana, Prometheus: alert list", "GET", "/api/v1/alerts", "", `"state":"firing"`},
	{"Grafana, Alertmanager: alerts", "GET", "/api/v2/alerts", "", `"labels"`},
	{"Grafana, Alertmanager: silences", "GET", "/api/v2/silences", "", `[]`},
	{"Karma", "GET", "/metrics", "", ``},
	{"Karma", "GET", "/api/v2/silences", "", `[]`},
	{"amtool alert query", "GET", "/api/v2/alerts?active=true&" +
		"filter=service%3D%22payment-service%22&inhibited=false&silenced=false&unprocessed=false",
		"", `PaymentErrors`},
	{"Prometheus: readiness", "GET", "/-/ready", "", `ok`},
	{"Prometheus: health", "GET", "/-/healthy", "", `ok`},
	{"Prometheus: scrape", "GET", "/metrics", "", ``},
}

// The requests of Grafana, Karma, amtool and Prometheus are answered as they need.
func TestClientsAreAnswered(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, r := range requests {
		header := []string{"Accept", "application/json, */*"}
		if r.method == http.MethodPost {
			header = append(header, "Content-Type", "application/x-www-form-urlencoded")
		}
		if code, body := do(s, r.method, r.path, r.body, header...); code != 200 ||
			!strings.Contains(body, r.want) {
			t.Errorf("%s: %s %s is %d, not with %s: %.300s", r.client, r.method, r.path, code,
				r.want, body)
		}
	}
}

// Queries that are not answered say why, in Prometheus' form.
func TestQueriesBeyondAlerts(t *testing.T) {
	_, o := newFake(t)
	s := newServer(t, o)
	for _, path := range []string{
		"/api/v1/query?query=rate(x[5m])", "/api/v1/query?query=up",
		"/api/v1/query?query=ALERTS%7B",
		"/api/v1/query?query=ALERTS%7Ba%3D~%22(%22%7D",
		"/api/v1/query_range?query=1&start=0&end=1e10&step=1",
		"/api/v1/query_range?query=1&start=x&end=2&step=1",
		"/api/v1/query_range?query=1&start=1&end=2&step=0", "/api/v1/series",
	} {
		code, body := do(s, "GET", path, "")
		if code != 400 || !strings.HasPrefix(body,
			`{"status":"error","errorType":"bad_data","error":"`) {
			t.Errorf("%s is %d %s", path, code, body)
		}
	}
}

// Requests are counted and timed by route.
func TestRequestMetrics(t *testing.T) {
	_, o := newFake(t)
	registry := prometheus.NewRegistry()
	o.Registerer, o.Gatherer = registry, registry
	s := newServer(t, o)
	see(t, s, "/rules")
	do(s, "GET", "/api/v1/rules/gone", "")
	_, text := do(s, "GET", "/metrics", "")
	for _, want := range []string{
		`alert_engine_web_requests_total{code="200",route="GET /rules"} 1`,
		`alert_engine_web_requests_total{code="404",route="GET /api/v1/rules/{id...}"} 1`,
		`alert_engine_web_request_duration_seconds_count{route="GET /rules"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
