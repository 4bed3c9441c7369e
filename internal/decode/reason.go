package decode

// Reason says why a record, or one member of a batch, yields no log. It is a short constant word
// for a metric's label.
type Reason string

const (
	// no value: the record deletes a key of a compacted topic
	Tombstone  Reason = "tombstone"
	Empty      Reason = "empty"       // a value without content
	EmptyBatch Reason = "empty_batch" // a batch without logs
	// a control message of the transport, such as CloudWatch's test of a subscription
	Control Reason = "control"

	InvalidJSON   Reason = "invalid_json"   // not JSON, in a topic of format json
	InvalidMember Reason = "invalid_member" // a member of a batch that is not a log
	InvalidFormat Reason = "invalid_format" // not in the configured format
	Schema        Reason = "schema"         // Avro or protobuf of a schema registry
	// the schema cannot be had now; where that is found out in time, the partition waits instead
	SchemaUnavailable Reason = "schema_unavailable"
	Binary            Reason = "binary"              // neither text nor a known binary format
	Bomb              Reason = "decompression_bomb"  // expands beyond the limit
	Corrupt           Reason = "corrupt_compression" // compressed, but the bytes are damaged
	// the rest of a batch of more logs than a record may hold, or of logs that share too much
	TooManyMembers Reason = "too_many_members"
)

// Drop reports whether the record was read correctly and holds no log. Any other reason is an error
// whose record belongs into the dead letters.
func (r Reason) Drop() bool {
	switch r {
	case Tombstone, Empty, EmptyBatch, Control:
		return true
	}
	return false
}

// Notice is a fault of a log that was read in spite of it.
type Notice uint8

const (
	// the time was unreadable, implausible or in the future: the record's time was used
	NoticeTime      Notice = iota
	NoticeRepaired         // JSON read up to where it was cut off, or with values without quotes
	NoticePartial          // a part of a line that a container runtime split
	NoticeFieldsCut        // an entry had more fields than the limit
	NoticeCount
)

// String returns the notice's word for metrics.
func (n Notice) String() string {
	return [...]string{"time_replaced", "json_cut_off", "partial_line", "fields_cut"}[n]
}

// TakeNotices returns the count of each notice since the last call.
func (d *Decoder) TakeNotices() [NoticeCount]uint64 {
	counts := d.notices
	d.notices = [NoticeCount]uint64{}
	return counts
}

// notice counts a notice of the current log, once per log.
func (d *Decoder) notice(n Notice) {
	if d.noticed[n] != d.log.stamp {
		d.noticed[n] = d.log.stamp
		d.notices[n]++
	}
}
