package decode

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// sample is a line of a golden file: a record, and the logs that it must become. A key of an
// expected log must be equal; "~key" must be contained, "!key" must be empty or absent.
type sample struct {
	ID          string            `json:"id"`
	Format      string            `json:"format"`
	Topic       string            `json:"topic"`
	Headers     map[string]string `json:"headers"`
	TimeMS      int64             `json:"ts_ms"`
	Value       *string           `json:"value"`
	ValueB64    *string           `json:"value_b64"`
	Expect      []map[string]any  `json:"expect"`
	ExpectDrop  string            `json:"expect_drop"`
	ExpectError string            `json:"expect_error"`
}

func (s *sample) record(t *testing.T) *models.Record {
	rec := &models.Record{Topic: "logs", Timestamp: time.UnixMilli(s.TimeMS)}
	switch {
	case s.ValueB64 != nil:
		v, err := base64.StdEncoding.DecodeString(*s.ValueB64)
		if err != nil {
			t.Fatal(err)
		}
		rec.Value = v
	case s.Value != nil:
		rec.Value = []byte(*s.Value)
	}
	for k, v := range s.Headers {
		rec.Headers = append(rec.Headers, models.Header{Key: k, Value: []byte(v)})
	}
	return rec
}

func readSamples(t testing.TB, name string) []sample {
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var s sample
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&s); err != nil {
			t.Fatalf("%s: %v: %s", name, err, lines.Text())
		}
		all = append(all, s)
	}
	return all
}

// "Whatever my programs write, I see the same fields": each golden record becomes its logs, read
// field by field and as a whole entry.
func TestGolden(t *testing.T) {
	for _, file := range []string{"formats.jsonl", "more.jsonl", "dialects.jsonl"} {
		for _, s := range readSamples(t, file) {
			t.Run(s.ID, func(t *testing.T) { s.run(t) })
		}
	}
}

func (s *sample) run(t *testing.T) {
	var paths []string
	for _, want := range s.Expect {
		collectPaths(&paths, "", want["fields"])
		collectPaths(&paths, "kubernetes", want["kubernetes"])
	}
	cfg := Config{}
	if s.Format == "otlp_proto" {
		cfg.Format = s.Format
	}
	d, err := New(cfg, NewFields(paths...))
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(Config{}, NewFields(paths...))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	var drops, errors []string
	d.Decode(s.record(t), func(l *Log) {
		if got >= len(s.Expect) {
			t.Errorf("one log too many: %v", l.Entry())
			return
		}
		want := s.Expect[got]
		got++
		checkEntry(t, want, l)
		checkValues(t, want, l, d.fields)
		e := l.Entry()
		back := again.Entry(&e)
		checkValues(t, want, back, d.fields)
		if back.Time() != l.Time() || back.Severity() != l.Severity() ||
			back.Position() != l.Position() {
			t.Errorf("read again from its entry: time %d severity %d, want %d %d", back.Time(),
				back.Severity(), l.Time(), l.Severity())
		}
	}, func(reason Reason, detail string) {
		if reason.Drop() {
			drops = append(drops, string(reason))
		} else {
			errors = append(errors, string(reason))
		}
	})
	if got < len(s.Expect) {
		t.Errorf("%d logs, want %d", got, len(s.Expect))
	}
	if strings.Join(drops, ",") != s.ExpectDrop || strings.Join(errors, ",") != s.ExpectError {
		t.Errorf("dropped %q, refused %q; want %q and %q", drops, errors, s.ExpectDrop,
			s.ExpectError)
	}
}

func collectPaths(paths *[]string, prefix string, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		if prefix != "" {
			*paths = append(*paths, prefix)
		}
		return
	}
	for k, v := range m {
		if strings.HasPrefix(k, "!") || strings.HasPrefix(k, "~") {
			continue
		}
		if prefix != "" {
			k = prefix + "." + k
		}
		collectPaths(paths, k, v)
	}
}

func checkEntry(t *testing.T, want map[string]any, l *Log) {
	t.Helper()
	text, err := json.Marshal(l.Entry())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if diff := missing("", want, got); diff != "" {
		t.Errorf("%s\nin the entry %s", diff, text)
	}
}

// missing says what of want is not in got.
func missing(at string, want, got map[string]any) string {
	for k, w := range want {
		switch {
		case k[0] == '!':
			if g := got[k[1:]]; g != nil && g != "" {
				return fmt.Sprintf("%s%s is %v, want none", at, k[1:], g)
			}
		case k[0] == '~':
			if g, _ := got[k[1:]].(string); !strings.Contains(g, w.(string)) {
				return fmt.Sprintf("%s%s is %q, want %q in it", at, k[1:], g, w)
			}
		default:
			if w, ok := w.(map[string]any); ok {
				g, _ := got[k].(map[string]any)
				if diff := missing(at+k+".", w, g); diff != "" {
					return diff
				}
				continue
			}
			if fmt.Sprintf("%T%v", got[k], got[k]) != fmt.Sprintf("%T%v", w, w) {
				return fmt.Sprintf("%s%s is %v (%T), want %v (%T)", at, k, got[k], got[k], w, w)
			}
		}
	}
	return ""
}

