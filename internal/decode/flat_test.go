package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func TestAppendDouble(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(v float64) {
		if got, want := string(appendDouble(nil, v)), string(appendFloat(nil, v)); got != want {
			t.Fatalf("%v is %s", want, got)
		}
	}
	for _, v := range []float64{
		0, math.Copysign(0, -1), 0.1, 0.01, 0.001, 0.005, -0.01, 1, -1, 12.3, 12.34, 12.345, 1e6,
		999999.99, 1e7, 1e-5, 1e21, math.NaN(), math.Inf(1), 9999999.99, 21474836.47, 123456789,
	} {
		check(v)
		check(-v)
	}
	for range 100_000 {
		check(math.Float64frombits(r.Uint64()))
		check(float64(r.IntN(2_000_000)-1_000_000) / 100)
	}
}

// otlpMessage is a random export request: attributes of every kind in every order, with fields that
// are missing, empty, written twice, and behind each other.
func otlpMessage(r *rand.Rand) []byte {
	text := func() string {
		return []string{
			"", "x", "payment failed: card declined", "größer", "a \"b\" \\ \n", "\xff\xfe",
			"{\"level\":\"warn\",\"message\":\"in it\"}", "level=warn msg=\"in it\" a=b",
			"ERROR in text",
			"203.0.113.9 - - [04/May/2026:10:11:12 +0000] \"GET /x HTTP/1.1\" 500 12",
		}[r.IntN(10)]
	}
	field := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	var any func(depth int) []byte
	pair := func(depth int) []byte {
		names := []string{
			"service.name", "service", "host.name", "level", "order.id", "order", "status",
			"message", "msg", "k8s.pod.name", "namespace", "exception.stacktrace", "appname",
			"user", "duration_ms", "attributes", "fields", "a\"b", "trace_id", "Größe",
			"http.status_code", "name", "json", "@mt", "list",
		}
		b := field(nil, 1, []byte(names[r.IntN(len(names))]))
		if r.IntN(20) > 0 {
			b = field(b, 2, any(depth))
		}
		return b
	}
	any = func(depth int) (b []byte) {
		switch n := r.IntN(12); {
		case n < 5:
			return field(nil, 1, []byte(text()))
		case n == 5:
			return protowire.AppendVarint(
				protowire.AppendTag(nil, 2, protowire.VarintType),
				uint64(r.IntN(2)),
			)
		case n == 6:
			return protowire.AppendVarint(
				protowire.AppendTag(nil, 3, protowire.VarintType),
				uint64(r.IntN(600)-50),
			)
		case n == 7:
			return protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type),
				math.Float64bits(float64(r.IntN(1000))/10))
		case n == 8 && depth < 3:
			var list []byte
			for range r.IntN(3) {
				list = field(list, 1, any(depth+1))
			}
			return field(nil, 5, list)
		case n == 9 && depth < 3:
			var list []byte
			for range r.IntN(3) {
				list = field(list, 1, pair(depth+1))
			}
			return field(nil, 6, list)
		case n == 10:
			return field(nil, 7, []byte(text()))
		}
		return nil
	}
	record := func() (b []byte) {
		for range r.IntN(12) {
			switch r.IntN(8) {
			case 0:
				b = protowire.AppendFixed64(protowire.AppendTag(b, 1, protowire.Fixed64Type),
					uint64(1777889400_000000000+r.Int64N(1e12)))
			case 1:
				b = protowire.AppendFixed64(
					protowire.AppendTag(b, 11, protowire.Fixed64Type),
					1777889300_000000000,
				)
			case 2:
				b = protowire.AppendVarint(
					protowire.AppendTag(b, 2, protowire.VarintType),
					uint64(r.IntN(25)),
				)
			case 3:
				b = field(
					b,
					3,
					[]byte([]string{"", "ERROR", "warn", "Information", "x"}[r.IntN(5)]),
				)
			case 4:
				b = field(b, 5, any(0))
			case 5:
				b = field(b, 9, []byte("0123456789abcdef"))
			default:
				b = field(b, 6, pair(0))
			}
		}
		return b
	}
	var request []byte
	for range 1 + r.IntN(2) {
		var resource, group, scopes []byte
		for range r.IntN(4) {
			resource = field(resource, 1, pair(0))
		}
		if r.IntN(2) == 0 {
			scopes = field(scopes, 1, field(nil, 1, []byte("shop/pay")))
		}
		same := record()
		for range 1 + r.IntN(5) {
			if r.IntN(2) == 0 {
				same = record()
			}
			scopes = field(scopes, 2, same)
		}
		group = field(group, 2, scopes)
		if r.IntN(10) > 0 {
			group = field(group, 1, resource)
		}
		request = field(request, 1, group)
	}
	return request
}

