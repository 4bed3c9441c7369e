package decode

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// sharedShapes are records of very many small logs that share something large, each about so many
// bytes. Both grow with the record.
var sharedShapes = func() map[string]func(size int) *models.Record {
	r := strings.Repeat
	shapes := map[string]func(size int) *models.Record{}
	value := func(name, format, part, text string) {
		shapes[name] = func(n int) *models.Record {
			return recordOf(fmt.Sprintf(format, r(text, n/2/len(text)), r(part, n/2/len(part))))
		}
	}
	texts := []string{"é", `{\"a\":`}
	if os.Getenv("LINEAR") != "" {
		texts = append(texts, "a", `\n`)
	}
	for _, text := range texts {
		for _, key := range []string{"service.name", "severity", "message"} {
			value("otlp "+key+text, `{"resourceLogs":[{"resource":{"attributes":[{"key":"`+key+
				`","value":{"stringValue":"%s"}}]},"scopeLogs":[{"logRecords":[%s{}]}]}]}`, "{},", text)
		}
		value("otlp scope"+text, `{"resourceLogs":[{"scopeLogs":[{"scope":{"name":"%s"},"logRecords":`+
			`[%s{}]}]}]}`, "{},", text)
		value("loki"+text, `{"streams":[{"stream":{"app":"%s"},"values":[%s["1","x"]]}]}`,
			`["1","x"],`, text)
		for _, key := range []string{"service", "level", "time", "message", "log", "stack_trace"} {
			value("batch "+key+text, `{"`+key+`":"%s","records":[%s{}]}`, "{},", text)
		}
	}
	value("batch of keys", `{%s"b":1,"Records":[%s{}]}`, "{},", `"a":1,`)
	value("batch of tags", `{"ddsource":"x","ddtags":"%s","Records":[%s{}]}`, "{},", `a:b,`)
	header := func(name string, first models.Header, more models.Header) {
		shapes[name] = func(n int) *models.Record {
			rec := recordOf(r("{}\n", n/6))
			rec.Headers = []models.Header{first}
			for range n / 2 / (len(more.Key) + len(more.Value) + 2) {
				rec.Headers = append(rec.Headers, more)
			}
			return rec
		}
	}
	cloud := models.Header{Key: "ce_specversion", Value: []byte("1.0")}
	header("headers", models.Header{}, models.Header{Key: "apps", Value: []byte("x")})
	header("headers of an event", cloud, models.Header{Key: "ce_a", Value: []byte("x")})
	shapes["header"] = func(n int) *models.Record {
		rec := recordOf(r("{}\n", n/6))
		rec.Headers = []models.Header{{Key: "service", Value: []byte(r("é", n/4))}}
		return rec
	}
	shapes["headers of one event"] = func(n int) *models.Record {
		rec := recordOf("{}")
		rec.Headers = []models.Header{cloud}
		for range n / 8 {
			rec.Headers = append(rec.Headers, models.Header{Key: "ce_a", Value: []byte("x")})
		}
		return rec
	}
	return shapes
}()

func recordOf(value string) *models.Record {
	return &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: []byte(value)}
}

// What logs share is read with each of them, and the time is in proportion to the record all the
// same.
func TestSharedPartsTakeLinearTime(t *testing.T) {
	if testing.Short() { // the race detector's own work is not linear
		t.Skip("it measures processor time")
	}
	d := newBenchDecoder(t)
	for name, shape := range sharedShapes {
		if bad, a, b := superlinearRecord(d, shape); bad {
			t.Errorf("%s: a quarter %v, all %v", name, a, b)
		}
	}
	t.Logf("%d shapes", len(sharedShapes))
}

// Usual batches are read whole. Of one whose logs share too much the rest is one rejection.
func TestLogsThatShareTooMuch(t *testing.T) {
	d := newBenchDecoder(t)
	f := func(resource, logs int, whole bool) {
		t.Helper()
		got, refused := 0, []string(nil)
		d.Decode(recordOf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":`+
			`{"stringValue":"`+strings.Repeat("a", resource)+`"}}]},"scopeLogs":[{"logRecords":[`+
			strings.Repeat(`{"body":{"stringValue":"hello"}},`, logs-1)+`{}]}]}]}`),
			func(*Log) { got++ },
			func(r Reason, detail string) { refused = append(refused, string(r)+": "+detail) })
		if whole && (got != logs || len(refused) != 0) ||
			!whole && (got == 0 || got == logs || len(refused) != 1) {
			t.Errorf("%d bytes with %d logs: %d logs, %q", resource, logs, got, refused)
		}
	}
	f(4000, 20_000, false)
	f(4000, 4_000, true)
	f(1500, 100_000, true)
	f(200_000, 80, true)
	f(200_000, 20_000, false)
	f(100, 1000, true)
}

// Of a record of more logs than one may have, the rest is one rejection, whose objects are not
// looked at.
func TestLogsOfOneRecordAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second")
	}
	d := newBenchDecoder(t)
	for name, value := range map[string]string{
		"otlp": `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` +
			strings.Repeat("{},", 2*maxMembers) + `{}]}]}]}`,
		"lines": strings.Repeat("{}\n", 2*maxMembers),
	} {
		got, refused := 0, 0
		d.Decode(recordOf(value), func(*Log) { got++ }, func(Reason, string) { refused++ })
		if got != maxMembers || refused != 1 {
			t.Errorf("%s: %d logs and %d rejections of %d", name, got, refused, 2*maxMembers)
		}
	}
}
