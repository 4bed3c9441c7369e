package alerting_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

var monday = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// story is logs of some hours, of some services, in two partitions, as a random generator tells it.
func story(seed uint64, n int) []models.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	says := []string{"now", "lasting", "kept", "after", "hours", "quiet", "joined"}
	at := monday.Add(-time.Duration(rng.IntN(120)) * time.Minute)
	var records []models.Record
	next := map[int32]int64{}
	for range n {
		at = at.Add(time.Duration(rng.Int64N(int64(40 * time.Second))))
		if rng.IntN(20) == 0 {
			at = at.Add(time.Duration(rng.Int64N(int64(20 * time.Minute))))
		}
		value := fmt.Sprintf(
			`{"timestamp":%q,"service":"s%d","say":%q,"actor":"u%d","message":"m"}`,
			at.Format(time.RFC3339Nano), rng.IntN(3), says[rng.IntN(len(says))], rng.IntN(2))
		switch rng.IntN(40) {
		case 0:
			value = fmt.Sprintf(`{"timestamp":%q,"service":"s%d","event":"deploy_start"}`,
				at.Format(time.RFC3339Nano), rng.IntN(3))
		case 1:
			value = fmt.Sprintf(`{"timestamp":%q,"service":"s%d","event":"deploy_end"}`,
				at.Format(time.RFC3339Nano), rng.IntN(3))
		}
		p := int32(rng.IntN(2))
		records = append(
			records,
			models.Record{
				Topic:     "logs",
				Partition: p,
				Offset:    next[p],
				Timestamp: at,
				Value:     []byte(value),
			},
		)
		next[p]++
	}
	return records
}

// play is one way for an engine to go through a story.
type play struct {
	engine *alerting.Engine
	alerts []models.Alert
	next   map[int32]int64
	state  map[string][]byte
	opts   []alerting.Option
}

func newPlay(set *rule.Set, opts ...alerting.Option) *play {
	p := &play{next: map[int32]int64{0: 0, 1: 0}, state: map[string][]byte{}, opts: opts}
	p.start(set)
	return p
}

func (p *play) start(set *rule.Set) {
	opts := []alerting.Option{
		alerting.WithRules(set),
		alerting.WithEmit(func(a models.Alert) { p.alerts = append(p.alerts, a) }),
		alerting.WithMaxAlertAge(1000 * time.Hour),
	}
	p.engine = alerting.NewEngine(append(opts, p.opts...)...)
}

func (p *play) progress(caughtUp bool) (list []models.Progress) {
	for _, n := range []int32{0, 1} {
		list = append(
			list,
			models.Progress{
				Topic:     "logs",
				Partition: n,
				Next:      p.next[n],
				End:       p.next[n],
				CaughtUp:  caughtUp,
			},
		)
	}
	return list
}

// apply evaluates records of one partition.
func (p *play) apply(records []models.Record) {
	if len(records) == 0 {
		return
	}
	p.engine.Apply(p.engine.NewScanner().Scan(records))
	last := records[len(records)-1]
	p.next[last.Partition] = last.Offset + 1
	p.checkCounts()
}

// checkCounts holds the numbers of alerts, which are kept, against the list.
func (p *play) checkCounts() {
	counted := map[models.AlertState]int{}
	for _, a := range p.engine.Alerts() {
		counted[a.State]++
	}
	s := p.engine.Stats()
	if s.Firing != counted[models.AlertFiring] || s.Pending != counted[models.AlertPending] ||
		s.Suppressed != counted[models.AlertSuppressed] {
		panic(fmt.Sprintf("%d firing, %d pending and %d suppressed are counted, and listed %v",
			s.Firing, s.Pending, s.Suppressed, counted))
	}
}

// live lives through a story as it happens, with a restart after every so many records; 0 for none.
func (p *play) live(set *rule.Set, records []models.Record, restart int) {
	p.goOn(set, records, restart)
	p.engine.Advance(records[len(records)-1].Timestamp.Add(3*time.Hour), p.progress(true))
}

// goOn lives through a part of a story.
func (p *play) goOn(set *rule.Set, records []models.Record, restart int) {
	if len(records) > 0 {
		p.engine.Advance(records[0].Timestamp, p.progress(true))
	}
	for i, r := range records {
		p.apply(records[i : i+1])
		p.engine.Advance(r.Timestamp, p.progress(true))
		p.checkCounts()
		if restart > 0 && i%restart == 0 {
			p.crash(set, i == 0)
		}
	}
}

