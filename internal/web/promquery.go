package web

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// This file has as much of Prometheus' query API as Grafana's data source needs to be added and
// used: build information, labels and their values, metadata, and queries for ALERTS, for numbers
// and for sums of two numbers. Everything else belongs to a Prometheus that scrapes /metrics.

// promError is an error in the form of Prometheus' API.
type promError struct {
	Status string `json:"status"`
	Type   string `json:"errorType"`
	Text   string `json:"error"`
}

// prom answers the error of a handler as Prometheus does.
func prom(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			writeJSON(w, statusOf(err), promError{
				"error", "bad_data", safetext.Visible(err.Error()),
			})
		}
	})
}

func promData(w http.ResponseWriter, data any) error {
	return ok(w, map[string]any{"status": "success", "data": data})
}

func (p *prometheusAPI) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	return promData(w, map[string]string{
		"version": "3.0.0", // of the API that is spoken; clients choose features by it
		"branch":  "alert-engine", "revision": p.version, "buildUser": "", "buildDate": "",
		"goVersion": runtime.Version(),
	})
}

// alertSeries are the labels of the series ALERTS, by alert.
func (p *prometheusAPI) alertSeries() (list []map[string]string, alerts []models.Alert) {
	for _, a := range p.state.current() {
		labels := map[string]string{}
		for name, value := range a.Labels {
			labels[name] = value
		}
		labels["__name__"], labels["alertstate"] = "ALERTS", promAlertOf(a).State
		list, alerts = append(list, labels), append(alerts, a)
	}
	return list, alerts
}

// selected are the series that one of several selectors selects; all without selectors.
func (p *prometheusAPI) selected(selectors []string) ([]map[string]string, []models.Alert, error) {
	all, alerts := p.alertSeries()
	if len(selectors) == 0 {
		return all, alerts, nil
	}
	var list []silence
	for _, text := range selectors {
		one, err := selector(text)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, one)
	}
	var kept []map[string]string
	var keptAlerts []models.Alert
	for i, labels := range all {
		if slices.ContainsFunc(list, func(one silence) bool { return one.matches(labels) }) {
			kept, keptAlerts = append(kept, labels), append(keptAlerts, alerts[i])
		}
	}
	return kept, keptAlerts, nil
}

// selector parses name{matchers}.
func selector(text string) (one silence, err error) {
	name, rest, braces := strings.Cut(strings.TrimSpace(text), "{")
	if braces {
		rest, braces = strings.CutSuffix(strings.TrimSpace(rest), "}")
		if !braces {
			return one, badRequest("%q: the brace is not closed", safetext.ClipLine(text, 80))
		}
	}
	if strings.TrimSpace(rest) != "" {
		if one.Matchers, err = parseMatchers(rest); err != nil {
			return one, err
		}
	}
	if name = strings.TrimSpace(name); name != "" {
		one.Matchers = append(one.Matchers, matcher{Name: "__name__", Value: name, IsEqual: true})
	}
	if len(one.Matchers) == 0 {
		return one, badRequest("a selector needs a name or a matcher")
	}
	return one, nil
}

func (p *prometheusAPI) labels(w http.ResponseWriter, r *http.Request) error {
	series, _, err := p.selected(selectorsOf(r))
	if err != nil {
		return err
	}
	names := map[string]bool{"__name__": true, "alertname": true, "alertstate": true}
	for _, labels := range series {
		for name := range labels {
			names[name] = true
		}
	}
	return promData(w, sortedKeys(names))
}

func (p *prometheusAPI) labelValues(w http.ResponseWriter, r *http.Request) error {
	series, _, err := p.selected(selectorsOf(r))
	if err != nil {
		return err
	}
	values := map[string]bool{}
	if r.PathValue("name") == "__name__" {
		values["ALERTS"] = true
	}
	for _, labels := range series {
		if value := labels[r.PathValue("name")]; value != "" {
			values[value] = true
		}
	}
	return promData(w, sortedKeys(values))
}

func (p *prometheusAPI) series(w http.ResponseWriter, r *http.Request) error {
	selectors := selectorsOf(r)
	if len(selectors) == 0 {
		return badRequest("match[]: a selector is needed")
	}
	series, _, err := p.selected(selectors)
	if err != nil {
		return err
	}
	return promData(w, append([]map[string]string{}, series...))
}

func selectorsOf(r *http.Request) []string {
	_ = r.ParseForm() // a broken form has no selectors
	return r.Form["match[]"]
}

