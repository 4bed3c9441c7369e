package rule

import (
	"fmt"
	"strings"
)

// Error is one mistake in a rule file.
type Error struct {
	Pos     Pos
	Problem string
	Hint    string // what to do about it; may be empty
}

// Error is "file:line:column: problem; hint".
func (e *Error) Error() string {
	text := e.Problem
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	if e.Pos.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", e.Pos.Line, e.Pos.Column, text)
		if e.Pos.File != "" {
			text = e.Pos.File + ":" + text
		}
	} else if e.Pos.File != "" {
		text = e.Pos.File + ": " + text
	}
	return text
}

// Errors is every mistake that was found, in the order of the files.
type Errors []*Error

// Error has one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// syntaxError is a mistake at a byte of a query or a condition.
type syntaxError struct {
	at            int
	problem, hint string
}

func (e *syntaxError) Error() string {
	return (&Error{Pos: Pos{Line: 1, Column: e.at + 1}, Problem: e.problem, Hint: e.hint}).Error()
}