func (p *play) crash(set *rule.Set, full bool) {
	p.engine.Save(
		full,
		func(key, value []byte) { p.state[string(key)] = bytes.Clone(value) },
		func(key []byte) { delete(p.state, string(key)) },
	)
	p.start(set)
	err := p.engine.Restore(func(each func(key, value []byte) error) error {
		for key, value := range p.state {
			if err := each([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	p.checkCounts()
}

// backlog reads a story at full speed, partition by partition, in chunks, and tells the time when
// all is read, or after every so many chunks.
func (p *play) backlog(records []models.Record, chunk, advance int) {
	p.read(records, chunk, advance)
	p.engine.Advance(records[len(records)-1].Timestamp.Add(3*time.Hour), p.progress(true))
}

// read reads a part of a story at full speed.
func (p *play) read(records []models.Record, chunk, advance int) {
	chunks := 0
	byPartition := map[int32][]models.Record{}
	for _, r := range records {
		byPartition[r.Partition] = append(byPartition[r.Partition], r)
	}
	p.engine.Advance(records[0].Timestamp, p.progress(false))
	end := records[len(records)-1].Timestamp
	for len(byPartition[0])+len(byPartition[1]) > 0 {
		for _, n := range []int32{0, 1} {
			some := byPartition[n][:min(chunk, len(byPartition[n]))]
			byPartition[n] = byPartition[n][len(some):]
			p.apply(some)
			if chunks++; advance > 0 && chunks%advance == 0 {
				p.engine.Advance(end, p.progress(false))
			}
		}
	}
}

// outcomes are the episodes that receivers are notified of, by identity.
func outcomes(alerts []models.Alert) []string {
	started, resolved := map[string]models.Alert{}, map[string]time.Time{}
	for _, a := range alerts {
		switch a.State {
		case models.AlertFiring:
			started[a.ID] = a
		case models.AlertResolved:
			if _, ok := started[a.ID]; ok {
				started[a.ID], resolved[a.ID] = a, a.At
			}
		}
	}
	var list []string
	for id, a := range started {
		end := "stays up"
		if at, ok := resolved[id]; ok {
			end = fmt.Sprint(at.Format(time.RFC3339Nano), " after ", a.Count, " logs")
		}
		list = append(
			list,
			fmt.Sprint(a.Rule, labelsText(a.Labels), " #", a.Episode, " ", id[:6], " from ",
				a.StartsAt.Format(time.RFC3339Nano), " until ", end),
		)
	}
	slices.Sort(list)
	return list
}

func labelsText(labels map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+labels[k])
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// The same logs give the same alerts with the same identities, however they are read: as they are
// written, out of order, with restarts, or at full speed.
func TestHowLogsAreReadChangesNothing(t *testing.T) {
	if testing.Short() { // for the race detector; this has one goroutine
		t.Skip()
	}
	set, err := rule.Load("testdata/lifecycle.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/lifecycle.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	auto := readRules(t, strings.Replace(string(text), "groups:", "lateness: auto\ngroups:", 1))
	for seed := range seeds(3) {
		set := set
		if seed == 1 { // whose lateness follows the delays
			set = auto
		}
		records := story(seed, 250)
		first := newPlay(set)
		first.live(set, records, 0)
		want := outcomes(first.alerts)
		if seed == 0 && len(want) < 15 {
			t.Fatalf("a story with %d alerts tells little", len(want))
		}
		ways := map[string]func(p *play){
			"with a restart after each log": func(p *play) { p.live(set, records, 1) },
			"with some restarts":            func(p *play) { p.live(set, records, 37) },
			"at once":                       func(p *play) { p.backlog(records, len(records), 0) },
			"in chunks":                     func(p *play) { p.backlog(records, 7, 1) },
			"in chunks, time set rarely":    func(p *play) { p.backlog(records, 5, 9) },
		}
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			p := newPlay(set)
			ways[way](p)
			if diff := cmp.Diff(want, outcomes(p.alerts)); diff != "" {
				t.Fatalf("seed %d, %s (-as it happened +so):\n%s", seed, way, diff)
			}
		}
	}
}

// _ engine that counts by arrival would fail here.
var _ ruletest.Engine = (*alerting.Engine)(nil)

// seeds is how many random stories a law is shown with: n, or one when tests are to be short.
func seeds(n uint64) uint64 {
	if testing.Short() {
		return 1
	}
	return n
}
