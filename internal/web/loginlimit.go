package web

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// loginLimiter limits how often a client may present a wrong token, in a header or at the login.
// A client over its limit is refused before its next token is compared, right or wrong; otherwise
// the answer would reveal which it is. All clients share a second limit, since an attacker may have
// many addresses. Clients that have presented a right token are exempt from the shared limit.
type loginLimiter struct {
	now     func() time.Time
	counted *prometheus.CounterVec

	mu      sync.Mutex // guards what follows
	clients map[netip.Prefix]*loginClient
	all     *rate.Limiter
}

type loginClient struct {
	left  *rate.Limiter
	known bool // has presented a right token
}

const (
	failuresPerClient = 10              // burst of one client
	failureInterval   = 5 * time.Second // one more per interval after that
	failuresTotal     = 100             // burst of all clients
	failuresRate      = 10              // per second after that
	maxClients        = 4096            // that have a limit of their own
)

func newLoginLimiter(now func() time.Time, r prometheus.Registerer) *loginLimiter {
	l := &loginLimiter{
		now:     now,
		clients: map[netip.Prefix]*loginClient{},
		all:     rate.NewLimiter(failuresRate, failuresTotal),
		counted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alert_engine_web_login_failures_total",
			Help: "Requests with a token or password that was wrong (invalid), or that was not " +
				"checked because of earlier failures (limited).",
		}, []string{"result"}),
	}
	for _, result := range []string{"invalid", "limited"} {
		l.counted.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(l.counted)
	}
	return l
}

// clientOf is the address of a client; for IPv6 its /64 network, since one host has all of it.
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

// try calls right to check a token and records the result, or returns how long the client must
// wait. It is atomic: of many concurrent requests, each sees the failures of those before it.
func (l *loginLimiter) try(r *http.Request, right func() bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, at := l.now(), clientOf(r)
	if wait := l.wait(at, now); wait > 0 {
		l.counted.WithLabelValues("limited").Inc()
		return wait
	}
	l.note(at, now, right())
	return 0
}

// wait is how long a client must wait before its next token is checked.
func (l *loginLimiter) wait(at netip.Prefix, now time.Time) time.Duration {
	client := l.clients[at]
	wait := time.Duration(0)
	if client != nil {
		wait = untilOne(client.left, now)
	}
	if client == nil || !client.known {
		wait = max(wait, untilOne(l.all, now))
	}
	return wait
}

// untilOne is the time until a limiter allows one more.
func untilOne(r *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - r.TokensAt(now)
	return time.Duration(max(missing, 0) / float64(r.Limit()) * float64(time.Second))
}

// note records the result of a check.
func (l *loginLimiter) note(at netip.Prefix, now time.Time, right bool) {
	client := l.client(at, now)
	if right {
		client.known = true
		return
	}
	l.counted.WithLabelValues("invalid").Inc()
	client.left.AllowN(now, 1)
	l.all.AllowN(now, 1)
}

// client returns the state of a client. When there are too many, clients without recent failures
// are evicted. If all have some, new clients share one state.
func (l *loginLimiter) client(at netip.Prefix, now time.Time) *loginClient {
	if c := l.clients[at]; c != nil {
		return c
	}
	if len(l.clients) >= maxClients {
		for at, c := range l.clients {
			if c.left.TokensAt(now) >= failuresPerClient {
				delete(l.clients, at)
			}
		}
	}
	if len(l.clients) >= maxClients {
		at = netip.Prefix{}
	}
	c := cmp.Or(l.clients[at], &loginClient{
		left: rate.NewLimiter(rate.Every(failureInterval), failuresPerClient),
	})
	l.clients[at] = c
	return c
}

// refused answers a client that must wait and returns true. Otherwise right has checked the token.
func (a *access) refused(w http.ResponseWriter, r *http.Request, right func() bool) bool {
	wait := a.logins.try(r, right)
	if wait == 0 {
		return false
	}
	a.tooManyLogins(w, r, wait)
	return true
}

func (a *access) tooManyLogins(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	a.refuse(w, r, http.StatusTooManyRequests,
		"too many failed logins from this client; try again later")
}

// limitPasswords limits wrong passwords of the web configuration like wrong tokens. h checks the
// password and passes on requests with a right one, which calls accepted.
//
// A client without a right password so far reserves one of its failures before the check, because
// h takes long and may run many checks at once.
func (a *access) limitPasswords(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok || !a.passwords {
			h.ServeHTTP(w, r)
			return
		}
		check, wait := a.logins.begin(r)
		if wait > 0 {
			a.tooManyLogins(w, r, wait)
			return
		}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), checkKey{}, check)))
		check.failed()
	})
}

// checkKey is the context key of a passwordCheck.
type checkKey struct{}

// accepted notes that the password of a request was right.
func accepted(r *http.Request) {
	if check, ok := r.Context().Value(checkKey{}).(*passwordCheck); ok {
		check.passed()
	}
}

// passwordCheck is a check in progress.
type passwordCheck struct {
	limiter  *loginLimiter
	client   netip.Prefix
	reserved []*rate.Reservation // failures, given back if the password is right
	done     bool
}

// begin starts a check, or returns how long the client must wait.
func (l *loginLimiter) begin(r *http.Request) (*passwordCheck, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, at := l.now(), clientOf(r)
	if wait := l.wait(at, now); wait > 0 {
		l.counted.WithLabelValues("limited").Inc()
		return nil, wait
	}
	check := &passwordCheck{limiter: l, client: at}
	if client := l.client(at, now); !client.known {
		check.reserved = []*rate.Reservation{client.left.ReserveN(now, 1), l.all.ReserveN(now, 1)}
	}
	return check, 0
}

// passed notes that the password was right.
func (c *passwordCheck) passed() {
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, r := range c.reserved {
		r.CancelAt(now)
	}
	l.client(c.client, now).known = true
	c.done = true
}

// failed notes that the password was wrong, unless it has passed.
func (c *passwordCheck) failed() {
	l := c.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.done {
		return
	}
	l.counted.WithLabelValues("invalid").Inc()
	if c.reserved == nil {
		now := l.now()
		l.client(c.client, now).left.AllowN(now, 1)
	}
}
