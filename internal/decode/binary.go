package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/tinylib/msgp/msgp"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// MessagePack and CBOR are translated into JSON and read like JSON. Both are detected only where no
// text could begin in this way and all bytes are one value, or several.

const (
	maxBinaryDepth = 64
	maxTranslated  = 16 << 20 // bytes of the JSON of a value
	// items of a value in CBOR: one of a byte takes a hundred bytes of memory
	maxBinaryItems = 1 << 18
	// bytes of a number that is written in digits; the time grows by more than its length
	maxBigNumber = 64
)

// mayBePacked says whether a value may be an event in MessagePack: an object, or a list of two or
// three as Fluentd forwards it.
func mayBePacked(b []byte) bool {
	c := b[0]
	return len(b) > 2 &&
		(c > 0x80 && c < 0x90 || c == 0x92 || c == 0x93 ||
			(c == 0xde || c == 0xdf || c == 0xdc) && b[1] == 0)
}

// mayBeCBOR says whether a value may be an object in CBOR, perhaps behind the tag that marks it.
func mayBeCBOR(b []byte) bool {
	c := b[0]
	return len(b) > 2 && (c > 0xa0 && c < 0xbc || c == 0xbf || bytes.HasPrefix(b, magicCBOR))
}

var magicCBOR = []byte("\xd9\xd9\xf7")

// packed emits the logs of a value in MessagePack: objects, or times and objects, one after the
// other. It says whether the value is one.
func (d *Decoder) packed(b []byte, depth int) bool {
	dst := d.translated[:0]
	for n := 0; len(b) > 0; n++ {
		if c := b[0]; !(c > 0x80 && c < 0xa0 || c >= 0xdc && c <= 0xdf) { // no object, and no list
			return false
		}
		if n > 0 {
			dst = append(dst, '\n')
		}
		var rest []byte
		if dst, rest = appendPacked(dst, b, 0); rest == nil {
			d.translated = dst
			return false
		}
		b = rest
	}
	d.translated = dst
	return d.events(dst, depth)
}

// events reads translated events: an object, several, or lists of a time and an object.
func (d *Decoder) events(b []byte, depth int) bool {
	one := bytes.IndexByte(b, '\n') < 0 // strings have none: it is escaped
	if one && b[0] == '{' {
		d.asJSON("msgpack", depth)
		return true
	}
	if !bytes.Contains(b, []byte("{")) {
		return false
	}
	for event := range bytes.SplitSeq(b, []byte("\n")) {
		switch {
		case event[0] == '{':
			d.root.Read(event)
			d.object(event, "msgpack")
		case d.forwarded(event) || d.array(event) > 0:
		default:
			d.refuse(InvalidMember, "one of several events is not one: "+clip(event))
		}
	}
	return true
}

// forwarded reads a tag and a list of events, as Fluentd forwards several.
func (d *Decoder) forwarded(b []byte) bool {
	var parts [2]jsonscan.Span
	n := 0
	jsonscan.Elements(b, func(s jsonscan.Span) bool {
		if n < 2 {
			parts[n] = s
		}
		n++
		return n < 2
	})
	if n < 2 || parts[0].Kind != String || parts[1].Kind != Array {
		return false
	}
	events := b[parts[1].Start:parts[1].End]
	emitted := d.index
	jsonscan.Elements(events, func(s jsonscan.Span) bool {
		if event := events[s.Start:s.End]; s.Kind != Array || d.pair(event) == 0 {
			d.refuse(InvalidMember, "one of several events is not one: "+clip(event))
		}
		return true
	})
	return d.index > emitted
}

