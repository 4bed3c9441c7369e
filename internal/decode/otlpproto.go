package decode

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// otlpProto emits the log records of an export request in OTLP's protobuf, and says whether the
// bytes are one. It checks the whole frame and the first record of each scope before, strictly
// enough that no text is mistaken for it; a later record that is damaged is refused alone. Senders
// write fields in whatever order they like, the resource behind the logs it belongs to for example,
// so each frame is gone through once for what its logs share and once for the logs.
func (d *Decoder) otlpProto(b []byte) bool {
	records, ok := checkLogs(b)
	if !ok {
		return false
	}
	if records == 0 {
		d.refuse(EmptyBatch, "the export holds no log record")
		return true
	}
	for len(b) > 0 {
		var group []byte
		group, b = chunk(b[1:])
		d.protoResourceLogs(group)
	}
	d.envelope, d.resource, d.sharing.part = nil, nil, 0
	return true
}

// protoResourceLogs reads a message that was checked.
func (d *Decoder) protoResourceLogs(group []byte) {
	resource, _ := subMessage(group, 1)
	d.flatResource(resource)
	for scope, rest := subMessage(group, 2); rest != nil; scope, rest = subMessage(rest, 2) {
		d.protoScopeLogs(scope)
	}
}

// protoScopeLogs reads a message that was checked.
func (d *Decoder) protoScopeLogs(group []byte) {
	scope, rest := subMessage(group, 1)
	if rest != nil {
		scope, _ = subMessage(scope, 1)
	}
	for record, rest := subMessage(group, 2); rest != nil; record, rest = subMessage(rest, 2) {
		if !d.flatRecord(record, scope) {
			d.refuse(InvalidMember, "one of several log records is damaged")
		}
	}
}

// subMessage returns the next field with a number whose value is bytes, and what follows it, nil if
// there is no such field.
func subMessage(b []byte, number byte) (body, rest []byte) {
	for len(b) > 0 {
		if b[0]&7 == 2 && b[0] < 0x80 {
			tag := b[0]
			if body, b = chunk(b[1:]); tag>>3 == number {
				return body, b
			}
			continue
		}
		_, b = nextField(b)
	}
	return nil, nil
}

// appendRecord appends the fields of a log record and the name of its scope, but no attributes.
func appendRecord(b, record, scope []byte) []byte {
	protoFields(record, func(f protoField) bool {
		switch f.number {
		case 1:
			b = appendNanos(b, "timeUnixNano", f.value)
		case 11:
			b = appendNanos(b, "observedTimeUnixNano", f.value)
		case 2:
			if f.value != 0 {
				b = strconv.AppendUint(appendKey(b, "severityNumber"), f.value, 10)
			}
		case 3:
			b = appendBytes(b, "severityText", f.bytes)
		case 5:
			b = appendProtoAny(appendKey(b, "body"), f.bytes, 0)
		case 9:
			b = appendHex(b, "traceId", f.bytes)
		case 10:
			b = appendHex(b, "spanId", f.bytes)
		case 12:
			b = appendBytes(b, "eventName", f.bytes)
		}
		return true
	})
	if len(scope) > 0 {
		b = appendMember(b, "otel.scope.name", scope)
	}
	return b
}

// protoRaw is the raw text of a log that came as protobuf: the same log as JSON, because the bytes
// of a protobuf cannot be searched.
func (d *Decoder) protoRaw() []byte {
	d.raw = append(d.raw[:0], d.built[:len(d.built)-1]...)
	for _, part := range [...]struct {
		key string
		doc []byte
	}{{"attributes", d.shared}, {"resource", d.shared2}} {
		d.raw = append(appendKey(d.raw, part.key), part.doc...)
	}
	d.raw = append(d.raw, '}')
	return d.raw
}

func appendNanos(b []byte, key string, ns uint64) []byte {
	if ns == 0 {
		return b
	}
	return strconv.AppendUint(appendKey(b, key), ns, 10)
}

