package decode

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Logs with an object in their message have the same fields, whatever logs of the same keys were
// read before.
func TestNestedAgrees(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	outer := []string{
		"stream", "time", "kubernetes.namespace_name", "kubernetes.pod_name",
		"kubernetes.container_name", "kubernetes.labels.app", "service", "level", "host", "hostname",
		"trace_id", "order", "status", "namespace", "log_source", "pid", "name", "ident", "pri",
		"short_message", "exception", "duration_ms", "MESSAGE", "_HOSTNAME", "syslog_tag",
	}
	inner := []string{
		"message", "msg", "level", "service", "service.name", "host", "trace_id", "span_id", "order",
		"status", "user.id", "stack", "error.stack_trace", "exception.type", "duration", "duration_ms",
		"logger", "app", "pod", "container", "namespace", "arguments", "@mt", "name", "pid", "hostname",
		"time", "timestamp", "error", "err", "code", "full_message", "short_message", "log", "event",
	}
	values := []string{
		`"a"`, `"checkout"`, `""`, `null`, `7`, `1.5`, `true`, `{"a":"b"}`, `[]`, `["x","y"]`, `"x\n"`,
		`"0x5b8a"`, `"projects/a/traces/5b8a"`, `"/web"`, `"caf\u00e9"`, `"café"`, `"error"`, `"WARN"`,
		`"0000"`, `"2026-05-04T10:11:12Z"`, `"boom\n\tat a.b.C.d(C.java:7)"`, `"a=b c=d"`,
		`"java.lang.Boom: x\n\tat a.B.c(B.java:1)"`, `{"message":"deep"}`,
	}
	fields := NewFields("order", "user.id", "status", "kubernetes.labels.app", "exception.class",
		"duration_ms", "line.level", "stream.app", "host", "fields.msg")
	r := rand.New(rand.NewPCG(15, 7))
	pick := func(from []string, n int) []string {
		keys := map[string]bool{}
		for range n {
			keys[from[r.IntN(len(from))]] = true
		}
		return slices.Sorted(maps.Keys(keys))
	}
	object := func(keys []string) string {
		var parts []string
		for _, k := range keys {
			parts = append(parts, fmt.Sprintf("%q:%s", k, values[r.IntN(len(values))]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	read := func(d *Decoder, b []byte) (out string) {
		rec := &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: b}
		d.Decode(rec, func(l *Log) {
			for id := range FieldID(fields.Len()) {
				v := l.Value(id)
				out += fmt.Sprintf("%s=%v %q %s\n", fields.Path(id), v.Kind, v.Text, l.Source(id))
			}
			out += fmt.Sprintln(l.Time(), l.TimeSource(), l.Severity(), l.Format())
		}, func(reason Reason, detail string) { out += fmt.Sprintln(reason, detail) })
		return out
	}
	shared, _ := New(Config{}, fields)
	used := 0
	for range 400 {
		around, within := pick(outer, r.IntN(6)), pick(inner, 1+r.IntN(6))
		for range 12 {
			line := object(within)
			if r.IntN(8) > 0 {
				line += "\n"
			}
			text, _ := json.Marshal(line)
			log := object(around)
			log = `{"log":` + string(text) + strings.TrimSuffix(","+log[1:], ",}")
			if len(around) == 0 {
				log += "}"
			}
			fresh, _ := New(Config{}, fields)
			got, want := read(shared, []byte(log)), read(fresh, []byte(log))
			if got != want {
				t.Fatalf("%s\n%s\nalone it is\n%s", log, got, want)
			}
			if shared.log.wide != nil && shared.log.wide.nested {
				used++
			}
		}
	}
	if used < 2000 {
		t.Errorf("only %d logs were read with a cache", used)
	}
}
