package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	oldRules = `version: 1
groups:
- name: g
  lateness: 1s
  rules:
  - {alert: Errors, match: 'level>=ERROR', when: count() > 2, window: 1m, by: [service]}
  - {alert: Silence, when: count() == 0, window: 3m, by: [service]}
`
	newRules = oldRules + `  - {alert: Any, when: count() > 4, window: 1m, by: [service]}
`
)

var start = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// folder is a member that folds.
type folder struct {
	*Fold
	engine *alerting.Engine
	alerts []string
	saved  int               // how many of them there were when the state was saved
	ends   map[string]string // how each alert ended, by its ID
	state  map[string][]byte
}

func newFolder(tb testing.TB, self Author) *folder {
	f := &folder{state: map[string][]byte{}, ends: map[string]string{}}
	f.engine = alerting.NewEngine(
		alerting.WithRules(&rule.Set{}),
		alerting.WithFrames(),
		alerting.WithBackfill(),
		alerting.WithMaxAlertAge(1000*time.Hour),
		alerting.WithEmit(func(a models.Alert) {
			f.Decided(a)
			f.ends[a.ID] = fmt.Sprint(a.Rule, " ", a.Labels["service"], " ", a.State, " from ",
				a.StartsAt.UnixNano(), " to ", a.EndsAt.UnixNano())
			f.alerts = append(f.alerts, fmt.Sprint(a.Rule, " ", a.Labels["service"], " ", a.State,
				" ", a.At.UnixNano(), " ", a.Count, " ", a.ID))
		}),
	)
	f.Fold = NewFold(FoldOptions{
		Self: self, Engine: f.engine, Silence: func([]byte) (string, time.Time) { return "", time.Time{} },
		SetRules: func(r Rules) error { return f.engine.SetRules(setOf(tb, r)) },
	})
	return f
}

