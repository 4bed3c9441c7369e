package store

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Snapshots and logs have the same format: a header, then frames. All numbers are little endian.
//
//	header  magic (16) | version (4) | kind (4) | number (8) | salt (4) | checksum of these (4)
//	frame   checksum of all after (4) | length of the payload (4) | number of the commit, its
//	        highest bit set in the last frame of the commit (8) | payload
//
// A payload is a run of records, all of them state (puts and deletes) or none. The frame checksum
// starts from the file's random salt: the author of a log cannot forge a frame within a value.
const (
	magic       = "alert-engine ckp"
	version     = 1
	headerSize  = 16 + 4 + 4 + 8 + 4 + 4
	frameHeader = 4 + 4 + 8
	frameSize   = 256 << 10 // frames are cut when they exceed this; a single record may be larger
	finalFrame  = 1 << 63
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind distinguishes snapshots from logs.
type kind uint32

const (
	snapshotKind kind = 'S'
	logKind      kind = 'L'
)

func (k kind) name(number uint64) string {
	if k == snapshotKind {
		return fmt.Sprintf("snapshot-%016d", number)
	}
	return fmt.Sprintf("log-%016d", number)
}

// corruption is the error of a file that does not read back as it was written.
type corruption struct {
	file   string
	offset int64
	what   string
}

func (d *corruption) Error() string {
	return fmt.Sprintf(
		"%s is damaged at byte %d: %s; move the directory away to start without it: the engine "+
			"then reads the logs of the longest window again, and may repeat alerts of that time",
		d.file,
		d.offset,
		d.what,
	)
}

// writer writes the frames of one commit.
type writer struct {
	out    *bufio.Writer
	salt   uint32
	commit uint64
	buf    []byte // records of the frame that is being filled
	n      int64  // bytes written
}

func newWriter(out io.Writer, salt uint32, commit uint64) *writer {
	return &writer{out: bufio.NewWriterSize(out, 64<<10), salt: salt, commit: commit}
}

// header writes the header of a new file, and makes its salt.
func (w *writer) header(kind kind, number uint64) error {
	var salt [4]byte
	rand.Read(salt[:])
	w.salt = binary.LittleEndian.Uint32(salt[:])
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(kind))
	b = binary.LittleEndian.AppendUint64(b, number)
	b = append(b, salt[:]...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return w.write(b)
}

// put adds a record, and writes a frame when one is full.
func (w *writer) put(op op, key, value []byte) error {
	w.buf = appendRecord(w.buf, op, key, value)
	if len(w.buf) < frameSize {
		return nil
	}
	return w.flushFrame(false)
}

// flushFrame writes the records that were put. The final frame of a commit is written even if it is
// empty.
func (w *writer) flushFrame(final bool) error {
	if len(w.buf) == 0 && !final {
		return nil
	}
	err := w.frame(w.buf, final)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) frame(payload []byte, final bool) error {
	commit := w.commit
	if final {
		commit |= finalFrame
	}
	var h [frameHeader]byte
	binary.LittleEndian.PutUint32(h[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(h[8:], commit)
	binary.LittleEndian.PutUint32(h[:], checksum(w.salt, h[4:], payload))
	if err := w.write(h[:]); err != nil {
		return err
	}
	return w.write(payload)
}

func (w *writer) write(b []byte) error {
	n, err := w.out.Write(b)
	w.n += int64(n)
	return err
}

func checksum(salt uint32, header, payload []byte) uint32 {
	return crc32.Update(crc32.Update(salt, castagnoli, header), castagnoli, payload)
}

// frames are records in memory, cut as they are written. A commit of many megabytes in one slice
// would be copied again and again as the slice grows, and leave as much garbage.
type frames struct {
	list [][]byte
	size int
}

// frameBuffers are buffers of frames to be used again: a few megabytes, however large the last
// commit was. A pool of the garbage collector would keep those of a flood for minutes.
var frameBuffers = make(chan []byte, 16)

func frameBuffer() []byte {
	select {
	case b := <-frameBuffers:
		return b
	default:
		return make([]byte, 0, frameSize+frameSize/8)
	}
}

func (f *frames) append(op op, key, value []byte) {
	last := len(f.list) - 1
	switch {
	case last < 0:
		f.list, last = append(f.list, nil), 0 // most commits are small
	case len(f.list[last]) >= frameSize:
		f.list, last = append(f.list, frameBuffer()), last+1
	}
	before := len(f.list[last])
	f.list[last] = appendRecord(f.list[last], op, key, value)
	f.size += len(f.list[last]) - before
}

// reset empties the frames, and keeps the memory of the first one.
func (f *frames) reset() {
	for i, one := range f.list {
		switch {
		case cap(one) > 2*frameSize: // of a single large value
			f.list[i] = nil
		case i > 0:
			select {
			case frameBuffers <- one[:0]:
			default:
			}
			f.list[i] = nil
		default:
			f.list[i] = one[:0]
		}
	}
	f.list, f.size = f.list[:min(len(f.list), 1)], 0
}

// frames writes what is in memory.
func (w *writer) frames(f *frames) error {
	for _, one := range f.list {
		if err := w.frame(one, false); err != nil {
			return err
		}
	}
	return nil
}

// reader reads the frames of one file.
type reader struct {
	name   string
	in     *bufio.Reader
	size   int64 // of the file
	offset int64 // of the next frame
	salt   uint32
	buf    []byte
}

// errTorn says that the file ends, or stops making sense, where a frame should be.
var errTorn = errors.New("file is cut short")

// newReader reads the header. It returns errTorn for a file that holds at most a header, and not a
// whole one: a header is on disk before anything is written behind it, so that is what a crash
// leaves, while a bad header in a longer file is damage.
func newReader(name string, in io.Reader, size int64, kind kind, number uint64) (*reader, error) {
	r := &reader{name: name, in: bufio.NewReaderSize(in, 64<<10), size: size}
	var h [headerSize]byte
	if _, err := io.ReadFull(r.in, h[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errTorn
	} else if err != nil {
		return nil, err
	}
	r.offset = headerSize
	if string(h[:16]) != magic {
		return nil, r.badHeader("it does not begin as a checkpoint does")
	}
	if v := binary.LittleEndian.Uint32(h[16:]); v > version {
		return nil, fmt.Errorf(
			"%s has format %d, and this program reads formats up to %d: it was written by a "+
				"newer version; run that version, or move the directory away to start without it",
			name,
			v,
			version,
		)
	}
	if binary.LittleEndian.Uint32(h[36:]) != crc32.Checksum(h[:36], castagnoli) {
		return nil, r.badHeader("the checksum of its header is wrong")
	}
	if binary.LittleEndian.Uint32(h[20:]) != uint32(kind) ||
		binary.LittleEndian.Uint64(h[24:]) != number {
		return nil, &corruption{name, 0, "it is another file than its name says"}
	}
	r.salt = binary.LittleEndian.Uint32(h[32:])
	return r, nil
}

func (r *reader) badHeader(what string) error {
	if r.size <= headerSize {
		return errTorn
	}
	return &corruption{r.name, 0, what}
}

// next returns the next frame. The payload is valid until the following call. It returns io.EOF at
// the end of the file, and errTorn where no whole frame is.
func (r *reader) next() (commit uint64, final bool, payload []byte, err error) {
	if r.offset == r.size {
		return 0, false, nil, io.EOF
	}
	var h [frameHeader]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return 0, false, nil, torn(err)
	}
	length := int64(binary.LittleEndian.Uint32(h[4:]))
	if length > r.size-r.offset-frameHeader {
		return 0, false, nil, errTorn
	}
	if int64(cap(r.buf)) < length {
		r.buf = make([]byte, length+length/8)
	}
	payload = r.buf[:length]
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return 0, false, nil, torn(err)
	}
	if binary.LittleEndian.Uint32(h[:]) != checksum(r.salt, h[4:], payload) {
		return 0, false, nil, errTorn
	}
	r.offset += frameHeader + length
	commit = binary.LittleEndian.Uint64(h[8:])
	return commit &^ finalFrame, commit&finalFrame != 0, payload, nil
}

func torn(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTorn
	}
	return err
}

// laterCommit reports whether b holds a whole frame of a commit beyond the given one. Every commit
// is on disk before the next begins: where the frames of a commit do not read back although a later
// commit is there, it was not a crash that did it.
func laterCommit(b []byte, salt uint32, commit uint64) bool {
	for ; len(b) >= frameHeader; b = b[1:] {
		length := int64(binary.LittleEndian.Uint32(b[4:]))
		number := binary.LittleEndian.Uint64(b[8:]) &^ finalFrame
		if number <= commit || number > commit+1<<32 || length > int64(len(b)-frameHeader) {
			continue
		}
		if binary.LittleEndian.Uint32(b) == checksum(salt, b[4:frameHeader],
			b[frameHeader:frameHeader+length]) {
			return true
		}
	}
	return false
}
