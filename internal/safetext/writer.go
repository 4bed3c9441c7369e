package safetext

import (
	"io"
	"unicode/utf8"
)

// NewWriter returns a writer that passes on Visible text. Of a character that is written in parts
// it waits for the rest.
func NewWriter(w io.Writer) io.Writer { return &writer{w: w, convert: AppendVisible} }

// NewJSONWriter returns a writer that passes on JSON documents as AppendJSON writes them.
func NewJSONWriter(w io.Writer) io.Writer { return &writer{w: w, convert: AppendJSON} }

type writer struct {
	w       io.Writer
	convert func(dst, text []byte) []byte
	rest    []byte // the beginning of a character
	buffer  []byte
}

// Write writes p, but for the beginning of a character at its end.
func (w *writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if at := len(text) - back; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				whole = at
			}
			break
		}
	}
	w.buffer = w.convert(w.buffer[:0], text[:whole])
	w.rest = append(w.rest[:0], text[whole:]...)
	if _, err := w.w.Write(w.buffer); err != nil {
		return 0, err
	}
	return len(p), nil
}
