package match

import (
	"net/netip"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/number"
)

// valueNumber is a value as a number.
func valueNumber(v decode.Value) (float64, bool) {
	switch v.Kind {
	case decode.Number:
		if n, ok := smallWhole(v.Text); ok {
			return n, true
		}
	case decode.String:
	default:
		return 0, false
	}
	return number.Parse(v.Text)
}

// smallWhole reads a whole number of a few digits, as most numbers in logs are.
func smallWhole(t []byte) (float64, bool) {
	if len(t) == 0 || len(t) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range t {
		if c-'0' > 9 {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return float64(n), true
}

// isNumber says whether a text is a number as JSON spells it.
func isNumber(t string) bool {
	if len(t) > 0 && t[0] == '-' {
		t = t[1:]
	}
	n := leadingDigits(t)
	if n == 0 || n > 1 && t[0] == '0' {
		return false
	}
	t = t[n:]
	if len(t) > 0 && t[0] == '.' {
		n = leadingDigits(t[1:])
		if n == 0 {
			return false
		}
		t = t[1+n:]
	}
	if len(t) > 0 && t[0]|0x20 == 'e' {
		t = t[1:]
		if len(t) > 0 && (t[0] == '+' || t[0] == '-') {
			t = t[1:]
		}
		n = leadingDigits(t)
		return n > 0 && n == len(t)
	}
	return t == ""
}

func leadingDigits(t string) int {
	n := 0
	for n < len(t) && t[n]-'0' <= 9 {
		n++
	}
	return n
}

// plainDigits is how many digits of an integer are written out in its canonical spelling; beyond,
// it is mantissa and exponent.
const plainDigits = 32

// isCanonical says whether a JSON number is its own canonical spelling, as integers are.
func isCanonical(t []byte) bool {
	if len(t) > plainDigits || len(t) > 0 && t[0] == '-' && len(t) > 1 && t[1] == '0' {
		return false
	}
	for i, c := range t {
		if c-'0' > 9 && (i > 0 || c != '-') {
			return false
		}
	}
	return true
}

// appendCanonical appends the one spelling that all JSON numbers of the same value share: an
// integer's digits, or mantissa and exponent.
func appendCanonical(dst, t []byte) []byte {
	if isCanonical(t) {
		return append(dst, t...)
	}
	start := len(dst)
	i := 0
	if len(t) > 0 && t[0] == '-' {
		dst = append(dst, '-')
		i++
	}
	first, exp, point := len(dst), 0, false
	for ; i < len(t) && t[i]|0x20 != 'e'; i++ {
		if t[i] == '.' {
			point = true
			continue
		}
		if point {
			exp--
		}
		if t[i] != '0' || len(dst) > first { // no leading zeros
			dst = append(dst, t[i])
		}
	}
	if i < len(t) {
		e, err := strconv.Atoi(string(t[i+1:]))
		if err != nil || e > 1e6 || e < -1e6 {
			return append(dst[:start], t...)
		}
		exp += e
	}
	for len(dst) > first && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
		exp++
	}
	if len(dst) == first {
		return append(dst[:start], '0')
	}
	if exp >= 0 && len(dst)-start+exp <= plainDigits {
		for range exp {
			dst = append(dst, '0')
		}
		return dst
	}
	return strconv.AppendInt(append(dst, 'e'), int64(exp), 10)
}

// parseAddr reads an IP address, with or without a port, from a value. Nothing is allocated for
// what is plainly no address.
func parseAddr(t []byte) (netip.Addr, bool) {
	if len(t) < 2 || len(t) > 64 {
		return netip.Addr{}, false
	}
	dots, colons := 0, 0
	for _, c := range t {
		switch {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c-'0' <= 9, c|0x20 >= 'a' && c|0x20 <= 'f', c == '[', c == ']', c == '%':
		default:
			if colons == 0 {
				return netip.Addr{}, false
			}
		}
	}
	if dots != 3 && colons < 2 {
		return netip.Addr{}, false
	}
	if t[0] == '[' || dots == 3 && colons == 1 {
		ap, err := netip.ParseAddrPort(string(t))
		if err == nil {
			return ap.Addr().Unmap().WithZone(""), true
		}
		if t[0] != '[' || t[len(t)-1] != ']' {
			return netip.Addr{}, false
		}
		t = t[1 : len(t)-1]
	}
	if dots == 3 && colons == 0 {
		return parseIPv4(t)
	}
	a, err := netip.ParseAddr(string(t))
	return a.Unmap().WithZone(""), err == nil
}

func parseIPv4(t []byte) (netip.Addr, bool) {
	var quad [4]byte
	octet, value, digits := 0, 0, 0
	for i := 0; ; i++ {
		if i == len(t) || t[i] == '.' {
			if digits == 0 || value > 255 || octet > 3 {
				return netip.Addr{}, false
			}
			quad[octet] = byte(value)
			octet, value, digits = octet+1, 0, 0
			if i == len(t) {
				return netip.AddrFrom4(quad), octet == 4
			}
			continue
		}
		if t[i]-'0' > 9 || digits == 3 || digits > 0 && value == 0 {
			return netip.Addr{}, false
		}
		value = value*10 + int(t[i]-'0')
		digits++
	}
}
