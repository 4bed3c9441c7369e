package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/schema"
)

// schemaHeader is the header in which newer clients of schema registries name the schema of the
// value.
const schemaHeader = "__value_schema_id"

// framed is a value whose schema is named before it or in a header.
type framed struct {
	id      schema.ID
	indexes []byte // of a message of Protobuf, if they stand in the header
	value   []byte
	apart   bool // the schema is named in the header
}

// SchemaOf returns which schema of a registry a record's value says it has: in the five bytes
// before it, or in a header.
func SchemaOf(rec *models.Record) (schema.ID, bool) {
	f, ok := cutFrame(rec, rec.Value)
	return f.id, ok
}

func cutFrame(rec *models.Record, b []byte) (f framed, ok bool) {
	for i := len(rec.Headers) - 1; i >= 0; i-- {
		if !strings.EqualFold(rec.Headers[i].Key, schemaHeader) {
			continue
		}
		switch id := rec.Headers[i].Value; {
		case len(id) >= 17 && id[0] == 1:
			return framed{schema.ID{GUID: [16]byte(id[1:17])}, id[17:], b, true}, len(b) > 0
		case len(id) >= 5 && id[0] == 0:
			number := schema.ID{Number: binary.BigEndian.Uint32(id[1:])}
			return framed{number, id[5:], b, true}, len(b) > 0
		}
		break
	}
	if len(b) > 5 && b[0] == 0 {
		return framed{id: schema.ID{Number: binary.BigEndian.Uint32(b[1:])}, value: b[5:]}, true
	}
	return framed{}, false
}

// bySchema reads a value by its schema, and says whether it names one.
func (d *Decoder) bySchema(b []byte, depth int) bool {
	if len(b) > 10 && b[0] == 0xc3 && b[1] == 1 { // Avro's single-object encoding
		if s := d.cfg.Schemas.ByFingerprint([8]byte(b[2:10])); s != nil {
			d.ofSchema(s, framed{value: b[10:]}, depth)
			return true
		}
		return false
	}
	f, ok := cutFrame(d.rec, b)
	if !ok {
		return false
	}
	s, err := d.cfg.Schemas.Schema(f.id)
	if err != nil {
		d.refuse(schemaReason(err), err.Error())
		return true
	}
	d.ofSchema(s, f, depth)
	return true
}

func schemaReason(err error) Reason {
	var unavailable *schema.Unavailable
	if errors.As(err, &unavailable) {
		return SchemaUnavailable
	}
	return Schema
}

func (d *Decoder) ofSchema(s *schema.Schema, f framed, depth int) {
	if s.Kind() == schema.JSON {
		if text := trim(f.value); !startsJSON(text) || !d.json(text, depth) {
			d.refuse(InvalidJSON, "the value is not JSON, as its schema demands: "+clip(f.value))
		}
		return
	}
	var err error
	if f.apart {
		d.translated, err = s.AppendMessage(d.translated[:0], f.indexes, f.value)
	} else {
		d.translated, err = s.AppendJSON(d.translated[:0], f.value)
	}
	if err != nil {
		d.refuse(InvalidFormat, fmt.Sprintf("%v %s: %v", s.Kind(), f.id, err))
		return
	}
	d.asJSON(s.Kind().String(), depth)
}

// asJSON reads a value that was translated into JSON.
func (d *Decoder) asJSON(format string, depth int) {
	b := d.translated
	switch {
	case b[0] == '{':
		d.root.Read(b)
		d.object(b, format)
	case !startsJSON(b) || !d.json(b, depth):
		d.text(b)
	}
}

// AwaitSchema returns why a record has to wait for its schema: nil if it names none, if the schema
// is known, or if it makes no sense and never will.
func AwaitSchema(source schema.Source, rec *models.Record) error {
	id, ok := SchemaOf(rec)
	if !ok {
		return nil
	}
	if _, err := source.Schema(id); err != nil && schemaReason(err) == SchemaUnavailable {
		return err
	}
	return nil
}
