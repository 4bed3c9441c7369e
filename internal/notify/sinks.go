package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/fair"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The file and the topic of notifications are ordered sinks: each gets every transition that is to
// be notified, in order, whether it is silenced or not, and apart from routes and groups. The lines
// are made when the transition is taken from the outbox, and are in the write-ahead log until all
// sinks have them. So what is written twice, because we could not know that it was written, is the
// same to the last byte.
//
// In a cluster the leader publishes its queue, and the next leader continues with it. Alerts of the
// process itself are in a queue of their own, which others do not have.

const (
	fileSink     = "file"
	topicSink    = "topic"
	maxSinkBatch = 256
	sinkBackoff  = time.Minute // at most, between two attempts
	sinkTimeout  = 30 * time.Second
)

// sink is a destination of the queue.
type sink struct {
	kind    string // names its position in the queue
	to      sinkWriter
	writing chan struct{} // one queue at a time; not a mutex, since writing takes long
}

// sinkWriter writes lines in order, and returns when they are safe.
type sinkWriter interface {
	write(ctx context.Context, lines []queued) error
	// Leaves out the lines that an earlier process has written last.
	written(lines []queued) (left []queued)
}

func newSinks(o Options) (list []*sink, err error) {
	if o.File != "" {
		f := newFile(o.File)
		if err := f.check(); err != nil {
			return nil, err
		}
		list = append(list, &sink{fileSink, f, make(chan struct{}, 1)})
	}
	if o.Topic != "" {
		if o.Writer == nil {
			return nil, errors.New("there is no Kafka to write the topic of notifications to")
		}
		list = append(list, &sink{topicSink, &topic{o.Topic, o.Writer}, make(chan struct{}, 1)})
	}
	return list, nil
}

// queued is a notification in the queue.
type queued struct {
	Seq     uint64            `json:"-"`
	ID      string            `json:"id"`
	AlertID string            `json:"alert_id"`
	Rule    string            `json:"rule"`
	State   models.AlertState `json:"state"`
	At      time.Time         `json:"at"` // event time
	Line    []byte            `json:"line"`
	dropped bool
}

// sinkQueue is the notifications that some sink does not have yet.
type sinkQueue struct {
	n      *Notifier
	put    func(key, value string, expires time.Time)
	remove func(key string)

	mu       sync.Mutex          // guards what follows
	items    []queued            // oldest first, with some that are dropped
	gone     int                 // so many of them
	sizes    fair.Sizes          // in bytes, by rule
	ofRule   map[string][]uint64 // the notifications of a rule, oldest first
	next     uint64
	position map[string]uint64 // by sink: the last notification that it has
	active   map[string]bool   // sinks of the present configuration
	dropped  int64
	terms    int // counts the resets
	changed  chan struct{}
}

func newSinkQueue(
	n *Notifier, put func(key, value string, expires time.Time), remove func(key string),
) *sinkQueue {
	return &sinkQueue{
		n:        n,
		put:      put,
		remove:   remove,
		next:     1,
		position: map[string]uint64{},
		active:   map[string]bool{},
		ofRule:   map[string][]uint64{},
		changed:  make(chan struct{}),
	}
}

// restore reads the queue from the write-ahead log.
func (q *sinkQueue) restore(now time.Time) {
	var restored []queued
	read := func(prefix string) func(key, value string) {
		return func(key, value string) { restored = q.read(restored, prefix+key, []byte(value)) }
	}
	q.n.wal.each(keyPosition, now, read(keyPosition))
	q.n.wal.each(keyQueued, now, read(keyQueued))
	q.fill(restored)
}

// read reads an entry of the write-ahead log, or one that was published: a position, or a
// notification, which it appends to a list.
func (q *sinkQueue) read(list []queued, key string, value []byte) []queued {
	if kind, ok := strings.CutPrefix(key, keyPosition); ok {
		var seq uint64
		if json.Unmarshal(value, &seq) == nil {
			q.position[kind] = seq
			q.next = max(q.next, seq+1)
		}
		return list
	}
	number, ok := strings.CutPrefix(key, keyQueued)
	if !ok {
		return list
	}
	var one queued
	if _, err := fmt.Sscanf(number, "%d", &one.Seq); err != nil ||
		json.Unmarshal(value, &one) != nil {
		q.n.logger.Error("a queued notification cannot be read and is dropped", "key", key)
		return list
	}
	q.next = max(q.next, one.Seq+1)
	return append(list, one)
}

