package kafka

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// DeadLetter is a record that could not be decoded or evaluated. On a dead-letter topic it keeps
// key, value and headers; the rest is in headers that begin with dlq.
type DeadLetter struct {
	Topic     string          `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp time.Time       `json:"timestamp"`
	Key       []byte          `json:"key,omitempty"`
	Value     []byte          `json:"value"`
	Headers   []models.Header `json:"headers,omitempty"`
	Reason    string          `json:"reason"`
	Detail    string          `json:"detail,omitempty"`
	Attempts  int             `json:"attempts"` // over all replays
	Version   string          `json:"version,omitempty"`
}

const (
	deadLetterPrefix       = "dlq."
	maxDeadLetterFile      = 256 << 20
	deadLetterFlushTimeout = time.Second
)

// record is the form on a dead-letter topic. Its timestamp is the time of writing: brokers refuse
// one that is far ahead of their clock, and soon delete one that is older than the retention.
func (d *DeadLetter) record(topic string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Key: d.Key, Value: d.Value}
	for _, h := range d.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	for _, h := range [][2]string{
		{"topic", d.Topic}, {
			"partition", strconv.Itoa(int(d.Partition)),
		}, {"offset", strconv.FormatInt(d.Offset, 10)},
		{"timestamp", d.Timestamp.UTC().Format(time.RFC3339Nano)}, {"reason", d.Reason},
		{"detail", d.Detail}, {
			"attempts", strconv.Itoa(d.Attempts),
		}, {"version", d.Version},
	} {
		r.Headers = append(
			r.Headers,
			kgo.RecordHeader{Key: deadLetterPrefix + h[0], Value: []byte(h[1])},
		)
	}
	return r
}

// parseDeadLetter reads a record of a dead-letter topic. Records of other programs have no
// reason.
func parseDeadLetter(r *models.Record) DeadLetter {
	d := DeadLetter{
		Timestamp: r.Timestamp,
		Key:       slices.Clone(r.Key),
		Value:     slices.Clone(r.Value),
		Partition: -1,
		Offset:    -1,
	}
	for _, h := range r.Headers {
		name, ours := strings.CutPrefix(h.Key, deadLetterPrefix)
		value := string(h.Value)
		switch {
		case !ours:
			d.Headers = append(d.Headers, models.Header{Key: h.Key, Value: slices.Clone(h.Value)})
		case name == "topic":
			d.Topic = value
		case name == "partition":
			n, _ := strconv.ParseInt(value, 10, 32)
			d.Partition = int32(n)
		case name == "offset":
			d.Offset, _ = strconv.ParseInt(value, 10, 64)
		case name == "timestamp":
			if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
				d.Timestamp = at
			}
		case name == "reason":
			d.Reason = value
		case name == "detail":
			d.Detail = value
		case name == "attempts":
			d.Attempts, _ = strconv.Atoi(value)
		case name == "version":
			d.Version = value
		}
	}
	return d
}

// newDeadLetter makes a dead letter of a record. A replayed dead letter keeps its count of
// attempts.
func newDeadLetter(r *kgo.Record, reason, detail, version string, attempts int) DeadLetter {
	m := modelRecord(r)
	old := parseDeadLetter(&m)
	return DeadLetter{
		Topic:     r.Topic,
		Partition: r.Partition,
		Offset:    r.Offset,
		Timestamp: r.Timestamp,
		Key:       old.Key,
		Value:     old.Value,
		Headers:   old.Headers,
		Reason:    reason,
		Detail:    detail,
		Attempts:  old.Attempts + attempts,
		Version:   version,
	}
}

// deadLetterWriter writes rejected records to a topic or file. Failures are counted and logged;
// they never block consumption.
type deadLetterWriter struct {
	client   *kgo.Client
	topic    string
	version  string
	counters *counters
	limited  *rateLimitedLogger
	problem  func(error) // gets the error of each failed write, and nil of each that succeeds

	mu   sync.Mutex // guards the file
	file *os.File
	out  *bufio.Writer
	size int64
}

// openDeadLetters creates the topic or opens the file. Without either, rejections are only
// counted and logged.
func openDeadLetters(
	ctx context.Context,
	g *groupConsumer,
	topic, file, version string,
) (*deadLetterWriter, error) {
	l := &deadLetterWriter{
		topic:    topic,
		version:  version,
		counters: g.counters,
		limited:  g.limited,
		problem:  func(err error) { g.problems.setOrClear("dead letters", err) },
	}
	if topic != "" {
		return l, l.open(ctx, g)
	}
	if file == "" {
		return l, nil
	}
	var err error
	if l.file, err = os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open dead letters: %w", err)
	}
	if l.size, err = l.file.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("open dead letters: %w", err)
	}
	l.out = bufio.NewWriter(l.file)
	return l, nil
}

// open connects to the topic. Its producer is not idempotent: brokers refuse the ID of an
// idempotent one without naming the topic, and the client would not recover.
func (l *deadLetterWriter) open(ctx context.Context, g *groupConsumer) error {
	opts, err := g.cfg.options(g.log)
	if err != nil {
		return err
	}
	opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MetadataMinAge(500*time.Millisecond))
	if l.client, err = kgo.NewClient(opts...); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	if err := createTopic(ctx, l.client, l.topic, nil); err != nil {
		l.client.Close()
		return fmt.Errorf("dead letter topic %q: %w", l.topic, err)
	}
	if err := checkWrite(ctx, l.client, l.topic); err != nil {
		l.problem(fmt.Errorf("dead letters will be lost: %w", err))
		l.limited.error("dead letters", "dead letters will be lost", "error", err)
	}
	return nil
}

// createTopic creates a topic unless it exists.
func createTopic(
	ctx context.Context,
	client *kgo.Client,
	topic string,
	settings map[string]string,
) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	configs := make(map[string]*string, len(settings))
	for name, value := range settings {
		configs[name] = &value
	}
	answer, err := kadm.NewClient(client).CreateTopic(ctx, -1, -1, configs, topic)
	if err == nil {
		err = answer.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) &&
		!errors.Is(err, kerr.TopicAuthorizationFailed) &&
		!errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return fmt.Errorf("create it: %w", withHint(err))
	}
	if errors.Is(err, kerr.TopicAuthorizationFailed) ||
		errors.Is(err, kerr.ClusterAuthorizationFailed) {
		meta, metaErr := kadm.NewClient(client).Metadata(ctx, topic)
		if metaErr != nil || meta.Topics[topic].Err != nil {
			return errors.New(
				"it does not exist and may not be created (create it, or allow CREATE on it)",
			)
		}
	}
	return nil
}

// reject counts and logs the rejections of a scan, and writes the records.
func (l *deadLetterWriter) reject(records []*kgo.Record, rejected []models.Rejection) {
	for len(rejected) > 0 {
		n := 1
		for n < len(rejected) && rejected[n].Record == rejected[0].Record {
			n++
		}
		l.rejectOne(records[rejected[0].Record], rejected[:n])
		rejected = rejected[n:]
	}
}

// rejectOne counts the rejections of one record and writes the record once.
func (l *deadLetterWriter) rejectOne(record *kgo.Record, rejected []models.Rejection) {
	kept := false
	for _, r := range rejected {
		l.counters.rejected.add(r.Reason, 1)
		if decode.Reason(r.Reason).Drop() {
			continue
		}
		l.counters.recent.note(record, r)
		l.limited.warn("rejected "+r.Reason, "a record cannot be read", "topic", record.Topic,
			"partition", record.Partition, "offset", record.Offset, "reason", r.Reason,
			"detail", r.Detail)
		if !kept {
			l.write(newDeadLetter(record, r.Reason, r.Detail, l.version, 1))
		}
		kept = true
	}
}

// write writes one dead letter.
func (l *deadLetterWriter) write(d DeadLetter) {
	switch {
	case l.topic != "":
		l.client.TryProduce(context.Background(), d.record(l.topic),
			func(_ *kgo.Record, err error) {
				l.count(err)
			})
	case l.file != nil:
		l.count(l.writeFile(d))
	}
}

func (l *deadLetterWriter) writeFile(d DeadLetter) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size += int64(len(line)) + 1; l.size > maxDeadLetterFile {
		return fmt.Errorf("%s has reached %d MiB (rotate it)", l.file.Name(), maxDeadLetterFile>>20)
	}
	_, err = l.out.Write(append(line, '\n'))
	return err
}

func (l *deadLetterWriter) count(err error) {
	if err == nil {
		l.counters.deadLettersWritten.Add(1)
		l.problem(nil)
		return
	}
	if errors.Is(err, kgo.ErrClientClosed) {
		l.counters.deadLettersLost.Add(1)
		return
	}
	err = withWriteHint(err, l.topic)
	l.counters.deadLettersLost.Add(1)
	l.problem(fmt.Errorf("dead letters are lost: %w", err))
	l.limited.error("dead letters", "a dead letter could not be written", "topic", l.topic,
		"error", err)
}

// flush waits briefly for pending dead letters before offsets beyond them are committed.
func (l *deadLetterWriter) flush() {
	if l.client != nil && l.client.BufferedProduceRecords() > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), deadLetterFlushTimeout)
		defer cancel()
		l.client.Flush(ctx)
	}
	if l.file == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.Flush(); err != nil {
		l.limited.error("dead letters", "dead letters could not be written", "file", l.file.Name(),
			"error", err)
		l.out.Reset(l.file)
	}
}

func (l *deadLetterWriter) close() {
	l.flush()
	if l.client != nil {
		l.client.Close()
	}
	if l.file != nil {
		l.file.Close()
	}
}

// DeadLetters is a dead-letter topic or file.
type DeadLetters struct {
	Client ClientConfig
	Topic  string
	File   string
	Logger *slog.Logger // slog.Default() by default
}

// List yields the current dead letters, oldest first within each partition. An error is the last
// element.
func (d DeadLetters) List(ctx context.Context) iter.Seq2[DeadLetter, error] {
	if d.File != "" {
		return d.listFile
	}
	return func(yield func(DeadLetter, error) bool) {
		reader := NewReader(
			ReaderConfig{Client: d.Client, Topics: []string{d.Topic}, Logger: d.Logger},
		)
		for r, err := range reader.Records(ctx) {
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("list dead letters: %w", err))
				return
			}
			if !yield(parseDeadLetter(&r), nil) {
				return
			}
		}
	}
}

func (d DeadLetters) listFile(yield func(DeadLetter, error) bool) {
	file, err := os.Open(d.File)
	if err != nil {
		yield(DeadLetter{}, fmt.Errorf("list dead letters: %w", err))
		return
	}
	defer file.Close()
	decoder := json.NewDecoder(bufio.NewReader(file))
	for {
		var l DeadLetter
		err := decoder.Decode(&l)
		// the last line is incomplete
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("list dead letters: %s: %w", d.File, err))
			return
		}
		if !yield(l, nil) {
			return
		}
	}
}

// replayTimeout bounds the write of one dead letter.
const replayTimeout = 30 * time.Second

// Replay writes the wanted dead letters back to their topics, with headers and timestamps, and
// returns how many. A timestamp ahead of the clock is replaced by the clock's. They also stay in
// the dead-letter topic. One that fails again comes back with one more attempt.
func (d DeadLetters) Replay(ctx context.Context, wanted func(DeadLetter) bool) (int, error) {
	p, err := NewProducer(d.Client, d.Logger)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	// Collect first: a dead letter that comes back in the meantime is not replayed twice.
	var again []DeadLetter
	for l, err := range d.List(ctx) {
		if err != nil {
			return 0, err
		}
		if l.Topic != "" && wanted(l) {
			again = append(again, l)
		}
	}
	for i, l := range again {
		record := l.record(l.Topic)
		if l.Timestamp.UnixMilli() >= 0 && l.Timestamp.Before(time.Now()) {
			record.Timestamp = l.Timestamp
		}
		record.Headers = slices.DeleteFunc(record.Headers, func(h kgo.RecordHeader) bool {
			return strings.HasPrefix(h.Key, deadLetterPrefix) && h.Key != deadLetterPrefix+
				"attempts"
		})
		limited, cancel := context.WithTimeout(ctx, replayTimeout)
		err := p.current().ProduceSync(limited, record).FirstErr()
		cancel()
		if err != nil {
			return i, fmt.Errorf("replay dead letter %s/%d at %d: %w", l.Topic, l.Partition,
				l.Offset, withHint(err))
		}
	}
	return len(again), nil
}