// appendPacked appends a value in MessagePack as JSON, and returns the bytes behind it, nil if it
// is damaged, too deep or too large.
func appendPacked(dst, b []byte, depth int) (out, rest []byte) {
	if len(b) == 0 || depth > maxBinaryDepth || len(dst) > maxTranslated {
		return dst, nil
	}
	var err error
	var n uint32
	switch msgp.NextType(b) {
	case msgp.MapType:
		if n, b, err = msgp.ReadMapHeaderBytes(b); err != nil {
			return dst, nil
		}
		dst = append(dst, '{')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, b = appendPackedKey(dst, b); b == nil {
				return dst, nil
			}
			if dst, b = appendPacked(append(dst, ':'), b, depth+1); b == nil {
				return dst, nil
			}
		}
		return append(dst, '}'), b
	case msgp.ArrayType:
		if n, b, err = msgp.ReadArrayHeaderBytes(b); err != nil {
			return dst, nil
		}
		dst = append(dst, '[')
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, b = appendPacked(dst, b, depth+1); b == nil {
				return dst, nil
			}
		}
		return append(dst, ']'), b
	case msgp.StrType, msgp.BinType:
		t, rest := packedText(b)
		if rest == nil {
			return dst, nil
		}
		return jsonscan.AppendQuoted(dst, t), rest
	case msgp.IntType, msgp.UintType:
		if i, rest, err := msgp.ReadInt64Bytes(b); err == nil {
			return strconv.AppendInt(dst, i, 10), present(rest)
		}
		u, rest, err := msgp.ReadUint64Bytes(b)
		if err != nil {
			return dst, nil
		}
		return strconv.AppendUint(dst, u, 10), present(rest)
	case msgp.Float32Type:
		f, rest, err := msgp.ReadFloat32Bytes(b)
		if err != nil {
			return dst, nil
		}
		return strconvFloat32(dst, f), present(rest)
	case msgp.Float64Type:
		f, rest, err := msgp.ReadFloat64Bytes(b)
		if err != nil {
			return dst, nil
		}
		return appendFloat(dst, f), present(rest)
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(b)
		if err != nil {
			return dst, nil
		}
		return strconv.AppendBool(dst, v), present(rest)
	case msgp.NilType:
		return append(dst, "null"...), present(b[1:])
	}
	return appendExtension(dst, b)
}

// present returns bytes that are not nil, which would mean damage.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// packedText reads a text, or bytes, which the old form of MessagePack does not tell apart.
func packedText(b []byte) (t, rest []byte) {
	var err error
	if msgp.NextType(b) == msgp.StrType {
		t, rest, err = msgp.ReadStringZC(b)
	} else {
		t, rest, err = msgp.ReadBytesZC(b)
	}
	if err != nil {
		return nil, nil
	}
	return t, present(rest)
}

// appendPackedKey appends the key of a member; numbers become texts.
func appendPackedKey(dst, b []byte) (out, rest []byte) {
	if len(b) == 0 {
		return dst, nil
	}
	switch msgp.NextType(b) {
	case msgp.StrType, msgp.BinType:
		return appendPacked(dst, b, 0)
	case msgp.IntType, msgp.UintType, msgp.BoolType:
		dst, rest = appendPacked(append(dst, '"'), b, 0)
		return append(dst, '"'), rest
	}
	return dst, nil
}

func strconvFloat32(dst []byte, f float32) []byte {
	if f != f || f-f != 0 { // NaN, or infinite
		return appendFloat(dst, float64(f))
	}
	return strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
}

// appendExtension appends a value of an extension: a time, as Fluentd (type 0) or MessagePack
// itself (type -1) has them, in seconds; any other one as base64.
func appendExtension(dst, b []byte) (out, rest []byte) {
	rest, err := msgp.Skip(b)
	if err != nil || b[0] < 0xc7 || b[0] > 0xd8 || b[0] > 0xc9 && b[0] < 0xd4 {
		return dst, nil
	}
	rest = present(rest)
	b = b[:len(b)-len(rest)]
	head := 1 // bytes before the type
	if b[0] <= 0xc9 {
		head += 1 << (b[0] - 0xc7)
	}
	kind, data := int8(b[head]), b[head+1:]
	switch {
	case kind == 0 && len(data) == 8: // Fluentd's EventTime
		s, n := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		return appendSeconds(dst, int64(s), int64(n)), rest
	case kind == -1 && len(data) == 4:
		return appendSeconds(dst, int64(binary.BigEndian.Uint32(data)), 0), rest
	case kind == -1 && len(data) == 8:
		v := binary.BigEndian.Uint64(data)
		return appendSeconds(dst, int64(v&(1<<34-1)), int64(v>>34)), rest
	case kind == -1 && len(data) == 12:
		s, n := binary.BigEndian.Uint64(data[4:]), binary.BigEndian.Uint32(data)
		return appendSeconds(dst, int64(s), int64(n)), rest
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), data), '"'), rest
}

