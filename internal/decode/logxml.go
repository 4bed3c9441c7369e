package decode

import (
	"bytes"
)

// appendLogXML rewrites an event of a logger of Java in XML: java.util.logging, JBoss LogManager,
// log4j 1 and log4j 2; or a message of the alert log of an Oracle database.
//
//	<record><date>2026-05-04T10:11:12.345Z</date><level>SEVERE</level><message>failed</message>…
//	<log4j:event logger="shop" timestamp="1777889472345" level="ERROR"><log4j:message>…
//	<Event xmlns="http://logging.apache.org/log4j/2.0/events" level="ERROR"><Message>…
func appendLogXML(dst, b []byte) ([]byte, bool) {
	b = bytes.TrimSpace(b)
	if bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<log>")) {
		// the first event of a file
		if i := bytes.Index(b[:min(len(b), 300)], []byte("<record>")); i > 0 {
			b = b[i:]
		}
	}
	switch {
	case bytes.HasPrefix(b, []byte("<record>")):
		b = bytes.TrimSpace(bytes.TrimSuffix(b, []byte("</log>")))
		if bytes.HasSuffix(b, []byte("</record>")) {
			return appendJULXML(dst, b)
		}
	case bytes.HasPrefix(b, []byte("<log4j:event ")):
		if bytes.HasSuffix(b, []byte("</log4j:event>")) {
			return appendLog4jXML(dst, b, "log4j:message", "log4j:throwable")
		}
	case bytes.HasPrefix(b, []byte("<msg time=")):
		if bytes.HasSuffix(b, []byte("</msg>")) {
			return appendOracleXML(dst, b)
		}
	case bytes.HasPrefix(b, []byte("<Event ")):
		end := tagEnd(b, 1)
		if end > 0 && bytes.Contains(b[:end], []byte("logging.apache.org/log4j")) {
			return appendLog4jXML(dst, b, "Message", "ExtendedStackTrace")
		}
	}
	return dst, false
}

// appendLog4jXML appends an event of log4j, whose header is the attributes of its first tag.
func appendLog4jXML(dst, b []byte, message, stack string) ([]byte, bool) {
	if bytes.Count(b, []byte("</"+message+">")) > 1 { // several events
		return dst, false
	}
	event, rest, ok := nextElement(b)
	if !ok {
		return dst, false
	}
	for _, pair := range [...][2]string{
		{"timestamp", "timestamp"}, {"timeMillis", "timestamp"}, {"level", "level"},
		{"logger", "logger"}, {"loggerName", "logger"}, {"thread", "thread"},
	} {
		dst = appendBytes(dst, pair[1], unescapeXML(event.attribute(pair[0])))
	}
	dst = appendKnown(dst, "message", xmlText(rest, message))
	return appendBytes(dst, "stack_trace", bytes.TrimSpace(xmlText(rest, stack))), true
}

// appendOracleXML appends a message of the alert log of an Oracle database, whose attributes are
// its fields. Its level is a number of its own scale, and its type tells an error.
//
//	<msg time='2026-05-04T10:11:12.345+00:00' comp_id='rdbms' type='INCIDENT_ERROR' level='1'
//	 host_id='db1' host_addr='10.0.0.7' pid='4711'><txt>ORA-00600: internal error</txt></msg>
func appendOracleXML(dst, b []byte) ([]byte, bool) {
	if bytes.Count(b, []byte("</msg>")) > 1 {
		return dst, false
	}
	msg, rest, ok := nextElement(b)
	if !ok {
		return dst, false
	}
	for _, pair := range [...][2]string{
		{"time", "timestamp"}, {"host_id", "host"}, {"host_addr", "host_addr"},
		{"comp_id", "comp_id"}, {"org_id", "org_id"}, {"msg_id", "msg_id"}, {"type", "type"},
		{"group", "group"}, {"level", "message_level"}, {"pid", "pid"}, {"module", "module"},
		{"client_id", "client_id"}, {"user_id", "user_id"}, {"prob_key", "prob_key"},
		{"incident_id", "incident_id"}, {"con_name", "con_name"},
	} {
		dst = appendBytes(dst, pair[1], unescapeXML(msg.attribute(pair[0])))
	}
	switch kind := msg.attribute("type"); {
	case bytes.HasSuffix(kind, []byte("ERROR")):
		dst = appendKnown(dst, "level", []byte("ERROR"))
	case string(kind) == "WARNING":
		dst = appendKnown(dst, "level", []byte("WARN"))
	case string(kind) == "NOTIFICATION":
		dst = appendKnown(dst, "level", []byte("INFO"))
	}
	return appendKnown(dst, "message", bytes.TrimSpace(xmlText(rest, "txt"))), true
}

