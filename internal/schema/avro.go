package schema

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/hamba/avro/v2"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
	"github.com/log-monitoring/alert-engine/internal/wire"
)

// avroNode is a type of an Avro schema, compiled to what its values are written as.
type avroNode struct {
	typ      avro.Type
	logical  avro.LogicalType
	scale    int
	size     int // of a fixed
	fields   []avroField
	item     *avroNode   // of an array or a map
	branches []*avroNode // of a union
	symbols  [][]byte    // of an enum, quoted
}

type avroField struct {
	key  []byte // quoted, with its colon
	node *avroNode
}

func compileAvro(t Text) (*Schema, error) {
	cache := &avro.SchemaCache{}
	for _, r := range t.References {
		if nesting(r.Schema) > maxNesting {
			return nil, fmt.Errorf("avro schema %q: %w", r.Name, errNesting)
		}
		if _, err := avro.ParseBytesWithCache([]byte(r.Schema), "", cache); err != nil {
			return nil, fmt.Errorf("avro schema %q: %w", r.Name, err)
		}
	}
	if nesting(t.Schema) > maxNesting {
		return nil, fmt.Errorf("avro schema: %w", errNesting)
	}
	parsed, err := avro.ParseBytesWithCache([]byte(t.Schema), "", cache)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	s := &Schema{kind: Avro}
	c := avroCompiler{seen: map[avro.Schema]*avroNode{}}
	if s.avro, err = c.node(parsed, 0); err != nil {
		return nil, err
	}
	if s.fingerprints, err = fingerprints(t.Schema, parsed); err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	return s, nil
}

// fingerprints are those that writers of a schema's objects may name: that of the specification,
// which leaves logical types out, and that of hamba/avro, which keeps them. A schema that refers to
// others has the latter alone.
// https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
func fingerprints(text string, parsed avro.Schema) ([][8]byte, error) {
	crc, err := parsed.FingerprintUsing(avro.CRC64AvroLE)
	if err != nil {
		return nil, err
	}
	list := [][8]byte{[8]byte(crc)}
	if !strings.Contains(text, `"logicalType"`) {
		return list, nil
	}
	var plain any
	if json.Unmarshal([]byte(text), &plain) != nil {
		return list, nil
	}
	stripLogical(plain)
	stripped, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	parsed, err = avro.ParseBytesWithCache(stripped, "", &avro.SchemaCache{})
	if err != nil {
		return list, nil
	}
	if crc, err = parsed.FingerprintUsing(avro.CRC64AvroLE); err != nil {
		return nil, err
	}
	return append(list, [8]byte(crc)), nil
}

// stripLogical removes the logical types of a schema.
func stripLogical(node any) {
	switch n := node.(type) {
	case map[string]any:
		delete(n, "logicalType")
		for _, below := range n {
			stripLogical(below)
		}
	case []any:
		for _, below := range n {
			stripLogical(below)
		}
	}
}

// maxNesting is how deep the text of a schema may be nested; the parser's time grows with its
// square.
const maxNesting = 500

var errNesting = fmt.Errorf("types are nested deeper than %d", maxNesting)

// nesting returns how deep the brackets of a text are nested; those in strings count too.
func nesting(text string) (most int) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

// avroCompiler compiles the types of a schema, each named one once: they may contain themselves.
type avroCompiler struct {
	seen map[avro.Schema]*avroNode
}

func (c *avroCompiler) node(s avro.Schema, depth int) (*avroNode, error) {
	if ref, ok := s.(*avro.RefSchema); ok {
		s = ref.Schema()
	}
	if n := c.seen[s]; n != nil {
		return n, nil
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("avro schema: %w", errNesting)
	}
	n := &avroNode{typ: s.Type()}
	c.seen[s] = n
	var err error
	switch s := s.(type) {
	case *avro.RecordSchema:
		for _, f := range s.Fields() {
			key := append(jsonscan.AppendQuoted(nil, []byte(f.Name())), ':')
			below, err := c.node(f.Type(), depth+1)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, avroField{key, below})
		}
	case *avro.ArraySchema:
		n.item, err = c.node(s.Items(), depth+1)
	case *avro.MapSchema:
		n.item, err = c.node(s.Values(), depth+1)
	case *avro.UnionSchema:
		for _, t := range s.Types() {
			below, err := c.node(t, depth+1)
			if err != nil {
				return nil, err
			}
			n.branches = append(n.branches, below)
		}
	case *avro.EnumSchema:
		for _, symbol := range s.Symbols() {
			n.symbols = append(n.symbols, jsonscan.AppendQuoted(nil, []byte(symbol)))
		}
	case *avro.FixedSchema:
		n.size = s.Size()
		n.setLogical(s.Logical())
	case *avro.PrimitiveSchema:
		n.setLogical(s.Logical())
	}
	return n, err
}

func (n *avroNode) setLogical(l avro.LogicalSchema) {
	if l == nil {
		return
	}
	n.logical = l.Type()
	if d, ok := l.(*avro.DecimalLogicalSchema); ok {
		n.scale = d.Scale()
	}
}

