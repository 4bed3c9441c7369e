package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"sync"
	"time"
)

// sessions are the logins of browsers. They are in memory: a restart ends them.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex // guards open
	open map[[sha256.Size]byte]session
}

// session is the role of a login and the token it came from.
type session struct {
	role  Role
	token [sha256.Size]byte
	ends  time.Time
}

const (
	cookieName  = "alert_engine"
	maxSessions = 10_000 // beyond this the oldest ends
)

// begin starts a session and returns the value of its cookie.
func (s *sessions) begin(role Role, token [sha256.Size]byte) string {
	key := make([]byte, 32)
	rand.Read(key)
	value := hex.EncodeToString(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[[sha256.Size]byte]session{}
	}
	if len(s.open) >= maxSessions {
		s.evict()
	}
	s.open[sha256.Sum256([]byte(value))] = session{role, token, s.now().Add(sessionLength)}
	return value
}

// evict ends the session that would end first.
func (s *sessions) evict() {
	var oldest [sha256.Size]byte
	var ends time.Time
	for key, one := range s.open {
		if ends.IsZero() || one.ends.Before(ends) {
			oldest, ends = key, one.ends
		}
	}
	delete(s.open, oldest)
}

// roleOf is the role of a request's session.
func (s *sessions) roleOf(r *http.Request) Role {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return Anyone
	}
	key := sha256.Sum256([]byte(c.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, known := s.open[key]
	if !known {
		return Anyone
	}
	if !s.now().Before(one.ends) {
		delete(s.open, key)
		return Anyone
	}
	return one.role
}

// end ends the session of a request.
func (s *sessions) end(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, sha256.Sum256([]byte(c.Value)))
	}
}

// keep ends all sessions but those of some tokens.
func (s *sessions) keep(tokens []tokenHash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, one := range s.open {
		if !slices.ContainsFunc(tokens, func(t tokenHash) bool { return t.sum == one.token }) {
			delete(s.open, key)
		}
	}
}
