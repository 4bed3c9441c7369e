// Package web serves the pages, the health endpoints, the metrics and the APIs.
//
// A Server is built from Options, which name the data sources: alerts, rules, engine status, logs.
// Every source except the listener is optional. A page whose source is missing says so. The
// interfaces of the sources are declared in sources.go; this package imports no other part of the
// program that has state.
//
// Each area of the pages and the API is a type with its routes: alerts, rules, explore, silences,
// receivers, history, engine, and Prometheus' API. What areas share is beside them: the state of
// the engine (state.go), the rendering of pages (pages.go), the topics, the audit trail, and
// Alertmanager's API.
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
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Options configure a Server. Only Listener is required.
type Options struct {
	// open already, so that the caller reports an address that is in use
	Listener    net.Listener
	ConfigFile  string // TLS and passwords, as Prometheus has them; "" for neither
	ExternalURL string // URL of the pages for browsers; "" for unknown
	// host names that requests may use, besides localhost and ExternalURL's
	Hosts    []string
	Tokens   []Token // with none, every client may read and write
	ReadOnly bool    // all changes are refused
	PProf    bool    // profiles under /debug/pprof
	Version  string  // of the program
	// JSON schemas of the files that users write, by kind: rules, tests, config
	Schemas    map[string]json.RawMessage
	Logger     *slog.Logger
	Gatherer   prometheus.Gatherer   // of /metrics; the default one when nil
	Registerer prometheus.Registerer // of this package's metrics; nil for none
	Now        func() time.Time      // time.Now when nil

	Live         []Check                     // liveness checks
	Ready        []Check                     // readiness checks
	Reload       func(context.Context) error // reads rules and routes again
	Alertmanager http.Handler                // Alertmanager's API, with paths from /api/v2 on

	Alerts  Alerts
	History History // nil to use the history of Alerts
	// ends an alert whose rule resolves by hand; nil if that is not possible
	Resolve func(ctx context.Context, alertID string) error
	Rules   Rules
	Groups  Groups
	// directory of the rule files that the pages and the API write; "" for none
	RulesDir string
	// writes or removes one of these files for all members of a cluster; nil to write it here, and
	// reload
	SaveRules func(context.Context, RuleChange) error
	// the last edit of such a file; nil if that is not known
	RuleEdit func(name string) (RuleEdit, bool)
	// text of a rule file by the name in its rules' positions; os.ReadFile when nil
	RuleFile func(name string) ([]byte, error)
	// what a rule asks for that cannot be computed, as a *problem.Error or problem.List; nil if
	// nothing
	CheckRule   func(*rule.Rule) error
	Engine      Engine
	Logs        Logs
	Backtest    Backtest
	Coverage    func() FieldCoverage // nil for none
	Notifier    Notifier
	Receivers   Receivers
	DeadLetters DeadLetters
	Audit       Audit // nil to only log changes
}

// Server serves pages and APIs. Its methods may be called concurrently.
//
// What it serves is in types of its own, one for each area: their routes come first, and their
// fields are all that they reach.
type Server struct {
	options  Options
	access   *access
	state    *engineState
	audit    *auditTrail
	pages    *pages
	actions  *alertActions
	areas    []area
	handler  http.Handler
	stopping chan struct{} // closed when Run ends; ends all streams
	limits   map[cost]*limit
	metrics  requestMetrics
}

// area is a part of the pages and of the API.
type area interface{ routes() []route }

// maxBody is the maximum size of a request's body.
const maxBody = 1 << 20

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
		if err := ValidateConfigFile(o.ConfigFile); err != nil {
			return nil, fmt.Errorf("read web configuration %s: %w", o.ConfigFile, err)
		}
	}
	s := &Server{
		options:  o,
		stopping: make(chan struct{}),
		limits:   newLimits(),
		metrics:  newRequestMetrics(o.Registerer),
	}
	s.state = newEngineState(o, s.panicked)
	s.showOwnChanges()
	var err error
	if s.access, err = newAccess(o); err != nil {
		return nil, err
	}
	if err := s.newAreas(); err != nil {
		return nil, err
	}
	s.handler = s.guard(compressed(s.mux()))
	return s, nil
}

