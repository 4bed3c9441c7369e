package alerting_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const autoRules = `version: 1
lateness: auto
groups:
- name: g
  rules:
  - {alert: Share, match: 'say:*', when: count(say:error) / count() > 50%, window: 20s}
`

// delayed puts logs whose delays are measured.
func (w *world) delayed(n int, at, delay time.Duration) {
	for range n {
		w.next = (w.next + 7) / 8 * 8
		w.put(monday.Add(at-delay), monday.Add(at), `"level":"INFO"`)
	}
}

// A lateness that follows the delays begins with 10 s, changes where the time enters another
// minute, stays within bounds, and takes back nothing that was decided; a restart keeps it.
func TestLatenessFollowsDelays(t *testing.T) {
	rules := strings.Replace(errorRules, "- alert", "- lateness: auto\n    alert", 1)
	w, set := newWorld(t, rules), readRules(t, rules)
	status := func() string {
		s := w.engine.Rules()[0]
		return fmt.Sprintf("%s, decided to %s", s.Lateness, s.Watermark.Sub(monday))
	}
	want := func(want string) {
		t.Helper()
		if got := status(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w.time(0)
	w.delayed(50, 10*time.Second, 300*time.Millisecond)
	w.time(90 * time.Second)
	want("10s, decided to 1m20s") // too few were measured
	w.delayed(60, 90*time.Second, 300*time.Millisecond)
	w.time(100 * time.Second)
	want("10s, decided to 1m30s")
	w.time(125 * time.Second)
	want("1s, decided to 2m4s")
	w.delayed(5, 130*time.Second, 40*time.Second)
	w.time(170 * time.Second)
	want("1s, decided to 2m49s")
	w.time(181 * time.Second)
	want("1m0s, decided to 2m49s")
	w.put(
		monday.Add(172*time.Second), monday.Add(185*time.Second),
		`"level":"ERROR","service":"a"`,
	)
	w.time(200 * time.Second)
	if n := w.engine.Stats().Late; n != 0 {
		t.Errorf("%d logs are late", n)
	}
	w.put(monday.Add(160*time.Second), monday.Add(200*time.Second), `"level":"ERROR"`)
	if l := w.engine.Late()[0]; l.Behind != 40*time.Second || l.Allowed != 31*time.Second {
		t.Errorf("%s late, %s allowed", l.Behind, l.Allowed)
	}
	w.save(true)
	w.start(set)
	w.restore()
	w.time(235 * time.Second)
	want("1m0s, decided to 2m55s")
	w.delayed(200, 235*time.Second, 2*time.Hour)
	w.time(600 * time.Second)
	want("5m0s, decided to 5m0s")
}

// A rule that reads its past waits for logs as long as the rules that were there before.
func TestBackfilledRuleKeepsLateness(t *testing.T) {
	w := newWorld(t, strings.Replace(autoRules, "Share", "Other", 1), alerting.WithBackfill())
	w.engine.SkipBackfill(nil, "")
	past := &world{t: t}
	write := func(to *world, from int) {
		to.time(time.Duration(from) * time.Minute)
		for i := from; i < 5; i++ {
			to.delayed(60, time.Duration(i)*time.Minute, 40*time.Second)
			to.time(time.Duration(i) * time.Minute)
		}
	}
	write(w, 0)
	if err := w.engine.SetRules(readRules(t, autoRules)); err != nil {
		t.Fatal(err)
	}
	past.engine, _ = w.engine.BackfillEngine()
	write(past, 4)
	w.engine.FinishBackfill(past.engine, "")
	w.put(monday.Add(200*time.Second), monday.Add(240*time.Second), `"say":"error"`)
	w.time(10 * time.Minute)
	if n := w.engine.Stats().Late; n != 0 {
		t.Errorf("%d logs are late", n)
	}
	w.notified("3m20s g/Share firing", "3m40s g/Share resolved")
}

// A partition whose broker was away keeps the lateness that was learned.
func TestPartitionComesBackWithItsLateness(t *testing.T) {
	w := newWorld(t, autoRules)
	for i := range 5 {
		w.delayed(60, time.Duration(i)*time.Minute, 40*time.Second)
		w.time(time.Duration(i) * time.Minute)
	}
	other := []models.Progress{{Topic: "logs", Partition: 9, CaughtUp: true}}
	for i := range 10 {
		w.engine.Advance(monday.Add(time.Duration(4+i)*time.Minute), other)
	}
	if n := len(w.engine.Watermarks()); n != 1 {
		t.Errorf("%d partitions hold time back", n)
	}
	w.time(14 * time.Minute)
	if s := w.engine.Rules()[0]; s.Lateness != time.Minute {
		t.Errorf("lateness %s", s.Lateness)
	}
	w.engine.Advance(monday.Add(15*time.Minute), other)
	w.engine.Advance(monday.Add(40*time.Hour), other)
	w.time(40 * time.Hour)
	if s := w.engine.Rules()[0]; s.Lateness != 10*time.Second {
		t.Errorf("lateness %s after a day", s.Lateness)
	}
}

// The delays, the lateness and the decisions are the same however the records are polled, as long
// as no log is later than the lateness.
func TestLatenessDependsOnLogsAlone(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	set := readRules(t, autoRules+`
  - {alert: Many, match: 'say:error', when: count() > 20, window: 30s}
  - {alert: Silent, match: 'say:*', when: count() == 0, window: 15s}
`)
	for _, most := range []time.Duration{800 * time.Millisecond, 4 * time.Second, 9 * time.Second} {
		rng := rand.New(rand.NewPCG(uint64(most), 1))
		var records []models.Record
		at := time.Duration(0)
		for range 4000 {
			at += time.Duration(rng.IntN(100)) * time.Millisecond
			if rng.IntN(300) == 0 {
				at += 30 * time.Second
			}
			records = append(records, models.Record{
				Topic: "logs", Timestamp: monday.Add(at),
				Value: fmt.Appendf(nil, `{"timestamp":%q,"say":%q}`,
					monday.Add(at-time.Duration(rng.Int64N(int64(most)))).Format(time.RFC3339Nano),
					[]string{"fine", "error"}[rng.IntN(2)]),
			})
		}
		var first []string
		for _, chunk := range []int{1, 7, 100, 512, 4000} {
			w := &world{t: t}
			w.start(set, alerting.WithMaxAlertAge(1000*time.Hour))
			for part := range slices.Chunk(records, chunk) {
				for i := range part {
					part[i].Offset = w.next
					w.next++
				}
				w.engine.Apply(w.engine.NewScanner().Scan(part))
				w.engine.Advance(monday.Add(time.Hour), []models.Progress{
					{Topic: "logs", Next: w.next, End: 5000},
				})
			}
			w.engine.Advance(monday.Add(2*time.Hour), []models.Progress{
				{Topic: "logs", Next: w.next, End: w.next, CaughtUp: true},
			})
			p := w.engine.Watermarks()[0]
			got := append(outcomes(w.alerts), fmt.Sprint(p.Delays, p.Late))
			if first == nil {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" || len(got) < 10 {
				t.Errorf(
					"delays up to %s, %d records a poll (-one by one +so)\n%s",
					most,
					chunk,
					diff,
				)
			}
		}
	}
}
