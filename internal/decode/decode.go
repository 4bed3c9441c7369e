// Package decode reads log records: any format met on a topic, one pass over the bytes, and only the fields that somebody asks for.
package decode

import "github.com/log-monitoring/alert-engine/pkg/models"

// Config says how records of a topic are read. The zero Config detects the format of each record.
type Config struct {
	Format string // "auto" or "" to detect; else the name of a format, to which every record is held
}

// Decoder reads records. It has scratch of its own: one goroutine uses it at a time.
type Decoder struct{}

// New returns a decoder that finds the given fields.
func New(cfg Config, fields *Fields) (*Decoder, error) { panic("not yet") }

// Decode reads a record and calls each for every log in it, none included. What cannot be read is reported to reject, which may be called beside each: one bad
// member of a batch does not spoil the others. The record is not kept after Decode returns.
func (d *Decoder) Decode(rec *models.Record, each func(*Log), reject func(reason, detail string)) {
	panic("not yet")
}

// Entry presents a LogEntry as a Log, valid until the next call.
func (d *Decoder) Entry(e *models.LogEntry) *Log { panic("not yet") }
