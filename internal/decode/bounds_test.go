package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// decodeOne reads a record, and returns what came of it.
func decodeOne(d *Decoder, value []byte) (logs int, reasons []Reason) {
	rec := &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: value}
	d.Decode(rec, func(l *Log) {
		logs++
		readAll(d)(l)
	}, func(r Reason, _ string) { reasons = append(reasons, r) })
	return logs, reasons
}

// "A user sends us monsters": a record of any size and shape costs memory in proportion to its
// size at most, and nothing that stays.
func TestMonsters(t *testing.T) {
	keys := &strings.Builder{}
	for i := range 100_000 {
		fmt.Fprintf(keys, `"key%d":%d,`, i, i)
	}
	const mega = 1 << 20
	for _, m := range []struct {
		name  string
		value string
		spare int // bytes that may be allocated besides the record's size
	}{
		{"a long message", `{"level":"error","message":"` + strings.Repeat("x", mega) + `"}`,
			1 << 16},
		{"a long message of escapes", `{"level":"error","message":"` +
			strings.Repeat(`\n`, mega/2) + `"}`, 4 * mega},
		{"a long text", strings.Repeat("ERROR boom ", mega/11), 1 << 16},
		{"300 objects deep", strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
			1 << 16},
		{"a million brackets deep", `{"a":` + strings.Repeat("[", mega) + strings.Repeat("]",
			mega) + "}", 1 << 16},
		{"a million brackets, none closed", `{"a":` + strings.Repeat("[", mega), 1 << 20},
		{"an endless number", `{"level":"error","status":` + strings.Repeat("1", mega) + `}`,
			1 << 16},
		{"an endless time", `{"timestamp":` + strings.Repeat("1", mega) + `}`, 1 << 16},
		{"a hundred thousand keys", "{" + keys.String() + `"level":"error"}`, 1 << 18},
		{"a million quotes", strings.Repeat(`"`, mega), 4 * mega},
		{"a million escapes", `{"a":"` + strings.Repeat(`\`, mega), 4 * mega},
	} {
		d := newBenchDecoder(t)
		decodeOne(d, []byte(m.value)) // what a decoder learns and keeps, it has now
		var before, after runtime.MemStats
		value := []byte(m.value)
		runtime.ReadMemStats(&before)
		logs, reasons := decodeOne(d, value)
		runtime.ReadMemStats(&after)
		if logs+len(reasons) == 0 {
			t.Errorf("%s: neither a log nor a reason", m.name)
		}
		if got := int(after.TotalAlloc - before.TotalAlloc); got > 4*len(value)+m.spare {
			t.Errorf("%s: %d bytes allocated for %d", m.name, got, len(value))
		}
	}
}

// A large record leaves no scratch memory, and no reference to itself, whatever its format.
func TestScratchIsReleased(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	long := strings.Repeat(`x\n`, 2*keptScratch)
	field := func(number byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(body))), body...)
	}
	text := field(1, []byte(long))
	attribute := append(field(1, []byte("a")), field(2, text)...)
	export := field(1, append(field(1, field(1, attribute)),
		field(2, field(2, append(field(5, text), field(6, attribute)...)))...))
	for name, value := range map[string]string{
		"json":     `{"level":"error","message":"` + long + `"}`,
		"nested":   `{"log":"{\"message\":\"` + long + `\"}"}`,
		"quoted":   `"` + long + `"`,
		"logfmt":   `level=error msg="` + long + `"`,
		"text":     "\x1b[31m" + long,
		"protobuf": string(export),
		"otlp": `{"resourceLogs":[{"resource":{"attributes":[{"key":"b","value":{"stringValue":"` +
			long + `"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + long + `"}}]}]}]}`,
	} {
		d, err := New(Config{}, NewFields("a", "b"))
		if err != nil {
			t.Fatal(err)
		}
		logs := 0
		d.Decode(&models.Record{Value: []byte(value)}, func(l *Log) {
			logs++
			l.Entry()
		}, nil)
		if logs != 1 {
			t.Errorf("%s: %d logs", name, logs)
		}
		for i, b := range d.scratch {
			if cap(*b) > keptScratch {
				t.Errorf("%s: %d bytes of scratch %d", name, cap(*b), i)
			}
		}
		layers := append(pool{d.root, d.envelopeKept, d.resourceKept}, d.overs...)
		for _, x := range append(layers, d.unders...) {
			if x != nil && x.Doc != nil {
				t.Errorf("%s: a layer keeps %d bytes", name, len(x.Doc))
			}
		}
	}
}

// An entry of a huge object is bounded, and says so.
func TestHugeEntry(t *testing.T) {
	b := []byte(`{"level":"error"`)
	for i := range 100_000 {
		b = fmt.Appendf(b, `,"key%d":%d`, i, i)
	}
	d := newBenchDecoder(t)
	d.Decode(&models.Record{Value: append(b, '}')}, func(l *Log) {
		if n := len(l.Entry().Fields); n != maxEntryFields {
			t.Errorf("%d fields", n)
		}
	}, nil)
	if notices := d.TakeNotices(); notices[NoticeFieldsCut] != 1 {
		t.Errorf("notices: %v", notices)
	}
}

// "Whatever my producers compress with" is read, within bounds.
func TestUnpack(t *testing.T) {
	pack := map[string]func([]byte) []byte{
		"gzip": func(b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"zstd": func(b []byte) []byte {
			w, _ := zstd.NewWriter(nil)
			return w.EncodeAll(b, nil)
		},
		"lz4": func(b []byte) []byte {
			var out bytes.Buffer
			w := lz4.NewWriter(&out)
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"snappy": func(b []byte) []byte {
			var out bytes.Buffer
			w := s2.NewWriter(&out, s2.WriterSnappyCompat())
			w.Write(b)
			w.Close()
			return out.Bytes()
		},
		"raw snappy": func(b []byte) []byte { return s2.EncodeSnappy(nil, b) },
		"snappy of Java": func(b []byte) []byte {
			block := s2.EncodeSnappy(nil, b)
			out := append([]byte("\x82SNAPPY\x00"), 0, 0, 0, 1, 0, 0, 0, 1)
			return append(
				append(out, byte(len(block)>>24), byte(len(block)>>16), byte(len(block)>>8),
					byte(len(block))),
				block...)
		},
	}
	d := newBenchDecoder(t)
	f := func(name string, value []byte, want string) {
		t.Helper()
		logs, reasons := decodeOne(d, value)
		if got := fmt.Sprint(logs, reasons); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, pack := range pack {
		f(name, pack([]byte(kubernetesJSON)), "1 []")
		f(name+" of lines", pack([]byte(kubernetesJSON+"\n"+kubernetesJSON)), "2 []")
		if name == "raw snappy" { // what nothing marks, is notified by holding JSON only
			continue
		}
		f(name+" twice", pack(pack([]byte(kubernetesJSON))), "1 []")
		f(name+" bomb", pack(make([]byte, 64<<20)), "0 [decompression_bomb]")
		f(name+" damaged", pack([]byte(strings.Repeat(kubernetesJSON, 3)))[:120],
			"0 [corrupt_compression]")
	}
}

// Held to a format, a topic refuses what is not in it.
func TestHeld(t *testing.T) {
	f := func(format, value, want string) {
		t.Helper()
		d, err := New(Config{Format: format}, NewFields())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		d.Decode(
			&models.Record{Value: []byte(value)},
			func(l *Log) { got += l.Format() + " " },
			func(r Reason, _ string) { got += string(r) + " " },
		)
		if strings.TrimSpace(got) != want {
			t.Errorf("%s %q: %s, want %s", format, value, got, want)
		}
	}
	f("json", `{"message":"a"}`, "json")
	f("json", `{"message":"a"} {"message":"b"}`, "ndjson ndjson")
	f("json", `[{"message":"a"}]`, "json")
	f("auto", `[{"message":"a"}][{"message":"b"}]`, "json json")
	f("auto", `["tag",1777889480,{"message":"a"}]["tag",1777889481,{"message":"b"}]`, "json json")
	f("auto", `[{"message":"a"}] {"message":"b"}`, "json json")
	f("auto", `[{"message":"a"}] and more`, "json invalid_json")
	f("auto", `[{"message":"a"}]{"message":"b"}[{"message":"c"}] x`, "json json json invalid_json")
	f("auto", `[{"message":"a"},[{"message":"b"}`, "json invalid_member")
	f("json", `"{\"message\":\"a\"}"`, "json")
	f("json", `plain text`, "invalid_json")
	f("json", `12345`, "invalid_json")
	f("json", `"plain text"`, "invalid_json")
	f("json", `{"message":"a"`, "invalid_json")
	f("json", `{"message":"a",}`, "invalid_json")
	f("json", `{"a":[1 2],"message":"a"}`, "invalid_json")
	f("json", "{\"message\":\"a\tb\"}", "invalid_json")
	f("json", `{'message': 'a'}`, "invalid_json")
	f("json", ``, "empty")
	f(
		"auto",
		`{"metrics":[{"fields":{"message":"a"},"name":"syslog","tags":{},"timestamp":1777889480},`+
			`{"fields":{"message":"b"},"name":"syslog","tags":{},"timestamp":1777889480}]}`,
		"json json",
	)
	f("auto", `{"metrics":[{"name":"latency","fields":{}}],"message":"a"}`, "json")
	f("text", `{"message":"a"}`, "text")
	f("logfmt", `a=1 b`, "logfmt")
	f("logfmt", `no pairs`, "invalid_format")
	f("syslog", `<34>hello`, "syslog3164")
	f("syslog", `hello`, "invalid_format")
	f("cef", `CEF:0|a|b|c|d|e|5|`, "cef")
	f("klog", `hello`, "invalid_format")
	f("otlp_proto", `hello`, "invalid_format")
}

// "Our own format needs configuration, not code."
func TestConfig(t *testing.T) {
	f := func(cfg Config, value, want string) {
		t.Helper()
		d, err := New(cfg, NewFields())
		if err != nil {
			t.Fatal(err)
		}
		d.Decode(
			&models.Record{Timestamp: time.UnixMilli(1777889480000), Value: []byte(value)},
			func(l *Log) {
				got := fmt.Sprintf("%s %s %s %q", time.Unix(0, l.Time()).UTC().Format(time.RFC3339),
					l.Value(FieldLevel).Text, l.Value(FieldService).Text,
					l.Value(FieldMessage).Text)
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			},
			nil,
		)
	}
	own := map[string][]string{
		"service":   {"meta.team"},
		"level":     {"meta.how_bad"},
		"message":   {"what"},
		"timestamp": {"meta.at"},
	}
	f(
		Config{Fields: own, TimeFormats: []string{"02-01-2006 15h04"}},
		`{"meta":{"team":"pay","how_bad":"crit","at":"04-05-2026 10h11"},"what":"boom",`+
			`"message":"m","service":"s"}`,
		`2026-05-04T10:11:00Z CRITICAL pay "boom"`,
	)
	f(Config{Fields: own}, `{"message":"m","service":"s"}`, `2026-05-04T10:11:20Z UNKNOWN s "m"`)
	f(
		Config{Fields: own, Only: []string{"service"}},
		`{"message":"m","service":"s"}`,
		`2026-05-04T10:11:20Z UNKNOWN  "m"`,
	)
	f(
		Config{DefaultLevel: "info", TimeZone: "Europe/Berlin"},
		`{"message":"m","time":"2026-05-04 12:11:12"}`,
		`2026-05-04T10:11:12Z INFO  "m"`,
	)
	f(
		Config{Pattern: `^(?P<service>\w+)\|(?P<level>\w+)\|(?P<message>.*)$`},
		`pay|E|boom`,
		`2026-05-04T10:11:20Z ERROR pay "boom"`,
	)
	f(
		Config{Pattern: `^(?P<service>\w+)\|(?P<level>\w+)\|(?P<message>.*)$`},
		`something else`,
		`2026-05-04T10:11:20Z UNKNOWN  "something else"`,
	)

	for cfg, want := range map[string]Config{
		"is unknown":         {Format: "jsno"},
		"pattern":            {Pattern: "("},
		"has no named group": {Pattern: "a"},
		"time_zone":          {TimeZone: "Nowhere"},
		"is an alias":        {Fields: map[string][]string{"msg": {"a"}}},
		"has no paths under": {Only: []string{"service"}},
	} {
		if err := want.Validate(); err == nil || !strings.Contains(err.Error(), cfg) {
			t.Errorf("%v: no error with %q", err, cfg)
		}
	}
}

// A value of many is each of them.
func TestEach(t *testing.T) {
	f := func(kind Kind, text, want string) {
		t.Helper()
		got := ""
		Value{kind, []byte(text)}.Each(func(v Value) bool {
			got += fmt.Sprintf("%d:%s ", v.Kind, v.Text)
			return len(got) < 30
		})
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	f(String, "a", "4:a")
	f(Array, `["a", null, [1,[true]], "b\n"]`, "4:a 3:1 2:true 4:b")
	f(Array, `[]`, "")
	f(Null, "null", "")
	f(Array, `["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","b"]`, "4:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
}

// A name and its aliases are one field; a name that means something else in some program is its
// own.
func TestCanonical(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if got := Canonical(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	f("service.name", "service")
	f("pod", "kubernetes.pod_name")
	f("kubernetes.namespace_name", "namespace")
	f("log.level", "level")
	f("msg", "message")
	f("fields.msg", "fields.msg")
	f("app", "app")
	f("order.id", "order.id")

	fields := NewFields("service.name", "order.id", "pod", "order.id")
	if fields.Len() != int(FieldWellKnown)+1 {
		t.Errorf("%d fields", fields.Len())
	}
	if id, ok := fields.ID("service.name"); !ok || id != FieldService {
		t.Errorf("service.name is %d %v", id, ok)
	}
	if _, ok := fields.ID("absent"); ok {
		t.Error("a field that no rule asks for has a place")
	}
	for alias, c := range aliases {
		if Canonical(c) != c {
			t.Errorf("%s leads to %s, which leads on", alias, c)
		}
	}
}

// What rules ask of many kinds of logs is found under the name that each kind has for it; the log's
// own spelling of the name comes first.
func TestCommonFields(t *testing.T) {
	f := func(text, path, want string) {
		t.Helper()
		id := FieldWellKnown
		d, err := New(Config{}, NewFields(path))
		if err != nil {
			t.Fatal(err)
		}
		d.Decode(&models.Record{Value: []byte(text)}, func(l *Log) {
			if got := string(l.Value(id).Text); got != want {
				t.Errorf("%s: %s is %q, want %q", text, path, got, want)
			}
			if got := string(l.Lookup(path).Text); got != want {
				t.Errorf("%s: looked up, %s is %q, want %q", text, path, got, want)
			}
		}, func(r Reason, detail string) { t.Errorf("%s: %s", text, detail) })
	}
	for _, text := range []string{
		`{"http":{"status":502}}`, `{"http.status_code":502}`,
		`{"http":{"response":{"status_code":"502"}}}`, `{"status_code":502}`,
		`{"response":{"status":502}}`,
		`{"res":{"statusCode":502},"req":{"method":"GET","url":"/pay"}}`,
		`{"http_status":502,"status":"done"}`, `{"httpRequest":{"status":502}}`,
		`{"response_code":502,"response_flags":"UF"}`, `{"EdgeResponseStatus":502}`,
		`method=GET path=/pay format=html status=502`,
		`203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8"`,
		`[2026-05-04T10:11:12.345Z] "GET /pay HTTP/1.1" 502 UF,URX 0 91 1 - "-" "curl" "r-1" ` +
			`"pay" "10.0.0.1:80"`,
	} {
		f(text, "http.status", "502")
		f(text, "http.response.status_code", "502") // an alias
	}
	f(`{"status":"done","status_code":3}`, "status", "done")
	f(`{"status":"done","status_code":3}`, "status_code", "3")
	f(`{"http":{"status":502},"status_code":3}`, "status_code", "3")
	f(`{"http":{"status":200},"http_status":502}`, "fields.http_status", "502")
	f(`{"exception":{"type":"a.B"}}`, "exception.class", "a.B")
	f(`{"error":{"type":"a.B"}}`, "exception.class", "a.B")
	f(`{"error":{"type":"a.B"}}`, "exception.type", "a.B")
	f(`{"url":{"path":"/pay"}}`, "path", "/pay")
	f(`{"path":"/var/log/x","url":{"path":"/pay"}}`, "path", "/var/log/x")
	f(`{"http":{"request":{"method":"GET"}}}`, "method", "GET")
	f(`{"username":"ann"}`, "user.name", "ann")
	f(`{"remote_addr":"10.0.0.1"}`, "source_ip", "10.0.0.1")
	f(`{"downstream_remote_address":"10.0.0.1:51234"}`, "source_ip", "10.0.0.1")
	f(`{"remoteAddress":"[2001:db8::1]:443"}`, "source_ip", "2001:db8::1")
	f(`{"remoteAddress":"2001:db8::1"}`, "source_ip", "2001:db8::1")
	f(`{"client":"pay:443"}`, "source_ip", "pay:443")
	f(
		`203.0.113.9 - - [04/May/2026:10:11:12 +0000] "GET /pay HTTP/1.1" 502 157 "-" "curl/8"`,
		"source_ip",
		"203.0.113.9",
	)
	f(`{"latency_ms":7}`, "duration_ms", "7")
}

// What needs an escape gets one, wherever it stands.
func TestAppendQuoted(t *testing.T) {
	f := func(in string) {
		t.Helper()
		b := jsonscan.AppendQuoted(nil, []byte(in))
		var out string
		if err := json.Unmarshal(b, &out); err != nil || out != in {
			t.Errorf("%q became %s: %v", in, b, err)
		}
	}
	for c := range 128 {
		for n := range 18 {
			f(strings.Repeat("x", n) + string(rune(c)) + strings.Repeat("é", n))
		}
	}
}

// What is left of a message with several objects is not the next log's.
func TestSplitEndsWithItsLog(t *testing.T) {
	d, err := New(Config{}, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	each := func(l *Log) {
		n++
		if got := string(l.Value(FieldMessage).Text); got != "one" {
			t.Errorf("the message is %q", got)
		}
	}
	for range 20 {
		e := models.LogEntry{Message: `{"message":"m",{"x":"2"}`}
		if got := string(d.Entry(&e).Value(FieldMessage).Text); got != "m" {
			t.Fatalf("the message of the entry is %q", got)
		}
	}
	d.Decode(&models.Record{Value: []byte(`{"message":"one"}`)}, each, nil)
	if n != 1 {
		t.Errorf("%d logs, want 1", n)
	}
}