// fill makes the queue of notifications in any order.
func (q *sinkQueue) fill(list []queued) {
	slices.SortFunc(list, func(a, b queued) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, one := range list {
		q.append(one)
	}
}

// sharedQueue makes the queue that a leader publishes; it has nothing while we do not lead.
func (n *Notifier) sharedQueue() *sinkQueue {
	home := n.opts.Home
	pass := n.states.passOf(home)
	return newSinkQueue(n, func(key, value string, _ time.Time) { pass(key, []byte(value)) },
		func(key string) { pass(key, nil) })
}

// lead continues with the queue of the former leader.
func (q *sinkQueue) lead(notified Changelog) {
	q.reset()
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []queued
	for key, value := range notified {
		list = q.read(list, key, value)
	}
	q.fill(list)
	q.begin()
	q.trim()
	q.wake()
}

// reset empties the queue, which another member continues with.
func (q *sinkQueue) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items, q.gone, q.sizes, q.ofRule = nil, 0, fair.Sizes{}, map[string][]uint64{}
	q.next, q.position = 1, map[string]uint64{}
	q.terms++
	q.wake()
}

func (q *sinkQueue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// continueQueue has an instance without a cluster continue with what a leader had queued.
func continueQueue(w *wal, notified Changelog, now time.Time) {
	last := uint64(0)
	for _, prefix := range []string{keyPosition, keyQueued} {
		w.each(prefix, now, func(key, value string) {
			var seq uint64
			if prefix == keyPosition {
				_ = json.Unmarshal([]byte(value), &seq)
			} else {
				_, _ = fmt.Sscanf(key, "%d", &seq)
			}
			last = max(last, seq)
		})
	}
	for _, key := range slices.Sorted(maps.Keys(notified)) {
		if strings.HasPrefix(key, keyQueued) {
			last++
			w.put(queueKey(last), string(notified[key]), time.Time{})
		}
	}
}

// enqueue queues a transition where its alert belongs.
func (n *Notifier) enqueue(a models.Alert) {
	if a.Home != (models.Partition{}) {
		n.shared.add(a)
		return
	}
	n.queue.add(a)
}

func (n *Notifier) configureQueues(sinks []*sink) {
	n.queue.configure(sinks)
	n.shared.configure(sinks)
}

func (n *Notifier) busyQueues() bool { return n.queue.busy() || n.shared.busy() }

// waiting is how many notifications wait for the sinks, and how many were dropped.
func (n *Notifier) waiting() (notifications, bytes int, dropped int64) {
	for _, q := range []*sinkQueue{n.queue, n.shared} {
		waits, size, gone := q.waiting()
		notifications, bytes, dropped = notifications+waits, bytes+size, dropped+gone
	}
	return notifications, bytes, dropped
}

func (q *sinkQueue) append(one queued) {
	q.items = append(q.items, one)
	q.sizes.Add(one.Rule, int64(len(one.Line)))
	q.ofRule[one.Rule] = append(q.ofRule[one.Rule], one.Seq)
}

// configure says which sinks there are. One that is new begins with the next transition.
func (q *sinkQueue) configure(sinks []*sink) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active = map[string]bool{}
	for _, s := range sinks {
		q.active[s.kind] = true
	}
	q.begin()
	q.trim()
}

// begin has a sink that has no position begin with the next transition.
func (q *sinkQueue) begin() {
	for kind := range q.active {
		if _, known := q.position[kind]; !known {
			q.advance(kind, q.next-1)
		}
	}
	for kind := range q.position {
		if !q.active[kind] {
			delete(q.position, kind)
			q.remove(keyPosition + kind)
		}
	}
}

// add queues a transition for all sinks.
func (q *sinkQueue) add(a models.Alert) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.active) == 0 {
		return
	}
	line, id := notificationLine(a, q.n.config.Load().external)
	one := queued{
		Seq:     q.next,
		ID:      id,
		AlertID: a.ID,
		Rule:    a.Rule,
		State:   a.State,
		At:      a.At,
		Line:    line,
	}
	q.next++
	if value, err := json.Marshal(&one); err == nil {
		q.put(queueKey(one.Seq), string(value), time.Time{})
	}
	q.append(one)
	for q.sizes.Total() > int64(q.n.opts.MaxQueueBytes) && len(q.items)-q.gone > 1 {
		q.dropped++
		q.n.metrics.dropped.Inc()
		q.drop()
	}
	q.wake()
}

// drop drops the oldest notification of the rule that has most of the queue, so that a flood of one
// rule drops nothing of another.
func (q *sinkQueue) drop() {
	seq := q.ofRule[q.sizes.Most()][0]
	i, _ := slices.BinarySearchFunc(q.items, seq, func(one queued, seq uint64) int {
		return cmp.Compare(one.Seq, seq)
	})
	q.release(&q.items[i])
	q.items[i].Line, q.items[i].dropped = nil, true
	if q.gone++; q.gone > len(q.items)/2 {
		q.items = slices.DeleteFunc(q.items, func(one queued) bool { return one.dropped })
		q.gone = 0
	}
}

