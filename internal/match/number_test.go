package match

import (
	"net/netip"
	"strconv"
	"strings"
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
		"10.1.2.3:80", "[fe80::1%eth0]:80", "::ffff:10.1.2.3", "fe80::1", "-", "",
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

// A whole number of a few digits is read at once; of everything else the general reader decides.
func TestSmallWhole(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "9": 9, "10": 10, "007": 7, "123456789": 123456789,
	} {
		if n, ok := smallWhole([]byte(text)); !ok || n != want {
			t.Errorf("%s: got %v, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "1234567890", "-1", "1.5", "1e3", "7/", "7:", "x"} {
		if n, ok := smallWhole([]byte(text)); ok {
			t.Errorf("%s: got %v", text, n)
		}
	}
}

// A number that is spelled as its value is compared as it is.
func TestCanonicalSpellings(t *testing.T) {
	digits := "12345678901234567890123456789012" // plainDigits
	for _, text := range []string{"0", "9", "10", "-1", "-9", digits} {
		if !isCanonical([]byte(text)) {
			t.Errorf("%s is spelled otherwise", text)
		}
	}
	for _, text := range []string{"-0", "1.0", "1e3", "1-1", digits + "3", "1/", "1:"} {
		if isCanonical([]byte(text)) {
			t.Errorf("%s is its own spelling", text)
		}
	}
	for text, want := range map[string]string{
		digits + ".0":  digits,
		digits + "0.0": digits[:31] + "2e1",
		"1e31":         "1" + "0000000000000000000000000000000",
		"1e32":         "1e32",
		"-1e30":        "-1000000000000000000000000000000",
		"-1e31":        "-1e31",
		"-0.0":         "0",
		"0.50":         "5e-1",
		"-05.0E+1":     "-50",
		"1e1000000":    "1e1000000",
		"1e1000001":    "1e1000001",
		"10e1000000":   "1e1000001",
		"1.0e-1000001": "1.0e-1000001",
		"1.0e-1000000": "1e-1000000",
	} {
		if got := string(appendCanonical([]byte("x"), []byte(text))); got != "x"+want {
			t.Errorf("%s: got %s, want %s", text, got[1:], want)
		}
	}
}

// What is no number as JSON spells it is compared as text.
func TestIsNumber(t *testing.T) {
	for _, text := range []string{"0", "-0", "10", "0.5", "1e5", "1E+5", "1.25e-7", "-9", "0e0"} {
		if !isNumber(text) {
			t.Errorf("%s is no number", text)
		}
	}
	for _, text := range []string{
		"", "-", "00", "01", "-01", ".5", "1.", "1.e5", "1e", "1e+", "+1", "1x", "1.5x", "1e5x", "0x1",
		"1/", "1:", "e5", "--1",
	} {
		if isNumber(text) {
			t.Errorf("%s is a number", text)
		}
	}
}

// Addresses are read with a port, in brackets and with a zone.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3": "10.1.2.3", "10.1.2.3:80": "10.1.2.3", "::": "::", "::1": "::1",
		"[::1]": "::1", "[::1]:80": "::1", "fe80::1%eth0": "fe80::1", "[fe80::1%eth0]:80": "fe80::1",
		"::ffff:10.1.2.3": "10.1.2.3", "[::ffff:10.1.2.3]:80": "10.1.2.3",
		"255.255.255.255": "255.255.255.255", "0.0.0.0": "0.0.0.0", "ABCD::EF": "abcd::ef",
		"fe80::1%Zone-_x": "fe80::1",
	} {
		if got, ok := parseAddr([]byte(text)); !ok || got != netip.MustParseAddr(want) {
			t.Errorf("%s: got %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "1", ":", "10.1.2", "10.1.2.3.4", "10.1.2.256", "10.01.2.3", "10..2.3", "10.1.2.3:",
		"10.1.2.3:x", "[::1", "[10.1.2.3", "::1]", "a:b", "1.2.3.x", "1.2.3.4 ", "10.1.2.3/8", "g::1",
		"10.1.2.1000", "1.2.3.", ".1.2.3", "[::1]80",
		"fe80::1%" + strings.Repeat("z", 57),
	} {
		if got, ok := parseAddr([]byte(text)); ok {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if _, ok := parseAddr([]byte("fe80::1%" + strings.Repeat("z", 56))); !ok {
		t.Error("64 bytes are too many")
	}
}
