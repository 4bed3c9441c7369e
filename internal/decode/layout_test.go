package decode

import (
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// What a log has does not depend on the logs that were read before it: an identity of a trace is
// what stands behind the last slash, the first time and every other time.
func TestTracesOfAShape(t *testing.T) {
	d, err := New(Config{}, NewFields("message"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(doc string) (trace string) {
		record := models.Record{
			Topic:     "logs",
			Timestamp: time.Unix(1_767_600_000, 0),
			Value:     []byte(doc),
		}
		d.Decode(
			&record,
			func(l *Log) { trace = string(l.Value(FieldTraceID).Text) },
			func(reason Reason, detail string) { t.Errorf("%s: %s", reason, detail) },
		)
		return trace
	}
	for range 3 {
		for doc, want := range map[string]string{
			`{"message":"a","trace_id":"projects\/x\/5b8a"}`: "5b8a",
			`{"message":"a","trace_id":"projects/x/5b8a"}`:   "5b8a",
			`{"message":"a","trace_id":"5b8a"}`:              "5b8a",
		} {
			if got := read(doc); got != want {
				t.Errorf("of %s the trace is %q, want %q", doc, got, want)
			}
		}
	}
}
