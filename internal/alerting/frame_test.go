package alerting

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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
	frame := frameOf(e.NewFrameWriter(), e.NewScanner(), frameRecords(0, 9))
	for version, reads := range []bool{false, true, true, false} {
		frame[0] = byte(version)
		err := e.NewFrameReader().Reset(frame)
		want := fmt.Sprintf("it has version %d, and this program reads 1 to 2", version)
		if reads != (err == nil) || !reads && !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v", version, err)
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
	const rules = frameRules + `  - {alert: Tags, when: distinct(tags) > 1, window: 1m}
  - {alert: Muted, match: 'user:u3', window: 1m, suppressed_by: [u1]}
suppressions: [{name: u1, start: 'user:u1', end: 'user:u4', max: 1m}]
`
	direct, through := frameEngine(t, rules, note(&scans)), frameEngine(t, rules, note(&frames))
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

// BenchmarkFrame is what frames cost a hit: to write, to read, and how many bytes.
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
			lz4, err := kgo.DefaultCompressor(kgo.Lz4Compression())
			if err != nil {
				b.Fatal(err)
			}
			small, _ := lz4.Compress(new(bytes.Buffer), w.Bytes())
			b.ReportMetric(float64(w.Len())/float64(w.Hits()), "B/hit")
			b.ReportMetric(float64(len(small))/float64(w.Hits()), "lz4-B/hit")
		})
		frame := frameOf(w, s, records)
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
