package decode

import (
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// maxAnyDepth is how deep a value of OpenTelemetry's data model may nest; deeper parts are null.
const maxAnyDepth = 64

// otlpJSON emits the log records of an export request in OTLP's JSON. A log has three layers: the
// record, its resource, and its attributes.
func (d *Decoder) otlpJSON(resourceLogs []byte) {
	count := 0
	jsonscan.Elements(resourceLogs, func(s jsonscan.Span) bool {
		if s.Kind != Object {
			d.refuse(InvalidMember, "one of several resources is not one")
			return true
		}
		group := resourceLogs[s.Start:s.End]
		d.shared2 = append(d.shared2[:0], '{')
		if r, s := member(group, []byte("resource")); s.Kind == Object {
			d.shared2 = appendAttributes(d.shared2, r)
		}
		d.shared2 = append(d.shared2, '}')
		d.resource = d.extractor(&d.resourceKept)
		d.resource.Read(d.shared2)
		for _, key := range []string{"scopeLogs", "instrumentationLibraryLogs"} {
			scopes, s := member(group, []byte(key))
			if s.Kind != Array {
				continue
			}
			jsonscan.Elements(scopes, func(s jsonscan.Span) bool {
				if s.Kind == Object {
					count += d.otlpScope(scopes[s.Start:s.End])
				}
				return true
			})
		}
		return true
	})
	if count == 0 {
		d.refuse(EmptyBatch, "the export holds no log record")
	}
}

func (d *Decoder) otlpScope(group []byte) (count int) {
	var scope []byte
	if v, s := member(group, []byte("scope")); s.Kind == Object {
		if name, s := member(v, []byte("name")); s.Kind == String && len(name) > 0 {
			scope = jsonscan.AppendText(nil, name, s.Flags)
		}
	}
	for _, key := range []string{"logRecords", "logs"} {
		records, s := member(group, []byte(key))
		if s.Kind != Array {
			continue
		}
		jsonscan.Elements(records, func(s jsonscan.Span) bool {
			count++
			if s.Kind != Object {
				d.refuse(InvalidMember, "one of several log records is not one")
				return true
			}
			d.otlpRecord(records[s.Start:s.End], scope)
			return true
		})
	}
	return count
}

func (d *Decoder) otlpRecord(record, scope []byte) {
	b := append(d.built[:0], '{')
	attributes := append(d.shared[:0], '{')
	jsonscan.Members(record, func(key []byte, _ uint8, v jsonscan.Span) bool {
		value := record[v.Start:v.End]
		switch string(key) {
		case "body":
			if v.Kind == Object {
				b = appendAny(appendKey(b, "body"), value, 0)
			}
		case "attributes":
			if v.Kind == Array {
				attributes = appendPairs(attributes, value, 0)
			}
		case "droppedAttributesCount":
		case "severityNumber":
			if string(value) != "0" {
				b = appendSpan(appendKey(b, "severityNumber"), record, v)
			}
		default:
			if v.Kind != Null && len(value) > 0 && string(value) != "0" {
				b = appendSpan(appendKey(b, string(key)), record, v)
			}
		}
		return true
	})
	d.shared = append(attributes, '}')
	d.finishOTLP(b, scope, "otlp_json", record)
}

// finishOTLP emits a log record whose own fields are in b and whose attributes are in d.shared.
func (d *Decoder) finishOTLP(b, scope []byte, format string, raw []byte) {
	if len(scope) > 0 {
		b = appendMember(b, "otel.scope.name", scope)
	}
	d.built = b
	d.envelope = d.extractor(&d.envelopeKept)
	d.envelope.Read(d.shared)
	d.emitBuilt(format, raw)
}

// appendAttributes appends the attributes of a holder, a list of keys and values, as members.
func appendAttributes(dst, holder []byte) []byte {
	list, s := member(holder, []byte("attributes"))
	if s.Kind != Array {
		return dst
	}
	return appendPairs(dst, list, 0)
}

func appendPairs(dst, list []byte, depth int) []byte {
	jsonscan.Elements(list, func(s jsonscan.Span) bool {
		if s.Kind != Object {
			return true
		}
		pair := list[s.Start:s.End]
		var k, v jsonscan.Span
		jsonscan.Members(pair, func(name []byte, _ uint8, found jsonscan.Span) bool {
			switch string(name) {
			case "key":
				k = found
			case "value":
				v = found
			}
			return true
		})
		if k.Kind != String {
			return true
		}
		key, value := pair[k.Start:k.End], pair[v.Start:v.End]
		if n := len(dst); n > 0 && dst[n-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), key...), '"', ':')
		if v.Kind != Object {
			dst = append(dst, "null"...)
			return true
		}
		dst = appendAny(dst, value, depth)
		return true
	})
	return dst
}

// appendAny appends a value of OpenTelemetry's data model, {"stringValue": "x"}, as plain JSON.
func appendAny(dst, any []byte, depth int) []byte {
	start := len(dst)
	jsonscan.Members(any, func(key []byte, _ uint8, v jsonscan.Span) bool {
		value := any[v.Start:v.End]
		switch string(key) {
		case "stringValue", "boolValue", "bytesValue":
			dst = appendSpan(dst, any, v)
		case "intValue", "doubleValue": // 64-bit integers are strings in OTLP's JSON
			if v.Kind == String && !jsonscan.IsNumber(value) {
				dst = appendSpan(dst, any, v)
			} else {
				dst = append(dst, value...)
			}
		case "arrayValue":
			dst = appendAnyArray(dst, value, v.Kind, depth+1)
		case "kvlistValue":
			dst = append(dst, '{')
			if list, s := member(value, []byte("values")); v.Kind == Object && s.Kind == Array &&
				depth < maxAnyDepth {
				dst = appendPairs(dst, list, depth+1)
			}
			dst = append(dst, '}')
		default:
			return true
		}
		return false
	})
	if len(dst) == start {
		dst = append(dst, "null"...)
	}
	return dst
}

func appendAnyArray(dst, holder []byte, kind Kind, depth int) []byte {
	dst = append(dst, '[')
	if kind != Object || depth >= maxAnyDepth {
		return append(dst, ']')
	}
	list, s := member(holder, []byte("values"))
	if s.Kind == Array {
		first := true
		jsonscan.Elements(list, func(s jsonscan.Span) bool {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if s.Kind != Object {
				dst = append(dst, "null"...)
				return true
			}
			dst = appendAny(dst, list[s.Start:s.End], depth)
			return true
		})
	}
	return append(dst, ']')
}
