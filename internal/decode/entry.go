package decode

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

const (
	maxEntryFields = 10_000 // values of an entry's Fields, at all depths together
	maxEntryDepth  = 64     // depth of objects; deeper values are kept as JSON text
)

// Entry builds the full LogEntry, which owns its memory. Fields holds what has no other place in
// the entry, merged from all layers of the log; the inner of two equal keys wins.
func (l *Log) Entry() models.LogEntry {
	l.inFull()
	text := func(id FieldID) string { return string(l.Value(id).Text) }
	e := models.LogEntry{
		Timestamp:       time.Unix(0, l.Time()).UTC(),
		TimestampSource: l.TimeSource(),
		Level:           text(FieldLevel),
		Severity:        l.Severity(),
		Message:         validString(l.Value(FieldMessage).Text),
		Service:         text(FieldService),
		Namespace:       text(FieldNamespace),
		Host:            text(FieldHost),
		LogSource:       text(FieldLogSource),
		LogType:         text(FieldLogType),
		TraceID:         text(FieldTraceID),
		SpanID:          text(FieldSpanID),
		Raw:             validString(l.rawText()),
		Position:        l.Position(),
		Kubernetes: models.Kubernetes{
			NamespaceName: text(FieldNamespace),
			PodName:       text(FieldPod),
			ContainerName: text(FieldContainer),
			ContainerID:   l.side("kubernetes.container_id"),
			PodIP:         l.side("kubernetes.pod_ip"),
			PodOwner:      l.side("kubernetes.pod_owner"),
			Labels:        l.stringMap(l.d.plan.labels),
			Annotations:   l.stringMap(l.d.plan.annos),
		},
	}
	if l.namesNoLevel() {
		e.Level = ""
	}
	if h := l.d.plan.hints.hostname; l.root.Has.Has(h) {
		e.Hostname = string(l.in(l.root).scalar(l.root.Spans[h]).Text)
	}
	if e.Namespace != "" && e.Kubernetes.PodName == "" && e.Kubernetes.ContainerName == "" &&
		!l.inKubernetes() {
		e.Kubernetes.NamespaceName = ""
	}
	e.Fields = l.otherFields(&e)
	return e
}

// namesNoLevel reports whether the log is an object without a candidate of the level. An unreadable
// level, and that of text without one, is UNKNOWN.
func (l *Log) namesNoLevel() bool {
	l.findLevel()
	if raw := trim(l.rawText()); l.isText || len(raw) == 0 || raw[0] != '{' ||
		l.from[FieldLevel] != fromDefault ||
		l.d.cfg.DefaultLevel != "" {
		return false
	}
	for _, layers := range [][]*jsonscan.Extractor{{l.root}, l.over, l.under} {
		for _, x := range layers {
			if n, _ := l.d.plan.level.Present(x.Has); n > 0 {
				return false
			}
		}
	}
	return true
}

// inKubernetes reports whether the namespace came from a field that only Kubernetes logs have.
func (l *Log) inKubernetes() bool {
	from := l.Source(FieldNamespace)
	return strings.HasPrefix(from, "kubernetes") || strings.HasPrefix(from, "k8s") ||
		from == "namespace_name"
}

