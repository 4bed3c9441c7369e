// Package web serves the pages, the health endpoints, the metrics and the APIs.
//
// A Server is built from Options, which name the data sources: alerts, rules, engine status, logs.
// Every source except the listener is optional. A page whose source is missing says so. The
// interfaces of the sources are declared in sources.go; this package imports no other part of the
// program that has state.
//
// Pages are rendered on the server from embedded templates; graphs are SVG. A small script replaces
// the parts of a page that have changed. Nothing is loaded from other hosts, there is no build
// step, and all pages can be read without the script.
//
// Log content is hostile. It reaches a page only through html/template, after package safetext has
// made control and bidirectional characters visible, and under a content security policy that
// allows only our own script and style. Requests that change something must come from our own pages
// or from a client that is not a browser, with a token if one is configured (access.go).
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Options configure a Server. Only Listener is required.
type Options struct {
	// open already, so that the caller reports an address that is in use
	Listener    net.Listener
	ConfigFile  string // TLS and passwords, as Prometheus has them; "" for neither
	ExternalURL string // URL of the pages for browsers; "" for unknown
	// host names that requests may use, besides localhost and ExternalURL's
	Hosts      []string
	Tokens     []Token // with none, every client may read and write
	ReadOnly   bool    // all changes are refused
	PProf      bool    // profiles under /debug/pprof
	Version    string  // of the program
	Logger     *slog.Logger
	Gatherer   prometheus.Gatherer   // of /metrics; the default one when nil
	Registerer prometheus.Registerer // of this package's metrics; nil for none
	Now        func() time.Time      // time.Now when nil

	Live         []Check                     // liveness checks
	Ready        []Check                     // readiness checks
	Reload       func(context.Context) error // reads rules and routes again
	Alertmanager http.Handler                // Alertmanager's API, with paths from /api/v2 on

	Alerts Alerts
	Rules  Rules
	Groups Groups
	// directory of the rule files that the pages and the API write; "" for none
	RulesDir string
	// text of a rule file by the name in its rules' positions; os.ReadFile when nil
	RuleFile    func(name string) ([]byte, error)
	Engine      Engine
	Logs        Logs
	Backtest    Backtest
	Notifier    Notifier
	DeadLetters DeadLetters
}

// Server serves pages and APIs. Its methods may be called concurrently.
type Server struct {
	Options
	access   access
	pages    pages
	files    ruleFiles
	handler  http.Handler
	stopping chan struct{} // closed when Run ends; ends all streams
	heavy    chan struct{} // holds a token for each request that reads the topic
	streams  chan struct{} // holds a token for each stream
	pulse    pulse         // fingerprint of the alerts, shared by all open pages
}

const (
	maxBody    = 1 << 20
	maxHeavy   = 3 // requests that read through the topic at a time
	maxStreams = 64
)

// New returns a server that does not serve yet.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.DefaultGatherer
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RuleFile == nil {
		o.RuleFile = readRuleFile
	}
	if o.ConfigFile != "" {
		if err := toolkit.Validate(o.ConfigFile); err != nil {
			return nil, fmt.Errorf("read web configuration %s: %w", o.ConfigFile, err)
		}
	}
	s := &Server{
		Options:  o,
		stopping: make(chan struct{}),
		heavy:    make(chan struct{}, maxHeavy),
		streams:  make(chan struct{}, maxStreams),
	}
	var err error
	if s.access, err = newAccess(o); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(o.Now); err != nil {
		return nil, err
	}
	s.files = ruleFiles{dir: o.RulesDir}
	s.handler = s.guard(s.mux())
	return s, nil
}

// ServeHTTP answers one request. It does not check the passwords of the configuration file; Run
// does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run serves until ctx ends. Then it ends all streams, waits up to three seconds for requests in
// progress, and returns.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute, // streams and backtests move it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		none := slog.New(slog.DiscardHandler) // the toolkit logs at every start that TLS is disabled
		err := toolkit.Serve(
			s.Listener,
			server,
			&toolkit.FlagConfig{WebConfigFile: &s.ConfigFile},
			none,
		)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		served <- err
	}()
	var acks sync.WaitGroup
	ackCtx, stopAcks := context.WithCancel(ctx)
	acks.Go(func() { s.expireAcks(ackCtx) })
	defer acks.Wait()
	defer stopAcks()

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	close(s.stopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	return <-served
}

// route is a pattern of the mux, the role it needs, and its handler.
type route struct {
	pattern string
	role    Role
	handle  http.Handler
}

// routes are all routes of the server. Tests compare the API document with this list.
func (s *Server) routes() []route {
	routes := []route{
		{"GET /healthz", Anyone, checks(s.Live)},
		{"GET /readyz", Anyone, checks(s.Ready)},
		{
			"GET /metrics",
			Reader,
			promhttp.HandlerFor(
				s.Gatherer,
				promhttp.HandlerOpts{
					ErrorLog: slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
				},
			),
		},
		{"POST /-/reload", Writer, s.api(s.reload)},
		{"GET /-/healthy", Anyone, checks(s.Live)}, // the paths of Prometheus and Alertmanager
		{"GET /-/ready", Anyone, checks(s.Ready)},
	}
	if s.Alertmanager != nil {
		am := s.alertmanager()
		routes = append(routes, route{"GET /api/v2/", Reader, am}, route{"/api/v2/", Writer, am})
	}
	if s.PProf {
		routes = append(routes,
			route{"GET /debug/pprof/", Writer, http.HandlerFunc(pprof.Index)},
			route{"GET /debug/pprof/cmdline", Writer, http.HandlerFunc(pprof.Cmdline)},
			route{"GET /debug/pprof/profile", Writer, unbounded(pprof.Profile)},
			route{"GET /debug/pprof/symbol", Writer, http.HandlerFunc(pprof.Symbol)},
			route{"GET /debug/pprof/trace", Writer, unbounded(pprof.Trace)})
	}
	return append(append(routes, s.apiRoutes()...), s.pageRoutes()...)
}

func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.access.require(r.role, r.handle))
	}
	return mux
}

// unbounded removes the write deadline of a handler.
func unbounded(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// a recorder in a test has no deadline
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		h(w, r)
	})
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if s.Reload == nil {
		return missing("reloading")
	}
	if err := s.Reload(r.Context()); err != nil {
		return &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	return nil
}
