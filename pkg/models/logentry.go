// Package models holds the values that travel between the parts of alert-engine: a record as Kafka
// delivered it, the log entry read from it, and the alert raised over log entries. The package has
// no behaviour beyond reading and writing these values, and imports nothing of the project.
package models

import "time"

// LogEntry is one log, whatever format it was written in. A Kafka record holds none, one or many of
// them; Position says which one this is.
//
// Timestamps are the application's own where it gave one, else the Kafka record's; TimestampSource
// says which. A LogEntry owns all its memory: it may be kept after the record it came from is gone.
type LogEntry struct {
	Timestamp time.Time `json:"timestamp"`
	// the key it was read from; "kafka" for the record's own
	TimestampSource string `json:"timestamp_source,omitempty"`
	// canonical upper-case word: INFO, WARN, ERROR, ...; UNKNOWN when it is not known, "" for an
	// object that has none
	Level string `json:"level"`
	// OpenTelemetry severity number, 1 to 24; 0 when unknown
	Severity   int        `json:"severity"`
	Message    string     `json:"message"`
	Service    string     `json:"service,omitempty"`
	Namespace  string     `json:"namespace,omitempty"`
	Kubernetes Kubernetes `json:"kubernetes,omitzero"`
	Host       string     `json:"host,omitempty"`
	Hostname   string     `json:"hostname,omitempty"`
	LogSource  string     `json:"log_source,omitempty"`
	LogType    string     `json:"log_type,omitempty"`
	TraceID    string     `json:"trace_id,omitempty"`
	SpanID     string     `json:"span_id,omitempty"`
	Raw        string     `json:"raw,omitempty"`
	// every other field; numbers are json.Number, so no digit is lost
	Fields   map[string]any `json:"fields,omitempty"`
	Position Position       `json:"position,omitzero"`
}

// Kubernetes says which container wrote a log.
type Kubernetes struct {
	NamespaceName string            `json:"namespace_name,omitempty"`
	PodName       string            `json:"pod_name,omitempty"`
	ContainerName string            `json:"container_name,omitempty"`
	ContainerID   string            `json:"container_id,omitempty"`
	PodIP         string            `json:"pod_ip,omitempty"`
	PodOwner      string            `json:"pod_owner,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}
