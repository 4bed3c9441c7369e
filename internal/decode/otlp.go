package decode

import (
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// maxAnyDepth is how deep a value of OpenTelemetry's data model may nest; deeper parts are null.
const maxAnyDepth = 64

// otlpPrefix is how an export request in OTLP's JSON begins.
const otlpPrefix = `{"resourceLogs":[`

// otlpWhole emits the logs of an export request that is all of a value, and says whether it is.
func (d *Decoder) otlpWhole(b []byte) bool {
	at := len(otlpPrefix) - 1
	end := jsonscan.SkipContainer(b, at+1, '[')
	if end < 0 {
		return false
	}
	if end = jsonscan.SkipBlank(b, end); end >= len(b) || b[end] != '}' ||
		jsonscan.SkipBlank(b, end+1) != len(b) {
		return false
	}
	d.otlpJSON(b, at)
	d.envelope, d.resource, d.sharing.part = nil, nil, 0
	return true
}

// otlpJSON emits the log records of an export request in OTLP's JSON. The array of its resource
// logs begins at doc[at], and its brackets were checked. A log has three layers: the record, its
// resource, and its attributes. Each is a flat in doc itself, which is read once.
func (d *Decoder) otlpJSON(doc []byte, at int) {
	d.otlpCount = 0
	d.eachIn(doc, at, func(at int) int {
		return d.otlpResource(doc, at)
	})
	d.flat.bytes = nil
	if d.otlpCount == 0 {
		d.refuse(EmptyBatch, "the export holds no log record")
	}
}

// eachIn calls f for each object of the array at doc[at], and returns the index after the array. f
// returns the index after the object, negative if it is damaged. Such a member, and one that is no
// object, is refused.
func (d *Decoder) eachIn(doc []byte, at int, f func(at int) int) int {
	i := jsonscan.SkipBlank(doc, at+1)
	for i < len(doc) && doc[i] != ']' {
		end := -1
		if doc[i] == '{' {
			end = f(i)
		}
		if end < 0 {
			d.otlpCount++
			d.refuse(InvalidMember, "a member of an export is invalid: "+clip(doc[i:]))
			if end, _ = jsonscan.ScanValue(doc, i); end < 0 {
				return len(doc)
			}
		}
		if i = jsonscan.SkipBlank(doc, end); i < len(doc) && doc[i] == ',' {
			i = jsonscan.SkipBlank(doc, i+1)
		} else if i < len(doc) && doc[i] != ']' {
			return len(doc)
		}
	}
	return i + 1
}

// otlpGroup reads the group of logs at doc[at]: what they share under the key shared, and the logs
// under the key logs or oldLogs. Most senders write the shared part first. Otherwise the logs are
// read at the end of the group.
func otlpGroup(
	doc []byte, at int, shared, logs, oldLogs string, share func(at int), read func(at int) int,
) int {
	known := false
	var later []int
	end := jsonscan.EachMember(doc, at, func(key []byte, _ uint8, i int) int {
		switch string(key) {
		case shared:
			known = true
			share(i)
		case logs, oldLogs:
			if doc[i] != '[' {
				break
			}
			if known {
				return read(i)
			}
			later = append(later, i)
		}
		end, _ := jsonscan.ScanValue(doc, i)
		return end
	})
	if !known {
		share(-1)
	}
	for _, at := range later {
		read(at)
	}
	return end
}

func (d *Decoder) otlpResource(doc []byte, at int) int {
	return otlpGroup(doc, at, "resource", "scopeLogs", "instrumentationLibraryLogs",
		func(at int) { d.flatJSONResource(doc, at) },
		func(at int) int {
			return d.eachIn(doc, at, func(at int) int { return d.otlpScope(doc, at) })
		})
}

func (d *Decoder) otlpScope(doc []byte, at int) int {
	var scope jsonscan.Span
	return otlpGroup(doc, at, "scope", "logRecords", "logs",
		func(at int) { scope = scopeName(doc, at) },
		func(at int) int {
			return d.eachIn(doc, at, func(at int) int {
				d.otlpCount++
				return d.flatJSONRecord(doc, at, scope)
			})
		})
}

// scopeName returns where the name of a scope is, the zero span if it has none.
func scopeName(doc []byte, at int) (name jsonscan.Span) {
	if at < 0 || doc[at] != '{' {
		return name
	}
	jsonscan.EachMember(doc, at, func(key []byte, _ uint8, i int) int {
		end, v := jsonscan.ScanValue(doc, i)
		if v.Kind == String && v.End > v.Start && string(key) == "name" {
			name = v
		}
		return end
	})
	return name
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
