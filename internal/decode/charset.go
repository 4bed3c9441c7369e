package decode

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// charset turns what is not in UTF-8 into it, and cuts a byte order mark off. Latin-1 stays: it is
// distinguished from UTF-8 only where a text is asked for, and its bytes are replaced there.
func (d *Decoder) charset(b []byte, depth int) []byte {
	if rest, ok := bytes.CutPrefix(b, []byte("\xef\xbb\xbf")); ok {
		return rest
	}
	order, rest := utf16Order(b)
	if order == nil {
		return b
	}
	text := d.wrapped[depth][:0]
	for len(rest) >= 2 {
		r := rune(order.Uint16(rest))
		rest = rest[2:]
		if utf16.IsSurrogate(r) && len(rest) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(rest))); pair != utf8.RuneError {
				r, rest = pair, rest[2:]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	d.wrapped[depth] = text
	return text
}

// utf16Order tells UTF-16 by its byte order mark, or by the zero bytes of its first four characters
// where it has none.
func utf16Order(b []byte) (binary.ByteOrder, []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	switch {
	case b[0] == 0xff && b[1] == 0xfe:
		return binary.LittleEndian, b[2:]
	case b[0] == 0xfe && b[1] == 0xff:
		return binary.BigEndian, b[2:]
	case len(b) < 8 || len(b)%2 != 0:
		return nil, nil
	}
	if zeros(b, 1) && !zeros(b, 0) {
		return binary.LittleEndian, b
	}
	if zeros(b, 0) && b[1] >= ' ' && b[3] >= ' ' && b[5] >= ' ' && b[7] >= ' ' {
		return binary.BigEndian, b
	}
	return nil, nil
}

// zeros says whether every second byte is zero, in the first eight.
func zeros(b []byte, from int) bool { return b[from]|b[from+2]|b[from+4]|b[from+6] == 0 }
