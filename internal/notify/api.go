package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
)

// serve makes the handler of Alertmanager's API.
func (n *Notifier) serve() (err error) {
	duration := promauto.With(n.registry).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "alertmanager_http_request_duration_seconds",
		Help:    "Histogram of latencies for HTTP requests.",
		Buckets: prometheus.DefBuckets,
	}, []string{"handler", "method", "code"})
	if err := n.registry.Register(buildInfo()); err != nil {
		return err
	}
	n.api, err = apiv2.NewAPI(n.alerts, n.groups, n.silences, nil, n.logger, n.registry)
	if err != nil {
		return err
	}
	handler := n.limited(observed(n.api.Handler, duration))
	n.handler.Store(&handler)
	return nil
}

// observed notes how long requests take.
func observed(h http.Handler, duration *prometheus.HistogramVec) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path // as the value of a label, one of few
		switch path {
		case "/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/receivers",
			"/api/v2/status":
		default:
			if path = "other"; strings.HasPrefix(r.URL.Path, "/api/v2/silence/") {
				path = "/api/v2/silence/{silenceID}"
			}
		}
		promhttp.InstrumentHandlerDuration(
			duration.MustCurryWith(prometheus.Labels{"handler": path}), h).ServeHTTP(w, r)
	})
}

// limited bounds how many GET requests are answered at a time, as Alertmanager does, and how long
// any request takes. Silences are created however many requests for alerts there are. The package
// alertmanager/api has the same, but always serves its Connect API (gRPC) with it, which needs the
// modules of connectrpc.com and answers at paths that are ours.
func (n *Notifier) limited(h http.Handler) http.Handler {
	get := prometheus.Labels{"method": "get"} // Alertmanager's names
	inFlight := promauto.With(n.registry).NewGauge(prometheus.GaugeOpts{
		Name:        "alertmanager_http_requests_in_flight",
		Help:        "Current number of HTTP requests being processed.",
		ConstLabels: get,
	})
	refused := promauto.With(n.registry).NewCounter(prometheus.CounterOpts{
		Name: "alertmanager_http_concurrency_limit_exceeded_total",
		Help: "Total number of times an HTTP request failed because the concurrency limit was " +
			"reached.",
		ConstLabels: get,
	})
	places := make(chan struct{}, apiRequests)
	return http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			h.ServeHTTP(w, r)
			return
		}
		select {
		case places <- struct{}{}:
			inFlight.Inc()
			defer func() { inFlight.Dec(); <-places }()
			h.ServeHTTP(w, r)
		default:
			refused.Inc()
			http.Error(w, "too many requests at a time; try again later",
				http.StatusServiceUnavailable)
		}
	}), apiTimeout, "the request took too long\n")
}

func (n *Notifier) groups(
	ctx context.Context,
	routes func(*dispatch.Route) bool,
	alerts dispatch.AlertFilter,
) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	l := n.pipeline.Load()
	if l == nil {
		return nil, nil, errors.New("notifications have not started yet")
	}
	routes = externalRoutes(n.config.Load().conf, routes)
	return l.dispatcher.list(ctx, routes, alerts, l.intervals)
}

// Handler serves Alertmanager's API v2 under /api/v2, for amtool, Karma, Grafana and our own pages.
// Alerts are read-only there: they come from logs.
func (n *Notifier) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := n.handler.Load()
		switch {
		case handler == nil || n.pipeline.Load() == nil:
			http.Error(w, "notifications are not running", http.StatusServiceUnavailable)
		case r.URL.Path == "/api/v2/alerts" && r.Method == http.MethodPost:
			// as the API refuses, so that amtool shows the reason
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `"alerts come from logs and cannot be posted"`+"\n")
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			if strings.HasPrefix(r.URL.Path, "/api/v2/alerts") {
				n.refreshMirror()
			}
			(*handler).ServeHTTP(w, r)
		default:
			n.change(w, r, *handler)
		}
	})
}

// change serves a request that changes a silence. It is answered with success once the change is on
// disk, since users rely on it after a crash too.
func (n *Notifier) change(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	answer := heldAnswer{header: w.Header(), status: http.StatusOK}
	handler.ServeHTTP(&answer, r)
	if answer.status < http.StatusBadRequest {
		if err := n.wal.flush(); err != nil {
			n.logger.Error("silence is not on disk", "error", err)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Del("Content-Length")
			w.WriteHeader(http.StatusInsufficientStorage)
			_, _ = io.WriteString(
				w,
				`"the silence applies, but it cannot be written to disk and is lost with a restart; `+
					`make room, then try again"`+"\n",
			)
			return
		}
	}
	if answer.status < http.StatusBadRequest && n.opts.Shared != nil {
		if err := n.opts.Shared(r.Context()); err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Del("Content-Length")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `"the silence applies to this member alone so far: the topic `+
				`of the cluster cannot be written; try again"`+"\n")
			return
		}
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes())
}

// heldAnswer is an answer that is not sent yet.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }
