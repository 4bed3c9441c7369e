package decode

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// wraps are the envelopes in which shippers put a line. That of syslog has the priority INFO, which
// journald and others give to all that a program writes to its output.
var wraps = map[string]func(line string) string{
	"docker": func(line string) string {
		return `{"log":` + quoteJSON(line+"\n") + `,"stream":"stderr","time":"` + wrapTime + `"}`
	},
	"fluent-bit": func(line string) string {
		return `{"@timestamp":1795939596.0,"log":` + quoteJSON(line) +
			`,"kubernetes":{"namespace_name":"prod","pod_name":"p-1","container_name":"c"}}`
	},
	"otlp": func(line string) string {
		return `{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":` +
			`"1795939596000000000","body":{"stringValue":` + quoteJSON(line) + `}}]}]}]}`
	},
	"cri":    func(line string) string { return wrapTime + " stderr F " + line },
	"syslog": func(line string) string { return "<14>1 " + wrapTime + " node-1 prog 77 - - " + line },
}

const wrapTime = "2026-11-29T08:06:36.000Z"

// shippedAlone are samples that nobody wraps: they are exports of services, or have a shipper's
// envelope already. The others are lines whose level syslog's INFO is not expected to hide.
var shippedAlone = []string{
	"azure-activity", "compose-json-own-service", "f5-asm-default", "heroku-framed",
	"influx-level-first", "line-of-an-array", "otel-go-stdout-novals", "telegraf-tail-influx",
}

// priorityStays are lines without a head of their own, or with one that is no time: there the INFO
// of syslog stands.
var priorityStays = []string{
	"cisco-without-sign", "columns-are-no-compose", "diary", "jul-config-first", "jul-japanese-level",
	"libclamav", "ngircd", "node-inspect", "npm-10-error", "npm-10-warn", "puppet", "stunnel-without-log",
	"stunnel-without-log-notice",
}

// ofEnvelope are the fields that the line cannot replace.
var ofEnvelope = []string{"host", "service", "namespace", "pod", "kubernetes.container_name"}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// A line reads alike whatever wraps it.
func TestProgramsWrapped(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	for _, s := range readPrograms(t) {
		if slices.Contains(shippedAlone, s.Program) {
			continue
		}
		paths := []string{}
		for path := range s.Want {
			paths = append(paths, path)
		}
		for name, wrap := range wraps {
			if (name == "cri" || name == "syslog") && strings.Contains(s.Value, "\n") {
				continue
			}
			d, err := New(Config{}, NewFields(paths...))
			if err != nil {
				t.Fatal(err)
			}
			rec := &models.Record{
				Timestamp: time.Date(2026, 11, 29, 8, 6, 36, 0, time.UTC),
				Value:     []byte(wrap(s.Value)),
			}
			d.Decode(rec, func(l *Log) {
				for path, want := range s.Want {
					got := string(l.Lookup(path).Text)
					switch {
					case want == "", slices.Contains(ofEnvelope, path),
						path == "timestamp" && name != "otlp":
						continue
					case path == "message" && strings.Contains(got, want):
						continue
					case path == "level" && name == "syslog" &&
						(want == "UNKNOWN" || slices.Contains(priorityStays, s.Program)):
						continue
					case got != want:
						t.Errorf("%s in %s: %s is %q, want %q", s.Program, name, path, got, want)
					}
				}
			}, func(r Reason, detail string) {
				t.Errorf("%s in %s is refused: %s %s", s.Program, name, r, detail)
			})
		}
	}
}
