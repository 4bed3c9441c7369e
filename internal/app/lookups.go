package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/wait"
)

// lookupTopics keeps the tables of notify.lookups up to date that are the values of topics. What
// was read last is kept on disk: with an empty table, alerts that were notified before a restart
// would go on as other alerts, without the labels that the table added.
type lookupTopics struct {
	p    *process
	bell chan struct{} // there is a table that is not followed yet, or one has changed

	mu     sync.Mutex // guards what follows
	tables map[string]*lookupTopic
}

// lookupTopic is a topic that is read.
type lookupTopic struct {
	topic   string
	file    string // what was read last
	table   *notify.Table
	keys    *kafka.KeyTable
	started bool
	copied  bool              // the table is that of the file
	given   map[string]string // to the table; one goroutine uses it
	refused int               // values that are no rows
	saved   error
}

const (
	lookupRows  = 100_000
	lookupBytes = 64 << 20
	// how long notifications wait for a table that was never read
	lookupPatience = 30 * time.Second
)

func newLookupTopics(p *process) *lookupTopics {
	return &lookupTopics{p: p, bell: make(chan struct{}, 1), tables: map[string]*lookupTopic{}}
}

// table returns the table of a lookup, which run follows from now on.
func (l *lookupTopics) table(c LookupConfig) *notify.Table {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := strings.Join(append([]string{c.Topic}, c.By...), "\x00")
	if t := l.tables[id]; t != nil {
		return t.table
	}
	hash := fnv.New64a()
	hash.Write([]byte(id)) // never fails
	t := &lookupTopic{
		topic: c.Topic,
		table: notify.NewTable(c.By),
		file: filepath.Join(string(l.p.config.DataDir), "lookups",
			fmt.Sprintf("%016x.json", hash.Sum64())),
	}
	t.read(l.p.logger)
	l.tables[id] = t
	ring(l.bell)
	return t.table
}

// run follows the topics until ctx is done. It fails when one of them cannot be read at the start
// and an operator has to act.
func (l *lookupTopics) run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-l.bell:
		}
		began := time.Now()
		for _, t := range l.all() {
			if !t.started {
				t.started = true
				following.Go(func() { l.follow(ctx, t, failed) })
			}
			l.give(t)
		}
		wait.Sleep(ctx, max(listsPause, 10*time.Since(began)))
	}
}

// all are the tables; those that are new have what follows them.
func (l *lookupTopics) all() (list []*lookupTopic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tables {
		if t.keys == nil {
			o := kafka.KeyTableConfig{
				Client:      l.p.config.Kafka.Client(),
				Topic:       t.topic,
				MaxKeys:     lookupRows,
				MaxValues:   lookupBytes,
				LoadTimeout: l.p.config.Limits.ListLoad,
				Logger:      l.p.logger,
				OnChange:    func() { ring(l.bell) },
			}
			o.Client.Dial = l.p.network.dial
			t.keys = kafka.NewKeyTable(o)
		}
		list = append(list, t)
	}
	return list
}

func (l *lookupTopics) follow(ctx context.Context, t *lookupTopic, failed chan error) {
	for {
		err := t.keys.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if !t.copied {
			select {
			case failed <- fmt.Errorf("notify.lookups: %w", err):
			case <-ctx.Done():
			}
			return
		}
		l.p.logger.Error("reading the table of a lookup failed; retrying, with what it was before",
			"topic", t.topic, "error", err)
		wait.Sleep(ctx, time.Minute)
	}
}

// give gives a table the values of its topic, and keeps them on disk.
func (l *lookupTopics) give(t *lookupTopic) {
	values, known := t.keys.Values()
	if !known {
		return
	}
	refused := t.table.Set(values)
	if refused > 0 && t.refused == 0 {
		l.p.logger.Warn("values of the topic of a lookup are no JSON objects with the labels that "+
			"its rows are found by", "topic", t.topic, "values", refused)
	}
	saved := t.write(values)
	if saved != nil && t.saved == nil {
		l.p.logger.Error("the table of a lookup cannot be kept on disk", "error", saved)
	}
	l.mu.Lock()
	t.given, t.refused, t.saved = values, refused, saved
	l.mu.Unlock()
	l.p.metrics.lookupRows.WithLabelValues(t.topic).Set(float64(len(values) - refused))
	l.p.metrics.lookupRefused.WithLabelValues(t.topic).Set(
		float64(int64(refused) + t.keys.Rejected()))
}

// before has notifications begin when each table is what its topic says or, where that was never
// read, after a while all the same: an alert without an owner is better than none.
func (l *lookupTopics) before(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for began := time.Now(); l.unknown() && time.Since(began) < lookupPatience; {
			if !wait.Sleep(ctx, 50*time.Millisecond) {
				break
			}
		}
		return run(ctx)
	}
}

func (l *lookupTopics) unknown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tables {
		if !t.copied && t.given == nil {
			return true
		}
	}
	return false
}

// health says which table may not be what its topic says.
func (l *lookupTopics) health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, t := range l.tables {
		switch {
		case t.keys == nil:
		case t.keys.Err() != nil:
			errs = append(errs, fmt.Errorf("topic %s: %w", t.topic, t.keys.Err()))
		case t.given == nil && !t.copied:
			errs = append(errs, fmt.Errorf("topic %s is not read to its end yet", t.topic))
		}
		if n := int64(t.refused); t.keys != nil && n+t.keys.Rejected() > 0 {
			errs = append(errs, fmt.Errorf("topic %s: %d values are no rows, and %d were refused: "+
				"a table has %d rows at most, each of 16 KiB at most, 64 MiB together", t.topic, n,
				t.keys.Rejected(), lookupRows))
		}
		errs = append(errs, t.saved)
	}
	return errors.Join(errs...)
}

// read gives the table what was read before the last stop.
func (t *lookupTopic) read(log *slog.Logger) {
	text, err := os.ReadFile(t.file)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var values map[string]string
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		log.Warn("the table of a lookup is read anew", "topic", t.topic, "error", err)
		return
	}
	t.table.Set(values)
	t.copied = true
}

// write replaces the file at once, so that a kill leaves one or the other.
func (t *lookupTopic) write(values map[string]string) error {
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	if before, err := os.ReadFile(t.file); err == nil && slices.Equal(before, text) {
		return nil
	}
	return atomicfile.Write(t.file, text)
}
