package kafka

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// rateLimitedLogger logs messages that may repeat for every record. Of each kind it logs the
// first three of a minute; the next minute's first says how many were omitted.
type rateLimitedLogger struct {
	log *slog.Logger

	mu    sync.Mutex // guards kinds
	kinds map[string]*logState
}

type logState struct {
	since   time.Time
	count   int
	omitted int64
}

const (
	logInterval = time.Minute
	logBurst    = 3
	maxLogKinds = 1000
)

func newRateLimitedLogger(log *slog.Logger) *rateLimitedLogger {
	return &rateLimitedLogger{log: log, kinds: map[string]*logState{}}
}

// warn logs a message of a kind, or counts it.
func (l *rateLimitedLogger) warn(kind, message string, facts ...any) {
	l.logAt(slog.LevelWarn, kind, message, facts)
}

// error logs a message of a kind, or counts it.
func (l *rateLimitedLogger) error(kind, message string, facts ...any) {
	l.logAt(slog.LevelError, kind, message, facts)
}

func (l *rateLimitedLogger) logAt(level slog.Level, kind, message string, facts []any) {
	l.mu.Lock()
	s := l.kinds[kind]
	if s == nil {
		if len(l.kinds) >= maxLogKinds {
			clear(l.kinds)
		}
		s = &logState{since: time.Now()}
		l.kinds[kind] = s
	}
	if time.Since(s.since) >= logInterval {
		s.since, s.count = time.Now(), 0
	}
	if s.count++; s.count > logBurst {
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
