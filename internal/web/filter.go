package web

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/problem"
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
	doc     []byte // of the alert that is looked at
}

// severityField replaces the field severity, which is another name of a log's level.
const severityField = "alert_severity"

var severityWord = regexp.MustCompile(`(^|[\s(\-])severity:`)

// queryMistake is the answer to a query that rule.ParseQuery refuses.
func queryMistake(err error) error {
	e, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return badRequest("%s", err)
	}
	return badRequest("column %d: %s", e.Pos.Column, e.Text())
}

func newAlertFilter(text string, lists match.Lists) (*alertFilter, error) {
	f := &alertFilter{lists: lists}
	if strings.TrimSpace(text) == "" {
		return f, nil
	}
	err := tooLong("filter", text)
	if err != nil {
		return nil, err
	}
	if f.query, err = rule.ParseQuery(severityWord.ReplaceAllString(text, "${1}"+severityField+
		":")); err != nil {
		return nil, queryMistake(err)
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
	kept := false
	f.decoder.Decode(
		&models.Record{Value: f.document(&a)},
		func(l *decode.Log) { kept = kept || match.Eval(f.query, l, f.lists) },
		func(decode.Reason, string) {},
	)
	return kept
}

// document is an alert as a JSON log, on which the query is evaluated: its labels beside state,
// rule and value, which a label of the same name replaces.
func (f *alertFilter) document(a *models.Alert) []byte {
	doc := append(f.doc[:0], '{')
	add := func(name, value string) {
		doc = append(appendString(doc, name), ':')
		doc = append(appendString(doc, value), ',')
	}
	for name, value := range a.Labels {
		if name != "severity" && name != severityField && (name != "message" || !f.words) {
			add(name, value)
		}
	}
	if _, replaced := a.Labels["state"]; !replaced {
		add("state", string(a.State))
	}
	if _, replaced := a.Labels["rule"]; !replaced {
		add("rule", a.Rule)
	}
	_, replaced := a.Labels["value"]
	if !replaced && !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) { // those are not JSON
		doc = strconv.AppendFloat(append(doc, `"value":`...), a.Value, 'g', -1, 64)
		doc = append(doc, ',')
	}
	if f.words {
		add("message", alertText(*a))
	}
	doc = append(appendString(append(doc, `"`+severityField+`":`...), a.Severity), '}')
	f.doc = doc
	return doc
}

// appendString appends a text as JSON.
func appendString(dst []byte, text string) []byte {
	plain := !strings.ContainsFunc(text, func(c rune) bool {
		return c < ' ' || c == '"' || c == '\\' || c == utf8.RuneError
	})
	if plain {
		return append(append(append(dst, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) // of a string it cannot fail
	return append(dst, quoted...)
}

// alertText is what words of a filter are looked for in.
func alertText(a models.Alert) string {
	text := []string{a.Rule, a.Annotations["summary"], a.Reason}
	for name, value := range a.Labels {
		text = append(text, name+"="+value)
	}
	return strings.Join(text, "\n")
}
