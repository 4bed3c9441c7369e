// Package history keeps what happened to alerts on disk, for a time and up to a size: each
// transition, each notification, the reason why something was not notified, and what users did. It
// answers by alert, by time and by rule, so that yesterday's link opens.
//
// A directory holds segments. A segment is a file of JSON lines, oldest first, and is closed when
// it is full. Each closed segment has an index beside it, sorted by alert:
//
//	0000000000000001.jsonl   closed segment
//	0000000000000001.idx     its index: alert, rule, kind, state, event time, place of the line
//	0000000000000002.jsonl   the newest segment, whose index is in memory
//
// Retention removes segments that are too old. Beyond its size, the rules with most entries lose
// their oldest, so that a flood of one rule takes nothing of another: segments are rewritten
// without them, and small ones merged. A line that a crash has cut short is dropped when the
// directory is opened; an index that is missing or damaged is made again of its segment.
//
// Add never waits for the disk: entries go to a queue, and one goroutine writes it. When the queue
// is full the rule with most entries in it loses its newest, which is counted. Record waits, for
// what users did. Who reads does not wait for the disk to have what was written.
package history

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Kind is what an entry is about.
type Kind string

// The kinds of entries.
const (
	Transition   Kind = "transition"   // of an alert
	Notified     Kind = "notified"     // a receiver accepted a notification
	Failed       Kind = "failed"       // a receiver did not accept a notification
	NotNotified  Kind = "not_notified" // why no receiver was notified
	Acknowledged Kind = "acknowledged" // by a user
	Comment      Kind = "comment"
	Change       Kind = "change" // of rules, silences or settings, by a user
)

// Entry is one thing that happened.
type Entry struct {
	Time    time.Time         `json:"time"` // by our clock
	Kind    Kind              `json:"kind"`
	AlertID string            `json:"alert_id,omitempty"`
	Rule    string            `json:"rule,omitempty"` // group/name
	State   models.AlertState `json:"state,omitempty"`
	At      time.Time         `json:"at,omitzero"`     // event time
	Alert   *models.Alert     `json:"alert,omitempty"` // of a transition

	Receiver    string `json:"receiver,omitempty"`
	Integration string `json:"integration,omitempty"`
	Detail      string `json:"detail,omitempty"`
	By          string `json:"by,omitempty"` // who did it

	// of what a user did
	Client string            `json:"client,omitempty"` // user or role
	From   string            `json:"from,omitempty"`   // address
	Facts  map[string]string `json:"facts,omitempty"`
}

// OfAlert makes the entry of a transition.
func OfAlert(a models.Alert, now time.Time) Entry {
	return Entry{
		Time:    now,
		Kind:    Transition,
		AlertID: a.ID,
		Rule:    a.Rule,
		State:   a.State,
		At:      a.At,
		Alert:   &a,
	}
}

// Options are the settings of a history.
type Options struct {
	Dir        string
	MaxAge     time.Duration         // 30 days by default
	MaxBytes   int64                 // 1 GiB by default
	Logger     *slog.Logger          // slog.Default() by default
	Registerer prometheus.Registerer // nil for no metrics

	// Sync is called each time before what was written is to outlast a power cut: it may take its
	// time, and its error is that of the disk. It is there for tests; nil for nothing.
	Sync func() error
}

const (
	defaultAge     = 30 * 24 * time.Hour
	defaultBytes   = 1 << 30
	maxSegment     = 16 << 20
	minSegment     = 64 << 10
	syncInterval   = time.Second
	retainInterval = 10 * time.Minute
)

func (o Options) withDefaults() Options {
	if o.MaxAge <= 0 {
		o.MaxAge = defaultAge
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Log is an open history.
type Log struct {
	opts    Options
	metrics *metrics
	queue   queue
	flushed chan chan struct{}
	full    chan struct{} // a segment is full
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when run has ended
	closing sync.Once

	retaining sync.Mutex // held by retain
	// held by who writes, also while it waits for the disk; taken before mu
	writing sync.Mutex

	mu       sync.Mutex // guards what follows; it is never held while waiting for the disk
	segments []*segment // oldest first; the last one is written to
	fault    error      // of the last write
}

// Open opens the directory, or makes it. Close is to be called.
func Open(o Options) (*Log, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	l := &Log{
		opts: o, queue: newQueue(), flushed: make(chan chan struct{}),
		full: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open history %s: %w", o.Dir, err)
	}
	l.metrics = newMetrics(o.Registerer, l)
	go l.run()
	return l, nil
}

// load reads which segments there are.
func (l *Log) load() error {
	names, err := os.ReadDir(l.opts.Dir)
	if err != nil {
		return err
	}
	var found []span
	for _, name := range names {
		if sp, ok := parseSpan(name.Name()); ok {
			found = append(found, sp)
		}
	}
	found = withoutMerged(found)
	for i, sp := range found {
		newest := i == len(found)-1
		s, err := openSegment(l.opts.Dir, sp.first, sp.last, newest, l.opts.Logger)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, s)
	}
	if len(l.segments) == 0 {
		return l.next()
	}
	return nil
}

// next begins a new segment.
func (l *Log) next() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	number := uint64(1)
	if n := len(l.segments); n > 0 {
		number = l.segments[n-1].number + 1
	}
	s, err := createSegment(l.opts.Dir, number)
	if err == nil {
		l.segments = append(l.segments, s)
	}
	return err
}

