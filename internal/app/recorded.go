package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// recorded takes the values of record rules to their topic, on the way that alerts take to users:
// what the engine decides goes to disk with the state that knows of it and the positions they
// cover, in one transaction, and only then to Kafka. So a value is neither lost in a crash nor
// decided anew; it may be written twice, with the same key, content and time.
//
// In a cluster each member decides all values, numbered alike, and keeps them until the topic of
// the cluster says that they are written; the leader writes them. That topic has what they came
// from, so they need not wait for the disk.
//
// Nothing waits for the topic. Values that it does not take wait on disk, up to a bound; beyond
// that the oldest go that a newer one of the same group has overtaken, then the oldest of all, and
// they are counted.
type recorded struct {
	topic   string // "" for none
	to      *topics
	logger  *slog.Logger
	bound   int
	metrics *recordedMetrics
	cluster *clusterMember // nil when we are not a member of a cluster

	mu      sync.Mutex // guards what follows
	decided []value    // since the last checkpoint
	waiting []value    // from before it, in their order
	bytes   int        // of both
	gone    [][]byte   // keys of values that are on disk and need not be any more
	next    uint64
	dropped uint64
	changed chan struct{}
	failing time.Time // since when the topic takes none; zero while it does
	fault   error
}

// value is a record to be written, and its number.
type value struct {
	seq   uint64
	saved bool

	recordKey string
	text      []byte // nil when the group has no value any more
	at        int64
}

const (
	maxRecordedBytes = 16 << 20 // of values that wait: some 80,000
	valueOverhead    = 64
	valueBatch       = 500 // values that are written at once
	valueTimeout     = 10 * time.Second
	valueBackoff     = 30 * time.Second       // at most, between two attempts
	valueAlarm       = time.Minute            // of failing
	valueLead        = 200 * time.Millisecond // between two looks whether we lead

	keyRecorded = 'q' // begins the keys of values in the state; none of the engine's begins so
)

func newRecorded(topic string, to *topics, logger *slog.Logger, r prometheus.Registerer) *recorded {
	q := &recorded{
		topic:   topic,
		to:      to,
		logger:  logger,
		bound:   maxRecordedBytes,
		next:    1,
		changed: make(chan struct{}),
	}
	q.metrics = newRecordedMetrics(r, q)
	return q
}

// take takes a value from the engine.
func (q *recorded) take(r models.Recorded) {
	v := value{recordKey: recordedKey(r), at: r.At.UnixNano()}
	if !r.Gone {
		v.text = recordedValue(r)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cluster != nil {
		v.seq = q.cluster.fold.ValueSeq()
	} else {
		v.seq = q.next
		q.next++
	}
	q.decided = append(q.decided, v)
	if q.bytes += v.size(); q.bytes > q.bound {
		q.shrink()
	}
}

func (v *value) size() int { return len(v.recordKey) + len(v.text) + valueOverhead }

// recordedKey says which value it is: the rule and the labels. It is that of the record on the
// topic, which may therefore be compacted.
func recordedKey(r models.Recorded) string {
	b := append([]byte(r.Rule), '{')
	for i, name := range slices.Sorted(maps.Keys(r.Labels)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, name...), '=')
		b = strconv.AppendQuote(b, r.Labels[name])
	}
	return string(append(b, '}'))
}

