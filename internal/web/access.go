package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"
)

// Role is what a client may do. Each role includes those before it.
type Role int

const (
	Anyone Role = iota // may see whether the program is healthy
	Reader             // may see everything
	Writer             // may change things
)

// String is the name of the role.
func (r Role) String() string { return [...]string{"anyone", "reader", "writer"}[r] }

// Token gives a role to the client that presents it.
type Token struct {
	Secret string
	Role   Role // Reader or Writer
}

// access decides what a request may do. Without a read token every client may read; without any
// token every client may write too. Access is then limited by the listener's address or by the
// passwords of the web configuration.
type access struct {
	credentials atomic.Pointer[credentials]
	readOnly    bool
	hosts       []string
	local       bool // the listener is on loopback
	passwords   bool // the web configuration demands passwords or client certificates
	secure      bool
	sessions    sessions
	logins      *loginLimiter
	writes      *rate.Limiter // of changes
}

// credentials are the tokens in effect. They are immutable and replaced as a whole.
type credentials struct {
	tokens []tokenHash
	open   Role // role of clients without a token
}

// tokenHash is the hash of a token. Comparing hashes takes constant time.
type tokenHash struct {
	sum  [sha256.Size]byte
	role Role
}

func newAccess(o Options) (*access, error) {
	a := &access{
		readOnly: o.ReadOnly,
		sessions: sessions{now: o.Now},
		logins:   newLoginLimiter(o.Now, o.Registerer),
		writes:   rate.NewLimiter(50, 200),
	}
	c, err := newCredentials(o.Tokens)
	if err != nil {
		return nil, err
	}
	a.credentials.Store(c)
	a.hosts = append(a.hosts, o.Hosts...)
	if u, err := url.Parse(o.ExternalURL); err == nil && u.Host != "" {
		a.hosts = append(a.hosts, u.Hostname())
		a.secure = u.Scheme == "https"
	}
	if o.Listener != nil {
		if host, _, err := net.SplitHostPort(o.Listener.Addr().String()); err == nil {
			ip := net.ParseIP(host)
			a.local = ip != nil && ip.IsLoopback()
		}
	}
	a.passwords, err = demandsPasswords(o.ConfigFile)
	return a, err
}

// demandsPasswords reports whether a web configuration admits only known users or certificates.
func demandsPasswords(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	text, err := os.ReadFile(file) // #nosec G304 -- named by the operator
	if err != nil {
		return false, fmt.Errorf("read web configuration: %w", err)
	}
	var c toolkit.Config
	if err := yaml.Unmarshal(text, &c); err != nil {
		return false, fmt.Errorf("read web configuration %s: %w", file, err)
	}
	return len(c.Users) > 0 || c.TLSConfig.ClientAuth == "RequireAndVerifyClientCert", nil
}

func newCredentials(tokens []Token) (*credentials, error) {
	c := &credentials{open: Writer}
	for _, t := range tokens {
		if len(t.Secret) < 8 {
			return nil, errors.New(
				"a web token has fewer than 8 characters and could be guessed (use a longer one)",
			)
		}
		if t.Role != Reader && t.Role != Writer {
			return nil, fmt.Errorf("a web token has the unknown role %d", t.Role)
		}
		c.tokens = append(c.tokens, tokenHash{sha256.Sum256([]byte(t.Secret)), t.Role})
		c.open = min(c.open, t.Role-1)
	}
	return c, nil
}

// PrepareTokens checks tokens and returns a function that puts them in effect. Then tokens that are
// gone end at once, with their sessions.
func (s *Server) PrepareTokens(tokens []Token) (swap func(), err error) {
	c, err := newCredentials(tokens)
	if err != nil {
		return nil, err
	}
	return func() {
		s.access.credentials.Store(c)
		s.access.sessions.keep(c.tokens)
	}, nil
}

// unprotected reports whether every client that reaches the listener may change things.
func (a *access) unprotected() bool {
	return a.credentials.Load().open == Writer && !a.readOnly && !a.passwords
}