func appendBytes(b []byte, key string, text []byte) []byte {
	if len(text) == 0 {
		return b
	}
	return appendKnown(b, key, text)
}

func appendHex(b []byte, key string, id []byte) []byte {
	if len(id) == 0 {
		return b
	}
	return append(hex.AppendEncode(append(appendKey(b, key), '"'), id), '"')
}

// appendProtoAttributes appends the pairs under one field number as members.
func appendProtoAttributes(dst, holder []byte, number uint64) []byte {
	protoFields(holder, func(f protoField) bool {
		if f.number == number {
			dst = appendProtoPair(dst, f.bytes, 0)
		}
		return true
	})
	return dst
}

func appendProtoPair(dst, pair []byte, depth int) []byte {
	var key, value []byte
	protoFields(pair, func(f protoField) bool {
		switch f.number {
		case 1:
			key = f.bytes
		case 2:
			value = f.bytes
		}
		return true
	})
	return appendProtoAny(appendKey(dst, string(key)), value, depth)
}

// appendProtoAny appends an AnyValue as plain JSON.
func appendProtoAny(dst, any []byte, depth int) []byte {
	start := len(dst)
	protoFields(any, func(f protoField) bool {
		dst = dst[:start] // of several, the last counts
		switch f.number {
		case 1:
			dst = jsonscan.AppendQuoted(dst, f.bytes)
		case 2:
			dst = strconv.AppendBool(dst, f.value != 0)
		case 3:
			dst = strconv.AppendInt(dst, int64(f.value), 10)
		case 4:
			dst = appendFloat(dst, math.Float64frombits(f.value))
		case 5:
			dst = appendProtoArray(dst, f.bytes, depth+1)
		case 6:
			dst = append(dst, '{')
			if depth < maxAnyDepth {
				protoFields(f.bytes, func(f protoField) bool {
					if f.number == 1 {
						dst = appendProtoPair(dst, f.bytes, depth+1)
					}
					return true
				})
			}
			dst = append(dst, '}')
		case 7:
			dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), f.bytes), '"')
		}
		return true
	})
	if len(dst) == start {
		dst = append(dst, "null"...)
	}
	return dst
}

