package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
)

// chunksOf are the records of a snapshot with some keys.
func chunksOf(tb testing.TB, id uint64, keys map[string][]byte) (chunks [][]byte, s Snapshot) {
	tb.Helper()
	w := NewSnapshotWriter(Snapshot{ID: id, Next: 5}, func(b []byte) error {
		chunks = append(chunks, b)
		return nil
	})
	for key, value := range keys {
		if err := w.Put([]byte(key), value); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	end, s := w.End(3)
	if read, ok := ReadSnapshotEnd(end); !ok || read != s {
		tb.Fatalf("the end record says %v, want %v", read, s)
	}
	return chunks, s
}

func readChunks(s Snapshot, chunks [][]byte) (map[string][]byte, error) {
	r, keys := NewSnapshotReader(s), map[string][]byte{}
	for _, chunk := range chunks {
		err := r.Read(chunk, func(key, value []byte) error {
			keys[string(key)] = bytes.Clone(value)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, r.Done()
}

func bigState() map[string][]byte {
	keys := map[string][]byte{}
	for i := range 40_000 {
		keys[fmt.Sprint("key ", i)] = bytes.Repeat([]byte{byte(i)}, i%90)
	}
	return keys
}

// A snapshot reads back as it was written, also among the chunks of another that a member writes at
// the same time, and those of one whose author was killed.
func TestSnapshotReadsBack(t *testing.T) {
	want := bigState()
	chunks, s := chunksOf(t, 1, want)
	if len(chunks) < 3 {
		t.Fatalf("%d chunks show too little", len(chunks))
	}
	other, _ := chunksOf(t, 2, want)
	killed, _ := chunksOf(t, 3, want)
	all := [][]byte{killed[0], killed[1]}
	for i := range chunks {
		all = append(all, other[i], chunks[i])
	}
	got, err := readChunks(s, all)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A value of any size is in as many chunks as it takes, none larger than brokers accept by default.
func TestLargeValueIsInManyChunks(t *testing.T) {
	large := make([]byte, 20<<20)
	for i := range large {
		large[i] = byte(i * i >> 7)
	}
	want := map[string][]byte{"large": large, "small": []byte("s"), "empty": {}}
	chunks, s := chunksOf(t, 1, want)
	for i, chunk := range chunks {
		if len(chunk) > chunkBytes {
			t.Fatalf("chunk %d of %d has %d bytes, want %d at most", i, len(chunks), len(chunk),
				chunkBytes)
		}
	}
	got, err := readChunks(s, chunks)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(want, got, bytes.Equal) {
		t.Errorf("%d values are read, and differ", len(got))
	}
	if _, err := readChunks(s, chunks[:len(chunks)-1]); !errors.Is(err, ErrTorn) {
		t.Errorf("without the last chunk: %v, want that it is torn", err)
	}
}

// A snapshot that lacks a chunk, or has one twice, out of order, or damaged, is refused.
func TestTornSnapshotIsRefused(t *testing.T) {
	chunks, s := chunksOf(t, 1, bigState())
	changed := bytes.Clone(chunks[1])
	changed[len(changed)-1] ^= 1
	for what, list := range map[string][][]byte{
		"no chunk":       {},
		"no first one":   chunks[1:],
		"no last one":    chunks[:len(chunks)-1],
		"one is lost":    append([][]byte{chunks[0]}, chunks[2:]...),
		"out of order":   append([][]byte{chunks[1], chunks[0]}, chunks[2:]...),
		"one twice":      append([][]byte{chunks[0]}, chunks...),
		"one is damaged": append([][]byte{chunks[0], changed}, chunks[2:]...),
		"one is cut": append([][]byte{chunks[0], chunks[1][:len(chunks[1])-9]},
			chunks[2:]...),
	} {
		if _, err := readChunks(s, list); !errors.Is(err, ErrTorn) {
			t.Errorf("%s: %v, want that it is torn", what, err)
		}
	}
}

// A snapshot of another topic, of another format, or of a position that the frames topic does not
// have is refused, with the reason.
func TestForeignSnapshotIsRefused(t *testing.T) {
	frames := [16]byte{1}
	good := Snapshot{Frames: frames, Next: 50, State: alerting.StateVersion, By: "v9"}
	if err := good.Check(frames, 10, 60); err != nil {
		t.Errorf("a good one: %v", err)
	}
	with := func(change func(s *Snapshot)) Snapshot {
		s := good
		change(&s)
		return s
	}
	for want, s := range map[string]Snapshot{
		"newer version of the program (v9)": with(func(s *Snapshot) { s.State++ }),
		"older version of the program (v9)": with(func(s *Snapshot) { s.State-- }),
		"another frames topic":              with(func(s *Snapshot) { s.Frames[0]++ }),
		"before 10 are deleted":             with(func(s *Snapshot) { s.Next = 9 }),
		"has lost records":                  with(func(s *Snapshot) { s.Next = 61 }),
	} {
		if err := s.Check(frames, 10, 60); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	newer := []byte{snapshotVersion + 1, kindEnd, 0, 0, 0, 0, 0, 0, 0, 0, '?'}
	if s, ok := ReadSnapshotEnd(newer); !ok || s.Check(frames, 0, 60) == nil {
		t.Errorf("a newer end record is %v, and not refused", s)
	}
}

// join makes a member that begins with the state of another, as a snapshot.
func (f *folder) join(t *testing.T) *folder {
	keys := map[string][]byte{}
	put := func(key, value []byte) { keys[string(key)] = bytes.Clone(value) }
	f.engine.Save(true, put, func([]byte) {})
	f.Save(true, put, func([]byte) {})
	chunks, s := chunksOf(t, 7, keys)
	next := newFolder(t, 5)
	var err error
	if next.state, err = readChunks(s, chunks); err != nil {
		t.Fatal(err)
	}
	return next.load(t)
}

// A member that joins from a snapshot at any record decides from there on as the others do, down to
// the numbers of decisions, and may write the next snapshot. One that joins from a snapshot of
// another record would not: the records in between are missing.
func TestJoinAtAnyRecord(t *testing.T) {
	differ := 0
	for seed := range uint64(3) {
		s := newScenario(t, seed)
		s.play()
		all := s.fold(t, nil)
		rng := rand.New(rand.NewPCG(seed, 77))
		for range 8 {
			at := rng.IntN(len(s.records))
			first := newFolder(t, 9)
			s.apply(t, first, 0, at)
			joined := first.join(t)
			again := at + rng.IntN(len(s.records)-at)
			s.apply(t, joined, at, again)
			second := joined.join(t) // of a snapshot by one that has joined itself
			second.alerts = append(first.alerts, joined.alerts...)
			s.apply(t, second, again, len(s.records))
			if diff := cmp.Diff(all.alerts, second.alerts); diff != "" {
				t.Fatalf("seed %d, joined at %d and %d (-from the beginning):\n%s", seed, at, again,
					diff)
			}
			if diff := cmp.Diff(numbers(all), numbers(second)); diff != "" {
				t.Fatalf("seed %d, numbers (-from the beginning +joined):\n%s", seed, diff)
			}
			gap := first.join(t)
			gap.next = int64(min(at+200, len(s.records)))
			gap.alerts = first.alerts
			s.apply(t, gap, int(gap.next), len(s.records))
			if cmp.Diff(all.alerts, gap.alerts) != "" {
				differ++
			}
		}
	}
	if differ < 8 {
		t.Errorf("with records missing, %d of 24 differ, which shows too little", differ)
	}
}

func (s *scenario) apply(t *testing.T, f *folder, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := f.Apply(int64(i), s.records[i].at, s.records[i].value); err != nil {
			t.Fatal(err)
		}
	}
}

// A silence outlives the record by which it came, until it is no longer kept.
func TestSilencesAreInSnapshots(t *testing.T) {
	var taken []string
	until := start.Add(time.Hour)
	f := newFolder(t, 1)
	silence := func(b []byte) (string, time.Time) {
		taken = append(taken, string(b))
		return string(b[:1]), until
	}
	f.o.Silence = silence
	for i, text := range []string{"a1", "b1", "a2"} {
		if err := f.Apply(int64(i), start, Silence(2, []byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	restored := func() (got []string) {
		taken = nil
		keys := map[string][]byte{}
		f.Save(true, func(key, value []byte) { keys[string(key)] = bytes.Clone(value) },
			func([]byte) {})
		next := newFolder(t, 3)
		next.o.Silence = silence
		for key, value := range keys {
			if err := next.Fold.Restore([]byte(key), value); err != nil {
				t.Fatal(err)
			}
		}
		return taken
	}
	if got := restored(); len(got) != 2 || !strings.Contains(fmt.Sprint(got), "a2") {
		t.Errorf("restored %v, want a2 and b1", got)
	}
	later := until.Add(time.Minute)
	until = until.Add(time.Hour)
	if err := f.Apply(3, later, Silence(2, []byte("c1"))); err != nil {
		t.Fatal(err)
	}
	if got := restored(); len(got) != 1 || got[0] != "c1" {
		t.Errorf("restored %v an hour later, want c1 alone", got)
	}
}

// One follower writes a snapshot when it is time, the next one if that one does not, and the leader
// last; what counts is the time of records.
func TestSnapshotIsDueAtOneMember(t *testing.T) {
	folds := map[Author]*folder{}
	for _, a := range []Author{1, 2, 3} {
		folds[a] = newFolder(t, a)
	}
	n := int64(0)
	apply := func(at time.Time, b []byte) {
		for _, f := range folds {
			if err := f.Apply(n, at, b); err != nil {
				t.Fatal(err)
			}
		}
		n++
	}
	at := start
	pass := func(d time.Duration) {
		for end := at.Add(d); at.Before(end); at = at.Add(5 * time.Second) {
			for a := range folds {
				apply(at, MemberRecord(a, Member{Name: fmt.Sprint(a)}))
			}
		}
	}
	due := func() (list []Author) {
		for a := range Author(4) {
			if f := folds[a]; f != nil && f.SnapshotDue(10*time.Minute, 1<<30) {
				list = append(list, a)
			}
		}
		return list
	}
	apply(at, Claim(1))
	apply(at, RulesRecord(1, 0, rulesOf(1, oldRules)))
	due()
	for _, step := range []struct {
		pass time.Duration
		want string
	}{{9 * time.Minute, "[]"}, {2 * time.Minute, "[2]"}, {5 * time.Minute, "[2 3]"},
		{5 * time.Minute, "[1 2 3]"}} {
		if pass(step.pass); fmt.Sprint(due()) != step.want {
			t.Errorf("%s after the last one, it is due at %v, want %s", at.Sub(start), due(),
				step.want)
		}
	}
	write := func(next, first int64) {
		apply(at, SnapshotRecord(2, Stored{Snapshot: Snapshot{Next: next, First: first}}))
	}
	write(n-1, 10)
	if got := fmt.Sprint(due()); got != "[]" {
		t.Errorf("it is due at %s after it was written", got)
	}
	if _, ok := folds[3].Deletable(); ok {
		t.Error("with one snapshot, frames before it are deleted")
	}
	write(n, 5)    // begun before the other one, so its first chunks may be gone
	write(n+50, 9) // of records that are not written yet
	if _, ok := folds[3].Deletable(); ok {
		t.Error("a snapshot counts that can not be whole")
	}
	want := n - 4
	write(n-1, 20)
	if s, ok := folds[3].Deletable(); !ok || s.First != 10 || s.Next != want {
		t.Errorf("deletable before %v, want what the older one covers, %d", s, want)
	}
}
