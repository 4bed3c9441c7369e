// Package notify notifies receivers of alerts. It takes transitions from the outbox and gives them
// to Alertmanager's own packages, assembled within this process: routes, inhibition, mute times,
// silences, templates and receivers, configured by a normal alertmanager.yml, or by a webhook or
// Slack URL alone. It can also post to Alertmanagers of the user's own. Beside any of these it can
// print to a terminal, append to a file, and write to a topic of Kafka.
//
//	outbox ─► relay ─► notification states ─► dispatcher ─► inhibition, mute, silence ─► receivers
//	            │              │    ▲                                                      │
//	            │              │    └────────────── progress of each integration ◄─────────┤
//	            │              │                                                           │
//	            └─► queue ─► file, topic                                notification log ◄─┘
//
//	            write-ahead log (disk): states, queue, notification log, silences
//
// A notification state is of one set of labels. It holds the transitions that some integration has
// not been notified of, in order, and the progress of each integration. It is on disk before a
// transition is acknowledged to the outbox. Nothing that evaluates logs waits for this package, and
// no receiver waits for another.
//
// # Guarantees
//
// Each episode of an alert is notified whole: its beginning and its end, in this order and under
// its own ID, and before the beginning of the next episode. That holds for transitions of the same
// instant too, and for those that are found together after a backlog. The file and the topic get
// every transition; one that is written twice has the same ID and the same bytes. Receivers behind
// routes get what happened since their group's last turn. When that is more than two episodes of
// one alert, the older ones are merged, and the message says so ("fired 5 times since 10:00:03").
//
// A notification is sent at least once, and as a rule exactly once. A process that is killed
// continues where it was. A notification is sent twice only when the receiver accepted it and we do
// not know: its answer was lost or came too late, or the kill came between the answer and our note
// of it, or the disk took no notes, which StateHealth says.
//
// A receiver that was notified that an alert fires is notified that it is resolved, even if it was
// silenced in the meantime, or the rule is gone. A receiver that was not notified of the beginning,
// since the alert was silenced, inhibited or out of hours, is not notified of the end. An
// integration with send_resolved: false is notified of the end only when it could not be notified
// of the beginning in time. Historical, shadow, pending and suppressed transitions are not
// notified. An alert that outlives its silence is notified at its group's next turn.
//
// The first notification of a group leaves at once, unlike Alertmanager's own default of 30
// seconds. What follows is batched by group_interval, a minute by default; but a group that has not
// notified for that long notifies at once. Receivers that fail are tried again, less and less
// often, until they accept.
//
// # What an alert looks like from outside
//
// Alertmanager identifies an alert by its labels, and so do receivers: the episodes of one group of
// one rule are one alert to them. An alert of another rule with the same labels gets the label
// rule. StartsAt and EndsAt are times of our clock; event times are annotations, as are value,
// threshold, reason, count, lines, topic, partition, offset, rule and alert_id, the ID of the
// episode. PagerDuty's dedup key, and that of other ticketing receivers, is Alertmanager's hash of
// the group key: with group_by: ['...'] it is that of the alert, and stays the same in its next
// episode, which opens a new incident because the resolve closed the former one. A group with
// several alerts is one incident.
//
// All text is made valid, visible and bounded here, and escaped for each receiver that gives
// meaning to what it holds, since attackers write logs.
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

	"github.com/prometheus/alertmanager/alert"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/labelset"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Outbox holds the transitions that are to be notified, in the order in which they were decided.
// store.Store is one. The channel of Changed is closed, and replaced, when Pending returns others
// than before, except for those that Ack removes.
type Outbox interface {
	Pending() []store.Entry
	Waiting() int // how many are pending
	Changed() <-chan struct{}
	Ack(seq uint64)
}

