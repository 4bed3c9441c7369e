// Package safetext makes text from logs safe to show. Any client that can write a log can write
// characters that command a terminal, change the direction of the text around them, or take no
// room. Every exit of such text uses this package: commands, pages, notifications, log output,
// labels of groups and of metrics.
//
// Such characters are shown by their number, ⟨U+202E⟩, and not removed: two texts that differ then
// look different. In JSON they are escaped, which loses nothing.
package safetext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns text with all hidden and commanding characters shown by their number. Line breaks
// and tabs stay, a CR before a line break goes. Bytes that are not UTF-8 become U+FFFD. Visible of
// visible text is that text.
func Visible(text string) string {
	if at := firstHidden(text); at >= 0 {
		return string(appendVisible(make([]byte, 0, len(text)+32), text, at))
	}
	return text
}

// AppendVisible appends Visible(text) to dst.
func AppendVisible(dst, text []byte) []byte {
	at := firstHidden(text)
	if at < 0 {
		return append(dst, text...)
	}
	return appendVisible(dst, string(text), at)
}

func appendVisible(dst []byte, text string, from int) []byte {
	dst = append(dst, text[:from]...)
	last, _ := utf8.DecodeLastRuneInString(text[:from])
	for i, n := from, 0; i < len(text); i += n {
		var c rune
		c, n = utf8.DecodeRuneInString(text[i:])
		next, _ := utf8.DecodeRuneInString(text[i+n:])
		switch {
		case c == '\r' && next == '\n':
		case shown(last, c, next):
			dst = utf8.AppendRune(dst, c) // U+FFFD for what is not UTF-8
		default:
			dst = fmt.Appendf(dst, "⟨U+%04X⟩", c)
		}
		last = c
	}
	return dst
}

// Line returns text as one visible line: line breaks and tabs become spaces, those at its end go.
func Line(text string) string {
	text = strings.TrimRight(text, "\r\n")
	if strings.ContainsAny(text, "\r\n\t") {
		text = lines.Replace(text)
	}
	return Visible(text)
}

var lines = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ")

// Clip returns text of at most n characters. Of longer text it is the beginning, ending in "…".
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	count, cut := 0, 0
	for i := range text {
		if count == n-1 {
			cut = i
		}
		if count++; count > n {
			return text[:cut] + "…"
		}
	}
	return text
}

// ClipLine is Clip of Line. It looks at no more of a long text than it can show.
func ClipLine(text string, n int) string {
	if most := (n + 1) * utf8.UTFMax; len(text) > most {
		text = text[:most] // too many characters still, and the last of them is cut off
	}
	return Clip(Line(text), n)
}

// Cell returns text as one visible line for a cell of a table that a spreadsheet may open. A text
// that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay.
func Cell(text string) string {
	text = Line(text)
	if strings.IndexAny(strings.TrimLeft(text, " "), "=+-@＝＋－＠") != 0 {
		return text
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return text
	}
	return "'" + text
}

// AppendJSON appends a JSON document with hidden and commanding characters written as escapes
// (\u202e). They can only be inside strings, so its meaning stays.
func AppendJSON(dst, document []byte) []byte {
	last := rune(0)
	for i, n := 0, 0; i < len(document); i += n {
		if c := document[i]; c >= ' ' && c < 0x7f {
			dst, last, n = append(dst, c), rune(c), 1
			continue
		}
		var c rune
		c, n = utf8.DecodeRune(document[i:])
		next, _ := utf8.DecodeRune(document[i+n:])
		switch {
		case c < ' ' || shown(last, c, next): // JSON's own line breaks
			dst = append(dst, document[i:i+n]...)
		case c > 0xffff:
			high, low := (c-0x10000)>>10+0xd800, (c-0x10000)&0x3ff+0xdc00
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		}
		last = c
	}
	return dst
}

// JSON returns AppendJSON of a document. It is the document itself if nothing hides in it.
func JSON(document []byte) []byte {
	if firstHidden(document) < 0 {
		return document
	}
	return AppendJSON(make([]byte, 0, len(document)+32), document)
}

// firstHidden returns where the first character is that Visible may replace, or -1.
func firstHidden[T string | []byte](text T) int {
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		if c < ' ' || c == 0x7f {
			return i
		}
		r, n := decodeRune(text, i)
		if hides(r) || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func decodeRune[T string | []byte](text T, at int) (rune, int) {
	return utf8.DecodeRuneInString(string(text[at:min(at+utf8.UTFMax, len(text))]))
}

const (
	joiner  = '\u200d' // makes one picture of two: a woman and a fire engine are a firefighter
	picture = '\ufe0f' // asks for the coloured form of a symbol
)

// shown reports whether a character between two others may stay as it is.
func shown(last, c, next rune) bool {
	switch c {
	case '\n', '\t':
		return true
	case joiner:
		return (symbol(last) || last == picture) && symbol(next)
	case picture:
		return symbol(last)
	}
	return c >= ' ' && c != 0x7f && !hides(c)
}

func symbol(c rune) bool {
	return c > 0x7f && c != utf8.RuneError && unicode.In(c, unicode.So, unicode.Sk, unicode.Sm)
}

// hides reports whether a character beyond ASCII takes no room or changes how others are shown: C1
// controls, formats such as bidirectional marks and zero-width characters, separators of lines,
// fillers, variation selectors, private use and what is not a character.
func hides(c rune) bool {
	switch {
	case c < 0x80:
		return false
	case c < 0xa0, c == 0x2800, c&0xfffe == 0xfffe, c >= 0xfdd0 && c <= 0xfdef:
		return true
	case c < 0xad:
		return false
	}
	return unicode.In(c, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Variation_Selector,
		unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, c)
}
