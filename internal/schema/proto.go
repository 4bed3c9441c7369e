package schema

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
	"github.com/log-monitoring/alert-engine/internal/wire"
)

// protoMessage is a type of messages, compiled to what their values are written as.
type protoMessage struct {
	fields map[protowire.Number]*protoField
	// how a well-known type is written, nil for other messages
	known func(m *protoMessage, r *reader, dst, value []byte, limit, depth int) []byte
}

type protoField struct {
	number  protowire.Number
	key     []byte // quoted, with its colon
	kind    protoreflect.Kind
	list    bool
	entries bool // the messages are the entries of a map
	message *protoMessage
	symbols map[protoreflect.EnumNumber][]byte // quoted
}

// mainFile is the name under which a schema is compiled; what it imports has names of its own.
const mainFile = "alert-engine/schema.proto"

func compileProto(t Text) (*Schema, error) {
	file, err := parseProto(t)
	if err != nil {
		return nil, fmt.Errorf("protobuf schema: %w", err)
	}
	s := &Schema{kind: Protobuf, file: file, messages: map[protoreflect.FullName]*protoMessage{}}
	s.compileMessages(file.Messages())
	return s, nil
}

// parseProto parses the source of a file, or the bytes of its descriptor in base64.
func parseProto(t Text) (protoreflect.FileDescriptor, error) {
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(t.Schema)); err == nil &&
		len(raw) > 0 {
		var d descriptorpb.FileDescriptorProto
		if proto.Unmarshal(raw, &d) == nil {
			return protodesc.NewFile(&d, protoregistry.GlobalFiles)
		}
	}
	sources := map[string]string{mainFile: t.Schema}
	for _, r := range t.References {
		sources[r.Name] = r.Schema
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(
			&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)},
		),
		MaxParallelism: 1,
	}
	files, err := compiler.Compile(context.Background(), mainFile)
	if err != nil {
		return nil, err
	}
	if file := files.FindFileByPath(mainFile); file != nil {
		return file, nil
	}
	return nil, errors.New("it holds no file")
}

func (s *Schema) compileMessages(list protoreflect.MessageDescriptors) {
	for i := range list.Len() {
		s.message(list.Get(i))
		s.compileMessages(list.Get(i).Messages())
	}
}

// message compiles a type and those of its fields, each once: they may contain themselves.
func (s *Schema) message(d protoreflect.MessageDescriptor) *protoMessage {
	if m := s.messages[d.FullName()]; m != nil {
		return m
	}
	m := &protoMessage{fields: map[protowire.Number]*protoField{}, known: wellKnown[d.FullName()]}
	s.messages[d.FullName()] = m
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		out := &protoField{
			number:  f.Number(),
			key:     append(jsonscan.AppendQuoted(nil, []byte(f.Name())), ':'),
			kind:    f.Kind(),
			list:    f.IsList() || f.IsMap(),
			entries: f.IsMap(),
		}
		if f.Message() != nil {
			out.message = s.message(f.Message())
		}
		if e := f.Enum(); e != nil {
			out.symbols = map[protoreflect.EnumNumber][]byte{}
			for i := range e.Values().Len() {
				v := e.Values().Get(i)
				out.symbols[v.Number()] = jsonscan.AppendQuoted(nil, []byte(v.Name()))
			}
		}
		m.fields[f.Number()] = out
	}
	return m
}

// cutIndexes reads the path of a message in its file: how many indexes there are, and they. No
// indexes mean the first message.
func cutIndexes(b []byte) (indexes []int, rest []byte, ok bool) {
	r := reader{Reader: wire.Reader{B: b}}
	n := r.Varint()
	if r.Err != nil || n < 0 || n > maxDepth {
		return nil, nil, false
	}
	if n == 0 {
		return firstMessage, r.B, true
	}
	for range n {
		i := r.Varint()
		if r.Err != nil || i < 0 || i > math.MaxInt32 {
			return nil, nil, false
		}
		indexes = append(indexes, int(i))
	}
	return indexes, r.B, true
}

var firstMessage = []int{0}

