package web

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// logins exchange tokens for sessions of browsers.
type logins struct {
	access *access
	pages  *pages
	now    func() time.Time
}

func (l *logins) routes() []route {
	return []route{
		{"GET /login", Anyone, cheap, l.pages.handler(l.show)},
		{"POST /login", Anyone, cheap, http.HandlerFunc(l.login)},
		{"POST /logout", Anyone, cheap, http.HandlerFunc(l.logout)},
	}
}

func (l *logins) show(w http.ResponseWriter, r *http.Request) error {
	l.page(w, r, "", http.StatusOK)
	return nil
}

func (l *logins) page(w http.ResponseWriter, r *http.Request, problem string, status int) {
	l.pages.render(w, r, status, "login", view{
		Title: "Log in",
		Error: problem,
		Data:  localPath(r.FormValue("to")),
	})
}

// login exchanges a token for the cookie of a session.
func (l *logins) login(w http.ResponseWriter, r *http.Request) {
	if !l.access.ownOrigin(r) {
		l.access.refuse(w, r, http.StatusForbidden,
			"logins from pages of other origins are refused")
		return
	}
	// reads the whole body, which may arrive slowly, before the limiter decides
	token, role := r.PostFormValue("token"), Anyone
	right := func() bool {
		role = l.access.credentials.Load().roleOf(token)
		return role > Anyone
	}
	if l.access.refused(w, r, right) {
		return
	}
	if role == Anyone {
		l.page(w, r, "Unknown token.", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name:     cookieName,
		Value:    l.access.sessions.begin(role, sha256.Sum256([]byte(token))),
		Path:     "/",
		HttpOnly: true,
		Secure:   l.access.secure || r.TLS != nil,
		SameSite: http.SameSiteStrictMode,
		Expires:  l.now().Add(sessionLength),
	})
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

// logout ends the session, for all copies of its cookie.
func (l *logins) logout(w http.ResponseWriter, r *http.Request) {
	if !l.access.ownOrigin(r) {
		l.access.refuse(w, r, http.StatusForbidden, "requests from other origins are refused")
		return
	}
	l.access.sessions.end(r)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
