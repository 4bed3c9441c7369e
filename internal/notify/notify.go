// Package notify tells people of alerts. It takes transitions from the outbox and gives them to
// Alertmanager's own packages, assembled within this process: routes, groups, inhibition, mute
// times, silences, templates and receivers, by a normal alertmanager.yml, or by a webhook or Slack
// URL alone. It can also post to Alertmanagers of the user's own, and beside any of these print to
// a terminal, append to a file, or write to a topic of Kafka.
//
//	outbox ──► book ──► provider ──► dispatcher ──► inhibition, times, silences ──► anything new? ──► attempts ──► receivers
//	            │                                                                       ▲   │             │
//	            └────────────── journal (disk): book, notification log, silences ───────┴───┴─────────────┘
//
// The book says what people are to know: for each set of labels, whether it fires, and which
// receiver was told what. It is on disk before a transition is acknowledged to the outbox, and from
// it everything else follows: the loop of Run hands the book's changes to Alertmanager, and firing
// alerts once a minute anew. Nothing that evaluates logs ever waits for this package, and within it
// no receiver waits for another.
//
// # What is promised
//
// An alert is told at least once, and as a rule exactly once. A process that is killed at any
// instant continues where it was: what fires, what is over but not told, who was told what, and
// silences are all on disk as they change, and what the outbox brings up once more is recognised. A
// notification is sent twice only when the receiver took it and we do not know: its answer was lost
// or came too late, or a kill came within the milliseconds between the answer and our note of it,
// or the disk took no notes, which Health says.
//
// Whoever hears that an alert fires hears that it is over, even if it was silenced meanwhile, or
// the rule is gone. Whoever could not be told before it was over, since the receiver was down or
// the group's turn had not come, is told that it is over, with all there is to know, even with
// send_resolved: false. Whoever did not hear because it was silenced, inhibited or out of hours,
// hears nothing of its end either. What is historical or of a shadow rule, pending or suppressed,
// is not told at all. A silence that ends over a firing alert has it told at the group's next turn,
// a minute later at most by default.
//
// The first notification of a group leaves at once, unlike Alertmanager's own default of 30
// seconds; what follows is batched by group_interval, a minute by default. Receivers that fail are
// tried again by Alertmanager's stages, less and less often, until they have it.
//
// # What an alert looks like from outside
//
// Alertmanager knows an alert by its labels, and so do receivers: episodes of one group of one rule
// are one alert to them, and alerts of two rules with the same labels as well. StartsAt and EndsAt
// are times of our clock, since an old StartsAt would defeat grouping; event times are annotations,
// as are value, threshold, reason, count, lines, topic, partition, offset, rule and alert_id, the
// ID of the episode. PagerDuty's dedup key, and that of other ticketing receivers, is
// Alertmanager's hash of the group key: with group_by: ['...'] it is that of the alert, and stays
// the same in its next episode, which opens a new incident because the resolve closed the former
// one. A group with several alerts is one incident.
//
// All text is made valid and bounded here, and escaped for each receiver that gives meaning to what
// it holds, since logs are written by attackers.
package notify

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"

	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Outbox holds the transitions that are yet to be told, in the order in which they were decided.
// store.Store is one.
type Outbox interface {
	Pending() []store.Entry
	Changed() <-chan struct{}
	Ack(seq uint64)
}

