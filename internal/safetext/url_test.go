package safetext

import "testing"

// An error about a URL shows what may be wrong with it, and no secret.
func TestURLHidesSecrets(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := URL(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	f("bar", "bar")
	f("localhost:8080", "localhost:8080")
	f("hooks.example.com/services/T0/B0/secret", "hooks.example.com/…")
	f("htps://hooks.example.com/?token=secret", "htps://hooks.example.com/…")
	f("http://me:secret@alerts/", "http://alerts/")
	f("http://me:se/cr?et@alerts/x", "http://alerts/…")
	f("http://me:secret@", "http://")
	f("0123456789abcdef0123", "0123456…")
	f("http:\n//x", "http: /…")
}
