package web

import (
	"cmp"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// guesses bounds how often somebody may present a token that is not known, in a header or at the
// login. Whoever has used up his guesses is refused before his next token is looked at, be it right
// or wrong, or he would learn which. A client that has shown a right token is not disturbed by what
// others guess; all others share a bound, for an attacker may have many addresses.
type guesses struct {
	now     func() time.Time
	counted *prometheus.CounterVec

	mu      sync.Mutex // guards what follows
	clients map[netip.Prefix]*guesser
	all     *rate.Limiter
}

type guesser struct {
	left  *rate.Limiter
	known bool // a right token was shown
}

const (
	guessesEach = 10              // at once of one client,
	guessAgain  = 5 * time.Second // and then one in so long
	guessesAll  = 100             // of all,
	guessesRate = 10              // and then so many a second
	maxGuessers = 4096            // clients that are told apart
)

func newGuesses(now func() time.Time, r prometheus.Registerer) *guesses {
	g := &guesses{
		now: now, clients: map[netip.Prefix]*guesser{}, all: rate.NewLimiter(guessesRate, guessesAll),
		counted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_web_guesses_total", Help: "Tokens that were not known, and requests with a token that were refused after too many of them.",
		}, []string{"result"}),
	}
	for _, result := range []string{"wrong", "refused"} {
		g.counted.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(g.counted)
	}
	return g
}

// clientOf tells clients apart by their address, and those of IPv6 by their network, which has more
// addresses than anybody can count.
func clientOf(r *http.Request) netip.Prefix {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.Prefix(bits)
	return p
}

// try has a token looked at by right, and takes what became of it; unless the client has to wait,
// which is for so long. It is one step: of many that come at once, the next is judged by what
// became of the one before.
func (g *guesses) try(r *http.Request, right func() bool) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, at := g.now(), clientOf(r)
	if wait := g.wait(at, now); wait > 0 {
		g.counted.WithLabelValues("refused").Inc()
		return wait
	}
	g.note(at, now, right())
	return 0
}

// wait is how long a client has to wait before he may present a token; 0 for not at all.
func (g *guesses) wait(at netip.Prefix, now time.Time) time.Duration {
	client := g.clients[at]
	wait := time.Duration(0)
	if client != nil {
		wait = untilOne(client.left, now)
	}
	if client == nil || !client.known {
		wait = max(wait, untilOne(g.all, now))
	}
	return wait
}

// untilOne is how long it takes until a limiter allows one more.
func untilOne(l *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - l.TokensAt(now)
	return time.Duration(max(missing, 0) / float64(l.Limit()) * float64(time.Second))
}

// note takes what became of a token.
func (g *guesses) note(at netip.Prefix, now time.Time, right bool) {
	client := g.client(at, now)
	if right {
		client.known = true
		return
	}
	g.counted.WithLabelValues("wrong").Inc()
	client.left.AllowN(now, 1)
	g.all.AllowN(now, 1)
}

// client returns what is known of a client. When there are too many, those are forgotten who have
// not guessed lately; and if all have, the newest is not told apart from others of his kind.
func (g *guesses) client(at netip.Prefix, now time.Time) *guesser {
	if c := g.clients[at]; c != nil {
		return c
	}
	if len(g.clients) >= maxGuessers {
		for at, c := range g.clients {
			if c.left.TokensAt(now) >= guessesEach {
				delete(g.clients, at)
			}
		}
	}
	if len(g.clients) >= maxGuessers {
		at = netip.Prefix{}
	}
	c := cmp.Or(g.clients[at], &guesser{left: rate.NewLimiter(rate.Every(guessAgain), guessesEach)})
	g.clients[at] = c
	return c
}

// refused answers a client that has to wait, and says whether it did. If not, right has looked at
// the token.
func (a *access) refused(w http.ResponseWriter, r *http.Request, right func() bool) bool {
	wait := a.guesses.try(r, right)
	if wait == 0 {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	a.refuse(w, r, http.StatusTooManyRequests, "too many unknown tokens; wait a moment")
	return true
}
