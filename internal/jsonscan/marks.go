package jsonscan

// marks has a bit for each byte of a window of a document, and it is set where the byte is a quote
// or a backslash. With it the end of a string is found in a few instructions, mostly the same ones
// whatever the length of the string, which a processor predicts well.
type marks struct {
	// The bits of 64 bytes each, lowest first. A bit may be set for another byte, too, so callers
	// look at the byte. The word after the last one of the window is 0.
	bits [maxBlocks + 1]uint64
	from int // index of the window's first byte
	size int // bytes in the window

	// Whether a byte beyond ASCII, or below a blank, was in any window of the document. Hints:
	// windows have bytes outside of strings, too, and after the document.
	wide, control bool
}

// maxBlocks is the size of the largest window, in blocks of 64 bytes.
const maxBlocks = 16

// reset forgets the window and the hints, before another document.
func (m *marks) reset() { m.size, m.wide, m.control = 0, false, false }

// read reads the window that begins at b[i].
func (m *marks) read(b []byte, i int) {
	b = b[i:min(len(b), i+64*maxBlocks)]
	m.from, m.size = i, len(b)
	var short [64]byte
	if len(b) < len(short) {
		for n := copy(short[:], b); n < len(short); n++ {
			short[n] = ' '
		}
		b = short[:]
	}
	wide, control := markBlocks(&m.bits, b)
	m.bits[(len(b)+63)>>6] = 0
	m.wide, m.control = m.wide || wide, m.control || control
}

// markWords is markBlocks without vector instructions. It marks a byte after a quote or backslash
// that differs from it in the lowest bit only, too.
func markWords(marked *[maxBlocks + 1]uint64, b []byte) (wide, control bool) {
	var seen, low uint64
	eight := func(at int) uint64 {
		w := word(b[at : at+8 : at+8])
		seen |= w
		low |= (w - Blanks) &^ w
		return endBytes(w) >> 7 * 0x0102040810204080 >> 56
	}
	at := 0
	for ; at <= len(b)-8; at += 8 {
		if at&63 == 0 {
			marked[at>>6] = 0
		}
		marked[at>>6] |= eight(at) << (at & 63)
	}
	if rest := len(b) - at; rest > 0 {
		if at&63 == 0 {
			marked[at>>6] = 0
		}
		marked[at>>6] |= eight(len(b)-8) >> (8 - rest) << (at & 63)
	}
	return seen&Tops != 0, low&Tops != 0
}

// IsASCII reports whether a text has no byte beyond ASCII.
func IsASCII(b []byte) bool {
	var seen uint64
	if len(b) < 8 {
		for _, c := range b {
			seen |= uint64(c)
		}
		return seen < 0x80
	}
	for i := 0; i <= len(b)-8; i += 8 {
		seen |= word(b[i : i+8 : i+8])
	}
	seen |= word(b[len(b)-8:])
	return seen&Tops == 0
}
