package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/internal/web"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Run reads logs and sends alerts until ctx is done. It returns an error at once, with nothing
// started, when the configuration cannot work. load reads the configuration again when a reload is
// asked for.
func Run(ctx context.Context, c *Config, t Terminal, load func() (*Config, error)) error {
	p := newProcess(c, t)
	p.load, p.signals = load, make(chan os.Signal, 1)
	p.settled = debug.FreeOSMemory
	if !c.Web.PProf {
		runtime.MemProfileRate = 0 // else the samples of all allocations are kept, 1.5 MB
	}
	signal.Notify(p.signals, syscall.SIGHUP)
	defer signal.Stop(p.signals)
	return p.run(ctx)
}

// process is one run. Each part starts when the parts that it uses are ready, and stops before
// them:
//
//	backfills  evaluate new rules over past logs       ▲ starts last, stops first
//	source     reads Kafka, drives the state           │ stop: takes the last checkpoint
//	lists      follow topics that hold list values     │ read before the source reads logs
//	notifier   sends alerts from the outbox            │ stop: finishes attempts under way
//	server     pages, health, metrics, API             │
//	state      engine and store, as one                │
//	store      windows, alerts, offsets, outbox        │ starts first, stops last
//
// Mistakes in rules, routes, the listening address and the data directory are found before the
// first part starts.
type process struct {
	config  *Config
	load    func() (*Config, error)          // for a reload; nil when there is nothing to load
	signals chan os.Signal                   // each asks for a reload
	rules   func(*Config) (*rule.Set, error) // those of the configuration, but for the demo
	sigma   sigmaFiles
	// the texts of the rules, for the other members of a cluster
	ruleTexts func(*Config) ([]rule.File, error)
	// the text of a rule file, for the pages; nil for the file itself
	ruleFile func(name string) ([]byte, error)
	started  func(pages string)              // is called when logs are about to be read
	beside   func(ctx context.Context) error // runs as long as the source does; nil for nothing
	network  network                         // the real one, but for tests
	// is called a while after the start, once; nil for nothing, as in tests
	settled func()
	// is called before fsync; nil for nothing, but in tests
	disk func() error
	// this machine's clock for the source; nil for time.Now, but in tests
	wall     func() time.Time
	terminal Terminal
	logger   *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	lives    *lifetimes

	store      *store.Store
	state      *state
	topics     *topics
	backfills  *backfills
	retentions *retentions
	lists      *lists
	lookups    *lookupTopics
	coverage   *coverage
	notifier   *notify.Notifier
	history    *history.Log
	source     *kafka.Source
	server     *web.Server
	listener   net.Listener
	// transitions that were decided when the state of a member of a cluster was taken over
	inherited []models.Alert

	reloading sync.Mutex // one reload at a time
	set       atomic.Pointer[rule.Set]
	notifying atomic.Pointer[NotifyConfig] // that of the last reload
}

// network is how the program listens and connects; tests have one without ports.
type network struct {
	// nil for the usual way
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	listen func(network, address string) (net.Listener, error)
}

func newProcess(c *Config, t Terminal) *process {
	p := &process{
		config:   c,
		started:  func(string) {},
		network:  network{listen: net.Listen},
		terminal: t,
		logger:   t.logger(c.Log),
		registry: prometheus.NewRegistry(),
		lives:    newLifetimes(),
	}
	p.rules, p.ruleTexts = p.configuredRules, readRuleTexts
	p.metrics, p.retentions, p.lists = newMetrics(p.registry), newRetentions(p), newLists(p)
	p.lookups, p.coverage = newLookupTopics(p), newCoverage(p)
	p.registry.MustRegister(p.coverage)
	p.topics = &topics{p: p, made: map[string]bool{}, denied: map[string]error{}}
	return p
}

// configuredRules reads the rules of a configuration, and says what became of its Sigma rules.
func (p *process) configuredRules(c *Config) (*rule.Set, error) {
	p.sigma.keep = c.Cluster.Enabled
	set, report, err := p.sigma.rules(c)
	if err == nil && len(c.Sigma) > 0 {
		report.log(p.logger)
		p.metrics.sigma(report)
	}
	return set, err
}

// run starts all parts, waits for the end, and stops them.
func (p *process) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, p.lives.end()) }()
	limitMemory(p.logger)
	tuneCollector()
	if err := p.open(ctx); err != nil {
		return err
	}
	p.logStart()
	p.start(ctx)
	p.started(p.pages())
	return p.lives.wait(ctx)
}

