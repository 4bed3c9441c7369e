package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A record that takes minutes to read makes a liveness probe end the process; its offset is not
// committed, so the next start would read it again, forever. Therefore records that are slow are
// noted in a file beside the state. After the first kill the noted chunk is read record by record,
// which finds the slow one; after the second kill that one becomes a dead letter.

const (
	slowAfter    = 20 * time.Second
	slowInterval = 5 * time.Second
	slowAttempts = 2
)

// slowRange is a range of offsets that were being read when the process last wrote its marker.
type slowRange struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Attempts  int    `json:"attempts"`
}

// slowRecords are the ranges of the file. Without a path nothing is kept.
type slowRecords struct {
	path string

	mu     sync.Mutex // guards ranges
	ranges map[models.Partition]slowRange
}

// readSlowRecords reads the file. One that is damaged counts as empty: it only spares attempts.
func readSlowRecords(path string) (*slowRecords, error) {
	s := &slowRecords{path: path, ranges: map[models.Partition]slowRange{}}
	if path == "" {
		return s, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read slow records: %w", err)
	}
	var list []slowRange
	if json.Unmarshal(text, &list) == nil {
		for _, r := range list {
			s.ranges[models.Partition{Topic: r.Topic, Partition: r.Partition}] = r
		}
	}
	return s, nil
}

// find returns the noted range that overlaps offsets from..to-1.
func (s *slowRecords) find(p models.Partition, from, to int64) (slowRange, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.ranges[p]
	return r, ok && r.From < to && r.To > from
}

// note adds an attempt at a range.
func (s *slowRecords) note(p models.Partition, from, to int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.ranges[p]
	r := slowRange{Topic: p.Topic, Partition: p.Partition, From: from, To: to, Attempts: 1}
	if old.From == from && old.To == to {
		r.Attempts = old.Attempts + 1
	}
	s.ranges[p] = r
	return s.save()
}

// done removes a range that was read to its end.
func (s *slowRecords) done(p models.Partition, from, to int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.ranges[p]; !ok || r.From >= to || r.To <= from {
		return nil
	}
	delete(s.ranges, p)
	return s.save()
}

// save writes the file. The caller holds mu.
func (s *slowRecords) save() error {
	if s.path == "" {
		return nil
	}
	list := []slowRange{}
	for _, r := range s.ranges {
		list = append(list, r)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return atomicfile.Write(s.path, text)
}

// scanMark is what a scanning goroutine is at: the watch reads it in the meantime.
type scanMark struct {
	since    atomic.Int64 // nanoseconds; 0 while nothing is scanned
	from, to atomic.Int64 // offsets
	noted    atomic.Bool
}

func (m *scanMark) start(from, to int64) {
	m.from.Store(from)
	m.to.Store(to)
	m.noted.Store(false)
	m.since.Store(time.Now().UnixNano())
}

// watchSlow notes chunks that are slow to scan, until stop is closed.
func (s *Source) watchSlow(stop <-chan struct{}) {
	ticker := time.NewTicker(slowInterval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			s.scanPool.eachScanning(s.noteSlow)
		}
	}
}

func (s *Source) noteSlow(p models.Partition, m *scanMark) {
	since := m.since.Load()
	if since == 0 || time.Now().UnixNano()-since < int64(slowAfter) || m.noted.Swap(true) {
		return
	}
	from, to := m.from.Load(), m.to.Load()
	s.group.limited.error(
		"slow",
		"records are slow to read; if the process is killed, the next start finds out which, and "+
			"the one after leaves it out",
		"topic", p.Topic, "partition", p.Partition, "from", from, "to", to,
	)
	if err := s.slow.note(p, from, to); err != nil {
		s.group.limited.error("slow file", "slow records cannot be noted", "error", err)
	}
}