func (s *Schema) appendAvro(dst, value []byte) ([]byte, error) {
	if s.avro.typ == avro.Bytes && s.avro.logical == "" { // registries' clients write them bare
		return appendBytes(dst, value), nil
	}
	r := reader{Reader: wire.Reader{B: value}}
	from := len(dst)
	dst = s.avro.append(&r, dst, from+maxWritten, 0)
	if r.Err != nil || len(r.B) > 0 {
		return dst[:from], ErrValue
	}
	return dst, nil
}

// append appends a value of a type, as long as dst is not longer than limit.
func (n *avroNode) append(r *reader, dst []byte, limit, depth int) []byte {
	if depth > maxDepth || len(dst) > limit {
		r.Fail()
		return dst
	}
	switch n.typ {
	case avro.Record, avro.Error:
		dst = append(dst, '{')
		for i := range n.fields {
			f := &n.fields[i]
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst = f.node.append(r, append(dst, f.key...), limit, depth+1); r.Err != nil {
				return dst
			}
		}
		return append(dst, '}')
	case avro.String:
		t := r.block(r.Varint())
		if n.logical == "" {
			return jsonscan.AppendQuoted(dst, t)
		}
		return appendBytes(dst, t)
	case avro.Bytes:
		return n.appendBinary(r, dst, r.block(r.Varint()))
	case avro.Fixed:
		return n.appendBinary(r, dst, r.block(int64(n.size)))
	case avro.Int, avro.Long:
		v := r.Varint()
		if n.logical == avro.Date {
			return appendDate(dst, v)
		}
		return strconv.AppendInt(dst, v, 10)
	case avro.Float:
		if t := r.block(4); t != nil {
			f := math.Float32frombits(binary.LittleEndian.Uint32(t))
			return appendFloat(dst, float64(f), 32)
		}
	case avro.Double:
		if t := r.block(8); t != nil {
			return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(t)), 64)
		}
	case avro.Boolean:
		if t := r.block(1); t != nil && t[0] < 2 {
			return strconv.AppendBool(dst, t[0] == 1)
		}
		r.Fail()
	case avro.Null:
		return append(dst, "null"...)
	case avro.Enum:
		if i := r.Varint(); r.Err == nil && i >= 0 && i < int64(len(n.symbols)) {
			return append(dst, n.symbols[i]...)
		}
		r.Fail()
	case avro.Union:
		if i := r.Varint(); r.Err == nil && i >= 0 && i < int64(len(n.branches)) {
			return n.branches[i].append(r, dst, limit, depth+1)
		}
		r.Fail()
	case avro.Array:
		return append(n.appendBlocks(r, append(dst, '['), limit, depth), ']')
	case avro.Map:
		return append(n.appendBlocks(r, append(dst, '{'), limit, depth), '}')
	default:
		r.Fail()
	}
	return dst
}

// appendBlocks appends the members of an array or a map, which stand in blocks behind their counts.
func (n *avroNode) appendBlocks(r *reader, dst []byte, limit, depth int) []byte {
	first := true
	for {
		count := r.Varint()
		if count < 0 { // its size in bytes follows
			count = -count
			r.Varint()
		}
		if r.Err != nil || count == 0 {
			return dst
		}
		for ; count != 0; count-- {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if n.typ == avro.Map {
				dst = append(jsonscan.AppendQuoted(dst, r.block(r.Varint())), ':')
			}
			if dst = n.item.append(r, dst, limit, depth+1); r.Err != nil {
				return dst
			}
		}
	}
}

// appendBinary appends the bytes of a fixed or bytes: a decimal number, a UUID, or just bytes.
func (n *avroNode) appendBinary(r *reader, dst, t []byte) []byte {
	switch {
	case r.Err != nil:
	case n.logical == avro.Decimal && len(t) <= 64:
		return appendDecimal(dst, t, n.scale)
	case n.logical == avro.UUID && len(t) == 16:
		return append(append(append(dst, '"'), formatGUID([16]byte(t))...), '"')
	default:
		return appendBytes(dst, t)
	}
	return dst
}

// appendDate appends a number of days since 1970 as a date, if it has one.
func appendDate(dst []byte, days int64) []byte {
	if days < -719162 || days > 2932896 { // the years 1 to 9999
		return strconv.AppendInt(dst, days, 10)
	}
	at := time.Unix(days*86400, 0).UTC()
	return append(at.AppendFormat(append(dst, '"'), time.DateOnly), '"')
}

// appendDecimal appends the number whose digits are a big-endian integer in two's complement.
func appendDecimal(dst, t []byte, scale int) []byte {
	v := new(big.Int).SetBytes(t)
	if len(t) > 0 && t[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(t))))
	}
	if v.Sign() < 0 {
		dst = append(dst, '-')
		v.Neg(v)
	}
	digits := v.String()
	if scale <= 0 || scale > 200 {
		return append(dst, digits...)
	}
	for len(digits) <= scale {
		digits = "0" + digits
	}
	dst = append(append(dst, digits[:len(digits)-scale]...), '.')
	return append(dst, digits[len(digits)-scale:]...)
}
