package rule

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// dashes are the characters that Windows programs take for the dash of an option.
var dashes = []string{"-", "/", "\u2013", "\u2014", "\u2015"}

// windash returns a pattern with each dash that begins an option replaced by each of the dashes,
// each on its own.
func windash(p string) []string {
	list := []string{p}
	previous := ' '
	for i, width := 0, 0; i < len(p); i += width {
		var r rune
		r, width = utf8.DecodeRuneInString(p[i:])
		next, _ := utf8.DecodeRuneInString(p[i+width:])
		if (r == '-' || r == '/') && !isWord(previous) && isWord(next) {
			n := len(list) * len(dashes)
			if n > maxPatterns || n*len(p) > maxPatternBytes/2 {
				break
			}
			list = replaceEnd(list, len(p)-i, width)
		}
		previous = r
	}
	return list
}

// replaceEnd returns the texts with each of the dashes in place of the one that begins so many
// bytes before their ends.
func replaceEnd(list []string, before, width int) []string {
	longer := make([]string, 0, len(list)*len(dashes))
	for _, dash := range dashes {
		for _, text := range list {
			at := len(text) - before
			longer = append(longer, text[:at]+dash+text[at+width:])
		}
	}
	return longer
}

// isWord reports whether a rune belongs to a word.
func isWord(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// words is the number of words of a text.
func words(text string) int {
	return len(strings.FieldsFunc(text, func(r rune) bool { return !isWord(r) }))
}

// encodings returns the patterns of the encoded forms of a text.
func encodings(mod, text string) []string {
	var list []string
	switch mod {
	case "base64":
		list = []string{base64.StdEncoding.EncodeToString([]byte(text))}
	case "base64offset":
		list = base64Offsets([]byte(text))
	default:
		list = []string{string(utf16Bytes(mod, text))}
	}
	for i := range list {
		list[i] = quotePattern(list[i])
	}
	return list
}

// base64Offsets are the parts of the encoded text that do not depend on what is before and after
// it, for each of the three offsets at which it may begin.
func base64Offsets(text []byte) (list []string) {
	start := [3]int{0, 2, 3}
	end := [3]int{0, 3, 2} // characters that depend on what follows, by the length modulo 3
	for offset := range 3 {
		padded := append(make([]byte, offset), text...)
		encoded := base64.StdEncoding.EncodeToString(padded)
		to := len(encoded) - end[len(padded)%3]
		if start[offset] < to {
			list = append(list, encoded[start[offset]:to])
		}
	}
	return list
}

func utf16Bytes(mod, text string) []byte {
	var b []byte
	if mod == "utf16" {
		b = append(b, 0xFF, 0xFE)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		if mod == "utf16be" {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}