func (s *Schema) appendProto(dst []byte, indexes []int, value []byte) ([]byte, error) {
	list := s.file.Messages()
	var d protoreflect.MessageDescriptor
	for _, i := range indexes {
		if d = written(list, i); d == nil {
			return dst, ErrValue
		}
		list = d.Messages()
	}
	m := s.messages[d.FullName()]
	r := reader{}
	from := len(dst)
	dst = m.append(&r, dst, value, from+maxWritten, 0)
	if r.Err != nil {
		return dst[:from], ErrValue
	}
	return dst, nil
}

// written returns the i-th message of a list as it is written: the entries of maps, which compilers
// add, do not count.
func written(list protoreflect.MessageDescriptors, i int) protoreflect.MessageDescriptor {
	for k := range list.Len() {
		if list.Get(k).IsMapEntry() {
			continue
		}
		if i == 0 {
			return list.Get(k)
		}
		i--
	}
	return nil
}

// append appends a message. The members of a list may stand apart from each other, so the first of
// them looks for the others.
func (m *protoMessage) append(r *reader, dst, value []byte, limit, depth int) []byte {
	if depth > maxDepth || len(dst) > limit {
		r.Fail()
		return dst
	}
	if m.known != nil {
		return m.known(m, r, dst, value, limit, depth)
	}
	dst = append(dst, '{')
	var written [4]uint64 // lists, by the low bits of their numbers
	var more map[protowire.Number]bool
	for b := value; len(b) > 0 && r.Err == nil; {
		number, wire, v, rest := r.field(b)
		if b = rest; r.Err != nil {
			return dst
		}
		f := m.fields[number]
		if f == nil {
			continue
		}
		if f.list {
			if number < 256 {
				if written[number>>6]&(1<<(number&63)) != 0 {
					continue
				}
				written[number>>6] |= 1 << (number & 63)
			} else {
				if more[number] {
					continue
				}
				if more == nil {
					more = map[protowire.Number]bool{}
				}
				more[number] = true
			}
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, f.key...)
		if f.list {
			dst = f.appendList(r, dst, v, rest, wire, limit, depth)
		} else {
			dst = f.appendValue(r, dst, v, wire, limit, depth)
		}
	}
	return append(dst, '}')
}

// field reads the field that a message begins with: its number, its wire type, its value behind the
// tag (for bytes without their length), and what follows.
func (r *reader) field(b []byte) (n protowire.Number, t protowire.Type, v, rest []byte) {
	if r.work++; r.work > maxWork {
		r.Fail()
		return 0, 0, nil, nil
	}
	n, t, size := protowire.ConsumeTag(b)
	if size < 0 {
		r.Fail()
		return 0, 0, nil, nil
	}
	b = b[size:]
	if t == protowire.BytesType {
		v, size = protowire.ConsumeBytes(b)
	} else {
		size = protowire.ConsumeFieldValue(n, t, b)
		if size >= 0 {
			v = b[:size]
		}
		if t == protowire.StartGroupType && size >= 0 {
			v, size = protowire.ConsumeGroup(n, b)
		}
	}
	if size < 0 {
		r.Fail()
		return 0, 0, nil, nil
	}
	return n, t, v, b[size:]
}

// appendList appends the members of a list or map, of which the first one is v and the others stand
// in rest.
func (f *protoField) appendList(
	r *reader,
	dst, v, rest []byte,
	wire protowire.Type,
	limit, depth int,
) []byte {
	open, closing := byte('['), byte(']')
	if f.entries {
		open, closing = '{', '}'
	}
	dst = append(dst, open)
	number := f.number
	for {
		if number == f.number {
			dst = f.appendMembers(r, dst, v, wire, limit, depth)
		}
		if len(rest) == 0 || r.Err != nil {
			return append(dst, closing)
		}
		number, wire, v, rest = r.field(rest)
	}
}

// appendMembers appends one member, or those that are packed into one value.
func (f *protoField) appendMembers(
	r *reader,
	dst, v []byte,
	wire protowire.Type,
	limit, depth int,
) []byte {
	comma := func() {
		if c := dst[len(dst)-1]; c != '[' && c != '{' {
			dst = append(dst, ',')
		}
	}
	if f.entries {
		comma()
		return f.appendEntry(r, dst, v, limit, depth)
	}
	packed, ok := packedWire(f.kind)
	if !ok || wire != protowire.BytesType {
		comma()
		return f.appendValue(r, dst, v, wire, limit, depth)
	}
	for len(v) > 0 && r.Err == nil {
		if r.work++; r.work > maxWork || len(dst) > limit {
			r.Fail()
			return dst
		}
		size := protowire.ConsumeFieldValue(1, packed, v)
		if size < 0 {
			r.Fail()
			return dst
		}
		comma()
		dst = f.appendValue(r, dst, v[:size], packed, limit, depth)
		v = v[size:]
	}
	return dst
}

