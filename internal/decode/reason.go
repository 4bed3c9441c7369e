package decode

// Reason is why a record, or one member of a batch, yields no log: a short constant word, fit for a
// metric's label.
type Reason string

const (
	// no value at all: the record deletes a key of a compacted topic
	Tombstone  Reason = "tombstone"
	Empty      Reason = "empty"       // a value without content
	EmptyBatch Reason = "empty_batch" // a batch of no logs
	// a message of the transport to itself, such as CloudWatch's test of a subscription
	Control Reason = "control"

	InvalidJSON   Reason = "invalid_json"        // not JSON, where the format demands it
	InvalidMember Reason = "invalid_member"      // a member of a batch that is no log
	InvalidFormat Reason = "invalid_format"      // not of the format to which the records are held
	Schema        Reason = "schema"              // Avro or protobuf, framed for a schema registry
	Binary        Reason = "binary"              // neither text nor a binary format that is known
	Bomb          Reason = "decompression_bomb"  // more than a record may expand to
	Corrupt       Reason = "corrupt_compression" // compressed, but the bytes are damaged
	// the rest of a batch of more logs than a record may hold
	TooManyMembers Reason = "too_many_members"
)

// Drop says that nothing is wrong: there was no log in the record. Any other reason is an error,
// and the record is worth keeping for whoever looks into it.
func (r Reason) Drop() bool {
	switch r {
	case Tombstone, Empty, EmptyBatch, Control:
		return true
	}
	return false
}

// Notice is something that a log had wrong without being refused for it.
type Notice uint8

const (
	// the time was unreadable, absurd or in the future: the record's was taken
	NoticeTime      Notice = iota
	NoticeRepaired         // JSON that was cut off: read up to the cut
	NoticePartial          // a part of a line that a container runtime split
	NoticeFieldsCut        // an entry had more fields than are copied
	noticeCount
)

// String is the notice's word for metrics.
func (n Notice) String() string {
	return [...]string{"time_replaced", "json_cut_off", "partial_line", "fields_cut"}[n]
}

// Notices returns how often each notice was given since the decoder was made.
func (d *Decoder) Notices() map[Notice]uint64 {
	all := make(map[Notice]uint64, noticeCount)
	for n, count := range d.notices {
		all[Notice(n)] = count
	}
	return all
}

func (d *Decoder) notice(n Notice) { d.notices[n]++ }
