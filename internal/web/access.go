package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Role is what a client may do. Each role includes those before it.
type Role int

const (
	Anyone Role = iota // may see whether the program is healthy
	Reader             // may see everything
	Writer             // may change things
)

// String is the role as it stands in a cookie.
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
	tokens   []tokenHash
	open     Role // role of clients without a token
	readOnly bool
	key      []byte // of the cookies; a restart makes a new one, which ends all sessions
	hosts    []string
	local    bool // the listener is on loopback
	secure   bool
	logins   *loginLimiter
	writes   *rate.Limiter
}

// tokenHash is the hash of a token. Comparing hashes takes constant time.
type tokenHash struct {
	sum  [sha256.Size]byte
	role Role
}

const cookieName = "alert_engine"

func newAccess(o Options) (access, error) {
	a := access{
		open:     Writer,
		readOnly: o.ReadOnly,
		key:      make([]byte, 32),
		logins:   newLoginLimiter(o.Now, o.Registerer),
		writes:   rate.NewLimiter(50, 200),
	}
	rand.Read(a.key)
	for _, t := range o.Tokens {
		if len(t.Secret) < 8 {
			return a, errors.New(
				"a web token has fewer than 8 characters and could be guessed (use a longer one)",
			)
		}
		if t.Role != Reader && t.Role != Writer {
			return a, fmt.Errorf("a web token has the unknown role %d", t.Role)
		}
		a.tokens = append(a.tokens, tokenHash{sha256.Sum256([]byte(t.Secret)), t.Role})
		a.open = min(a.open, t.Role-1)
	}
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
	return a, nil
}

// presents reports whether a request has a token in a header.
func presents(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") ||
		r.Header.Get("X-Alert-Engine-Token") != ""
}

// limitLogins refuses requests with a token from clients that have failed too often.
func (a *access) limitLogins(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(a.tokens) == 0 || !presents(r) {
			h.ServeHTTP(w, r)
			return
		}
		if !a.refused(w, r, func() bool { return a.known(r) }) {
			h.ServeHTTP(w, r)
		}
	})
}

// known reports whether a request has a valid token. With passwords in the web configuration, the
// Authorization header may carry a password instead.
func (a *access) known(r *http.Request) bool {
	secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return max(a.roleOfToken(secret), a.roleOfToken(r.Header.Get("X-Alert-Engine-Token"))) > Anyone
}

// roleOf returns the role of a request.
func (a *access) roleOf(r *http.Request) Role {
	role := a.open
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		role = max(role, a.roleOfToken(secret))
	}
	// With passwords in the web configuration, Authorization carries the password.
	if secret := r.Header.Get("X-Alert-Engine-Token"); secret != "" {
		role = max(role, a.roleOfToken(secret))
	}
	if c, err := r.Cookie(cookieName); err == nil {
		role = max(role, a.roleOfCookie(c.Value))
	}
	return role
}

func (a *access) roleOfToken(secret string) Role {
	sum, role := sha256.Sum256([]byte(secret)), Anyone
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 {
			role = max(role, t.role)
		}
	}
	return role
}

func (a *access) roleOfCookie(value string) Role {
	for _, role := range []Role{Reader, Writer} {
		if hmac.Equal([]byte(value), []byte(a.cookie(role))) {
			return role
		}
	}
	return Anyone
}

func (a *access) cookie(role Role) string {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(role.String()))
	return role.String() + "." + hex.EncodeToString(mac.Sum(nil))
}

// mayWrite reports whether a request may change something.
func (a *access) mayWrite(r *http.Request) bool { return !a.readOnly && a.roleOf(r) >= Writer }

// require passes a request to h if it has the role.
func (a *access) require(role Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writes := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case role == Writer && writes && a.readOnly:
			a.refuse(w, r, http.StatusForbidden, "this server is read-only (web.read_only)")
		case a.roleOf(r) < role:
			a.refuse(
				w,
				r,
				http.StatusUnauthorized,
				"this needs a token (send it as Authorization: Bearer TOKEN)",
			)
		case role == Writer && writes && !a.writes.Allow():
			w.Header().Set("Retry-After", "1")
			a.refuse(w, r, http.StatusTooManyRequests, "too many changes at once (try again in a second)")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func (a *access) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
		if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(
				w,
				r,
				"/login?to="+url.QueryEscape(r.URL.RequestURI()),
				http.StatusSeeOther,
			)
			return
		}
	}
	writeError(w, &apiError{status, text})
}

// knownHost protects against DNS rebinding: a foreign page whose host name resolves to this server.
func (a *access) knownHost(r *http.Request) bool {
	if !a.local {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		net.ParseIP(host) != nil ||
		slices.Contains(a.hosts, host)
}

// policy allows our own script and style, and requests to this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard is the middleware before routing.
func (s *Server) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	next = s.access.limitLogins(origins.Handler(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.access.knownHost(r) {
			writeError(
				w,
				&apiError{
					http.StatusMisdirectedRequest,
					"unknown host name (add it to web.hosts or notify.external_url)",
				},
			)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// login exchanges a token for a cookie.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	// reads the whole body, which may arrive slowly, before the limiter decides
	token, role := r.PostFormValue("token"), Anyone
	if s.access.refused(
		w,
		r,
		func() bool { role = s.access.roleOfToken(token); return role > Anyone },
	) {
		return
	}
	if role == Anyone {
		s.loginPage(w, r, "Unknown token.", http.StatusUnauthorized)
		return
	}
	http.SetCookie(
		w,
		&http.Cookie{
			Name:     cookieName,
			Value:    s.access.cookie(role),
			Path:     "/",
			HttpOnly: true,
			Secure:   s.access.secure || r.TLS != nil,
			SameSite: http.SameSiteStrictMode,
			Expires:  s.Now().Add(30 * 24 * time.Hour),
		},
	)
	http.Redirect(w, r, localPath(r.PostFormValue("to")), http.StatusSeeOther)
}

// localPath returns to if it is a path on this server, else "/".
func localPath(to string) string {
	if u, err := url.Parse(to); err != nil || u.Host != "" || u.Scheme != "" ||
		!strings.HasPrefix(to, "/") ||
		strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
