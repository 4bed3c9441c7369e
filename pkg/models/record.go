package models

import "time"

// Position identifies one log: the topic, partition and offset of its record, and its place among
// the logs of that record.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Index     int    `json:"index,omitempty"`
}

// Record is a Kafka record as it was delivered. Key, Value and the header values may alias a buffer
// of the client that is reused after the poll in which the record was delivered: code that keeps a
// part of them longer copies it.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is a key and value beside a record.
type Header struct {
	Key   string
	Value []byte
}

// Rejection says that a record, or one log within it, could not be read. Rejected records go to the
// dead letters.
type Rejection struct {
	Record int    // index in the slice of records that was scanned
	Reason string // a short constant word for metrics, such as "invalid_json"
	Detail string // for users; bounded and free of control characters
}

// Progress says how far the reading of one partition has come. An engine that waits for time to
// pass needs it: only where Next has reached End does the absence of a log mean that none was
// written one.
type Progress struct {
	Topic     string
	Partition int32
	Next      int64 // the offset of the next record to be read; everything before it was evaluated
	End       int64 // the partition's high watermark, as of the last fetch answer
	// Next == End, confirmed by a fetch answer that was received after the last record was
	// evaluated
	CaughtUp bool
	// of a partition that another process reads: when it was caught up; zero for now
	At time.Time
	// it could not be reached, and producers may not have delivered yet what they have buffered:
	// its event time stands still
	Settling bool
	// of an engine whose scans are applied elsewhere, which incarnation of the topic it is, and how
	// many partitions the topic has; 0 when unknown
	TopicID    [16]byte
	Partitions int32
	// what is read now was evaluated by an earlier run: it rebuilds state, and what it decides is
	// not notified again
	Replay bool
}

// SourcePosition is how far a partition of one incarnation of a topic was read. Cluster and TopicID
// distinguish a topic from another of the same name, in another cluster or after it was deleted and
// created again.
type SourcePosition struct {
	Cluster   string
	TopicID   [16]byte
	Topic     string
	Partition int32
	Next      int64 // offset of the next record to be read
	Committed int64 // what the consumer group held when the position was taken; -1 when unknown
	Epoch     int32 // leader epoch of the record before Next; -1 when unknown
	// the partition was given up then, and another member may have read on since; what was read
	// before is part of the state all the same
	Left     bool
	Answered time.Time // when the partition was last known to be reachable; zero when unknown
	// when the last outage of the partition ended, and how long it was, until producers have
	// delivered what they had buffered; zero after that
	OutageEnded time.Time
	Outage      time.Duration
	// when the wait for producers began, which later gaps may have prolonged; zero for OutageEnded
	WaitBegan time.Time
}

// Partition names a partition of a topic.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// Scanner does the stateless half of evaluating records: it reads them and finds the rules that
// they match. One goroutine uses a Scanner at a time.
type Scanner interface {
	// Scan reads records of one partition, in offset order. Neither the result nor anything the
	// engine keeps aliases the records.
	Scan(records []Record) Scan
}

// Scan is the result of scanning some records, to be applied by the engine that made the scanner,
// in offset order.
type Scan interface {
	// Logs is the number of logs that were read.
	Logs() int
	// Rejected lists what could not be read. The slice is valid until the scan is applied.
	Rejected() []Rejection
}
