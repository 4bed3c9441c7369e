package web

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A filter looks at an alert as a JSON log, whatever its labels hold.
func TestFilterDocument(t *testing.T) {
	s := newServer(t, Options{})
	for _, text := range []string{"service:pay", "pay"} {
		f, err := newAlertFilter(text, s.state.lists())
		if err != nil {
			t.Fatal(err)
		}
		for _, labels := range []map[string]string{
			nil, {"a": "b"}, {`"}`: "\\\"\n\x00\u2028", "\xff": "\xff", "": "ü", "message": "m"},
			{"state": "x", "rule": "y", "value": "z", "severity": "w", severityField: "v"},
		} {
			for _, value := range []float64{0, -1.5, 1e300, math.NaN(), math.Inf(1)} {
				a := models.Alert{State: models.AlertFiring, Rule: "g/A", Value: value,
					Severity: "page", Labels: labels}
				want := map[string]any{"state": "firing", "rule": "g/A"}
				if !math.IsNaN(value) && !math.IsInf(value, 0) {
					want["value"] = value
				}
				for name, v := range labels {
					want[asJSON(name)] = asJSON(v)
				}
				delete(want, "severity")
				want[severityField] = "page"
				if f.words {
					want["message"] = asJSON(alertText(a))
				}
				var got map[string]any
				if err := json.Unmarshal(f.document(&a), &got); err != nil {
					t.Fatalf("%s: %v", f.doc, err)
				}
				if f.words { // the labels in it have no order
					got["message"], want["message"] = "", ""
				}
				if !maps.EqualFunc(got, want, reflect.DeepEqual) {
					t.Errorf("%v is not %v", got, want)
				}
			}
		}
	}
}

// asJSON is a text as it is after it was in JSON.
func asJSON(text string) string {
	quoted, _ := json.Marshal(text)
	_ = json.Unmarshal(quoted, &text)
	return text
}