// bearer is the token in a request's headers; "" for none. With passwords in the web configuration,
// Authorization carries the password, so there is a second header.
func bearer(r *http.Request) string {
	if secret := r.Header.Get("X-Alert-Engine-Token"); secret != "" {
		return secret
	}
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if secret == r.Header.Get("Authorization") {
		return ""
	}
	return secret
}

// limitLogins refuses requests with a token from clients that have failed too often.
func (a *access) limitLogins(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret := bearer(r)
		if len(a.credentials.Load().tokens) == 0 || secret == "" ||
			!a.refused(w, r, func() bool { return a.credentials.Load().roleOf(secret) > Anyone }) {
			h.ServeHTTP(w, r)
		}
	})
}

// roleOf returns the role of a token.
func (c *credentials) roleOf(secret string) Role {
	sum, role := sha256.Sum256([]byte(secret)), Anyone
	for _, t := range c.tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			role = max(role, t.role)
		}
	}
	return role
}

// roleOf returns the role of a request.
func (a *access) roleOf(r *http.Request) Role {
	c := a.credentials.Load()
	role := c.open
	if secret := bearer(r); secret != "" {
		role = max(role, c.roleOf(secret))
	}
	return max(role, a.sessions.roleOf(r))
}

// mayWrite reports whether a request may change something.
func (a *access) mayWrite(r *http.Request) bool { return !a.readOnly && a.roleOf(r) >= Writer }

// require passes a request to h if it has the role and comes from an allowed origin.
func (a *access) require(role Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writes := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case role == Writer && writes && a.readOnly:
			a.refuse(w, r, http.StatusForbidden, "this server is read-only (web.read_only)")
		case a.roleOf(r) < role:
			a.refuse(w, r, http.StatusUnauthorized,
				"this needs a token (send it as Authorization: Bearer TOKEN)")
		case role > Anyone && !a.ownOrigin(r):
			a.refuse(w, r, http.StatusForbidden,
				"requests from pages of other origins are refused (send a token in a header)")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// ownOrigin reports whether a request comes from our own pages, from a link, or from a client that
// is not a browser. Pages of other origins may make a browser send requests with its cookies and
// passwords. They cannot add a token to a header, so such requests are allowed.
func (a *access) ownOrigin(r *http.Request) bool {
	if secret := bearer(r); secret != "" && a.credentials.Load().roleOf(secret) > Anyone {
		return true
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host != r.Host && !slices.Contains(a.hosts, u.Hostname()) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	followed := r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		r.Header.Get("Sec-Fetch-Dest") == "document"
	return followed && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

func (a *access) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			to := "/login?to=" + url.QueryEscape(r.URL.RequestURI())
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
	}
	writeError(w, &apiError{status, text})
}

// knownHost protects against DNS rebinding: a foreign page whose host name resolves to this server.
// Its requests are same-origin for the browser, and need no credentials where none are demanded.
// Addresses cannot be rebound. Names without a public domain cannot be registered by a stranger.
func (a *access) knownHost(r *http.Request) bool {
	if !a.local && (a.passwords || a.credentials.Load().open == Anyone) {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	return net.ParseIP(host) != nil || slices.Contains(a.hosts, host) ||
		!strings.Contains(host, ".") || slices.ContainsFunc(privateDomains, func(d string) bool {
		return strings.HasSuffix(host, d)
	})
}

// privateDomains are reserved for private networks, or cannot be registered.
var privateDomains = []string{
	".localhost", ".local", ".internal", ".home.arpa", ".svc", ".cluster.local",
}

// policy allows our own script and style, and requests to this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// guard is the middleware before routing.
func (s *Server) guard(next http.Handler) http.Handler {
	next = s.access.limitLogins(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.access.knownHost(r) {
			writeError(w, &apiError{
				http.StatusMisdirectedRequest,
				"unknown host name (add it to web.hosts or notify.external_url)",
			})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// clientName identifies the sender of a request for the audit log: the user of the web
// configuration, or the role, and the address.
func (a *access) clientName(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok && a.passwords {
		return user
	}
	if a.credentials.Load().open == Writer {
		return "anyone"
	}
	return a.roleOf(r).String()
}

// sessionLength is the lifetime of a session.
const sessionLength = 30 * 24 * time.Hour
