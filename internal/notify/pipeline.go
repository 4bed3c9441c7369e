package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// receiverConfig is a configuration of routes and receivers that was checked: all that can fail has
// been done.
type receiverConfig struct {
	conf      *config.Config
	external  *url.URL
	tmpl      *template.Template
	routes    *dispatch.Route
	marks     map[string]mark // by the ID of the route
	receivers map[string][]notify.Integration
	intervals map[string][]timeinterval.TimeInterval
	targets   []*target // Alertmanagers of the user's own
	sinks     []*sink   // the file and the topic of notifications
	lookups   []*lookup
	options   Options
}

// Check reports what is wrong with routes, receivers and templates. It sends nothing.
func Check(o Options) error {
	_, err := newReceiverConfig(o)
	return err
}

// newReceiverConfig checks the options and makes a configuration of them. It changes nothing.
func newReceiverConfig(o Options) (*receiverConfig, error) {
	conf, marks, err := loadRoutes(o)
	if err != nil {
		return nil, err
	}
	p := &receiverConfig{
		conf:      conf,
		receivers: map[string][]notify.Integration{},
		intervals: map[string][]timeinterval.TimeInterval{},
		options:   o,
	}
	if p.external, err = externalURL(o.ExternalURL); err != nil {
		return nil, err
	}
	if p.targets, err = newTargets(o); err != nil {
		return nil, err
	}
	if p.lookups, err = newLookups(o.Lookups); err != nil {
		return nil, err
	}
	if p.sinks, err = newSinks(o); err != nil {
		return nil, err
	}
	if p.tmpl, err = loadTemplates(o, conf); err != nil {
		return nil, err
	}
	p.tmpl.ExternalURL = p.external
	p.routes = dispatch.NewRoute(conf.Route, nil)
	p.marks = map[string]mark{}
	marksOf(p.routes, conf.Route, marks, p.marks)
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
func (p *receiverConfig) build(o Options) error {
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
		if r.Name == terminalReceiver && o.Terminal != nil {
			in := notify.NewIntegration(newTerminal(o.Terminal), always(true), r.Name, 0, r.Name)
			list = append(list, in)
		}
		p.receivers[r.Name] = list
	}
	return errors.Join(errs...)
}

// always is whether a receiver is notified that alerts are resolved.
type always bool

// SendResolved implements notify.ResolvedSender.
func (a always) SendResolved() bool { return bool(a) }

// integrations are those that an alert with these labels is for, and the Alertmanagers that it is
// forwarded to.
func (p *receiverConfig) integrations(set model.LabelSet) []string {
	var list []string
	for _, r := range p.routes.Match(set) {
		for _, in := range p.receivers[r.RouteOpts.Receiver] {
			list = append(list, destinationOf(r.RouteOpts.Receiver, in))
		}
	}
	for _, t := range p.targets {
		list = append(list, t.destination)
	}
	return list
}

// destinationOf is the name of an integration of a receiver in the notification states.
func destinationOf(receiver string, in notify.Integration) string {
	return receiver + "/" + in.String()
}

// pipeline is a receiver configuration at work: groups of alerts flow through its stages to the
// receivers.
type pipeline struct {
	*receiverConfig
	n          *Notifier
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatcher
	muting     map[string][]muting // by receiver
	running    sync.WaitGroup

	attempts context.Context // is cancelled when attempts under way are to be given up
	giveUp   context.CancelFunc
}

// startPipeline puts a receiver configuration to work.
func (n *Notifier) startPipeline(p *receiverConfig) *pipeline {
	l := &pipeline{
		receiverConfig: p,
		n:              n,
		inhibitor:      inhibit.NewInhibitor(n.alerts, p.conf.InhibitRules, n.logger, n.recorder),
	}
	l.attempts, l.giveUp = context.WithCancel(context.Background())
	l.muting = l.mutingStages()
	l.dispatcher = newDispatcher(l)
	// The inhibitor knows what fires before anything is notified that it would inhibit.
	l.running.Go(l.inhibitor.Run)
	l.inhibitor.WaitForLoading()
	l.dispatcher.add(n.states.all(), time.Now())
	for _, t := range p.targets {
		l.running.Go(func() { n.forward(l, t) })
	}
	for _, s := range p.sinks {
		l.running.Go(func() { n.queue.drain(l, s) })
		l.running.Go(func() { n.shared.drain(l, s) })
	}
	return l
}