// Options are receivers, and what the notifier works with. AlertmanagerConfig, WebhookURL and
// SlackURL together, and Alertmanagers exclude each other; Terminal, File and Topic go with any.
type Options struct {
	AlertmanagerConfig string    // a normal alertmanager.yml
	WebhookURL         string    // gets Alertmanager's webhook JSON
	SlackURL           string    // an incoming webhook of Slack
	SlackChannel       string    // "" for the webhook's own
	Alertmanagers      []string  // base URLs of Alertmanagers that do the rest themselves
	Lookups            []Lookup  // add labels and annotations to alerts
	Terminal           io.Writer // prints alerts; nil for not
	File               string    // gets a line of JSON for each transition; "" for not
	Topic              string    // of Kafka, gets a record for each transition; "" for not
	Writer             Writer    // writes to the topic
	ExternalURL        string    // under which users reach our pages

	DataDir string // has a directory for notification state
	Outbox  Outbox
	// The alerts that fire according to the engine, whose state was restored, without what Live
	// adds. Those with a home come with Lead.
	Firing []models.Alert
	// Passes on what the next owner of a partition must know; nil when there are no others.
	Publish Publish
	// In a cluster: the home of all alerts, which the leader acquires by Lead; whether we lead now,
	// asked before each attempt; what passes a silence on to the other members; and what waits
	// until all that was passed on cannot be lost. Nil outside a cluster.
	Home   models.Partition
	Leads  func() bool
	Share  func(silence []byte)
	Shared func(ctx context.Context) error
	// In a cluster: the notification state that the leader has published, which a follower shows.
	Notified func() map[string][]byte
	// An alert as it is now, with annotations, lines and the most frequent values: for reminders,
	// and for alerts that are given without them; nil for none.
	Live func(models.Alert) (models.Alert, bool)
	// How many alerts of a rule are notified in a time; nil, or 0, for no limit.
	Limit func(rule string) (count int, per time.Duration)
	// Is called for each delivery, and each reason why there was none; nil for not. It must not
	// block, nor call the notifier.
	Delivered func(alertID string, d Delivery)
	// How long a stop waits for notifications under way; 10 s by default.
	Grace     time.Duration
	MaxAlerts int // handed to Alertmanager's parts; 10,000 by default
	// What waits for the file and the topic at most. Beyond it the oldest is dropped, and counted.
	// 64 MiB by default.
	MaxQueueBytes int
	Logger        *slog.Logger          // slog.Default() by default
	Registerer    prometheus.Registerer // nil for no metrics

	// How receivers are reached; nil for the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.MaxAlerts <= 0 {
		o.MaxAlerts = 10_000
	}
	if o.MaxQueueBytes <= 0 {
		o.MaxQueueBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

const (
	retention      = 120 * time.Hour  // of the notification log and of expired silences
	housekeeping   = 15 * time.Minute // between two times that what has expired is dropped
	apiTimeout     = 30 * time.Second
	apiRequests    = 32 // GET requests at a time; pages need some
	maxSilences    = 10_000
	maxEpisodes    = 100_000         // that are kept
	maxSilenceSize = 64 << 10        // bytes
	swapGrace      = 5 * time.Second // how long a reload waits for attempts under way
	failureAfter   = time.Minute     // of failing, a receiver makes us unhealthy
)

// Notifier notifies receivers. New makes it, Run has it work; the other methods may be called by
// any number of goroutines at any time.
type Notifier struct {
	opts       Options
	logger     *slog.Logger
	wal        *wal
	states     *states
	queue      *sinkQueue // of the process's own alerts in a cluster
	shared     *sinkQueue // of a cluster's
	nflog      *notificationLog
	mirror     mirror
	silences   *silence.Silences
	silencer   *silence.Silencer
	alerts     *mem.Alerts
	recorder   eventrecorder.Recorder
	notifying  *notify.Metrics
	registry   *prometheus.Registry
	metrics    *metrics
	deliveries deliveries
	panics     sync.Map // by destination: when the stack of a panic was logged last
	limits     ruleLimits
	receivers  receivers
	api        *apiv2.API
	handler    atomic.Pointer[http.Handler] // while Run works

	woken    chan struct{} // there is something to hand over
	entering sync.Mutex    // guards what follows, but for acked
	// Sequence numbers of the last entries that were taken from the outbox, and acknowledged; the
	// latter is Run's alone.
	taken, acked uint64
	overtook     map[uint64]bool // beyond taken, those that were taken
	// What is to be taken of the outbox as it was read last, and its Changed at that time.
	unread     []store.Entry
	outboxRead <-chan struct{}
	outboxSeq  uint64 // of the newest entry that unread has had

	config   atomic.Pointer[receiverConfig]
	pipeline atomic.Pointer[pipeline]
	swapping sync.Mutex // guards running, and changes of config and pipeline
	running  bool
	closing  sync.Once
}

// New checks the receivers, and opens the notification state. Nothing is sent before Run. Without
// Run, Close is to be called.
func New(o Options) (*Notifier, error) {
	o = o.withDefaults()
	p, err := newReceiverConfig(o)
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		opts:     o,
		logger:   o.Logger,
		recorder: eventrecorder.NopRecorder(),
		nflog:    &notificationLog{},
		woken:    make(chan struct{}, 1),
		overtook: map[uint64]bool{},
		registry: prometheus.NewRegistry(),
	}
	n.config.Store(p)
	if n.wal, err = openWAL(filepath.Join(o.DataDir, "notify"), o.Logger, time.Now()); err != nil {
		return nil, err
	}
	n.states = newStates(n.wal, o.Logger, o.MaxAlerts, o.Publish)
	n.queue, n.shared = newSinkQueue(n, n.wal.put, n.wal.remove), n.sharedQueue()
	n.states.enqueue, n.states.home = n.enqueue, o.Home
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.queue.restore(time.Now())
	n.configureQueues(p.sinks)
	n.states.restore(o.Firing, time.Now(), n.whole, n.takeOutbox)
	n.opts.Firing = nil // there may be very many
	return n, nil
}

