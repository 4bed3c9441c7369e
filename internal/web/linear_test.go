package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/linear"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Every page and every answer of the API takes time in proportion to the alerts, history, silences
// and logs that there are. The routes come from the server, so a new one is measured too.
func TestRoutesTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	options := func(n int) Options {
		f, o := newFake(t)
		a, h := f.current[0], f.history[0]
		f.current, f.history, f.records, f.silences = nil, nil, nil, nil
		for i := range n {
			id := fmt.Sprintf("a%d", i+1)
			a.ID, h.ID = id, id
			a.Labels = map[string]string{
				"alertname": "PaymentErrors", "service": fmt.Sprintf("s%d", i), "severity": "page",
			}
			h.Labels = a.Labels
			f.current, f.history = append(f.current, a), append(f.history, h)
			f.records = append(f.records, models.Record{
				Topic: "logs", Offset: int64(i), Timestamp: noon.Add(-1),
				Value: fmt.Appendf(nil, `{"level":"ERROR","service":"s%d","f%d":%d}`, i, i, i),
			})
		}
		return o
	}
	const size = 2000
	of := map[int]Options{size / 4: options(size / 4), size: options(size)}
	tried := 0
	for _, r := range newServer(t, of[size]).routes() {
		method, path := pathOf(r.pattern)
		paths := []string{path}
		switch {
		case strings.HasPrefix(path, "/debug/"), strings.HasPrefix(path, "/static/"),
			method == "GET" && strings.Contains(path, "/events"), strings.Contains(path, "tail"):
			continue // profiles, files and streams
		case path == "/":
			paths = append(paths, "/?open=firing+payments/PaymentErrors", "/?filter=service:s7",
				"/?state=muted", "/?sort=newest")
		case path == "/explore", path == "/api/v1/logs", path == "/api/v1/search",
			path == "/api/v1/fields":
			paths = append(paths, path+"?topic=logs&since=1h", path+"?topic=logs&since=1h&q=service:*")
		case path == "/history", path == "/api/v1/history":
			paths = append(paths, path+"?since=30d", path+"?export=csv", path+"?q=service:s7")
		}
		for _, path := range paths {
			tried++
			small, large, broken := linear.Law{Size: size, Enough: 150 * time.Millisecond}.Breaks(
				func(n int) func() {
					return func() {
						s := newServer(t, of[n]) // which has no list of an earlier request
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						req := httptest.NewRequestWithContext(ctx, method, path,
							strings.NewReader("{}"))
						req.Host = "localhost"
						s.ServeHTTP(httptest.NewRecorder(), req)
					}
				})
			if broken {
				t.Errorf("%s %s: a quarter %v, all %v", method, path, small, large)
			}
		}
	}
	t.Logf("%d requests, each at two sizes", tried)
}
