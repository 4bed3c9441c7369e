package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// plan is a configuration that was checked: all that can fail has been done.
type plan struct {
	conf      *config.Config
	external  *url.URL
	tmpl      *template.Template
	routes    *dispatch.Route
	receivers map[string][]notify.Integration
	intervals map[string][]timeinterval.TimeInterval
	targets   []*target // Alertmanagers of the user's own
}

// newPlan checks the options and makes a plan of them. It changes nothing.
func newPlan(o Options) (*plan, error) {
	conf, err := loadRoutes(o)
	if err != nil {
		return nil, err
	}
	p := &plan{
		conf:      conf,
		receivers: map[string][]notify.Integration{},
		intervals: map[string][]timeinterval.TimeInterval{},
	}
	if p.external, err = externalURL(o.ExternalURL); err != nil {
		return nil, err
	}
	if p.targets, err = newTargets(o); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if p.tmpl, err = template.FromGlobs(conf.Templates); err != nil {
		return nil, fmt.Errorf("%s: read templates: %w", o.AlertmanagerConfig, err)
	}
	if err := p.tmpl.Parse(strings.NewReader(templates)); err != nil {
		return nil, err
	}
	p.tmpl.ExternalURL = p.external
	p.routes = dispatch.NewRoute(conf.Route, nil)
	if err := p.build(o); err != nil {
		return nil, err
	}
	for _, ti := range conf.MuteTimeIntervals {
		p.intervals[ti.Name] = ti.TimeIntervals
	}
	for _, ti := range conf.TimeIntervals {
		p.intervals[ti.Name] = ti.TimeIntervals
	}
	return p, nil
}

// build makes the integrations of the receivers that some route uses.
func (p *plan) build(o Options) error {
	used := map[string]bool{}
	p.routes.Walk(func(r *dispatch.Route) { used[r.RouteOpts.Receiver] = true })
	var dial []commoncfg.HTTPClientOption
	if o.Dial != nil {
		dial = append(dial, commoncfg.WithDialContextFunc(o.Dial))
	}
	var errs []error
	for _, r := range p.conf.Receivers {
		if !used[r.Name] {
			continue
		}
		list, err := receiver.BuildReceiverIntegrations(r, p.tmpl, o.Logger, dial...)
		if err != nil {
			errs = append(
				errs,
				fmt.Errorf("%s: receiver %q: %w", o.AlertmanagerConfig, r.Name, err),
			)
		}
		if to := o.beside(r.Name); to != nil {
			list = append(list, notify.NewIntegration(to, always(true), r.Name, 0, r.Name))
		}
		p.receivers[r.Name] = list
	}
	return errors.Join(errs...)
}

// always is whether a receiver is told that alerts are over.
type always bool

// SendResolved implements notify.ResolvedSender.
func (a always) SendResolved() bool { return bool(a) }

// settlers are the routes that an alert takes, and the Alertmanagers that it is forwarded to.
func (p *plan) settlers(set model.LabelSet) []string {
	var ids []string
	for _, r := range p.routes.Match(set) {
		ids = append(ids, r.ID())
	}
	for _, t := range p.targets {
		ids = append(ids, t.who)
	}
	return ids
}

// pipeline is a plan at work: groups of alerts flow through its stages to the receivers.
type pipeline struct {
	*plan
	n          *Notifier
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
	running    sync.WaitGroup

	attempts context.Context // is cancelled when attempts under way are to be given up
	giveUp   context.CancelFunc
	flushes  gate
}

// startPipeline puts a plan to work. Alerts must have been handed over before, or groups that were
// notified before a restart would seem resolved.
func (n *Notifier) startPipeline(p *plan) *pipeline {
	l := &pipeline{
		plan:      p,
		n:         n,
		inhibitor: inhibit.NewInhibitor(n.alerts, p.conf.InhibitRules, n.logger, n.recorder),
	}
	l.attempts, l.giveUp = context.WithCancel(context.Background())
	l.dispatcher = dispatch.NewDispatcher(
		n.alerts,
		p.routes,
		l.stages(),
		n.groups,
		atLeast,
		30*time.Second,
		nil,
		n.logger,
		n.recorder,
		n.dispatching,
		p.tmpl,
	)
	// The inhibitor knows what fires before anything is notified that it would inhibit.
	l.running.Go(l.inhibitor.Run)
	l.inhibitor.WaitForLoading()
	l.running.Go(func() { l.dispatcher.Run(time.Now()) })
	l.dispatcher.WaitForLoading()
	for _, t := range p.targets {
		l.running.Go(func() { n.forward(l, t) })
	}
	return l
}

// atLeast is how long a flush may take, given its group interval.
func atLeast(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }

// stop ends the pipeline. Attempts under way may end within grace, since a receiver that is cut off
// may have taken the message, and would get it again; whatever waits to be tried again ends at
// once, and is told after the next start.
func (l *pipeline) stop(grace time.Duration) {
	l.dispatcher.Stop()
	l.inhibitor.Stop()
	timer := time.AfterFunc(grace, l.giveUp)
	l.flushes.close()
	timer.Stop()
	l.giveUp()
	l.running.Wait()
}