// whole is an alert of the engine's list with annotations, lines, the most frequent values, and
// what the lookups have for it.
func (n *Notifier) whole(a models.Alert) models.Alert {
	if n.opts.Live != nil {
		if live, ok := n.opts.Live(a); ok {
			a.Annotations, a.First, a.Last, a.Top = live.Annotations, live.First, live.Last,
				live.Top
		}
	}
	return n.config.Load().enrich(a)
}

// open makes Alertmanager's parts that live as long as the notifier. Their metrics, and ours, are
// one collector to the outside, since Alertmanager panics when what it registers is there already.
func (n *Notifier) open() (err error) {
	n.metrics = newMetrics(n.registry, n)
	n.notifying = notify.NewMetrics(n.registry, featurecontrol.NoopFlags{})
	if n.nflog.log, err = nflog.New(nflog.Options{Retention: retention, Logger: n.logger,
		Metrics: n.registry}); err != nil {
		return err
	}
	limits := silence.Limits{
		MaxSilences:         func() int { return maxSilences },
		MaxSilenceSizeBytes: func() int { return maxSilenceSize },
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
	n.nflog.publish, n.nflog.share = n.states.passOf(n.opts.Home), n.opts.Share
	n.nflog.attach(n.wal, n.silences, n.logger)
	n.silencer = silence.NewSilencer(n.silences, n.logger, n.recorder)
	return nil
}

// Close gives up the directory of a notifier. Run calls it at its end.
func (n *Notifier) Close() (err error) {
	n.closing.Do(func() { err = n.wal.close() })
	return err
}

// Run notifies until ctx is done, and then of what is under way for as long as Options.Grace. It is
// called once.
func (n *Notifier) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, n.Close()) }()
	var helpers sync.WaitGroup
	defer helpers.Wait()
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	n.alerts, err = mem.NewAlerts(
		within, housekeeping, 0, n.silencer, n.logger, n.recorder, n.registry,
		featurecontrol.NoopFlags{},
	)
	if err != nil {
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
	// All that fires is handed over before the first notification may leave, with what the outbox
	// has.
	n.restoreDeliveries()
	n.takeOutbox()
	n.dispatch(time.Now())
	n.begin()
	helpers.Go(func() { n.keepHouse(within) })

	n.relay(ctx)
	n.drain()
	n.end()
	return nil
}

func (n *Notifier) begin() {
	n.swapping.Lock()
	defer n.swapping.Unlock()
	n.running = true
	n.work(n.config.Load())
}

// work puts a receiver configuration to work.
func (n *Notifier) work(p *receiverConfig) {
	n.api.Update(forClients(p.conf), func(ctx context.Context, set labelset.LabelSet) {
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

// Prepare checks other receivers and routes, of which it takes the options that say where to send.
// apply, which cannot fail, has them used from then on; unless it is called, nothing changes.
func (n *Notifier) Prepare(o Options) (apply func(), err error) {
	o.Logger, o.Dial = n.logger, n.opts.Dial
	p, err := newReceiverConfig(o)
	if err != nil {
		return nil, err
	}
	return func() { n.swap(p) }, nil
}

func (n *Notifier) swap(p *receiverConfig) {
	n.swapping.Lock()
	defer n.swapping.Unlock()
	n.config.Store(p)
	n.receivers.reset()
	n.configureQueues(p.sinks)
	if !n.running {
		return
	}
	n.pipeline.Load().stop(swapGrace)
	n.work(p)
}

// keepHouse drops what has expired, until ctx is done.
func (n *Notifier) keepHouse(ctx context.Context) {
	ticker := time.NewTicker(housekeeping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			_, err1 := n.nflog.log.GC()
			_, err2 := n.silences.GC()
			n.wal.expire(now)
			n.wal.shrink(keyEpisode, maxEpisodes)
			if err := errors.Join(err1, err2, n.wal.flush()); err != nil {
				n.logger.Error("expired notification state cannot be dropped", "error", err)
			}
		}
	}
}

// presents are alerts as they stand now, for Alertmanager's API and inhibition. There may be very
// many: they are annotated without the lock of the states, for which notifications wait.
func (n *Notifier) presents(list []*state, now time.Time) []*alert.Alert {
	copies := make([]*state, len(list))
	n.states.mu.Lock()
	for i, s := range list {
		copies[i] = s.present()
	}
	n.states.mu.Unlock()
	external := n.config.Load().external
	alerts := make([]*alert.Alert, len(list))
	for i, s := range copies {
		alerts[i] = present(s, now, external)
	}
	return alerts
}
