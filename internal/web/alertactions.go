package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertActions are what a person can do with an alert: acknowledge, comment, resolve, and the same
// for several alerts at once.
type alertActions struct {
	state        *engineState
	details      *alertDetails
	alertmanager *alertmanager
	audit        *auditTrail
	pages        *pages
	// ends an alert whose rule resolves by hand; nil if that is not possible
	resolver func(ctx context.Context, alertID string) error
	logger   *slog.Logger
	now      func() time.Time
}

func (h *alertActions) routes() []route {
	form := h.pages.handler
	return []route{
		{"POST /alerts/bulk", Writer, costly, form(h.bulkForm)},
		{"POST /alerts/{id}/ack", Writer, costly, form(h.ackForm)},
		{"POST /alerts/{id}/unack", Writer, costly, form(h.unackForm)},
		{"POST /alerts/{id}/comment", Writer, costly, form(h.commentForm)},
		{"POST /alerts/{id}/resolve", Writer, costly, form(h.resolveForm)},
		{"POST /api/v1/alerts/{id}/ack", Writer, cheap, api(h.postAck)},
		{"DELETE /api/v1/alerts/{id}/ack", Writer, cheap, api(h.deleteAck)},
		{"POST /api/v1/alerts/{id}/comments", Writer, cheap, api(h.postComment)},
		{"POST /api/v1/alerts/{id}/resolve", Writer, cheap, api(h.postResolve)},
	}
}

// unnamed is the author of a change whose request names none.
const unnamed = "unknown"

// open returns an alert that is not resolved.
func (h *alertActions) open(id string) (models.Alert, error) {
	d, err := h.details.byID(id)
	if err == nil && d.Alert.State == models.AlertResolved {
		err = &apiError{http.StatusConflict, "the alert is resolved"}
	}
	return d.Alert, err
}

// acknowledge silences an alert until it resolves.
func (h *alertActions) acknowledge(
	r *http.Request, id, by, comment string,
) (silence string, err error) {
	a, err := h.open(id)
	if err != nil {
		return "", err
	}
	by = cmp.Or(strings.TrimSpace(by), unnamed)
	if silence, err = h.alertmanager.ack(r.Context(), a, by, comment); err != nil {
		return "", err
	}
	h.audit.record(r, "alert acknowledged",
		"alert", a.ID, "by", by, "comment", comment, "silence", silence)
	return silence, nil
}

// unacknowledge expires the acknowledgements of an alert.
func (h *alertActions) unacknowledge(r *http.Request, id, by string) error {
	list, err := h.alertmanager.silences(r.Context())
	if err != nil {
		return err
	}
	found := false
	for _, one := range list {
		if ackOf(one) == id && one.State() == "active" {
			if err := h.alertmanager.expireSilence(r.Context(), one.ID); err != nil {
				return err
			}
			found = true
		}
	}
	if !found {
		return notFound("the alert is not acknowledged")
	}
	h.audit.record(r, "acknowledgement removed",
		"alert", id, "by", cmp.Or(strings.TrimSpace(by), unnamed))
	return nil
}

func (h *alertActions) postAck(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By      string `json:"by"`
		Comment string `json:"comment"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	id, err := h.acknowledge(r, r.PathValue("id"), body.By, body.Comment)
	if err != nil {
		return err
	}
	return ok(w, map[string]string{"silence": id})
}

func (h *alertActions) deleteAck(w http.ResponseWriter, r *http.Request) error {
	if err := h.unacknowledge(r, r.PathValue("id"), r.FormValue("by")); err != nil {
		return err
	}
	return ok(w, map[string]bool{"acknowledged": false})
}

func (h *alertActions) ackForm(w http.ResponseWriter, r *http.Request) error {
	_, err := h.acknowledge(r, r.PathValue("id"), r.PostFormValue("by"), r.PostFormValue("comment"))
	if err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

func (h *alertActions) unackForm(w http.ResponseWriter, r *http.Request) error {
	if err := h.unacknowledge(r, r.PathValue("id"), r.PostFormValue("by")); err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

// maxComment is the maximum length of a comment.
const maxComment = 2000

// comment adds a comment to an alert.
func (h *alertActions) comment(r *http.Request, id, by, text string) error {
	if h.audit.store == nil {
		return missing("storing comments")
	}
	if text = strings.TrimSpace(text); text == "" || len(text) > maxComment {
		return badRequest("comment: 1 to %d bytes are allowed", maxComment)
	}
	d, err := h.details.byID(id)
	if err != nil {
		return err
	}
	h.audit.record(r, "comment", "alert", d.Alert.ID, "by", cmp.Or(strings.TrimSpace(by), unnamed),
		"text", text)
	return nil
}

func (h *alertActions) postComment(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By   string `json:"by"`
		Text string `json:"text"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := h.comment(r, r.PathValue("id"), body.By, body.Text); err != nil {
		return err
	}
	return ok(w, h.audit.of(r.PathValue("id")))
}

