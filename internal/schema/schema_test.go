package schema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

const avroLog = `{"type":"record","name":"Log","namespace":"shop","fields":[
	{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"level","type":{"type":"enum","name":"Level","symbols":["DEBUG","INFO","ERROR"]}},
	{"name":"message","type":"string"},
	{"name":"user","type":["null",{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"name","type":"string"}]}]},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"labels","type":{"type":"map","values":["string","int","null"]}},
	{"name":"ratio","type":"double"},{"name":"f","type":"float"},{"name":"ok","type":"boolean"},
	{"name":"body","type":"bytes"},{"name":"raw","type":{"type":"fixed","name":"Two","size":2}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
	{"name":"cause","type":["null","Log"],"default":null}]}`

func avroValue(t testing.TB) []byte {
	s, err := avro.ParseWithCache(avroLog, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := avro.Marshal(s, map[string]any{
		"ts": time.UnixMilli(1777889480123), "level": "ERROR", "message": "größer \"than\" 1\n",
		"user": map[string]any{"shop.User": map[string]any{"id": int64(1) << 60, "name": "ann"}},
		"tags": []any{"a", "b"}, "labels": map[string]any{"k": map[string]any{"int": 7}},
		"ratio": 0.25, "f": float32(1.5), "ok": true, "body": []byte{0xff, 0},
		"raw": [2]byte{'h', 'i'},
		"day": time.Unix(1777889480, 0), "price": big.NewRat(-241, 20), "cause": nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustCompile(t testing.TB, text Text) *Schema {
	s, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAvro(t *testing.T) {
	s := mustCompile(t, Text{Kind: Avro, Schema: avroLog})
	value := avroValue(t)
	got, err := s.AppendJSON([]byte("x"), value)
	want := `x{"ts":1777889480123,"level":"ERROR","message":"größer \"than\" 1\n","user":{"id":1152921504606846976,"name":"ann"},` +
		`"tags":["a","b"],"labels":{"k":7},"ratio":0.25,"f":1.5,"ok":true,"body":"/wA=","raw":"hi","day":"2026-05-04","price":-12.05,"cause":null}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for i := range value {
		if out, err := s.AppendJSON(nil, value[:i]); err == nil {
			t.Fatalf("cut at %d: %s", i, out)
		}
	}
	if _, err := s.AppendJSON(nil, append(bytes.Clone(value), 0)); err == nil {
		t.Error("bytes behind the value are no fault")
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { s.AppendJSON(buf, value[:0:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The fingerprints are those that org.apache.avro 1.12.1 and hamba/avro 2.31.0 compute: Java leaves
// logical types out, as the specification does.
func TestAvroFingerprints(t *testing.T) {
	for text, want := range map[string][]string{
		`{"type": "record", "name": "Log", "fields": [
			{"name": "at", "type": "long"}, {"name": "text", "type": "string"}]}`: {
			"bbc4106375619e4e",
		},
		`{"type": "record", "name": "Log", "fields": [
			{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
			{"name": "text", "type": "string"}]}`: {"52689e5efd0fe690", "bbc4106375619e4e"},
		`{"type": "record", "name": "Log", "fields": [{"name": "cost", "type":
			{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}]}`: {
			"68ede27867f9a50f", "937117fb34749161",
		},
	} {
		s, err := Compile(Text{Kind: Avro, Schema: text})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, crc := range s.Fingerprints() {
			slices.Reverse(crc[:])
			got = append(got, hex.EncodeToString(crc[:]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", text, got, want)
		}
	}
}

func TestAvroReferences(t *testing.T) {
	s := mustCompile(t, Text{
		Kind:   Avro,
		Schema: `{"type":"record","name":"A","fields":[{"name":"u","type":"shop.User"}]}`,
		References: []Reference{
			{
				"shop.User",
				`{"type":"record","name":"User","namespace":"shop","fields":[{"name":"n","type":"string"}]}`,
			},
		},
	})
	if got, err := s.AppendJSON(nil, []byte("\x06ann")); err != nil ||
		string(got) != `{"u":{"n":"ann"}}` {
		t.Errorf("%s, %v", got, err)
	}
}

const protoLog = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
import "shop/user.proto";
enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_ERROR = 4; }
message Other { string x = 1; }
message Log {
  google.protobuf.Timestamp time = 1;
  Level level = 2;
  string message = 3;
  repeated int32 codes = 4;
  map<string, string> labels = 5;
  map<int64, User> users = 6;
  repeated User all = 7;
  google.protobuf.Duration took = 8;
  google.protobuf.Struct extra = 9;
  google.protobuf.StringValue note = 10;
  bytes body = 11;
  sint64 delta = 12;
  fixed64 big = 13;
  double ratio = 14;
  float small = 15;
  bool ok = 16;
  sfixed32 minus = 17;
  oneof what { string a = 18; Log cause = 19; }
  repeated string far = 300;
  message Inner { int32 n = 1; }
  google.protobuf.ListValue list = 20;
}`

var protoText = Text{
	Kind: Protobuf, Schema: protoLog,
	References: []Reference{
		{
			"shop/user.proto",
			`syntax = "proto3"; package shop; message User { string name = 1; uint64 id = 2; }`,
		},
	},
}

// The library's own JSON, of a message that the library made, is what is written.
func TestProtobuf(t *testing.T) {
	s := mustCompile(t, protoText)
	d := s.file.Messages().ByName("Log")
	m := dynamicpb.NewMessage(d)
	if err := protojson.Unmarshal([]byte(`{"time":"2026-05-04T10:11:20.123456789Z","level":"LEVEL_ERROR","message":"no \"way\"","codes":[1,2,-3],
		"labels":{"a":"b"},"users":{"7":{"name":"ann","id":"9007199254740993"}},"all":[{"name":"x"},{}],"took":"1.000000001s","extra":{"k":[1,null,"t",{"z":true}]},
		"note":"hi","body":"/wA=","delta":"-5","big":"18446744073709551615","ratio":0.25,"small":1.5,"ok":true,"minus":-7,"cause":{"message":"root"},"far":["p","q"],"list":[1]}`), m); err != nil {
		t.Fatal(err)
	}
	value, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.AppendJSON(nil, append([]byte{2, 2}, value...)) // one index: the second message
	if err != nil {
		t.Fatal(err)
	}
	want, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := plain(t, got), plain(t, want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
	if got, err := s.AppendMessage(nil, []byte{2, 2}, value); err != nil ||
		plain(t, got) != plain(t, want) {
		t.Errorf("with indexes apart: %s, %v", got, err)
	}
	if got, err := s.AppendJSON(nil, []byte("\x00\x0a\x01y")); err != nil ||
		string(got) != `{"x":"y"}` {
		t.Errorf("the first message: %s, %v", got, err)
	}
	if got, err := s.AppendJSON(nil, append([]byte{4, 2, 0}, 8, 5)); err != nil ||
		string(got) != `{"n":5}` {
		t.Errorf("a message within: %s, %v", got, err)
	}
	for _, bad := range []string{
		"", "\x02\x08", "\x02\x02\x0a", "\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		if got, err := s.AppendJSON(nil, []byte(bad)); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

// plain writes JSON anew with sorted keys, and numbers in quotes as numbers.
func plain(t *testing.T, b []byte) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case json.Number:
			return v.String()
		}
		return v
	}
	out, _ := json.Marshal(walk(v))
	return string(out)
}

// "A schema that contains itself, and a value that says it has a billion members of no size": what
// is written has a bound, and what is deep is refused.
func TestBounds(t *testing.T) {
	s := mustCompile(t, Text{Kind: Avro, Schema: `{"type":"array","items":"null"}`})
	if out, err := s.AppendJSON(nil, []byte("\xfe\xff\xff\xff\x0f\x00")); err == nil ||
		cap(out) > 4*maxWritten {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	s = mustCompile(
		t,
		Text{
			Kind:   Avro,
			Schema: `{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"]}]}`,
		},
	)
	if _, err := s.AppendJSON(nil, bytes.Repeat([]byte{2}, 100_000)); err == nil {
		t.Error("a value of any depth is read")
	}
	p := mustCompile(t, protoText)
	deep := []byte("\x1a\x01x")
	for range 200 {
		deep = append(append([]byte{0x9a, 1}, uvarint(len(deep))...), deep...)
	}
	if _, err := p.AppendMessage(nil, []byte{2, 2}, deep); err == nil {
		t.Error("a message of any depth is read")
	}
	for _, bad := range []Text{
		{}, {Kind: Avro, Schema: "{"}, {Kind: Protobuf, Schema: "message {"},
		{Kind: Avro, Schema: strings.Repeat(" ", maxText+1)},
		{
			Kind:   Avro,
			Schema: strings.Repeat(`{"type":"array","items":`, 5000) + `"int"` + strings.Repeat("}", 5000),
		},
		{Kind: Avro, Schema: `"int"`, References: make([]Reference, maxSchemas+1)},
	} {
		if _, err := Compile(bad); err == nil {
			t.Errorf("%.80v is a schema", bad)
		}
	}
}

func uvarint(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func FuzzAvro(f *testing.F) {
	f.Add(avroLog, avroValue(f))
	f.Add(`{"type":"array","items":"null"}`, []byte("\xfe\xff\xff\xff\x0f\x00"))
	f.Add(`["null","string"]`, []byte("\x02\x04hi"))
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		if len(text) > 2000 {
			return
		}
		s, err := Compile(Text{Kind: Avro, Schema: text})
		if err == nil {
			checkJSON(t, s, value)
		}
	})
}

func FuzzProtobuf(f *testing.F) {
	s := mustCompile(f, protoText)
	f.Add(
		[]byte(
			"\x02\x02\x0a\x04\x08\x01\x10\x05\x1a\x02hi\x22\x02\x01\x02\x2a\x06\x0a\x01a\x12\x01b",
		),
	)
	f.Add([]byte("\x02\x02\x4a\x0b\x0a\x09\x0a\x01k\x12\x04\x1a\x02hi\xe2\x12\x01p"))
	f.Fuzz(func(t *testing.T, value []byte) { checkJSON(t, s, value) })
}

func checkJSON(t *testing.T, s *Schema, value []byte) {
	out, err := s.AppendJSON(nil, value)
	if err == nil && !json.Valid(out) {
		t.Fatalf("not JSON: %s", out)
	}
	if err != nil && len(out) > 0 {
		t.Fatalf("an error, and %d bytes", len(out))
	}
}

func BenchmarkAvro(b *testing.B) {
	s, value := mustCompile(b, Text{Kind: Avro, Schema: avroLog}), avroValue(b)
	b.Run("ours", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = s.AppendJSON(dst[:0], value)
		}
	})
	b.Run("library", func(b *testing.B) {
		parsed, _ := avro.ParseWithCache(avroLog, "", &avro.SchemaCache{})
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]any
			if err := avro.Unmarshal(parsed, value, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
