package suggest

import "testing"

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
}
