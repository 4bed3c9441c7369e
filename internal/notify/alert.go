package notify

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What a notification may show of one alert. Logs are of any length; a receiver that refuses a
// message for its size would never hear of the alert.
const (
	maxLabel      = 512
	maxAnnotation = 4 << 10
	maxLine       = 512
	maxLines      = 5
	maxTop        = 5
)

// labels are the labels of an alert as receivers see them: valid, bounded, and without empty ones,
// which Alertmanager takes for absent. They say who an alert is.
func labels(a models.Alert) model.LabelSet {
	set := make(model.LabelSet, len(a.Labels)+1)
	for name, value := range a.Labels {
		if name, value = clean(name, maxLabel), clean(value, maxLabel); name != "" && value != "" {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	if set[model.AlertNameLabel] == "" {
		_, name, _ := strings.Cut(a.Rule, "/")
		set[model.AlertNameLabel] = model.LabelValue(cmp.Or(clean(name, maxLabel), "alert"))
	}
	if a.Severity != "" && set["severity"] == "" {
		set["severity"] = model.LabelValue(clean(a.Severity, maxLabel))
	}
	return set
}

// annotations tell people about an alert: what the rule says, and what the engine knows. Where the
// rule has an annotation of the same name, it counts.
func annotations(a models.Alert) model.LabelSet {
	set := model.LabelSet{}
	add := func(name, value string) {
		if value = clean(value, maxAnnotation); value != "" {
			set[model.LabelName(name)] = model.LabelValue(value)
		}
	}
	add("alert_id", a.ID)
	add("rule", a.Rule)
	add("source", a.Source)
	add("reason", a.Reason)
	add("value", number(a.Value))
	add("threshold", a.Threshold)
	add("count", strconv.FormatInt(a.Count, 10))
	add("event_time", stamp(a.At))
	add("started_at", stamp(a.StartsAt))
	add("ended_at", stamp(a.EndsAt))
	add("first_lines", lines(a.First))
	add("last_lines", lines(a.Last))
	if line, ok := newest(a); ok {
		add("topic", line.Position.Topic)
		add("partition", strconv.Itoa(int(line.Position.Partition)))
		add("offset", strconv.FormatInt(line.Position.Offset, 10))
	}
	for _, field := range slices.Sorted(maps.Keys(a.Top)) {
		add("top_"+clean(field, maxLabel), top(a.Top[field]))
	}
	if a.Late {
		add("late", "completed by a log that came late")
	}
	for name, value := range a.Annotations {
		if name = clean(name, maxLabel); name != "" {
			add(name, value)
		}
	}
	return set
}

// number is a value as people write it: with few digits, and without an exponent where none is
// needed.
func number(v float64) string {
	if v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// newest is the last log line that an alert holds.
func newest(a models.Alert) (models.Line, bool) {
	for _, list := range [][]models.Line{a.Last, a.First} {
		if n := len(list); n > 0 {
			return list[n-1], true
		}
	}
	return models.Line{}, false
}

func lines(list []models.Line) string {
	text := make([]string, 0, maxLines)
	for _, line := range list[:min(len(list), maxLines)] {
		text = append(text, lineText(line))
	}
	return strings.Join(text, "\n")
}

// lineText is a log line on one line: time, level, service, message.
func lineText(line models.Line) string {
	parts := []string{line.Time.UTC().Format("15:04:05.000")}
	for _, part := range []string{line.Level, line.Service, line.Message} {
		if part = strings.Join(strings.Fields(clean(part, maxLine)), " "); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

func top(values []models.TopValue) string {
	parts := make([]string, 0, maxTop)
	for _, v := range values[:min(len(values), maxTop)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", clean(v.Value, 120), v.Count))
	}
	return strings.Join(parts, ", ")
}

// link is the page of an alert.
func link(external *url.URL, id string) string {
	if external.Host == "" {
		return ""
	}
	return external.JoinPath("alerts", id).String()
}
