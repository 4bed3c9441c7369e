package web

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns text in which characters that command a terminal, or that rearrange or hide what
// stands beside them, are replaced by others that show them: ␛ for an escape, ⟨U+202E⟩ for an
// override of the direction. Line breaks and tabs stay. What is no UTF-8 becomes U+FFFD.
func visible(text string) string {
	if !hidesSomething(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 16)
	last := rune(0)
	for _, c := range text {
		switch {
		case c == '\n' || c == '\t' || c == joiner && joins(last):
			b.WriteRune(c)
		case c < ' ':
			b.WriteRune(0x2400 + c)
		case c == 0x7f:
			b.WriteRune(0x2421)
		case hidden(c):
			fmt.Fprintf(&b, "⟨U+%04X⟩", c)
		default:
			b.WriteRune(c) // utf8.RuneError for what is no UTF-8
		}
		last = c
	}
	return b.String()
}

// joiner makes one picture of several: a woman and a fire engine are a firefighter. Anywhere else
// it hides.
const joiner = '\u200d'

func joins(last rune) bool {
	return unicode.In(last, unicode.So, unicode.Sk) || last == 0xfe0f
}

// checkVisible returns an error for text of ours that hides something: a rule must mean what it
// seems to.
func checkVisible(text string) error {
	for i, line := range strings.Split(text, "\n") {
		if shown := visible(strings.TrimSuffix(line, "\r")); shown != strings.TrimSuffix(
			line,
			"\r",
		) {
			return &apiError{
				http.StatusUnprocessableEntity,
				fmt.Sprintf(
					"%d:1: a character is hidden here: %s; write it as \\x{…} in a regular expression",
					i+1,
					shorten(120, shown),
				),
			}
		}
	}
	return nil
}

func hidesSomething(text string) bool {
	for i, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c >= 0x80 && hidden(c) {
			return true
		}
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return true
			}
		}
	}
	return false
}

// hidden are the characters beyond ASCII that take no room or change how others are shown: C1
// controls, formats such as bidirectional marks and zero-width characters, line separators,
// fillers, and variation selectors.
func hidden(c rune) bool {
	switch {
	case c < 0x80:
		return false
	case c < 0xa0,
		c == 0x2028,
		c == 0x2029,
		c == 0x115f,
		c == 0x1160,
		c == 0x3164,
		c == 0xffa0,
		c == 0x034f:
		return true
	case c >= 0xfe00 && c <= 0xfe0f, c >= 0xe0100 && c <= 0xe01ef:
		return c != 0xfe0f // it only asks for the coloured form of a symbol
	}
	return unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Co, c)
}

// oneLine is text as a single visible line of at most so many characters.
func oneLine(most int, text string) string {
	if len(text) > most*utf8.UTFMax {
		text = text[:most*utf8.UTFMax]
	}
	text = strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || c == '\r' {
			return ' '
		}
		return c
	}, text)
	return shorten(most, visible(text))
}

// shorten cuts text to so many characters.
func shorten(most int, text string) string {
	n := 0
	for i := range text {
		if n == most {
			return text[:i] + "…"
		}
		n++
	}
	return text
}