// recordedValue is the log that a value is: its labels are fields of it, so that rules can be about
// them. A label that has the name of one of our own fields is dropped.
func recordedValue(r models.Recorded) []byte {
	fields := map[string]any{}
	own := map[string]any{
		"timestamp": r.At.UTC().Format(time.RFC3339Nano),
		"record":    r.Record,
		"rule":      r.Rule,
		"value":     r.Value,
	}
	for name, text := range r.Labels {
		if own[name] != nil {
			name = "label_" + name
		}
		fields[name] = text
	}
	maps.Copy(fields, own)
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(fields); err != nil {
		panic(err) // texts, and a number that is one
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// shrink brings what waits well within the bound, so that it is not called again soon.
func (q *recorded) shrink() {
	newest := map[string]uint64{}
	for _, list := range [][]value{q.waiting, q.decided} {
		for i := range list {
			newest[list[i].recordKey] = list[i].seq
		}
	}
	room := q.bound / 2
	for _, reason := range []string{"overtaken", "oldest"} {
		for _, list := range []*[]value{&q.waiting, &q.decided} {
			*list = slices.DeleteFunc(*list, func(v value) bool {
				if q.bytes <= room || reason == "overtaken" && newest[v.recordKey] == v.seq {
					return false
				}
				q.remove(&v)
				q.dropped++
				q.metrics.dropped.WithLabelValues(reason).Inc()
				return true
			})
		}
	}
}

// remove accounts for a value that no longer waits.
func (q *recorded) remove(v *value) {
	q.bytes -= v.size()
	if v.saved {
		q.gone = append(q.gone, v.key())
	}
}

// append appends what is kept of a value on disk.
func (v *value) append(b []byte) []byte {
	b = binary.AppendVarint(b, v.at)
	b = binary.AppendUvarint(b, uint64(len(v.recordKey)))
	return append(append(b, v.recordKey...), v.text...)
}

// parse reads what append has appended.
func (v *value) parse(b []byte) error {
	at, n := binary.Varint(b)
	if n <= 0 {
		return errors.New("a recorded value is damaged")
	}
	size, m := binary.Uvarint(b[n:])
	if m <= 0 || size > uint64(len(b)-n-m) {
		return errors.New("a recorded value is damaged")
	}
	b = b[n+m:]
	v.at, v.recordKey = at, string(b[:size])
	if b = b[size:]; len(b) > 0 {
		v.text = bytes.Clone(b)
	}
	return nil
}

func (v *value) key() []byte { return binary.BigEndian.AppendUint64([]byte{keyRecorded}, v.seq) }

// save puts what waits into a checkpoint: all of it, or what came since the last one. The engine
// has saved its state before, so whatever was decided by then is known to that.
func (q *recorded) save(full bool, put func(key, value []byte), del func(key []byte)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, key := range q.gone {
		del(key)
	}
	q.gone = nil
	q.waiting = append(q.waiting, q.decided...)
	q.decided = nil
	for i := range q.waiting {
		v := &q.waiting[i]
		if v.saved && !full {
			continue
		}
		put(v.key(), v.append(nil))
		v.saved = true
	}
}

// open lets what was decided be written without a checkpoint: in a cluster another member would.
// It is called between two records of the cluster's topic.
func (q *recorded) open() {
	q.admit()
	q.release()
}

// admit lets the values that were decided be written.
func (q *recorded) admit() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, q.decided...)
	q.decided = nil
}

// covered notes that the topic of the cluster says so of all values up to one.
func (q *recorded) covered(last uint64) {
	q.admit()
	q.wrote(last)
}

// release lets what was saved be written. After a checkpoint that failed it is written all the
// same, as alerts are.
func (q *recorded) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// restoring keeps the values among what is loaded, and passes on the rest. Without a topic they are
// dropped.
func (q *recorded) restoring(
	load func(each func(key, value []byte) error) error,
) func(each func(key, value []byte) error) error {
	return func(each func(key, value []byte) error) error {
		err := load(func(key, text []byte) error {
			if len(key) != 9 || key[0] != keyRecorded {
				return each(key, text)
			}
			v := value{seq: binary.BigEndian.Uint64(key[1:]), saved: true}
			if err := v.parse(text); err != nil {
				return err
			}
			q.next = max(q.next, v.seq+1)
			if q.topic == "" {
				q.gone = append(q.gone, v.key())
				return nil
			}
			q.waiting, q.bytes = append(q.waiting, v), q.bytes+v.size()
			return nil
		})
		slices.SortFunc(q.waiting, func(a, b value) int { return cmp.Compare(a.seq, b.seq) })
		return err
	}
}

// batch returns the oldest values that wait, and a channel that is closed when there may be more.
func (q *recorded) batch() ([]value, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < min(len(q.waiting), valueBatch) && (q.waiting[n].saved || q.cluster != nil) {
		n++
	}
	return slices.Clone(q.waiting[:n]), q.changed
}

// whole is the number up to which all values are on the topic once those up to one are: several
// values come of one record, and other members may have them in another order.
func (q *recorded) whole(last uint64) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.waiting {
		if v := &q.waiting[i]; v.seq > last && cluster.SameRecord(v.seq, last) {
			return cluster.BeforeRecord(last)
		}
	}
	return last
}

// wrote notes that all values up to one are on the topic.
func (q *recorded) wrote(last uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.waiting) && q.waiting[n].seq <= last {
		q.remove(&q.waiting[n])
		n++
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
}