func sortedKeys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for key := range set {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

func (p *prometheusAPI) metadata(w http.ResponseWriter, _ *http.Request) error {
	type metadata struct {
		Type string `json:"type"`
		Help string `json:"help"`
		Unit string `json:"unit"`
	}
	return promData(w, map[string][]metadata{
		"ALERTS": {{"gauge", "Alerts that are pending or firing.", ""}},
	})
}

// sample is a value at a time, as Prometheus writes it.
func sample(at time.Time, value float64) [2]any {
	return [2]any{float64(at.UnixMilli()) / 1000, strconv.FormatFloat(value, 'f', -1, 64)}
}

// constant is the value of a number or of a sum of two.
func constant(query string) (float64, bool) {
	a, b, sum := strings.Cut(query, "+")
	x, err := strconv.ParseFloat(strings.TrimSpace(a), 64)
	if err != nil || !sum {
		return x, err == nil
	}
	y, err := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return x + y, err == nil
}

// onlyAlerts is the error for other queries.
func onlyAlerts(query string) error {
	return badRequest("%q: only ALERTS with matchers, and numbers, can be queried here; "+
		"for more, let a Prometheus scrape /metrics", safetext.ClipLine(query, 80))
}

// queried are the series that a query selects.
func (p *prometheusAPI) queried(query string) ([]map[string]string, []models.Alert, error) {
	name := strings.TrimSpace(query)
	if !strings.HasPrefix(name, "ALERTS") && !strings.HasPrefix(name, "{") {
		return nil, nil, onlyAlerts(query)
	}
	if _, err := selector(query); err != nil {
		return nil, nil, err
	}
	return p.selected([]string{query})
}

func (p *prometheusAPI) query(w http.ResponseWriter, r *http.Request) error {
	query := r.FormValue("query")
	if err := tooLong("query", query); err != nil {
		return err
	}
	at, err := promTime(r.FormValue("time"), p.now())
	if err != nil {
		return err
	}
	if value, is := constant(query); is {
		return promData(w, map[string]any{"resultType": "scalar", "result": sample(at, value)})
	}
	series, alerts, err := p.queried(query)
	if err != nil {
		return err
	}
	result := []map[string]any{}
	for i, labels := range series {
		if !alerts[i].StartsAt.After(at) {
			result = append(result, map[string]any{"metric": labels, "value": sample(at, 1)})
		}
	}
	return promData(w, map[string]any{"resultType": "vector", "result": result})
}

// maxSteps is the maximum number of points of a series.
const maxSteps = 11_000

func (p *prometheusAPI) queryRange(w http.ResponseWriter, r *http.Request) error {
	query := r.FormValue("query")
	if err := tooLong("query", query); err != nil {
		return err
	}
	start, err1 := promTime(r.FormValue("start"), time.Time{})
	end, err2 := promTime(r.FormValue("end"), time.Time{})
	step, err3 := promStep(r.FormValue("step"))
	if err := cmp.Or(err1, err2, err3); err != nil {
		return err
	}
	if start.IsZero() || end.Before(start) || end.Sub(start)/step > maxSteps {
		return badRequest("start, end and step: at most %d points are possible", maxSteps)
	}
	points := func(from time.Time, value float64) [][2]any {
		list := [][2]any{}
		for at := start; !at.After(end); at = at.Add(step) {
			if !at.Before(from) && !at.After(p.now()) {
				list = append(list, sample(at, value))
			}
		}
		return list
	}
	result := []map[string]any{}
	if value, is := constant(query); is {
		result = append(result, map[string]any{
			"metric": map[string]string{},
			"values": points(start, value),
		})
	} else {
		series, alerts, err := p.queried(query)
		if err != nil {
			return err
		}
		for i, labels := range series[:min(len(series), 1000)] {
			if values := points(alerts[i].StartsAt, 1); len(values) > 0 {
				result = append(result, map[string]any{"metric": labels, "values": values})
			}
		}
	}
	return promData(w, map[string]any{"resultType": "matrix", "result": result})
}

// promTime parses a time as Prometheus does: seconds since 1970, or RFC 3339.
func promTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > -1e11 &&
		seconds < 1e11 {
		return time.UnixMilli(int64(seconds * 1000)).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, badRequest("%q is not a time", safetext.ClipLine(text, 40))
	}
	return at, nil
}

func promStep(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1e9 {
		return max(time.Duration(seconds*float64(time.Second)), time.Millisecond), nil
	}
	d, err := duration.Parse(text)
	if err != nil || d <= 0 {
		return 0, badRequest("step: %q is not a duration", safetext.ClipLine(text, 40))
	}
	return d, nil
}

// queryRoutes are the routes of Prometheus' query API. Clients send queries by GET or POST.
func (p *prometheusAPI) queryRoutes() (routes []route) {
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"query": p.query, "query_range": p.queryRange, "labels": p.labels,
		"series": p.series,
	} {
		for _, method := range []string{"GET", "POST"} {
			pattern := fmt.Sprintf("%s /api/v1/%s", method, path)
			routes = append(routes, route{pattern, Reader, costly, prom(h)})
		}
	}
	return append(routes,
		route{"GET /api/v1/label/{name}/values", Reader, costly, prom(p.labelValues)},
		route{"GET /api/v1/metadata", Reader, cheap, prom(p.metadata)},
		route{"GET /api/v1/status/buildinfo", Reader, cheap, prom(p.buildInfo)},
	)
}