// stop ends the pipeline. Attempts under way may end within grace, since a receiver that is cut off
// may have taken the message, and would get it again. What waits to be tried again is notified
// after the next start.
func (l *pipeline) stop(grace time.Duration) {
	l.dispatcher.stop()
	l.inhibitor.Stop()
	timer := time.AfterFunc(grace, l.giveUp)
	l.dispatcher.wait()
	timer.Stop()
	l.giveUp()
	l.running.Wait()
}

// notify is a group's turn: what is muted is left out, and each integration of the receiver is
// notified of the steps that it has not been notified of. No integration waits for another.
func (l *pipeline) notify(
	ctx context.Context, g *group, members []*state, now time.Time,
) (sent bool) {
	muted := l.mute(ctx, g, members, now)
	name := g.route.RouteOpts.Receiver
	list := l.receivers[name]
	if len(list) == 0 {
		l.noteNoReceiver(name, members, now)
		return false
	}
	var wg sync.WaitGroup
	results := make([]bool, len(list))
	for i := range list {
		wg.Go(func() {
			var err error
			results[i], err = l.deliver(ctx, g, list[i], muted)
			if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
				l.n.logger.Error(
					"notification failed",
					"receiver", name, "integration", list[i].String(), "group", g.key,
					"error", withoutSecrets(err.Error()),
				)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		sent = sent || r
	}
	return sent
}

// noteNoReceiver notes that a receiver without integrations sends nothing, which is how one says in
// Alertmanager that something is not to be notified.
func (l *pipeline) noteNoReceiver(name string, members []*state, now time.Time) {
	detail := "this receiver sends nothing"
	if name == NoReceiver {
		name, detail = "", "no receiver is configured"
	}
	for _, s := range members {
		l.n.states.mu.Lock()
		id, at, rule := s.last().Alert.ID, s.last().Alert.State, s.rule()
		l.n.states.mu.Unlock()
		if name == "" && len(l.integrations(s.Labels.set())) > 0 {
			continue // our own route; another one has a receiver
		}
		l.n.note(id, Delivery{
			At:       now,
			Rule:     rule,
			State:    at,
			Receiver: name,
			Detail:   detail,
		})
	}
}

// lastNotified is when a receiver was last notified of a group, from the notification log.
func (l *pipeline) lastNotified(receiver, key string) (last time.Time) {
	for _, in := range l.receivers[receiver] {
		entries, err := l.n.nflog.Query(nflog.QGroupKey(key),
			nflog.QReceiver(logReceiver(receiver, in)))
		if err != nil || len(entries) != 1 {
			continue
		}
		if at := entries[0].Timestamp.AsTime(); at.After(last) && !at.After(time.Now()) {
			last = at
		}
	}
	return last
}

func logReceiver(receiver string, in notify.Integration) *nflogpb.Receiver {
	return &nflogpb.Receiver{GroupName: receiver, Integration: in.Name(), Idx: uint32(in.Index())}
}

// item is a step of an alert in a message.
type item struct {
	s         *state
	fp        model.Fingerprint
	step      step
	news      bool
	escalated time.Duration // for which it has not been acknowledged; 0 if it is not escalated
	alert     *alert.Alert  // without annotations until describe adds them
}

// deliver notifies one integration of all steps of a group that it has not been notified of. Each
// alert has at most one step in a message, so the end of an episode and the beginning of the next
// are two messages.
func (l *pipeline) deliver(
	ctx context.Context,
	g *group,
	in notify.Integration,
	muted map[model.Fingerprint]bool,
) (sent bool, err error) {
	receiver := g.route.RouteOpts.Receiver
	recv := logReceiver(receiver, in)
	dedup := notify.NewDedupStage(always(true), l.n.nflog, recv)
	note := notify.NewSetNotifiesStage(l.n.nflog, recv, featurecontrol.NoopFlags{})
	for range maxSteps + 1 {
		items, news := l.n.states.message(
			g,
			l,
			destinationOf(receiver, in),
			in.SendResolved(),
			muted,
		)
		if len(items) == 0 {
			return sent, nil
		}
		alerts := make([]*alert.Alert, len(items))
		byAlert := make(map[*alert.Alert]*item, len(items))
		for i := range items {
			alerts[i], byAlert[items[i].alert] = items[i].alert, &items[i]
		}
		ctx, due, err := dedup.Exec(ctx, l.n.logger, alerts...)
		if err != nil {
			return sent, err
		}
		reason, _ := notify.NotificationReason(ctx)
		switch {
		case news && len(due) == 0:
			ctx = notify.WithNotificationReason(ctx, reasonOf(items))
		case news:
		case len(due) == 0:
			return sent, nil
		case reason != notify.ReasonRepeatIntervalElapsed:
			// The log does not have what the states have: another member sent it, or the alert
			// was sent with others. From now on the repeat interval counts.
			_, _, err = note.Exec(ctx, l.n.logger, alerts...)
			return sent, err
		}
		sent = true
		for i := range items {
			l.describe(&items[i])
		}
		s := &sender{
			l:           l,
			destination: destinationOf(receiver, in),
			receiver:    receiver,
			in:          in,
			escape:      escapers[in.Name()],
			items:       byAlert,
			reminder:    !news,
		}
		retry := notify.NewRetryStage(
			notify.NewIntegration(s, always(true), in.Name(), in.Index(), receiver),
			receiver, l.n.notifying, l.n.recorder,
		)
		if _, _, err = retry.Exec(ctx, l.n.logger, alerts...); err != nil {
			return sent, err
		}
		if _, _, err = note.Exec(ctx, l.n.logger, alerts...); err != nil || !news {
			return sent, err
		}
	}
	return sent, nil
}

func reasonOf(items []item) notify.NotifyReason {
	for i := range items {
		if items[i].news && items[i].step.firing() {
			return notify.ReasonNewAlertsInGroup
		}
	}
	return notify.ReasonNewResolvedAlerts
}

// message returns what the next message to an integration holds: of each alert the first step that
// it has not been notified of, or its present if it fires. news reports whether there is a step
// that it has not been notified of.
//
// An integration that was notified of the beginning is notified of the end, even if the alert was
// muted in the meantime. It is not notified of the end of what it was not notified of.
func (b *states) message(
	g *group,
	l *pipeline,
	destination string,
	sendResolved bool,
	muted map[model.Fingerprint]bool,
) (items []item, news bool) {
	b.mu.Lock()
	members := g.aged()
	b.mu.Unlock()
	now, m := time.Now(), l.marks[g.route.ID()]
	var labels []packedLabels
	b.portions(oldestFirst(members), func(_ int, s *state) {
		if !s.groups[g] || !b.ours(s) {
			return
		}
		t := b.nextStep(s, destination, g.route.ID(), sendResolved, muted[s.fp], m)
		isNews := t != nil
		if t == nil && s.firing() && !muted[s.fp] && m.knows(s, destination) {
			t = s.last()
		}
		if t == nil {
			return
		}
		news = news || isNews
		one := item{s: s, fp: s.fp, step: *t, news: isNews}
		if m.after > 0 && t.firing() {
			one.escalated = m.after
		}
		items, labels = append(items, one), append(labels, s.Labels)
	})
	for i := range items {
		items[i].alert = l.bare(labels[i], &items[i].step, now)
	}
	slices.SortStableFunc(items, func(x, y item) int {
		pair := alert.AlertSlice{x.alert, y.alert}
		switch {
		case pair.Less(0, 1):
			return -1
		case pair.Less(1, 0):
			return 1
		}
		return 0
	})
	return items, news
}

// nextStep is the step of an alert that an integration is to be notified of next, nil if there is
// none.
func (b *states) nextStep(
	s *state,
	destination, route string,
	sendResolved, muted bool,
	m mark,
) *step {
	for {
		p := s.Notified[destination]
		pending := s.after(p)
		switch {
		case len(pending) == 0:
			return nil
		case m.digest > 0 && muted:
			return nil
		case m.digest > 0:
			return collected(pending)
		case m.after > 0 && pending[0].firing() && len(pending) > 1:
			b.skip(destination, s, &pending[0]) // it was resolved before it was escalated
		case m.after > 0 && pending[0].firing() && !m.escalates(&pending[0], time.Now()):
			return nil
		case !pending[0].firing() && p.State != models.AlertFiring:
			b.skip(destination, s, &pending[0])
		case !pending[0].firing() && !sendResolved:
			b.skip(destination, s, &pending[0])
		case pending[0].firing() && len(pending) > 1 && (muted || pending[0].Muted[route]):
			b.skip(destination, s, &pending[0])
		case muted && pending[0].firing():
			return nil
		case !sendResolved && pending[0].firing() && len(pending) > 1:
			return &pending[1] // it was resolved before the integration could be notified
		default:
			return &pending[0]
		}
	}
}

// describe adds the annotations to an alert that is to be sent. It takes no lock of the states: a
// turn of a large group would hold back the others in the meantime.
func (l *pipeline) describe(i *item) {
	a := i.step.Alert.alert()
	if !i.news && l.n.opts.Live != nil {
		if live, ok := l.n.opts.Live(a); ok {
			a = withLive(a, l.enrich(live))
		}
	}
	i.alert.Annotations = annotations(&a, &i.step)
	if i.escalated > 0 {
		i.alert.Annotations["escalated"] = model.LabelValue(
			"not acknowledged for " + duration.Format(i.escalated),
		)
	}
}

// bare is a step of an alert as Alertmanager's parts know alerts, without annotations.
func (l *pipeline) bare(labels packedLabels, t *step, now time.Time) *alert.Alert {
	a := alert.New(model.Alert{
		Labels:       labels.set(),
		StartsAt:     t.Since,
		GeneratorURL: link(l.external, t.Alert.ID),
	}, now, false)
	if !t.firing() {
		a.EndsAt = t.Until
		if a.EndsAt.After(now) {
			a.EndsAt = now
		}
	}
	return a
}

// present is an alert as it stands now, for Alertmanager's API and inhibition.
func present(s *state, now time.Time, external *url.URL) *alert.Alert {
	a := standing(s, now)
	annotate(a, s.last(), external)
	return a
}

// annotate adds to an alert what is shown of its step besides labels and times.
func annotate(a *alert.Alert, t *step, external *url.URL) {
	whole := t.Alert.alert()
	a.Annotations = annotations(&whole, t)
	a.GeneratorURL = link(external, t.Alert.ID)
}

// standing is an alert as it stands now, with only what filters look at.
func standing(s *state, now time.Time) *alert.Alert {
	t := s.last()
	a := alert.New(model.Alert{
		Labels:   s.Labels.set(),
		StartsAt: t.Since,
		EndsAt:   now.Add(alertLifetime),
	}, now, false)
	switch {
	case !t.firing():
		a.EndsAt = t.Until
	case !s.orphan.IsZero():
		a.EndsAt, a.Timeout = s.orphan, true
	}
	return a
}

func stateOf(a *alert.Alert) models.AlertState {
	if a.Resolved() {
		return models.AlertResolved
	}
	return models.AlertFiring
}

// mutingStages are Alertmanager's stages that leave alerts out, in its order.
func (l *pipeline) mutingStages() map[string][]muting {
	n, intervener := l.n, timeinterval.NewIntervener(l.intervals)
	list := []muting{
		{notify.NewMuteStage(l.inhibitor, n.notifying), n.inhibitedBy},
		{
			notify.NewTimeActiveStage(intervener, n.notifying),
			l.mutedBy("outside the active time intervals", notify.ActiveTimeIntervalNames),
		},
		{
			notify.NewTimeMuteStage(intervener, n.notifying),
			l.mutedBy("mute time interval", notify.MuteTimeIntervalNames),
		},
		{notify.NewMuteStage(n.silencer, n.notifying), n.silencedBy},
	}
	stages := map[string][]muting{}
	for name := range l.receivers {
		stages[name] = list
	}
	return stages
}