// run writes values until ctx is done, and then for as long as grace what is left.
func (q *recorded) run(ctx context.Context, grace time.Duration) error {
	for ctx.Err() == nil {
		some, changed := q.batch()
		if len(some) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if !q.ours() {
			wait.Sleep(ctx, valueLead)
			continue
		}
		q.write(ctx, some)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for some, _ := q.batch(); len(some) > 0 && ctx.Err() == nil && q.ours(); some, _ = q.batch() {
		q.write(ctx, some)
	}
	return nil
}

// ours reports whether it is for us to write.
func (q *recorded) ours() bool { return q.cluster == nil || q.cluster.leads() }

// write writes values until the topic has them, or ctx is done.
func (q *recorded) write(ctx context.Context, some []value) {
	records := make([]models.Record, len(some))
	for i, v := range some {
		records[i] = models.Record{
			Topic:     q.topic,
			Key:       []byte(v.recordKey),
			Value:     v.text,
			Timestamp: time.Unix(0, v.at),
		}
	}
	for pause := time.Second; q.ours(); pause = min(2*pause, valueBackoff) {
		attempt, cancel := context.WithTimeout(ctx, valueTimeout)
		err := q.to.Write(attempt, records...)
		cancel()
		if err != nil && ctx.Err() != nil {
			return // it was cut off by us
		}
		if q.attempted(len(some), err); err == nil {
			last := some[len(some)-1].seq
			if q.cluster != nil {
				clusterOutbox{q.cluster}.wroteValues(q.whole(last))
			}
			q.wrote(last)
			return
		}
		if !wait.Sleep(ctx, pause) {
			return
		}
	}
}

// attempted notes how an attempt went.
func (q *recorded) attempted(n int, err error) {
	changed := q.note(err) // the log is written without the lock, for which the engine may wait
	if err == nil {
		q.metrics.written.Add(float64(n))
	} else {
		q.metrics.failures.Inc()
	}
	switch {
	case !changed:
	case err == nil:
		q.logger.Info("recorded values are written again", "topic", q.topic)
	default:
		q.logger.Warn("writing recorded values failed; retrying", "topic", q.topic, "error", err)
	}
}

// note notes whether the topic takes values, and reports whether that was otherwise before.
func (q *recorded) note(err error) (changed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	failed := !q.failing.IsZero()
	q.fault = err
	switch {
	case err == nil:
		q.failing = time.Time{}
	case !failed:
		q.failing = time.Now()
	}
	return failed != (err != nil)
}

// alarm returns an error while values do not get to their topic.
func (q *recorded) alarm() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var errs []error
	if q.dropped > 0 && q.bytes > q.bound/2 {
		errs = append(errs, fmt.Errorf("%d recorded values for topic %q were dropped: more than %d "+
			"bytes of them waited", q.dropped, q.topic, q.bound))
	}
	if !q.failing.IsZero() && (len(errs) > 0 || time.Since(q.failing) >= valueAlarm) {
		errs = append(errs, fmt.Errorf("writing recorded values to topic %q fails: %w", q.topic,
			q.fault))
	}
	return errors.Join(errs...)
}

type recordedMetrics struct {
	written  prometheus.Counter
	failures prometheus.Counter
	dropped  *prometheus.CounterVec
}

func newRecordedMetrics(r prometheus.Registerer, q *recorded) *recordedMetrics {
	m := &recordedMetrics{
		written: prometheus.NewCounter(
			prometheus.CounterOpts{
				Name: "alert_engine_recorded_values_written_total",
				Help: "Values of record rules that their topic has taken.",
			},
		),
		failures: prometheus.NewCounter(
			prometheus.CounterOpts{
				Name: "alert_engine_recorded_values_failures_total",
				Help: "Attempts to write values of record rules that failed; they are made again.",
			},
		),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_recorded_values_dropped_total",
			Help: "Values of record rules that were dropped because too many waited: overtaken " +
				"by a newer one of their group, or just the oldest.",
		}, []string{"reason"}),
	}
	waiting := prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{
			Name: "alert_engine_recorded_values_waiting_bytes",
			Help: "Size of the values of record rules that wait for their topic.",
		},
		func() float64 {
			q.mu.Lock()
			defer q.mu.Unlock()
			return float64(q.bytes)
		},
	)
	if q.topic != "" {
		r.MustRegister(m.written, m.failures, m.dropped, waiting)
	}
	return m
}
