package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/internal/web"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// setViews gives the pages what they show. The parts do not know each other, so each view
// translates what one of them knows into what the pages ask for.
func (p *process) setViews(o *web.Options) {
	now := time.Now()
	o.Alerts, o.Rules, o.Engine, o.Notifier = alertsView{
		p,
	}, &rulesView{
		process: p,
		rates:   rates{start: now},
	}, &engineView{
		process: p,
		started: now,
		rates:   rates{start: now},
	}, notifierView{
		p.notifier, p,
	}
	o.Receivers = receiversView{p.notifier, p.state.cluster}
	o.Resolve = func(ctx context.Context, alertID string) error {
		if m := p.state.cluster; m != nil {
			return m.resolve(ctx, alertID, "resolved by hand")
		}
		if !p.state.Resolve(alertID, "resolved by hand") {
			return errors.New("no such alert is active on this instance")
		}
		return nil
	}
	o.Groups, o.Logs, o.Backtest = groupsView{p}, logsView{p}, p.backtest
	o.Coverage = p.coverage.view
	if p.config.Kafka.DeadLetterTopic != "" {
		o.DeadLetters = deadLettersView{p}
	}
}

// live is what must hold for the process not to be restarted: that it reads, or waits for brokers.
func (p *process) live() []web.Check {
	return []web.Check{{
		Name: "kafka",
		Err: func() error {
			if h := p.source.Health(); h.State == kafka.Dead {
				return problems(h)
			}
			return nil
		},
	}}
}

// ready is what must hold for alerts to be evaluated and notified.
func (p *process) ready() []web.Check {
	list := []web.Check{
		{
			Name: "kafka",
			Err: func() error {
				if h := p.source.Health(); h.State != kafka.Ready && !h.Minor {
					return problems(h)
				}
				return nil
			},
		},
		{
			Name: "records", // all are evaluated, but something is wrong with some of them
			Soft: true,
			Err: func() error {
				if h := p.source.Health(); h.Minor {
					return errors.New(strings.Join(h.Problems, "; "))
				}
				return nil
			},
		},
		{Name: "lists", Err: p.lists.unread},
		{Name: "list values", Err: p.lists.stale, Soft: true},
		{Name: "lookups", Err: p.lookups.health, Soft: true},
		{Name: "notifications", Err: p.notifier.Health, Aside: "notifications fail"},
		{
			Name: "held back notifications", Err: p.notifier.CapacityHealth, Soft: true,
			Aside: "notifications are held back",
		},
		// while the disk is full alerts are found and notified all the same
		{Name: "state", Err: p.store.Health, Soft: true, Aside: "state is not saved"},
		{
			Name: "notification state", Err: p.notifier.StateHealth, Soft: true,
			Aside: "notification state is not saved",
		},
		{Name: "history", Err: p.history.Health, Soft: true, Aside: "history is not saved"},
		{Name: "clock", Err: p.source.Clock, Soft: true},
		{Name: "our topics", Err: p.topics.health, Soft: true},
	}
	if m := p.state.cluster; m != nil {
		list = append(list, web.Check{Name: "cluster", Err: m.health, Note: m.currentRole},
			web.Check{Name: "cluster topics", Err: m.topicsHealth, Soft: true})
	}
	if p.config.Kafka.RecordsTopic != "" {
		list = append(
			list,
			web.Check{Name: "recorded values", Err: p.state.values.alarm, Soft: true},
		)
	}
	return list
}

func problems(h kafka.Health) error {
	text := string(h.State)
	if len(h.Problems) > 0 {
		text += ": " + strings.Join(h.Problems, "; ")
	}
	return errors.New(text)
}

// alertsView shows the engine's alerts and the store's history.
type alertsView struct{ p *process }

func (v alertsView) Current() []models.Alert { return v.p.state.AlertSummaries() }
func (v alertsView) Detailed(list []models.Alert) []models.Alert {
	return v.p.state.Detailed(list)
}

func (v alertsView) History() []models.Alert { return v.p.store.History() }

func (v alertsView) Series(a models.Alert) []web.Point {
	var list []web.Point
	for _, at := range v.p.state.Series(a) {
		list = append(list, web.Point{At: time.Unix(0, at.Time).UTC(), Value: at.Value})
	}
	return list
}

// rulesView shows how the rules fare.
type rulesView struct {
	*process
	rates rates
}

func (v *rulesView) Set() *rule.Set { return v.set.Load() }

