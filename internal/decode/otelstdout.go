package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// exportedNames are the names of a log record that its attributes must not have.
var exportedNames = newHeaderNames(
	map[FieldID]string{FieldMessage: "body"},
	"timestamp", "severityNumber", "severityText", "traceId", "spanId",
)

// appendExported rewrites a log as the stdout exporter of OpenTelemetry's SDK for Go writes it, and
// reports whether the object is one. Its attributes and those of its resource become members.
//
//	{"Timestamp":"2026-05-04T10:11:12Z","Severity":17,"Body":{"Type":"String","Value":"failed"},
//	"Attributes":[{"Key":"order","Value":{"Type":"String","Value":"A-1"}}],"Resource":[...]}
func appendExported(dst, doc []byte) ([]byte, bool) {
	body, b := member(doc, []byte("Body"))
	resource, r := member(doc, []byte("Resource"))
	if _, t := member(body, []byte("Type")); b.Kind != Object || t.Kind != String ||
		r.Kind != Array {
		return dst, false
	}
	if attributes, a := member(doc, []byte("Attributes")); a.Kind == Array {
		dst = appendExportedPairs(dst, attributes, 0)
	}
	dst = appendExportedPairs(dst, resource, 0) // the last of equal names counts
	jsonscan.Members(doc, func(key []byte, _ uint8, v jsonscan.Span) bool {
		value := doc[v.Start:v.End]
		name := string(key)
		switch name {
		case "Attributes", "Resource":
			return true
		case "Body":
			dst = appendExportedValue(appendName(dst, "body"), value, 0)
			return true
		case "Timestamp":
			name = "timestamp"
			if bytes.HasPrefix(value, []byte("0001-")) { // none
				return true
			}
		case "Severity":
			name = "severityNumber"
		case "SeverityText":
			name = "severityText"
		case "TraceID", "SpanID":
			name = map[string]string{"TraceID": "traceId", "SpanID": "spanId"}[name]
			if len(bytes.Trim(value, "0")) == 0 { // none
				return true
			}
		case "Scope":
			if scope, s := member(value, []byte("Name")); s.Kind == String && len(scope) > 0 {
				dst = appendSpan(appendName(dst, "otel.scope.name"), value, s)
			}
			return true
		}
		dst = appendSpan(appendKey(dst, name), doc, v)
		return true
	})
	return dst, true
}

// appendExportedPairs appends pairs as members, at depth 0 under other names than the record's.
func appendExportedPairs(dst, list []byte, depth int) []byte {
	jsonscan.Elements(list, func(s jsonscan.Span) bool {
		if s.Kind != Object {
			return true
		}
		pair := list[s.Start:s.End]
		key, k := member(pair, []byte("Key"))
		value, v := member(pair, []byte("Value"))
		if k.Kind == String && v.Kind == Object {
			name := jsonscan.AppendText(nil, key, k.Flags)
			if depth == 0 {
				name = exportedNames.of(name)
			}
			dst = appendExportedValue(appendKey(dst, string(name)), value, depth)
		}
		return true
	})
	return dst
}

// appendExportedValue appends a value, {"Type":"Int64","Value":7}, as plain JSON.
func appendExportedValue(dst, object []byte, depth int) []byte {
	value, v := member(object, []byte("Value"))
	kind, _ := member(object, []byte("Type"))
	switch {
	case v.Kind == Absent || depth > maxAnyDepth:
		return append(dst, "null"...)
	case v.Kind == Array && string(kind) == "Map":
		return append(appendExportedPairs(append(dst, '{'), value, depth+1), '}')
	case v.Kind == Array && string(kind) == "Slice":
		dst = append(dst, '[')
		first := true
		jsonscan.Elements(value, func(s jsonscan.Span) bool {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if s.Kind == Object {
				dst = appendExportedValue(dst, value[s.Start:s.End], depth+1)
			} else {
				dst = append(dst, "null"...)
			}
			return true
		})
		return append(dst, ']')
	}
	return appendSpan(dst, object, v)
}