// appendEntry appends an entry of a map as a member of an object.
func (f *protoField) appendEntry(r *reader, dst, entry []byte, limit, depth int) []byte {
	var key, value []byte
	var keyWire, valueWire protowire.Type
	hasValue, hasKey := false, false
	for b := entry; len(b) > 0 && r.Err == nil; {
		number, wire, v, rest := r.field(b)
		switch b = rest; number {
		case 1:
			key, keyWire, hasKey = v, wire, true
		case 2:
			value, valueWire, hasValue = v, wire, true
		}
	}
	k, v := f.message.fields[1], f.message.fields[2]
	if r.Err != nil || k == nil || v == nil {
		r.Fail()
		return dst
	}
	switch {
	case k.kind == protoreflect.StringKind:
		dst = jsonscan.AppendQuoted(dst, key)
	case hasKey:
		dst = append(k.appendValue(r, append(dst, '"'), key, keyWire, limit, depth), '"')
	default: // zero and false are not written
		dst = append(
			dst,
			map[bool]string{true: `"false"`, false: `"0"`}[k.kind == protoreflect.BoolKind]...)
	}
	dst = append(dst, ':')
	if !hasValue {
		return append(dst, "null"...)
	}
	return v.appendValue(r, dst, value, valueWire, limit, depth+1)
}

// packedWire returns the wire type of the members of a packed list, and whether a kind can be
// packed.
func packedWire(k protoreflect.Kind) (protowire.Type, bool) {
	switch k {
	case protoreflect.StringKind,
		protoreflect.BytesKind,
		protoreflect.MessageKind,
		protoreflect.GroupKind:
		return 0, false
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type, true
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type, true
	}
	return protowire.VarintType, true
}

// wireOf returns the wire type of a single value of a kind.
func wireOf(k protoreflect.Kind) protowire.Type {
	if t, ok := packedWire(k); ok {
		return t
	}
	if k == protoreflect.GroupKind {
		return protowire.StartGroupType
	}
	return protowire.BytesType
}

// appendValue appends a single value. A value of another wire type than its kind has is of another
// schema.
func (f *protoField) appendValue(
	r *reader,
	dst, v []byte,
	wire protowire.Type,
	limit, depth int,
) []byte {
	if wire != wireOf(f.kind) || len(dst) > limit {
		r.Fail()
		return dst
	}
	switch f.kind {
	case protoreflect.StringKind:
		return jsonscan.AppendQuoted(dst, v)
	case protoreflect.BytesKind:
		return appendBytes(dst, v)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return f.message.append(r, dst, v, limit, depth+1)
	}
	switch wire {
	case protowire.Fixed32Type:
		n, _ := protowire.ConsumeFixed32(v)
		switch f.kind {
		case protoreflect.FloatKind:
			return appendFloat(dst, float64(math.Float32frombits(n)), 32)
		case protoreflect.Sfixed32Kind:
			return strconv.AppendInt(dst, int64(int32(n)), 10)
		}
		return strconv.AppendUint(dst, uint64(n), 10)
	case protowire.Fixed64Type:
		n, _ := protowire.ConsumeFixed64(v)
		switch f.kind {
		case protoreflect.DoubleKind:
			return appendFloat(dst, math.Float64frombits(n), 64)
		case protoreflect.Sfixed64Kind:
			return strconv.AppendInt(dst, int64(n), 10)
		}
		return strconv.AppendUint(dst, n, 10)
	}
	n, _ := protowire.ConsumeVarint(v)
	switch f.kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, n != 0)
	case protoreflect.EnumKind:
		if symbol := f.symbols[protoreflect.EnumNumber(int32(n))]; symbol != nil {
			return append(dst, symbol...)
		}
		return strconv.AppendInt(dst, int64(int32(n)), 10)
	case protoreflect.Int32Kind:
		return strconv.AppendInt(dst, int64(int32(n)), 10)
	case protoreflect.Int64Kind:
		return strconv.AppendInt(dst, int64(n), 10)
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return strconv.AppendInt(dst, protowire.DecodeZigZag(n), 10)
	case protoreflect.Uint32Kind:
		return strconv.AppendUint(dst, uint64(uint32(n)), 10)
	}
	return strconv.AppendUint(dst, n, 10)
}

