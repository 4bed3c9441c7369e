package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
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
// would continue as other alerts, without the labels that the table added.
type lookupTopics struct {
	*followedTopics
	p *process

	mu     sync.Mutex // guards what follows
	tables map[string]*lookupTable
	copies map[string]*lookupCopy // by topic
}

// lookupTable is a table, of which a topic has one for each choice of labels.
type lookupTable struct {
	topic   string
	rows    *notify.Table
	refused map[notify.RefusedRow]int
}

// lookupCopy is what was read last of a topic, and the file that keeps it.
type lookupCopy struct {
	values map[string]string // nil when the topic was never read
	file   string
	stale  bool  // the file has not all of it
	err    error // of the last writing
}

const (
	lookupRows  = 100_000
	lookupBytes = 64 << 20
	lookupStart = 20 * time.Second // for all topics of which there is no copy at the start
	lookupSaves = time.Minute      // between two times that tables are written to disk
)

func newLookupTopics(p *process) *lookupTopics {
	l := &lookupTopics{
		p: p, tables: map[string]*lookupTable{}, copies: map[string]*lookupCopy{},
	}
	l.followedTopics = newFollowedTopics(p, func(topic string) kafka.KeyTableConfig {
		return valuesOf(p.config, topic, p.logger)
	})
	return l
}

func valuesOf(c *Config, topic string, log *slog.Logger) kafka.KeyTableConfig {
	return kafka.KeyTableConfig{
		Client:      c.Kafka.Client(),
		Topic:       topic,
		MaxKeys:     lookupRows,
		MaxValues:   lookupBytes,
		LoadTimeout: c.Limits.ListLoad,
		Logger:      log,
	}
}

// lookupTopics are the topics of the tables, each once.
func (n *NotifyConfig) lookupTopics() (topics []string) {
	for _, c := range n.Lookups {
		if c.Topic != "" && !slices.Contains(topics, c.Topic) {
			topics = append(topics, c.Topic)
		}
	}
	return topics
}

// load reads the topics of the start of which there is no copy on disk, before the first alert is
// enriched. It fails when an operator must act. A topic that is not read in time is left for later:
// an alert without an owner is better than none.
func (l *lookupTopics) load(ctx context.Context) error {
	var missing []string
	l.mu.Lock()
	for _, topic := range l.p.config.Notify.lookupTopics() {
		if l.copyOf(topic).values == nil {
			missing = append(missing, topic)
		}
	}
	l.mu.Unlock()
	for topic, err := range l.prepareAll(ctx, missing, lookupStart) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, errNotRead):
			return fmt.Errorf("notify.lookups: %w", err)
		case err != nil:
			l.p.logger.Warn("the topic of a lookup is not read yet; alerts lack its labels",
				"topic", topic, "error", err)
		}
	}
	return nil
}

// prepareTables reads the topics that a reload brings. One that cannot be read refuses the reload;
// one that is named already has its table, or its copy.
func (l *lookupTopics) prepareTables(ctx context.Context, n *NotifyConfig) error {
	known := l.p.notifying.Load().lookupTopics()
	added := slices.DeleteFunc(n.lookupTopics(), func(topic string) bool {
		return slices.Contains(known, topic)
	})
	for _, err := range l.prepareAll(ctx, added, followPrepare) {
		if err != nil {
			return fmt.Errorf("notify.lookups: %w", err)
		}
	}
	return nil
}

// table returns the table of a lookup, with the rows that are known.
func (l *lookupTopics) table(c LookupConfig) *notify.Table {
	keys, known := l.followedTopics.table(c.Topic)
	l.mu.Lock()
	defer l.mu.Unlock()
	id := strings.Join(append([]string{c.Topic}, c.By...), "\x00")
	t := l.tables[id]
	if t == nil {
		t = &lookupTable{topic: c.Topic, rows: notify.NewTable(c.By)}
		l.tables[id] = t
		values := l.copyOf(c.Topic).values
		if known {
			values, _ = keys.Values()
		}
		if values != nil {
			t.refused = t.rows.Set(values)
		}
	}
	return t.rows
}

// keepNamed forgets what is about topics and tables that the configuration in effect does not name.
func (l *lookupTopics) keepNamed() {
	n := l.p.notifying.Load()
	topics := n.lookupTopics()
	l.keep(topics)
	ring(l.bell)
	l.mu.Lock()
	defer l.mu.Unlock()
	named := map[string]bool{}
	for _, c := range n.Lookups {
		named[strings.Join(append([]string{c.Topic}, c.By...), "\x00")] = true
	}
	maps.DeleteFunc(l.tables, func(id string, _ *lookupTable) bool { return !named[id] })
	maps.DeleteFunc(l.copies, func(topic string, _ *lookupCopy) bool {
		return !slices.Contains(topics, topic)
	})
	files := map[string]bool{}
	for _, c := range l.copies {
		files[c.file] = true
	}
	found, _ := filepath.Glob(filepath.Join(l.dir(), "*.json"))
	for _, file := range found {
		if !files[file] {
			_ = os.Remove(file) // it only takes up room
		}
	}
	l.measure()
}

