package match

import (
	"net/netip"
	"strconv"
	"testing"
)

// A number is equal to itself in any spelling, and to no other number, however many digits they
// share.
func TestCanonicalNumbers(t *testing.T) {
	same := func(in ...string) {
		t.Helper()
		for _, s := range in {
			if got, want := string(appendCanonical(nil, []byte(s))),
				string(appendCanonical(nil, []byte(in[0]))); got != want {
				t.Errorf("%s is %s, but %s is %s", s, got, in[0], want)
			}
		}
	}
	same("200", "200.0", "2e2", "2.00E+2", "0.2e3")
	same("0", "-0", "0.0", "0e5", "-0.00")
	same("-1.5", "-1.50", "-15e-1")
	same("1e40", "10000000000000000000000000000000000000000", "10e39")
	if a, b := appendCanonical(nil, []byte("9007199254740993")),
		appendCanonical(nil, []byte("9007199254740992.0")); string(a) == string(b) {
		t.Errorf("both are %s", a)
	}
}

// Addresses are read as netip reads them, and a canonical number has the value of its text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"1.25", "0.1", "123456789012345", "99999999999999.9", "1e5", "-7", "10.1.2.3", "010.1.2.3",
		"10.1.2.3:80", "[fe80::1%eth0]:80", "::ffff:10.1.2.3", "fe80::1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if want, err := netip.ParseAddr(s); err == nil && len(s) <= 64 && want.Zone() == "" {
			if got, ok := parseAddr([]byte(s)); !ok || got != want.Unmap() {
				t.Errorf("%q: got %v, %v", s, got, ok)
			}
		}
		canonical := appendCanonical(nil, []byte(s))
		if isNumber(s) && len(s) < 40 {
			a, err1 := strconv.ParseFloat(s, 64)
			b, err2 := strconv.ParseFloat(string(canonical), 64)
			if err1 == nil && (err2 != nil || a != b) {
				t.Errorf("%q: the canonical spelling is %q", s, canonical)
			}
		}
	})
}
