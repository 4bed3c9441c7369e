package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

const (
	forwardBatch   = 100              // alerts of one request
	forwardTimeout = 30 * time.Second // for one request
	// how long a forwarded alert holds unless it is posted anew, once a minute; then Alertmanager
	// takes it for resolved
	forwardHold = 10 * time.Minute
	// between the posts that an alert fires and that it is resolved; within their group_wait,
	// Alertmanagers would notify of neither
	forwardLead    = time.Minute
	forwardBackoff = time.Minute // at most, between two attempts
)

// target is an Alertmanager of the user's own, which is posted what fires and what is resolved, and
// does the rest.
type target struct {
	base        *url.URL
	destination string
	client      *http.Client
}

func newTargets(o Options) ([]*target, error) {
	var list []*target
	for _, text := range o.Alertmanagers {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf(
				"alertmanager %q is not an http or https URL; write one such as "+
					"http://alertmanager:9093",
				safetext.URL(text),
			)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		if o.Dial != nil {
			transport.DialContext = o.Dial
		}
		list = append(
			list,
			&target{
				base:        u,
				destination: "alertmanager/" + u.Host + strings.TrimRight(u.Path, "/"),
				client:      &http.Client{Transport: transport, Timeout: forwardTimeout},
			},
		)
	}
	return list, nil
}

// forward posts to a target until the pipeline stops. What the target does not take is tried again,
// less and less often; nothing waits for that.
func (n *Notifier) forward(l *pipeline, t *target) {
	ctx := l.attempts
	defer t.client.CloseIdleConnections()
	posted := map[model.Fingerprint]time.Time{} // when it was first posted that an alert fires
	pause, renew := time.Duration(0), time.Time{}
	for ctx.Err() == nil {
		moved := n.states.movement()
		now := time.Now()
		all := !now.Before(renew)
		if all {
			renew = now.Add(resendInterval)
		}
		list, next := n.states.postings(l, t.destination, now, all, posted)
		if n.post(l, t, list, posted) == nil {
			pause = 0
			waitFor(ctx, moved, time.Until(earlier(next, renew)))
			continue
		}
		pause = min(max(2*pause, time.Second), forwardBackoff)
		renew = time.Time{}
		wait.Sleep(ctx, pause)
	}
}

func waitFor(ctx context.Context, moved <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-moved:
	case <-ctx.Done():
	}
}

// posting is an alert for an Alertmanager, and the step that it shows.
type posting struct {
	s     *state
	step  step
	alert *alert.Alert
}

// postings returns what a target is to be posted now, one step of an alert, and when there may be
// more even if nothing changes. What was resolved before the target knew of it is posted as firing
// first, since an Alertmanager sends nothing about the end of what it did not know.
func (b *states) postings(
	l *pipeline,
	destination string,
	now time.Time,
	all bool,
	posted map[model.Fingerprint]time.Time,
) (list []posting, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next = now.Add(resendInterval)
	for fp, s := range b.byLabels {
		if !b.ours(s) || s.sent.IsZero() {
			continue
		}
		pending := s.after(s.Notified[destination])
		if len(pending) > 0 && !pending[0].firing() &&
			s.Notified[destination].State != models.AlertFiring {
			b.skip(destination, s, &pending[0])
			pending = pending[1:]
		}
		var t *step
		lead := posted[fp].Add(forwardLead)
		switch {
		case len(pending) == 0 && (!all || !s.firing()):
			continue
		case len(pending) == 0:
			t = s.last()
		case !pending[0].firing() && now.Before(lead):
			next = earlier(next, lead)
			continue
		default:
			t = &pending[0]
		}
		if len(pending) > 1 {
			next = now
		}
		a := l.bare(s.Labels, t, now)
		whole := t.Alert.alert()
		a.Annotations = annotations(&whole, t)
		if t.firing() {
			a.EndsAt = now.Add(forwardHold)
		}
		list = append(list, posting{s, *t, a})
	}
	slices.SortFunc(list, func(x, y posting) int { return byAge(x.s, y.s) })
	return list, next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// post posts alerts, in batches.
func (n *Notifier) post(
	l *pipeline,
	t *target,
	list []posting,
	posted map[model.Fingerprint]time.Time,
) error {
	for batch := range slices.Chunk(list, forwardBatch) {
		began := time.Now()
		refused, err := t.post(l.attempts, batch)
		if l.attempts.Err() != nil && err != nil {
			return err
		}
		n.posted(t, batch, time.Since(began), err)
		if err != nil && !refused {
			return err
		}
		for _, p := range batch {
			// Also what was refused: Alertmanager has taken the others of the batch, and would
			// refuse this one again.
			if fp := p.alert.Fingerprint(); p.alert.Resolved() {
				delete(posted, fp)
			} else if posted[fp].IsZero() {
				posted[fp] = time.Now()
			}
		}
		_ = n.wal.flush() // its error is in Health
	}
	return nil
}

// posted notes a request. The same is posted once a minute, which is not worth a note.
func (n *Notifier) posted(t *target, batch []posting, took time.Duration, err error) {
	detail := fmt.Sprintf("accepted after %s", duration.Measured(took))
	if err != nil {
		detail = safetext.ClipLine(withoutSecrets(err.Error()), maxLine)
	}
	switch changed := n.outcome(t.destination, t.destination, "alertmanager", err, detail); {
	case changed && err != nil:
		n.logger.Warn("Alertmanager does not accept alerts; retrying", "receiver", t.destination,
			"error", detail)
	case changed:
		n.logger.Info("Alertmanager accepts alerts again", "receiver", t.destination)
	}
	for _, p := range batch {
		news := false
		if err == nil {
			news = n.states.notified(t.destination, p.s.fp, &p.step)
		}
		if news || err != nil {
			n.note(p.step.Alert.ID, Delivery{
				At:          time.Now(),
				Rule:        p.step.Alert.Rule,
				State:       stateOf(p.alert),
				Receiver:    t.destination,
				Integration: "alertmanager",
				Sent:        err == nil,
				Detail:      detail,
			})
		}
		n.states.mu.Lock()
		if n.states.byLabels[p.s.fp] == p.s {
			p.s.trim(n.config.Load().integrations(p.s.Labels.set()))
			if l := n.pipeline.Load(); l != nil {
				l.dropIfDone(p.s)
			}
		}
		n.states.mu.Unlock()
	}
}

// post sends one request. refused says that the Alertmanager found something wrong with an alert.
func (t *target) post(
	ctx context.Context,
	batch []posting,
) (refused bool, err error) {
	type object struct {
		Labels       model.LabelSet `json:"labels"`
		Annotations  model.LabelSet `json:"annotations"`
		StartsAt     time.Time      `json:"startsAt"`
		EndsAt       time.Time      `json:"endsAt"`
		GeneratorURL string         `json:"generatorURL,omitempty"`
	}
	var objects []object
	for _, p := range batch {
		a := p.alert
		objects = append(
			objects,
			object{a.Labels, a.Annotations, a.StartsAt, a.EndsAt, a.GeneratorURL},
		)
	}
	body, err := json.Marshal(objects)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		t.base.JoinPath("api/v2/alerts").String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "alert-engine")
	resp, err := t.client.Do(req)
	if err != nil {
		return false, notify.RedactURL(err)
	}
	defer notify.Drain(resp)
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxLine))
	return resp.StatusCode == http.StatusBadRequest,
		fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
}
