package jsonscan

// maxNesting is how deep a value may be nested, as in encoding/json.
const maxNesting = 10_000

// Valid reports whether b is one JSON value, as json.Valid does, in a quarter of its time. Reading
// is more lenient than that.
func Valid(b []byte) bool {
	i := SkipBlank(b, 0)
	if i == len(b) {
		return false
	}
	if c := b[i]; c != '{' && c != '[' {
		e := validScalar(b, i)
		return e >= 0 && SkipBlank(b, e) == len(b)
	}
	objects := make([]bool, 0, 32) // the containers around i, and whether they are objects
	for {
		// a value begins at b[i]
		switch c := b[i]; c {
		case '{', '[':
			if len(objects) == maxNesting {
				return false
			}
			objects = append(objects, c == '{')
			i = SkipBlank(b, i+1)
			if i < len(b) && b[i] == c+2 { // '}' and ']' are two behind
				break
			}
			if c == '{' {
				i = validKey(b, i)
			}
			if i < 0 || i >= len(b) {
				return false
			}
			continue
		default:
			if i = validScalar(b, i); i < 0 {
				return false
			}
		}
		// a value has ended before b[i], or the container of nothing ends at it
		for {
			i = SkipBlank(b, i)
			if i == len(b) {
				return false
			}
			object := objects[len(objects)-1]
			if c := b[i]; c == '}' && object || c == ']' && !object {
				i++
				if objects = objects[:len(objects)-1]; len(objects) == 0 {
					return SkipBlank(b, i) == len(b)
				}
				continue
			}
			if b[i] != ',' {
				return false
			}
			if i = SkipBlank(b, i+1); object {
				i = validKey(b, i)
			}
			break
		}
		if i < 0 || i >= len(b) {
			return false
		}
	}
}

// validKey returns the index of the value behind the key at b[i] and its colon, -1 if there is
// none.
func validKey(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = validString(b, i+1); i < 0 {
		return -1
	}
	if i = SkipBlank(b, i); i == len(b) || b[i] != ':' {
		return -1
	}
	return SkipBlank(b, i+1)
}

// validScalar returns the index behind the text, number or literal at b[i], -1 if it is none.
func validScalar(b []byte, i int) int {
	if b[i] == '"' {
		return validString(b, i+1)
	}
	e, kind := scanScalar(b, i)
	if e < 0 || kind == String && !IsNumber(b[i:e]) { // NaN and Infinity
		return -1
	}
	return e
}

// validString returns the index behind the quote that ends the string whose first byte is b[i], -1
// if there is none or if a character stands before it that needs an escape, or is escaped wrongly.
func validString(b []byte, i int) int {
	for {
		if i += plainRun(b[i:]); i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c != '\\':
			i++
			continue
		}
		if i+1 >= len(b) {
			return -1
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if _, ok := Hex4(b, i+2); !ok {
				return -1
			}
			i += 6
		default:
			return -1
		}
	}
}