type appendKnown = func(m *protoMessage, r *reader, dst, value []byte, limit, depth int) []byte

// wellKnown are the types that Protobuf's own JSON writes in another way than as objects.
var wellKnown = map[protoreflect.FullName]appendKnown{
	"google.protobuf.Timestamp":   appendTimestamp,
	"google.protobuf.Duration":    appendDuration,
	"google.protobuf.Struct":      appendOnly,
	"google.protobuf.ListValue":   appendOnly,
	"google.protobuf.Value":       appendOnly,
	"google.protobuf.DoubleValue": appendOnly,
	"google.protobuf.FloatValue":  appendOnly,
	"google.protobuf.Int64Value":  appendOnly,
	"google.protobuf.UInt64Value": appendOnly,
	"google.protobuf.Int32Value":  appendOnly,
	"google.protobuf.UInt32Value": appendOnly,
	"google.protobuf.BoolValue":   appendOnly,
	"google.protobuf.StringValue": appendOnly,
	"google.protobuf.BytesValue":  appendOnly,
}

// appendOnly appends the one field of a message instead of the message: a wrapper's value, the list
// of a list, or the value that is set.
func appendOnly(m *protoMessage, r *reader, dst, value []byte, limit, depth int) []byte {
	for b := value; len(b) > 0; {
		number, wire, v, rest := r.field(b)
		if b = rest; r.Err != nil {
			return dst
		}
		f := m.fields[number]
		switch {
		case f == nil:
		case f.list:
			return f.appendList(r, dst, v, rest, wire, limit, depth)
		case f.kind == protoreflect.EnumKind: // google.protobuf.NullValue
			return append(dst, "null"...)
		default:
			return f.appendValue(r, dst, v, wire, limit, depth)
		}
	}
	for _, f := range m.fields { // nothing is set
		switch {
		case len(m.fields) > 1:
		case f.entries:
			return append(dst, "{}"...)
		case f.list:
			return append(dst, "[]"...)
		case f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind:
			return append(dst, `""`...)
		case f.kind == protoreflect.BoolKind:
			return append(dst, "false"...)
		default:
			return append(dst, '0')
		}
	}
	return append(dst, "null"...)
}

// secondsAndNanos reads the two fields of a timestamp or a duration.
func secondsAndNanos(r *reader, value []byte) (seconds, nanos int64) {
	for b := value; len(b) > 0 && r.Err == nil; {
		number, wire, v, rest := r.field(b)
		b = rest
		if wire != protowire.VarintType {
			continue
		}
		n, _ := protowire.ConsumeVarint(v)
		switch number {
		case 1:
			seconds = int64(n)
		case 2:
			nanos = int64(int32(n))
		}
	}
	return seconds, nanos
}

func appendTimestamp(_ *protoMessage, r *reader, dst, value []byte, _, _ int) []byte {
	s, n := secondsAndNanos(r, value)
	if s < -62135596800 || s > 253402300799 || n < 0 || n > 999_999_999 { // the years 1 to 9999
		return append(dst, "null"...)
	}
	return append(time.Unix(s, n).UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// appendDuration appends a duration in seconds, as "1.5s".
func appendDuration(_ *protoMessage, r *reader, dst, value []byte, _, _ int) []byte {
	s, n := secondsAndNanos(r, value)
	dst = append(dst, '"')
	if s < 0 || n < 0 {
		dst = append(dst, '-')
		s, n = -s, -n
	}
	dst = strconv.AppendUint(dst, uint64(s), 10)
	if n > 0 {
		digits := strconv.FormatInt(1_000_000_000+n, 10)[1:]
		dst = append(append(dst, '.'), strings.TrimRight(digits, "0")...)
	}
	return append(dst, `s"`...)
}
