package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A record may expand to maxUnpacked bytes and maxRatio times its size, whichever is less; but
// small ones always to minUnpacked.
const (
	maxUnpacked = 16 << 20
	maxRatio    = 100
	minUnpacked = 64 << 10
)

var (
	magicGzip   = []byte{0x1f, 0x8b}
	magicZstd   = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicLZ4    = []byte{0x04, 0x22, 0x4d, 0x18}
	magicSnappy = []byte("\xff\x06\x00\x00sNaPpY")
	magicXerial = []byte("\x82SNAPPY\x00") // the framing of the Java library
)

// unpacker holds decompressors from one record to the next.
type unpacker struct {
	gzip *gzip.Reader
	zstd *zstd.Decoder
	lz4  *lz4.Reader
	s2   *s2.Reader
}

var errBomb = errors.New("expands beyond the limit")

// unpack decompresses a value that is compressed within the record. The result is valid until the
// next value at this depth.
func (d *Decoder) unpack(
	b []byte,
	depth int,
) (out []byte, packed bool, reason Reason, detail string) {
	if len(b) < 4 || b[0]-' ' < 0x5f && b[0] != magicZstd[0] ||
		!bytes.HasPrefix(b, magicGzip) && !bytes.HasPrefix(b, magicZstd) &&
			!bytes.HasPrefix(b, magicLZ4) && !bytes.HasPrefix(b, magicSnappy) &&
			!bytes.HasPrefix(b, magicXerial) {
		return b, false, "", ""
	}
	if depth >= maxWrapped {
		return nil, true, Bomb, "compressed more often than a record may be"
	}
	limit := min(maxUnpacked, max(len(b)*maxRatio, minUnpacked))
	out, err := d.unpacker.expand(d.wrapped[depth][:0], b, limit)
	d.wrapped[depth] = out[:0:cap(out)]
	switch {
	case errors.Is(err, errBomb):
		return nil, true, Bomb, fmt.Sprintf("%d bytes expand to more than %d", len(b), limit)
	case err != nil:
		return nil, true, Corrupt, err.Error()
	}
	return out, true, "", ""
}

func (u *unpacker) expand(dst, b []byte, limit int) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(b, magicXerial); ok {
		return expandXerial(dst, rest, limit)
	}
	r, err := u.reader(b)
	if err != nil {
		return dst, err
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, min(max(len(dst), 4096), limit+1-len(dst)))...)[:len(
				dst)]
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), limit+1)])
		dst = dst[:len(dst)+n]
		if len(dst) > limit {
			return dst, errBomb
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			if errors.Is(err, zstd.ErrWindowSizeExceeded) ||
				errors.Is(err, zstd.ErrDecoderSizeExceeded) {
				err = errBomb
			}
			return dst, err
		}
	}
}

// reader returns the decompressor for the bytes, ready to be read.
func (u *unpacker) reader(b []byte) (io.Reader, error) {
	src := bytes.NewReader(b)
	switch {
	case bytes.HasPrefix(b, magicGzip):
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		return u.gzip, u.gzip.Reset(src)
	case bytes.HasPrefix(b, magicZstd):
		if u.zstd == nil {
			z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
				zstd.WithDecoderMaxWindow(maxUnpacked), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
			u.zstd = z
		}
		return u.zstd, u.zstd.Reset(src)
	case bytes.HasPrefix(b, magicLZ4):
		if u.lz4 == nil {
			u.lz4 = lz4.NewReader(nil)
		}
		u.lz4.Reset(src)
		return u.lz4, nil
	}
	if u.s2 == nil {
		u.s2 = s2.NewReader(nil)
	}
	u.s2.Reset(src)
	return u.s2, nil
}

// rawSnappy expands a block of snappy without a frame. Nothing marks it, so it must hold JSON to be
// taken for one.
func (d *Decoder) rawSnappy(b []byte, depth int) ([]byte, bool) {
	if len(b) < 8 || depth >= maxWrapped || isPlain(b[:8]) || b[0] == 0 {
		return nil, false
	}
	n, err := s2.DecodedLen(b)
	if err != nil || n < 2 || n > min(maxUnpacked, max(len(b)*maxRatio, minUnpacked)) ||
		n < len(b)/2 {
		return nil, false
	}
	out, err := s2.Decode(nil, b)
	if err != nil || !startsJSON(trim(out)) {
		return nil, false
	}
	return out, true
}

// expandXerial expands blocks of snappy, each behind its length.
func expandXerial(dst, b []byte, limit int) ([]byte, error) {
	if len(b) < 8 {
		return dst, io.ErrUnexpectedEOF
	}
	for b = b[8:]; len(b) > 0; { // two versions come first
		if len(b) < 4 {
			return dst, io.ErrUnexpectedEOF
		}
		size := binary.BigEndian.Uint32(b)
		if b = b[4:]; uint64(size) > uint64(len(b)) {
			return dst, io.ErrUnexpectedEOF
		}
		n, err := s2.DecodedLen(b[:size])
		if err != nil {
			return dst, err
		}
		if len(dst)+n > limit {
			return dst, errBomb
		}
		block, err := s2.Decode(nil, b[:size])
		if err != nil {
			return dst, err
		}
		dst, b = append(dst, block...), b[size:]
	}
	return dst, nil
}
