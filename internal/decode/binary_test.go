package decode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"

	"github.com/log-monitoring/alert-engine/internal/schema"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// read returns the logs of a record, and the reasons of what yields none, each as one line.
func read(t testing.TB, cfg Config, rec models.Record) (out []string) {
	t.Helper()
	d, err := New(cfg, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	if rec.Timestamp.IsZero() {
		rec.Timestamp = time.Unix(1777889500, 0)
	}
	d.Decode(&rec, func(l *Log) {
		e := l.Entry()
		fields, _ := json.Marshal(e.Fields)
		out = append(out, fmt.Sprintf("%s %s %s %q %s", l.Format(),
			e.Timestamp.Format(time.RFC3339Nano), e.Level, e.Message, fields))
	}, func(r Reason, detail string) { out = append(out, string(r)+": "+detail) })
	return out
}

func packMap(kv ...any) (b []byte) {
	b = msgp.AppendMapHeader(nil, uint32(len(kv)/2))
	for _, v := range kv {
		b, _ = msgp.AppendIntf(b, v)
	}
	return b
}

// "We write MessagePack": objects as they are, and events as Fluentd and Fluent Bit forward them,
// with times to the nanosecond.
func TestMessagePack(t *testing.T) {
	object := packMap("message", "card declined\n", "level", "error", "n", int64(-7),
		"big", uint64(1)<<63, "f", 0.5, "ok", true, "none", nil, "list", []any{"a", 1})
	eventTime := []byte("\xd7\x00\x69\xf8\x70\x78\x07\x5b\xcd\x15") // 1777889400.123456789
	tag := msgp.AppendString(nil, "app")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	const fields = `{"big":9223372036854775808,"f":0.5,"list":["a",1],"n":-7,"none":null,"ok":true}`
	const at = "2026-05-04T10:10:00.123456789Z"
	for name, c := range map[string]struct {
		value []byte
		want  string
	}{
		"object": {object, `[msgpack 2026-05-04T10:11:40Z ERROR "card declined" ` + fields + "]"},
		"two": {
			join(packMap("message", "a b"), packMap("message", "c d")),
			`[msgpack 2026-05-04T10:11:40Z  "a b" null msgpack 2026-05-04T10:11:40Z  "c d" null]`,
		},
		"pair": {
			join([]byte{0x92}, eventTime, object),
			`[json ` + at + ` ERROR "card declined" ` + fields + "]",
		},
		"fluent bit": {
			join([]byte{0x92, 0x92}, eventTime, []byte{0x80}, object),
			`[json ` + at + ` ERROR "card declined" ` + fields + "]",
		},
		"tagged": {
			join([]byte{0x93}, tag, eventTime, packMap("log", "x y")),
			`[json ` + at + `  "x y" {"fluentd_tag":"app"}]`,
		},
		"forwarded": {
			join([]byte{0x92}, tag, []byte{0x92, 0x92}, eventTime, packMap("log", "x y"),
				[]byte{0x92}, eventTime, packMap("log", "z z")),
			`[json ` + at + `  "x y" null json ` + at + `  "z z" null]`,
		},
		"cut": {object[:len(object)-1], "[binary: the value looks like MessagePack]"},
	} {
		if got := fmt.Sprint(read(t, Config{}, models.Record{Value: c.value})); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	deep := append(bytes.Repeat([]byte("\x81\xa1k"), 1000), 0xc0)
	if got := fmt.Sprint(read(t, Config{Format: "msgpack"},
		models.Record{Value: deep})); got != "[invalid_format: the record is no msgpack]" {
		t.Errorf("deep: %s", got)
	}
	many := []byte("\xdf\x7f\xff\xff\xff\xa1k\xc0")
	if got := fmt.Sprint(read(t, Config{Format: "msgpack"},
		models.Record{Value: many})); got != "[invalid_format: the record is no msgpack]" {
		t.Errorf("many: %s", got)
	}
}

func TestCBOR(t *testing.T) {
	value, err := cbor.Marshal(map[string]any{
		"message": "card declined",
		"level":   "warn",
		"time":    1777889400,
		"n":       map[int]any{1: -2.5},
		"b":       []byte("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[cbor 2026-05-04T10:10:00Z WARN "card declined" {"b":"x","n":{"1":-2.5}}]`
	for _, v := range [][]byte{value, append([]byte("\xd9\xd9\xf7"), value...)} {
		if got := fmt.Sprint(read(t, Config{}, models.Record{Value: v})); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := read(t, Config{Format: "cbor"}, models.Record{Value: value[:9]}); len(got) != 1 ||
		got[0] != "invalid_format: the record is no cbor" {
		t.Errorf("%s", got)
	}
}

// A CloudEvent in binary mode has its attributes in headers and its data in the value.
func TestCloudEventBinary(t *testing.T) {
	rec := models.Record{
		Value: []byte(`{"message":"order lost","level":"error"}`),
		Headers: []models.Header{
			{
				Key:   "ce_specversion",
				Value: []byte("1.0"),
			}, {Key: "ce_type", Value: []byte("shop.order.lost")},
			{
				Key:   "ce_source",
				Value: []byte("/shop"),
			}, {Key: "ce_time", Value: []byte("2026-05-04T10:10:00Z")},
			{Key: "content-type", Value: []byte("application/json")},
		},
	}
	const want = `[json 2026-05-04T10:10:00Z ERROR "order lost" {"source":"/shop",` +
		`"specversion":"1.0","type":"shop.order.lost"}]`
	if got := fmt.Sprint(read(t, Config{}, rec)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// schemas is a registry of one Avro schema and one Protobuf schema.
type schemas struct{ avro, proto, json *schema.Schema }

func (s schemas) Schema(id schema.ID) (*schema.Schema, error) {
	switch {
	case id.Number == 1, id.GUID[15] == 1:
		return s.avro, nil
	case id.Number == 2, id.GUID[15] == 2:
		return s.proto, nil
	case id.Number == 3:
		return s.json, nil
	case id.Number == 4:
		return nil, errors.New("it cannot be compiled")
	}
	return nil, &schema.Unavailable{ID: id, Err: errors.New("it is unknown")}
}

func (s schemas) ByFingerprint(crc [8]byte) *schema.Schema {
	if slices.Contains(s.avro.Fingerprints(), crc) {
		return s.avro
	}
	return nil
}

func testSchemas(t testing.TB) schemas {
	compile := func(kind schema.Kind, text string) *schema.Schema {
		s, err := schema.Compile(schema.Text{Kind: kind, Schema: text})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return schemas{
		compile(schema.Avro, `{"type":"record","name":"L","fields":[{"name":"time",`+
			`"type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"level",`+
			`"type":"string"},{"name":"message","type":"string"}]}`),
		compile(schema.Protobuf, `syntax = "proto3"; message L { enum Level { UNKNOWN = 0; `+
			`LEVEL_ERROR = 3; } string message = 1; Level level = 2; }`),
		compile(schema.JSON, `{}`),
	}
}

// "Our producers use a schema registry": values are read by their schema, whether it is named
// before them or in a header, and nothing is taken for text.
func TestSchemas(t *testing.T) {
	s := testSchemas(t)
	cfg := Config{Schemas: s}
	avroValue := string(binary.AppendVarint(nil, 1777889400124)) + "\x0aerror\x1acard declined"
	const avroWant = `avro 2026-05-04T10:10:00.124Z ERROR "card declined" null`
	fp := s.avro.Fingerprints()[0]
	guid := func(n byte, more ...byte) []models.Header {
		return []models.Header{{
			Key:   "__value_schema_id",
			Value: append(append(append([]byte{1}, make([]byte, 15)...), n), more...),
		}}
	}
	for name, c := range map[string]struct {
		value   string
		headers []models.Header
		want    string
	}{
		"avro":         {value: "\x00\x00\x00\x00\x01" + avroValue, want: avroWant},
		"avro, GUID":   {value: avroValue, headers: guid(1), want: avroWant},
		"avro, object": {value: "\xc3\x01" + string(fp[:]) + avroValue, want: avroWant},
		"avro, damaged": {
			value: "\x00\x00\x00\x00\x01" + avroValue[:9],
			want:  "invalid_format: avro 1: the value does not fit its schema",
		},
		"protobuf": {
			value: "\x00\x00\x00\x00\x02\x00\x0a\x03no!\x10\x03",
			want:  `protobuf 2026-05-04T10:11:40Z ERROR "no!" null`,
		},
		"protobuf, GUID": {
			value:   "\x0a\x03no!\x10\x03",
			headers: guid(2, 0),
			want:    `protobuf 2026-05-04T10:11:40Z ERROR "no!" null`,
		},
		"json": {
			value: "\x00\x00\x00\x00\x03{\"msg\":\"x y\"}",
			want:  `json 2026-05-04T10:11:40Z  "x y" null`,
		},
		"json, damaged": {
			value: "\x00\x00\x00\x00\x03abc",
			want:  "invalid_json: the value is not JSON, as its schema demands: abc",
		},
		"broken schema": {value: "\x00\x00\x00\x00\x04abc", want: "schema: it cannot be compiled"},
		"unknown": {
			value: "\x00\x00\x00\x00\x09abc",
			want:  "schema_unavailable: schema 9 cannot be had: it is unknown",
		},
		"other object": {
			value: "\xc3\x0112345678" + avroValue,
			want:  "schema: an Avro object of the schema with fingerprint 3132333435363738",
		},
	} {
		rec := models.Record{Value: []byte(c.value), Headers: c.headers}
		if got := fmt.Sprint(read(t, cfg, rec)); got != "["+c.want+"]" {
			t.Errorf("%s:\ngot  %s\nwant [%s]", name, got, c.want)
		}
	}
	rec := models.Record{Value: []byte("\x00\x00\x00\x00\x01" + avroValue)}
	if id, ok := SchemaOf(&rec); !ok || id.Number != 1 {
		t.Errorf("the schema of the record is %v, %v", id, ok)
	}
}

// A log of Avro allocates nothing.
func TestSchemasAllocate(t *testing.T) {
	d, err := New(Config{Schemas: testSchemas(t)}, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	rec := models.Record{
		Value: append([]byte("\x00\x00\x00\x00\x01"),
			string(binary.AppendVarint(nil, 1777889400124))+"\x0aerror\x1acard declined"...),
	}
	n := testing.AllocsPerRun(100, func() {
		d.Decode(&rec, func(l *Log) { l.Value(FieldMessage); l.Severity(); l.Time() }, nil)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A value in CBOR takes memory in proportion to its items, and its numbers time by their digits:
// both are bounded.
func TestCBORIsBounded(t *testing.T) {
	head := func(major byte, n int) []byte {
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	}
	nested := append([]byte("\xa1\x61a"), head(4, 1<<18)...)
	nested = append(nested, bytes.Repeat([]byte("\xa0"), 1<<18)...)
	if got := read(t, Config{}, models.Record{Value: nested}); len(got) != 1 ||
		got[0] != "decompression_bomb: a value in CBOR of more than 262144 items" {
		t.Errorf("%d: %.100q", len(got), got)
	}
	number := func(n int) []byte {
		b := append([]byte("\xa1\x61a\xc2"), head(2, n)...)
		return append(b, bytes.Repeat([]byte("\xff"), n)...)
	}
	if got := read(t, Config{}, models.Record{Value: number(2)}); got[0] !=
		`cbor 2026-05-04T10:11:40Z  "" {"a":65535}` {
		t.Errorf("%q", got)
	}
	if got := read(t, Config{}, models.Record{Value: number(65)}); got[0] !=
		`cbor 2026-05-04T10:11:40Z  "" {"a":"0x`+strings.Repeat("f", 130)+`"}` {
		t.Errorf("%q", got)
	}
	d := newBenchDecoder(t)
	if bad, a, b := superlinear(d, number); bad {
		t.Errorf("a large number: a quarter %v, all %v", a, b)
	}
}