// open creates all parts, from the bottom up, and checks their configuration. It starts none.
func (p *process) open(ctx context.Context) error {
	set, err := p.rules(p.config)
	if err != nil {
		return err
	}
	openSchemas := func() error { return p.config.openSchemas(p.network.dial) }
	for _, open := range []func() error{
		p.openListener, openSchemas, func() error { return p.openState(ctx, set) }, p.openHistory,
		func() error { return p.lookups.load(ctx) }, p.openNotifier, p.openSource, p.openServer,
	} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

// openListener comes first: a second process of the same configuration fails here, before it opens
// the data directory.
func (p *process) openListener() (err error) {
	if p.config.Web.Listen == "" {
		return nil
	}
	if p.listener, err = p.network.listen("tcp", p.config.Web.Listen); err != nil {
		return portHint(err, "--listen 127.0.0.1:0")
	}
	p.lives.onEnd(func() error { p.listener.Close(); return nil }) // the server may have closed it
	return nil
}

// openState opens the store and restores the engine from it.
func (p *process) openState(ctx context.Context, set *rule.Set) (err error) {
	p.store, err = store.Open(
		filepath.Join(string(p.config.DataDir), "state"),
		store.Options{Logger: p.logger, Registerer: p.registry, Sync: p.disk},
	)
	if err != nil {
		return err
	}
	p.lives.onEnd(p.store.Close)
	if !p.config.Cluster.Enabled {
		member, err := ofMember(p.store)
		if err == nil && member {
			if p.inherited, err = p.leaveCluster(ctx); err == nil {
				set, err = p.rules(p.config) // with those of the pages
			}
		}
		if err != nil {
			return err
		}
	}
	topic := p.config.Kafka.RecordsTopic
	p.state = &state{store: p.store, values: newRecorded(topic, p.topics, p.logger, p.registry)}
	options := p.engineOptions(p.registry)
	if p.config.Cluster.Enabled {
		return p.openStateOfCluster(set, append(options, alerting.WithFrames(),
			alerting.WithBackfill()))
	}
	if p.config.Limits.BackfillTimeout > 0 {
		options = append(options, alerting.WithBackfill())
	}
	p.state.Engine = alerting.NewEngine(options...)
	if err := p.state.SetRules(set); err != nil {
		return err
	}
	p.set.Store(set)
	if err := p.state.Restore(p.state.values.restoring(p.store.Load)); err != nil {
		return fmt.Errorf("restore state from %s: %w", p.config.DataDir, err)
	}
	if len(p.store.Positions()) == 0 {
		// nothing was read yet: the rules' past is what the source begins with
		p.state.SkipBackfill(nil, "")
	}
	p.backfills = newBackfills(p)
	p.state.between = p.backfills.meet
	return nil
}

// engineOptions are those of an engine that decides for the state.
func (p *process) engineOptions(r prometheus.Registerer) []alerting.Option {
	options := []alerting.Option{
		alerting.WithRules(&rule.Set{}),
		alerting.WithEmit(p.state.emit),
		alerting.WithLogger(p.logger),
		alerting.WithRegisterer(r),
		alerting.WithDecode(p.config.Format),
		alerting.WithMaxAlertAge(p.config.Limits.MaxAlertAge),
		alerting.WithClock(clock),
	}
	if topic := p.config.Kafka.RecordsTopic; topic != "" {
		options = append(options, alerting.WithRecorded(topic, p.state.values.take))
	}
	return options
}

// openStateOfCluster is openState for a member of a cluster. The rules in force are those of the
// cluster. Whether new ones wait for their past is not for a member to say, so all wait, and the
// leader lets them go.
func (p *process) openStateOfCluster(set *rule.Set, options []alerting.Option) error {
	p.state.Engine = alerting.NewEngine(options...)
	p.backfills = newBackfills(p)
	return p.openCluster(set)
}

// openNotifier checks routes and receivers, and gives the notifier the firing alerts before it can
// send anything: else it would resolve all of them.
func (p *process) openNotifier() (err error) {
	o := p.notifyOptions(p.config)
	p.lives.onEnd(p.topics.close)
	o.Delivered, o.Live, o.Limit = p.delivered, p.state.Alert, p.notifyLimit
	o.DataDir, o.Outbox = string(p.config.DataDir), p.store
	o.Firing = p.state.firing(models.Partition{})
	o.Grace, o.Logger, o.Registerer = p.config.Limits.ShutdownGrace, p.logger, p.registry
	o.Dial = p.network.dial
	if m := p.state.cluster; m != nil {
		out := clusterOutbox{m}
		o.Outbox, o.Firing, o.Publish, o.Home = out, nil, out.publish, m.home
		o.Leads, o.Share, o.Shared, o.Notified = m.leads, out.share, out.shared, m.notified
	}
	if p.notifier, err = notify.New(o); err != nil {
		return err
	}
	p.notifying.Store(&p.config.Notify)
	p.lookups.keepNamed()
	p.lives.onEnd(p.notifier.Close)
	return nil
}

// openSource makes the source. What is wrong with topics and credentials is known when it has asked
// the brokers, which it does when it begins to work.
func (p *process) openSource() (err error) {
	o := p.config.source()
	o.Client.Dial, o.Logger, o.Registerer = p.network.dial, p.logger, p.registry
	o.SlowFile = filepath.Join(string(p.config.DataDir), "slow-records.json")
	o.Exclusive, o.Clock = p.exclusive, p.wall
	if o.InstanceID, err = instance(p.config); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	if m := p.state.cluster; m != nil {
		o.Exclusive = nil
		p.source = kafka.NewSource(o, m.scanner)
		return nil
	}
	p.source = kafka.NewSource(o, p.state)
	return nil
}

// tokens are the tokens of the pages and the API.
func (c WebConfig) tokens() (list []web.Token) {
	for _, t := range []web.Token{
		{Secret: string(c.Token), Role: web.Writer},
		{Secret: string(c.ReadToken), Role: web.Reader},
	} {
		if t.Secret != "" {
			list = append(list, t)
		}
	}
	return list
}

// openServer makes pages, health and API.
func (p *process) openServer() (err error) {
	if p.listener == nil {
		return nil
	}
	w := p.config.Web
	o := web.Options{
		Listener:     p.listener,
		ConfigFile:   string(w.ConfigFile),
		ExternalURL:  p.config.Notify.ExternalURL,
		PProf:        w.PProf,
		Version:      Version(),
		Logger:       p.logger,
		Gatherer:     p.registry,
		Registerer:   p.registry,
		Live:         p.live(),
		Ready:        p.ready(),
		Reload:       p.reload,
		Alertmanager: p.notifier.Handler(),
	}
	o.ReadOnly, o.Hosts = w.ReadOnly, w.Hosts
	o.RulesDir, o.RuleFile, o.CheckRule = p.config.ownRules(), p.ruleFile, alerting.CheckCompiles
	o.Tokens, o.Schemas = w.tokens(), Schemas()
	p.setViews(&o)
	o.History, o.Audit = historyView{p.history}, historyView{p.history}
	if m := p.state.cluster; m != nil {
		o.Audit, o.SaveRules = clusterAudit{historyView{p.history}, m}, m.pages.save
		o.RuleEdit = m.pages.last
	}
	p.server, err = web.New(o)
	return err
}

// start has the parts work, from the bottom up.
func (p *process) start(ctx context.Context) {
	if p.server != nil {
		p.lives.start(ctx, "pages", p.server.Run)
	}
	p.lives.start(ctx, "lookups", p.lookups.run)
	p.lives.start(ctx, "notifications", p.notifier.Run)
	if p.config.Kafka.RecordsTopic != "" {
		p.lives.start(ctx, "recorded values", p.writeValues)
	}
	p.lives.start(ctx, "rights to write", p.topics.watchRights)
	p.lives.start(ctx, "own alerts", p.reportOwnAlerts)
	p.lives.start(ctx, "lists", p.lists.run)
	read := p.lists.before(p.read)
	if m := p.state.cluster; m != nil {
		p.lives.start(ctx, "cluster", m.run)
		read = m.before(read)
	}
	p.lives.start(ctx, "kafka", read)
	p.lives.start(ctx, "backfill", p.backfills.run)
	p.lives.start(ctx, "query index", p.replan)
	p.lives.start(ctx, "field coverage", p.coverage.run)
	p.lives.start(ctx, "retention of topics", p.retentions.run)
	if p.beside != nil {
		p.lives.start(ctx, "demo workload", p.beside)
	}
	if p.load != nil {
		p.lives.start(ctx, "mounts", p.watchMounts)
	}
	if p.signals != nil {
		p.lives.start(ctx, "reload", p.reloadOnSignal)
	}
	if p.settled != nil {
		later := time.AfterFunc(afterStart, p.settled)
		p.lives.onEnd(func() error { later.Stop(); return nil })
	}
}

// afterStart is when what was needed to start alone is garbage, and given back. Else it would stay
// until as much again is allocated, which takes hours where few logs come.
const afterStart = 3 * time.Second

// writeValues writes the values of record rules to their topic. When it ends the source has taken
// its last checkpoint.
func (p *process) writeValues(ctx context.Context) error {
	if err := p.state.values.run(ctx, p.config.Limits.ShutdownGrace); err != nil {
		return err
	}
	return p.state.noteRecorded()
}

// Alerts of the program itself.
const (
	futureAlert = "RecordsFromTheFuture"
	seriesAlert = "MetricSeriesHeldBack"
	missedAlert = "AlertsMissedByLateLogs"

	ownAlertsEvery = 15 * time.Second
	missedFor      = 30 * time.Minute // how long missedAlert lasts
)

// reportOwnAlerts has alerts of the program itself fire: while too many records have timestamps
// ahead of the clock, since their producers' clocks are wrong or write another time there; while
// the metrics do not show all groups of record rules; and for a while after logs came too late for
// an alert to fire.
func (p *process) reportOwnAlerts(ctx context.Context) error {
	for wait.Sleep(ctx, ownAlertsEvery) {
		problems := p.source.Future()
		p.notifier.Report(futureAlert, "warning", strings.Join(problems, "; "), len(problems) > 0)
		held := p.state.SeriesHeldBack()
		summary := strings.Join(held[:min(len(held), 3)], "; ")
		if len(held) > 3 {
			summary += fmt.Sprintf("; and %d more rules", len(held)-3)
		}
		p.notifier.Report(seriesAlert, "warning", summary, len(held) > 0)
		missed := p.state.missed()
		p.notifier.Report(missedAlert, "warning", missed,
			missed != "" && p.notifying.Load().MissedAlerts)
	}
	return nil
}

// missed describes the newest alert that did not fire because its logs came too late, within
// missedFor; "" for none.
func (s *state) missed() string {
	list := s.Missed()
	if len(list) == 0 || s.Stats().Now.Sub(list[0].Found) > missedFor {
		return ""
	}
	one := list[0]
	return fmt.Sprintf("an alert of %s did not fire, since its logs came %s late; raise the "+
		"lateness of the rule, or find what delays them", one.Rule,
		duration.Format(one.Behind.Round(time.Second)))
}

// read reads the topics. One of them may be that of recorded values, which is ours to make.
func (p *process) read(ctx context.Context) error {
	if topic := p.config.Kafka.RecordsTopic; slices.Contains(p.config.Kafka.Topics, topic) {
		if err := p.topics.await(ctx, topic); err != nil {
			p.logger.Error(
				"the topic of recorded values cannot be created",
				"topic", topic, "error", err,
			)
		}
	}
	return p.source.Run(ctx)
}

// notifyOptions are the receivers. Without any, alerts are printed to the terminal: silence would
// look like a system without problems.
func (p *process) notifyOptions(c *Config) notify.Options {
	o := receiverOptions(c, p.lookups.table)
	o.ExternalURL, o.File, o.Topic, o.Writer = cmp.Or(c.Notify.ExternalURL, p.pages()),
		string(c.Notify.File), c.Notify.KafkaTopic, p.topics
	if c.Notify.Terminal ||
		o.AlertmanagerConfig+o.WebhookURL+o.SlackURL+o.File+o.Topic == "" &&
			len(o.Alertmanagers) == 0 {
		o.Terminal = p.terminal.Out
	}
	return o
}

// ReceiverOptions are the routes and receivers of a configuration, without file, topic and
// terminal.
func ReceiverOptions(c *Config) notify.Options {
	return receiverOptions(c, func(l LookupConfig) *notify.Table { return notify.NewTable(l.By) })
}

// receiverOptions are those with the tables of topics.
func receiverOptions(c *Config, table func(LookupConfig) *notify.Table) notify.Options {
	n := c.Notify
	var lookups []notify.Lookup
	for _, one := range n.Lookups {
		l := notify.Lookup{File: string(one.File), By: one.By, Annotations: one.Annotations}
		if one.Topic != "" {
			l.Table = table(one)
		}
		lookups = append(lookups, l)
	}
	return notify.Options{
		Lookups:            lookups,
		AlertmanagerConfig: string(n.AlertmanagerConfig),
		WebhookURL:         string(n.WebhookURL),
		SlackURL:           string(n.SlackURL),
		SlackChannel:       n.SlackChannel,
		Alertmanagers:      n.Alertmanagers,
		ExternalURL:        n.ExternalURL,
	}
}

// pages is where the pages are, "" when there are none.
func (p *process) pages() string {
	if p.listener == nil {
		return ""
	}
	return "http://" + p.listener.Addr().String()
}

func clock() int64 { return time.Now().UnixNano() }
