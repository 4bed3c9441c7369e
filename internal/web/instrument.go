package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics counts and times requests by route.
type requestMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newRequestMetrics(r prometheus.Registerer) requestMetrics {
	m := requestMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_web_requests_total",
			Help: "Requests by route and HTTP status.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alert_engine_web_request_duration_seconds",
			Help:    "Duration of requests by route, without streams.",
			Buckets: []float64{.005, .025, .1, .5, 2, 10, 60},
		}, []string{"route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alert_engine_web_panics_total",
			Help: "Requests whose handler panicked; each is an error in the log.",
		}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration, m.panics)
	}
	return m
}

// instrument counts the requests of a route and recovers from its panics, which would otherwise
// only be visible at debug level.
func (s *Server) instrument(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		out := &statusWriter{ResponseWriter: w}
		defer func() {
			if problem := recover(); problem != nil {
				s.recovered(out, r, problem)
			}
			s.metrics.requests.WithLabelValues(r.pattern, strconv.Itoa(out.code())).Inc()
			if r.cost != updates && r.cost != tails {
				s.metrics.duration.WithLabelValues(r.pattern).Observe(time.Since(began).Seconds())
			}
		}()
		r.handle.ServeHTTP(out, req)
	})
}

func (s *Server) recovered(w *statusWriter, r route, problem any) {
	if problem == http.ErrAbortHandler {
		panic(problem)
	}
	s.panicked(r.pattern)(problem)
	if w.status == 0 {
		writeError(w, &apiError{http.StatusInternalServerError, "internal error; see the log"})
	}
}

// panicked returns a function that logs and counts a panic of some work.
func (s *Server) panicked(work string) func(problem any) {
	return func(problem any) {
		s.metrics.panics.Inc()
		s.options.Logger.Error("handler panicked",
			"route", work, "panic", fmt.Sprint(problem), "stack", string(debug.Stack()))
	}
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader records the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is of a response whose status is 200 unless another was written.
func (w *statusWriter) Write(p []byte) (int, error) {
	w.code()
	return w.ResponseWriter.Write(p)
}

// Unwrap gives http.ResponseController the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) code() int {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.status
}