// Add adds entries, soon. It never blocks; what a full queue cannot hold is dropped and counted.
func (l *Log) Add(entries ...Entry) {
	for i := range entries {
		if !l.queue.add(&entries[i]) {
			l.metrics.dropped.Inc()
		}
	}
}

// Record writes an entry before it returns: what a user did is not to be lost in a full queue.
func (l *Log) Record(e Entry) error {
	l.Flush() // what was added before stands before it
	if err := l.write(e); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// Flush returns when all entries that were added before are in the files.
func (l *Log) Flush() {
	done := make(chan struct{})
	select {
	case l.flushed <- done:
		<-done
	case <-l.done:
	}
}

// Health returns an error while the history cannot be written.
func (l *Log) Health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil {
		return fmt.Errorf("history cannot be written: %w", l.fault)
	}
	return nil
}

// Close writes what was added, and closes the files.
func (l *Log) Close() (err error) {
	l.closing.Do(func() {
		close(l.quit)
		<-l.done
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, s := range l.segments {
			err = errors.Join(err, s.close())
		}
		l.metrics.unregister(l.opts.Registerer)
	})
	return err
}

// run writes the queue, until it is closed.
func (l *Log) run() {
	defer close(l.done)
	ticker := time.NewTicker(syncInterval)
	defer ticker.Stop()
	retained := time.Time{}
	for {
		select {
		case <-l.queue.ready:
			l.writeAll()
		case <-l.full:
			l.retain(time.Now())
		case done := <-l.flushed:
			l.writeAll()
			close(done)
		case now := <-ticker.C:
			l.sync()
			if now.Sub(retained) >= retainInterval {
				l.retain(now)
				retained = now
			}
		case <-l.quit:
			l.writeAll()
			l.sync()
			return
		}
	}
}

// writeAll writes what is in the queue.
func (l *Log) writeAll() {
	for _, e := range l.queue.take() {
		_ = l.write(*e) // noted for Health
	}
}

func (l *Log) write(e Entry) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	s := l.newest()
	if s.size >= l.segmentSize() {
		if err := errors.Join(l.disk(), s.seal(), l.next()); err != nil {
			l.failed(err)
		}
		select {
		case l.full <- struct{}{}:
		default: // it is known already
		}
		s = l.newest()
	}
	err := s.append(e)
	if err != nil {
		l.metrics.dropped.Inc()
	} else {
		l.metrics.entries.WithLabelValues(string(e.Kind)).Inc()
	}
	l.failed(err)
	return err
}

// newest is the segment that is written to.
func (l *Log) newest() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[len(l.segments)-1]
}

// segmentSize is when a segment is full: a history has at least 16, so that retention removes
// little at a time.
func (l *Log) segmentSize() int64 {
	return max(minSegment, min(maxSegment, l.opts.MaxBytes/16))
}

func (l *Log) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.fault == nil {
		l.opts.Logger.Error("history cannot be written", "error", err)
	}
	l.fault = err
}

func (l *Log) sync() {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.newest().sync(l.disk); err != nil {
		l.failed(err)
	}
}

// disk is what comes before each wait for the disk.
func (l *Log) disk() error {
	if l.opts.Sync == nil {
		return nil
	}
	return l.opts.Sync()
}

// all returns the segments for reading, oldest first. Each is to be released.
func (l *Log) all() []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.segments)
	for _, s := range list {
		s.users.Add(1)
	}
	return list
}

func release(list []*segment) {
	for _, s := range list {
		s.users.Done()
	}
}

// Bytes is the size of the history on disk.
func (l *Log) Bytes() (bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		bytes += s.bytes()
	}
	return bytes
}

// Has reports whether the newest entries have a transition already: after a crash some are added
// once more.
func (l *Log) Has(a models.Alert) bool {
	for _, e := range l.Of(a.ID) {
		if e.Kind == Transition && e.State == a.State && e.At.Equal(a.At) && e.Alert != nil &&
			e.Alert.Severity == a.Severity {
			return true
		}
	}
	return false
}
