package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sparingLog logs what may repeat for every record: of each kind the first few, and then one a
// minute that says how many were left out.
type sparingLog struct {
	log *slog.Logger

	mu    sync.Mutex // guards kinds
	kinds map[string]*said
}

type said struct {
	since   time.Time
	count   int
	omitted int64
}

const (
	sayEvery = time.Minute
	sayFirst = 3
	maxKinds = 1000
)

func newSparingLog(log *slog.Logger) *sparingLog {
	return &sparingLog{log: log, kinds: map[string]*said{}}
}

// warn logs a message of a kind, or counts it.
func (l *sparingLog) warn(kind, message string, facts ...any) {
	l.say(slog.LevelWarn, kind, message, facts)
}

// error logs a message of a kind, or counts it.
func (l *sparingLog) error(kind, message string, facts ...any) {
	l.say(slog.LevelError, kind, message, facts)
}

func (l *sparingLog) say(level slog.Level, kind, message string, facts []any) {
	l.mu.Lock()
	s := l.kinds[kind]
	if s == nil {
		if len(l.kinds) >= maxKinds {
			clear(l.kinds)
		}
		s = &said{since: time.Now()}
		l.kinds[kind] = s
	}
	if time.Since(s.since) >= sayEvery {
		s.since, s.count = time.Now(), 0
	}
	if s.count++; s.count > sayFirst {
		s.omitted++
		l.mu.Unlock()
		return
	}
	omitted := s.omitted
	s.omitted = 0
	l.mu.Unlock()
	if omitted > 0 {
		facts = append(facts, "omitted", omitted)
	}
	l.log.Log(context.Background(), level, message, facts...)
}
