package web

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// This file has what a person can do with an alert: acknowledge, comment, resolve, and the same for
// several alerts at once.

// unnamed is the author of a change whose request names none.
const unnamed = "unknown"

// openAlert returns an alert that is not resolved.
func (s *Server) openAlert(id string) (models.Alert, error) {
	d, err := s.alertByID(id)
	if err == nil && d.Alert.State == models.AlertResolved {
		err = &apiError{http.StatusConflict, "the alert is resolved"}
	}
	return d.Alert, err
}

// acknowledge silences an alert until it resolves.
func (s *Server) acknowledge(r *http.Request, id, by, comment string) (silence string, err error) {
	a, err := s.openAlert(id)
	if err != nil {
		return "", err
	}
	by = cmp.Or(strings.TrimSpace(by), unnamed)
	if silence, err = s.alertmanager.ack(r.Context(), a, by, comment); err != nil {
		return "", err
	}
	s.audit.record(r, "alert acknowledged",
		"alert", a.ID, "by", by, "comment", comment, "silence", silence)
	return silence, nil
}

// unacknowledge expires the acknowledgements of an alert.
func (s *Server) unacknowledge(r *http.Request, id, by string) error {
	list, err := s.alertmanager.silences(r.Context())
	if err != nil {
		return err
	}
	found := false
	for _, one := range list {
		if ackOf(one) == id && one.State() == "active" {
			if err := s.alertmanager.expireSilence(r.Context(), one.ID); err != nil {
				return err
			}
			found = true
		}
	}
	if !found {
		return notFound("the alert is not acknowledged")
	}
	s.audit.record(r, "acknowledgement removed",
		"alert", id, "by", cmp.Or(strings.TrimSpace(by), unnamed))
	return nil
}

func (s *Server) postAck(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By      string `json:"by"`
		Comment string `json:"comment"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	id, err := s.acknowledge(r, r.PathValue("id"), body.By, body.Comment)
	if err != nil {
		return err
	}
	return ok(w, map[string]string{"silence": id})
}

func (s *Server) deleteAck(w http.ResponseWriter, r *http.Request) error {
	if err := s.unacknowledge(r, r.PathValue("id"), r.FormValue("by")); err != nil {
		return err
	}
	return ok(w, map[string]bool{"acknowledged": false})
}

func (s *Server) ackForm(w http.ResponseWriter, r *http.Request) error {
	_, err := s.acknowledge(r, r.PathValue("id"), r.PostFormValue("by"), r.PostFormValue("comment"))
	if err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

func (s *Server) unackForm(w http.ResponseWriter, r *http.Request) error {
	if err := s.unacknowledge(r, r.PathValue("id"), r.PostFormValue("by")); err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

// maxComment is the maximum length of a comment.
const maxComment = 2000

// comment adds a comment to an alert.
func (s *Server) comment(r *http.Request, id, by, text string) error {
	if s.audit.store == nil {
		return missing("storing comments")
	}
	if text = strings.TrimSpace(text); text == "" || len(text) > maxComment {
		return badRequest("comment: 1 to %d bytes are allowed", maxComment)
	}
	d, err := s.alertByID(id)
	if err != nil {
		return err
	}
	s.audit.record(r, "comment", "alert", d.Alert.ID, "by", cmp.Or(strings.TrimSpace(by), unnamed),
		"text", text)
	return nil
}

func (s *Server) postComment(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By   string `json:"by"`
		Text string `json:"text"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := s.comment(r, r.PathValue("id"), body.By, body.Text); err != nil {
		return err
	}
	return ok(w, s.audit.of(r.PathValue("id")))
}

func (s *Server) commentForm(w http.ResponseWriter, r *http.Request) error {
	err := s.comment(r, r.PathValue("id"), r.PostFormValue("by"), r.PostFormValue("text"))
	if err != nil {
		return err
	}
	return back(w, r, "/alerts/"+r.PathValue("id")+"#timeline")
}

// resolve ends an alert of a rule that resolves by hand.
func (s *Server) resolve(r *http.Request, id, by string) error {
	if s.Resolve == nil {
		return missing("resolving by hand")
	}
	a, err := s.openAlert(id)
	if err != nil {
		return err
	}
	if err := s.Resolve(r.Context(), a.ID); err != nil {
		return &apiError{http.StatusConflict, err.Error()}
	}
	s.audit.record(r, "alert resolved", "alert", a.ID, "by", cmp.Or(strings.TrimSpace(by), unnamed))
	return nil
}

func (s *Server) postResolve(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		By string `json:"by"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := s.resolve(r, r.PathValue("id"), body.By); err != nil {
		return err
	}
	return ok(w, map[string]bool{"resolved": true})
}

func (s *Server) resolveForm(w http.ResponseWriter, r *http.Request) error {
	if err := s.resolve(r, r.PathValue("id"), r.PostFormValue("by")); err != nil {
		return err
	}
	return back(w, r, r.PostFormValue("to"))
}

// maxBulk is the number of alerts that one request may change.
const maxBulk = 200

// bulkForm acknowledges or silences several alerts.
func (s *Server) bulkForm(w http.ResponseWriter, r *http.Request) error {
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
			_, err = s.acknowledge(r, id, by, comment)
		case "silence":
			err = s.silenceAlert(r, id, by, comment)
		default:
			err = badRequest("do: acknowledge or silence")
		}
		if err != nil && statusOf(err) != http.StatusConflict { // resolved meanwhile
			return err
		}
	}
	return back(w, r, r.PostFormValue("to"))
}

// silenceAlert silences the labels of an alert for a time.
func (s *Server) silenceAlert(r *http.Request, id, by, comment string) error {
	a, err := s.openAlert(id)
	if err != nil {
		return err
	}
	length, err := silenceLength(r.PostFormValue("for"))
	if err != nil {
		return err
	}
	one := silence{
		StartsAt:  s.Now(),
		EndsAt:    s.Now().Add(length),
		CreatedBy: by,
		Comment:   comment,
	}
	for name, value := range a.Labels {
		if value != "" {
			one.Matchers = append(one.Matchers, matcher{Name: name, Value: value, IsEqual: true})
		}
	}
	_, err = s.alertmanager.saveSilence(r, one)
	return err
}
