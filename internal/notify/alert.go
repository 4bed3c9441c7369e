package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What a notification may show of one alert. Logs are of any length; a receiver that refuses a
// message for its size would never get the alert.
const (
	maxLabel      = 512
	maxAnnotation = 4 << 10
	maxLine       = 512
	maxLines      = 5
	maxTop        = 5
)

// labelsHash is the label that tells apart alerts whose labels are only different before they are
// made visible and bounded.
const labelsHash = "labels_hash"

// labels are the labels of an alert as receivers see them: visible, bounded, and without empty
// ones, which Alertmanager takes for absent. They identify the alert, so different labels stay
// different: when some had to be changed, a hash of the original ones is added.
func labels(a models.Alert) model.LabelSet {
	set := make(model.LabelSet, len(a.Labels)+1)
	changed := false
	for name, value := range a.Labels {
		n, v := clean(name, maxLabel), clean(value, maxLabel)
		changed = changed || n != name || v != value || n == "" || v == "" || n == labelsHash
		if n != "" && v != "" {
			set[model.LabelName(n)] = model.LabelValue(v)
		}
	}
	if changed {
		set[labelsHash] = model.LabelValue(hashOf(a.Labels))
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

// hashOf is the hash of labels as the engine has them.
func hashOf(set map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(set[name]), set[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// annotations are what the rule says about an alert, and what the engine knows. The rule's own
// annotation counts where both have the same name. t says how often it fired; nil for once.
func annotations(a *models.Alert, t *step) model.LabelSet {
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
	if a.Threshold != "" {
		add("peak", number(peak(a)))
		add("fired_value", number(cmp.Or(a.FiredValue, a.Value)))
	}
	if a.State == models.AlertResolved && !a.EndsAt.IsZero() {
		add("lasted", duration.Format(duration.Round(a.Duration())))
	}
	add("count", strconv.FormatInt(a.Count, 10))
	add("event_time", stamp(a.At))
	add("started_at", stamp(a.StartsAt))
	add("ended_at", stamp(a.EndsAt))
	add("first_lines", lines(a.First))
	add("last_lines", lines(a.Last))
	if line, ok := newest(*a); ok {
		add("log_service", line.Service)
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
	if t != nil && t.Merged > 0 {
		add("repeated", fmt.Sprintf(
			"fired %d times since %s", t.Merged+1, t.MergedSince.UTC().Format("15:04:05"),
		))
		add("merged_alert_ids", strings.Join(t.MergedIDs, " "))
	}
	for name, value := range a.Annotations {
		if name = clean(name, maxLabel); name != "" {
			add(name, value)
		}
	}
	return set
}

// finite is a value that JSON has, zero for others: the reason says them in words.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// withLive is an alert with the figures and lines that it has now.
func withLive(a, live models.Alert) models.Alert {
	a.Value, a.Count, a.Last, a.Top = live.Value, live.Count, live.Last, live.Top
	if len(live.Annotations) > 0 {
		a.Annotations = live.Annotations
	}
	return a
}

// number is a value as users write it: with few digits, and without an exponent where none is
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