var quickFields = map[string]FieldID{
	"message": FieldMessage, "level": FieldLevel, "service": FieldService,
	"namespace": FieldNamespace, "host": FieldHost, "trace_id": FieldTraceID,
	"span_id": FieldSpanID, "log_source": FieldLogSource, "log_type": FieldLogType,
}

func checkValues(t *testing.T, want map[string]any, l *Log, fields *Fields) {
	t.Helper()
	for k, w := range want {
		bare := strings.TrimLeft(k, "!~")
		id, quick := quickFields[bare]
		switch {
		case bare == "timestamp":
			at, err := time.Parse(time.RFC3339Nano, w.(string))
			if err != nil || l.Time() != at.UnixNano() {
				t.Errorf("time is %v, want %v (%s)", time.Unix(0, l.Time()).UTC(), w,
					l.TimeSource())
			}
		case bare == "timestamp_source":
			if l.TimeSource() != w {
				t.Errorf("time is from %s, want %s", l.TimeSource(), w)
			}
		case bare == "severity":
			if fmt.Sprint(l.Severity()) != fmt.Sprint(w) {
				t.Errorf("severity is %d, want %v", l.Severity(), w)
			}
		case bare == "fields":
			checkPaths(t, "", w, l, fields)
		case bare == "kubernetes":
			checkPaths(t, "kubernetes", w, l, fields)
		case quick && k[0] == '!':
			if v := l.Value(id); len(v.Text) > 0 && string(v.Text) != "UNKNOWN" {
				t.Errorf("%s is %q, want none", bare, v.Text)
			}
		case quick && k[0] == '~':
			if v := l.Value(id); !strings.Contains(string(v.Text), w.(string)) {
				t.Errorf("%s is %q, want %q in it", bare, v.Text, w)
			}
		case quick:
			if v := l.Value(id); string(v.Text) != w {
				t.Errorf("%s is %q, want %q", bare, v.Text, w)
			}
		default:
			t.Errorf("the sample expects %s, which is not checked", k)
		}
	}
}

func checkPaths(t *testing.T, prefix string, want any, l *Log, fields *Fields) {
	t.Helper()
	if m, ok := want.(map[string]any); ok {
		for k, w := range m {
			if k[0] == '!' || k[0] == '~' {
				continue
			}
			if prefix != "" {
				k = prefix + "." + k
			}
			checkPaths(t, k, w, l, fields)
		}
		return
	}
	id, ok := fields.ID(prefix)
	if !ok {
		t.Fatalf("no field %s", prefix)
	}
	expect := fmt.Sprint(want)
	if list, ok := want.([]any); ok {
		text, _ := json.Marshal(list)
		expect = string(text)
	}
	for how, v := range map[string]Value{"Value": l.Value(id), "Lookup": l.Lookup(prefix)} {
		if string(v.Text) != expect {
			// an alias stands for another field; the record's own is asked for as such
			if Canonical(prefix) != prefix {
				v = l.Lookup("fields." + prefix)
				if string(v.Text) == expect {
					continue
				}
			}
			t.Errorf("%s(%s) is %q, want %q", how, prefix, v.Text, expect)
		}
	}
}

// What a decoder has learnt from one log never changes what it reads in another: all samples
// through one decoder, in three orders, are what each is alone.
func TestLearning(t *testing.T) {
	samples := slices.Concat(readSamples(t, "formats.jsonl"), readSamples(t, "more.jsonl"),
		readSamples(t, "dialects.jsonl"))
	fields := NewFields("order", "user.id", "status", "kubernetes.labels.app", "fields.msg")
	read := func(d *Decoder, s *sample) (out string) {
		d.Decode(s.record(t), func(l *Log) {
			for id := range FieldID(fields.Len()) {
				out += fmt.Sprintf("%s=%q %s\n", fields.Path(id), l.Value(id).Text, l.Source(id))
			}
			out += fmt.Sprintln(l.Time(), l.TimeSource(), l.Severity(), l.Format(), l.Position())
		}, func(reason Reason, detail string) { out += fmt.Sprintln(reason, detail) })
		return out
	}
	shared, _ := New(Config{}, fields)
	for _, step := range []int{1, 7, len(samples) - 1} {
		for i := range samples {
			s := &samples[(i*step+i/len(samples))%len(samples)]
			fresh, _ := New(Config{}, fields)
			if got, want := read(shared, s), read(fresh, s); got != want {
				t.Errorf("%s\n%s\nalone it is\n%s", s.ID, got, want)
			}
		}
	}
}
