package decode

import (
	"slices"
	"strings"
)

// FieldID is the index of a field in a Fields set.
type FieldID int32

// The well-known fields stand first in every Fields, in this order.
const (
	FieldMessage FieldID = iota
	// a stack trace: exception.stacktrace, stack_trace, error.stack_trace, @x, ...
	FieldStack
	FieldLevel // the canonical word; for comparisons use Log.Severity
	FieldService
	FieldNamespace
	FieldPod
	FieldContainer
	FieldHost
	FieldTraceID
	FieldSpanID
	FieldLogSource
	FieldLogType
	FieldRaw       // the log's bytes, after decompression and splitting of batches
	FieldWellKnown // the number of well-known fields; the first ID of the others
)

// canonicalNames are the paths of the well-known fields.
var canonicalNames = [FieldWellKnown]string{
	"message", "stack", "level", "service", "namespace", "kubernetes.pod_name",
	"kubernetes.container_name", "host", "trace_id", "span_id",
	"log_source", "log_type", "raw",
}

// WellKnown are the names of the fields that all logs share, however they are spelled.
func WellKnown() []string { return slices.Clone(canonicalNames[:]) }

// aliases are the other names of the canonical paths. A name that programs also use for something
// else, such as app, name or event, is not an alias: a rule that uses it means the record's own
// field of that name.
var aliases = map[string]string{
	"msg": "message", "log": "message", "MESSAGE": "message", "body": "message", "Body": "message",
	"@message": "message", "@m": "message",
	"formattedMessage": "message", "RenderedMessage": "message", "short_message": "message",
	"textPayload": "message", "Message": "message",

	"stack_trace": "stack", "stacktrace": "stack", "exception.stacktrace": "stack",
	"error.stack_trace": "stack", "@x": "stack", "stackTrace": "stack",
	"error.stack": "stack", "err.stack": "stack", "exception.stack_trace": "stack",

	"log.level": "level", "severity": "level", "severity_text": "level", "severityText": "level",
	"SeverityText": "level", "loglevel": "level",
	"log_level": "level", "lvl": "level", "levelname": "level", "LogLevel": "level", "@l": "level",
	"@level": "level", "level.name": "level",
	"error_severity": "level", "Level": "level", "LEVEL": "level", "logLevel": "level",

	"service.name": "service", "service_name": "service", "serviceName": "service",
	"serviceContext.service": "service", "ServiceName": "service",
	"resource.service.name": "service",

	"namespace_name": "namespace", "kubernetes.namespace_name": "namespace",
	"kubernetes.namespace": "namespace", "kubernetes.pod_namespace": "namespace",
	"k8s.namespace.name": "namespace", "resource.labels.namespace_name": "namespace",
	"orchestrator.namespace": "namespace", "kube_namespace": "namespace",
	"kubernetes.namespace.name": "namespace",

	"pod": "kubernetes.pod_name", "pod_name": "kubernetes.pod_name",
	"pod.name": "kubernetes.pod_name", "kubernetes.pod": "kubernetes.pod_name",
	"kubernetes.pod.name": "kubernetes.pod_name", "k8s.pod.name": "kubernetes.pod_name",
	"resource.labels.pod_name": "kubernetes.pod_name",

	"container": "kubernetes.container_name", "container_name": "kubernetes.container_name",
	"container.name":                 "kubernetes.container_name",
	"kubernetes.container":           "kubernetes.container_name",
	"kubernetes.container.name":      "kubernetes.container_name",
	"k8s.container.name":             "kubernetes.container_name",
	"resource.labels.container_name": "kubernetes.container_name",

	"hostname": "host", "host.name": "host", "host.hostname": "host", "kubernetes.host": "host",
	"kubernetes.pod_node_name": "host",
	"kubernetes.node.name":     "host", "kubernetes.node_name": "host", "k8s.node.name": "host",
	"_HOSTNAME": "host", "source_host": "host",
	"agent.hostname": "host", "HOST": "host",

	"traceId": "trace_id", "traceID": "trace_id", "trace.id": "trace_id", "TraceId": "trace_id",
	"@tr": "trace_id", "dd.trace_id": "trace_id",
	"logging.googleapis.com/trace": "trace_id",

	"spanId": "span_id", "spanID": "span_id", "span.id": "span_id", "SpanId": "span_id",
	"@sp": "span_id", "dd.span_id": "span_id",
	"logging.googleapis.com/spanId": "span_id",

	"@timestamp": "timestamp",

	"docker.container_id":  "kubernetes.container_id",
	"kubernetes.docker_id": "kubernetes.container_id", "container.id": "kubernetes.container_id",
	"kubernetes.pod.ip": "kubernetes.pod_ip", "k8s.pod.ip": "kubernetes.pod_ip",

	"http.status_code": "http.status", "http.response.status_code": "http.status",
	"http.response.status": "http.status", "http.statusCode": "http.status",
	"http_status": "http.status", "http_status_code": "http.status",

	"exception.type": "exception.class", "exception.exception_class": "exception.class",
	"exception_class": "exception.class",
}

