package notify

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// sender is an integration, with notes taken of each attempt.
type sender struct {
	l           *pipeline
	destination string
	receiver    string
	in          notify.Integration
	escape      escaper
	items       map[*alert.Alert]*item
	reminder    bool // the message repeats what the receiver knows
	// The receiver refused the form of the message, and gets a shorter one.
	short bool
}

// Notify implements notify.Notifier. An attempt outlives the end of the pipeline for as long as
// that waits for it.
func (s *sender) Notify(ctx context.Context, alerts ...*alert.Alert) notify.NotifyVerdict {
	if alerts = s.ours(alerts); len(alerts) == 0 {
		return notify.Success()
	}
	if leads := s.l.n.opts.Leads; leads != nil && !leads() {
		return notify.Retry(time.Second, errNotLeader, notify.DefaultReason)
	}
	ctx, cancel := s.outlive(ctx)
	defer cancel()
	began := time.Now()
	verdict := s.attempt(ctx, alerts)
	detail := ""
	if refusedForm(verdict) && !s.short {
		s.short = true
		first := verdict.Err()
		if verdict = s.attempt(ctx, alerts); verdict.Err() == nil {
			detail = "; shortened, since the receiver refused the whole message: " + first.Error()
		} else {
			s.short = false
		}
	}
	s.l.n.attempted(s, alerts, time.Since(began), verdict.Err(), detail)
	return verdict
}

// stackEvery is how often the stack of a panic is logged for a destination, which may panic at
// every turn of every group.
const stackEvery = time.Hour

// errNotLeader is why nothing is sent while another member of the cluster may lead.
var errNotLeader = errors.New("another member of the cluster may lead")

// attempt sends one message. A receiver library that panics has failed, like one that returns an
// error; it must not end the process.
func (s *sender) attempt(
	ctx context.Context, alerts []*alert.Alert,
) (verdict notify.NotifyVerdict) {
	defer func() {
		if cause := recover(); cause != nil {
			facts := []any{
				"receiver", s.receiver, "integration", s.in.String(), "cause", fmt.Sprint(cause),
			}
			last, _ := s.l.n.panics.Load(s.destination)
			if at, ok := last.(time.Time); !ok || time.Since(at) >= stackEvery {
				s.l.n.panics.Store(s.destination, time.Now())
				facts = append(facts, "stack", string(debug.Stack()))
			}
			s.l.n.logger.Error("receiver integration panicked", facts...)
			verdict = notify.Unrecoverable(
				fmt.Errorf("integration panicked: %v", cause), notify.DefaultReason,
			)
		}
	}()
	if s.short {
		alerts = shorten(alerts)
		if set, ok := notify.GroupLabels(ctx); ok {
			ctx = notify.WithGroupLabels(ctx, shortValues(set))
		}
	}
	ctx, escaped := s.escape.apply(ctx, alerts)
	return s.in.Notify(ctx, escaped...)
}

// refusedForm reports whether a receiver refused a message for what it is, so that the same message
// is refused each time.
func refusedForm(v notify.NotifyVerdict) bool {
	if v.Err() == nil {
		return false
	}
	var smtp *textproto.Error
	if errors.As(v.Err(), &smtp) {
		switch smtp.Code {
		case 500, 501, 552, 554: // syntax, parameters, size, transaction failed
			return true
		}
		return false
	}
	return !v.ShouldRetry() && v.Reason() == notify.ClientErrorReason
}

// ours leaves out alerts of partitions that another member has now.
func (s *sender) ours(alerts []*alert.Alert) []*alert.Alert {
	b := s.l.n.states
	b.mu.Lock()
	defer b.mu.Unlock()
	var ours []*alert.Alert
	for _, a := range alerts {
		if i := s.items[a]; i != nil && b.ours(i.s) {
			ours = append(ours, a)
		}
	}
	return ours
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

// address finds addresses in errors. Their paths are secrets: with that of a webhook
// every client may post to it.
var address = regexp.MustCompile(`(https?://[^\s"/?]+)[^\s"]*`)

func withoutSecrets(text string) string {
	return address.ReplaceAllString(text, "$1/<redacted>")
}

// attempted notes an attempt to notify a receiver.
func (n *Notifier) attempted(
	s *sender,
	alerts []*alert.Alert,
	took time.Duration,
	err error,
	detail string,
) {
	detail = safetext.ClipLine(
		fmt.Sprintf("accepted after %s%s", duration.Measured(took), withoutSecrets(detail)),
		maxLine,
	)
	if err != nil {
		detail = safetext.ClipLine(withoutSecrets(err.Error()), maxLine)
	}
	n.outcome(s.destination, s.receiver, s.in.String(), err, detail)
	for _, a := range alerts {
		i := s.items[a]
		if err == nil {
			n.states.notified(s.destination, i.fp, &i.step)
		}
		if !i.news && !s.reminder {
			continue // the message is about other alerts of its group
		}
		n.note(i.step.Alert.ID, Delivery{
			At:          time.Now(),
			Rule:        i.step.Alert.Rule,
			State:       stateOf(a),
			Receiver:    s.receiver,
			Integration: s.in.String(),
			Sent:        err == nil,
			Detail:      detail,
		})
	}
}

// outcome counts an attempt, and reports whether it went otherwise than the one before.
func (n *Notifier) outcome(
	destination, receiver, integration string, err error, detail string,
) (changed bool) {
	now, result := time.Now(), "sent"
	if err != nil {
		result = "failed"
	}
	n.metrics.attempts.WithLabelValues(receiver, integration, result).Inc()
	if err == nil {
		n.metrics.last.WithLabelValues(receiver, integration).Set(float64(now.Unix()))
	}
	return n.receivers.attempted(destination, now, err == nil, detail)
}
