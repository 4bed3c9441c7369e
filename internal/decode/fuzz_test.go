package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

var fuzzPaths = []string{
	"a",
	"b",
	"a.b",
	"a.b.c",
	"b.c",
	"log.level",
	"kubernetes.labels.app.kubernetes.io/name",
	"user.name",
	"x.y.z.w",
}

func seeds(f *testing.F) {
	for _, file := range []string{"formats.jsonl", "more.jsonl", "dialects.jsonl"} {
		for _, s := range readSamples(f, file) {
			if s.Value != nil {
				f.Add([]byte(*s.Value))
			}
		}
	}
	for _, s := range readPrograms(f) {
		f.Add([]byte(s.Value))
	}
	f.Add([]byte(`{"a":1,"a":{"b":2},"a.b":3,"a":{"c":4}}`))
	f.Add([]byte(`{"a":{"b":{"c":1}},"a":{"b":2},"\u0061":"\ud83d\ude00\ud800\u00e9"}`))
	f.Add([]byte("{\"a\" :\t[1,{\"b\":\"\\\"\"}] ,\"b\":\"caf\xe9\"}"))
	f.Add([]byte(`{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `,"b":1e5}`))
}

// The one pass over the bytes finds what encoding/json finds, whatever the keys, duplicates,
// escapes and bytes are; and it takes every document that encoding/json takes.
func FuzzExtract(f *testing.F) {
	seeds(f)
	p := jsonscan.NewPlan()
	slots := make([][]jsonscan.Slot, len(fuzzPaths))
	for i, path := range fuzzPaths {
		slots[i] = p.Add(path, false)
	}
	p.Finish()
	x := jsonscan.NewExtractor(p)
	f.Fuzz(func(t *testing.T, doc []byte) {
		doc = bytes.TrimSpace(doc)
		n := x.Read(doc)
		if !json.Valid(doc) || doc[0] != '{' {
			return
		}
		if n < 0 || jsonscan.SkipBlank(doc, n) != len(doc) {
			t.Fatalf("refused: %d", n)
		}
		var tree map[string]any
		d := json.NewDecoder(bytes.NewReader(doc))
		d.UseNumber()
		if err := d.Decode(&tree); err != nil {
			return // deeper than encoding/json goes
		}
		for i, path := range fuzzPaths {
			if strings.Contains(path, "labels") {
				continue // labels have looser spellings than a path of a tree
			}
			var got any
			for _, s := range slots[i] {
				if x.Has.Has(s) {
					if x.Spans[s].Flags&jsonscan.Folded != 0 {
						return // found under a looser spelling, which encoding/json does not know
					}
					got = plain(doc, x.Spans[s])
					break
				}
			}
			want := look(tree, strings.Split(path, "."))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%s is %#v, want %#v", path, got, want)
			}
		}
	})
}

// look finds a path in a tree, the most literal spelling first.
func look(tree map[string]any, segs []string) any {
	for n := len(segs); n > 0; n-- {
		v, ok := tree[strings.Join(segs[:n], ".")]
		if !ok {
			continue
		}
		if n == len(segs) {
			if v == nil {
				return "null"
			}
			return v
		}
		if below, ok := v.(map[string]any); ok {
			if v := look(below, segs[n:]); v != nil {
				return v
			}
		}
	}
	return nil
}

// plain is a span as encoding/json would have it.
func plain(doc []byte, s jsonscan.Span) any {
	t := doc[s.Start:s.End]
	switch s.Kind {
	case Null:
		return "null"
	case Bool:
		return string(t) == "true"
	case Number:
		return json.Number(t)
	case String:
		return string(jsonscan.AppendText(nil, t, s.Flags))
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(t))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	return v
}

// Whatever the bytes are, a record yields logs or a reason, a log reads alike in all ways, and its
// entry is valid JSON that reads the same again.
func FuzzDecode(f *testing.F) {
	seeds(f)
	fields := NewFields(fuzzPaths...)
	d, _ := New(Config{}, fields)
	again, _ := New(Config{}, fields)
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) > 1<<16 {
			return
		}
		rec := &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: value}
		outcomes := 0
		d.Decode(rec, func(l *Log) {
			outcomes++
			checkLog(t, l, fields, again)
		}, func(reason Reason, detail string) {
			outcomes++
			if reason == "" || !utf8.ValidString(detail) {
				t.Fatalf("reason %q, detail %q", reason, detail)
			}
		})
		if outcomes == 0 {
			t.Fatal("neither a log nor a reason")
		}
	})
}

func checkLog(t *testing.T, l *Log, fields *Fields, again *Decoder) {
	first := map[FieldID]string{}
	for id := range FieldID(fields.Len()) {
		v := l.Value(id)
		first[id] = string(v.Text)
		if v.Kind == String && id != FieldRaw && !utf8.Valid(v.Text) {
			t.Fatalf("%s is not valid UTF-8: %q", fields.Path(id), v.Text)
		}
	}
	for id := FieldWellKnown; int(id) < fields.Len(); id++ {
		if v := l.Lookup(fields.Path(id)); string(v.Text) != first[id] {
			t.Fatalf("%s is %q at first and %q when looked up", fields.Path(id), first[id], v.Text)
		}
	}
	if l.layout != nil || l.gathered {
		at, severity := l.Time(), l.Severity()
		l.inFull() // what was read value by value lacks a time that is known
		l.layout, l.gathered, l.timeSeen, l.levelSeen = nil, false, false, false
		l.stamp++
		for id, want := range first {
			if v := l.Value(id); string(v.Text) != want {
				t.Fatalf("%s is %q by what was learned and %q when searched", fields.Path(id), want,
					v.Text)
			}
		}
		if l.Time() != at || l.Severity() != severity {
			t.Fatalf("time %d and severity %d by their layout, %d and %d when searched", at,
				severity, l.Time(), l.Severity())
		}
	}
	e := l.Entry()
	text, err := json.Marshal(e)
	if err != nil || !json.Valid(text) {
		t.Fatalf("the entry is no JSON: %v", err)
	}
	back := again.Entry(&e)
	if back.Time() != l.Time() && l.Time() > earliest && l.RecordTime() > earliest &&
		back.TimeSource() != l.TimeSource() {
		t.Fatalf("time is %d (%s), and %d (%s) when read again", l.Time(), l.TimeSource(),
			back.Time(), back.TimeSource())
	}
	if got := string(back.Value(FieldService).Text); e.Service != "" &&
		strings.TrimSpace(got) != strings.TrimSpace(e.Service) {
		t.Fatalf("service is %q, and %q when read again", e.Service, got)
	}
}

// A parser of a line either refuses it or rewrites it into one whole object.
func FuzzLines(f *testing.F) {
	seeds(f)
	f.Add([]byte("cpu,host=a v=1 0777889472"))
	d, _ := New(Config{}, NewFields())
	f.Fuzz(func(t *testing.T, line []byte) {
		d.begin(&models.Record{Timestamp: time.UnixMilli(1777889480000), Value: line}, nil, nil)
		for format := formatNone + 1; format < formatCount; format++ {
			if d.parse(format, line) && !whole(d.root, d.built) {
				t.Fatalf("%s made %q", format.held(), d.built)
			}
		}
		if built, _, ok := d.rewritten(nil, line); ok && !whole(d.root, built) {
			t.Fatalf("made %q", built)
		}
	})
}

// A document that is cut anywhere can be closed again.
func FuzzRepair(f *testing.F) {
	seeds(f)
	p := jsonscan.NewPlan()
	p.Finish()
	x := jsonscan.NewExtractor(p)
	f.Fuzz(func(t *testing.T, doc []byte) {
		if len(doc) == 0 || doc[0] != '{' || !json.Valid(doc) || len(doc) > 4096 {
			return
		}
		for i := 1; i < len(doc); i += 1 + len(doc)/64 {
			closed, _, ok := jsonscan.Repair(nil, doc[:i])
			if x.Read(doc[:i]) == jsonscan.Cut && (!ok || !whole(x, closed)) {
				t.Fatalf("cut at %q, closed as %q", doc[:i], closed)
			}
		}
	})
}

// A time that the standard library reads as RFC 3339 is the same here.
func FuzzTime(f *testing.F) {
	for _, s := range []string{
		"2026-05-04T10:11:12.345Z", "1777889472.345", "04/May/2026:10:11:12 +0000",
		"May  4 10:11:12", "0504 10:11:12.1", "1.7e9", "Mon, 04 May 2026 10:11:12 GMT",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := clock{record: 1777889480 * int64(time.Second)}
		got, ok := c.read([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || want.Year() < 1700 || want.Year() > 2200 || strings.TrimSpace(s) != s ||
			len(s) > 35 {
			return
		}
		if !ok || got != want.UnixNano() {
			t.Fatalf("%q is %d %v, want %d", s, got, ok, want.UnixNano())
		}
	})
}

// Protobuf is taken for logs only when all of its frame is; and then each log record yields a log,
// or is refused.
func FuzzProto(f *testing.F) {
	for _, s := range readSamples(f, "formats.jsonl") {
		if s.ValueB64 != nil {
			var v []byte
			if json.Unmarshal(fmt.Appendf(nil, "%q", *s.ValueB64), &v) == nil {
				f.Add(v)
			}
		}
	}
	d, _ := New(Config{Format: "otlp_proto"}, NewFields("a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, ok := checkLogs(b)
		got, damaged := 0, 0
		rec := &models.Record{Timestamp: time.UnixMilli(1777889480000), Value: b}
		d.Decode(rec, func(l *Log) { got++; l.Entry() }, func(r Reason, _ string) {
			if r == InvalidMember {
				damaged++
			}
		})
		if _, packed, _, _ := d.unpack(b, 0); ok && !packed && got+damaged != want &&
			damaged < maxRefused {
			t.Fatalf("%d logs and %d damaged ones of %d records", got, damaged, want)
		}
	})
}