func (v *rulesView) Status() []web.RuleStatus {
	now := time.Now()
	list := make([]web.RuleStatus, 0, len(v.set.Load().Rules))
	for _, r := range v.state.Rules() {
		s := web.RuleStatus{
			ID:        r.ID,
			Matches:   r.Matches,
			PerMinute: 60 * v.rates.of(r.ID, r.Matches, now),
			LastMatch: r.LastMatch,
			Groups:    r.Groups,
			Bytes:     int64(r.Memory),
			Cost:      r.Cost.NanosPerLog,
		}
		if s.Missed = r.Missed; r.LatenessAuto {
			s.Lateness = r.Lateness
		}
		s.Backfilling, s.Error = r.State == "backfilling", v.retentions.of(r.ID)
		if r.BackfillError != "" {
			s.Error = "started without backfill: " + r.BackfillError
		}
		if r.Refused > 0 {
			s.Error = fmt.Sprintf(
				"group limit reached (%d); %d logs of other groups were not counted", r.Limit,
				r.Refused)
		}
		list = append(list, s)
	}
	return list
}

// groupsView shows what rules know of their groups.
type groupsView struct{ p *process }

func (v groupsView) Group(rule string, labels map[string]string) (web.GroupStatus, bool) {
	g, ok := v.p.state.Group(rule, labels)
	return web.GroupStatus{
		Known:     g.Known,
		State:     g.State,
		Holds:     g.Holds,
		Value:     g.Value,
		Threshold: g.Threshold,
		Reason:    g.Reason,
		Episodes:  g.Episodes,
		Since:     g.Since,
		Seen:      g.Seen,
		Watermark: g.Watermark,
	}, ok
}

// engineView shows how the reading goes.
type engineView struct {
	*process
	started time.Time
	rates   rates
}

func (v *engineView) Status() web.EngineStatus {
	read, engine, health := v.source.Stats(), v.state.Stats(), v.source.Health()
	s := web.EngineStatus{
		Started:    v.started,
		Brokers:    v.config.Kafka.Brokers,
		Group:      v.config.Kafka.Group,
		Members:    read.Members,
		Connected:  health.State == kafka.Ready,
		Problem:    strings.Join(health.Problems, "; "),
		Records:    read.Messages,
		Logs:       read.Logs,
		PerSecond:  v.rates.of("logs", read.Logs, time.Now()),
		Late:       engine.Late,
		Rejected:   read.Rejected,
		Checkpoint: v.state.checkpointed(),
		StateBytes: int64(engine.Memory),
		Outbox:     v.store.Waiting(),
	}
	if m := v.state.cluster; m != nil {
		s.Cluster = m.status()
	}
	for _, u := range read.RecentRejections {
		s.RejectedSample = append(
			s.RejectedSample,
			web.RejectedRecord{
				Position: u.Position,
				Reason:   u.Reason,
				Detail:   u.Detail,
				Sample:   web.Excerpt(u.Sample),
			},
		)
	}
	for _, l := range v.state.Late() {
		s.LateSample = append(
			s.LateSample,
			web.LateLog{
				Rule:    l.Rule,
				Behind:  l.Behind,
				Allowed: l.Allowed,
				Counted: l.Counted,
				Line:    l.Line,
			},
		)
	}
	for _, m := range v.state.Missed() {
		s.Missed = append(s.Missed, web.MissedAlert{
			Rule: m.Rule, Labels: m.Labels, At: m.At, Behind: m.Behind, Reason: m.Reason,
		})
	}
	var delays alerting.Delays
	reached := map[models.Partition]alerting.WatermarkStatus{}
	for _, w := range v.state.Watermarks() {
		delays.Add(w.Delays)
		reached[models.Partition{Topic: w.Topic, Partition: w.Partition}] = w
	}
	follows := v.state.LatenessFollows()
	for _, at := range read.Partitions {
		w := reached[models.Partition{Topic: at.Topic, Partition: at.Partition}]
		if !follows {
			w.Lateness = 0
		}
		s.Partitions = append(s.Partitions, partitionStatus(at, w))
	}
	s.Delay = delayStatus(delays)
	return s
}

// delayStatus suggests a lateness from the delays: one that covers 999 of 1000, and never less than
// a second, for clocks differ by as much.
func delayStatus(d alerting.Delays) web.DelayStatus {
	var s web.DelayStatus
	for i, n := range d {
		c := web.DelayCount{Logs: n}
		if i < len(alerting.DelayBounds) {
			c.Within = alerting.DelayBounds[i]
		}
		s.Counts = append(s.Counts, c)
	}
	s.P50, _ = d.Within(0.5)
	s.P99, _ = d.Within(0.99)
	if all, ok := d.Within(0.999); ok {
		s.Lateness = max(all, time.Second)
	}
	return s
}

