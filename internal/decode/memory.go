package decode

import (
	"bytes"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

const (
	keptScratch = 1 << 20 // larger memory is released after the record
	// a record of at most this size never grows memory beyond keptScratch
	smallValue = 8 << 10
)

// memory holds the texts that a decoder writes. It is kept from one record to the next.
type memory struct {
	arena   []byte // texts of the current log
	built   []byte // the current log, if it was rewritten
	wrapped [maxWrapped + 2][]byte
	inner   [maxLayers + 6][]byte
	shared  []byte // the envelope
	shared2 []byte
	raw     []byte

	translated []byte    // JSON of a value in a binary format
	scratch    []*[]byte // all that a record can grow
}

// init lists the memory that a record can grow, with more that is kept elsewhere.
func (m *memory) init(more ...*[]byte) {
	m.scratch = append(more, &m.arena, &m.built, &m.shared, &m.shared2, &m.raw, &m.translated)
	for i := range m.wrapped {
		m.scratch = append(m.scratch, &m.wrapped[i])
	}
	for i := range m.inner {
		m.scratch = append(m.scratch, &m.inner[i])
	}
}

// release releases what one large record has grown.
func (m *memory) release() {
	for _, b := range m.scratch {
		if cap(*b) > keptScratch {
			*b = nil
		}
	}
}

// keep appends a text to the arena of the current log.
func (m *memory) keep(f func([]byte) []byte) []byte {
	start := len(m.arena)
	m.arena = f(m.arena)
	return m.arena[start:len(m.arena):len(m.arena)]
}

// resolved returns the text of a string, in the arena if it has escapes or invalid bytes.
func (m *memory) resolved(t []byte, flags uint8) []byte {
	if flags&jsonscan.Escaped == 0 && (flags&jsonscan.Wide == 0 || utf8.Valid(t)) {
		return t
	}
	start := len(m.arena)
	m.arena = jsonscan.AppendText(m.arena, t, flags)
	return m.arena[start:len(m.arena):len(m.arena)]
}

// word reads a level word. An unknown one is kept in the arena.
func (m *memory) word(text []byte) level {
	v, arena := wordLevel(m.arena, text)
	m.arena = arena
	return v
}

// tidy cuts what is no part of a message: one newline at the end, and, where there can be any, the
// codes that colour a terminal.
func (m *memory) tidy(t []byte, codes bool) []byte {
	if n := len(t); n > 0 && t[n-1] == '\n' {
		t = t[:n-1]
		if n := len(t); n > 0 && t[n-1] == '\r' {
			t = t[:n-1]
		}
	}
	if !codes || bytes.IndexByte(t, 0x1b) < 0 {
		return t
	}
	return m.keep(func(b []byte) []byte { return appendPlain(b, t) })
}