// showOwnChanges has the next request see a change that was made here.
func (s *Server) showOwnChanges() {
	if resolve := s.options.Resolve; resolve != nil {
		s.options.Resolve = func(ctx context.Context, alertID string) error {
			defer s.state.dropAlerts()
			return resolve(ctx, alertID)
		}
	}
	if save := s.options.SaveRules; save != nil {
		s.options.SaveRules = func(ctx context.Context, c RuleChange) error {
			defer s.state.drop()
			return save(ctx, c)
		}
	}
	if reload := s.options.Reload; reload != nil {
		s.options.Reload = func(ctx context.Context) error {
			defer s.state.drop()
			return reload(ctx)
		}
	}
}

// newAreas gives each area what it needs.
func (s *Server) newAreas() error {
	o, state := s.options, s.state
	s.audit = &auditTrail{store: o.Audit, access: s.access, logger: o.Logger, now: o.Now}
	health := &health{live: o.Live, ready: o.Ready, access: s.access, state: state}
	var err error
	if s.pages, err = newPages(o, s.access, state, health); err != nil {
		return err
	}
	audit, pages := s.audit, s.pages
	alertmanager := &alertmanager{api: o.Alertmanager, audit: s.audit, now: o.Now}
	details := &alertDetails{state: state, audit: audit, notifier: o.Notifier}
	topics := &topics{logs: o.Logs, state: state, now: o.Now}
	files := &ruleFiles{
		dir: o.RulesDir, file: o.RuleFile, reload: o.Reload, save: o.SaveRules, edit: o.RuleEdit,
		state: state,
	}
	validator := &validator{checkRule: o.CheckRule, receivers: o.Receivers}
	backtester := &backtester{backtest: o.Backtest, state: state, now: o.Now}
	explainer := &explainer{topics: topics, state: state, groups: o.Groups}
	s.actions = &alertActions{
		state: state, details: details, alertmanager: alertmanager, audit: audit, pages: pages,
		resolver: o.Resolve, logger: o.Logger, now: o.Now,
	}
	editor := &editorHandlers{
		state: state, files: files, validator: validator, topics: topics, backtester: backtester,
		pages: pages, audit: audit, now: o.Now,
	}
	s.areas = []area{
		&alertHandlers{
			state: state, health: health, details: details, alertmanager: alertmanager,
			files: files, pages: pages, resolvable: o.Resolve != nil, now: o.Now,
		},
		s.actions,
		&ruleHandlers{
			state: state, files: files, explainer: explainer, receivers: o.Receivers,
			coverage: o.Coverage, pages: pages, now: o.Now,
		},
		&ruleFileHandlers{files: files, audit: audit},
		validator,
		backtester,
		explainer,
		editor,
		&suggestHandlers{
			topics: topics, backtester: backtester, editor: editor, state: state,
			coverage: o.Coverage, limit: s.limits[backtests], pages: pages, now: o.Now,
		},
		&exploreHandlers{
			topics: topics, details: details, state: state, pages: pages, stopping: s.stopping,
			now: o.Now,
		},
		&silenceHandlers{
			alertmanager: alertmanager, state: state, details: details, audit: audit,
			pages: pages, now: o.Now,
		},
		alertmanager,
		&receiverHandlers{
			receivers: o.Receivers, notifier: o.Notifier, audit: audit, pages: pages,
		},
		&historyHandlers{state: state, audit: audit, pages: pages, logger: o.Logger, now: o.Now},
		&engineHandlers{
			state: state, health: health, notifier: o.Notifier, deadLetters: o.DeadLetters,
			audit: audit, pages: pages, version: o.Version,
		},
		&prometheusAPI{state: state, version: o.Version, now: o.Now},
		audit,
		health,
		&logins{access: s.access, pages: pages, now: o.Now},
		&pageUpdates{state: state, health: health, pages: pages, stopping: s.stopping},
		pages,
	}
	return nil
}

// ServeHTTP answers one request. It does not check the passwords of the configuration file; Run
// does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	accepted(r)
	s.handler.ServeHTTP(w, r)
}

