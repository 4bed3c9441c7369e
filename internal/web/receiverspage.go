package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// receiversData is the data of the page of receivers and routes.
type receiversData struct {
	Missing   bool
	Problem   string
	Routes    []Route
	Receivers []receiverRow
	Labels    string // that are tried
	RoutedTo  []string
	Tried     bool
	Tested    string // receiver
	Results   []TestResult
	Previews  []MessagePreview
	Previewed string // receiver
	Status    *NotifierStatus
}

// receiverRow is a receiver with its last deliveries.
type receiverRow struct {
	Receiver
	Last   []Delivery // newest first
	Sent   int        // of the recent deliveries
	Failed int
}

// Healthy reports whether no integration fails.
func (r receiverRow) Healthy() bool { return r.Error == "" }

const listedDeliveries = 5 // of a receiver

func (s *Server) receiversPage(w http.ResponseWriter, r *http.Request) error {
	return s.showReceivers(w, r, http.StatusOK, receiversData{})
}

func (s *Server) showReceivers(
	w http.ResponseWriter,
	r *http.Request,
	status int,
	d receiversData,
) error {
	d.Missing = s.Receivers == nil && s.Notifier == nil
	if s.Notifier != nil {
		n := s.Notifier.Status()
		d.Status = &n
	}
	if s.Receivers != nil {
		d.Routes = s.Receivers.Routes()
		d.Receivers = s.receiverRows()
		if d.Labels = r.FormValue("labels"); d.Labels != "" {
			d.RoutedTo, d.Tried = s.tryLabels(d.Labels, &d.Problem), true
		}
		if d.Previewed = r.FormValue("preview"); d.Previewed != "" {
			var err error
			d.Previews, err = s.Receivers.Preview(d.Previewed, r.FormValue("resolved") != "")
			if err != nil {
				d.Problem = err.Error()
			}
		}
	}
	v := view{Title: "Receivers", Page: "receivers", Data: d, MayWrite: s.access.mayWrite(r)}
	s.pages.render(w, r, status, "receivers", v)
	return nil
}

// receiverRows are the receivers with their recent deliveries.
func (s *Server) receiverRows() []receiverRow {
	var recent []Delivery
	if s.Notifier != nil {
		recent = s.Notifier.Status().Recent
	}
	var rows []receiverRow
	for _, one := range s.Receivers.List() {
		row := receiverRow{Receiver: one}
		for _, d := range slices.Backward(recent) {
			if d.Receiver != one.Name {
				continue
			}
			if d.Sent {
				row.Sent++
			} else {
				row.Failed++
			}
			if len(row.Last) < listedDeliveries {
				row.Last = append(row.Last, d)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// tryLabels returns the receivers of an alert with some labels.
func (s *Server) tryLabels(text string, problem *string) []string {
	list, err := parseMatchers(text)
	if err != nil {
		*problem = err.Error()
		return nil
	}
	labels := map[string]string{}
	for _, m := range list {
		if m.IsRegex || !m.IsEqual {
			*problem = m.String() + " is not a label; write name=value"
			return nil
		}
		labels[m.Name] = m.Value
	}
	return s.Receivers.RoutedTo(labels)
}

// testTime is the maximum duration of a test notification.
const testTime = 30 * time.Second

func (s *Server) testReceiver(r *http.Request, name string, resolved bool) ([]TestResult, error) {
	if s.Receivers == nil {
		return nil, missing("testing receivers")
	}
	ctx, cancel := context.WithTimeout(r.Context(), testTime)
	defer cancel()
	results, err := s.Receivers.Test(ctx, name, resolved)
	if err != nil {
		return nil, &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	s.audit.record(r, "test notification sent", "receiver", name)
	return results, nil
}

func (s *Server) testForm(w http.ResponseWriter, r *http.Request) error {
	d := receiversData{Tested: r.PostFormValue("receiver")}
	var err error
	d.Results, err = s.testReceiver(r, d.Tested, r.PostFormValue("resolved") != "")
	if err != nil {
		d.Problem, d.Tested = err.Error(), ""
		return s.showReceivers(w, r, statusOf(err), d)
	}
	return s.showReceivers(w, r, http.StatusOK, d)
}

func (s *Server) postTest(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Resolved bool `json:"resolved"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	results, err := s.testReceiver(r, r.PathValue("name"), body.Resolved)
	if err != nil {
		return err
	}
	return ok(w, append([]TestResult{}, results...))
}

func (s *Server) getReceivers(w http.ResponseWriter, _ *http.Request) error {
	if s.Receivers == nil {
		return missing("receivers")
	}
	return ok(w, map[string]any{
		"receivers": append([]Receiver{}, s.Receivers.List()...),
		"routes":    append([]Route{}, s.Receivers.Routes()...),
	})
}

// notifies are the receivers of a rule's alerts, as far as its fixed labels decide.
func (s *Server) notifies(r *rule.Rule) []string {
	if s.Receivers == nil || r.Record || r.Mode != rule.Live {
		return nil
	}
	labels := map[string]string{"alertname": r.Name}
	for name, value := range r.Labels {
		if !strings.Contains(value, "{{") {
			labels[name] = value
		}
	}
	list := s.Receivers.RoutedTo(labels)
	for i := range list {
		list[i] = safetext.ClipLine(list[i], 60)
	}
	return list
}
