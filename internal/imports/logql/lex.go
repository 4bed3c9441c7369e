package logql

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is a mistake in a query, and its place, from 1.
type Error struct {
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d of the query: %s", e.Line, e.Column, e.Text)
}

type kind uint8

const (
	end kind = iota
	word
	text
	number // also durations and sizes
	sign
)

type token struct {
	kind kind
	text string // of a text what it says
	at   int
}

// signs are the longest first.
var signs = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", "<=", ">=", "{", "}", "(", ")", "[", "]", ",",
	"|", "=", "<", ">", "+", "-", "*", "/", "%", "^", "@",
}

func isLetter(c byte) bool { return c == '_' || c == ':' || c|0x20-'a' < 26 && c < 0x80 }
func isDigit(c byte) bool  { return c-'0' <= 9 }

// lex splits a query into its tokens.
func lex(query string) (tokens []token, err error) {
	fail := func(at int, format string, args ...any) ([]token, error) {
		return nil, placed(query, at, fmt.Sprintf(format, args...))
	}
next:
	for i := 0; i < len(query); {
		c := query[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case c == '#':
			for i < len(query) && query[i] != '\n' {
				i++
			}
		case c == '"' || c == '\'':
			e := i + 1
			for e < len(query) && query[e] != c {
				if query[e] == '\\' {
					e++
				}
				e++
			}
			if e >= len(query) {
				return fail(i, "the text is never closed")
			}
			quoted := query[i : e+1]
			if c == '\'' {
				plain := strings.ReplaceAll(query[i+1:e], `\'`, `'`)
				quoted = `"` + strings.ReplaceAll(plain, `"`, `\"`) + `"`
			}
			value, err := strconv.Unquote(strings.ReplaceAll(quoted, "\n", `\n`))
			if err != nil {
				return fail(i, "the text has an escape that is not known")
			}
			tokens = append(tokens, token{text, value, i})
			i = e + 1
		case c == '`':
			e := strings.IndexByte(query[i+1:], '`')
			if e < 0 {
				return fail(i, "the text is never closed")
			}
			tokens = append(tokens, token{text, query[i+1 : i+1+e], i})
			i += e + 2
		case isDigit(c) || c == '.' && i+1 < len(query) && isDigit(query[i+1]):
			e := i
			for e < len(query) && (isDigit(query[e]) || query[e] == '.' || isLetter(query[e]) ||
				strings.HasPrefix(query[e:], "µ") || strings.HasPrefix(query[e:], "\xb5") ||
				(query[e] == '-' || query[e] == '+') && exponent(query[i:e])) {
				e++
			}
			tokens = append(tokens, token{number, query[i:e], i})
			i = e
		case isLetter(c):
			e := i
			for e < len(query) && (isLetter(query[e]) || isDigit(query[e])) {
				e++
			}
			tokens = append(tokens, token{word, query[i:e], i})
			i = e
		default:
			for _, s := range signs {
				if strings.HasPrefix(query[i:], s) {
					tokens = append(tokens, token{sign, s, i})
					i += len(s)
					continue next
				}
			}
			return fail(i, "unexpected %q", query[i:i+1])
		}
	}
	return append(tokens, token{end, "the end", len(query)}), nil
}

// exponent reports whether a number is written up to its exponent's sign.
func exponent(s string) bool {
	return len(s) > 1 && s[len(s)-1]|0x20 == 'e' && strings.Trim(s[:len(s)-1], "0123456789.") == ""
}

func placed(query string, at int, text string) *Error {
	before := query[:min(at, len(query))]
	return &Error{
		strings.Count(before, "\n") + 1, at - strings.LastIndexByte(before, '\n'), text,
	}
}
