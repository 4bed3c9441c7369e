package alerting

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const frameRules = `version: 1
groups:
- name: frames
  lateness: 1s
  rules:
  - {alert: Errors, match: 'level>=ERROR', when: count() > 2, window: 1m, by: [service], annotations: {summary: '{{ .Value }}'}, samples: {first: 1, last: 1, fields: [user]}, top: [user]}
  - {alert: Silence, when: count() == 0, window: 5m, by: [service]}
  - {alert: Slow, match: 'ms:*', when: p99(ms) > 100, window: 1m}
  - {alert: Share, when: count(level>=ERROR) / count() > 10%, window: 1m}
`

func frameEngine(tb testing.TB, text string, emit func(models.Alert)) *Engine {
	tb.Helper()
	set, err := rule.Read("frame.rules.yml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	e := NewEngine(WithRules(&rule.Set{}), WithEmit(emit), WithFrames())
	if err := e.SetRules(set); err != nil {
		tb.Fatal(err)
	}
	return e
}

// frameRecords are logs of a partition, from an offset on.
func frameRecords(from, n int) []models.Record {
	records := make([]models.Record, n)
	for i := range records {
		at := time.Unix(1_700_000_000, 0).Add(time.Duration(from+i) * 100 * time.Millisecond).UTC()
		level := "INFO"
		if (from+i)%3 == 0 {
			level = "ERROR"
		}
		records[i] = models.Record{
			Topic:     "logs",
			Offset:    int64(from + i),
			Timestamp: at,
			Value: fmt.Appendf(
				nil,
				`{"timestamp":%q,"level":%q,"service":"s%d","user":"u%d","ms":"%d.5","tags":["a","b"],"message":"m%d"}`,
				at.Format(time.RFC3339Nano),
				level,
				i%3,
				i%5,
				i,
				i,
			),
		}
	}
	return records
}

// randomRecords are logs of 200 hosts, some milliseconds apart.
func randomRecords(n int) []models.Record {
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.Unix(1_700_000_000, 0).UTC()
	records := make([]models.Record, n)
	for i := range records {
		at = at.Add(time.Duration(rng.IntN(20)) * time.Millisecond)
		records[i] = models.Record{
			Topic: "logs", Offset: int64(i), Timestamp: at.Add(5 * time.Millisecond),
			Value: fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"host-%03d",`+
				`"message":"request %x has taken %d ms"}`, at.Format(time.RFC3339Nano),
				rng.IntN(200), rng.Uint64(), rng.IntN(1000)),
		}
	}
	return records
}

func frameOf(w *FrameWriter, s models.Scanner, records []models.Record) []byte {
	w.Reset()
	w.AddScan(Span{
		Partition: models.Partition{Topic: "logs"},
		From:      records[0].Offset,
		To:        records[len(records)-1].Offset + 1,
	}, s.Scan(records))
	return bytes.Clone(w.Bytes())
}

// A reader with rules that a frame does not name leaves its hits out, and one that shows other
// fields of a hit shows none.
func TestFrameOfOtherRules(t *testing.T) {
	scans := frameEngine(t, frameRules, func(models.Alert) {})
	frame := frameOf(scans.NewFrameWriter(), scans.NewScanner(), frameRecords(0, 60))
	var alerts []models.Alert
	other := frameEngine(t, `version: 1
groups:
- name: frames
  lateness: 1s
  rules:
  - {alert: Errors, match: 'level>=ERROR', when: count() > 2, window: 1m, by: [service], annotations: {summary: '{{ .Value }}'}, samples: {first: 1, last: 1, fields: [tags, ms]}, top: [ms]}
`, func(a models.Alert) { alerts = append(alerts, a) })
	r := other.NewFrameReader()
	if err := r.Reset(frame); err != nil {
		t.Fatal(err)
	}
	at, more, err := r.Next()
	if err != nil || !more || at.From != 0 || at.To != 60 {
		t.Fatal(at, more, err)
	}
	scan, err := r.Scan(0)
	if err != nil {
		t.Fatal(err)
	}
	if scan.Logs() != 60 {
		t.Errorf("the scan has %d logs, want 60", scan.Logs())
	}
	other.Apply(scan)
	if len(alerts) == 0 {
		t.Fatal("the rule that both know fires no alert")
	}
	for _, a := range alerts {
		if len(a.Top) > 0 {
			t.Errorf("values of another field are shown: %v", a.Top)
		}
	}
}

// A frame of a version that the program does not know is refused, and says which it reads.
func TestVersionsOfFrames(t *testing.T) {
	e := frameEngine(t, frameRules, func(models.Alert) {})
	for _, version := range []byte{0, FrameVersion + 1} {
		err := e.NewFrameReader().Reset([]byte{version})
		want := fmt.Sprintf("it has version %d, and this program reads 1 to 3", version)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

const manyFrameRules = frameRules + `  - {alert: Tags, when: distinct(tags) > 1, window: 1m}
  - {alert: Muted, match: 'user:u3', window: 1m, suppressed_by: [u1]}
suppressions: [{name: u1, start: 'user:u1', end: 'user:u4', max: 1m}]
`

// A frame that an earlier version has written says the same as one of this version.
func TestEarlierFrameIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/frame-2.txt")
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	e := frameEngine(t, manyFrameRules, func(models.Alert) {})
	now := frameOf(e.NewFrameWriter(), e.NewScanner(), frameRecords(0, 12))
	if earlier[0] != 2 || now[0] != FrameVersion {
		t.Fatalf("versions %d and %d", earlier[0], now[0])
	}
	var scans []string
	for _, frame := range [][]byte{earlier, now} {
		r := e.NewFrameReader()
		if err := r.Reset(frame); err != nil {
			t.Fatal(err)
		}
		at, _, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		scan, err := r.Scan(at.From)
		if err != nil {
			t.Fatal(err)
		}
		sc := scan.(*scanned)
		said := fmt.Sprintf("%+v %d %v %v\n", at, sc.logs, sc.sampled, sc.recent)
		for _, h := range sc.hits {
			said += fmt.Sprintf("%s %q %d %d %d %d %d %d", h.rule.id, sc.bytes(h.key), h.time,
				h.offset, h.index, h.reached, h.line, h.bits)
			for _, v := range sc.values[h.values.from:h.shown.to] {
				said += fmt.Sprintf(" %d %q %v %d", v.kind, sc.bytes(v.span), v.num, v.to-v.from)
			}
			said += "\n"
		}
		for _, l := range sc.lines {
			said += fmt.Sprintf("%d %d %q\n", l.time, l.offset, sc.bytes(l.message))
		}
		scans = append(scans, said)
	}
	if diff := cmp.Diff(scans[0], scans[1]); diff != "" || strings.Count(scans[0], "\n") < 40 {
		t.Errorf("(-earlier +now)\n%s", diff)
	}
}

// Texts and numbers of all sizes are read back.
func TestTextsOfFrames(t *testing.T) {
	e := frameEngine(t, frameRules, func(models.Alert) {})
	w, r := e.NewFrameWriter(), e.NewFrameReader()
	var texts []string
	for n := range 40 {
		for _, one := range []string{"a", "ab", "b"} {
			texts = append(texts, strings.Repeat(one, n+1), strings.Repeat("x", n)+one)
		}
	}
	var numbers []uint32
	for _, text := range texts {
		numbers = append(numbers, w.text([]byte(text)))
	}
	if err := r.Reset(w.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i, n := range numbers {
		if is := string(r.texts[n-1]); is != texts[i] {
			t.Errorf("text %q is read as %q", texts[i], is)
		}
	}
	for _, n := range []uint64{0, 239, 240, 241, 255, 495, 496, 4079, 4080, 4081, 1 << 40} {
		in := newReader(appendShort(nil, n))
		if is := in.short(); is != n || len(in.B) > 0 || in.Err != nil {
			t.Errorf("%d is read as %d, %d bytes are left: %v", n, is, len(in.B), in.Err)
		}
	}
}

// What a frame says of a scan is what the scan says, but for lines in the middle of it.
func TestFramesAreScans(t *testing.T) {
	scans, frames := []string(nil), []string(nil)
	note := func(list *[]string) func(models.Alert) {
		return func(a models.Alert) {
			a.Last = nil
			*list = append(*list, fmt.Sprintf("%+v", a))
		}
	}
	direct := frameEngine(t, manyFrameRules, note(&scans))
	through := frameEngine(t, manyFrameRules, note(&frames))
	s, w, r := direct.NewScanner(), through.NewFrameWriter(), through.NewFrameReader()
	other := through.NewScanner()
	for from := 0; from < 900; from += 60 {
		records := frameRecords(from, 60)
		if from%120 == 0 { // times that are no whole milliseconds
			for i := range records {
				records[i].Timestamp = records[i].Timestamp.Add(time.Duration(i))
			}
		}
		direct.Apply(s.Scan(records))
		if err := r.Reset(frameOf(w, other, records)); err != nil {
			t.Fatal(err)
		}
		at, more, err := r.Next()
		if err != nil || !more || at.From != int64(from) || at.To != int64(from+60) {
			t.Fatal(at, more, err)
		}
		scan, err := r.Scan(at.From)
		if err != nil {
			t.Fatal(err)
		}
		through.Apply(scan)
		if _, more, err := r.Next(); more || err != nil {
			t.Fatal(more, err)
		}
		now := records[59].Timestamp
		progress := []models.Progress{{Topic: "logs", Next: int64(from + 60), CaughtUp: true}}
		direct.Advance(now, progress)
		through.Advance(now, progress)
	}
	if diff := cmp.Diff(scans, frames); diff != "" || len(scans) < 5 {
		t.Errorf("%d transitions (-of scans +of frames)\n%s", len(scans), diff)
	}
	if diff := cmp.Diff(direct.Stats(), through.Stats()); diff != "" {
		t.Errorf("(-of scans +of frames)\n%s", diff)
	}
	if diff := cmp.Diff(direct.Watermarks(), through.Watermarks()); diff != "" {
		t.Errorf("(-of scans +of frames)\n%s", diff)
	}
}

// throughFrame scans records, and reads what was found from a frame.
func throughFrame(t *testing.T, e *Engine, records []models.Record) models.Scan {
	t.Helper()
	r := e.NewFrameReader()
	if err := r.Reset(frameOf(e.NewFrameWriter(), e.NewScanner(), records)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	scan, err := r.Scan(0)
	if err != nil {
		t.Fatal(err)
	}
	return scan
}

// The time of a match is the same to the nanosecond when it is read from a frame, though those of
// other logs are whole milliseconds.
func TestFramesKeepNanoseconds(t *testing.T) {
	records := frameRecords(0, 3*recentLogs)
	one := &records[3] // it is not measured, and neither among the first nor the last
	one.Value = bytes.Replace(one.Value, []byte(".3Z"), []byte(".300000001Z"), 1)
	one.Value = bytes.Replace(one.Value, []byte("ERROR"), []byte("FATAL"), 1)
	e := frameEngine(t, "groups: [{name: g, rules: [{alert: A, match: level>=FATAL}]}]",
		func(models.Alert) {})
	hits := throughFrame(t, e, records).(*scanned).hits
	if want := int64(1_700_000_000_300_000_001); len(hits) != 1 || hits[0].time != want {
		t.Errorf("got %+v, want one at %d", hits, want)
	}
}

// The delays of logs are the same when they are read from a frame.
func TestFramesKeepDelays(t *testing.T) {
	records := frameRecords(0, 60)
	for i := range records {
		records[i].Timestamp = records[i].Timestamp.Add(3 * time.Second)
	}
	direct := frameEngine(t, frameRules, func(models.Alert) {})
	through := frameEngine(t, frameRules, func(models.Alert) {})
	direct.Apply(direct.NewScanner().Scan(records))
	through.Apply(throughFrame(t, through, records))
	want, got := direct.Watermarks()[0].Delays, through.Watermarks()[0].Delays
	if got != want || got.Count() != 8 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Bytes that others have written can neither crash a reader nor have it take memory without bound.
func FuzzFrame(f *testing.F) {
	e := frameEngine(f, frameRules, func(models.Alert) {})
	w, s := e.NewFrameWriter(), e.NewScanner()
	f.Add(frameOf(w, s, frameRecords(0, 20)))
	f.Add(frameOf(w, s, frameRecords(7, 1)))
	w.Add(Span{Partition: models.Partition{Topic: "logs"}, From: 5, To: 9})
	f.Add(bytes.Clone(w.Bytes()))
	f.Add([]byte{FrameVersion, 0, 0, 3, 0, 0, 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		e := frameEngine(t, frameRules, func(models.Alert) {})
		r := e.NewFrameReader()
		if r.Reset(frame) != nil {
			return
		}
		for {
			at, more, err := r.Next()
			if err != nil || !more {
				return
			}
			scan, err := r.Scan(at.From)
			if err != nil {
				return
			}
			if sc := scan.(*scanned); len(sc.text) > maxFrameText {
				t.Errorf("a frame of %d bytes takes %d", len(frame), len(sc.text))
			}
			e.Apply(scan)
		}
	})
}

// BenchmarkFrame is what frames cost a hit: to write, to compress, to read, and how many bytes.
func BenchmarkFrame(b *testing.B) {
	for name, text := range map[string]string{
		"silence by service, no lines": `version: 1
groups: [{name: g, rules: [{alert: A, when: count() == 0, window: 5m, by: [service], samples: {first: 0, last: 0}}]}]`,
		"silence by service, lines": `version: 1
groups: [{name: g, rules: [{alert: A, when: count() == 0, window: 5m, by: [service]}]}]`,
	} {
		e := frameEngine(b, text, func(models.Alert) {})
		w, s := e.NewFrameWriter(), e.NewScanner()
		records := randomRecords(512)
		lz4, err := kgo.DefaultCompressor(kgo.Lz4Compression())
		if err != nil {
			b.Fatal(err)
		}
		b.Run("write "+name, func(b *testing.B) {
			hits := 0
			for b.Loop() {
				b.StopTimer()
				scan := s.Scan(records)
				w.Reset()
				b.StartTimer()
				w.AddScan(Span{From: 0, To: 512}, scan)
				hits += w.Hits()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(hits), "ns/hit")
			small, _ := lz4.Compress(new(bytes.Buffer), w.Bytes())
			b.ReportMetric(float64(w.Len())/float64(w.Hits()), "B/hit")
			b.ReportMetric(float64(len(small))/float64(w.Hits()), "lz4-B/hit")
		})
		frame := frameOf(w, s, records)
		b.Run("compress "+name, func(b *testing.B) {
			hits, to := 0, new(bytes.Buffer)
			for b.Loop() {
				to.Reset()
				lz4.Compress(to, frame)
				hits += len(records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(hits), "ns/hit")
		})
		b.Run("read "+name, func(b *testing.B) {
			hits := 0
			r := e.NewFrameReader()
			for b.Loop() {
				if err := r.Reset(frame); err != nil {
					b.Fatal(err)
				}
				_, _, _ = r.Next()
				scan, err := r.Scan(0)
				if err != nil {
					b.Fatal(err)
				}
				hits += len(scan.(*scanned).hits)
				e.scanners.release(scan.(*scanned))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(hits), "ns/hit")
		})
	}
}

type scanned = scan // where a variable has its name
