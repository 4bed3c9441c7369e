package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// overRetention finds the rules that look further back than a topic keeps its logs. They work, as
// long as the state is there: but one that is new begins with less of the past than it asks for,
// and what a lost directory knew cannot be read again.
func overRetention(
	set *rule.Set,
	kept map[string]kafka.Retention,
	now time.Time,
) (found []rule.Finding) {
	for _, r := range set.Rules {
		back := alerting.Lookback(r)
		if r.Mode == rule.Off || back == 0 {
			continue
		}
		for _, topic := range readBy(r, kept) {
			keeps, setting, limited := kept[topic].Limit(now)
			if limited && keeps < back {
				found = append(found, rule.Finding{
					Name: rule.WindowOverRetention,
					Rule: r.ID(),
					Pos:  set.Place(r, looksBackBy(r, back)),
					Text: fmt.Sprintf("the rule looks back %s, and %s keeps %s (%s): when it is "+
						"new it begins with less", duration.Format(duration.Round(back)), topic,
						duration.Format(duration.Round(keeps)), setting),
					Hint: "look back less, or have the topic keep more",
				})
				break
			}
		}
	}
	return found
}

// readBy are those of some topics that a rule reads.
func readBy(r *rule.Rule, kept map[string]kafka.Retention) (topics []string) {
	sources := append([]string{r.Source}, r.Sources...)
	for topic := range kept {
		if r.Source == "" || slices.Contains(sources, topic) {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// looksBackBy is the key of a rule that makes it look back so far.
func looksBackBy(r *rule.Rule, back time.Duration) string {
	switch {
	case r.Learn == back:
		return "learn"
	case len(r.Sequence) > 0 && r.Within >= r.Window:
		return "within"
	case r.Window == back:
		return "window"
	}
	return "when"
}

// retentions finds rules that look back further than their topics keep logs, and reports them in
// the log and on the pages.
type retentions struct {
	p     *process
	bell  chan struct{} // rules have changed
	short atomic.Pointer[map[string]string]
}

const (
	retentionTries = 5 // of asking the brokers, after which it is left until rules change
	retentionPause = 30 * time.Second
)

func newRetentions(p *process) *retentions {
	r := &retentions{p: p, bell: make(chan struct{}, 1)}
	r.short.Store(&map[string]string{})
	ring(r.bell)
	return r
}

// of is what is wrong with a rule; "" if nothing is known to be.
func (r *retentions) of(id string) string { return (*r.short.Load())[id] }

// run looks at the topics at the start and whenever rules change, until ctx is done.
func (r *retentions) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.bell:
			r.look(ctx)
		}
	}
}

// look asks the brokers. Without an answer, or the right to ask, the retention is unknown, which is
// not an error.
func (r *retentions) look(ctx context.Context) {
	var err error
	for range retentionTries {
		if err = r.lookOnce(ctx); err == nil || ctx.Err() != nil {
			return
		}
		wait.Sleep(ctx, retentionPause)
	}
	r.p.logger.Info("the retention of topics is unknown", "error", err)
}

func (r *retentions) lookOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	o := r.p.reader("")
	if len(o.Topics) == 0 {
		return errors.New("no topic matches yet")
	}
	kept, err := kafka.Retentions(ctx, o.Client, slog.New(slog.DiscardHandler), o.Topics...)
	if err != nil {
		return err
	}
	set, short := r.p.set.Load(), map[string]string{}
	for _, f := range set.NotIgnored(overRetention(set, kept, time.Now())) {
		if short[f.Rule] = f.Text; r.of(f.Rule) != f.Text {
			r.p.logger.Warn("a rule looks back further than its topic keeps its logs",
				"rule", f.Rule, "file", f.Pos.File, "line", f.Pos.Line, "reason", f.Text,
				"hint", f.Hint)
		}
	}
	r.short.Store(&short)
	return nil
}
