package web

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// alertFilter selects alerts by a query over their labels: service:payment* severity:page. A word
// alone is searched in labels, summary and reason.
type alertFilter struct {
	query   rule.Query
	words   bool // it looks at the text of alerts, with their summary
	lists   match.Lists
	decoder *decode.Decoder
}

// severityField replaces the field severity, which is another name of a log's level.
const severityField = "alert_severity"

var severityWord = regexp.MustCompile(`(^|[\s(\-])severity:`)

func (s *Server) newAlertFilter(text string) (*alertFilter, error) {
	f := &alertFilter{lists: s.lists()}
	if strings.TrimSpace(text) == "" {
		return f, nil
	}
	err := tooLong("filter", text)
	if err != nil {
		return nil, err
	}
	if f.query, err = rule.ParseQuery(severityWord.ReplaceAllString(text, "${1}"+severityField+
		":")); err != nil {
		return nil, badRequest("%s", strings.TrimPrefix(err.Error(), "1:"))
	}
	f.words = searchesText(f.query)
	f.decoder, err = decode.New(decode.Config{Format: "json"}, decode.NewFields())
	return f, err
}

// searchesText reports whether a query looks at the text of a log, and not at its fields alone.
func searchesText(q rule.Query) bool {
	switch q := q.(type) {
	case *rule.And:
		return slices.ContainsFunc(q.Of, searchesText)
	case *rule.Or:
		return slices.ContainsFunc(q.Of, searchesText)
	case *rule.Not:
		return searchesText(q.Of)
	case *rule.Leaf:
		switch q.Field {
		case "", "message", "raw", "line":
			return true
		}
	}
	return false
}

// keeps reports whether an alert matches.
func (f *alertFilter) keeps(a models.Alert) bool {
	if f.query == nil {
		return true
	}
	doc := map[string]any{"state": a.State, "rule": a.Rule, "value": a.Value}
	for name, value := range a.Labels {
		doc[name] = value
	}
	delete(doc, "severity")
	doc[severityField] = a.Severity
	if f.words {
		doc["message"] = alertText(a)
	}
	value, err := json.Marshal(doc)
	if err != nil {
		delete(doc, "value") // NaN and infinity are not JSON
		value, _ = json.Marshal(doc)
	}
	kept := false
	f.decoder.Decode(
		&models.Record{Value: value},
		func(l *decode.Log) { kept = kept || match.Eval(f.query, l, f.lists) },
		func(decode.Reason, string) {},
	)
	return kept
}

// alertText is what words of a filter are looked for in.
func alertText(a models.Alert) string {
	text := []string{a.Rule, a.Annotations["summary"], a.Reason}
	for name, value := range a.Labels {
		text = append(text, name+"="+value)
	}
	return strings.Join(text, "\n")
}
