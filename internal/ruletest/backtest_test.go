package ruletest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// backtestOf runs a backtest over lines of JSON that were written to a file today.
func backtestOf(t *testing.T, f Factory, lines string) *Report {
	t.Helper()
	var rejected []error
	b := Backtest{
		Factory:  f,
		Rules:    []string{"shop/Quiet", "shop/Errors"},
		Rejected: func(err error) { rejected = append(rejected, err) },
	}
	r, err := b.Run(
		context.Background(),
		decode.Read(strings.NewReader(lines), "lines", decode.ReadOptions{
			Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(rejected) != r.Rejected {
		t.Errorf("%d errors, %d rejected", len(rejected), r.Rejected)
	}
	return r
}

// A record of a topic that cannot be read is named by its partition and offset, as tools read it.
func TestBacktestNamesUnreadableRecord(t *testing.T) {
	t.Parallel()
	f := func(partitions []models.Progress, want string) {
		t.Helper()
		var got []string
		b := Backtest{
			Factory:    counting(sound),
			Partitions: partitions,
			Rejected:   func(err error) { got = append(got, err.Error()) },
		}
		record := models.Record{Topic: "logs", Partition: 2, Offset: 7, Value: []byte("\x1f\x8b\x08"),
			Timestamp: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
		_, err := b.Run(context.Background(), func(yield func(decode.Sample, error) bool) {
			yield(decode.Sample{Record: record, Timed: true}, nil)
		})
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("it is %q, %v, want %s", got, err, want)
		}
	}
	f([]models.Progress{{Topic: "logs", Partition: 2, Next: 7, End: 8}},
		"record at offset 7 of logs/2: ")
	f(nil, "record 1: ")
}

// Records that cannot be read to their end give no report: it would be one of a part of them.
func TestBacktestOfUnreadableRest(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(errorLines("shop", time.Unix(0, 0), time.Second, 100)))
	z.Close()
	file := decode.Read(bytes.NewReader(packed.Bytes()[:packed.Len()/2]), "lines",
		decode.ReadOptions{})
	lost := errors.New("no broker")
	topic := func(yield func(decode.Sample, error) bool) {
		record := models.Record{Topic: "logs", Value: []byte("x"), Timestamp: time.Unix(9, 0)}
		_ = yield(decode.Sample{Record: record, Timed: true}, nil) && yield(decode.Sample{}, lost)
	}
	for _, samples := range []iter.Seq2[decode.Sample, error]{file, topic} {
		b := Backtest{Factory: counting(sound), Rejected: func(err error) { t.Error(err) }}
		if r, err := b.Run(context.Background(), samples); err == nil {
			t.Errorf("it is %+v", r)
		}
	}
}

func errorLines(service string, start time.Time, every time.Duration, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"timestamp":%q,"service":%q,"level":"ERROR","message":"boom"}`+"\n",
			start.Add(time.Duration(i)*every).Format(time.RFC3339Nano), service)
	}
	return b.String()
}

var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func TestBacktestShowsAlerts(t *testing.T) {
	lines := errorLines("a", monday, time.Second, 15) + errorLines("b", monday.Add(time.Hour),
		time.Second, 11) + errorLines("a", monday.Add(2*time.Hour), time.Second, 12) + "\n"
	r := backtestOf(t, counting(sound), lines)
	var table bytes.Buffer
	if err := r.Write(&table); err != nil {
		t.Fatal(err)
	}
	want :=
		`38 logs in 39 records (1 unreadable), 2026-01-05T09:00:00Z to 2026-01-05T11:00:11Z (2h11s)

RULE         ALERTS  PER DAY  GROUPS  FIRST                 LAST                  UP FOR  OPEN  SAMPLE
shop/Errors  3       35.9     2       2026-01-05T09:00:10Z  2026-01-05T11:00:10Z  9m45s   1     boom
shop/Quiet   0       0.0      0       -                     -                     0s      0     -
`
	want = strings.Replace(want, "0     -\n", "0     \n", 1)
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var list bytes.Buffer
	if err := WriteJSON(&list, Transitions(r.Alerts)[:2]); err != nil {
		t.Fatal(err)
	}
	want =
		`{"rule":"shop/Errors","labels":{"alertname":"Errors","service":"a"},"state":"firing","at":"2026-01-05T09:00:10Z","value":11,"reason":"11 > 10 in 5m"}
{"rule":"shop/Errors","labels":{"alertname":"Errors","service":"a"},"state":"resolved","at":"2026-01-05T09:05:04Z","value":11,"reason":"10 in 5m"}
`
	if diff := cmp.Diff(want, list.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBacktestEndsWithItsLogs(t *testing.T) {
	for _, transition := range Transitions(backtestOf(t, counting(sound),
		errorLines("a", monday, time.Second, 11)).Alerts) {
		if transition.State == models.AlertResolved {
			t.Errorf("after the last log: %s", transition)
		}
	}
}

func TestInterruptEndsBacktest(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := Backtest{Factory: counting(sound), Rejected: func(error) {}}
	r, err := b.Run(
		ctx,
		decode.Read(
			strings.NewReader(errorLines("a", monday, time.Second, 11)),
			"lines",
			decode.ReadOptions{Time: monday.AddDate(1, 0, 0)},
		),
	)
	if err != nil || !r.Truncated || r.Records != 1 {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestFutureLogDoesNotStretchBacktest(t *testing.T) {
	r := backtestOf(
		t,
		counting(sound),
		errorLines("a", monday, time.Second, 2)+errorLines("a", monday.AddDate(50, 0, 0),
			time.Second, 1),
	)
	if got := r.Span(); got != time.Second {
		t.Errorf("span %s", got)
	}
}

func TestDiffShowsAddedAndRemovedAlerts(t *testing.T) {
	at := func(minute int, state models.AlertState) Transition {
		return Transition{
			Rule:  "r",
			State: state,
			At:    monday.Add(time.Duration(minute) * time.Minute),
		}
	}
	before := []Transition{
		at(1, models.AlertFiring),
		at(2, models.AlertResolved),
		at(3, models.AlertFiring),
	}
	after := []Transition{
		at(1, models.AlertFiring),
		at(1, models.AlertFiring),
		at(4, models.AlertResolved),
		at(3, models.AlertFiring),
	}
	var got []string
	for _, c := range Compare(before, after) {
		got = append(got, c.String())
	}
	want := []string{
		"+ 2026-01-05T09:01:00Z firing   r {}",
		"- 2026-01-05T09:02:00Z resolved r {}",
		"+ 2026-01-05T09:04:00Z resolved r {}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if changes := Compare(before, before); len(changes) > 0 {
		t.Errorf("the same rules differ: %v", changes)
	}
}

func TestBudgets(t *testing.T) {
	f := func(text string, alerts int, within time.Duration, want bool) {
		t.Helper()
		b, err := ParseBudget(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Exceeded(alerts, within); got != want {
			t.Errorf("%d alerts in %s, budget %s: exceeded %v, want %v", alerts, within, b,
				got, want)
		}
	}
	day := 24 * time.Hour
	f("20/d", 20, day, false)
	f("20/d", 21, day, true)
	f("20/d", 20, time.Hour, false) // less than a day counts as a day
	f("20/d", 141, 7*day, true)
	f("140/w", 140, 7*day, false)
	f("0/d", 1, time.Minute, true)
	f("0.5/h", 12, day, false)
	for _, text := range []string{"", "20", "x/d", "20/y", "-1/d", "NaN/d"} {
		if b, err := ParseBudget(text); err == nil {
			t.Errorf("ParseBudget(%q) = %v", text, b)
		}
	}
}

func TestLeadingLinesTakeFirstTime(t *testing.T) {
	r := backtestOf(
		t,
		counting(sound),
		"starting\nsettings: none\n"+errorLines("a", monday, time.Second, 11)+errorLines("a",
			monday.Add(time.Hour), time.Second, 600),
	)
	if !r.From.Equal(monday) || !r.To.Equal(monday.Add(time.Hour+599*time.Second)) {
		t.Errorf("from %s to %s", r.From, r.To)
	}
	if list := Transitions(r.Alerts); len(list) != 3 ||
		!list[0].At.Equal(monday.Add(10*time.Second)) ||
		!list[1].At.Equal(monday.Add(5*time.Minute)) {
		t.Errorf("transitions %v", list)
	}
}

func TestFirstFutureLogDoesNotStretchBacktest(t *testing.T) {
	r := backtestOf(
		t,
		counting(sound),
		errorLines("a", monday.AddDate(50, 0, 0), time.Second, 1)+errorLines("a", monday,
			time.Second, 20),
	)
	if got := r.Span(); got != 19*time.Second {
		t.Errorf("span %s", got)
	}
}

func TestFileMayHoldNewerLogs(t *testing.T) {
	later := monday.AddDate(3, 0, 0)
	r := backtestOf(
		t,
		counting(sound),
		errorLines("a", later, time.Second, 20)+errorLines("a", later.AddDate(40, 0, 0),
			time.Second, 1),
	)
	if !r.From.Equal(later) || r.Span() != 19*time.Second {
		t.Errorf("from %s, %s", r.From, r.Span())
	}
}

func TestCorpusRecordsKeepTimes(t *testing.T) {
	var lines strings.Builder
	for i := range 11 {
		fmt.Fprintf(
			&lines,
			`{"ts_ms":%d,"value":"{\"service\":\"a\",\"level\":\"ERROR\"}"}`+"\n",
			monday.Add(time.Duration(i)*time.Second).UnixMilli(),
		)
	}
	b := Backtest{Factory: counting(sound), Rejected: func(err error) { t.Error(err) }}
	r, err := b.Run(
		context.Background(),
		decode.Read(strings.NewReader(lines.String()), "lines", decode.ReadOptions{
			Time:   monday.AddDate(1, 0, 0),
			Corpus: true,
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if list := Transitions(r.Alerts); len(list) != 1 ||
		!list[0].At.Equal(monday.Add(10*time.Second)) {
		t.Errorf("transitions %v", list)
	}
}

func TestNoResolveWithoutFiring(t *testing.T) {
	at := func(id string, state models.AlertState) models.Alert {
		return models.Alert{ID: id, State: state, At: monday}
	}
	list := Transitions(
		[]models.Alert{
			at("a", models.AlertPending),
			at("a", models.AlertResolved),
			at("b", models.AlertSuppressed),
			at("b", models.AlertResolved),
			at("c", models.AlertFiring),
			at("c", models.AlertResolved),
		},
	)
	if len(list) != 2 || list[0].State != models.AlertFiring ||
		list[1].State != models.AlertResolved {
		t.Errorf("transitions %v", list)
	}
}
