package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

var quiet = slog.New(slog.DiscardHandler)

// content is all that a store holds, in a form to compare.
type content struct {
	State     map[string]string
	Positions map[Source]Position
	Pending   []string
}

func contentOf(t *testing.T, s *Store) content {
	t.Helper()
	c := content{State: map[string]string{}, Positions: s.Positions()}
	err := s.Load(func(key, value []byte) error {
		if _, twice := c.State[string(key)]; twice {
			t.Errorf("Load: key %q comes twice", key)
		}
		c.State[string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for _, e := range s.Pending() {
		c.Pending = append(c.Pending, e.Alert.ID)
	}
	if n := s.Waiting(); n != len(c.Pending) {
		t.Errorf("%d transitions wait, and %d are pending", n, len(c.Pending))
	}
	return c
}

func (c content) clone() content {
	return content{maps.Clone(c.State), maps.Clone(c.Positions), slices.Clone(c.Pending)}
}

// life is a store and what it should hold. Every step is one commit, the same for the same seed.
type life struct {
	store *Store
	want  content
	rng   *rand.Rand
	step  int
}

func newLife(s *Store) *life {
	return &life{
		store: s,
		want:  content{State: map[string]string{}, Positions: map[Source]Position{}},
		rng:   rand.New(rand.NewPCG(1, 2)),
	}
}

// commit changes some keys, moves a position, raises an alert, and acknowledges now and then.
func (l *life) commit() error {
	l.step++
	c := l.store.Begin()
	for range 1 + l.rng.IntN(6) {
		key := fmt.Sprintf("key %d", l.rng.IntN(20))
		if l.rng.IntN(4) == 0 {
			delete(l.want.State, key)
			c.Delete([]byte(key))
			continue
		}
		value := fmt.Sprintf("value of step %d %s", l.step, strings.Repeat("x", l.rng.IntN(40)))
		l.want.State[key] = value
		c.Put([]byte(key), []byte(value))
	}
	source := Source{
		Cluster:   "c",
		TopicID:   [16]byte{7},
		Topic:     "logs",
		Partition: int32(l.rng.IntN(3)),
	}
	position := Position{Next: int64(l.step), Committed: -1, Epoch: 4, Answered: 1 << 40}
	if l.step%2 == 0 {
		position.OutageEnded, position.Outage = 1<<40-7, 12_000
	}
	l.want.Positions[source] = position
	c.SetPosition(source, position)
	id := fmt.Sprintf("alert %d", l.step)
	l.want.Pending = append(l.want.Pending, id)
	c.Append(models.Alert{ID: id})
	if c.Full() {
		*c = Checkpoint{full: true, alerts: c.alerts, positions: maps.Clone(l.want.Positions)}
		for key, value := range l.want.State {
			c.Put([]byte(key), []byte(value))
		}
	}
	return l.store.Commit(c)
}

// deliver acknowledges the oldest alert.
func (l *life) deliver() {
	pending := l.store.Pending()
	l.store.Ack(pending[0].Seq)
	l.want.Pending = l.want.Pending[1:]
}

func TestCommittedStateSurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	opts := Options{Logger: quiet, LogBytes: 2000}
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Empty() || !s.Begin().Full() {
		t.Error("a new store is not empty, or its first checkpoint need not be full")
	}
	l := newLife(s)
	for range 20 {
		for range 10 {
			if err := l.commit(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(l.want, contentOf(t, l.store), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("after commit %d (-want +got):\n%s", l.step, diff)
			}
			l.deliver()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(dir, opts); err != nil {
			t.Fatal(err)
		}
		l.store = s
		if diff := cmp.Diff(l.want, contentOf(t, s), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("after a restart at commit %d (-want +got):\n%s", l.step, diff)
		}
		if s.Empty() || s.Begin().Full() {
			t.Error("after a restart the store is empty, or wants a full checkpoint")
		}
	}
	s.Close()
	names, _ := disk{}.ReadDir(dir)
	if len(names) > 6 {
		t.Errorf("old files are left: %q", names)
	}
}

// Files, or the whole directory, that are removed while the program runs are replaced with the next
// commit: a kill afterwards loses nothing.
func TestRemovedFilesAreReplaced(t *testing.T) {
	f := func(what string, remove func(dir string) error) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		opts := Options{Logger: quiet, LogBytes: 2000}
		s, err := Open(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		l := newLife(s)
		for range 5 {
			for range 7 {
				if err := l.commit(); err != nil {
					t.Fatal(err)
				}
			}
			s.mu.Lock()
			s.awaitMerge()
			s.mu.Unlock()
			if err := remove(dir); err != nil {
				t.Fatal(err)
			}
			if err := l.commit(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if other, err := Open(dir, opts); err == nil {
			other.Close()
			t.Errorf("%s: another process may use the directory", what)
		}
		again := filepath.Join(t.TempDir(), "killed")
		if err := os.CopyFS(again, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		killed, err := Open(again, opts)
		if err != nil {
			t.Fatalf("%s: after a kill: %v", what, err)
		}
		if diff := cmp.Diff(l.want, contentOf(t, killed), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: after a kill (-want +got):\n%s", what, diff)
		}
		killed.Close()
		s.Close()
	}
	f("the directory", os.RemoveAll)
	f("all files", func(dir string) error {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range names {
			err = errors.Join(err, os.Remove(name))
		}
		return err
	})
	for _, kind := range []kind{snapshotKind, logKind} {
		f(fmt.Sprint("files of kind ", kind), func(dir string) error {
			names, err := disk{}.ReadDir(dir)
			for _, name := range names {
				if _, ok := fileNumber(name, kind); ok {
					err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
				}
			}
			return err
		})
	}
}

// aLife runs the life that the crash tests look at, up to its end or the first error, and returns
// what the store should hold after each commit that succeeded, and what it should hold if the
// failed one counts.
func aLife(fs filesystem) (commits []content, failed *content) {
	s, err := open("d", Options{Logger: quiet, LogBytes: 500}, fs)
	if err != nil {
		return nil, nil
	}
	l := newLife(s)
	for range 12 {
		err := l.commit()
		s.mu.Lock()
		s.awaitMerge() // so that the operations come in the same order every time
		s.mu.Unlock()
		after := l.want.clone()
		if err != nil {
			return commits, &after
		}
		commits = append(commits, after)
		if l.step%4 == 0 {
			l.deliver()
		}
	}
	if err := s.Close(); err != nil {
		after := l.want.clone()
		return commits, &after
	}
	return append(commits, l.want.clone()), nil
}

func TestStateSurvivesKillAtAnyInstant(t *testing.T) {
	whole := newMemory()
	aLife(whole)
	if whole.ops < 60 {
		t.Fatalf("the life has only %d operations", whole.ops)
	}
	for n := 1; n <= whole.ops+1; n++ {
		crashed := crashAt(n)
		commits, failed := aLife(crashed)
		images := []*memory{crashed.killed()}
		for seed := range uint64(8) {
			images = append(images, crashed.unplugged(rand.New(rand.NewPCG(seed, uint64(n)))))
		}
		for i, image := range images {
			allowed := []content{{State: map[string]string{}, Positions: map[Source]Position{}}}
			if len(commits) > 0 {
				allowed = []content{commits[len(commits)-1]}
			}
			if failed != nil {
				allowed = append(allowed, *failed)
			}
			continues(t, fmt.Sprintf("crash at operation %d, image %d", n, i), image, allowed)
		}
	}
}

// continues opens an image, wants it to hold one of the contents allowed, and continues from there.
// Acknowledgements may be lost: only deliveries count that the image knows of.
func continues(t *testing.T, what string, image *memory, allowed []content) {
	t.Helper()
	s, err := open("d", Options{Logger: quiet, LogBytes: 500}, image)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got := contentOf(t, s)
	if !slices.ContainsFunc(allowed, func(want content) bool {
		return maps.Equal(got.State, want.State) && maps.Equal(got.Positions, want.Positions) &&
			endsWith(got.Pending, want.Pending)
	}) {
		t.Fatalf("%s: %s", what, cmp.Diff(allowed, []content{got}))
	}
	l := newLife(s)
	l.want = got.clone()
	for range 5 {
		if err := l.commit(); err != nil {
			t.Fatalf("%s: commit after it: %v", what, err)
		}
	}
	s.Close()
	if s, err = open("d", Options{Logger: quiet}, image); err != nil {
		t.Fatalf("%s: open again: %v", what, err)
	}
	if diff := cmp.Diff(l.want, contentOf(t, s)); diff != "" {
		t.Fatalf("%s: later (-want +got):\n%s", what, diff)
	}
}

func endsWith(list, end []string) bool {
	return len(list) >= len(end) && slices.Equal(list[len(list)-len(end):], end)
}

// aHistory returns a filesystem with a snapshot and a log of several commits, and what they hold:
// before the last commit, and after.
func aHistory(t *testing.T) (fs *memory, before, after content) {
	t.Helper()
	fs = newMemory()
	s, err := open("d", Options{Logger: quiet}, fs)
	if err != nil {
		t.Fatal(err)
	}
	l := newLife(s)
	for range 4 {
		before = l.want.clone()
		if err := l.commit(); err != nil {
			t.Fatal(err)
		}
	}
	return fs, before, l.want.clone()
}

func TestTornTailIsDropped(t *testing.T) {
	fs, before, _ := aHistory(t)
	name := filepath.Join("d", logKind.name(2))
	whole := fs.names[name].data
	lastCommit := commitEnds(t, whole)[1]
	for n := lastCommit; n < int64(len(whole)); n++ {
		image := fs.killed()
		image.set(name, whole[:n])
		continues(t, fmt.Sprintf("log cut at %d of %d", n, len(whole)), image, []content{before})
	}
	for n := range lastCommit {
		image := fs.killed()
		image.set(name, whole[:n])
		s, err := open("d", Options{Logger: quiet}, image)
		if err != nil {
			t.Fatalf("log cut at %d of %d: %v", n, len(whole), err)
		}
		contentOf(t, s)
	}
}

// commitEnds returns where the commits of a log end.
func commitEnds(t *testing.T, log []byte) (ends []int64) {
	t.Helper()
	for at := int64(headerSize); at < int64(len(log)); {
		at += frameHeader + int64(binary.LittleEndian.Uint32(log[at+4:]))
		ends = append(ends, at)
	}
	frames := len(ends) / 3 // of meta, state, and end
	if frames*3 != len(ends) {
		t.Fatalf("%d frames", len(ends))
	}
	var commits []int64
	for i := range frames {
		commits = append(commits, ends[i*3+2])
	}
	return commits
}

func TestDamagedFileIsRefused(t *testing.T) {
	fs, before, _ := aHistory(t)
	for name, f := range fs.names {
		limit := len(f.data)
		if strings.HasPrefix(filepath.Base(name), "log-") {
			limit = int(commitEnds(t, f.data)[1])
		}
		for at := range f.data {
			image := fs.killed()
			data := slices.Clone(f.data)
			data[at] ^= 0x40
			image.set(name, data)
			if at >= limit { // in the last commit, damage looks like a crash
				continues(t, fmt.Sprintf("%s changed at %d", name, at), image, []content{before})
				continue
			}
			_, err := open("d", Options{Logger: quiet}, image)
			if err == nil || !strings.Contains(err.Error(), "move the directory away") ||
				!strings.Contains(err.Error(), name) {
				t.Fatalf("%s changed at byte %d: error %v", name, at, err)
			}
		}
	}
	for name := range fs.names {
		if !strings.HasPrefix(filepath.Base(name), "snapshot-") {
			continue
		}
		image := fs.killed()
		delete(image.names, name)
		if _, err := open("d", Options{}, image); err == nil ||
			!strings.Contains(err.Error(), "snapshot that it continues is missing") {
			t.Errorf("missing snapshot: %v", err)
		}
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs, _, _ := aHistory(t)
	for name, f := range fs.names {
		image := fs.killed()
		data := slices.Clone(f.data)
		binary.LittleEndian.PutUint32(data[16:], version+1)
		image.set(name, data)
		_, err := open("d", Options{Logger: quiet}, image)
		if err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwoProcessesCannotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	first, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil ||
		!strings.Contains(err.Error(), "in use by another process") ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("second Open: %v", err)
	}
	first.Close()
	second, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	second.Close()
}

func TestReadOnlyDirectoryIsRefused(t *testing.T) {
	fs := newMemory()
	fs.readOnly = syscall.EROFS
	if _, err := open("d", Options{}, fs); err == nil ||
		!strings.Contains(err.Error(), "has to be writable") {
		t.Errorf("Open: %v", err)
	}
}

// Whatever may be delivered is known to the next process, if this one is killed at any moment.
func TestDeliveredIsWritten(t *testing.T) {
	fs := newMemory()
	s, err := open("d", Options{Logger: quiet, LogBytes: 500}, fs)
	if err != nil {
		t.Fatal(err)
	}
	checks := 0
	fs.before = func() {
		next, err := open("d", Options{Logger: quiet}, fs.killed())
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, e := range next.Pending() {
			known[e.Alert.ID] = true
		}
		for _, e := range s.Pending() {
			if checks++; !known[e.Alert.ID] {
				t.Errorf("operation %d: %s may be delivered, and is not written", fs.ops, e.Alert.ID)
			}
		}
	}
	l := newLife(s)
	for range 24 {
		if err := l.commit(); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.awaitMerge()
		s.mu.Unlock()
	}
	if checks < 100 {
		t.Errorf("%d checks show nothing", checks)
	}
	fs.before = nil
	s.Close()
}

func TestFullDiskStillNotifies(t *testing.T) {
	whole := newMemory()
	aLife(whole)
	for n := 1; n < whole.ops; n++ {
		fs := newMemory()
		fs.failFrom, fs.failTo, fs.err = n, n+4, syscall.ENOSPC
		s, err := open("d", Options{Logger: quiet, LogBytes: 500}, fs)
		if err != nil {
			t.Fatal(err)
		}
		l := newLife(s)
		failures := 0
		for range 24 {
			err := l.commit()
			s.mu.Lock()
			s.awaitMerge()
			s.mu.Unlock()
			if err != nil {
				failures++
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") {
					t.Fatalf("Commit: %v", err)
				}
				if s.Health() == nil {
					t.Fatal("no alarm after a failed commit")
				}
				if !s.Begin().Full() {
					t.Fatal("the checkpoint after a failed one need not be full")
				}
			}
			var got []string
			for _, e := range s.Pending() {
				got = append(got, e.Alert.ID)
			}
			if diff := cmp.Diff(l.want.Pending, got); diff != "" {
				t.Fatalf("disk full at operation %d, commit %d: pending (-want +got):\n%s", n,
					l.step, diff)
			}
		}
		if diff := cmp.Diff(l.want, contentOf(t, s)); diff != "" {
			t.Fatalf("disk full at operation %d, %d failures (-want +got):\n%s", n, failures, diff)
		}
		if s.Health() != nil {
			t.Errorf("disk full at operation %d: alarm stays: %v", n, s.Health())
		}
		s.Close()
		if s, err = open("d", Options{Logger: quiet}, fs); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.want, contentOf(t, s)); diff != "" {
			t.Fatalf("disk full at operation %d, restart (-want +got):\n%s", n, diff)
		}
	}
}

func TestFullCheckpointKeepsOutbox(t *testing.T) {
	fs := newMemory()
	s, _ := open("d", Options{Logger: quiet}, fs)
	l := newLife(s)
	for range 3 {
		if err := l.commit(); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Begin()
	c.Put([]byte("dropped"), []byte("x"))
	c.SetFull()
	c.Put([]byte("new"), []byte("1"))
	c.Delete([]byte("new"))
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
	want := content{
		State:     map[string]string{"new": "1"},
		Positions: map[Source]Position{},
		Pending:   l.want.Pending,
	}
	if diff := cmp.Diff(want, contentOf(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if names, _ := fs.ReadDir("d"); len(names) != 1 {
		t.Errorf("files left: %q", names)
	}
}

func TestEvictedSourceStartsOver(t *testing.T) {
	fs := newMemory()
	s, _ := open("d", Options{Logger: quiet}, fs)
	kept := Source{"cluster", [16]byte{1}, "logs", 0}
	recreated := Source{"cluster", [16]byte{2}, "logs", 0}
	c := s.Begin()
	c.SetPosition(kept, Position{Next: 1 << 40, Committed: 12, Epoch: 3})
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Positions()[recreated]; ok {
		t.Error("a recreated topic has the position of the one before")
	}
	c = s.Begin()
	c.Release(kept)
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
	if s, _ = open("d", Options{Logger: quiet}, fs); len(s.Positions()) != 0 {
		t.Errorf("positions: %v", s.Positions())
	}
}

func TestOutboxIsBoundedAndCountsDrops(t *testing.T) {
	reg := prometheus.NewRegistry()
	fs := newMemory()
	s, _ := open("d", Options{Logger: quiet, OutboxBytes: 6000, Registerer: reg}, fs)
	add := func(ids ...string) {
		t.Helper()
		c := s.Begin()
		for _, id := range ids {
			c.Append(models.Alert{ID: id, Reason: strings.Repeat("r", 770), Value: math.Inf(1)})
		}
		if err := s.Commit(c); err != nil {
			t.Fatal(err)
		}
	}
	pending := func() (ids string) {
		for _, e := range s.Pending() {
			ids += e.Alert.ID
		}
		return ids
	}
	check := func(want string, dropped float64) {
		t.Helper()
		if got := pending(); got != want {
			t.Errorf("pending %q, want %q", got, want)
		}
		var lost dto.Metric
		if err := s.metrics.lost.Write(&lost); err != nil || lost.Counter.GetValue() != dropped {
			t.Errorf("%v dropped, want %v (%v)", lost.Counter.GetValue(), dropped, err)
		}
	}
	changed := s.Changed()
	add("a", "b", "a", "c")
	select {
	case <-changed:
	default:
		t.Error("Changed did not wake")
	}
	check("abac", 0)
	if s.Health() != nil {
		t.Errorf("alarm with room left: %v", s.Health())
	}
	add("d")
	if err := s.Health(); err == nil || !strings.Contains(err.Error(), "are dropped") {
		t.Errorf("alarm near the bound: %v", err)
	}
	add("e", "f")
	check("bacdef", 1) // the older transition of a was overtaken
	add("g", "h")
	check("cdefgh", 3)
	if err := s.Health(); err == nil ||
		!strings.Contains(err.Error(), "3 alert transitions were dropped") {
		t.Errorf("alarm: %v", err)
	}
	s.Ack(s.Pending()[3].Seq)
	check("gh", 3)
	s.Close()
	s, _ = open("d", Options{Logger: quiet, OutboxBytes: 6000, Registerer: reg}, fs)
	check("gh", 0)
}

// When the outbox is full, the rule with most of it loses its oldest transitions, and others lose
// none.
func TestOutboxIsSharedAmongRules(t *testing.T) {
	s, _ := open("d", Options{Logger: quiet, OutboxBytes: 20_000}, newMemory())
	c := s.Begin()
	c.Append(models.Alert{ID: "first", Rule: "g/quiet", Reason: strings.Repeat("r", 700)})
	for i := range 200 {
		rule := "g/flood"
		if i%10 == 0 {
			rule = "g/second"
		}
		c.Append(models.Alert{
			ID: fmt.Sprint(i), Rule: rule, Reason: strings.Repeat("r", 700),
		})
	}
	if err := s.Commit(c); err != nil {
		t.Fatal(err)
	}
	left, newest := map[string]int{}, ""
	for _, e := range s.Pending() {
		left[e.Alert.Rule]++
		newest = e.Alert.ID
	}
	if left["g/quiet"] != 1 || newest != "199" {
		t.Errorf("left are %v, the newest is %s", left, newest)
	}
	pending := s.Pending()
	for _, at := range []int{0, 1, len(pending) - 1} {
		if got := s.PendingAfter(pending[at].Seq); len(got) != len(pending)-at-1 ||
			len(got) > 0 && got[0].Seq != pending[at+1].Seq {
			t.Errorf("%d are pending after entry %d of %d", len(got), at, len(pending))
		}
	}
	if a, b := left["g/flood"], left["g/second"]; a < 5 || b < 5 || a > b+1 || b > a+1 {
		t.Errorf("left are %v", left)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	fs := newMemory()
	s, _ := open("d", Options{Logger: quiet, History: 3}, fs)
	for i := range 10 {
		c := s.Begin()
		c.Append(models.Alert{ID: fmt.Sprint(i)})
		if err := s.Commit(c); err != nil {
			t.Fatal(err)
		}
		if i < 9 {
			s.Ack(s.Pending()[0].Seq)
		}
	}
	check := func() {
		t.Helper()
		var ids string
		for _, a := range s.History() {
			ids += a.ID
		}
		if ids != "6789" || len(s.Pending()) != 1 {
			t.Errorf("history %q, pending %v", ids, s.Pending())
		}
	}
	check()
	s.Close()
	s, _ = open("d", Options{Logger: quiet, History: 3}, fs)
	check()
	s.Ack(1 << 60)
	c := s.Begin()
	c.Append(models.Alert{ID: "next"})
	if err := s.Commit(c); err != nil || len(s.Pending()) != 1 {
		t.Errorf("after an Ack from the future: %v pending, %v", s.Pending(), err)
	}
}

func TestCheckpointDoesNotBlockDelivery(t *testing.T) {
	const alerts = 300
	dir := t.TempDir()
	s, err := Open(dir, Options{Logger: quiet, LogBytes: 4000})
	if err != nil {
		t.Fatal(err)
	}
	delivered := make(chan []string)
	go func() {
		var ids []string
		for len(ids) < alerts {
			changed := s.Changed()
			for _, e := range s.Pending() {
				ids = append(ids, e.Alert.ID)
				s.Ack(e.Seq)
			}
			if len(ids) < alerts {
				<-changed
			}
		}
		delivered <- ids
	}()
	l := newLife(s)
	for range alerts {
		if err := l.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-delivered; !slices.Equal(got, l.want.Pending) {
		t.Errorf("delivered %q", got)
	}
	s.Close()
	if s, err = Open(dir, Options{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l.want.Pending = nil
	if diff := cmp.Diff(l.want, contentOf(t, s)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

// Health, which each page shows, is said while a commit waits for the disk.
func TestHealthDoesNotWaitForDisk(t *testing.T) {
	waits, goOn := make(chan struct{}), make(chan struct{})
	s, err := Open(t.TempDir(), Options{Logger: quiet, Sync: func() error {
		waits <- struct{}{}
		<-goOn
		return errors.New("the disk is full")
	}})
	if err != nil {
		t.Fatal(err)
	}
	committed := make(chan error)
	go func() { committed <- s.Commit(s.Begin()) }()
	<-waits
	health := make(chan error)
	go func() { health <- s.Health() }()
	select {
	case err := <-health:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for the disk")
	}
	goOn <- struct{}{}
	if err := <-committed; err == nil || s.Health() == nil {
		t.Errorf("%v, %v", err, s.Health())
	}
	s.Close()
}

// Positions of earlier releases have no time at which their source was reachable.
func TestPositionOfEarlierRelease(t *testing.T) {
	p, err := parsePosition([]byte{20, 14, 6, 2})
	if want := (Position{Next: 10, Committed: 7, Epoch: 3, Left: true}); err != nil || p != want {
		t.Errorf("%+v, %v", p, err)
	}
}
