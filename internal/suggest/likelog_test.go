package suggest

import (
	"strings"
	"testing"
)

// The constant part of a message is its longest run of words without numbers and names.
func TestConstantPart(t *testing.T) {
	f := func(message, want string) {
		t.Helper()
		if got := constantPart(message); got != want {
			t.Errorf("%q is %q, not %q", message, got, want)
		}
	}
	f("connection to 10.0.0.1:5432 refused by the server", "refused by the server")
	f("user=ann failed to log in", "failed to log in")
	f("42", "")
	f(`timeout: "x" took too long`, "took too long")
	// It is contained in the message, so it ends where the blanks are not single ones.
	f("too many  open files\nin one process", "in one process")
	f("cannot\topen", "cannot")
	f("ошибка базы  данных", "ошибка базы")
	f(strings.Repeat("a", 3000), "")
	f("disk full "+strings.Repeat("a", 3000), "disk full")
	f(strings.Repeat("я", 1500)+" x", "")
}

// A term that could be an operator of the query language is quoted.
func TestQuoteTerm(t *testing.T) {
	for term, want := range map[string]string{
		"a.b-c": "a.b-c", "----": `"----"`, "-a": `"-a"`, "a b": `"a b"`, "OR": `"OR"`,
		"not": `"not"`, `a"b`: `"a\"b"`,
	} {
		if got := quoteTerm(term); got != want {
			t.Errorf("%s is %s, not %s", term, got, want)
		}
	}
}
