package window

// Mask appends to dst the template of a message: what stays of it from one log to the next.
// Numbers, identifiers and quoted strings are replaced by *.
//
// A word is an identifier if it has a digit in it: "req-7f3a", "10.0.0.7", "17ms" and "0x1f" are
// all one *, and "2026-01-05T09:00:00.123Z" is *:*:*.
func Mask(dst, message []byte) []byte {
	for i := 0; i < len(message); {
		switch c := message[i]; {
		case c == '"' || c == '\'' && !(i > 0 && isWord(message[i-1])) || c == '`':
			i = closing(message, i)
			dst = append(dst, '*')
		case isWord(c):
			end, digit := i, false
			for end < len(message) && (isWord(message[end]) || joins(message, end)) {
				digit = digit || message[end] >= '0' && message[end] <= '9'
				end++
			}
			if digit {
				dst = append(dst, '*')
			} else {
				dst = append(dst, message[i:end]...)
			}
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}

// closing is the place behind the quote that closes the one at i, or, when none does, behind the
// quote itself.
func closing(message []byte, i int) int {
	for j := i + 1; j < len(message); j++ {
		switch message[j] {
		case '\\':
			j++
		case message[i]:
			return j + 1
		}
	}
	return i + 1
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' ||
		c >= 0x80
}

// joins says whether the byte at i holds two words together.
func joins(message []byte, i int) bool {
	return (message[i] == '-' || message[i] == '.') && i > 0 && i+1 < len(message) &&
		isWord(message[i-1]) &&
		isWord(message[i+1])
}
