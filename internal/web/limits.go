package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
)

// cost is what a route takes from the machine. The limit of its cost applies before the handler
// looks at anything the client sent.
type cost int

const (
	cheap     cost = iota // answers from memory
	costly                // compiles or decodes text of the client, or asks Kafka something short
	changes               // changes something; what is read leaves it room
	searches              // reads through topics
	backtests             // evaluates rules over topics; longer than a search
	updates               // a stream of page updates
	tails                 // a stream that reads topics
)

// limit is the number of concurrent requests of one cost. One client gets at most its share, so it
// cannot lock out the others.
type limit struct {
	total, share int
	what         string

	mu      sync.Mutex // guards what follows
	used    int
	clients map[netip.Prefix]int
}

func newLimits() map[cost]*limit {
	limits := map[cost]*limit{
		costly:    {total: 16, share: 8, what: "requests of this kind"},
		changes:   {total: 32, share: 16, what: "changes"},
		searches:  {total: 3, share: 2, what: "searches"},
		backtests: {total: 3, share: 2, what: "backtests"},
		updates:   {total: 256, share: 64, what: "page streams"},
		tails:     {total: 16, share: 8, what: "tails"},
	}
	for _, l := range limits {
		l.clients = map[netip.Prefix]int{}
	}
	return limits
}

// take reserves a place for a client until free is called.
func (l *limit) take(client netip.Prefix) (free func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.used >= l.total:
		return nil, l.refuse(l.total)
	case l.clients[client] >= l.share:
		return nil, l.refuse(l.share)
	}
	l.used++
	l.clients[client]++
	return func() { l.free(client) }, nil
}

func (l *limit) refuse(running int) error {
	return &apiError{
		http.StatusTooManyRequests,
		fmt.Sprintf("%d %s are running already (try again later)", running, l.what),
	}
}

func (l *limit) free(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used--
	if l.clients[client]--; l.clients[client] == 0 {
		delete(l.clients, client)
	}
}

// limited runs h within the limit of its cost.
func (s *Server) limited(c cost, h http.Handler) http.Handler {
	l := s.limits[c]
	if l == nil {
		return h
	}
	if c == changes {
		h = s.paced(h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free, err := l.take(clientOf(r))
		if err != nil {
			w.Header().Set("Retry-After", "1")
			s.pages.fail(w, r, err)
			return
		}
		defer free()
		h.ServeHTTP(w, r)
	})
}

// paced delays changes beyond a rate. A client that makes many, such as an import of silences, is
// slowed down and not refused.
func (s *Server) paced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.access.writes.Wait(r.Context()); err != nil {
			s.pages.fail(w, r, err)
			return
		}
		h.ServeHTTP(w, r)
	})
}
