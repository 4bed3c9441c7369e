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

// receiverHandlers serve the page of receivers and routes.
type receiverHandlers struct {
	receivers Receivers // nil for none
	notifier  Notifier  // nil for none
	audit     *auditTrail
	pages     *pages
}

func (h *receiverHandlers) routes() []route {
	return []route{
		{"GET /receivers", Reader, costly, h.pages.handler(h.page)},
		{"POST /receivers/test", Writer, costly, h.pages.handler(h.testForm)},
		{"GET /api/v1/receivers", Reader, cheap, api(h.get)},
		{"POST /api/v1/receivers/{name}/test", Writer, costly, api(h.postTest)},
	}
}

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

func (h *receiverHandlers) page(w http.ResponseWriter, r *http.Request) error {
	return h.show(w, r, http.StatusOK, receiversData{})
}

func (h *receiverHandlers) show(
	w http.ResponseWriter,
	r *http.Request,
	status int,
	d receiversData,
) error {
	d.Missing = h.receivers == nil && h.notifier == nil
	if h.notifier != nil {
		n := h.notifier.Status()
		d.Status = &n
	}
	if h.receivers != nil {
		d.Routes = h.receivers.Routes()
		d.Receivers = h.rows()
		if d.Labels = r.FormValue("labels"); d.Labels != "" {
			d.RoutedTo, d.Tried = h.tryLabels(d.Labels, &d.Problem), true
		}
		if d.Previewed = r.FormValue("preview"); d.Previewed != "" {
			var err error
			d.Previews, err = h.receivers.Preview(d.Previewed, r.FormValue("resolved") != "")
			if err != nil {
				d.Problem = err.Error()
			}
		}
	}
	v := view{Title: "Receivers", Page: "receivers", Data: d}
	h.pages.render(w, r, status, "receivers", v)
	return nil
}

// rows are the receivers with their recent deliveries.
func (h *receiverHandlers) rows() []receiverRow {
	var recent []Delivery
	if h.notifier != nil {
		recent = h.notifier.Status().Recent
	}
	var rows []receiverRow
	for _, one := range h.receivers.List() {
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
func (h *receiverHandlers) tryLabels(text string, problem *string) []string {
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
	return h.receivers.RoutedTo(labels)
}

// testTime is the maximum duration of a test notification.
const testTime = 30 * time.Second

func (h *receiverHandlers) test(r *http.Request, name string, resolved bool) ([]TestResult, error) {
	if h.receivers == nil {
		return nil, missing("testing receivers")
	}
	ctx, cancel := context.WithTimeout(r.Context(), testTime)
	defer cancel()
	results, err := h.receivers.Test(ctx, name, resolved)
	if err != nil {
		return nil, &apiError{http.StatusUnprocessableEntity, err.Error()}
	}
	h.audit.record(r, "test notification sent", "receiver", name)
	return results, nil
}

func (h *receiverHandlers) testForm(w http.ResponseWriter, r *http.Request) error {
	d := receiversData{Tested: r.PostFormValue("receiver")}
	var err error
	d.Results, err = h.test(r, d.Tested, r.PostFormValue("resolved") != "")
	if err != nil {
		d.Problem, d.Tested = err.Error(), ""
		return h.show(w, r, statusOf(err), d)
	}
	return h.show(w, r, http.StatusOK, d)
}

func (h *receiverHandlers) postTest(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Resolved bool `json:"resolved"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	results, err := h.test(r, r.PathValue("name"), body.Resolved)
	if err != nil {
		return err
	}
	return ok(w, append([]TestResult{}, results...))
}

func (h *receiverHandlers) get(w http.ResponseWriter, _ *http.Request) error {
	if h.receivers == nil {
		return missing("receivers")
	}
	return ok(w, map[string]any{
		"receivers": append([]Receiver{}, h.receivers.List()...),
		"routes":    append([]Route{}, h.receivers.Routes()...),
	})
}

// receiversOf are the receivers of a rule's alerts, as far as its fixed labels decide.
func receiversOf(receivers Receivers, r *rule.Rule) []string {
	if receivers == nil || r.Record || r.Mode != rule.Live {
		return nil
	}
	labels := map[string]string{"alertname": r.Name}
	for name, value := range r.Labels {
		if !strings.Contains(value, "{{") {
			labels[name] = value
		}
	}
	list := receivers.RoutedTo(labels)
	for i := range list {
		list[i] = safetext.ClipLine(list[i], 60)
	}
	return list
}
