package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Preview is the message that one integration of a receiver would send.
type Preview struct {
	Receiver    string         `json:"receiver"`
	Integration string         `json:"integration"` // slack[0]
	Fields      []PreviewField `json:"fields"`
	Error       string         `json:"error,omitempty"` // of a template
}

// PreviewField is a part of a message: title, text, html.
type PreviewField struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Sample is an alert to try receivers with.
func Sample(resolved bool, now time.Time) models.Alert {
	started := now.Add(-7 * time.Minute).Truncate(time.Second)
	line := func(ago time.Duration, text string, offset int64) models.Line {
		return models.Line{
			Time:     now.Add(-ago),
			Level:    "ERROR",
			Service:  "payment-service",
			Message:  text,
			Position: models.Position{Topic: "logs", Partition: 3, Offset: offset},
		}
	}
	a := models.Alert{
		ID:       "sample",
		Rule:     "sample/PaymentErrors",
		Episode:  1,
		State:    models.AlertFiring,
		Reason:   "1204 > 1000 in 5m",
		Severity: "critical",
		Labels: map[string]string{
			"alertname": "PaymentErrors", "service": "payment-service", "severity": "critical",
			"region": "eu-west-1",
		},
		Annotations: map[string]string{
			"summary":     "This is a test: too many failed payments",
			"runbook_url": "https://runbooks.example.com/payments",
		},
		Value:      1204,
		FiredValue: 1204,
		Peak:       1204,
		Threshold:  "> 1000",
		Count:      1204,
		At:         started.Add(time.Minute),
		StartsAt:   started,
		First:      []models.Line{line(6*time.Minute, "card declined: gateway timeout", 42)},
		Last: []models.Line{line(time.Minute, "card declined: gateway timeout after 30s",
			4711)},
		Source: "sample.rules.yml:1",
	}
	if resolved {
		a.State, a.Reason, a.Value, a.Count = models.AlertResolved, "quiet for 5m", 0, 4310
		a.At, a.EndsAt = now, started.Add(6*time.Minute+10*time.Second)
	}
	return a
}

// Preview returns the messages that receivers would get of an alert, by the routes that it takes;
// of all integrations of a receiver, if one is named.
func (n *Notifier) Preview(receiver string, a models.Alert) ([]Preview, error) {
	return n.config.Load().preview(receiver, a)
}

// PreviewWith is Preview for options that no notifier works with.
func PreviewWith(o Options, receiver string, a models.Alert) ([]Preview, error) {
	p, err := newReceiverConfig(o.withDefaults())
	if err != nil {
		return nil, err
	}
	return p.preview(receiver, a)
}

// names are the names of the configured receivers.
func (p *receiverConfig) names() []string { return slices.Sorted(maps.Keys(p.receivers)) }

// routesTo are the routes of an alert, or one of a receiver.
func (p *receiverConfig) routesTo(receiver string, a models.Alert) ([]*dispatch.Route, error) {
	if receiver == "" {
		return p.routes.Match(labels(a)), nil
	}
	var found []*dispatch.Route
	p.routes.Walk(func(r *dispatch.Route) {
		if r.RouteOpts.Receiver == receiver && len(found) == 0 {
			found = append(found, r)
		}
	})
	if len(found) == 0 {
		return nil, fmt.Errorf(
			"no route leads to a receiver %q; there are %s", receiver,
			strings.Join(p.names(), ", "),
		)
	}
	return found, nil
}

func (p *receiverConfig) preview(receiver string, a models.Alert) (list []Preview, err error) {
	routes, err := p.routesTo(receiver, a)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		name := r.RouteOpts.Receiver
		for _, in := range p.receivers[name] {
			alerts, ctx := p.sampleMessage(r, a, escapers[in.Name()])
			data := p.data(ctx, name, r, alerts)
			one := Preview{Receiver: name, Integration: in.String()}
			for _, f := range p.rawFields(name, in) {
				text, err := p.render(f, data)
				if err != nil {
					one.Error = err.Error()
					continue
				}
				if text = strings.TrimSpace(text); text != "" {
					one.Fields = append(one.Fields, PreviewField{f.name, text})
				}
			}
			if in.Name() == "webhook" {
				body, err := json.MarshalIndent(
					&webhook.Message{Version: "4", Data: data, GroupKey: r.Key()}, "", "  ",
				)
				if err == nil {
					one.Fields = append(one.Fields, PreviewField{"body", string(body)})
				}
			}
			push := headline(data)
			switch in.Name() {
			case "slack", "mattermost", "rocketchat":
				push = html.UnescapeString(push) // as users see it
			}
			one.Fields = append([]PreviewField{{"push", push}}, one.Fields...)
			list = append(list, one)
		}
	}
	return list, nil
}

// sampleMessage is an alert as an integration gets it.
func (p *receiverConfig) sampleMessage(
	r *dispatch.Route,
	a models.Alert,
	escape escaper,
) ([]*alert.Alert, context.Context) {
	set := labels(a)
	one := model.Alert{
		Labels:       set,
		Annotations:  annotations(&a, nil),
		StartsAt:     a.StartsAt,
		GeneratorURL: link(p.external, a.ID),
	}
	if a.State == models.AlertResolved {
		one.EndsAt = a.EndsAt
	}
	group := model.LabelSet{}
	for name, value := range set {
		if _, ok := r.RouteOpts.GroupBy[name]; ok || r.RouteOpts.GroupByAll {
			group[name] = value
		}
	}
	ctx := notify.WithGroupLabels(context.Background(), group)
	ctx, list := escape.apply(ctx, []*alert.Alert{alert.New(one, time.Now(), false)})
	return list, ctx
}

