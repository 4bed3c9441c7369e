package notify

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// owing is Alertmanager's decision whether there is anything new for an integration, and ours: it
// compares with what the group's last notification said, which forgets an alert that was silenced
// after it was told, and knows nothing of one that was over before the receiver could be reached.
// What another member has told before us is noted as if we had.
type owing struct {
	book  *book
	who   string
	dedup notify.Stage
	note  notify.Stage
}

// Exec implements notify.Stage.
func (o owing) Exec(
	ctx context.Context,
	logger *slog.Logger,
	alerts ...*alert.Alert,
) (context.Context, []*alert.Alert, error) {
	ctx, left, err := o.dedup.Exec(ctx, logger, alerts...)
	if err == nil && len(left) > 0 && o.book.heardElsewhere(o.who, alerts) {
		ctx, _, err = o.note.Exec(ctx, logger, alerts...)
		return ctx, nil, err
	}
	if err != nil || len(left) > 0 {
		return ctx, left, err
	}
	route, _ := notify.RouteID(ctx)
	// the log has it from an earlier episode, whose end another member has told
	if o.book.fires(o.who, alerts) {
		return notify.WithNotificationReason(ctx, notify.ReasonNewAlertsInGroup), alerts, nil
	}
	for _, a := range alerts {
		if o.book.owed(route, o.who, a) {
			return notify.WithNotificationReason(ctx, notify.ReasonNewResolvedAlerts), alerts, nil
		}
	}
	return ctx, nil, nil
}

// sender is an integration with notes taken of each attempt.
type sender struct {
	l        *pipeline
	who      string
	receiver string
	in       notify.Integration
	escape   escaper
}

// Notify implements notify.Notifier. An attempt outlives the end of the pipeline for as long as
// that waits for it.
func (s *sender) Notify(ctx context.Context, alerts ...*alert.Alert) (retry bool, err error) {
	if alerts = s.due(ctx, s.l.n.book.mine(alerts)); len(alerts) == 0 {
		return false, nil
	}
	ctx, cancel := s.outlive(ctx)
	defer cancel()
	began := time.Now()
	ctx, escaped := s.escape.apply(ctx, alerts)
	retry, err = s.in.Notify(ctx, escaped...)
	s.l.n.attempted(
		attempt{who: s.who, receiver: s.receiver, integration: s.in.String()},
		alerts,
		time.Since(began),
		err,
	)
	return retry, err
}

// due are the alerts that the receiver wants to hear of. One with send_resolved: false hears that
// an alert is over only when it could not be told in time that it fires, and would never hear of it
// otherwise. A file and a topic, which know alerts by their IDs, do not hear that one is over that
// goes on with other labels.
func (s *sender) due(ctx context.Context, alerts []*alert.Alert) []*alert.Alert {
	if s.in.Name() == fileReceiver || s.in.Name() == topicReceiver {
		return slices.DeleteFunc(slices.Clone(alerts), s.l.n.book.movedOn)
	}
	if s.in.SendResolved() {
		return alerts
	}
	route, _ := notify.RouteID(ctx)
	var due []*alert.Alert
	for _, a := range alerts {
		if !a.Resolved() || s.l.n.book.missed(route, s.who, a) {
			due = append(due, a)
		}
	}
	return due
}

// outlive returns a context with the same deadline, which ends otherwise only when attempts are
// given up.
func (s *sender) outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(notify.MinTimeout)
	}
	longer, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	stop := context.AfterFunc(s.l.attempts, cancel)
	return longer, func() { stop(); cancel() }
}

// attempt says by whom an attempt to tell somebody was made.
type attempt struct {
	who, receiver, integration string
	again                      bool // it tells the same once a minute, which is not worth a note
}

// address finds addresses in errors. Their paths are secrets: whoever knows that of a webhook may
// post to it.
var address = regexp.MustCompile(`(https?://[^\s"/?]+)[^\s"]*`)

func withoutSecrets(text string) string { return address.ReplaceAllString(text, "$1/<redacted>") }

// attempted notes an attempt to tell a receiver.
func (n *Notifier) attempted(by attempt, alerts []*alert.Alert, took time.Duration, err error) {
	now, outcome, detail := time.Now(), "sent", fmt.Sprintf(
		"accepted after %s",
		took.Round(time.Millisecond),
	)
	if err != nil {
		outcome, detail = "failed", clean(withoutSecrets(err.Error()), maxLine)
	}
	changed := n.receivers.attempted(by.who, now, err == nil, detail)
	switch {
	case !changed || !by.again: // of all others, Alertmanager's pipeline says it
	case err != nil:
		n.logger.Warn(
			"an Alertmanager does not take alerts; trying again until it does",
			"receiver",
			by.who,
			"error",
			detail,
		)
	default:
		n.logger.Info("the Alertmanager takes alerts again", "receiver", by.who)
	}
	n.metrics.outcomes.WithLabelValues(by.receiver, by.integration, outcome).Inc()
	if err == nil {
		n.metrics.last.WithLabelValues(by.receiver, by.integration).Set(float64(now.Unix()))
	}
	for _, a := range alerts {
		if news := err == nil && n.book.sent(by.who, a); news || err != nil || !by.again {
			n.deliveries.add(
				n.book.id(a.Fingerprint()),
				Delivery{
					At:          now,
					State:       stateOf(a),
					Receiver:    by.receiver,
					Integration: by.integration,
					Sent:        err == nil,
					Detail:      detail,
				},
			)
		}
	}
}
