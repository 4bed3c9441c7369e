package ruletest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// members is an engine whose scans come as frames from other engines. Some frames come twice, some
// overlap, some are late: as members send them that were restarted, or were believed dead.
type members struct {
	*alerting.Engine
	rng    *rand.Rand
	list   []member
	reader *alerting.FrameReader
	course *course
	// while it applies what came before it was there: what it decides, which is not passed on
	replaying bool
	replayed  []string
}

// member is one that scans.
type member struct {
	scanner models.Scanner
	writer  *alerting.FrameWriter
}

// course is what outlives a crash of the engine that applies the frames.
type course struct {
	positions cluster.Positions
	read      map[models.Partition][]models.Record
	control   control
	zombies   int
	overlaps  int
	gaps      int
	joins     int

	// an engine that crashes is replaced by one that begins with a snapshot of some earlier point
	// and applies what came since; nil when it continues from where the other was
	since *since
}

// since is what has come since a snapshot.
type since struct {
	rng       *rand.Rand
	saving    *alerting.Saving // that is under way; nil for none
	writer    *cluster.SnapshotWriter
	writing   [][]byte
	chunks    [][]byte
	snapshot  cluster.Snapshot
	positions cluster.Positions // when the last one began
	events    []event
	decided   []string // in the meantime
}

// event is a frame, or that time has passed.
type event struct {
	frame    []byte
	now      time.Time
	progress []models.Progress
}

// control is a way to apply spans that is wrong.
type control int

const (
	none    control = iota
	repeats         // a span counts however often it comes
	skips           // a span counts even if records before it are missing
	jumps           // who joins from a snapshot passes over the frames after it
)

func (c *course) accept(at alerting.Span) (from int64, applies bool) {
	if next := c.positions[at.Partition]; c.control == repeats {
		return 0, true
	} else if c.control == skips && at.From > next.Next {
		at.From = next.Next
	}
	from, verdict := c.positions.Accept(at)
	return from, verdict == cluster.Applied
}

// frames are the scan of some records, as the frames that they come in.
type frames struct {
	logs     int
	rejected []models.Rejection
	list     [][]byte
}

func (f *frames) Logs() int                    { return f.logs }
func (f *frames) Rejected() []models.Rejection { return f.rejected }

type membersScanner struct{ m *members }

func (m *members) NewScanner() models.Scanner { return membersScanner{m} }

// frame has one of the members scan some records.
func (m *members) frame(records []models.Record) (frame []byte, f *frames) {
	by := &m.list[m.rng.IntN(len(m.list))]
	scan := by.scanner.Scan(records)
	f = &frames{logs: scan.Logs(), rejected: scan.Rejected()}
	by.writer.Reset()
	by.writer.AddScan(alerting.Span{
		Partition: models.Partition{
			Topic: records[0].Topic, Partition: records[0].Partition,
		},
		From: records[0].Offset,
		To:   records[len(records)-1].Offset + 1,
	}, scan)
	return bytes.Clone(by.writer.Bytes()), f
}

func (s membersScanner) Scan(records []models.Record) models.Scan {
	m, c := s.m, s.m.course
	p := models.Partition{Topic: records[0].Topic, Partition: records[0].Partition}
	before := c.read[p]
	all := append(before, records...)
	c.read[p] = all
	var list [][]byte
	add := func(some []models.Record) *frames {
		frame, f := m.frame(some)
		list = append(list, frame)
		return f
	}
	for range m.rng.IntN(3) { // a member that was believed dead repeats what was applied
		if n := len(before); n > 0 {
			from := m.rng.IntN(n)
			add(all[from : from+1+m.rng.IntN(n-from)])
			c.zombies++
		}
	}
	if len(before) == 0 {
		c.positions[p] = cluster.Position{Next: records[0].Offset}
	}
	if cut := m.rng.IntN(len(records)); cut > 0 && m.rng.IntN(2) == 0 {
		add(records[cut:]) // a frame was lost, and the next one comes
		c.gaps++
	}
	from := len(before)
	if m.rng.IntN(2) == 0 && from > 0 { // the next owner begins a little before
		from -= m.rng.IntN(min(from, 20) + 1)
		c.overlaps++
	}
	if to := len(before) + m.rng.IntN(len(records)); m.rng.IntN(2) == 0 && to > from {
		add(all[from:to]) // and is stopped in between
	}
	done := add(all[from:])
	done.list = list
	return done
}

