package decode

import (
	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findService finds the service: what the envelope says, what the line says, the labels, the
// record's headers, and the container. A line cannot replace a service that its envelope names, or
// a producer could take it out of the scope of a rule.
func (l *Log) findService() Value {
	layers := l.platformFirst()
	for _, x := range layers {
		if v, at := l.in(x).service(); v.Kind != Absent {
			l.note(FieldService, at)
			return v
		}
	}
	for _, x := range layers {
		if v, at := l.in(x).textOf(&l.d.plan.serviceLabels); at != jsonscan.NoSlot {
			l.note(FieldService, at)
			return v
		}
	}
	for _, name := range [...]string{"service", "service.name", "service_name", "app"} {
		if v := l.header(name); len(v) > 0 {
			l.from[FieldService] = fromHeader
			return Value{String, v}
		}
	}
	v := l.Value(FieldContainer)
	l.from[FieldService] = l.source(FieldContainer)
	return v
}

// service finds the service that the layer names.
func (x layer) service() (Value, jsonscan.Slot) {
	p, h := x.d.plan, &x.d.plan.hints
	if v, at := x.textOf(&p.fields[FieldService]); at != jsonscan.NoSlot {
		return v, at
	}
	at := jsonscan.NoSlot
	switch {
	// pino and bunyan
	case x.Has.Has(h.name) && x.Has.Has(h.pid) && x.Has.Has(h.hostname) &&
		(x.Has.Has(h.level) || x.Has.Has(h.time)):
		at = h.name
	case x.Has.Has(h.ident) && (x.Has.Has(h.pri) || x.Has.Has(h.pid)):
		at = h.ident
	case x.Has.Has(h.eventSource) && x.Has.Has(h.eventName): // CloudTrail
		at = h.eventSource
	// Spring Boot's GELF has the name of the application for its host
	case x.Has.Has(h.shortMessage) && x.Has.Has(h.bootLogger) && x.Has.Has(h.host):
		at = h.host
	}
	if at == jsonscan.NoSlot {
		return Value{}, at
	}
	return x.scalar(x.Spans[at]), at
}