func appendProtoArray(dst, array []byte, depth int) []byte {
	dst = append(dst, '[')
	first := true
	if depth < maxAnyDepth {
		protoFields(array, func(f protoField) bool {
			if f.number != 1 {
				return true
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendProtoAny(dst, f.bytes, depth)
			return true
		})
	}
	return append(dst, ']')
}

// appendFloat appends a number as JSON; those that JSON lacks are texts.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// protoField is a field of a protobuf message: a number in value, or bytes.
type protoField struct {
	number uint64
	wire   uint8 // 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
	value  uint64
	bytes  []byte
}

// protoFields calls f for each field of a message until f returns false, and reports whether the
// message is well formed so far.
func protoFields(b []byte, f func(protoField) bool) bool {
	for len(b) > 0 {
		field, rest := nextField(b)
		if rest == nil {
			return false
		}
		b = rest
		if !f(field) {
			return true
		}
	}
	return true
}

// nextField reads the field that a message begins with, and returns the bytes behind it, nil if it
// is damaged.
func nextField(b []byte) (field protoField, rest []byte) {
	tag, b := uvarint(b)
	if b == nil || tag>>3 == 0 || tag>>3 >= 1<<29 {
		return field, nil
	}
	field.number, field.wire = tag>>3, uint8(tag&7)
	switch field.wire {
	case 0:
		field.value, b = uvarint(b)
		return field, b
	case 1:
		if len(b) < 8 {
			return field, nil
		}
		field.value = binary.LittleEndian.Uint64(b)
		return field, b[8:]
	case 2:
		size, b := uvarint(b)
		if b == nil || size > uint64(len(b)) {
			return field, nil
		}
		field.bytes = b[:size:size]
		return field, b[size:]
	case 5:
		if len(b) < 4 {
			return field, nil
		}
		field.value = uint64(binary.LittleEndian.Uint32(b))
		return field, b[4:]
	}
	return field, nil
}

// uvarint reads a number, and returns the bytes behind it, nil if there is none.
func uvarint(b []byte) (uint64, []byte) {
	if len(b) > 0 && b[0] < 0x80 { // most numbers
		return uint64(b[0]), b[1:]
	}
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return v, b[n:]
}

// deprecated is a field of resource logs that old senders still write.
const deprecated = 1000

// checkLogs says whether bytes are an export request, and counts its log records. A message with
// any field that is not known is another message. Of each scope it reads the first record only.
func checkLogs(b []byte) (records int, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for len(b) > 0 {
		var group []byte
		if b[0] != 1<<3|2 {
			return records, false
		}
		if group, b = chunk(b[1:]); b == nil {
			return records, false
		}
		n, ok := checkResourceLogs(group)
		if records += n; !ok {
			return records, false
		}
	}
	return records, true
}

func checkResourceLogs(b []byte) (records int, ok bool) {
	for len(b) > 0 {
		var scope []byte
		switch b[0] {
		case 1<<3 | 2, 3<<3 | 2:
			_, b = chunk(b[1:])
		case 2<<3 | 2:
			if scope, b = chunk(b[1:]); b == nil {
				return records, false
			}
			n, ok := checkScopeLogs(scope)
			if records += n; !ok {
				return records, false
			}
		default:
			var field protoField
			if field, b = nextField(b); field.number != deprecated || field.wire != 2 {
				return records, false
			}
		}
		if b == nil {
			return records, false
		}
	}
	return records, true
}

func checkScopeLogs(b []byte) (records int, ok bool) {
	first := true
	for len(b) > 0 {
		var record []byte
		switch b[0] {
		case 1<<3 | 2, 3<<3 | 2:
			_, b = chunk(b[1:])
		case 2<<3 | 2:
			if record, b = chunk(b[1:]); b == nil || first && !checkRecord(record) {
				return records, false
			}
			first = false
			records++
		default:
			return records, false
		}
		if b == nil {
			return records, false
		}
	}
	return records, true
}

func checkRecord(b []byte) bool {
	for len(b) > 0 {
		var t []byte
		var n uint64
		switch b[0] {
		case 1<<3 | 1, 11<<3 | 1:
			if len(b) < 9 {
				return false
			}
			b = b[9:]
			continue
		case 8<<3 | 5:
			if len(b) < 5 {
				return false
			}
			b = b[5:]
			continue
		case 2 << 3:
			if n, b = uvarint(b[1:]); n > 24 {
				return false
			}
		case 7 << 3:
			_, b = uvarint(b[1:])
		case 3<<3 | 2, 5<<3 | 2, 12<<3 | 2:
			_, b = chunk(b[1:])
		case 6<<3 | 2:
			if t, b = chunk(b[1:]); b == nil || !checkPair(t) {
				return false
			}
		case 9<<3 | 2:
			if t, b = chunk(b[1:]); len(t) != 16 && len(t) != 0 {
				return false
			}
		case 10<<3 | 2:
			if t, b = chunk(b[1:]); len(t) != 8 && len(t) != 0 {
				return false
			}
		default:
			return false
		}
		if b == nil {
			return false
		}
	}
	return true
}

func checkPair(b []byte) bool {
	for len(b) > 0 {
		if b[0] != 1<<3|2 && b[0] != 2<<3|2 {
			return false
		}
		if _, b = chunk(b[1:]); b == nil {
			return false
		}
	}
	return true
}

// chunk reads a length and as many bytes, and returns what follows them, nil if they are cut off.
func chunk(b []byte) (body, rest []byte) {
	if len(b) > 0 && b[0] < 0x80 {
		if n := int(b[0]) + 1; n <= len(b) {
			return b[1:n:n], b[n:]
		}
		return nil, nil
	}
	n, b := uvarint(b)
	if b == nil || n > uint64(len(b)) {
		return nil, nil
	}
	return b[:n:n], b[n:]
}
