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

	"github.com/log-monitoring/alert-engine/pkg/models"
	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

const (
	forwardBatch   = 100              // alerts of one request
	forwardTimeout = 30 * time.Second // for one request
	// for which a forwarded alert holds unless it is posted anew, once a minute; then Alertmanager
	// takes it for over
	forwardHold = 10 * time.Minute
	// between the posts that an alert fires and that it is over; within their group_wait,
	// Alertmanagers would tell neither
	forwardLead    = time.Minute
	forwardBackoff = time.Minute // at most, between two attempts
)

// target is an Alertmanager of the user's own, which is posted what fires and what is over, and
// does the rest.
type target struct {
	base   *url.URL
	who    string
	client *http.Client
}

func newTargets(o Options) ([]*target, error) {
	var list []*target
	for _, text := range o.Alertmanagers {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf(
				"alertmanager %q is no http or https URL; try http://alertmanager:9093",
				text,
			)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		if o.Dial != nil {
			transport.DialContext = o.Dial
		}
		list = append(
			list,
			&target{
				base:   u,
				who:    "alertmanager/" + u.Host + strings.TrimRight(u.Path, "/"),
				client: &http.Client{Transport: transport, Timeout: forwardTimeout},
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
		moved := n.book.movement()
		now := time.Now()
		all := !now.Before(renew)
		if all {
			renew = now.Add(resend)
		}
		list, next := n.book.forTarget(t.who, now, all, posted)
		if n.post(l, t, list, posted) == nil {
			pause = 0
			waitFor(ctx, moved, time.Until(earlier(next, renew)))
			continue
		}
		pause = min(max(2*pause, time.Second), forwardBackoff)
		renew = time.Time{}
		wait(ctx, pause)
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

// forTarget returns what a target is to be posted now, and when there may be more even if nothing
// changes. What was over before the target knew of it is posted as firing first, since an
// Alertmanager tells nobody of the end of what it did not know.
func (b *book) forTarget(
	who string,
	now time.Time,
	all bool,
	posted map[model.Fingerprint]time.Time,
) (list []*alert.Alert, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next = now.Add(resend)
	for fp, r := range b.records {
		if !b.ours(r) {
			continue
		}
		fires := r.Firing || r.Told[who].State == ""
		lead := posted[fp].Add(forwardLead)
		switch {
		case r.Told[who].State == models.AlertResolved && !r.Firing,
			r.Told[who].State == models.AlertFiring && r.Firing && !all:
			continue
		case !fires && now.Before(lead):
			next = earlier(next, lead)
			continue
		}
		a := &alert.Alert{UpdatedAt: r.updated, Alert: model.Alert{
			Labels: r.labels, Annotations: annotations(r.Alert), StartsAt: r.Since, EndsAt: now.Add(forwardHold),
		}}
		if !fires {
			a.EndsAt = r.Until
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(x, y *alert.Alert) int { return x.StartsAt.Compare(y.StartsAt) })
	return list, next
}

// post posts alerts, in batches.
func (n *Notifier) post(
	l *pipeline,
	t *target,
	list []*alert.Alert,
	posted map[model.Fingerprint]time.Time,
) error {
	for batch := range slices.Chunk(list, forwardBatch) {
		began := time.Now()
		refused, err := t.post(l.attempts, batch, l.external)
		if l.attempts.Err() != nil && err != nil {
			return err
		}
		n.attempted(
			attempt{who: t.who, receiver: t.who, integration: "alertmanager", again: true},
			batch,
			time.Since(began),
			err,
		)
		if err != nil && !refused {
			return err
		}
		for _, a := range batch {
			// also what was refused: Alertmanager has taken the others of the batch, and would
			// refuse this one again
			n.book.sent(t.who, a)
			if a.Resolved() {
				delete(posted, a.Fingerprint())
			} else if posted[a.Fingerprint()].IsZero() {
				posted[a.Fingerprint()] = time.Now()
			}
		}
		n.book.settle(t.who, l.settlers, batch, false)
		_ = n.journal.flush()
	}
	return nil
}

// post sends one request. refused says that the Alertmanager found something wrong with an alert.
func (t *target) post(
	ctx context.Context,
	batch []*alert.Alert,
	external *url.URL,
) (refused bool, err error) {
	type object struct {
		Labels       model.LabelSet `json:"labels"`
		Annotations  model.LabelSet `json:"annotations"`
		StartsAt     time.Time      `json:"startsAt"`
		EndsAt       time.Time      `json:"endsAt"`
		GeneratorURL string         `json:"generatorURL,omitempty"`
	}
	var objects []object
	for _, a := range batch {
		objects = append(
			objects,
			object{
				a.Labels,
				a.Annotations,
				a.StartsAt,
				a.EndsAt,
				link(external, string(a.Annotations["alert_id"])),
			},
		)
	}
	body, err := json.Marshal(objects)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		t.base.JoinPath("api/v2/alerts").String(),
		bytes.NewReader(body),
	)
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
	return resp.StatusCode == http.StatusBadRequest, fmt.Errorf(
		"%s: %s",
		resp.Status,
		strings.TrimSpace(string(text)),
	)
}
