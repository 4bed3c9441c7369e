package notify

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/timeinterval"
)

// inhibitDelay is how long a group waits, where there are inhibition rules, so that Alertmanager's
// inhibitor knows an alert before those that it inhibits are notified.
const inhibitDelay = 20 * time.Millisecond

// dispatcher sorts alerts into the groups of their routes, and gives each group its turn. It takes
// the place of Alertmanager's dispatcher, and differs from it in this:
//
//   - A group whose last notification is longer ago than group_interval notifies at once, not at
//     the next tick. So a restart, which opens all groups, delays no new alert.
//   - A turn works on the notification states and not on copies of alerts, so that the end of one
//     episode and the beginning of the next are two messages, in this order.
type dispatcher struct {
	l       *pipeline
	states  *states // whose lock guards groups and their members
	groups  map[string]*group
	stopped bool
	flushes sync.WaitGroup
	busy    int // flushes under way
	ctx     context.Context
	cancel  context.CancelFunc
}

// group is the alerts of one route that have the same group labels.
type group struct {
	d       *dispatcher
	route   *dispatch.Route
	labels  model.LabelSet
	key     string
	marker  marker.AlertMarker
	members map[model.Fingerprint]*state

	timer    *time.Timer
	due      time.Time // of the timer
	flushing bool
	woken    bool      // something new came while it was flushing
	last     time.Time // when it notified last
	flushID  uint64
}

