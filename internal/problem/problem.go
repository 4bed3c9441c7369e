// Package problem describes mistakes in what a user wrote: the place, the problem, and a hint at
// what would be right. All mistakes of a file are reported at once, as a List.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Pos is a place in a file, counted from 1. What is zero is unknown.
type Pos struct {
	File         string
	Line, Column int
}

// String is "file:line:column", as much of it as is known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	case p.File == "":
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Compare orders places of one file.
func (p Pos) Compare(other Pos) int {
	return cmp.Or(strings.Compare(p.File, other.File), cmp.Compare(p.Line, other.Line),
		cmp.Compare(p.Column, other.Column))
}

// Error is one mistake.
type Error struct {
	Pos     Pos
	Problem string
	Hint    string // the next step; may be empty
}

// New is a mistake whose problem is formatted.
func New(pos Pos, hint, format string, args ...any) *Error {
	return &Error{Pos: pos, Problem: fmt.Sprintf(format, args...), Hint: hint}
}

// Error is "file:line:column: problem; hint".
func (e *Error) Error() string {
	if place := e.Pos.String(); place != "" {
		return place + ": " + e.Text()
	}
	return e.Text()
}

// Text is "problem; hint", without the place.
func (e *Error) Text() string {
	if e.Hint == "" {
		return e.Problem
	}
	return e.Problem + "; " + e.Hint
}

// List is all mistakes of one or several files.
type List []*Error

// Error has one line for each mistake.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is the list as an error, nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// ListOf is the mistakes in an error about a file: those of a List, of joined errors, and of an
// Error with text before it. What has no place of its own gets the name of the file.
func ListOf(file string, err error) (list List) {
	switch e := err.(type) {
	case nil:
		return nil
	case List:
		return e
	case *Error:
		return List{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			list = append(list, ListOf(file, one)...)
		}
		return list
	}
	inner, ok := errors.AsType[*Error](err)
	if !ok {
		return List{{Pos: Pos{File: file}, Problem: err.Error()}}
	}
	e := *inner
	e.Problem = strings.TrimSuffix(err.Error(), inner.Error()) + inner.Problem
	return List{&e}
}

// In is an error with the name of the file that it is about, which its maker did not know.
func In(file string, err error) error {
	list := ListOf(file, err)
	for i, e := range list {
		named := *e
		named.Pos.File = file
		list[i] = &named
	}
	return list.Err()
}

// Sort orders the mistakes by their places; files are in the given order.
func (l List) Sort(files ...string) {
	slices.SortStableFunc(l, func(a, b *Error) int {
		if a.Pos.File != b.Pos.File {
			return cmp.Compare(slices.Index(files, a.Pos.File), slices.Index(files, b.Pos.File))
		}
		return a.Pos.Compare(b.Pos)
	})
}

// longestWord is the length of the longest word, in bytes, that is held against others.
const longestWord = 200

// Closest returns the candidate that a typing mistake most likely meant, or "" when none is close.
// Case does not count.
func Closest(word string, candidates []string) string {
	if len(word) > longestWord {
		return ""
	}
	best, least := "", 2+len(word)/4
	for _, c := range candidates {
		if len(c) > 2*longestWord { // the work grows with both lengths
			continue
		}
		d := Distance(strings.ToLower(word), strings.ToLower(c))
		if d < least && d < len(word) {
			best, least = c, d
		}
	}
	return best
}

// DidYouMean is a hint that names the closest candidate, or all of them when none is close.
func DidYouMean(word string, candidates []string) string {
	if near := Closest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(candidates) == 0 {
		return ""
	}
	const most = 60
	if n := len(candidates) - most; n > 0 {
		return fmt.Sprintf("known are %s and %d more", strings.Join(candidates[:most], ", "), n)
	}
	return "known are " + strings.Join(candidates, ", ")
}

// Distance is the number of letters to insert, delete, change or swap with their neighbor that
// turns a into b.
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// Reason is the text of an error of the file system without the path that it is about.
func Reason(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}