// appendSeconds appends a time in seconds, with all its digits.
func appendSeconds(dst []byte, s, n int64) []byte {
	dst = strconv.AppendInt(dst, s, 10)
	if n <= 0 || n > 999_999_999 {
		return dst
	}
	at := len(dst)
	dst = strconv.AppendInt(dst, 1_000_000_000+n, 10)
	dst[at] = '.'
	return dst
}

// decCBOR reads CBOR within bounds; a key that occurs twice is damage.
var decCBOR = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxNestedLevels: maxBinaryDepth, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16,
		DupMapKey: cbor.DupMapKeyEnforcedAPF,
		TimeTag:   cbor.DecTagIgnored, UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// cbor emits the log of an object in CBOR, and says whether the value is one.
func (d *Decoder) cbor(b []byte, depth int) bool {
	var v any
	if decCBOR.Wellformed(b) != nil {
		return false
	}
	if itemsCBOR(b) > maxBinaryItems {
		d.refuse(Bomb, fmt.Sprintf("a value in CBOR of more than %d items", maxBinaryItems))
		return true
	}
	if decCBOR.Unmarshal(b, &v) != nil {
		return false
	}
	if tag, ok := v.(cbor.Tag); ok {
		v = tag.Content
	}
	if _, ok := v.(map[any]any); !ok {
		return false
	}
	d.translated = appendCBOR(d.translated[:0], v)
	d.asJSON("cbor", depth)
	return true
}

// itemsCBOR counts the items of well-formed CBOR, those within others included.
func itemsCBOR(b []byte) (n int) {
	for len(b) > 0 {
		major, info := b[0]>>5, b[0]&31
		size := 0 // of the argument behind the first byte
		if info >= 24 && info < 28 {
			size = 1 << (info - 24)
		}
		skip := 1 + size
		if (major == 2 || major == 3) && info < 28 { // bytes and texts
			length := uint64(info)
			if size > 0 {
				length = 0
				for _, c := range b[1:skip] {
					length = length<<8 | uint64(c)
				}
			}
			skip += int(length)
		}
		n, b = n+1, b[skip:]
	}
	return n
}

// appendCBOR appends a value as JSON. Members stand in the order of their keys, so that equal
// values have equal texts.
func appendCBOR(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return jsonscan.AppendQuoted(dst, []byte(v))
	case []byte:
		return jsonscan.AppendQuoted(dst, v)
	case cbor.ByteString:
		return jsonscan.AppendQuoted(dst, []byte(v))
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return appendFloat(dst, v)
	case big.Int:
		if v.BitLen() > 8*maxBigNumber {
			return append(v.Append(append(dst, `"0x`...), 16), '"')
		}
		return v.Append(dst, 10)
	case time.Time:
		return append(v.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	case cbor.Tag:
		return appendCBOR(dst, v.Content)
	case []any:
		dst = append(dst, '[')
		for i, member := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCBOR(dst, member)
		}
		return append(dst, ']')
	case map[any]any:
		members := make(map[string]any, len(v))
		keys := make([]string, 0, len(v))
		for k, member := range v {
			name := fmt.Sprint(k)
			members[name], keys = member, append(keys, name)
		}
		slices.Sort(keys)
		dst = append(dst, '{')
		for i, name := range slices.Compact(keys) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendQuoted(dst, []byte(name)), ':')
			dst = appendCBOR(dst, members[name])
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}