func (h *alertActions) commentForm(w http.ResponseWriter, r *http.Request) error {
	err := h.comment(r, r.PathValue("id"), r.PostFormValue("by"), r.PostFormValue("text"))
	if err != nil {
		return err
	}
	return back(w, r, "/alerts/"+r.PathValue("id")+"#timeline")
}

// resolve ends an alert of a rule that resolves by hand.
func (h *alertActions) resolve(r *http.Request, id, by string) error {
	if h.resolver == nil {
		return missing("resolving by hand")
	}
	a, err := h.open(id)
	if err != nil {
		return err
	}
	if err := h.resolver(r.Context(), a.ID); err != nil {
		return &apiError{http.StatusConflict, err.Error()}
	}
	h.audit.record(r, "alert resolved", "alert", a.ID, "by", cmp.Or(strings.TrimSpace(by), unnamed))
	return nil
}

func (h *alertActions) postResolve(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By string `json:"by"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := h.resolve(r, r.PathValue("id"), body.By); err != nil {
		return err
	}
	return ok(w, map[string]bool{"resolved": true})
}

func (h *alertActions) resolveForm(w http.ResponseWriter, r *http.Request) error {
	if err := h.resolve(r, r.PathValue("id"), r.PostFormValue("by")); err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

// maxBulk is the number of alerts that one request may change.
const maxBulk = 200

// bulkForm acknowledges or silences several alerts.
func (h *alertActions) bulkForm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badRequest("form: %s", err)
	}
	ids := r.PostForm["alert"]
	if len(ids) == 0 || len(ids) > maxBulk {
		return badRequest("select 1 to %d alerts", maxBulk)
	}
	by, comment := r.PostFormValue("by"), r.PostFormValue("comment")
	for _, id := range ids {
		var err error
		switch r.PostFormValue("do") {
		case "ack":
			_, err = h.acknowledge(r, id, by, comment)
		case "silence":
			err = h.silence(r, id, by, comment)
		default:
			err = badRequest("do: acknowledge or silence")
		}
		if err != nil && statusOf(err) != http.StatusConflict { // resolved in the meantime
			return err
		}
	}
	return back(w, r, r.PostFormValue("to"))
}

// silence silences the labels of an alert for a time.
func (h *alertActions) silence(r *http.Request, id, by, comment string) error {
	a, err := h.open(id)
	if err != nil {
		return err
	}
	length, err := silenceLength(r.PostFormValue("for"))
	if err != nil {
		return err
	}
	one := silence{
		StartsAt:  h.now(),
		EndsAt:    h.now().Add(length),
		CreatedBy: by,
		Comment:   comment,
	}
	for name, value := range a.Labels {
		if value != "" {
			one.Matchers = append(one.Matchers, matcher{Name: name, Value: value, IsEqual: true})
		}
	}
	_, err = h.alertmanager.saveSilence(r, one)
	return err
}

// expireAcks ends the acknowledgements of resolved alerts until ctx ends, so that the next episode
// is notified again.
func (h *alertActions) expireAcks(ctx context.Context) {
	if h.alertmanager.api == nil || h.state.alerts == nil {
		return
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := h.expireAcksNow(ctx); err != nil && ctx.Err() == nil {
				h.logger.Warn("expiring acknowledgements failed", "error", err)
			}
		}
	}
}

func (h *alertActions) expireAcksNow(ctx context.Context) error {
	list, err := h.alertmanager.silences(ctx)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(one silence) bool {
		return ackOf(one) == "" || one.State() != "active"
	})
	if len(list) == 0 {
		return nil
	}
	up := map[string]bool{}
	for _, a := range h.state.alerts.Current() {
		up[a.ID] = true
	}
	for _, one := range list {
		if !up[ackOf(one)] {
			if err := h.alertmanager.expireSilence(ctx, one.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