func setOf(tb testing.TB, r Rules) *rule.Set {
	tb.Helper()
	set, err := rule.Read(r.Files[0].Name, []byte(r.Files[0].Text))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func rulesOf(hash uint64, text string) Rules {
	return Rules{Hash: hash, Files: []File{{Name: "t.rules.yml", Text: text}}}
}

// restart saves the member, drops it, and restores it. While it may not save, it continues where it
// was saved last.
func (f *folder) restart(tb testing.TB, full bool) *folder {
	if !f.MaySave() {
		next := newFolder(tb, f.o.Self)
		next.state, next.alerts, next.ends = f.state, f.alerts[:f.saved], f.ends
		next.saved = f.saved
		return next.load(tb)
	}
	put := func(key, value []byte) { f.state[string(key)] = bytes.Clone(value) }
	del := func(key []byte) { delete(f.state, string(key)) }
	f.engine.Save(full, put, del)
	f.Save(full, put, del)
	next := newFolder(tb, f.o.Self)
	next.state, next.alerts, next.ends, next.saved = f.state, f.alerts, f.ends, len(f.alerts)
	return next.load(tb)
}

// load restores a new member from its state.
func (next *folder) load(tb testing.TB) *folder {
	tb.Helper()
	for key, value := range next.state {
		if IsSaved([]byte(key)) {
			if err := next.Fold.Restore([]byte(key), value); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if r := next.Rules(); r.Hash != 0 {
		if err := next.engine.SetRules(setOf(tb, r)); err != nil {
			tb.Fatal(err)
		}
	}
	err := next.engine.Restore(func(each func(key, value []byte) error) error {
		for key, value := range next.state {
			if IsSaved([]byte(key)) {
				continue
			}
			if err := each([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	next.Restored()
	return next
}

// topicRecord is a record of the frames topic.
type topicRecord struct {
	at    time.Time
	value []byte
}

// scenario is the frames topic of a cluster: three members scan four partitions without regard for
// each other, some with the old rules although the new ones are in force.
type scenario struct {
	rng      *rand.Rand
	logs     map[int32][]models.Record
	members  map[uint64]member // by the hash of their rules
	records  []topicRecord
	careless bool // frames say that they were scanned with the rules in force
	// with what new rules begin; without their past if nil
	backfill func(s *scenario, i int, at time.Time)
	inForce  uint64
}

type member struct {
	scanner models.Scanner
	writer  *alerting.FrameWriter
}

func newScenario(tb testing.TB, seed uint64) *scenario {
	s := &scenario{
		rng: rand.New(rand.NewPCG(seed, 3)), logs: map[int32][]models.Record{},
		members: map[uint64]member{},
	}
	for hash, text := range map[uint64]string{1: oldRules, 2: newRules} {
		e := alerting.NewEngine(alerting.WithRules(setOf(tb, rulesOf(hash, text))))
		s.members[hash] = member{e.NewScanner(), e.NewFrameWriter()}
	}
	return s
}

func (s *scenario) add(at time.Time, value []byte) {
	s.records = append(s.records, topicRecord{at, value})
}

func (s *scenario) log(at time.Time) int32 {
	p := int32(s.rng.IntN(4))
	level := []string{"INFO", "ERROR"}[s.rng.IntN(2)]
	s.logs[p] = append(s.logs[p], models.Record{
		Topic: "logs", Partition: p, Offset: int64(len(s.logs[p])), Timestamp: at,
		Value: fmt.Appendf(nil, `{"timestamp":%q,"level":%q,"service":"s%d","message":"m"}`,
			at.Format(time.RFC3339Nano), level, s.rng.IntN(2)),
	})
	return p
}

// frame has a member with some rules scan a partition from an offset to its end, and say that it
// was there.
func (s *scenario) frame(at time.Time, rules uint64, p int32, from int64) {
	list := s.logs[p]
	m := s.members[rules]
	f := Frame{Rules: rules, At: at, Topics: []Topic{{Name: "logs", Partitions: 4}}}
	if s.careless {
		f.Rules = s.inForce
	}
	m.writer.Reset()
	if from < int64(len(list)) {
		m.writer.AddScan(alerting.Span{
			Partition: models.Partition{Topic: "logs", Partition: p}, From: from,
			To: int64(len(list)),
		}, m.scanner.Scan(list[from:]))
		f.Spans = m.writer.Bytes()
	}
	f.Marks = []Mark{{
		Partition: models.Partition{Topic: "logs", Partition: p}, Next: int64(len(list)),
		CaughtUp: true,
	}}
	s.add(at, FrameRecord(Author(s.rng.IntN(3)), &f))
}

// play writes the topic. The rules change in the middle of it, and for a while some members have
// the old ones.
func (s *scenario) play() {
	s.add(start, Claim(1))
	s.add(start, RulesRecord(1, 0, rulesOf(1, oldRules)))
	s.inForce = 1
	at := start
	for p := range int32(4) {
		s.frame(at, 1, p, 0)
	}
	for i := range 400 {
		at = at.Add(time.Duration(s.rng.Int64N(int64(8 * time.Second))))
		if s.rng.IntN(40) == 0 {
			at = at.Add(4 * time.Minute)
		}
		if i == 200 {
			s.add(at, RulesRecord(1, 0, rulesOf(2, newRules)))
			s.inForce = 2
			if s.backfill == nil {
				s.add(at, Live(1, 0, 2, -1, 0, ""))
			}
		}
		if s.backfill != nil {
			s.backfill(s, i, at)
		}
		p := s.log(at)
		n := int64(len(s.logs[p]))
		if i >= 200 && s.rng.IntN(2) == 0 { // a member that has the old rules is first
			s.frame(at, 1, p, n-1)
		}
		for range s.rng.IntN(2) { // and one that was believed dead repeats
			s.frame(at, s.inForce, p, s.rng.Int64N(n))
		}
		s.frame(at, s.inForce, p, max(n-1-s.rng.Int64N(3), 0))
		for q := range int32(4) {
			s.frame(at, s.inForce, q, int64(len(s.logs[q])))
		}
	}
	for p := range int32(4) {
		s.frame(at.Add(time.Hour), s.inForce, p, int64(len(s.logs[p])))
	}
	s.add(at.Add(time.Hour+time.Second), Tick(1, 0, 1))
}

// fold has a member read the topic, and restart now and then.
func (s *scenario) fold(t *testing.T, restarts *rand.Rand) *folder {
	f := newFolder(t, 9)
	restarted := false
	for i := 0; i < len(s.records); i = int(f.Next()) {
		r := s.records[i]
		if err := f.Apply(int64(i), r.at, r.value); err != nil {
			t.Fatal(err)
		}
		if restarts != nil && restarts.IntN(50) == 0 && (restarted || f.MaySave()) {
			f = f.restart(t, !restarted)
			restarted = true
		}
	}
	return f
}

// All members decide the same in the same order, also those that were restarted.
func TestFoldsAgree(t *testing.T) {
	for seed := range uint64(4) {
		s := newScenario(t, seed)
		s.play()
		first := s.fold(t, nil)
		if len(first.alerts) < 20 {
			t.Fatalf("seed %d: %d decisions show too little", seed, len(first.alerts))
		}
		for n := range uint64(3) {
			again := s.fold(t, rand.New(rand.NewPCG(seed, n)))
			if diff := cmp.Diff(first.alerts, again.alerts); diff != "" {
				t.Fatalf("seed %d, restarted (-never):\n%s", seed, diff)
			}
			if diff := cmp.Diff(numbers(first), numbers(again)); diff != "" {
				t.Fatalf("seed %d, numbers of decisions (-never restarted):\n%s", seed, diff)
			}
		}
	}
}

// numbers are those of the decisions that wait. Which lines an alert shows is left out: a member
// that was restarted may have kept others.
func numbers(f *folder) (list []string) {
	for _, d := range f.Pending() {
		list = append(list, fmt.Sprint(d.Seq, d.Alert.ID, d.Alert.State, d.Alert.At))
	}
	return list
}

// direct is what the new rules decide from when they are in force, and the old ones before, of an
// engine that has all logs.
func (s *scenario) direct(t *testing.T) map[string]string {
	only := *s
	only.records, only.logs = nil, map[int32][]models.Record{}
	only.rng, only.inForce = rand.New(rand.NewPCG(0, 0)), 0
	for _, r := range s.records {
		switch r.value[1] {
		case kindFrame:
			f, err := readFrame(r.value[10:])
			if err != nil {
				t.Fatal(err)
			}
			p, n := f.Marks[0].Partition.Partition, f.Marks[0].Next
			if known := int64(len(only.logs[p])); known < n {
				only.logs[p] = s.logs[p][:n]
				only.frame(r.at, only.inForce, p, known)
			} else {
				only.frame(r.at, only.inForce, p, n)
			}
		case kindRules:
			only.inForce++
			fallthrough
		default:
			only.add(r.at, r.value)
		}
	}
	return only.fold(t, nil).ends
}

// Spans that were scanned with other rules than those in force lack matches, and are refused. A
// fold that applied them would decide otherwise.
func TestFoldRefusesOtherRules(t *testing.T) {
	careless := 0
	for seed := range uint64(4) {
		s := newScenario(t, seed)
		s.play()
		f := s.fold(t, nil)
		if f.Counts().Spans[Version] == 0 {
			t.Fatal("no span is of other rules, so nothing is shown")
		}
		want := s.direct(t)
		if diff := cmp.Diff(want, f.ends); diff != "" {
			t.Errorf("seed %d (-one member +several):\n%s", seed, diff)
		}
		wrong := newScenario(t, seed)
		wrong.careless = true
		wrong.play()
		if !maps.Equal(want, wrong.fold(t, nil).ends) {
			careless++
		}
	}
	if careless != 4 {
		t.Errorf("without the check, only %d of 4 seeds differ", careless)
	}
}

// A partition that is not read holds back time, and so do one that no member has said anything
// about and one whose reader is dead; a mark of what is not applied counts for nothing.
func TestFoldWaitsForMarks(t *testing.T) {
	s := newScenario(t, 1)
	f := newFolder(t, 9)
	n := int64(0)
	apply := func(at time.Time, value []byte) {
		if err := f.Apply(n, at, value); err != nil {
			t.Fatal(err)
		}
		n++
	}
	apply(start, RulesRecord(1, 0, rulesOf(1, oldRules)))
	mark := func(at, asked time.Time, p int32, next int64) {
		apply(at, FrameRecord(1, &Frame{
			Rules: 1, At: asked, Topics: []Topic{{Name: "logs", Partitions: 2}},
			Marks: []Mark{{
				Partition: models.Partition{Topic: "logs", Partition: p}, Next: next,
				CaughtUp: true,
			}},
		}))
	}
	s.logs[0] = []models.Record{{Topic: "logs", Timestamp: start,
		Value: []byte(`{"level":"INFO","service":"a","message":"m"}`)}}
	s.members[1].writer.AddScan(alerting.Span{
		Partition: models.Partition{Topic: "logs"}, To: 1,
	}, s.members[1].scanner.Scan(s.logs[0]))
	apply(start, FrameRecord(1, &Frame{
		Rules: 1, At: start, Topics: []Topic{{Name: "logs", Partitions: 2}},
		Spans: s.members[1].writer.Bytes(),
	}))
	apply(start, FrameRecord(1, &Frame{Rules: 1, At: start, Spans: func() []byte {
		w := s.members[1].writer
		w.Reset()
		w.Add(alerting.Span{Partition: models.Partition{Topic: "logs", Partition: 1}, To: 5})
		return w.Bytes()
	}()}))
	later := start.Add(10 * time.Minute)
	mark(later, later, 0, 1)
	mark(later.Add(time.Second), later.Add(time.Second), 1, 6) // record 5 is not applied
	if len(f.alerts) > 0 {
		t.Fatalf("silence is decided while a partition is not read: %v", f.alerts)
	}
	mark(later.Add(2*time.Second), start.Add(time.Minute), 1, 5) // it was asked long ago
	if len(f.alerts) > 0 {
		t.Fatalf("silence is decided before its window has ended everywhere: %v", f.alerts)
	}
	mark(later.Add(3*time.Second), later.Add(24*time.Hour), 1, 5) // a clock that is a day ahead
	mark(later.Add(4*time.Second), later.Add(24*time.Hour), 0, 1)
	if len(f.alerts) != 1 {
		t.Fatalf("decided %v, want one silence", f.alerts)
	}
	if now := f.engine.Watermarks(); now[0].Time.After(later.Add(5 * time.Second)) {
		t.Errorf("time has come to %v by a clock that is ahead", now[0].Time)
	}
}

// A topic that is gone holds back time until the leader says so.
func TestFoldRemovesTopic(t *testing.T) {
	f := newFolder(t, 9)
	w := newScenario(t, 1).members[1].writer
	mark := func(at time.Time, topic string) []byte {
		w.Reset()
		w.Add(alerting.Span{Partition: models.Partition{Topic: topic}})
		return FrameRecord(1, &Frame{
			Spans: w.Bytes(), At: at, Topics: []Topic{{Name: topic, Partitions: 1}},
			Marks: []Mark{{Partition: models.Partition{Topic: topic}, CaughtUp: true}},
		})
	}
	later := start.Add(time.Hour)
	for i, r := range []topicRecord{
		{start, Claim(1)}, {start, mark(start, "logs")}, {start, mark(start, "gone")},
		{later, mark(later, "logs")}, {later, RemoveTopic(2, 5, "gone", 0)},
	} {
		if err := f.Apply(int64(i), r.at, r.value); err != nil {
			t.Fatal(err)
		}
	}
	if silent := f.Silent(time.Minute); len(silent) != 1 || silent[0].Name != "gone" {
		t.Fatalf("silent are %v, want the topic that is gone", silent)
	}
	if err := f.Apply(5, later, RemoveTopic(1, 0, "gone", 0)); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Progress()); n != 1 || len(f.Silent(time.Minute)) != 0 {
		t.Errorf("%d partitions are known, want the one that is left", n)
	}
}

// The member that claims last leads; what a former leader writes counts for nothing.
func TestFoldFollowsLastClaim(t *testing.T) {
	f := newFolder(t, 1)
	for i, r := range [][]byte{
		Claim(1), PutRecord(1, Put{Epoch: 0, Entries: []Entry{{"a", []byte("x")}}}), Tick(1, 0, 7), Claim(2),
		PutRecord(1, Put{Epoch: 0, Entries: []Entry{{"b", []byte("y")}}}), Covers(1, 0, 99), Tick(1, 0, 8),
	} {
		if err := f.Apply(int64(i), start, r); err != nil {
			t.Fatal(err)
		}
	}
	if leader, epoch := f.Leader(); leader != 2 || epoch != 3 || f.Leads() {
		t.Errorf("%d leads since %d", leader, epoch)
	}
	if f.Tick() != 7 || f.covered != 0 {
		t.Errorf("tick %d and covers %d of a former leader count", f.Tick(), f.covered)
	}
	if diff := cmp.Diff(map[string][]byte{"a": []byte("x")}, f.Notified()); diff != "" {
		t.Error(diff)
	}
}

// A lease counts from when its tick was sent, however late that is read back.
func TestLeaseCountsFromSending(t *testing.T) {
	var l Lease
	n := l.Send(start)
	if l.Valid(start) {
		t.Error("a tick counts that was not read back")
	}
	l.Read(n)
	if !l.Valid(start.Add(LeaseTime-1)) || l.Valid(start.Add(LeaseTime)) {
		t.Error("the lease does not last as long as it should")
	}
	n = l.Send(start.Add(time.Second))
	l.Read(n) // after the process was stopped for ten seconds
	if l.Valid(start.Add(11 * time.Second)) {
		t.Error("a tick counts from when it is read back")
	}
}

// A record or a frame of a newer version ends the fold: passed over, its records would be left out.
func TestFoldStopsAtNewerVersion(t *testing.T) {
	newer := Claim(1)
	newer[0] = recordVersion + 1
	for what, r := range map[string][]byte{
		"record": newer,
		"frame":  FrameRecord(1, &Frame{Spans: []byte{alerting.FrameVersion + 1}}),
	} {
		var version *VersionError
		if err := newFolder(t, 1).Apply(0, start, r); !errors.As(err, &version) {
			t.Errorf("a newer %s yields %v", what, err)
		}
	}
}

// A record of a newer version ends the fold; bytes that are none are passed over, by all alike.
func FuzzFold(f *testing.F) {
	s := newScenario(f, 1)
	s.play()
	for _, r := range s.records[:12] {
		f.Add(r.value)
	}
	f.Add(Covers(1, 0, 3))
	f.Add(JumpRecord(1, Jump{Reason: "x", Partitions: 3}))
	f.Add(MemberRecord(1, Member{Name: "m"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		fold := newFolder(t, 1)
		fold.o.SetRules = func(Rules) error { return nil }
		if err := fold.Apply(0, start, b); err != nil {
			return
		}
		if err := fold.Apply(1, start.Add(time.Second), b); err != nil {
			t.Fatal(err)
		}
		put := func(_, _ []byte) {}
		fold.Save(true, put, func([]byte) {})
	})
}
