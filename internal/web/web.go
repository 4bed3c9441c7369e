// Package web serves what people and other programs look at: pages, health, metrics, and the APIs.
//
// A Server is made of Options, in which the program hands over what it can show: alerts, rules, the
// state of the engine, the logs themselves. Everything but the listener may be missing; what is
// missing is said on the page that would show it. The package declares the little that it asks of
// the other parts (sources.go), and never reaches into them.
//
// Pages are made here and not in the browser: a request renders HTML from embedded templates,
// graphs are SVG, and a small script of our own replaces the parts of a page that have changed when
// the server says so. Nothing is loaded from elsewhere, there is no build step, and without the
// script all pages can still be read.
//
// Whatever comes from a log was written by whoever wrote the log. It reaches a page only through
// html/template, with control and bidirectional characters made visible before (visible.go), under
// a content security policy that runs no script and no style but our own. Requests that change
// something must come from our own pages or from outside a browser, with a token when one is
// configured (access.go).
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

// Options are what a Server is made of. Only Listener is required.
type Options struct {
	// open already, so that whoever opened it knows the address and can say that it is taken
	Listener    net.Listener
	ConfigFile  string // TLS and passwords, as Prometheus has them; "" for neither
	ExternalURL string // under which people reach the pages; "" when it is not known
	// names under which the pages may be asked for, besides this machine's and ExternalURL's;
	// matters on loopback only
	Hosts      []string
	Tokens     []Token // with none, whoever reaches the listener may do everything
	ReadOnly   bool    // nobody may change anything
	PProf      bool    // profiles under /debug/pprof
	Version    string  // of the program
	Logger     *slog.Logger
	Gatherer   prometheus.Gatherer   // of /metrics; the default one when nil
	Registerer prometheus.Registerer // of our own metrics; nil for none
	Now        func() time.Time      // time.Now when nil

	Live         []Check                     // what must hold for the process to be worth keeping
	Ready        []Check                     // what must hold for alerts to be found and told
	Reload       func(context.Context) error // reads rules and routes again
	Alertmanager http.Handler                // Alertmanager's API, with paths from /api/v2 on

	Alerts Alerts
	Rules  Rules
	Groups Groups
	// where rules that are written here are kept, as files; "" for none
	RulesDir string
	// the text of a rule file, by the name that its rules' positions have; os.ReadFile when nil
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
	stopping chan struct{} // closed when Run is asked to end, which ends all streams
	heavy    chan struct{} // holds a token for each request that reads the topic
	streams  chan struct{} // holds a token for each stream
	pulse    pulse         // of the alerts, for the pages that are open
}

const (
	maxBody    = 1 << 20
	maxHeavy   = 3 // requests that read through the topic at a time
	maxStreams = 64
)

// New returns a server that has not begun to serve.
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

// ServeHTTP answers one request, without the passwords of the configuration file, which belong to
// the listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run serves until ctx ends; then it ends all streams, waits a moment for requests under way, and
// returns.
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
		none := slog.New(slog.DiscardHandler) // it says on every start that TLS is off
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

// route is one pattern of the mux, who may use it, and what answers.
type route struct {
	pattern string
	role    Role
	handle  http.Handler
}

// routes are all that the server answers. The API's document is held against this list by a test.
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
		{"GET /-/healthy", Anyone, checks(s.Live)}, // as Prometheus and Alertmanager call them
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

// unbounded lets a handler write for longer than other requests may.
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
