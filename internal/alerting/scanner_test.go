package alerting

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

func read(t testing.TB, text string) *rule.Set {
	t.Helper()
	set, err := rule.Read("test.rules.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const countErrors = `
groups:
- name: shop
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 10
    by: [user]
    limit: 2000000
`

// A log that matches nothing costs no allocation, and neither does a hit of a group that exists.
func TestScanningAllocatesNothing(t *testing.T) {
	e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
	s := e.NewScanner()
	f := func(text string, most float64) {
		t.Helper()
		records := []models.Record{
			{Topic: "logs", Timestamp: time.Unix(1_700_000_000, 0), Value: []byte(text)},
		}
		for range 20 {
			e.Apply(s.Scan(records))
		}
		if got := testing.AllocsPerRun(100, func() { e.Apply(s.Scan(records)) }); got > most {
			t.Errorf("%v allocations for %s", got, text)
		}
	}
	f(`{"timestamp":"2023-11-14T22:13:20Z","level":"INFO","message":"all is well","user":"ann"}`, 0)
}

// A value that is longer than an expression reads within its bound is counted.
func TestLongValueOfRegexpIsCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	e := NewEngine(WithRules(read(t, `
groups:
- name: g
  rules:
  - {alert: Slow, match: 'message:/([abc][xyz][123]){900}/'}
`)), WithEmit(func(models.Alert) {}), WithRegisterer(registry))
	f := func(n int, want float64) {
		t.Helper()
		value := fmt.Sprintf(`{"message":%q}`, strings.Repeat("ax1", n))
		e.Apply(e.NewScanner().Scan([]models.Record{
			{Topic: "logs", Timestamp: time.Unix(1_700_000_000, 0), Value: []byte(value)},
		}))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == "alert_engine_regexp_cut_total" {
				if got := family.GetMetric()[0].GetCounter().GetValue(); got != want {
					t.Errorf("%v values were cut, not %v", got, want)
				}
				return
			}
		}
		t.Error("there is no such metric")
	}
	f(10, 0)
	f(100_000, 1)
	f(100_000, 2)
}

func TestFutureTimeIsReplacedAndCounted(t *testing.T) {
	e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
	now := time.Unix(1_700_000_000, 0)
	f := func(ahead time.Duration, absurd int, at time.Time) {
		t.Helper()
		value := fmt.Sprintf(
			`{"timestamp":%q,"level":"ERROR","user":"ann"}`,
			now.Add(ahead).Format(time.RFC3339),
		)
		sc := e.scanners.newScanner().Scan([]models.Record{{Topic: "logs", Timestamp: now,
			Value: []byte(value)}}).(*scan)
		if sc.futureTimes != absurd || sc.hits[0].time != at.UnixNano() ||
			sc.newest > now.UnixNano() {
			t.Errorf("%s ahead: absurd %d, at %v, newest %v", ahead, sc.futureTimes,
				instant(sc.hits[0].time), instant(sc.newest))
		}
	}
	f(-time.Hour, 0, now.Add(-time.Hour))
	f(time.Minute, 0, now.Add(time.Minute))
	f(61*time.Second, 1, now)
}

func TestUnreadableRecordsAreReported(t *testing.T) {
	e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
	sc := e.NewScanner().
		Scan([]models.Record{
			{Topic: "logs", Value: []byte{0, 0, 0, 0, 7, 1, 2}}, {Topic: "logs", Value: nil},
			{Topic: "logs", Value: []byte("plain")},
		})
	if r := sc.Rejected(); len(r) != 1 || r[0].Record != 0 || sc.Logs() != 1 {
		t.Errorf("rejected %+v, %d logs", r, sc.Logs())
	}
}

func TestHostileTextIsBoundedAndValid(t *testing.T) {
	f := func(in string, most int, want string) {
		t.Helper()
		got := string(appendClean(nil, []byte(in), most))
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	f("abc", 3, "abc")
	f("abcd", 3, "abc…")
	f("aé", 2, "a…")
	f("a\xffb", 9, "a\uFFFDb")
	f(strings.Repeat("é", 5), 4, "éé…")
}

// Groups of a counting rule take 160 bytes each, with their keys.
func TestMemoryOfGroups(t *testing.T) {
	const n = 390_000 // before the tables grow, which is neither their best nor their worst
	e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := e.NewScanner()
	at := time.Unix(1_700_000_000, 0)
	records := make([]models.Record, 500)
	for i := 0; i < n; i += len(records) {
		for j := range records {
			records[j] = models.Record{
				Topic:     "logs",
				Offset:    int64(i + j),
				Timestamp: at,
				Value:     fmt.Appendf(nil, `{"level":"ERROR","user":"user-%08d"}`, i+j),
			}
		}
		e.Apply(s.Scan(records))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if stats := e.Stats(); stats.Groups != n {
		t.Fatalf("%d groups", stats.Groups)
	}
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.1f bytes a group, %d of them its own", each, groupBytes)
	if each > 160 {
		t.Errorf("a group takes %.1f bytes", each)
	}
	runtime.KeepAlive(e)
}

// A log that is read in spite of a fault is counted, by the fault.
func TestFaultsOfLogsAreCounted(t *testing.T) {
	e := NewEngine(WithRules(read(t, countErrors)), WithEmit(func(models.Alert) {}))
	s := e.NewScanner()
	s.Scan([]models.Record{
		{Topic: "logs", Value: []byte(`{"level":"ERROR","user":"ann"}`)},
		{Topic: "logs", Offset: 1, Value: []byte(`{"level":"ERROR","user":"an`)},
	})
	s.Scan([]models.Record{{Topic: "logs", Offset: 2, Value: []byte(`{"level":"ERROR","us`)}})
	for n := range e.scanners.notices {
		want := uint64(0)
		if decode.Notice(n) == decode.NoticeRepaired {
			want = 2
		}
		if got := e.scanners.notices[n].Load(); got != want {
			t.Errorf("%d logs with %s, want %d", got, decode.Notice(n), want)
		}
	}
}