func (p *receiverConfig) data(
	ctx context.Context,
	receiver string,
	r *dispatch.Route,
	alerts []*alert.Alert,
) *template.Data {
	group, _ := notify.GroupLabels(ctx)
	return p.tmpl.Data(
		receiver, group, r.RouteOpts.Labels, notify.ReasonFirstNotification.String(), alerts...,
	)
}

// rawField is a template of an integration's configuration.
type rawField struct {
	name string
	text string
	html bool
}

// rawFields are the templates of an integration, by the names that they have in the configuration.
func (p *receiverConfig) rawFields(receiver string, in notify.Integration) (list []rawField) {
	for _, r := range p.conf.Receivers {
		if r.Name != receiver {
			continue
		}
		v := reflect.ValueOf(r)
		for i := range v.NumField() {
			f := v.Field(i)
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if f.Kind() != reflect.Slice || integrationName(name) != in.Name() ||
				in.Index() >= f.Len() {
				continue
			}
			list = fieldsOf(list, "", f.Index(in.Index()), in.Name())
		}
	}
	return list
}

// integrationName is the name of the integration that a key of a receiver configures.
func integrationName(key string) string { return strings.TrimSuffix(key, "_configs") }

func fieldsOf(list []rawField, prefix string, v reflect.Value, kind string) []rawField {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			list = fieldsOf(list, prefix, v.Elem(), kind)
		}
	case reflect.String:
		if text := v.String(); strings.Contains(text, "{{") {
			html := prefix == "html" || kind == "telegram" && prefix == "message"
			list = append(list, rawField{prefix, text, html})
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		})
		for _, key := range keys {
			list = fieldsOf(list, prefix+"."+fmt.Sprint(key), v.MapIndex(key), kind)
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = fieldsOf(list, fmt.Sprintf("%s[%d]", prefix, i), v.Index(i), kind)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if !field.IsExported() || name == "" && !strings.Contains(options, "inline") {
				continue
			}
			list = fieldsOf(list, strings.TrimPrefix(prefix+"."+name, "."), v.Field(i), kind)
		}
	}
	return list
}

func (p *receiverConfig) render(f rawField, data *template.Data) (string, error) {
	if f.html {
		return p.tmpl.ExecuteHTMLString(f.text, data)
	}
	return p.tmpl.ExecuteTextString(f.text, data)
}

// TestResult is the outcome of a test of one integration.
type TestResult struct {
	Receiver    string `json:"receiver"`
	Integration string `json:"integration"`
	Sent        bool   `json:"sent"`
	Detail      string `json:"detail"` // the answer, or the error
}

// Test sends an alert to all integrations of a receiver, by the route that leads there, and returns
// what each answered. It changes no notification state.
func (n *Notifier) Test(
	ctx context.Context, receiver string, a models.Alert,
) ([]TestResult, error) {
	return n.config.Load().test(ctx, receiver, a)
}

// TestWith is Test for options that no notifier works with.
func TestWith(
	ctx context.Context, o Options, receiver string, a models.Alert,
) ([]TestResult, error) {
	p, err := newReceiverConfig(o.withDefaults())
	if err != nil {
		return nil, err
	}
	return p.test(ctx, receiver, a)
}

// ReceiverNames are the names of the receivers that Test takes.
func (n *Notifier) ReceiverNames() []string { return n.config.Load().names() }

const testTimeout = 15 * time.Second

func (p *receiverConfig) test(
	ctx context.Context,
	receiver string,
	a models.Alert,
) (list []TestResult, err error) {
	if receiver == "" {
		return nil, errors.New("no receiver is named")
	}
	if receiver == fileSink || receiver == topicSink {
		if _, ok := p.receivers[receiver]; !ok {
			return nil, fmt.Errorf(
				"the %s of notifications gets transitions of alerts alone; a test would stay there",
				receiver,
			)
		}
	}
	routes, err := p.routesTo(receiver, a)
	if err != nil {
		return nil, err
	}
	r := routes[0]
	if len(p.receivers[receiver]) == 0 {
		return nil, fmt.Errorf("receiver %q has no integrations; it sends nothing", receiver)
	}
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	for _, in := range p.receivers[receiver] {
		alerts, labelled := p.sampleMessage(r, a, escapers[in.Name()])
		group, _ := notify.GroupLabels(labelled)
		one := notify.WithGroupLabels(ctx, group)
		one = notify.WithGroupKey(one, "test:"+receiver)
		one = notify.WithReceiverName(one, receiver)
		one = notify.WithNow(one, time.Now())
		one = notify.WithRepeatInterval(one, r.RouteOpts.RepeatInterval)
		one = notify.WithRouteLabels(one, r.RouteOpts.Labels)
		one = notify.WithNotificationReason(one, notify.ReasonFirstNotification)
		one = notify.WithNflogStore(one, nflog.NewStore(nil))
		one = notify.WithFiringAlerts(one, nil)
		one = notify.WithResolvedAlerts(one, nil)
		began := time.Now()
		verdict := safely(func() notify.NotifyVerdict { return in.Notify(one, alerts...) })
		result := TestResult{Receiver: receiver, Integration: in.String(), Sent: true}
		result.Detail = fmt.Sprintf("accepted after %s", duration.Measured(time.Since(began)))
		if err := verdict.Err(); err != nil {
			result.Sent, result.Detail = false, clean(withoutSecrets(err.Error()), maxLine)
		}
		list = append(list, result)
	}
	return list, nil
}

// safely makes a panic of an integration a failed attempt.
func safely(f func() notify.NotifyVerdict) (verdict notify.NotifyVerdict) {
	defer func() {
		if cause := recover(); cause != nil {
			verdict = notify.Unrecoverable(
				fmt.Errorf("integration panicked: %v", cause), notify.DefaultReason,
			)
		}
	}()
	return f()
}
