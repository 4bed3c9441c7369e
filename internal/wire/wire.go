// Package wire reads what was appended to a value by encoding/binary: numbers, and blocks with
// their length before them. The stored state, windows, the frames that members exchange and values
// in Avro and Protobuf are read by it.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrDamaged is the error of bytes that cannot be what was written.
var ErrDamaged = errors.New("the stored value is damaged")

// Reader takes values off the front of B. After the first error each value is zero. It is used by
// one goroutine.
type Reader struct {
	B   []byte
	Err error // nil, ErrDamaged, or what the caller found wrong
}

// Fail notes that the bytes are damaged, and reads no more of them.
func (r *Reader) Fail() { r.B, r.Err = nil, ErrDamaged }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.B) == 0 {
		r.Fail()
		return 0
	}
	c := r.B[0]
	r.B = r.B[1:]
	return c
}

// BE64 reads eight bytes, the highest first.
func (r *Reader) BE64() uint64 {
	if len(r.B) < 8 {
		r.Fail()
		return 0
	}
	v := binary.BigEndian.Uint64(r.B)
	r.B = r.B[8:]
	return v
}

// Varint reads what binary.AppendVarint appended.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.B)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Uvarint reads what binary.AppendUvarint appended.
func (r *Reader) Uvarint() uint64 { return r.UpTo(math.MaxUint64) }

// UpTo reads what binary.AppendUvarint appended; more than most is damage.
func (r *Reader) UpTo(most uint64) uint64 {
	v, n := binary.Uvarint(r.B)
	if n <= 0 || v > most {
		r.Fail()
		return 0
	}
	r.B = r.B[n:]
	return v
}

// Count reads how many things follow, of which each takes at least a byte.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.B)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Take reads n bytes, nil if there are fewer. They are a part of B.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.B) {
		r.Fail()
		return nil
	}
	b := r.B[:n]
	r.B = r.B[n:]
	return b
}

// Block reads a length and so many bytes. They are a part of B.
func (r *Reader) Block() []byte { return r.Take(r.Count()) }
