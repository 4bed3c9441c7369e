package decode

import (
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Kind is the kind of a value.
type Kind uint8

const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is the value of a field. Text is the text of a string with its escapes resolved, the digits of a number as they were written, true or false, or the JSON
// of an array or object. It is valid until the decoder that made it reads the next log.
type Value struct {
	Kind Kind
	Text []byte
}

// Each calls f for the value itself, or for every member of an array (also of arrays within it), until f returns false. Null members are skipped.
func (v Value) Each(f func(Value) bool) { panic("not yet") }

// Log is a log as a decoder found it: lazily, with the fields that somebody asked for. It belongs to its decoder and is valid until the decoder reads the next
// one; Entry makes a copy that lasts.
type Log struct{}

// Value returns the field with the ID.
func (l *Log) Value(id FieldID) Value { panic("not yet") }

// Lookup finds any field by its dotted path, asked for beforehand or not. It is for templates and explanations: it may read the record again.
func (l *Log) Lookup(path string) Value { panic("not yet") }

// Severity is the OpenTelemetry severity number, 0 when unknown.
func (l *Log) Severity() int { panic("not yet") }

// Time is the log's event time, in nanoseconds since 1970.
func (l *Log) Time() int64 { panic("not yet") }

// RecordTime is the timestamp of the record that held the log, in nanoseconds since 1970.
func (l *Log) RecordTime() int64 { panic("not yet") }

// Position says where the log stands.
func (l *Log) Position() models.Position { panic("not yet") }

// Format names the format that the log was read as.
func (l *Log) Format() string { panic("not yet") }

// Entry builds the full LogEntry, which owns its memory.
func (l *Log) Entry() models.LogEntry { panic("not yet") }

var _ = time.Time{}