// otlpAsJSON is an export request in OTLP's JSON, with members in any order and blanks.
func otlpAsJSON(r *rand.Rand, request []byte) []byte {
	blank := func() string { return []string{"", "", "", "", " ", "\n "}[r.IntN(6)] }
	object := func(members []string) string { // at most three are never of one name
		if len(members) <= 3 && r.IntN(3) == 0 {
			r.Shuffle(
				len(members),
				func(i, k int) { members[i], members[k] = members[k], members[i] },
			)
		}
		return "{" + blank() + strings.Join(members, blank()+","+blank()) + blank() + "}"
	}
	member := func(key, value string) string {
		return `"` + key + `"` + blank() + ":" + blank() + value
	}
	array := func(list []string) string {
		return "[" + strings.Join(list, blank()+",") + blank() + "]"
	}
	quoted := func(b []byte) string { return string(jsonscan.AppendQuoted(nil, b)) }
	var any func(b []byte) string
	pair := func(b []byte) string {
		var key, value []byte
		found := false
		protoFields(b, func(f protoField) bool {
			if f.number == 1 {
				key = f.bytes
			} else {
				value, found = f.bytes, true
			}
			return true
		})
		members := []string{member("key", quoted(key))}
		if found {
			members = append(members, member("value", any(value)))
		}
		return object(members)
	}
	pairs := func(b []byte, number uint64) (list []string) {
		protoFields(b, func(f protoField) bool {
			if f.number == number {
				list = append(list, pair(f.bytes))
			}
			return true
		})
		return list
	}
	any = func(b []byte) string {
		out := "{}"
		protoFields(b, func(f protoField) bool {
			name := []string{
				"", "stringValue", "boolValue", "intValue", "doubleValue", "arrayValue",
				"kvlistValue", "bytesValue",
			}[f.number]
			value := string(appendProtoAny(nil, b, 0))
			switch f.number {
			case 3:
				if r.IntN(3) > 0 {
					value = `"` + value + `"`
				}
			case 5:
				var list []string
				protoFields(f.bytes, func(f protoField) bool {
					list = append(list, any(f.bytes))
					return true
				})
				value = object([]string{member("values", array(list))})
			case 6:
				value = object([]string{member("values", array(pairs(f.bytes, 1)))})
			}
			out = object([]string{member(name, value)})
			return true
		})
		return out
	}
	record := func(b []byte) string {
		var members []string
		protoFields(b, func(f protoField) bool {
			switch f.number {
			case 1, 11:
				name := map[uint64]string{1: "timeUnixNano", 11: "observedTimeUnixNano"}[f.number]
				members = append(members, member(name, fmt.Sprint(f.value)))
			case 2:
				members = append(members, member("severityNumber", fmt.Sprint(f.value)))
			case 3:
				members = append(members, member("severityText", quoted(f.bytes)))
			case 5:
				members = append(members, member("body", any(f.bytes)))
			case 9:
				members = append(members, member("traceId", fmt.Sprintf(`"%x"`, f.bytes)))
			}
			return true
		})
		if list := pairs(b, 6); len(list) > 0 {
			members = append(members, member("attributes", array(list)))
		}
		if len(members) <= 3 {
			members = append(members, `"w":0`, `"x":0`, `"y":null`, `"z":""`)
		}
		return object(members)
	}
	each := func(b []byte, number uint64, show func([]byte) string) (list []string) {
		protoFields(b, func(f protoField) bool {
			if f.number == number {
				list = append(list, show(f.bytes))
			}
			return true
		})
		return list
	}
	scopes := func(b []byte) string {
		members := each(b, 1, func(b []byte) string {
			return member("scope", object(each(b, 1, func(name []byte) string {
				return member("name", quoted(name))
			})))
		})
		return object(append(members, member("logRecords", array(each(b, 2, record)))))
	}
	group := func(b []byte) string {
		members := each(b, 1, func(b []byte) string {
			return member("resource", object([]string{member("attributes", array(pairs(b, 1)))}))
		})
		return object(append(members, member("scopeLogs", array(each(b, 2, scopes)))))
	}
	return []byte(object([]string{member("resourceLogs", array(each(request, 1, group)))}))
}