func newDispatcher(l *pipeline) *dispatcher {
	d := &dispatcher{l: l, states: l.n.states, groups: map[string]*group{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// add puts states into their groups, and wakes the groups for which there is something new.
func (d *dispatcher) add(list []*state, now time.Time) {
	b := d.states
	labels := make([]packedLabels, len(list))
	b.portions(list, func(i int, s *state) { labels[i] = s.Labels })
	// Routes are matched without the lock, for which notifications wait.
	type place struct {
		s     *state
		set   model.LabelSet
		route *dispatch.Route
	}
	var places []place
	for i, s := range list {
		set := labels[i].set()
		for _, r := range d.l.routes.Match(set) {
			places = append(places, place{s, set, r})
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range places {
		if !d.stopped && b.byLabels[p.s.fp] == p.s && b.ours(p.s) {
			d.group(p.route, p.set).put(p.s, now)
		}
	}
}

// groupIn is the labels and the key of the group that an alert with some labels has in a route.
func groupIn(r *dispatch.Route, of model.LabelSet) (set model.LabelSet, key string) {
	set = model.LabelSet{}
	for name, value := range of {
		if _, ok := r.RouteOpts.GroupBy[name]; ok || r.RouteOpts.GroupByAll {
			set[name] = value
		}
	}
	return set, fmt.Sprintf("%s:%s", r.Key(), set)
}

func (d *dispatcher) group(r *dispatch.Route, of model.LabelSet) *group {
	set, key := groupIn(r, of)
	g := d.groups[r.ID()+key]
	if g == nil {
		g = &group{
			d:       d,
			route:   r,
			labels:  set,
			key:     key,
			marker:  marker.NewAlertMarker(),
			members: map[model.Fingerprint]*state{},
			last:    d.l.lastNotified(r.RouteOpts.Receiver, key),
		}
		d.groups[r.ID()+key] = g
	}
	return g
}

// put makes a state a member, and wakes the group if a receiver is to be notified of something.
func (g *group) put(s *state, now time.Time) {
	if s.groups == nil {
		s.groups = map[*group]bool{}
	}
	g.members[s.fp], s.groups[g] = s, true
	if g.hasNews(s) {
		g.wake(s.last().Since, now)
	} else if g.timer == nil {
		g.schedule(now, now)
	}
}

func (g *group) hasNews(s *state) bool {
	list := g.d.l.receivers[g.route.RouteOpts.Receiver]
	for _, in := range list {
		if len(s.after(s.Notified[destinationOf(g.route.RouteOpts.Receiver, in)])) > 0 {
			return true
		}
	}
	return len(list) == 0
}

// wake gives the group its turn: at once, but no sooner than group_wait after the alert fired, and
// group_interval after the last notification.
func (g *group) wake(since, now time.Time) {
	if g.flushing {
		g.woken = true
		return
	}
	o := g.route.RouteOpts
	due := since.Add(o.GroupWait)
	if !g.last.IsZero() && g.last.Add(o.GroupInterval).After(now) {
		due = g.last.Add(o.GroupInterval)
	}
	if due.Before(now) {
		due = now
	}
	if len(g.d.l.conf.InhibitRules) > 0 {
		due = due.Add(inhibitDelay)
	}
	g.schedule(due, now)
}

// schedule has the group flushed at a time, or earlier if it is to be anyway.
func (g *group) schedule(due, now time.Time) {
	if g.timer != nil && !g.due.IsZero() && !due.Before(g.due) {
		return
	}
	g.due = due
	if g.timer == nil {
		g.timer = time.AfterFunc(due.Sub(now), g.flush)
		return
	}
	g.timer.Reset(due.Sub(now))
}

// flush is a group's turn.
func (g *group) flush() {
	d, b := g.d, g.d.states
	b.mu.Lock()
	if d.stopped || g.flushing {
		b.mu.Unlock()
		return
	}
	now := time.Now()
	g.flushing, g.woken, g.due = true, false, time.Time{}
	g.flushID++
	d.busy++
	d.flushes.Add(1)
	members := g.aged()
	ctx := g.context(d.ctx, now)
	b.mu.Unlock()

	sent := false
	if len(members) > 0 {
		ctx, cancel := context.WithTimeout(ctx,
			max(g.route.RouteOpts.GroupInterval, notify.MinTimeout))
		sent = d.l.notify(ctx, g, oldestFirst(members), now)
		cancel()
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	defer d.flushes.Done()
	d.busy--
	g.flushing = false
	if sent {
		g.last = now
	}
	g.dropResolved()
	if len(g.members) == 0 {
		g.marker.Delete()
		delete(d.groups, g.route.ID()+g.key)
		return
	}
	if d.stopped {
		return
	}
	end := time.Now()
	next := now.Add(max(g.route.RouteOpts.GroupInterval, time.Second))
	if next.Before(end) {
		next = end
	}
	g.schedule(next, end)
	if g.woken {
		g.wake(now, end)
	}
}

// aged are the members with their age, for oldestFirst.
func (g *group) aged() []aged {
	list := make([]aged, 0, len(g.members))
	for _, s := range g.members {
		list = append(list, ageOf(s))
	}
	return list
}

// context holds what Alertmanager's stages look for.
func (g *group) context(ctx context.Context, now time.Time) context.Context {
	o := g.route.RouteOpts
	ctx = notify.WithNow(ctx, now)
	ctx = notify.WithGroupKey(ctx, g.key)
	ctx = notify.WithGroupLabels(ctx, g.labels)
	ctx = notify.WithRouteLabels(ctx, o.Labels)
	ctx = notify.WithReceiverName(ctx, o.Receiver)
	ctx = notify.WithRepeatInterval(ctx, o.RepeatInterval)
	ctx = notify.WithMuteTimeIntervals(ctx, o.MuteTimeIntervals)
	ctx = notify.WithActiveTimeIntervals(ctx, o.ActiveTimeIntervals)
	ctx = notify.WithFlushID(ctx, g.flushID)
	ctx = notify.WithGroupMatchers(ctx, g.route.Matchers)
	return marker.WithContext(ctx, g.marker)
}

// dropResolved drops the members that are resolved, and whose end the receiver was notified of.
func (g *group) dropResolved() {
	for fp, s := range g.members {
		if len(s.Steps) > 1 {
			s.trim(g.d.l.integrations(s.Labels.set()))
		}
		if s.firing() || g.hasNews(s) && len(g.d.l.receivers[g.route.RouteOpts.Receiver]) > 0 {
			continue
		}
		delete(g.members, fp)
		delete(s.groups, g)
		g.marker.Delete(fp)
		g.d.l.dropIfDone(s)
	}
}

// dropIfDone drops the state of a resolved alert once all destinations were notified of the end.
func (l *pipeline) dropIfDone(s *state) {
	if s.firing() || len(s.groups) > 0 || l.n.states.changed[s] || s.waits != nil {
		return
	}
	for _, destination := range l.integrations(s.Labels.set()) {
		if len(s.after(s.Notified[destination])) > 0 {
			return
		}
	}
	l.n.states.drop(s)
}

// isBusy reports whether a group has its turn now or in a moment.
func (d *dispatcher) isBusy() bool {
	d.states.mu.Lock()
	defer d.states.mu.Unlock()
	if d.busy > 0 {
		return true
	}
	now := time.Now()
	for _, g := range d.groups {
		if !g.due.IsZero() && !g.due.After(now.Add(inhibitDelay)) {
			return true
		}
	}
	return false
}

// stop lets no group begin a turn any more. Attempts under way continue until wait returns.
func (d *dispatcher) stop() {
	d.states.mu.Lock()
	d.stopped = true
	for _, g := range d.groups {
		if g.timer != nil {
			g.timer.Stop()
		}
	}
	for _, s := range d.states.byLabels {
		s.groups = nil
	}
	d.states.mu.Unlock()
	d.cancel()
}

func (d *dispatcher) wait() { d.flushes.Wait() }

// listedGroup is a group as Alertmanager's API shows it. Its members are not changed any more.
type listedGroup struct {
	route   *dispatch.Route
	labels  model.LabelSet
	key     string
	members []*state
}

// listed copies the groups of some routes. It does no more, since notifications wait for the lock.
func (d *dispatcher) listed(routes func(*dispatch.Route) bool) []listedGroup {
	d.states.mu.Lock()
	defer d.states.mu.Unlock()
	list := make([]listedGroup, 0, len(d.groups))
	for _, g := range d.groups {
		if !routes(g.route) {
			continue
		}
		one := listedGroup{g.route, g.labels, g.key, make([]*state, 0, len(g.members))}
		for _, s := range g.members {
			one.members = append(one.members, s.present())
		}
		list = append(list, one)
	}
	return list
}

// list returns the groups, as Alertmanager's API shows them.
func (d *dispatcher) list(
	ctx context.Context,
	routes func(*dispatch.Route) bool,
	filter dispatch.AlertFilter,
	intervals map[string][]timeinterval.TimeInterval,
) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	now := time.Now()
	list, receivers := dispatch.AlertGroups{}, map[model.Fingerprint][]string{}
	intervener := timeinterval.NewIntervener(intervals)
	var groups []listedGroup
	if d.l.n.follows() {
		groups = slices.DeleteFunc(d.l.n.mirroredGroups(d), func(g listedGroup) bool {
			return !routes(g.route)
		})
	} else {
		groups = d.listed(routes)
	}
	for _, g := range groups {
		one := &dispatch.AlertGroup{
			Labels:        g.labels,
			RouteLabels:   g.route.RouteOpts.Labels,
			GroupKey:      g.key,
			Receiver:      g.route.RouteOpts.Receiver,
			AlertStatuses: map[model.Fingerprint]alert.AlertStatus{},
		}
		var err error
		one.MutedByActiveTimeIntervals, one.MutedByMuteTimeIntervals, err =
			notify.MutedByTimeIntervals(
				intervener, g.route.RouteOpts.ActiveTimeIntervals,
				g.route.RouteOpts.MuteTimeIntervals, now,
			)
		if err != nil {
			return nil, nil, fmt.Errorf("time intervals of route %s: %w", g.route.ID(), err)
		}
		for _, s := range g.members {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			a := standing(s, now)
			status, ok := filter(a, now)
			if !ok {
				continue
			}
			annotate(a, s.last(), d.l.external)
			one.AlertStatuses[s.fp] = status
			one.Alerts = append(one.Alerts, a)
			receivers[s.fp] = append(receivers[s.fp], one.Receiver)
		}
		if len(one.Alerts) > 0 {
			sort.Sort(one.Alerts)
			list = append(list, one)
		}
	}
	sort.Sort(list)
	for fp := range receivers {
		slices.Sort(receivers[fp])
	}
	return list, receivers, nil
}
