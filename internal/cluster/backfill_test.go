package cluster

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// backfilled is how a leader gives a new rule its past: it cuts at some steps, and lets the rule go
// live some steps after each, while members write frames. All cuts but the last are in vain: the
// leader is replaced, or does not come to the end.
func backfilled(t *testing.T) func(s *scenario, i int, at time.Time) {
	cut, epoch := int64(-1), int64(0)
	var parts [][]byte
	return func(s *scenario, i int, at time.Time) {
		switch i {
		case 205, 215, 230:
			s.add(at, Cut(1, epoch))
			cut = int64(len(s.records) - 1)
			parts = s.past(t, epoch, cut)
		case 210: // of another rule set, of another epoch, and not all of it
			s.add(at, parts[0])
			s.add(at, Live(1, epoch, 1, cut, len(parts), ""))
			s.add(at, Live(1, epoch+1, 2, cut, len(parts), ""))
			s.add(at, Live(1, epoch, 2, cut, len(parts)+1, ""))
			s.add(at, Cut(1, epoch+1))
		case 220:
			s.add(at, Claim(2))
			old := epoch
			epoch = int64(len(s.records) - 1)
			s.add(at, parts[0])
			s.add(at, Live(1, old, 2, cut, len(parts), ""))
		case 236:
			for _, part := range parts {
				s.add(at, part)
			}
		case 240:
			s.add(at, Live(1, epoch, 2, cut, len(parts), ""))
		}
	}
}

// past is what a leader reads for the rules that wait.
func (s *scenario) past(t *testing.T, epoch, cut int64) [][]byte {
	leader := s.fold(t, nil)
	record, ends := leader.Cut()
	if record != cut {
		t.Fatalf("the cut at %d is open, want %d", record, cut)
	}
	scratch, _ := leader.engine.BackfillEngine()
	var all []models.Record
	for p, end := range ends {
		all = append(all, s.logs[p.Partition][:end]...)
	}
	slices.SortFunc(all, func(a, b models.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	scanner := scratch.NewScanner()
	for i := range all {
		scratch.Apply(scanner.Scan(all[i : i+1]))
		scratch.Advance(all[i].Timestamp, []models.Progress{
			{Topic: "logs", Partition: all[i].Partition, Next: all[i].Offset + 1, Replay: true},
		})
	}
	parts, err := Past(1, epoch, cut, scratch)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// A rule that takes its past goes live at one record in all members, also in those that restart in
// between, and from there on decides as if it had been there from the beginning.
func TestNewRulesGoLiveWithTheirPast(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		s := newScenario(t, seed)
		s.backfill = backfilled(t)
		s.play()
		first := s.fold(t, nil)
		for n := range uint64(4) {
			again := s.fold(t, rand.New(rand.NewPCG(seed, n)))
			if diff := cmp.Diff(first.alerts, again.alerts); diff != "" {
				t.Fatalf("seed %d, restarted (-never):\n%s", seed, diff)
			}
			if diff := cmp.Diff(numbers(first), numbers(again)); diff != "" {
				t.Fatalf("seed %d, numbers of decisions (-never restarted):\n%s", seed, diff)
			}
		}
		always := newScenario(t, seed)
		always.members[1] = always.members[2]
		always.play()
		whole := always.foldWith(t, newRules)
		if diff := cmp.Diff(of("Any", whole.ends), of("Any", first.ends)); diff != "" {
			t.Errorf("seed %d (-there from the beginning +with its past):\n%s", seed, diff)
		}
	}
}

// foldWith is a fold of a topic whose rules are always the same.
func (s *scenario) foldWith(t *testing.T, rules string) *folder {
	for i, r := range s.records {
		switch r.value[1] {
		case kindRules:
			if s.records[i].value = RulesRecord(1, 0, rulesOf(2, rules)); i > 1 {
				s.records[i].value = Tick(1, 0, 1)
			}
		case kindFrame:
			f, err := readFrame(r.value[10:])
			if err != nil {
				t.Fatal(err)
			}
			f.Rules = 2
			s.records[i].value = FrameRecord(1, f)
		}
	}
	return s.fold(t, nil)
}

// of are how the alerts of a rule ended that were active when, or after, it went live.
func of(rule string, ends map[string]string) map[string]string {
	list := maps.Clone(ends)
	maps.DeleteFunc(list, func(_, end string) bool { return !strings.HasPrefix(end, rule+" ") })
	return list
}

// A cut ends when there is too much to keep, or it takes too long.
func TestPastIsBounded(t *testing.T) {
	e := alerting.NewEngine(alerting.WithRules(setOf(t, rulesOf(1, oldRules))))
	parts, err := Past(1, 0, 0, e)
	if err != nil || len(parts) != 1 {
		t.Errorf("an empty state has %d parts: %v", len(parts), err)
	}
	f := newFolder(t, 1)
	apply := func(b []byte) {
		if err := f.Apply(f.Next(), start, b); err != nil {
			t.Fatal(err)
		}
	}
	apply(Claim(1))
	apply(RulesRecord(1, 0, rulesOf(1, oldRules)))
	apply(Cut(1, 0))
	part := parts[0]
	part[2+8+pastHead-1] = 2 // the cut
	f.cut.bytes = 2*pastMost - len(part)
	apply(part)
	if record, _ := f.Cut(); record != 2 || f.MaySave() {
		t.Error("the cut is gone before there is too much")
	}
	apply(part)
	if record, at := f.Cut(); record != -1 || at != nil || !f.MaySave() {
		t.Errorf("the cut at %d is open, with more than is kept", record)
	}
	apply(Cut(1, 0))
	if err := f.Apply(f.Next(), start.Add(cutMost+time.Second), Tick(1, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if !f.MaySave() {
		t.Error("a cut is open for ever")
	}
}