// A log of OTLP is the same whether its layers are read value by value, with what was learnt from
// others, or as the JSON of the whole; and the same in protobuf and in JSON.
func TestFlatAgrees(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	paths := []string{
		"order.id", "order", "order.status", "status", "user", "user.service", "duration_ms",
		"http.status", "exception.class", "body.message", "line", "stream.service", "line.level",
		"timeUnixNano",
		"severityNumber", "observedTimeUnixNano", "name", "list[0].status", "list.status",
		"resource.x", "Größe",
	}
	fields := NewFields(paths...)
	var decoders [3]*Decoder
	for i, format := range []string{"otlp_proto", "otlp_proto", "auto"} {
		var err error
		if decoders[i], err = New(Config{Format: format}, fields); err != nil {
			t.Fatal(err)
		}
	}
	reference := decoders[0]
	show := func(l *Log, full, whole bool) (out string) {
		if full {
			l.inFull()
		}
		for id := range FieldID(fields.Len()) {
			// without a text, the line is the log as it was sent
			if line := fields.Path(id) == "line"; id != FieldRaw &&
				(!line || l.Value(FieldMessage).Kind == String &&
					!bytes.HasPrefix(l.Value(id).Text, []byte("{"))) {
				v := l.Value(id)
				out += fmt.Sprintf("%s=%d %q %s; ", fields.Path(id), v.Kind, v.Text, l.Source(id))
			}
		}
		out += fmt.Sprintf("%d %s %s", l.Severity(),
			time.Unix(0, l.Time()).UTC().Format(time.RFC3339Nano), l.TimeSource())
		if whole {
			entry := l.Entry()
			entry.Raw = ""
			text, _ := json.Marshal(entry)
			out += string(text) + string(l.Lookup("order.amount").Text)
		}
		return out
	}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 2_000 {
		message := otlpMessage(r)
		whole := i%3 == 0
		rec := models.Record{Timestamp: time.Unix(1777890000, 0)}
		read := func(d *Decoder, value []byte, full bool) (list []string) {
			rec.Value = value
			d.Decode(&rec, func(l *Log) {
				list = append(list, show(l, full, whole))
			}, func(r Reason, d string) { list = append(list, string(r)+d) })
			return list
		}
		want := read(reference, message, true)
		asJSON := otlpAsJSON(r, message)
		for what, got := range map[string][]string{
			"protobuf":  read(decoders[1], message, false),
			"JSON":      read(decoders[2], asJSON, false),
			"JSON full": read(decoders[2], asJSON, true),
		} {
			for k := range max(len(got), len(want)) {
				if k >= len(got) || k >= len(want) || got[k] != want[k] {
					t.Fatalf("message %d, log %d of %d and %d, %s:\ngot  %s\nwant %s\n%s", i, k,
						len(got), len(want), what, got[min(k, len(got)-1)],
						want[min(k, len(want)-1)], asJSON)
				}
			}
		}
	}
}

// A log record that is damaged is refused alone; an empty attribute is none.
func TestDamagedRecordAmongOthers(t *testing.T) {
	field := func(n protowire.Number, v ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
	}
	body := func(text string) []byte { return field(5, field(1, []byte(text)...)...) }
	var scope []byte
	for _, record := range [][]byte{
		body("first"), {6<<3 | 2, 9, 1}, append(field(6), body("second")...), {1<<3 | 1, 0},
		field(9, 1, 2), append(field(6, 2<<3|2), body("bad pair")...), body("third"),
	} {
		scope = append(scope, field(2, record...)...)
	}
	d, err := New(Config{}, NewFields())
	if err != nil {
		t.Fatal(err)
	}
	var got, refused []string
	d.Decode(&models.Record{Value: field(1, field(2, scope...)...)}, func(l *Log) {
		got = append(got, string(l.Value(FieldMessage).Text))
	}, func(r Reason, _ string) { refused = append(refused, string(r)) })
	if g, w := fmt.Sprint(got, refused), "[first second third] "+
		"[invalid_member invalid_member invalid_member invalid_member]"; g != w {
		t.Fatalf("got  %s\nwant %s", g, w)
	}
}

// Fields that are not known, and tags of several bytes, hide nothing behind them.
func TestUnknownFieldsOfRecords(t *testing.T) {
	field := func(n protowire.Number, v ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
	}
	long := func(n byte, v ...byte) []byte { // a tag of two bytes for a small number
		return append([]byte{n<<3 | 2 | 0x80, 0, byte(len(v))}, v...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	value := func(text string) []byte { return field(1, []byte(text)...) }
	known := join(
		field(5, value("m")...),
		field(6, join(field(1, 'a'), field(2, value("v")...))...),
	)
	var scope []byte
	for _, record := range [][]byte{
		known,
		join(field(20, 9, 9, 9), known),
		join(known, protowire.AppendVarint(protowire.AppendTag(nil, 300, protowire.VarintType), 7)),
		join(long(5, value("m")...), field(6, join(field(1, 'a'), field(2, value("v")...))...)),
		join(field(5, value("m")...), field(6, join(field(3, 1), field(1, 'a'), field(2, value("v")...),
			field(20, 1))...)),
		join(field(5, value("m")...), field(6, join(long(1, 'a'), long(2, value("v")...))...)),
	} {
		scope = append(scope, field(2, record...)...)
	}
	d, err := New(Config{}, NewFields("a"))
	if err != nil {
		t.Fatal(err)
	}
	logs := 0
	d.Decode(&models.Record{Value: field(1, field(2, scope...)...)}, func(l *Log) {
		message, a := string(l.Value(FieldMessage).Text), string(l.Lookup("a").Text)
		if message != "m" || a != "v" {
			t.Errorf("log %d: message %q, a %q", logs, message, a)
		}
		logs++
	}, func(r Reason, detail string) { t.Errorf("refused: %s %s", r, detail) })
	if logs != 6 {
		t.Errorf("%d logs", logs)
	}
}

func TestHexDigits(t *testing.T) {
	for c := range 256 {
		four := []byte{byte(c), byte(c * 7), byte(c * 13), byte(255 - c)}
		if got, want := string(appendHex4(nil, four)), fmt.Sprintf("%x", four); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}
