// Package schema reads values whose meaning stands in a schema apart from them, Avro and Protobuf,
// and writes them as JSON.
//
// A Schema is compiled once and is safe for concurrent use. AppendJSON writes a value without a
// tree between the bytes and the text, and without allocation for usual values. Names are those of
// the schema. Numbers keep their digits, and times that are numbers stay numbers. Bytes are text if
// they are valid UTF-8, and base64 otherwise. What is written is bounded whatever the schema and
// the value say: schemas may contain themselves, and values of no size may be repeated.
package schema

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"

	"github.com/log-monitoring/alert-engine/internal/wire"
)

const (
	maxDepth   = 64       // of values within values
	maxWritten = 16 << 20 // bytes of JSON of one value
	maxWork    = 1 << 22  // fields that are looked at for one value
	maxSchemas = 200      // that a schema refers to, directly or not
	maxText    = 4 << 20  // bytes of a schema and all that it refers to
)

// ErrValue means that a value is not one of its schema: it is damaged, nested too deeply, or too
// large once it is written as JSON.
var ErrValue = errors.New("the value does not fit its schema")

// Kind is the language of a schema.
type Kind uint8

const (
	Avro     Kind = 1 + iota
	Protobuf      // the value is one of the messages of a file
	JSON          // the value is JSON, whatever the schema says
)

// String returns the word for users.
func (k Kind) String() string { return [...]string{"", "avro", "protobuf", "json"}[k] }

// ID is the name of a schema in a registry: a number, or the GUID by which newer clients name it in
// a header. The other is zero.
type ID struct {
	Number uint32
	GUID   [16]byte
}

// String returns the ID as registries write it.
func (id ID) String() string {
	if id.GUID == [16]byte{} {
		return strconv.FormatUint(uint64(id.Number), 10)
	}
	return formatGUID(id.GUID)
}

func formatGUID(g [16]byte) string {
	const digits = "0123456789abcdef"
	var b []byte
	for i, c := range g {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}

// Source finds schemas. It is safe for concurrent use.
type Source interface {
	// Schema returns a schema of the registry. An error that is Unavailable may pass.
	Schema(id ID) (*Schema, error)
	// ByFingerprint returns the Avro schema with a fingerprint by CRC-64-AVRO, little-endian, as a
	// single-object encoding begins with it; nil if there is none.
	ByFingerprint(crc [8]byte) *Schema
}

// Unavailable says that a schema cannot be had now: the registry does not answer, refuses, or does
// not know it yet. Values of it are readable later.
type Unavailable struct {
	ID  ID
	Err error
}

func (e *Unavailable) Error() string {
	return "schema " + e.ID.String() + " cannot be had: " + e.Err.Error()
}

func (e *Unavailable) Unwrap() error { return e.Err }

// Text is a schema as a registry returns it.
type Text struct {
	Kind   Kind
	Schema string
	// what it refers to, in an order in which each precedes those that refer to it; Name is the
	// name of an Avro type or the path of an import
	References []Reference
}

// Reference is a schema that another one refers to.
type Reference struct {
	Name   string
	Schema string
}

// Schema is a compiled schema.
type Schema struct {
	kind         Kind
	avro         *avroNode
	file         protoreflect.FileDescriptor
	messages     map[protoreflect.FullName]*protoMessage
	fingerprints [][8]byte
}

// Compile parses a schema.
func Compile(t Text) (*Schema, error) {
	size := len(t.Schema)
	for _, r := range t.References {
		size += len(r.Schema)
	}
	switch {
	case size > maxText:
		return nil, errors.New("the schema is larger than 4 MiB")
	case len(t.References) > maxSchemas:
		return nil, errors.New("the schema refers to more than 200 others")
	}
	switch t.Kind {
	case Avro:
		return compileAvro(t)
	case Protobuf:
		return compileProto(t)
	case JSON:
		return &Schema{kind: JSON}, nil
	}
	return nil, errors.New("the schema is of an unknown kind")
}

// Kind returns the language of the schema.
func (s *Schema) Kind() Kind { return s.kind }

// Fingerprints returns the fingerprints of an Avro schema by CRC-64-AVRO, little-endian: one, or
// two where libraries disagree. They must not be changed.
func (s *Schema) Fingerprints() [][8]byte { return s.fingerprints }

// AppendJSON appends a value as JSON. A value of Protobuf begins with the indexes of its message,
// as registries' clients write them; if they stand elsewhere, AppendMessage takes them. On an error
// dst is returned with its own length.
func (s *Schema) AppendJSON(dst, value []byte) ([]byte, error) {
	switch s.kind {
	case Avro:
		return s.appendAvro(dst, value)
	case Protobuf:
		indexes, rest, ok := cutIndexes(value)
		if !ok {
			return dst, ErrValue
		}
		return s.appendProto(dst, indexes, rest)
	}
	return append(dst, value...), nil
}

// AppendMessage appends a value of Protobuf whose message indexes stand apart from it, in a header
// for example. For other kinds, indexes are ignored.
func (s *Schema) AppendMessage(dst, indexes, value []byte) ([]byte, error) {
	if s.kind != Protobuf {
		return s.AppendJSON(dst, value)
	}
	list, rest, ok := cutIndexes(indexes)
	if len(indexes) == 0 {
		list, rest, ok = []int{0}, nil, true
	}
	if !ok || len(rest) > 0 {
		return dst, ErrValue
	}
	return s.appendProto(dst, list, value)
}

// reader reads the bytes of a value.
type reader struct {
	wire.Reader
	work int
}

// block reads n bytes, nil if there are fewer.
func (r *reader) block(n int64) []byte {
	if n > int64(len(r.B)) {
		n = -1
	}
	return r.Take(int(n))
}

// appendBytes appends bytes as text, or as base64 if they are none.
func appendBytes(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return jsonscan.AppendQuoted(dst, b)
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// appendFloat appends a number; those that JSON lacks are texts.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}
