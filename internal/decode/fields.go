package decode

// FieldID is the place of a field in a Fields.
type FieldID int32

// The well-known fields stand first in every Fields, in this order.
const (
	FieldMessage FieldID = iota
	FieldStack           // a stack trace: exception.stacktrace, stack_trace, error.stack_trace, @x, ...
	FieldLevel           // the canonical word; compare severities with Log.Severity
	FieldService
	FieldNamespace
	FieldPod
	FieldContainer
	FieldHost
	FieldTraceID
	FieldSpanID
	FieldLogSource
	FieldLogType
	FieldRaw       // the record's value as it is
	FieldWellKnown // the number of well-known fields; the first ID of the others
)

// Fields is the set of fields that somebody asks for: the well-known ones, and others by dotted path. It is immutable and may be shared.
type Fields struct{}

// NewFields returns the set of the well-known fields and the given paths. A path and its aliases (service.name for service, and so on) are one field.
func NewFields(paths ...string) *Fields { panic("not yet") }

// ID returns the place of a field, by canonical path or alias.
func (f *Fields) ID(path string) (FieldID, bool) { panic("not yet") }

// Path returns the canonical path of a field.
func (f *Fields) Path(id FieldID) string { panic("not yet") }

// Len is the number of fields.
func (f *Fields) Len() int { panic("not yet") }

// Canonical returns the path under which a field is known: "service" for "service.name", "kubernetes.pod_name" for "pod", and the path itself for most.
func Canonical(path string) string { panic("not yet") }
