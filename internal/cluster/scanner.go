package cluster

import (
	"context"
	"encoding/binary"
	"maps"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// ScannerOptions are what a scanner works with.
type ScannerOptions struct {
	Self   Author
	Engine *alerting.Engine // whose scanners scan
	Append Append
	// waits until our fold has applied all that is in the topic, and returns where partitions
	// stand; what it does not return was never read
	CaughtUp func(ctx context.Context, of []models.Partition) (Positions, error)
	// is where a partition stands, and the offset of the next record that our fold applies
	Position func(models.Partition) (Position, bool)
	Next     func() int64
	Clock    func() time.Time
}

// Append appends a record to the frames topic. It does not wait: done is called with the record's
// offset or the error, from any goroutine. The order of calls is that of the records.
type Append func(record []byte, done func(offset int64, err error))

// Scanner appends to the frames topic what a source reads, as an engine that is applied elsewhere:
// it implements kafka.Engine and kafka.Resumer. It has no state but where it is: on an assignment,
// and when a span of it was refused, it begins where the fold stands.
//
// A frame is sent at once if no other is under way and a rule waits that may fire at once. What is
// decided with time anyway may wait a little. So frames grow with the round trip and the load.
type Scanner struct {
	o ScannerOptions

	mu       sync.Mutex // guards what follows
	writer   *alerting.FrameWriter
	rules    uint64 // hash of those in force
	cursors  map[models.Partition]Position
	starts   map[models.Partition]Position // of newly assigned partitions, as the fold has them
	progress []models.Progress             // of the last advance
	at       time.Time                     // when the source asked where the partitions end
	marked   time.Time                     // at of the last marks
	sent     time.Time                     // when the last frame was sent
	flying   int                           // frames that are sent and not acknowledged
	bytes    int                           // of these
	last     int64                         // offset of the newest acknowledged frame
	restart  bool                          // nothing more is sent until everything is read back
	restarts int                           // counts the reasons for that
	counts   ScannerCounts
}

// ScannerCounts are what a scanner has done.
type ScannerCounts struct {
	Frames, Bytes, Hits int64
	Failed              int64 // frames that could not be written
	Restarts            int64
}

const (
	eagerBytes = 128 << 10 // frames that are larger do not wait for others
	frameBytes = 512 << 10 // a frame gets no further scan beyond
	flyingMost = 64 << 20  // bytes under way, beyond which no more is read
	sendEvery  = 100 * time.Millisecond
)

// NewScanner makes a scanner.
func NewScanner(o ScannerOptions) *Scanner {
	return &Scanner{
		o:       o,
		writer:  o.Engine.NewFrameWriter(),
		cursors: map[models.Partition]Position{},
		starts:  map[models.Partition]Position{},
		last:    -1,
	}
}

// SetRules notes which rules are in force. swap puts them in force in the engine, while no frame is
// written. Scans that were made before are dropped.
func (s *Scanner) SetRules(hash uint64, swap func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := swap(); err != nil {
		return err
	}
	s.rules = hash
	s.begin()
	return nil
}

// Restart has the scanner begin anew where the fold stands: a span of it was refused.
func (s *Scanner) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
}

// begin begins anew. The caller holds mu.
func (s *Scanner) begin() {
	if !s.restart {
		s.counts.Restarts++
	}
	s.restart = true
	s.restarts++
	s.writer.Reset()
}

// NewScanner implements kafka.Engine.
func (s *Scanner) NewScanner() models.Scanner { return s.o.Engine.NewScanner() }

// Apply implements kafka.Engine.
func (s *Scanner) Apply(scan models.Scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, end, current := s.o.Engine.EndOf(scan)
	at, known := s.cursors[p]
	if !current {
		s.begin()
	}
	if s.restart || !known || s.rules == 0 || end <= at.Next {
		s.o.Engine.Discard(scan)
		return
	}
	s.writer.AddScan(alerting.Span{
		Partition: p, Incarnation: at.Incarnation, From: at.Next, To: end,
	}, scan)
	s.cursors[p] = Position{at.Incarnation, end}
	if s.writer.Len() >= frameBytes {
		s.send(nil)
	}
}

// Advance implements kafka.Engine: what was read is passed on as far as progress goes.
func (s *Scanner) Advance(now time.Time, progress []models.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restart || s.rules == 0 {
		return
	}
	s.progress, s.at = append(s.progress[:0], progress...), now
	assigned := make(map[models.Partition]Position, len(progress))
	fresh := false
	for i := range progress {
		p := &progress[i]
		name := models.Partition{Topic: p.Topic, Partition: p.Partition}
		fresh = s.follow(name, p) || fresh
		assigned[name] = s.cursors[name]
	}
	s.cursors = assigned
	s.sendIfDue(fresh)
}

