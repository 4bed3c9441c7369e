package window

import (
	"strings"

	"github.com/log-monitoring/alert-engine/internal/decode"
)

// Mask appends to dst the template of a message: what stays of it from one log to the next.
// Numbers, identifiers and quoted strings are replaced by *.
//
// A word is an identifier if it has a digit in it, or is a long one of hexadecimal digits alone:
// "req-7f3a", "10.0.0.7", "17ms", "1,000" and "0x1f" are all one *, and so is a sign before it;
// addresses of machines and networks (MAC, IPv6) are one *, and "2026-01-05T09:00:00.123Z" is
// *:*:*. Of a time with its date, the zone, the names of month and weekday, and AM or PM are not
// kept: a message is the same in July and in January, and whatever the zone of the machine is.
func Mask(dst, message []byte) []byte {
	var open [0x80]bool // quotes that are not closed: those behind them are not either
	for i := 0; i < len(message); {
		c := message[i]
		if quotes(message, i) {
			end := i + 1
			if !open[c] {
				end, open[c] = closing(message, i)
			}
			dst, i = append(dst, '*'), end
			continue
		}
		if end := address(message, i); end > i {
			dst, i = append(dst, '*'), end
			continue
		}
		if end := dated(message, i); end > i {
			dst, i = maskTime(dst, message[i:end]), end
			continue
		}
		start := i
		if (c == '-' || c == '+' || c == '.') && i+1 < len(message) && isDigit(message[i+1]) &&
			(i == 0 || !isWord(message[i-1])) {
			start++
		}
		if !isWord(message[start]) {
			dst = append(dst, c)
			i++
			continue
		}
		end, digit, hex, dots := start, false, true, 0
		for end < len(message) && (isWord(message[end]) || joins(message, end)) {
			digit = digit || isDigit(message[end])
			if message[end] == '.' {
				dots++
			}
			hex = hex && (isHex(message[end]) || message[end] == '-' || message[end] == '.')
			end++
		}
		if digit || hex && (dots == 0 && end-start >= hexWord || end-start == len(ciscoMAC)) {
			dst = append(dst, '*')
		} else {
			dst = append(dst, message[i:end]...)
		}
		i = end
	}
	return dst
}

// dated is the end of a time with its date that begins at i, else i.
func dated(message []byte, i int) int {
	if i > 0 && isWord(message[i-1]) || !isDigit(message[i]) &&
		strings.IndexByte("JFMASONDWT", message[i]) < 0 {
		return i
	}
	return i + decode.TimeLength(message[i:min(len(message), i+maxTime)])
}

// maxTime is more than the length of the longest time.
const maxTime = 96

// maskTime appends the template of a time: of its digits up to the zone, so that a number before a
// clock, which may or may not be a date, is the same. One with names in it is as if it had none.
func maskTime(dst, time []byte) []byte {
	end, names := 0, 0
	for i := 0; i < len(time) && end == 0; i++ {
		switch {
		case time[i] == ':' && i > 0 && isDigit(time[i-1]):
			end = clockEnd(time, i)
		case isDigit(time[i]) || !isWord(time[i]):
			names = 0
		default:
			if names++; names == len("Jan") {
				return append(dst, "*:*:*"...)
			}
		}
	}
	if end == 0 {
		return append(dst, '*')
	}
	for i := 0; i < end; {
		from := i
		for i < end && time[i] != ':' && time[i] != ' ' {
			i++
		}
		if i > from {
			dst = append(dst, '*')
		}
		if i < end {
			dst = append(dst, time[i])
			i++
		}
	}
	return dst
}

// clockEnd is the end of a clock whose first colon is at i.
func clockEnd(time []byte, i int) int {
	for ; i < len(time) && (isDigit(time[i]) || strings.IndexByte(":.,", time[i]) >= 0); i++ {
	}
	return i
}

// quotes says whether the byte at i begins a quoted text.
func quotes(message []byte, i int) bool {
	c := message[i]
	return c == '"' || c == '\'' && !(i > 0 && isWord(message[i-1])) || c == '`'
}

// address is the end of an IPv6 or MAC address that begins at i, else i: groups of hexadecimal
// digits joined by colons, at least two of them, or by "::".
func address(message []byte, i int) int {
	if i > 0 && (isWord(message[i-1]) || message[i-1] == ':' || message[i-1] == '.') {
		return i
	}
	end, digits, colons, double, widest := i, 0, 0, false, 0
	for end < len(message) && end-i < maxAddress {
		switch c := message[end]; {
		case isHex(c):
			digits++
			widest = max(widest, digits)
		case c == ':':
			double = double || end > i && message[end-1] == ':'
			colons++
			digits = 0
		case c == '.' && colons >= 2 && digits > 0 && joins(message, end): // ::ffff:10.0.0.7
			digits = 0
		default:
			return addressEnd(message, i, end, colons, double, widest)
		}
		end++
	}
	return addressEnd(message, i, end, colons, double, widest)
}

// ciscoMAC is the form of Cisco's MAC addresses.
const ciscoMAC = "aabb.ccdd.eeff"

// hexWord is how long a word of the letters a to f is that is taken for a hexadecimal number.
const hexWord = 8

// maxAddress is the length of the longest address.
const maxAddress = 45

func addressEnd(message []byte, i, end, colons int, double bool, widest int) int {
	for end > i && message[end-1] == ':' && !(end > i+1 && message[end-2] == ':') {
		end-- // the colon of a sentence
		colons--
	}
	if end < len(message) && isWord(message[end]) || widest > 4 ||
		!double && colons != 5 && colons != 7 {
		return i
	}
	if double && widest == 0 && end-i > 2 {
		return i
	}
	return end
}

// closing is the place behind the quote that closes the one at i, or, when none does and it stays
// open, behind the quote itself.
func closing(message []byte, i int) (end int, open bool) {
	for j := i + 1; j < len(message); j++ {
		switch message[j] {
		case '\\':
			j++
		case message[i]:
			return j + 1, false
		}
	}
	return i + 1, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' ||
		c >= 0x80
}

// joins says whether the byte at i holds two words together.
func joins(message []byte, i int) bool {
	if message[i] == ',' { // of thousands
		return i > 0 && i+3 < len(message) && isDigit(message[i-1]) && isDigit(message[i+1]) &&
			isDigit(message[i+2]) && isDigit(message[i+3]) &&
			(i+4 == len(message) || !isDigit(message[i+4]))
	}
	return (message[i] == '-' || message[i] == '.') && i > 0 && i+1 < len(message) &&
		isWord(message[i-1]) &&
		isWord(message[i+1])
}