// Options say whom to tell, and what of. AlertmanagerConfig, WebhookURL and SlackURL together, and
// Alertmanagers exclude each other; Terminal, File and Topic go with any.
type Options struct {
	AlertmanagerConfig string    // a normal alertmanager.yml
	WebhookURL         string    // gets Alertmanager's webhook JSON
	SlackURL           string    // an incoming webhook of Slack
	SlackChannel       string    // "" for the webhook's own
	Alertmanagers      []string  // base URLs of Alertmanagers that do the rest themselves
	Terminal           io.Writer // prints alerts; nil for not
	File               string    // gets a line of JSON for each notification; "" for not
	Topic              string    // of Kafka, gets a record for each notification; "" for not
	Writer             Writer    // writes to the topic
	ExternalURL        string    // under which people reach our pages

	// the memory of notifications and silences is in a directory of its own within it
	DataDir string
	Outbox  Outbox //
	// the alerts that are up according to the engine, whose state was restored; those with a home
	// come with Take
	Firing []models.Alert
	// passes on what whoever gets a partition next has to know; nil when there is nobody else
	Publish Publish
	// how long a stop waits for notifications under way; 10 s by default
	Grace      time.Duration
	MaxAlerts  int                   // that are handed to Alertmanager at once; 10,000 by default
	Logger     *slog.Logger          // slog.Default() by default
	Registerer prometheus.Registerer // nil for no metrics

	// how receivers are reached; nil for the network
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.MaxAlerts <= 0 {
		o.MaxAlerts = 10_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

const (
	// of what was notified, and of silences that are over; Alertmanager's
	retention    = 120 * time.Hour
	housekeeping = 15 * time.Minute // between two times that what is too old is dropped
	apiTimeout   = 30 * time.Second
	maxSilences  = 10_000
	maxOver      = 100_000         // alerts that are over and remembered
	maxSilence   = 64 << 10        // bytes
	swapGrace    = 5 * time.Second // how long a reload waits for attempts under way
	failureAfter = time.Minute     // of failing, a receiver makes us unhealthy
)

// Notifier tells people. New makes it, Run has it work; the other methods may be called by any
// number of goroutines at any time.
type Notifier struct {
	opts        Options
	logger      *slog.Logger
	journal     *journal
	book        *book
	ledger      *ledger
	silences    *silence.Silences
	silencer    *silence.Silencer
	alerts      *mem.Alerts
	groups      marker.GroupMarker
	recorder    eventrecorder.Recorder
	notifying   *notify.Metrics
	dispatching *dispatch.DispatcherMetrics
	registry    *prometheus.Registry
	metrics     *metrics
	deliveries  deliveries
	receivers   receivers
	api         *api.API
	handler     atomic.Pointer[http.Handler] // while Run works

	woken    chan struct{} // there is something to hand over
	entering sync.Mutex    // guards taken
	// sequence numbers of the last entries that were entered in the book, and acknowledged; the
	// latter is Run's alone
	taken, acked uint64

	plan     atomic.Pointer[plan]
	pipeline atomic.Pointer[pipeline]
	swapping sync.Mutex // guards running, and changes of plan and pipeline
	running  bool
	closing  sync.Once
}

// New checks whom to tell, and opens the memory of what was told. Nothing is told before Run.
// Whoever does not call Run calls Close.
func New(o Options) (*Notifier, error) {
	o = o.withDefaults()
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		opts:     o,
		logger:   o.Logger,
		recorder: eventrecorder.NopRecorder(),
		groups:   marker.NewGroupMarker(),
		ledger:   &ledger{},
		woken:    make(chan struct{}, 1),
		registry: prometheus.NewRegistry(),
	}
	n.plan.Store(p)
	if n.journal, err = openJournal(filepath.Join(o.DataDir, "notify"), o.Logger, time.Now()); err != nil {
		return nil, err
	}
	n.book = newBook(n.journal, o.Logger, o.MaxAlerts, o.Publish)
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.book.restore(o.Firing, time.Now())
	return n, nil
}

// open makes Alertmanager's parts that live as long as the notifier. Their metrics, and ours, are
// one collector to the outside, since Alertmanager panics when what it registers is there already.
func (n *Notifier) open() (err error) {
	n.metrics = newMetrics(n.registry, n.book)
	n.notifying = notify.NewMetrics(n.registry, featurecontrol.NoopFlags{})
	n.dispatching = dispatch.NewDispatcherMetrics(false, n.registry, featurecontrol.NoopFlags{})
	if n.ledger.log, err = nflog.New(nflog.Options{Retention: retention, Logger: n.logger, Metrics: n.registry}); err != nil {
		return err
	}
	limits := silence.Limits{
		MaxSilences:         func() int { return maxSilences },
		MaxSilenceSizeBytes: func() int { return maxSilence },
	}
	n.silences, err = silence.New(
		silence.Options{
			Retention:     retention,
			Limits:        limits,
			Logger:        n.logger,
			Metrics:       n.registry,
			EventRecorder: n.recorder,
		},
	)
	if err != nil {
		return err
	}
	n.ledger.attach(n.journal, n.silences, n.logger)
	n.silencer = silence.NewSilencer(n.silences, n.logger, n.recorder)
	return nil
}

// Close gives up the directory of a notifier. Run calls it at its end.
func (n *Notifier) Close() (err error) {
	n.closing.Do(func() { err = n.journal.close() })
	return err
}

// Run tells people until ctx is done, and then for as long as Options.Grace what is under way. It
// is called once.
func (n *Notifier) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, n.Close()) }()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	if n.alerts, err = mem.NewAlerts(within, housekeeping, 0, n.silencer, n.logger, n.recorder, n.registry, featurecontrol.NoopFlags{}); err != nil {
		return err
	}
	if err := n.serve(); err != nil {
		return err
	}
	if n.opts.Registerer != nil {
		if err := n.opts.Registerer.Register(n.registry); err != nil {
			return err
		}
		defer n.opts.Registerer.Unregister(n.registry)
	}
	// Everything that fires is handed over before the first notification may leave, with what the
	// outbox has to say about it.
	n.recall()
	n.enter()
	n.handOver(time.Now())
	n.begin()
	helpers.Go(func() { n.keepHouse(within) })

	n.feed(ctx)
	n.drain()
	n.end()
	return nil
}

func (n *Notifier) begin() {
	n.swapping.Lock()
	defer n.swapping.Unlock()
	n.running = true
	n.work(n.plan.Load())
}

// work puts a plan to work.
func (n *Notifier) work(p *plan) {
	n.api.Update(p.conf, func(ctx context.Context, set model.LabelSet) {
		if l := n.pipeline.Load(); l != nil {
			l.inhibitor.Mutes(ctx, set)
		}
		n.silencer.Mutes(ctx, set)
	})
	l := n.startPipeline(p)
	n.pipeline.Store(l)
}

func (n *Notifier) end() {
	n.swapping.Lock()
	defer n.swapping.Unlock()
	n.running = false
	n.handler.Store(nil)
	n.pipeline.Load().stop(time.Second)
	n.alerts.Close()
}

// Prepare checks other receivers and routes, of which it takes the options that say whom to tell.
// apply, which cannot fail, has them used from then on; unless it is called, nothing changes.
func (n *Notifier) Prepare(o Options) (apply func(), err error) {
	o.Logger, o.Dial = n.logger, n.opts.Dial
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	return func() { n.swap(p) }, nil
}

func (n *Notifier) swap(p *plan) {
	n.swapping.Lock()
	defer n.swapping.Unlock()
	n.plan.Store(p)
	n.receivers.forget()
	if !n.running {
		return
	}
	n.pipeline.Load().stop(swapGrace)
	n.work(p)
}

// keepHouse drops what is too old, until ctx is done.
func (n *Notifier) keepHouse(ctx context.Context) {
	ticker := time.NewTicker(housekeeping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			_, err1 := n.ledger.log.GC()
			_, err2 := n.silences.GC()
			n.journal.expire(now)
			n.journal.shrink("over/", maxOver)
			if err := errors.Join(err1, err2, n.journal.flush()); err != nil {
				n.logger.Error("what is too old cannot be dropped", "error", err)
			}
		}
	}
}