// stages are Alertmanager's, in its order, with ours between them that note what happens and why. A
// resolve of which the receiver heard the beginning passes all that mutes: whoever acknowledged an
// alert wants to hear that it is over.
func (l *pipeline) stages() notify.Stage {
	n, intervener := l.n, timeinterval.NewIntervener(l.intervals)
	routing := notify.RoutingStage{}
	for name, integrations := range l.receivers {
		var fanout notify.FanoutStage
		for i := range integrations {
			fanout = append(fanout, l.toIntegration(name, integrations[i]))
		}
		if len(fanout) == 0 {
			fanout = append(fanout, notify.StageFunc(l.toNobody))
		}
		mute := func(stage notify.Stage, why func(context.Context, *alert.Alert) string) notify.Stage {
			return muting{l, name, integrations, stage, why}
		}
		routing[name] = notify.MultiStage{
			mute(notify.NewMuteStage(l.inhibitor, n.notifying), n.inhibitedBy),
			mute(
				notify.NewTimeActiveStage(intervener, n.groups, n.notifying),
				n.mutedBy("outside the active time intervals"),
			),
			mute(
				notify.NewTimeMuteStage(intervener, n.groups, n.notifying),
				n.mutedBy("mute time interval"),
			),
			mute(notify.NewMuteStage(n.silencer, n.notifying), n.silencedBy),
			notify.StageFunc(l.unmuted),
			fanout,
		}
	}
	return flush{l, routing}
}

func (l *pipeline) toIntegration(receiver string, in notify.Integration) notify.Stage {
	recv := &nflogpb.Receiver{GroupName: receiver, Integration: in.Name(), Idx: uint32(in.Index())}
	sender := notify.NewIntegration(
		&sender{l, who(receiver, in), receiver, in, escapers[in.Name()]},
		always(true),
		in.Name(),
		in.Index(),
		receiver,
	)
	return notify.MultiStage{
		owing{
			l.n.book,
			who(receiver, in),
			notify.NewDedupStage(&in, l.n.ledger, recv),
			notify.NewSetNotifiesStage(l.n.ledger, recv),
		},
		notify.NewRetryStage(sender, receiver, l.n.notifying, l.n.recorder),
		notify.NewSetNotifiesStage(l.n.ledger, recv),
	}
}

// toNobody notes that a receiver without integrations tells nobody, which is how one says in
// Alertmanager that something is not to be told.
func (l *pipeline) toNobody(
	ctx context.Context,
	_ *slog.Logger,
	alerts ...*alert.Alert,
) (context.Context, []*alert.Alert, error) {
	name, _ := notify.ReceiverName(ctx)
	for _, a := range alerts {
		l.n.deliveries.add(
			l.n.book.id(a.Fingerprint()),
			Delivery{
				At:       time.Now(),
				State:    stateOf(a),
				Receiver: name,
				Detail:   "this receiver sends nothing",
			},
		)
	}
	return ctx, alerts, nil
}

// who names an integration of a receiver, in the book.
func who(receiver string, in notify.Integration) string { return receiver + "/" + in.String() }

// flush is the first stage: a group's turn to be notified.
type flush struct {
	l    *pipeline
	next notify.Stage
}

// Exec implements notify.Stage.
func (f flush) Exec(
	ctx context.Context,
	logger *slog.Logger,
	alerts ...*alert.Alert,
) (context.Context, []*alert.Alert, error) {
	if !f.l.flushes.enter() {
		return ctx, nil, context.Canceled
	}
	defer f.l.flushes.leave()
	alerts = f.l.n.book.current(alerts, time.Now())
	ctx2, left, err := f.next.Exec(ctx, logger, alerts...)
	if id, ok := notify.RouteID(ctx); ok && err == nil {
		f.l.n.book.settle(id, f.l.settlers, alerts, true)
	}
	return ctx2, left, err
}

// unmuted notes that nothing muted these alerts.
func (l *pipeline) unmuted(
	ctx context.Context,
	_ *slog.Logger,
	alerts ...*alert.Alert,
) (context.Context, []*alert.Alert, error) {
	route, _ := notify.RouteID(ctx)
	for _, a := range alerts {
		l.n.book.mute(route, a, false)
	}
	return ctx, alerts, nil
}

func stateOf(a *alert.Alert) models.AlertState {
	if a.Resolved() {
		return models.AlertResolved
	}
	return models.AlertFiring
}

// gate counts those within, and can be closed behind them.
type gate struct {
	within sync.WaitGroup

	mu     sync.Mutex // guards what follows
	count  int
	closed bool
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.within.Add(1)
		g.count++
	}
	return !g.closed
}

func (g *gate) leave() {
	g.mu.Lock()
	g.count--
	g.mu.Unlock()
	g.within.Done()
}

func (g *gate) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count > 0
}

// close lets nobody in any more, and waits until the last has left.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.within.Wait()
}