// Run serves until ctx ends. Then it ends all streams, waits up to three seconds for requests in
// progress, and returns.
func (s *Server) Run(ctx context.Context) error {
	if s.access.unprotected() && !s.access.local {
		s.options.Logger.Warn(
			"web.listen is reachable from other machines and no token is set: every client may "+
				"read logs and change rules (set web.token, web.config_file or web.read_only)",
			"address", s.options.Listener.Addr().String(),
		)
	}
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute, // streams and backtests move it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         newConnections().note,
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	listener := &hookedListener{
		Listener: s.options.Listener,
		hook: func() {
			server.Handler = s.access.limitPasswords(server.Handler)
		},
	}
	served := make(chan error, 1)
	go func() {
		// the toolkit logs at every start that TLS is disabled
		none := slog.New(slog.DiscardHandler)
		flags := toolkit.FlagConfig{WebConfigFile: &s.options.ConfigFile}
		err := toolkit.Serve(listener, server, &flags, none)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		served <- err
	}()
	var acks sync.WaitGroup
	ackCtx, stopAcks := context.WithCancel(ctx)
	acks.Go(func() { s.actions.expireAcks(ackCtx) })
	defer acks.Wait()
	defer stopAcks()
	defer s.state.close()

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

// ValidateConfigFile reports what is wrong with a file of TLS and passwords.
func ValidateConfigFile(name string) error { return toolkit.Validate(name) }

// hookedListener calls a hook before it accepts the first connection. By then the toolkit has
// wrapped the server's handler with its check of passwords; it offers no other place to put
// something before that check.
type hookedListener struct {
	net.Listener
	once sync.Once
	hook func()
}

// Accept calls the hook once and accepts a connection.
func (l *hookedListener) Accept() (net.Conn, error) {
	l.once.Do(l.hook)
	return l.Listener.Accept()
}

// route is a pattern of the mux, the role it needs, what it costs, and its handler.
type route struct {
	pattern string
	role    Role
	cost    cost
	handle  http.Handler
}

// routes are all routes of the server. Tests derive the API document's paths and the table of
// permissions from this list.
func (s *Server) routes() []route {
	metrics := promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		MaxRequestsInFlight: 4,
	})
	routes := []route{
		{"GET /metrics", Reader, cheap, metrics},
		{"POST /-/reload", Writer, costly, api(s.reload)},
		{"GET /schemas/{name}", Anyone, cheap, http.HandlerFunc(s.schema)},
		{"GET /api/v1/openapi.yaml", Reader, cheap, http.HandlerFunc(serveOpenAPI)},
	}
	for _, a := range s.areas {
		routes = append(routes, a.routes()...)
	}
	if s.options.PProf {
		routes = append(routes,
			route{"GET /debug/pprof/", Writer, costly, http.HandlerFunc(pprof.Index)},
			route{"GET /debug/pprof/cmdline", Writer, cheap, http.HandlerFunc(commandLine)},
			route{"GET /debug/pprof/profile", Writer, searches, unbounded(pprof.Profile)},
			route{"GET /debug/pprof/symbol", Writer, cheap, http.HandlerFunc(pprof.Symbol)},
			route{"GET /debug/pprof/trace", Writer, searches, unbounded(pprof.Trace)})
	}
	for i := range routes {
		if routes[i].role == Writer && !strings.HasPrefix(routes[i].pattern, "GET ") {
			routes[i].cost = changes
		}
	}
	return routes
}

// mux applies the permissions and limits of each route before its handler.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		r.handle = s.access.require(r.role, s.limited(r.cost, r.handle))
		mux.Handle(r.pattern, s.instrument(r))
	}
	return mux
}

// commandLine shows the names of the flags and not their values, which may be secrets.
func commandLine(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for i, arg := range os.Args {
		name, _, assigned := strings.Cut(arg, "=")
		switch {
		case i == 0 || strings.HasPrefix(arg, "-") && !assigned:
			fmt.Fprintln(w, arg) // #nosec G705 -- plain text of our own command line
		case strings.HasPrefix(arg, "-"):
			fmt.Fprintln(w, name+"=…") // #nosec G705 -- plain text of our own command line
		default:
			fmt.Fprintln(w, "…")
		}
	}
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
	if s.options.Reload == nil {
		return missing("reloading")
	}
	if err := s.options.Reload(r.Context()); err != nil {
		return &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	s.audit.record(r, "reloaded")
	return nil
}

// schema serves a JSON schema, such as /schemas/rules.schema.json. It says nothing of this engine.
func (s *Server) schema(w http.ResponseWriter, r *http.Request) {
	kind, ok := strings.CutSuffix(r.PathValue("name"), ".schema.json")
	text, known := s.options.Schemas[kind]
	if !ok || !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(text)
}