func (m *members) Apply(s models.Scan) {
	for _, frame := range s.(*frames).list {
		m.applyFrame(frame)
		if since := m.course.since; since != nil {
			since.note(m, event{frame: frame})
		}
	}
}

func (m *members) applyFrame(frame []byte) {
	if err := m.reader.Reset(frame); err != nil {
		panic(err)
	}
	for {
		at, more, err := m.reader.Next()
		if err != nil {
			panic(err)
		}
		if !more {
			break
		}
		from, applies := m.course.accept(at)
		if !applies {
			continue
		}
		scan, err := m.reader.Scan(from)
		if err != nil {
			panic(err)
		}
		m.Engine.Apply(scan)
	}
}

func (m *members) Advance(now time.Time, progress []models.Progress) {
	m.Engine.Advance(now, progress)
	if since := m.course.since; since != nil {
		since.note(m, event{now: now, progress: slices.Clone(progress)})
	}
}

// Save finishes the snapshot that is being made; there is at least one.
func (m *members) Save(full bool, put func(key, value []byte), del func(key []byte)) {
	if s := m.course.since; s != nil {
		if s.chunks == nil && s.saving == nil {
			s.begin(m)
		}
		for s.saving != nil {
			s.goOn()
		}
	}
	m.Engine.Save(full, put, del)
}

// note notes what the engine was given. Now and then it begins a snapshot, which goes on while the
// engine does.
func (s *since) note(m *members, e event) {
	s.events = append(s.events, e)
	if s.saving != nil {
		s.goOn()
	} else if s.rng.IntN(8) == 0 {
		s.begin(m)
	}
}

func (s *since) begin(m *members) {
	s.writing, s.events, s.decided = nil, nil, nil
	s.positions = maps.Clone(m.course.positions)
	keep := func(chunk []byte) error {
		s.writing = append(s.writing, chunk)
		return nil
	}
	s.writer = cluster.NewSnapshotWriter(cluster.Snapshot{ID: s.rng.Uint64()}, keep)
	s.saving = m.Engine.BeginSave(true)
}

func (s *since) goOn() {
	if s.saving.Next(1, func(key, value []byte) {
		if err := s.writer.Put(key, value); err != nil {
			panic(err)
		}
	}, func([]byte) {}) {
		return
	}
	if err := s.writer.Flush(); err != nil {
		panic(err)
	}
	_, s.snapshot = s.writer.End(0)
	s.saving, s.chunks = nil, s.writing
}

// Restore joins from the snapshot, if there is one.
func (m *members) Restore(load func(each func(key, value []byte) error) error) error {
	s := m.course.since
	if s == nil || s.chunks == nil {
		return m.Engine.Restore(load)
	}
	m.course.joins++
	err := m.Engine.Restore(func(each func(key, value []byte) error) error {
		in := cluster.NewSnapshotReader(s.snapshot)
		for _, chunk := range s.chunks {
			if err := in.Read(chunk, each); err != nil {
				return err
			}
		}
		return in.Done()
	})
	if err != nil || m.course.control == jumps {
		return err
	}
	m.course.positions, m.replaying = maps.Clone(s.positions), true
	for _, e := range s.events {
		if e.frame != nil {
			m.applyFrame(e.frame)
		} else {
			m.Engine.Advance(e.now, e.progress)
		}
	}
	m.replaying = false
	if diff := cmp.Diff(s.decided, m.replayed); diff != "" {
		return fmt.Errorf("a member that joins decides otherwise (-others +joined):\n%s", diff)
	}
	return nil
}

// factory makes engines that apply the frames of three members.
func (c *course) factory(t *testing.T, set *rule.Set, seed uint64) Factory {
	f := EngineFactory(set)
	c.positions, c.read = cluster.Positions{}, map[models.Partition][]models.Record{}
	rng := rand.New(rand.NewPCG(seed, 99))
	if c.since != nil {
		c.since = &since{rng: rng}
	}
	var list []member
	for range 3 {
		e, err := f.New(func(a models.Alert) { t.Errorf("a scanner decides: %v", a) })
		if err != nil {
			t.Fatal(err)
		}
		engine := e.(*alerting.Engine)
		list = append(list, member{engine.NewScanner(), engine.NewFrameWriter()})
	}
	return Factory{Lateness: f.Lateness, New: func(emit func(models.Alert)) (Engine, error) {
		m := &members{rng: rng, list: list, course: c}
		e, err := f.New(func(a models.Alert) {
			text := fmt.Sprint(a.ID, a.State, a.At.UnixNano(), a.StartsAt.UnixNano(), a.Count)
			switch {
			case m.replaying:
				m.replayed = append(m.replayed, text)
				return
			case c.since != nil:
				c.since.decided = append(c.since.decided, text)
			}
			emit(a)
		})
		if err != nil {
			return nil, err
		}
		m.Engine = e.(*alerting.Engine)
		m.reader = m.Engine.NewFrameReader()
		return m, nil
	}}
}