func queueKey(seq uint64) string { return fmt.Sprintf("%s%020d", keyQueued, seq) }

// release takes the oldest notification of a rule out of the counts and the write-ahead log.
func (q *sinkQueue) release(one *queued) {
	q.sizes.Add(one.Rule, -int64(len(one.Line)))
	if list := q.ofRule[one.Rule]; len(list) > 1 {
		q.ofRule[one.Rule] = list[1:]
	} else {
		delete(q.ofRule, one.Rule)
	}
	q.remove(queueKey(one.Seq))
}

// trim drops what all sinks have.
func (q *sinkQueue) trim() {
	least := q.next - 1
	for kind := range q.active {
		least = min(least, q.position[kind])
	}
	i := 0
	for ; i < len(q.items) && q.items[i].Seq <= least; i++ {
		if q.items[i].dropped {
			q.gone--
		} else {
			q.release(&q.items[i])
		}
	}
	q.items = slices.Delete(q.items, 0, i)
}

func (q *sinkQueue) advance(kind string, seq uint64) {
	q.position[kind] = seq
	value, _ := json.Marshal(seq)
	q.put(keyPosition+kind, string(value), time.Time{})
}

// batch returns what a sink does not have yet, of which term it is, and a channel that is closed
// when there is more.
func (q *sinkQueue) batch(kind string) (list []queued, term int, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, one := range q.items {
		if one.Seq > q.position[kind] && !one.dropped {
			if list = append(list, one); len(list) == maxSinkBatch {
				break
			}
		}
	}
	return list, q.terms, q.changed
}

func (q *sinkQueue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) > q.gone
}

func (q *sinkQueue) waiting() (notifications, bytes int, dropped int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.gone, int(q.sizes.Total()), q.dropped
}

func (n *Notifier) queueHealth() error {
	_, bytes, dropped := n.waiting()
	switch {
	case dropped > 0:
		return fmt.Errorf(
			"%d notifications to the file or topic were dropped, because more than %d bytes waited",
			dropped, n.opts.MaxQueueBytes,
		)
	case bytes > n.opts.MaxQueueBytes/10*8:
		return fmt.Errorf(
			"%d bytes of notifications wait for the file or topic; beyond %d the oldest are dropped",
			bytes,
			n.opts.MaxQueueBytes,
		)
	}
	return nil
}

// drain writes the queue to a sink until the pipeline stops. A sink that fails is tried again, less
// and less often, until it has everything, in order.
func (q *sinkQueue) drain(l *pipeline, s *sink) {
	ctx := l.attempts
	pause, began := time.Duration(0), -1
	for ctx.Err() == nil {
		list, term, changed := q.batch(s.kind)
		if len(list) == 0 {
			select {
			case <-changed:
			case <-l.dispatcher.ctx.Done():
				return
			}
			continue
		}
		err := q.writeNew(ctx, s, list, began != term)
		if err == nil {
			q.wrote(s.kind, list[len(list)-1].Seq, term)
			pause, began = 0, term
			continue
		}
		if l.dispatcher.ctx.Err() != nil {
			return
		}
		pause = min(max(2*pause, time.Second), sinkBackoff)
		if !wait.Sleep(l.dispatcher.ctx, pause) {
			return
		}
	}
}

// wrote notes what a sink has, unless another member has continued with the queue since.
func (q *sinkQueue) wrote(kind string, seq uint64, term int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if term == q.terms {
		q.advance(kind, seq)
		q.trim()
	}
}

// writeNew writes notifications, at first without those that an earlier process has written.
func (q *sinkQueue) writeNew(ctx context.Context, s *sink, list []queued, first bool) error {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	if leads := q.n.opts.Leads; q == q.n.shared && leads != nil && !leads() {
		return errNotLeader
	}
	if first {
		list = s.to.written(list)
	}
	return q.write(ctx, s, list)
}

func (q *sinkQueue) write(ctx context.Context, s *sink, list []queued) error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sinkTimeout)
	defer cancel()
	began := time.Now()
	err := s.to.write(ctx, list)
	detail := fmt.Sprintf("accepted after %s", duration.Measured(time.Since(began)))
	if err != nil {
		detail = safetext.ClipLine(withoutSecrets(err.Error()), maxLine)
	}
	if q.n.outcome(s.kind, s.kind, s.kind, err, detail) && err != nil {
		q.n.logger.Warn("notifications cannot be written; retrying", "to", s.kind, "error", detail)
	}
	for _, one := range list {
		q.n.note(one.AlertID, Delivery{
			At:       time.Now(),
			Rule:     one.Rule,
			State:    one.State,
			Receiver: s.kind,
			Sent:     err == nil,
			Detail:   detail,
		})
	}
	return err
}