func partitionStatus(at kafka.PartitionStats, w alerting.WatermarkStatus) web.PartitionStatus {
	state := "reading"
	switch {
	case at.Stuck != "":
		state = "stuck"
	case at.Lag == 0:
		state = "caught up"
	}
	delay, _ := w.Delays.Within(0.99)
	return web.PartitionStatus{
		Topic:     at.Topic,
		Partition: at.Partition,
		Next:      at.Next,
		End:       at.HighWatermark,
		Lag:       at.Lag,
		Behind:    at.LagTime,
		Watermark: w.Time,
		State:     state,
		Delay:     delay,
		Lateness:  w.Lateness,
	}
}

// notifierView shows deliveries.
type notifierView struct {
	n *notify.Notifier
	p *process
}

// Deliveries are those since the start, or those of an earlier run. In a cluster they are those of
// all members.
func (v notifierView) Deliveries(id string) []web.Delivery {
	list := v.n.Deliveries(id)
	if m := v.p.state.cluster; m != nil {
		return deliveries(m.notes.withOurs(v.p.pastDeliveries(id), list))
	}
	if len(list) == 0 {
		list = v.p.pastDeliveries(id)
	}
	return deliveries(list)
}

func (v notifierView) Status() web.NotifierStatus {
	s := v.n.Status()
	if m := v.p.state.cluster; m != nil {
		s.Recent = m.notes.deliveries()
	}
	return web.NotifierStatus{
		Waiting: s.Waiting,
		Sent:    s.Sent,
		Failed:  s.Failed,
		Receivers: slices.DeleteFunc(
			slices.Clone(s.Receivers),
			func(name string) bool { return name == notify.NoReceiver },
		),
		Problem: s.Problem,
		Recent:  deliveries(s.Recent),
	}
}

// receiversView shows and tests receivers.
type receiversView struct {
	n *notify.Notifier
	m *clusterMember // nil for none
}

func (v receiversView) List() (list []web.Receiver) {
	follows := v.m != nil && !v.m.leads()
	var failing map[string]failure
	if follows {
		failing = failingReceivers(v.m.notes.deliveries())
	}
	for _, r := range v.n.Receivers() {
		if follows {
			r.Failing, r.Detail = failing[r.Name].since, failing[r.Name].detail
		}
		list = append(list, web.Receiver{
			Name:         r.Name,
			Integrations: r.Integrations,
			Failing:      r.Failing,
			Error:        r.Detail,
		})
	}
	return list
}

func (v receiversView) Routes() (list []web.Route) {
	for _, r := range v.n.Routes() {
		list = append(list, web.Route(r))
	}
	return list
}

func (v receiversView) RoutedTo(labels map[string]string) []string { return v.n.RoutedTo(labels) }

func (v receiversView) Preview(name string, resolved bool) (list []web.MessagePreview, err error) {
	messages, err := v.n.Preview(name, notify.Sample(resolved, time.Now()))
	for _, m := range messages {
		one := web.MessagePreview{Integration: m.Integration, Error: m.Error}
		for _, f := range m.Fields {
			one.Fields = append(one.Fields, web.MessageField(f))
		}
		list = append(list, one)
	}
	return list, err
}

func (v receiversView) Test(
	ctx context.Context,
	name string,
	resolved bool,
) (list []web.TestResult, err error) {
	results, err := v.n.Test(ctx, name, notify.Sample(resolved, time.Now()))
	for _, r := range results {
		list = append(list, web.TestResult{
			Integration: r.Integration,
			Sent:        r.Sent,
			Detail:      r.Detail,
		})
	}
	return list, err
}

func deliveries(list []notify.Delivery) []web.Delivery {
	var out []web.Delivery
	for _, d := range list {
		if d.Receiver == notify.NoReceiver && !d.Sent {
			continue
		}
		out = append(
			out,
			web.Delivery{
				At:          d.At,
				State:       d.State,
				Receiver:    d.Receiver,
				Integration: d.Integration,
				Sent:        d.Sent,
				Detail:      d.Detail,
			},
		)
	}
	return out
}

// logsView reads the topics beside the engine.
type logsView struct{ p *process }

// Topics are those that the engine reads: with patterns, those that it has found.
func (v logsView) Topics() []string {
	topics := slices.Clone(v.p.config.Kafka.Topics)
	for _, at := range v.p.source.Stats().Partitions {
		if !slices.Contains(topics, at.Topic) {
			topics = append(topics, at.Topic)
		}
	}
	return topics
}

func (v logsView) Decode(topic string) decode.Config { return v.p.config.Format(topic) }

func (v logsView) Records(ctx context.Context, from web.From) iter.Seq2[models.Record, error] {
	o := v.p.reader(from.Topic)
	o.From, o.Until, o.Follow = from.Time, from.Until, from.Follow
	if from.At {
		o.Offsets = map[models.Partition]int64{
			{Topic: from.Topic, Partition: from.Partition}: from.Offset,
		}
	}
	return kafka.NewReader(o).Records(ctx)
}