// follow moves a partition's cursor to where the source is. It reports whether that is news that
// should not wait.
func (s *Scanner) follow(name models.Partition, p *models.Progress) (fresh bool) {
	incarnation := binary.BigEndian.Uint64(p.TopicID[:])
	to := Position{incarnation, p.Next}
	at, known := s.cursors[name]
	if !known {
		fresh = true
		if at, known = s.starts[name]; !known {
			at = to // no member has read it so far
			s.writer.Add(alerting.Span{
				Partition: name, Incarnation: incarnation, From: p.Next, To: p.Next,
			})
		}
		delete(s.starts, name)
	}
	switch {
	case at.Incarnation != incarnation || p.Next < at.Next:
		s.send(nil)
		s.append(JumpRecord(s.o.Self, Jump{
			Partition: name, From: at, To: to, Partitions: max(p.Partitions, p.Partition+1),
			Reason: "the log has other records than were read",
		}))
		fresh = true
	case p.Next > at.Next:
		s.writer.Add(alerting.Span{
			Partition: name, Incarnation: incarnation, From: at.Next, To: p.Next,
		})
	}
	s.cursors[name] = to
	return fresh
}

// sendIfDue sends what waits, unless more should come before.
func (s *Scanner) sendIfDue(fresh bool) {
	wait := s.o.Clock().Sub(s.sent)
	switch {
	case fresh, wait >= sendEvery && !s.at.Equal(s.marked):
		s.send(s.progress)
	case s.writer.Len() >= eagerBytes, s.writer.Eager() && s.flying == 0, wait >= sendEvery:
		s.send(nil)
	}
}

// send sends a frame with what waits, and with marks of the partitions. Marks are sent only when
// the spans before them are.
func (s *Scanner) send(marks []models.Progress) {
	if s.writer.Len() == 0 && len(marks) == 0 {
		return
	}
	f := Frame{Rules: s.rules, At: s.at}
	if s.writer.Len() > 0 {
		f.Spans = s.writer.Bytes()
	}
	topics := map[Topic]bool{}
	for i := range marks {
		p := &marks[i]
		incarnation := binary.BigEndian.Uint64(p.TopicID[:])
		t := Topic{Name: p.Topic, Incarnation: incarnation}
		if !topics[t] {
			topics[t] = true
			t.Partitions = p.Partitions
			f.Topics = append(f.Topics, t)
		}
		f.Marks = append(f.Marks, Mark{
			Partition:   models.Partition{Topic: p.Topic, Partition: p.Partition},
			Incarnation: incarnation, Next: p.Next, CaughtUp: p.CaughtUp, Settling: p.Settling,
		})
	}
	if s.sent = s.o.Clock(); len(marks) > 0 {
		s.marked = s.at
	}
	s.counts.Hits += int64(s.writer.Hits())
	s.counts.Frames++
	s.append(FrameRecord(s.o.Self, &f))
	s.writer.Reset()
}

// append appends a record of ours. The caller holds mu.
func (s *Scanner) append(record []byte) {
	s.flying++
	s.bytes += len(record)
	s.counts.Bytes += int64(len(record))
	s.o.Append(record, func(offset int64, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flying--
		s.bytes -= len(record)
		if err != nil {
			s.counts.Failed++
			s.begin()
			return
		}
		s.last = max(s.last, offset)
		if s.flying == 0 && !s.restart && s.writer.Eager() {
			s.send(nil) // what came in the meantime
		}
	})
}

// Resume implements kafka.Resumer.
func (s *Scanner) Resume(
	ctx context.Context,
	at []models.SourcePosition,
) (map[models.Partition]models.SourcePosition, error) {
	names := make([]models.Partition, len(at))
	for i, p := range at {
		names[i] = models.Partition{Topic: p.Topic, Partition: p.Partition}
	}
	positions, err := s.o.CaughtUp(ctx, names)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resumed := map[models.Partition]models.SourcePosition{}
	for i, name := range names {
		delete(s.cursors, name)
		delete(s.starts, name)
		is, known := positions[name]
		if !known {
			continue
		}
		s.starts[name] = is
		p := at[i]
		p.Next, p.Committed, p.Epoch = is.Next, -1, -1
		if binary.BigEndian.Uint64(p.TopicID[:]) != is.Incarnation {
			p.TopicID = [16]byte{} // another one
			binary.BigEndian.PutUint64(p.TopicID[:], is.Incarnation)
		}
		resumed[name] = p
	}
	return resumed, nil
}

// Restarted implements kafka.Resumer. It waits until our fold has read back all that we have
// appended, so that nothing under way is refused after we have begun anew.
func (s *Scanner) Restarted() map[models.Partition]int64 {
	s.mu.Lock()
	reason, last := s.restarts, s.last
	wait := !s.restart || s.flying > 0 || s.rules == 0
	cursors := maps.Clone(s.cursors)
	s.mu.Unlock()
	if wait || s.o.Next() <= last {
		return nil
	}
	at := map[models.Partition]int64{}
	for name, cursor := range cursors {
		if is, known := s.o.Position(name); known {
			cursor = is
		}
		cursors[name], at[name] = cursor, cursor.Next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restarts != reason {
		return nil // there is another reason
	}
	s.cursors, s.restart = cursors, false
	return at
}

// Busy implements kafka.Resumer.
func (s *Scanner) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restart || s.rules == 0 || s.bytes > flyingMost
}

// Applied implements kafka.Resumer.
func (s *Scanner) Applied(p models.Partition) int64 {
	at, known := s.o.Position(p)
	if !known {
		return 0
	}
	return at.Next
}

// Last is the offset of the newest record of ours that is in the topic; -1 for none.
func (s *Scanner) Last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Partitions is how many partitions we read.
func (s *Scanner) Partitions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.cursors)
}

// Counts are what was done.
func (s *Scanner) Counts() ScannerCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}