// appendJULXML appends a record of java.util.logging or JBoss LogManager.
func appendJULXML(dst, b []byte) ([]byte, bool) {
	if bytes.Count(b, []byte("<record>")) > 1 {
		return dst, false
	}
	record, thrown, _ := bytes.Cut(b, []byte("<exception"))
	at := xmlText(record, "timestamp")
	if at == nil {
		at = xmlText(record, "date")
	}
	word := xmlText(record, "level")
	if len(at) == 0 || len(word) == 0 {
		return dst, false
	}
	dst = appendKnown(appendKnown(dst, "timestamp", at), "level", word)
	for _, pair := range [...][2]string{
		{"logger", "logger"}, {"loggerName", "logger"}, {"class", "class"}, {"method", "method"},
		{"thread", "thread"}, {"threadName", "thread"}, {"hostName", "host"},
		{"processName", "process"}, {"processId", "pid"},
	} {
		dst = appendBytes(dst, pair[1], xmlText(record, pair[0]))
	}
	dst = appendKnown(dst, "message", xmlText(record, "message"))
	if thrown != nil {
		dst = appendBytes(dst, "stack_trace", xmlStack(thrown))
	}
	return dst, true
}

// xmlStack renders the exceptions of a record as Java prints a stack trace.
func xmlStack(t []byte) []byte {
	var out []byte
	for n := range 20 {
		one, cause, more := bytes.Cut(t, []byte("<causedBy>"))
		if n > 0 {
			out = append(out, "\nCaused by: "...)
		}
		class, message := xmlText(one, "exceptionType"), xmlText(one, "message")
		out = append(out, class...)
		if len(class) > 0 && len(message) > 0 {
			out = append(out, ": "...)
		}
		out = append(out, message...)
		for range maxXML {
			_, frame, ok := bytes.Cut(one, []byte("<frame>"))
			if !ok {
				break
			}
			frame, one, _ = bytes.Cut(frame, []byte("</frame>"))
			out = append(append(out, "\n\tat "...), xmlText(frame, "class")...)
			out = append(append(out, '.'), xmlText(frame, "method")...)
			if line := xmlText(frame, "line"); len(line) > 0 {
				out = append(append(append(out, '('), line...), ')')
			}
		}
		if t = cause; !more {
			break
		}
	}
	return out
}

// xmlText returns the text of the first element with a name, nil if there is none.
func xmlText(b []byte, name string) []byte {
	open := bytes.Index(b, []byte("<"+name+">"))
	if open < 0 {
		return nil
	}
	t := b[open+len(name)+2:]
	end := bytes.Index(t, []byte("</"+name+">"))
	if end < 0 {
		return nil
	}
	t = t[:end]
	const cdata, closing = "<![CDATA[", "]]>"
	if !bytes.Contains(t, []byte(cdata)) {
		return unescapeXML(t)
	}
	out := make([]byte, 0, len(t))
	for {
		before, rest, ok := bytes.Cut(t, []byte(cdata))
		out = append(out, unescapeXML(before)...)
		if !ok {
			return out
		}
		within, after, _ := bytes.Cut(rest, []byte(closing))
		out, t = append(out, within...), after
	}
}