// reader reads one topic, or all that the engine reads, without a group.
func (p *process) reader(topic string) kafka.ReaderConfig {
	o := kafka.ReaderConfig{
		Client: p.config.Kafka.Client(),
		Topics: logsView{p}.Topics(),
		Logger: p.logger,
	}
	o.Client.Dial = p.network.dial
	if topic != "" {
		o.Topics = []string{topic}
	}
	return o
}

// backtest evaluates rules over the topics since a time, with an engine of its own, without
// notifications.
func (p *process) backtest(
	ctx context.Context,
	set *rule.Set,
	since time.Time,
	values []string,
) (web.BacktestResult, error) {
	set, _ = p.lists.fill(set)
	for _, list := range set.Unknown() {
		return web.BacktestResult{}, fmt.Errorf(
			"list %s is kept in the topic %s, which is read after the rules are saved", list.Name,
			list.Topic)
	}
	o := p.reader("")
	o.From = since
	reader := kafka.NewReader(o)
	partitions, err := reader.Partitions(ctx)
	if err != nil {
		return web.BacktestResult{}, err
	}
	noted := alerting.NewValues(values...)
	b := ruletest.Backtest{
		Partitions: partitions,
		Rejected:   func(error) {},
		Factory: ruletest.Factory{New: func(emit func(models.Alert)) (ruletest.Engine, error) {
			e := alerting.NewEngine(alerting.WithRules(&rule.Set{}), alerting.WithEmit(emit),
				alerting.WithDecode(p.config.Format),
				alerting.WithLogger(slog.New(slog.DiscardHandler)), alerting.WithValues(noted),
				alerting.AtWatermark())
			return e, e.SetRules(set)
		}},
	}
	report, err := b.Run(
		ctx,
		decode.JoinSamples(kafka.Samples(reader.Records(ctx)), p.config.Format),
	)
	if err != nil {
		return web.BacktestResult{}, err
	}
	result := web.BacktestResult{
		Values:    map[string][]float64{},
		Records:   report.Records,
		Logs:      report.Logs,
		From:      report.From,
		To:        report.To,
		Alerts:    report.Alerts,
		Truncated: report.Truncated,
	}
	for _, id := range values {
		result.Values[id] = noted.Of(id)
	}
	return result, nil
}

// deadLettersView shows the dead letters.
type deadLettersView struct{ p *process }

func (v deadLettersView) client() kafka.DeadLetters {
	d := kafka.DeadLetters{
		Client: v.p.config.Kafka.Client(),
		Topic:  v.p.config.Kafka.DeadLetterTopic,
		Logger: v.p.logger,
	}
	d.Client.Dial = v.p.network.dial
	return d
}

func (v deadLettersView) List(ctx context.Context, most int) ([]web.DeadLetter, error) {
	var list []web.DeadLetter
	for l, err := range v.client().List(ctx) {
		if err != nil {
			return nil, err
		}
		origin := models.Position{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}
		list = append(
			list,
			web.DeadLetter{
				At:       origin,
				Origin:   origin,
				Time:     l.Timestamp,
				Reason:   l.Reason,
				Detail:   l.Detail,
				Value:    l.Value,
				Replayed: l.Attempts > 1,
			},
		)
		if len(list) > 2*most {
			list = slices.Delete(list, 0, most)
		}
	}
	slices.Reverse(list)
	return list[:min(len(list), most)], nil
}

func (v deadLettersView) Replay(ctx context.Context, at models.Position) error {
	n, err := v.client().Replay(ctx, func(l kafka.DeadLetter) bool {
		return l.Topic == at.Topic && l.Partition == at.Partition && l.Offset == at.Offset
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("there is no dead letter of %s/%d at %d", at.Topic, at.Partition,
			at.Offset)
	}
	return err
}

// rates are how fast some counters move: over the time between two looks that lie at least ten
// seconds apart.
type rates struct {
	start time.Time // when all counters were zero

	mu   sync.Mutex // guards seen
	seen map[string]rate
}

type rate struct {
	at, before time.Time
	n, was     int64
}

// of is the rate of a counter, each second.
func (r *rates) of(name string, n int64, now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]rate{}
	}
	last, ok := r.seen[name]
	if !ok {
		last = rate{at: r.start, before: r.start}
		r.seen[name] = last
	}
	if now.Sub(last.at) >= 10*time.Second {
		last = rate{at: now, before: last.at, n: n, was: last.n}
		r.seen[name] = last
	}
	if seconds := now.Sub(last.before).Seconds(); seconds > 0 {
		return float64(n-last.was) / seconds
	}
	return 0
}