func validString(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// side returns the text of one of the side fields.
func (l *Log) side(path string) string {
	c := l.d.plan.sides[path]
	for _, x := range l.platformFirst() {
		if v, at := l.in(x).textOf(&c); at != jsonscan.NoSlot {
			return string(v.Text)
		}
	}
	return ""
}

// stringMap returns the first object of some candidates, with its values as texts.
func (l *Log) stringMap(candidates []jsonscan.Choice) map[string]string {
	for _, c := range candidates {
		for _, x := range l.platformFirst() {
			v, at := l.in(x).anyOf(&c)
			if at == jsonscan.NoSlot || v.Kind != Object {
				continue
			}
			all := map[string]string{}
			jsonscan.Members(v.Text, func(key []byte, flags uint8, s jsonscan.Span) bool {
				if s.Kind != Null {
					all[string(jsonscan.AppendText(nil, key, flags))] = string(
						jsonscan.AppendText(nil, v.Text[s.Start:s.End], s.Flags),
					)
				}
				return len(all) < maxEntryFields
			})
			if len(all) > 0 {
				return all
			}
		}
	}
	return nil
}

// otherFields collects the values that have no other place in the entry.
func (l *Log) otherFields(e *models.LogEntry) map[string]any {
	c := collector{l: l, left: maxEntryFields}
	all := map[string]any{}
	for _, x := range slices.Backward(slices.Clone(l.under)) {
		c.collect(all, x, e)
	}
	c.collect(all, l.root, e)
	for _, x := range l.over {
		c.collect(all, x, e)
	}
	if c.left <= 0 {
		l.d.notice(NoticeFieldsCut)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// collector builds the tree of the fields that are left.
type collector struct {
	l    *Log
	x    *jsonscan.Extractor
	left int
	used jsonscan.Bitset
}

func (c *collector) collect(into map[string]any, x *jsonscan.Extractor, e *models.LogEntry) {
	if x.Doc == nil {
		return
	}
	c.x = x
	c.used = c.usedSlots(e)
	c.object(into, x.Doc, 0, 0)
}

// object adds the members of an object of a node. It says whether any was left out for having a
// place elsewhere.
func (c *collector) object(into map[string]any, doc []byte, at int32, depth int) (used bool) {
	p := c.l.d.plan
	gelf := at == 0 && c.x.Has.Has(p.hints.shortMessage)
	jsonscan.Members(doc, func(key []byte, flags uint8, s jsonscan.Span) bool {
		name := string(jsonscan.AppendText(nil, key, flags))
		e, loose := jsonscan.Edge{Slot: jsonscan.NoSlot}, []jsonscan.Slot(nil)
		if at >= 0 {
			e, loose = p.Resolve(at, name)
		}
		if e.Slot != jsonscan.NoSlot && c.used.Has(e.Slot) ||
			slices.ContainsFunc(loose, func(s jsonscan.Slot) bool {
				return c.used.Has(s) && c.x.Spans[s].Flags&jsonscan.Folded != 0
			}) {
			used = true
			return true
		}
		if c.left--; c.left < 0 {
			return false
		}
		if at == 0 && (strings.HasPrefix(name, "@@") || gelf && strings.HasPrefix(name, "_")) {
			name = name[1:]
		}
		if s.Kind == Object && e.Child != 0 {
			below := map[string]any{}
			if c.object(below, doc[s.Start:s.End], e.Child, depth+1) && len(below) == 0 {
				delete(into, name)
				return true
			}
			into[name] = below
			return true
		}
		into[name] = c.value(doc, s, depth+1)
		return true
	})
	return used
}

func (c *collector) value(doc []byte, s jsonscan.Span, depth int) any {
	t := doc[s.Start:s.End]
	switch s.Kind {
	case Null:
		return nil
	case Bool:
		return len(t) == len("true")
	case Number:
		return json.Number(t)
	case Array, Object:
		if depth > maxEntryDepth {
			return validString(t)
		}
		if s.Kind == Object {
			below := map[string]any{}
			c.object(below, t, -1, depth)
			return below
		}
		list := []any{}
		jsonscan.Elements(t, func(s jsonscan.Span) bool {
			if c.left--; c.left < 0 {
				return false
			}
			list = append(list, c.value(t, s, depth+1))
			return true
		})
		return list
	}
	return string(jsonscan.AppendText(nil, t, s.Flags))
}

// usedSlots are the slots of a layer whose values have a place of their own in the entry. A value
// that stands under a name that is no alias of that place is kept among the fields as well, so that
// a rule on that name finds it.
func (c *collector) usedSlots(e *models.LogEntry) jsonscan.Bitset {
	l, x := c.l, c.x
	p, h := l.d.plan, &l.d.plan.hints
	used := jsonscan.NewBitset(p.Slots)
	take := func(choice *jsonscan.Choice, f func(s jsonscan.Span, at jsonscan.Slot) bool) {
		for _, at := range choice.Slots {
			if x.Has.Has(at) && f(x.Spans[at], at) {
				used.Set(at)
			}
		}
	}
	for id := range FieldRaw {
		if id == FieldLevel {
			continue
		}
		want := l.Value(id).Text
		take(&p.fields[id], func(s jsonscan.Span, at jsonscan.Slot) bool {
			if id == FieldMessage && s.Kind == Object {
				return at != h.logText && at != h.event || c.opened(at)
			}
			alias := Canonical(p.path(at)) == canonicalNames[id] ||
				id == FieldMessage && source(at) == l.source(id)
			return alias && id != FieldStack && (s.Kind == Null || c.sameText(id, s, want))
		})
	}
	take(&p.level, func(s jsonscan.Span, at jsonscan.Slot) bool {
		return Canonical(p.path(at)) == "level" &&
			(s.Kind == Null || s.Kind != Object && string(l.in(x).readLevel(at).word) == e.Level) ||
			at == h.severity && s.Kind == Number
	})
	take(&p.time, func(s jsonscan.Span, at jsonscan.Slot) bool {
		if p.path(at) == l.timeFrom {
			return true
		}
		t, ok := l.in(x).readTime(at)
		return ok && t == l.time && Canonical(p.path(at)) == "timestamp"
	})
	for path, choice := range p.sides {
		if path != "timestamp" {
			take(&choice, func(_ jsonscan.Span, at jsonscan.Slot) bool {
				return p.path(at) == path
			})
		}
	}
	for _, choice := range append(slices.Clone(p.labels), p.annos...) {
		take(&choice, func(s jsonscan.Span, _ jsonscan.Slot) bool { return s.Kind == Object })
	}
	for _, at := range [...]jsonscan.Slot{
		h.structured, h.jsonPayload, h.protoPayload, h.fields, h.bigAttributes, h.bigResource,
		h.resourceAttributes, h.logAttributes,
	} {
		if x == l.root && x.Has.Has(at) && x.Spans[at].Kind == Object {
			used.Set(at)
		}
	}
	if x == l.root && x.Has.Has(h.event) && x.Spans[h.event].Kind == Object && l.format == "hec" {
		used.Set(h.event)
	}
	if x.Has.Has(h.flatLabels) {
		used.Set(h.flatLabels)
	}
	for _, parts := range h.instants {
		if x.Has.Has(parts[0]) && p.path(parts[0]) == l.timeFrom {
			used.Set(parts[0])
			used.Set(parts[1])
		}
	}
	if x.Has.Has(h.message) && len(l.over) > 0 && x != l.over[len(l.over)-1] &&
		x.Spans[h.message].Kind == String {
		s := x.Spans[h.message]
		if v := l.in(x).valueOf(s).Text; len(v) > 5 && opens(v, jsonscan.Escaped) {
			used.Set(h.message)
		}
	}
	return used
}

// opened says whether the object in a slot is one of the layers above.
func (c *collector) opened(at jsonscan.Slot) bool {
	s := c.x.Spans[at]
	for _, over := range c.l.over {
		if len(over.Doc) == int(s.End-s.Start) && &over.Doc[0] == &c.x.Doc[s.Start] {
			return true
		}
	}
	return false
}

// sameText says whether a span says what the entry already says in another place.
func (c *collector) sameText(id FieldID, s jsonscan.Span, want []byte) bool {
	v := c.l.in(c.x).scalar(s)
	if v.Kind == Absent {
		return s.Kind == String // empty
	}
	if id == FieldMessage {
		return s.Kind == Array || string(c.l.d.tidy(v.Text, true)) == string(want) ||
			strings.TrimSpace(string(v.Text)) == strings.TrimSpace(string(want))
	}
	return s.Kind != Array && string(v.Text) == string(want)
}

// appendEntry appends an entry as JSON.
func appendEntry(b []byte, e *models.LogEntry) []byte {
	b = append(b, '{')
	if !e.Timestamp.IsZero() {
		b = e.Timestamp.UTC().AppendFormat(append(appendKey(b, "timestamp"), '"'), time.RFC3339Nano)
		b = append(b, '"')
	}
	b = appendMember(b, "level", []byte(e.Level))
	if e.Severity != 0 {
		b = strconv.AppendInt(appendKey(b, "severity"), int64(e.Severity), 10)
	}
	b = appendMember(b, "message", []byte(e.Message))
	b = appendString(b, "service", e.Service)
	b = appendString(b, "namespace", e.Namespace)
	b = appendKubernetes(b, &e.Kubernetes)
	b = appendString(b, "host", e.Host)
	b = appendString(b, "hostname", e.Hostname)
	b = appendString(b, "log_source", e.LogSource)
	b = appendString(b, "log_type", e.LogType)
	b = appendString(b, "trace_id", e.TraceID)
	b = appendString(b, "span_id", e.SpanID)
	if len(e.Fields) > 0 {
		b = appendTree(appendKey(b, "fields"), e.Fields)
	}
	return append(b, '}')
}

func appendKubernetes(b []byte, k *models.Kubernetes) []byte {
	start := len(b)
	b = append(appendKey(b, "kubernetes"), '{')
	empty := len(b)
	b = appendString(b, "namespace_name", k.NamespaceName)
	b = appendString(b, "pod_name", k.PodName)
	b = appendString(b, "container_name", k.ContainerName)
	b = appendString(b, "container_id", k.ContainerID)
	b = appendString(b, "pod_ip", k.PodIP)
	b = appendString(b, "pod_owner", k.PodOwner)
	b = appendStringMap(b, "labels", k.Labels)
	b = appendStringMap(b, "annotations", k.Annotations)
	if len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}

func appendString(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return appendMember(b, key, []byte(text))
}

func appendStringMap(b []byte, key string, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(appendKey(b, key), '{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendMember(b, k, []byte(m[k]))
	}
	return append(b, '}')
}

// appendTree appends a value of an entry's Fields. Members stand in the order of their keys, so
// that equal entries have equal texts.
func appendTree(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return jsonscan.AppendQuoted(b, []byte(v))
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		if !jsonscan.IsNumber([]byte(v)) {
			return jsonscan.AppendQuoted(b, []byte(v))
		}
		return append(b, v...)
	case float64:
		return appendFloat(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case map[string]any:
		b = append(b, '{')
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = appendTree(appendKey(b, k), v[k])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, member := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTree(b, member)
		}
		return append(b, ']')
	}
	text, err := json.Marshal(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}
