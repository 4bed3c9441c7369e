package history

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var began = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

// entry is the i-th transition of a test: alerts of three rules fire and resolve in turns.
func entry(i int) Entry {
	at := began.Add(time.Duration(i) * time.Second)
	state := models.AlertFiring
	if i%2 == 1 {
		state = models.AlertResolved
	}
	return OfAlert(models.Alert{
		ID:          fmt.Sprintf("alert-%d", i/2),
		Rule:        fmt.Sprintf("g/Rule%d", i/2%3),
		State:       state,
		At:          at,
		Reason:      "11 > 10",
		Labels:      map[string]string{"alertname": "Errors", "n": fmt.Sprint(i / 2 % 7)},
		Annotations: map[string]string{"summary": strings.Repeat("text ", 20)},
		Value:       11,
	}, at)
}

func open(t testing.TB, dir string, maxBytes int64) *Log {
	t.Helper()
	l, err := Open(Options{Dir: dir, MaxBytes: maxBytes, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func add(l *Log, from, to int) {
	for i := from; i < to; i++ {
		l.Add(entry(i))
		if i%1000 == 0 {
			l.Flush()
		}
	}
	l.Flush()
}

// The entries of an alert are found in all segments, after a restart too.
func TestEntriesOfAlert(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 100<<20)
	l.opts.MaxBytes = 16 * minSegment // many segments
	l.opts.MaxAge = 100 * 365 * 24 * time.Hour
	add(l, 0, 1000)
	l.Add(Entry{Time: began, Kind: Notified, AlertID: "alert-3", Receiver: "chat"})
	l.Flush()
	if len(l.segments) < 4 {
		t.Errorf("%d segments", len(l.segments))
	}
	check := func(l *Log) {
		t.Helper()
		for _, i := range []int{0, 3, 250, 499} {
			want := 2
			if i == 3 {
				want = 3
			}
			if got := l.Of(fmt.Sprint("alert-", i)); len(got) != want || got[0].State != "firing" {
				t.Errorf("alert %d: %+v", i, got)
			}
		}
		if got := l.Of("nothing"); len(got) != 0 {
			t.Errorf("an alert that never was: %v", got)
		}
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, dir, 100<<20))
}

// Pages together are all entries, each once, newest first; filters choose the right ones.
func TestPages(t *testing.T) {
	l := open(t, t.TempDir(), 16*minSegment)
	l.opts.MaxBytes = 100 << 20
	add(l, 0, 2000)
	for _, c := range []struct {
		q    Query
		want func(i int) bool
	}{
		{Query{}, func(int) bool { return true }},
		{Query{Rule: "g/Rule1"}, func(i int) bool { return i/2%3 == 1 }},
		{Query{States: []models.AlertState{"firing"}}, func(i int) bool { return i%2 == 0 }},
		{Query{AlertID: "alert-77"}, func(i int) bool { return i/2 == 77 }},
		{Query{Labels: map[string]string{"n": "4"}}, func(i int) bool { return i/2%7 == 4 }},
		{Query{Text: "RULE2"}, func(i int) bool { return i/2%3 == 2 }},
		{Query{From: began.Add(500 * time.Second), To: began.Add(600 * time.Second)},
			func(i int) bool {
				return i >= 500 && i < 600
			}},
	} {
		var want, got []time.Time
		for i := 1999; i >= 0; i-- {
			if c.want(i) {
				want = append(want, entry(i).At)
			}
		}
		c.q.Limit = 33
		for {
			p, err := l.Query(context.Background(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Entries {
				got = append(got, e.At)
			}
			if c.q.Before = p.Next; p.Next == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %d entries, want %d", c.q, len(got), len(want))
		}
	}
	if _, err := l.Query(context.Background(), Query{Before: "x"}); err == nil {
		t.Error("a wrong cursor is taken")
	}
}

// Retention removes the oldest segments, by size and by age.
func TestRetention(t *testing.T) {
	l := open(t, t.TempDir(), 32*minSegment)
	l.opts.MaxAge = 100 * 365 * 24 * time.Hour
	add(l, 0, 20_000)
	l.retain(time.Now())
	if n := l.Bytes(); n > 34*minSegment || n < 16*minSegment {
		t.Errorf("%d bytes", n)
	}
	if len(l.Of("alert-0")) != 0 || len(l.Of("alert-9999")) != 2 {
		t.Error("the newest entries were removed, or the oldest kept")
	}
	l.opts.MaxAge = time.Hour
	l.retain(began.Add(24 * time.Hour))
	if len(l.segments) != 1 {
		t.Errorf("%d segments are kept that are too old", len(l.segments)-1)
	}
}

// A flood of one rule takes nothing of the history of another, and what is kept is found as before,
// also after a restart.
func TestHistoryIsShared(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 16*minSegment)
	l.opts.MaxAge = 100 * 365 * 24 * time.Hour
	quiet := func(i int) Entry {
		e := entry(2 * i)
		e.Rule, e.AlertID = "g/Quiet", fmt.Sprint("quiet-", i)
		return e
	}
	for i := range 20 {
		l.Add(quiet(i))
		for j := range 1500 {
			e := entry(i*1500 + j)
			e.Rule = "g/Noisy"
			l.Add(e)
		}
		l.Flush()
		l.retain(time.Now())
	}
	check := func(l *Log) {
		t.Helper()
		if n := l.Bytes(); n > 16*minSegment || n < 12*minSegment {
			t.Errorf("%d bytes, want up to %d", n, 16*minSegment)
		}
		if n := len(l.segments); n > 20 {
			t.Errorf("%d segments", n)
		}
		for i := range 20 {
			if got := l.Of(fmt.Sprint("quiet-", i)); len(got) != 1 {
				t.Errorf("quiet alert %d has %d entries", i, len(got))
			}
		}
		if len(l.Of("alert-0")) != 0 || len(l.Of("alert-14999")) != 2 {
			t.Error("of the rule with most, the newest entries were removed, or the oldest kept")
		}
		var pages []Entry
		q := Query{Limit: 100, Rule: "g/Quiet"}
		for {
			p, err := l.Query(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, p.Entries...)
			if q.Before = p.Next; q.Before == "" {
				break
			}
		}
		if len(pages) != 20 || pages[0].AlertID != "quiet-19" || pages[19].AlertID != "quiet-0" {
			t.Errorf("%d entries by rule", len(pages))
		}
	}
	check(l)
	l.Close()
	check(open(t, dir, 16*minSegment))
}

// A merge that a crash has interrupted leaves no entry twice.
func TestMergeSurvivesCrash(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 100<<20)
	l.opts.MaxBytes, l.opts.MaxAge = 16*minSegment, 100*365*24*time.Hour
	add(l, 0, 1500)
	before, _ := filepath.Glob(filepath.Join(dir, "*"))
	kept := map[string][]byte{}
	for _, name := range before {
		kept[name], _ = os.ReadFile(name)
	}
	closed, _ := l.closed()
	if err := l.rewrite(closed[:2], nil); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for name, text := range kept {
		os.WriteFile(name, text, 0o600)
	}
	l = open(t, dir, 100<<20)
	p, err := l.Query(context.Background(), Query{Limit: maxLimit})
	if err != nil || len(p.Entries) != 1500 {
		t.Errorf("%d entries, want 1500: %v", len(p.Entries), err)
	}
}

// When more is added than the disk takes, the rule with most loses it.
func TestQueueIsShared(t *testing.T) {
	q := newQueue()
	lost := 0
	for i := range 3 * queueLength {
		e := entry(i)
		if e.Rule = "g/Noisy"; i%100 == 0 {
			e.Rule = "g/Quiet"
		}
		if !q.add(&e) {
			lost++
		}
	}
	quiet := 0
	list := q.take()
	for _, e := range list {
		if e.Rule == "g/Quiet" {
			quiet++
		}
	}
	if len(list) != queueLength || lost != 2*queueLength || quiet != 3*queueLength/100 {
		t.Errorf("%d entries, %d of them of the quiet rule, %d lost", len(list), quiet, lost)
	}
}

// A line that was cut short by a crash is dropped; a damaged index is made again.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 16*minSegment)
	l.opts.MaxBytes, l.opts.MaxAge = 100<<20, 100*365*24*time.Hour
	add(l, 0, 1000)
	l.Close()
	names, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	f, err := os.OpenFile(names[len(names)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"time":"2026`)
	f.Close()
	indexes, _ := filepath.Glob(filepath.Join(dir, "*"+indexSuffix))
	for i, name := range indexes {
		text, _ := os.ReadFile(name)
		if text[len(text)/2] ^= 1; i%2 == 0 {
			os.WriteFile(name, text, 0o600)
		} else {
			os.Remove(name)
		}
	}
	l = open(t, dir, 100<<20)
	add(l, 1000, 1002)
	p, err := l.Query(context.Background(), Query{Limit: maxLimit})
	if err != nil || len(p.Entries) != 1002 {
		t.Errorf("%d entries, %v", len(p.Entries), err)
	}
	for i := range 501 {
		if n := len(l.Of(fmt.Sprint("alert-", i))); n != 2 {
			t.Errorf("alert %d has %d entries", i, n)
		}
	}
}

// The statistics of a rule: how often, how long, how many were acknowledged.
func TestStatistics(t *testing.T) {
	l := open(t, t.TempDir(), 100<<20)
	add(l, 0, 602)
	l.Add(Entry{Time: began, Kind: Acknowledged, AlertID: "alert-0", Rule: "g/Rule0", By: "ann"})
	l.Add(Entry{Time: began, Kind: Acknowledged, AlertID: "alert-0", Rule: "g/Rule0", By: "bob"})
	l.Add(Entry{Time: began, Kind: NotNotified, AlertID: "alert-0", Rule: "g/Rule0"})
	l.Add(entry(604)) // Rule2, without an end
	l.Flush()
	list, err := l.Statistics(began, began.Add(time.Hour), "g/Rule0", "g/Rule1", "g/Rule2",
		"g/Never")
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	zero := list[0]
	if zero.Rule != "g/Rule0" || zero.Fired != 101 || zero.Resolved != 101 ||
		zero.Acknowledged != 1 ||
		zero.NotNotified != 1 || zero.Median != time.Second || zero.Longest != time.Second ||
		zero.Short != 101 {
		t.Errorf("%+v", zero)
	}
	for _, r := range list {
		if r.Rule == "g/Rule2" && r.Firing != 1 || r.Rule == "g/Never" && r.Fired != 0 {
			t.Errorf("%+v", r)
		}
	}
	if _, err := l.Statistics(began.Add(-time.Hour), began, "g/Rule0"); err != nil {
		t.Error(err)
	}
}

// The spans of alerts come from the index, over all segments and in order.
func TestEpisodes(t *testing.T) {
	l := open(t, t.TempDir(), 16*minSegment)
	add(l, 0, 602)
	l.Add(entry(604)) // Rule2, without an end
	l.Flush()
	spans, err := l.Episodes(began, began.Add(time.Hour), "g/Rule0", "g/Rule2", "g/Never")
	if err != nil {
		t.Fatal(err)
	}
	zero, two := spans["g/Rule0"], spans["g/Rule2"]
	if len(zero) != 101 || len(two) == 0 || len(spans) != 2 || !two[len(two)-1].To.IsZero() {
		t.Fatal(len(zero), len(two), len(spans), two)
	}
	for i, s := range zero {
		if s.To.Sub(s.From) != time.Second || i > 0 && s.From.Before(zero[i-1].From) {
			t.Fatal(i, s)
		}
	}
	names, err := l.RuleIDs(began, began.Add(time.Hour))
	if err != nil || strings.Join(names, " ") != "g/Rule0 g/Rule1 g/Rule2" {
		t.Error(names, err)
	}
	if names, err := l.RuleIDs(began.Add(-time.Hour), began); err != nil || len(names) != 0 {
		t.Error(names, err)
	}
	if spans, err := l.Episodes(began.Add(-time.Hour), began, "g/Rule0"); err != nil ||
		len(spans) != 0 {
		t.Error(spans, err)
	}
}

// An export has all entries, and no text that a spreadsheet or terminal obeys.
func TestExport(t *testing.T) {
	l := open(t, t.TempDir(), 100<<20)
	add(l, 0, 6000)
	evil := entry(6000)
	evil.Alert.Annotations["summary"] = "=HYPERLINK(\"http://evil\")\x1b[31m"
	evil.Alert.Value = -3
	l.Add(evil)
	l.Flush()
	var b bytes.Buffer
	if err := l.Export(context.Background(), &b, Query{}, CSV); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 6002 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := rows[1][11]; !strings.HasPrefix(got, "'=") || strings.Contains(got, "\x1b") {
		t.Errorf("summary: %q", got)
	}
	if rows[1][8] != "-3" {
		t.Errorf("value: %q", rows[1][8])
	}
	b.Reset()
	if err := l.Export(context.Background(), &b, Query{Rule: "g/Rule1"}, JSON); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 2000 {
		t.Errorf("%d lines", n)
	}
	hidden := entry(6001)
	hidden.Alert.Labels = map[string]string{"user": "a\u202eb\u009b2J\x7f", "x": "\t=1+1"}
	l.Add(hidden)
	l.Flush()
	for _, format := range []string{JSON, CSV} {
		b.Reset()
		if err := l.Export(context.Background(), &b, Query{From: hidden.Time}, format); err != nil {
			t.Fatal(err)
		}
		if text := strings.ReplaceAll(b.String(), "\n", ""); safetext.Visible(text) != text {
			t.Errorf("%s holds hidden characters", format)
		}
	}
	if err := l.Export(context.Background(), &b, Query{}, "xml"); err == nil {
		t.Error("an unknown format is taken")
	}
}

// What a closed history gets is not a crash.
func TestAddAfterClose(t *testing.T) {
	l := open(t, t.TempDir(), 100<<20)
	l.Close()
	l.Add(entry(1))
	l.Flush()
}

// BenchmarkAlertOfMillion is the time to find the entries of one alert among a million transitions.
func BenchmarkAlertOfMillion(b *testing.B) {
	l := open(b, b.TempDir(), 4<<30)
	l.opts.MaxAge = 100 * 365 * 24 * time.Hour
	add(l, 0, 1_000_000)
	b.ReportMetric(float64(l.Bytes())/1e6, "MB")
	for i := 0; b.Loop(); i++ {
		if len(l.Of(fmt.Sprint("alert-", i*7919%500_000))) != 2 {
			b.Fatal("not found")
		}
	}
}

// Pages and metrics read the history while the disk takes its time to keep what was written, and
// while a segment is closed.
func TestReadingDoesNotWaitForDisk(t *testing.T) {
	waits, goOn := make(chan struct{}), make(chan struct{})
	l, err := Open(Options{
		Dir: t.TempDir(), MaxBytes: 16 * minSegment, Logger: slog.New(slog.DiscardHandler),
		Sync: func() error {
			waits <- struct{}{}
			<-goOn
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * minSegment / 300 { // more than a segment
		l.Add(entry(i))
	}
	for range 2 { // to sync, or to close the segment
		<-waits
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Add(entry(0))
			page, err := l.Query(t.Context(), Query{Limit: 10})
			if err != nil || len(page.Entries) != 10 || l.Bytes() == 0 || l.Health() != nil ||
				len(l.Of("alert-0")) == 0 {
				t.Errorf("%+v, %v", page, err)
			}
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for the disk")
		}
		goOn <- struct{}{}
	}
	go func() {
		for range waits {
			goOn <- struct{}{}
		}
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	close(waits)
}
