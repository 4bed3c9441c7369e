package window

import (
	"encoding/binary"
	"errors"
	"math"
)

// version is the first byte of an encoded group. Whoever changes the encoding changes it.
const version = 1

var errCorrupt = errors.New("state of a window cannot be read")

// Append appends the group to dst, for Decode with the same plan.
func (g *Group) Append(dst []byte) []byte {
	dst = append(dst, version, g.flags())
	dst = binary.AppendVarint(binary.AppendVarint(dst, g.known), g.swept)
	return appendTimes(dst, g.times)
}

const (
	flagUp = 1 << iota
	flagLate
	flagThinned
	flagsEnd
)

func (g *Group) flags() byte {
	var flags byte
	for i, set := range []bool{g.up, g.late, g.thinned} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// Decode reads a group that Append wrote.
func (p *Plan) Decode(data []byte) (*Group, error) {
	r := &reading{data: data}
	if r.byte() != version {
		return nil, errCorrupt
	}
	flags := r.byte()
	g := &Group{known: r.varint(), swept: r.varint(), touched: math.MaxInt32}
	g.up, g.late, g.thinned = flags&flagUp != 0, flags&flagLate != 0, flags&flagThinned != 0
	g.times = r.times()
	if r.failed || len(r.data) > 0 || flags >= flagsEnd || g.swept < unswept || g.up && !p.count.holds(g.times, p.window, g.swept) {
		return nil, errCorrupt
	}
	return g, nil
}

// appendTimes appends times in order, each as what it is after the one before.
func appendTimes(dst []byte, times []int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(times)))
	before := int64(0)
	for _, t := range times {
		dst = binary.AppendVarint(dst, t-before)
		before = t
	}
	return dst
}

// reading takes values off the front of data. Once it failed, everything is zero.
type reading struct {
	data   []byte
	failed bool
}

func (r *reading) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.failed, r.data = true, nil
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reading) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reading) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		n = -1
	}
	r.take(n)
	return v
}

// length reads how many things follow, of which each takes a byte or more.
func (r *reading) length() int {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || v > uint64(len(r.data)) {
		n, v = -1, 0
	}
	r.take(n)
	return int(v)
}

func (r *reading) times() []int64 {
	n := r.length()
	if n == 0 {
		return nil
	}
	times, at := make([]int64, 0, n), int64(0)
	for range n {
		step := r.varint()
		if at += step; len(times) > 0 && step < 0 || at < unswept || at > Never/2 {
			r.failed = true
		}
		times = append(times, at)
	}
	return times
}
