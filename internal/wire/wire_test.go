package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// What was appended is read back; of what was cut anywhere nothing wrong is read, and no more.
func TestReadsWhatWasAppended(t *testing.T) {
	b := []byte{7}
	b = binary.BigEndian.AppendUint64(b, math.MaxUint64-1)
	b = binary.AppendVarint(b, -300)
	b = binary.AppendUvarint(b, math.MaxUint64)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	for cut := range len(b) + 1 {
		r := Reader{B: b[:cut]}
		one, eight, signed, whole := r.Byte(), r.BE64(), r.Varint(), r.Uvarint()
		block := string(r.Block())
		if cut == len(b) {
			if r.Err != nil || len(r.B) > 0 || one != 7 || eight != math.MaxUint64-1 ||
				signed != -300 || whole != math.MaxUint64 || block != "abc" {
				t.Errorf("got %d, %d, %d, %d, %q, %v", one, eight, signed, whole, block, r.Err)
			}
			continue
		}
		if !errors.Is(r.Err, ErrDamaged) || len(r.B) > 0 || block != "" {
			t.Errorf("cut at %d: %v, %q, %d bytes are left", cut, r.Err, block, len(r.B))
		}
	}
}

// Counts that promise more than there is are damage, so that nothing is allocated for them.
func TestCountsAreBounded(t *testing.T) {
	r := Reader{B: append(binary.AppendUvarint(nil, 5), "abcd"...)}
	if n := r.Count(); n != 0 || r.Err == nil {
		t.Errorf("got %d, %v", n, r.Err)
	}
	r = Reader{B: binary.AppendUvarint(nil, 8)}
	if n := r.UpTo(7); n != 0 || r.Err == nil {
		t.Errorf("got %d, %v", n, r.Err)
	}
}