// framesOf runs a scenario by frames, with its logs at random on four partitions as those of a
// topic without keys, and returns the first difference from the evaluator.
func (s scenario) framesOf(t *testing.T, c *course, seed uint64, orders int) (diff string) {
	t.Helper()
	set, test := s.read(t, seed)
	list, err := test.arrivals()
	if err != nil {
		t.Fatal(err)
	}
	spread, next := rand.New(rand.NewPCG(seed, 7)), map[models.Partition]int64{}
	for i := range list {
		r := &list[i].record
		r.Partition = int32(spread.IntN(4))
		p := models.Partition{Topic: r.Topic, Partition: r.Partition}
		r.Offset = next[p]
		next[p]++
	}
	records := make([]models.Record, len(list))
	for i := range list {
		records[i] = list[i].record
	}
	want := s.foretell(t, records, test.Start, s.end(list))
	lateness := EngineFactory(set).Lateness
	runs := uint64(0)
	run := func(what string, list []arrival, how live) {
		if runs++; diff != "" {
			return
		}
		factory := c.factory(t, set, 100*seed+runs)
		alerts, err := how.run(factory, test.Start, list, s.end(list).Add(lateness))
		if err != nil {
			t.Fatalf("seed %d, %s: %v", seed, what, err)
		}
		diff = cmp.Diff(spellTexts(want), spellTexts(notified(alerts)))
		if diff != "" {
			diff = fmt.Sprintf("seed %d, %s (-evaluator +frames):\n%s", seed, what, diff)
		}
	}
	run(asWritten, list, live{})
	run("restarted again and again", list, live{crash: 1 + 6*min(1, int(seed))})
	run("as a backlog at once", list, live{backlog: len(list)})
	rng := rand.New(rand.NewPCG(seed, 1))
	for n := range orders {
		order := shuffled(list, lateness, rng)
		run(fmt.Sprintf("in order of arrival %d", n), order, live{crash: 10 * (n % 2)})
		run(fmt.Sprintf("in order of arrival %d, as a backlog", n), order, live{backlog: 1 + 5*n})
	}
	return diff
}

// Logs that several members scan, and another one applies, bring about the same alerts: whichever
// member scans them, how often they come, and from where a member begins.
func TestLawsByFrames(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := &course{}
			for seed := range uint64(seeds) {
				if testing.Short() && seed > 0 {
					break
				}
				if diff := s.framesOf(t, c, seed, 6); diff != "" {
					t.Fatal(diff)
				}
			}
			if c.zombies == 0 || c.overlaps == 0 || c.gaps == 0 {
				t.Errorf("%d late frames, %d overlaps and %d gaps show too little", c.zombies,
					c.overlaps, c.gaps)
			}
		})
	}
}

// A member that joins from a snapshot, wherever that was taken, and applies the frames after it,
// decides what the others have decided since, and continues as they do.
func TestLawsByFramesFromSnapshots(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := &course{since: &since{}}
			for seed := range uint64(seeds) {
				if testing.Short() && seed > 0 {
					break
				}
				if diff := s.framesOf(t, c, seed, 3); diff != "" {
					t.Fatal(diff)
				}
			}
			if c.joins == 0 {
				t.Error("no member has joined")
			}
		})
	}
}

// A member that joined from a snapshot without the frames after it would decide otherwise, for each
// kind of rule.
func TestLawsByFramesNeedThoseAfterSnapshots(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(seeds) {
				if s.framesOf(t, &course{since: &since{}, control: jumps}, seed, 3) != "" {
					return
				}
			}
			t.Error("the alerts are the same without the frames after the snapshot")
		})
	}
}

// Without the rule that a span continues where its partition stands, repeated spans would count
// again, and records of lost ones not at all. The laws would notice either, for each kind of rule.
func TestLawsByFramesNeedPositions(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(seeds) {
				for _, wrong := range []control{skips, repeats} {
					if s.framesOf(t, &course{control: wrong}, seed, 2) != "" {
						return
					}
				}
			}
			t.Error("the alerts are the same whichever spans count")
		})
	}
}
