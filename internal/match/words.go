package match

import (
	"unicode"
	"unicode/utf8"
)

// nextWord cuts the first word from a text: a run of letters, digits and "_".
func nextWord(t []byte) (word, rest []byte) {
	start := 0
	for start < len(t) {
		n, in := wordRune(t[start:])
		if in {
			break
		}
		start += n
	}
	end := start
	for end < len(t) {
		n, in := wordRune(t[end:])
		if !in {
			break
		}
		end += n
	}
	return t[start:end], t[end:]
}

// wordRune says whether the first rune of a text belongs to a word, and how long it is.
func wordRune(t []byte) (n int, in bool) {
	c := t[0]
	if c < utf8.RuneSelf {
		return 1, c|0x20-'a' < 26 || c-'0' <= 9 || c == '_'
	}
	r, n := utf8.DecodeRune(t)
	return n, r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// splitWords are the words of a text.
func splitWords(t []byte) (words [][]byte) {
	for {
		word, rest := nextWord(t)
		if len(word) == 0 {
			return words
		}
		words, t = append(words, word), rest
	}
}

// hasWords says whether words occur in a value, whole and in a row. Its time is that of the value
// times the number of words.
func hasWords(v []byte, words [][]byte, cased bool) bool {
	for len(words) > 0 {
		word, rest := nextWord(v)
		if len(word) == 0 {
			return false
		}
		v = rest
		for i, want := range words {
			tail, ok := cutText(word, string(want), cased)
			if !ok || len(tail) > 0 {
				break
			}
			if i == len(words)-1 {
				return true
			}
			word, rest = nextWord(rest)
		}
	}
	return false
}

// hasFoldedWords is hasWords for a value of ASCII bytes, or a folded one, and folded words.
func hasFoldedWords(v []byte, words [][]byte) bool {
	for {
		word, rest := nextWord(v)
		if len(word) == 0 {
			return false
		}
		v = rest
		for i, want := range words {
			if !equalFold(word, want) {
				break
			}
			if i == len(words)-1 {
				return true
			}
			word, rest = nextWord(rest)
		}
	}
}
