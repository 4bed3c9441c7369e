// Command snapshot measures what a snapshot of a cluster costs with many groups: how large it is,
// how long the member that writes it applies nothing meanwhile, and how long an empty one takes to
// have the state.
//
//	go -C bench run ./snapshot
//
// Brokers are left out: chunks are kept in memory.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const rules = `version: 1
groups:
- name: g
  rules:
  - {alert: Silence, when: count() == 0, window: 10m, by: [host], limit: 1100000}
`

// member is a fold with its engine and its store.
type member struct {
	fold   *cluster.Fold
	engine *alerting.Engine
	store  *store.Store
	offset int64
	now    time.Time
}

func newMember(dir string) (*member, error) {
	m := &member{now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	m.engine = alerting.NewEngine(
		alerting.WithRules(&rule.Set{}), alerting.WithFrames(),
		alerting.WithEmit(func(a models.Alert) { m.fold.Decided(a) }),
	)
	m.fold = cluster.NewFold(cluster.FoldOptions{
		Self: 1, Engine: m.engine,
		Silence: func([]byte) (string, time.Time) { return "", time.Time{} },
		SetRules: func(cluster.Rules) error {
			set, err := rule.Read("bench.rules.yml", []byte(rules))
			if err != nil {
				return err
			}
			return m.engine.SetRules(set)
		},
	})
	var err error
	m.store, err = store.Open(dir, store.Options{})
	return m, err
}

func (m *member) apply(record []byte) error {
	m.offset++
	return m.fold.Apply(m.offset-1, m.now, record)
}

// checkpoint takes a checkpoint. It returns how long the fold stands still for it, and a function
// that writes it while the fold continues.
func (m *member) checkpoint() (still time.Duration, write func() error) {
	began := time.Now()
	c := m.store.Begin()
	saving := m.engine.BeginSave(c.Full())
	m.fold.Save(c.Full(), c.Put, c.Delete)
	c.SetPosition(store.Source{Topic: "frames"}, store.Position{Next: m.fold.Next()})
	return time.Since(began), func() error {
		for saving.Next(128, c.Put, c.Delete) {
		}
		return m.store.Commit(c)
	}
}

// writer makes the frames of a member that scans.
type writer struct {
	scanner models.Scanner
	frame   *alerting.FrameWriter
	offset  int64
}

func newWriter() (*writer, error) {
	set, err := rule.Read("bench.rules.yml", []byte(rules))
	if err != nil {
		return nil, err
	}
	e := alerting.NewEngine(alerting.WithRules(set))
	return &writer{scanner: e.NewScanner(), frame: e.NewFrameWriter()}, nil
}

// hosts is a frame with a log of each of some hosts.
func (w *writer) hosts(from, to int, at time.Time) []byte {
	var records []models.Record
	first := w.offset
	for host := from; host < to; host++ {
		records = append(records, models.Record{
			Topic: "logs", Offset: w.offset, Timestamp: at,
			Value: fmt.Appendf(nil, `{"timestamp":%q,"host":"host-%07d","message":"m"}`,
				at.Format(time.RFC3339Nano), host),
		})
		w.offset++
	}
	w.frame.Reset()
	w.frame.AddScan(alerting.Span{
		Partition: models.Partition{Topic: "logs"}, From: first, To: w.offset,
	}, w.scanner.Scan(records))
	p := models.Partition{Topic: "logs"}
	return cluster.FrameRecord(1, &cluster.Frame{
		Rules: 1, At: at, Topics: []cluster.Topic{{Name: "logs", Partitions: 1}},
		Spans: w.frame.Bytes(),
		Marks: []cluster.Mark{{Partition: p, Next: w.offset, CaughtUp: true}},
	})
}

// live applies a hundred logs a millisecond of the topic until stop is closed, and returns how long
// each frame took, in order of time taken.
func live(m *member, w *writer, groups int, stop chan struct{}) (took []time.Duration, err error) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			slices.Sort(took)
			return took, nil
		default:
		}
		m.now = m.now.Add(time.Millisecond)
		from := (n * 100) % (groups - 100)
		frame := w.hosts(from, from+100, m.now)
		began := time.Now()
		if err := m.apply(frame); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
}

// of says how long frames took.
func of(took []time.Duration) string {
	if len(took) == 0 {
		return "no frame"
	}
	return fmt.Sprintf("%d frames of 100 logs: 99 %% within %s, the slowest %s", len(took),
		took[len(took)*99/100].Round(time.Microsecond),
		took[len(took)-1].Round(10*time.Microsecond))
}

// all applies a log of each host.
func (m *member) all(w *writer, groups int) error {
	for from := 0; from < groups; from += 1000 {
		if err := m.apply(w.hosts(from, min(from+1000, groups), m.now)); err != nil {
			return err
		}
	}
	return nil
}

// during takes a checkpoint, and goes on while it is written.
func (m *member) during(w *writer, groups int, what string) error {
	began, stop, written := time.Now(), make(chan struct{}), make(chan error, 1)
	still, write := m.checkpoint()
	go func() {
		defer close(stop)
		written <- write()
	}()
	took, err := live(m, w, groups, stop)
	if err != nil {
		return err
	}
	fmt.Printf("checkpoint of %s: the fold stands still for %s; written after %s, meanwhile %s\n",
		what, still.Round(10*time.Microsecond), time.Since(began).Round(time.Millisecond), of(took))
	return <-written
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func main() {
	groups := flag.Int("groups", 1_000_000, "how many groups a rule has")
	flag.Parse()
	if err := run(*groups); err != nil {
		log.Fatal(err)
	}
}

// run is one long sequence of steps.
func run(groups int) error {
	dir, err := os.MkdirTemp("", "snapshot-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := newMember(dir + "/a")
	if err != nil {
		return err
	}
	w, err := newWriter()
	if err != nil {
		return err
	}
	if err := m.apply(cluster.RulesRecord(1, 0, cluster.Rules{Hash: 1})); err != nil {
		return err
	}
	if err := m.all(w, groups); err != nil {
		return err
	}
	if err := m.during(w, groups, "all groups, the first"); err != nil {
		return err
	}
	stop := make(chan struct{})
	time.AfterFunc(3*time.Second, func() { close(stop) })
	took, err := live(m, w, groups, stop)
	if err != nil {
		return err
	}
	fmt.Printf("no checkpoint: %s\n", of(took))
	if err := m.during(w, groups, "some groups"); err != nil {
		return err
	}
	if err := m.all(w, groups); err != nil {
		return err
	}
	if err := m.during(w, groups, "all groups, which have changed"); err != nil {
		return err
	}

	stop = make(chan struct{})
	var chunks [][]byte
	var s cluster.Snapshot
	written := make(chan error, 1)
	go func() {
		defer close(stop)
		written <- func() error {
			x, err := m.store.Export()
			for errors.Is(err, store.ErrBusy) { // files are being merged
				time.Sleep(10 * time.Millisecond)
				x, err = m.store.Export()
			}
			if err != nil {
				return err
			}
			defer x.Close()
			out := cluster.NewSnapshotWriter(cluster.Snapshot{ID: 1}, func(b []byte) error {
				chunks = append(chunks, b)
				return nil
			})
			if err := x.Each(out.Put); err != nil {
				return err
			}
			err = out.Flush()
			_, s = out.End(0)
			return err
		}()
	}()
	before, began := cpu(), time.Now()
	if took, err = live(m, w, groups, stop); err != nil {
		return err
	}
	if err := <-written; err != nil {
		return err
	}
	fmt.Printf("while the snapshot is written: %s; %s, CPU %s with them\n", of(took),
		time.Since(began).Round(time.Millisecond), (cpu() - before).Round(time.Millisecond))
	fmt.Printf("snapshot: %.1f MB in %d chunks, %d bytes a group\n", float64(s.Bytes)/1e6, s.Chunks,
		s.Bytes/int64(groups))

	before, began = cpu(), time.Now()
	empty, err := newMember(dir + "/b")
	if err != nil {
		return err
	}
	if err := empty.join(s, chunks); err != nil {
		return err
	}
	fmt.Printf(
		"an empty member has it after %s, CPU %s\n",
		time.Since(began).Round(time.Millisecond),
		(cpu() - before).Round(time.Millisecond),
	)
	return nil
}

// join takes over a snapshot, as a member does.
func (m *member) join(s cluster.Snapshot, chunks [][]byte) error {
	err := m.store.Import(nil, nil, func(put func(key, value []byte) error) error {
		in := cluster.NewSnapshotReader(s)
		for _, chunk := range chunks {
			if err := in.Read(chunk, put); err != nil {
				return err
			}
		}
		return in.Done()
	})
	if err != nil {
		return err
	}
	set, err := rule.Read("bench.rules.yml", []byte(rules))
	if err != nil {
		return err
	}
	if err := m.engine.SetRules(set); err != nil {
		return err
	}
	err = m.store.Load(func(key, value []byte) error {
		if cluster.IsSaved(key) {
			return m.fold.Restore(key, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.engine.Restore(func(each func(key, value []byte) error) error {
		return m.store.Load(func(key, value []byte) error {
			if cluster.IsSaved(key) {
				return nil
			}
			return each(key, value)
		})
	})
}