// Canonical returns the canonical path of a field: "service" for "service.name",
// "kubernetes.pod_name" for "pod", and the path itself for most. A path that begins with "fields."
// is the record's own field and never an alias.
func Canonical(path string) string {
	if c, ok := aliases[path]; ok {
		return c
	}
	return path
}

// OwnField is the name under which a rule reads a record's own field of this name and no other: the
// name itself, or, when that is a well-known one or is read from several fields, one that begins
// with "fields.". The message keeps its name.
func OwnField(name string) string {
	_, alias := aliases[name]
	_, side := sideFields[name]
	_, common := commonFields[name]
	wellKnown := slices.Contains(canonicalNames[:], name) || name == "line" || name == "timestamp"
	if name == "message" || !alias && !side && !common && !wellKnown {
		return name
	}
	return "fields." + name
}

// Fields is a set of requested fields: the well-known ones, and others by dotted path. It is
// immutable and may be shared.
type Fields struct {
	paths []string
	ids   map[string]FieldID
}

// NewFields returns the set of the well-known fields and the given paths. A path and its aliases
// (service.name for service, and so on) are one field.
func NewFields(paths ...string) *Fields {
	f := &Fields{ids: make(map[string]FieldID, len(paths)+int(FieldWellKnown))}
	for _, name := range canonicalNames {
		f.add(name)
	}
	for _, path := range paths {
		f.add(Canonical(path))
	}
	return f
}

func (f *Fields) add(path string) {
	if _, ok := f.ids[path]; ok || path == "" {
		return
	}
	_, of := extractions(path)
	for _, x := range of {
		f.add(Canonical(x.From))
	}
	f.ids[path] = FieldID(len(f.paths))
	f.paths = append(f.paths, path)
}

// ID returns the ID of a field, by canonical path or alias.
func (f *Fields) ID(path string) (FieldID, bool) {
	id, ok := f.ids[Canonical(path)]
	return id, ok
}

// Path returns the canonical path of a field.
func (f *Fields) Path(id FieldID) string { return f.paths[id] }

// Len is the number of fields.
func (f *Fields) Len() int { return len(f.paths) }

// spellings returns the paths at which a field that is not well known may be in a record, the most
// likely first.
func spellings(path string) []string {
	if own, ok := strings.CutPrefix(path, "fields."); ok && own != "" {
		return []string{path, own}
	}
	if known, ok := sideFields[path]; ok {
		return known
	}
	if known, ok := commonFields[path]; ok {
		return known
	}
	for _, kind := range []string{"labels", "annotations"} {
		if key, ok := strings.CutPrefix(path, "kubernetes."+kind+"."); ok && key != "" {
			return []string{
				path,
				"kubernetes.pod_" + kind + "." + key,
				"k8s.pod." + kind + "." + key,
				"k8s.pod." + kind[:len(kind)-1] + "." + key,
			}
		}
	}
	return []string{path}
}