// run follows the topics until ctx is done.
func (l *lookupTopics) run(ctx context.Context) error {
	defer l.save(true)
	defer l.stop()
	saves := time.NewTicker(lookupSaves)
	defer saves.Stop()
	failed := func(_ context.Context, topic string, err error) bool {
		l.p.logger.Error("reading the topic of a lookup failed; retrying, with what it was before",
			"topic", topic, "error", err)
		return true
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-saves.C:
			l.save(true)
			continue
		case <-l.bell:
		}
		l.follow(ctx, l.p.notifying.Load().lookupTopics(), failed)
		began := time.Now()
		l.apply()
		l.save(false)
		wait.Sleep(ctx, max(followPause, 10*time.Since(began)))
	}
}

// apply gives tables the values of topics that have changed.
func (l *lookupTopics) apply() {
	changed := l.changes()
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic, table := range changed {
		values, known := table.Values()
		if !known {
			continue
		}
		if c := l.copies[topic]; c != nil {
			c.values, c.stale = values, true
		}
		for _, t := range l.tables {
			if t.topic != topic {
				continue
			}
			before := len(t.refused)
			if t.refused = t.rows.Set(values); before == 0 && len(t.refused) > 0 {
				l.p.logger.Warn("values of the topic of a lookup are refused", "topic", topic,
					"reasons", t.refused)
			}
		}
	}
	l.measure()
}

// measure sets the metrics; of several tables of a topic they have the largest numbers. The caller
// holds mu.
func (l *lookupTopics) measure() {
	rows, refused := map[string]int{}, map[[2]string]int64{}
	for _, t := range l.tables {
		rows[t.topic] = max(rows[t.topic], t.rows.Rows())
		for reason, n := range t.refused {
			id := [2]string{t.topic, string(reason)}
			refused[id] = max(refused[id], int64(n))
		}
		refused[[2]string{t.topic, "bound"}] = l.rejected(t.topic)
	}
	l.p.metrics.lookupRows.Reset()
	l.p.metrics.lookupRefused.Reset()
	for topic, n := range rows {
		l.p.metrics.lookupRows.WithLabelValues(topic).Set(float64(n))
	}
	for id, n := range refused {
		l.p.metrics.lookupRefused.WithLabelValues(id[:]...).Set(float64(n))
	}
}

// health says which table may not be what its topic says.
func (l *lookupTopics) health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	note := func(topic string, n int64, text string, args ...any) {
		if n > 0 {
			errs = append(errs, fmt.Errorf("topic %s: %d "+text,
				append([]any{topic, n}, args...)...))
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(l.copies)) {
		c := l.copies[topic]
		if err := l.err(topic); err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", topic, err))
		} else if _, known := l.followedTopics.table(topic); !known && c.values == nil {
			errs = append(errs, fmt.Errorf("topic %s is not read to its end yet", topic))
		}
		note(topic, l.rejected(topic), "records were refused: a table has %d rows at most, each "+
			"of 16 KiB at most, 64 MiB together", lookupRows)
		errs = append(errs, c.err)
	}
	for _, id := range slices.Sorted(maps.Keys(l.tables)) {
		t := l.tables[id]
		for _, reason := range slices.Sorted(maps.Keys(t.refused)) {
			note(t.topic, int64(t.refused[reason]), "values were refused: %s",
				lookupReasons[reason])
		}
	}
	return errors.Join(errs...)
}

// lookupReasons say why a value is not a row, or not all of one.
var lookupReasons = map[notify.RefusedRow]string{
	notify.RefusedNoObject:  "they are no JSON objects",
	notify.RefusedNoLabel:   "they lack a label of by",
	notify.RefusedDuplicate: "a row of another key has the same labels",
	notify.RefusedColumns:   "their table has 32 columns at most; the rest of the row counts",
}

func (l *lookupTopics) dir() string { return filepath.Join(string(l.p.config.DataDir), "lookups") }

// copyOf is the copy of a topic; the first call reads the file. The caller holds mu.
func (l *lookupTopics) copyOf(topic string) *lookupCopy {
	if c := l.copies[topic]; c != nil {
		return c
	}
	hash := fnv.New64a()
	hash.Write([]byte(topic)) // never fails
	c := &lookupCopy{file: filepath.Join(l.dir(), fmt.Sprintf("%016x.json", hash.Sum64()))}
	l.copies[topic] = c
	text, err := os.ReadFile(c.file)
	if errors.Is(err, os.ErrNotExist) {
		return c
	}
	if err == nil {
		err = json.Unmarshal(text, &c.values)
	}
	if err != nil {
		c.values = nil
		l.p.logger.Warn("the copy of a lookup cannot be read; its topic is read again",
			"topic", topic, "error", err)
	}
	return c
}

// save writes the copies that have changed; without all only those that have no file yet.
func (l *lookupTopics) save(all bool) {
	l.mu.Lock()
	var stale []*lookupCopy
	for _, c := range l.copies {
		if _, err := os.Lstat(c.file); c.stale && (all || err != nil) {
			c.stale = false
			stale = append(stale, c)
		}
	}
	l.mu.Unlock()
	for _, c := range stale {
		l.mu.Lock()
		values, before := c.values, c.err
		l.mu.Unlock()
		text, err := json.Marshal(values)
		if err == nil {
			err = atomicfile.Write(c.file, text)
		}
		if err != nil && before == nil {
			l.p.logger.Error("the copy of a lookup cannot be written to disk", "error", err)
		}
		l.mu.Lock()
		c.err, c.stale = err, c.stale || err != nil
		l.mu.Unlock()
	}
}
