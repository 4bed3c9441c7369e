package decode

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// kubernetesJSON is what a collector sends of a container's log: 551 bytes.
const kubernetesJSON = `{"@timestamp":"2026-05-04T10:11:12.345678Z","level":"error",` +
	`"message":"payment failed: card declined by issuer after 3 attempts, giving up on order ` +
	`A-10045",` +
	`"log_source":"container","log_type":"application","hostname":"ip-10-0-1-167.ec2.internal",` +
	`"kubernetes":{"namespace_name":"prod","pod_name":"checkout-6d5f9c7b8-x2x4q",` +
	`"container_name":"checkout","container_id":"cri-o://336049f8","pod_ip":"10.129.0.25",` +
	`"labels":{"app":"checkout","version":"v42"}},"trace_id":"5b8aa5a2d2c872e8321cf37308d69df2",` +
	`"order":{"id":"A-10045","amount":129.90},"user":{"id":"u-7"},"status":502,"duration_ms":845}`

// benchPaths are eight fields of rules, of which five are in the log.
var benchPaths = []string{
	"order.id",
	"order.amount",
	"user.id",
	"status",
	"duration_ms",
	"http.route",
	"error.code",
	"region",
}

var benchLines = map[string]string{
	"json": kubernetesJSON,
	"ecs": `{"@timestamp":"2026-05-04T10:11:12.345Z","log.level":"ERROR","message":"payment ` +
		`failed: card declined by issuer after 3 attempts","ecs.version":"1.2.0",` +
		`"service.name":"checkout","event.dataset":"checkout","process.thread.name":"http-1",` +
		`"log.logger":"c.s.Pay","trace.id":"5b8aa5a2d2c872e8321cf37308d69df2",` +
		`"host":{"name":"node-07","os":{"type":"linux"}},"labels":{"order":"A-1"}}`,
	"logfmt": `time="2026-05-04T10:11:12Z" level=error msg="payment failed: card declined" ` +
		`order=A-1 status=502 duration_ms=845 user=u-7 service=checkout`,
	"text": `2026-05-04 10:11:12,345 ERROR [http-1] c.s.Pay - payment failed: card declined by ` +
		`issuer after 3 attempts, giving up on order A-10045`,
	"json in log": `{"log":"{\"@timestamp\":\"2026-05-04T10:11:12.345Z\",\"log.level\":` +
		`\"ERROR\",\"message\":\"payment failed: card declined by issuer after 3 attempts\",` +
		`\"ecs.version\":\"1.2.0\",\"service.name\":\"checkout\",\"process.thread.name\":` +
		`\"http-1\",\"log.logger\":\"c.s.Pay\",\"trace.id\":\"5b8aa5a2d2c872e8321cf37308d69df2\"` +
		`}\n","stream":"stdout","time":"2026-05-04T10:11:12.345678Z","kubernetes":` +
		`{"namespace_name":"prod","pod_name":"checkout-1","container_name":"checkout"}}`,
	"access in log": `{"log":"10.0.1.7 - - [04/May/2026:10:11:12 +0000] \"GET /cart/7 HTTP/1.1\" ` +
		`502 157 \"-\" \"curl/8.1\"\n","stream":"stdout","kubernetes":{"namespace_name":"prod",` +
		`"pod_name":"web-1"}}`,
}

func newBenchDecoder(tb testing.TB) *Decoder {
	d, err := New(Config{}, NewFields(benchPaths...))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// readAll asks a log for everything that a matcher asks for.
func readAll(d *Decoder) func(*Log) {
	n := FieldID(d.fields.Len())
	return func(l *Log) {
		for id := range n {
			if id != FieldRaw {
				l.Value(id)
			}
		}
		l.Severity()
		l.Time()
	}
}

// A log that no rule matches costs no memory, whatever its format.
func TestDecodeAllocatesNothing(t *testing.T) {
	for name, line := range benchLines {
		d := newBenchDecoder(t)
		each, reject := readAll(d), func(Reason, string) {}
		rec := &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: []byte(line)}
		d.Decode(rec, each, reject)
		if n := testing.AllocsPerRun(100, func() { d.Decode(rec, each, reject) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(benchLines)) {
		b.Run(name, func(b *testing.B) {
			d := newBenchDecoder(b)
			each, reject := readAll(d), func(Reason, string) {}
			rec := &models.Record{
				Timestamp: time.UnixMilli(1777889480000),
				Value:     []byte(benchLines[name]),
			}
			b.SetBytes(int64(len(rec.Value)))
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(rec, each, reject)
			}
		})
	}
}

// The extractor alone is the floor of everything else.
func BenchmarkExtract(b *testing.B) {
	d := newBenchDecoder(b)
	doc := []byte(kubernetesJSON)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		d.root.Read(doc)
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	doc := []byte(kubernetesJSON)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(doc, &m); err != nil {
			b.Fatal(err)
		}
	}
}
