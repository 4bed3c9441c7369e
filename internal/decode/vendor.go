package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// maxXML bounds the elements of an event that are read.
const maxXML = 1000

// appendWindows rewrites an event of Windows in XML, as the Collector's receiver writes it with
// raw, and Vector, Wazuh and forwarders of events. Its data are fields under their names, as NXLog
// and Sigma have them. The message is the one that was rendered, else the whole event.
//
//	<Event xmlns='...'><System><Provider Name='Microsoft-Windows-Security-Auditing'/>
//	<EventID>4625</EventID><TimeCreated SystemTime='2026-05-04T10:11:12.3821234Z'/>
//	<Computer>dc-1</Computer></System>
//	<EventData><Data Name='TargetUserName'>ann</Data></EventData></Event>
func appendWindows(dst, b []byte) ([]byte, bool) {
	if !bytes.HasPrefix(b, []byte("<Event ")) && !bytes.HasPrefix(b, []byte("<Event>")) ||
		!bytes.HasSuffix(bytes.TrimRight(b, " \r\n"), []byte("</Event>")) ||
		bytes.Count(b, []byte("</Event>")) != 1 {
		return dst, false
	}
	var data [][]byte
	message := b
	section := ""
	found := false
	rest := b
	for range maxXML {
		var e xmlElement
		var ok bool
		if e, rest, ok = nextElement(rest); !ok {
			break
		}
		switch name := string(e.name); name {
		case "System", "EventData", "UserData", "RenderingInfo":
			if name != "System" || !found { // it comes first; what follows is data
				section = name
				continue
			}
		}
		switch section {
		case "System":
			found = true
			dst = appendSystem(dst, e)
		case "RenderingInfo":
			if string(e.name) == "Message" && len(e.text) > 0 {
				message = unescapeXML(e.text)
			}
		case "EventData", "UserData":
			name := windowsNames.of(unescapeXML(e.attribute("Name")))
			switch {
			case len(name) > 0:
				dst = appendMember(dst, string(name), unescapeXML(e.text))
			case string(e.name) == "Data":
				data = append(data, unescapeXML(e.text))
			case len(e.text) > 0:
				dst = appendMember(dst, string(windowsNames.of(e.name)), unescapeXML(e.text))
			}
		}
	}
	if !found {
		return dst, false
	}
	for i, text := range data {
		if i == 0 {
			dst = append(appendName(dst, "Data"), '[')
		} else {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendQuoted(dst, text)
		if i == len(data)-1 {
			dst = append(dst, ']')
		}
	}
	return appendKnown(dst, "message", message), true
}

// appendSystem appends what an element of an event's system section says.
func appendSystem(dst []byte, e xmlElement) []byte {
	switch name := string(e.name); name {
	case "Provider":
		dst = appendBytes(dst, "SourceName", unescapeXML(e.attribute("Name")))
	case "TimeCreated":
		dst = appendBytes(dst, "timestamp", e.attribute("SystemTime"))
	case "Computer":
		dst = appendBytes(dst, "Computer", unescapeXML(e.text))
	case "Execution":
		dst = appendBytes(dst, "ProcessID", e.attribute("ProcessID"))
		dst = appendBytes(dst, "ThreadID", e.attribute("ThreadID"))
	case "Security":
		dst = appendBytes(dst, "UserID", e.attribute("UserID"))
	case "EventID", "Level", "Task", "Opcode", "EventRecordID", "Version":
		dst = appendNumber(dst, name, e.text)
	case "Channel", "Keywords":
		dst = appendBytes(dst, name, unescapeXML(e.text))
	}
	return dst
}

// xmlElement is a start tag with its attributes, and the text behind it.
type xmlElement struct {
	name, attributes, text []byte
}

// nextElement reads up to the next start tag and the text behind it.
func nextElement(b []byte) (e xmlElement, rest []byte, ok bool) {
	for {
		open := bytes.IndexByte(b, '<')
		if open < 0 {
			return e, nil, false
		}
		end := tagEnd(b, open+1)
		if end < 0 {
			return e, nil, false
		}
		tag := b[open+1 : end]
		b = b[end+1:]
		if len(tag) == 0 || tag[0] == '/' || tag[0] == '?' || tag[0] == '!' {
			continue
		}
		empty := tag[len(tag)-1] == '/'
		tag = bytes.TrimSuffix(tag, []byte("/"))
		n := bytes.IndexAny(tag, " \t\r\n")
		if n < 0 {
			n = len(tag)
		}
		e.name, e.attributes = tag[:n], tag[n:]
		if !empty {
			n = bytes.IndexByte(b, '<')
			if n < 0 {
				n = len(b)
			}
			e.text = bytes.TrimSpace(b[:n])
		}
		return e, b, true
	}
}

// tagEnd returns the index of the bracket that closes a tag, which its attributes may hold, too.
func tagEnd(b []byte, i int) int {
	quote := byte(0)
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// attribute returns the value of an attribute, nothing if there is none.
func (e xmlElement) attribute(name string) []byte {
	for b := e.attributes; ; {
		b = bytes.TrimLeft(b, " \t\r\n")
		key, rest, ok := bytes.Cut(b, []byte("="))
		if !ok || len(rest) < 2 || rest[0] != '"' && rest[0] != '\'' {
			return nil
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return nil
		}
		if string(bytes.TrimSpace(key)) == name {
			return rest[1 : 1+end]
		}
		b = rest[end+2:]
	}
}

// unescapeXML resolves the five entities of XML and numbers of control characters, which are what
// Windows writes.
func unescapeXML(t []byte) []byte {
	if bytes.IndexByte(t, '&') < 0 {
		return t
	}
	return xmlEntities(t)
}

func xmlEntities(t []byte) []byte {
	out := make([]byte, 0, len(t))
	for len(t) > 0 {
		n := bytes.IndexByte(t, '&')
		if n < 0 {
			return append(out, t...)
		}
		out = append(out, t[:n]...)
		t = t[n:]
		end := bytes.IndexByte(t[:min(len(t), 8)], ';')
		c := byte(0)
		if end > 0 {
			switch string(t[1:end]) {
			case "lt":
				c = '<'
			case "gt":
				c = '>'
			case "amp":
				c = '&'
			case "quot":
				c = '"'
			case "apos", "#39":
				c = '\''
			case "#xD", "#13":
				c = '\r'
			case "#xA", "#10":
				c = '\n'
			case "#x9", "#9":
				c = '\t'
			}
		}
		if c == 0 {
			out, t = append(out, '&'), t[1:]
			continue
		}
		out, t = append(out, c), t[end+1:]
	}
	return out
}

// appendWebLogic rewrites a line of a server log of WebLogic, whose fields stand in angle brackets:
// time, severity, subsystem, machine, server, thread, user, transaction, context, milliseconds
// since 1970, perhaps properties, the ID of the message, and its text.
//
//	####<Nov 29, 2026 8:04:36,382 AM UTC> <Error> <Deployer> <host1> <AdminServer> <thread> <user>
//	<> <ctx> <1795939476382> <[severity-value: 8] > <BEA-149205> <Failed to initialize shop.>
func appendWebLogic(dst, b []byte) ([]byte, bool) {
	if !bytes.HasPrefix(b, []byte("####<")) {
		return dst, false
	}
	rest := b[4:]
	var fields [12][]byte
	const last = len(fields) - 1 // the text, with whatever brackets it has
	for n := 0; n < last; {
		end := angleEnd(rest)
		if end < 0 {
			return dst, false
		}
		field := rest[1:end]
		if n == 10 && len(field) > 0 && field[0] == '[' { // properties, of newer versions
			rest = bytes.TrimLeft(rest[end+1:], " ")
			continue
		}
		fields[n] = field
		n++
		rest = bytes.TrimLeft(rest[end+1:], " ")
	}
	text := bytes.TrimSpace(rest)
	if len(text) < 2 || text[0] != '<' {
		return dst, false
	}
	fields[last] = bytes.TrimSuffix(text[1:], []byte(">"))
	at := fields[9]
	if jsonscan.Digits(at) != len(at) || len(at) != 13 {
		at = fields[0]
	}
	for i, name := range [...]string{"timestamp", "level", "subsystem", "host", "server", "thread",
		"user", "transaction", "context", "", "message_id", "message"} {
		value := fields[i]
		switch i {
		case 0:
			value = at
		case 6: // <<WLS Kernel>>
			value = bytes.Trim(value, "<>")
		}
		if name != "" {
			dst = appendBytes(dst, name, bytes.TrimSpace(value))
		}
	}
	return dst, true
}

// angleEnd returns the index of the bracket that closes the one at t[0], -1 for none.
func angleEnd(t []byte) int {
	depth := 0
	for i := 0; i < len(t) && i < 2000; i++ {
		switch t[i] {
		case '<':
			depth++
		case '>':
			if depth--; depth == 0 {
				return i
			}
		}
		if depth == 0 {
			return -1
		}
	}
	return -1
}

// appendSnort rewrites an alert of Snort, or one that Suricata writes to its fast log. The message
// is the whole line.
//
//	11/29-08:04:36.382123  [**] [1:2010935:3] ET SCAN Suspicious inbound [**]
//	[Classification: Potentially Bad Traffic] [Priority: 2] {TCP} 203.0.113.9:44 -> 10.0.0.1:14
func appendSnort(dst, b []byte) ([]byte, bool) {
	if len(b) < 40 || b[0]-'0' > 1 {
		return dst, false
	}
	const mark = "[**] ["
	i := bytes.Index(b[:40], []byte(mark))
	if i < 0 {
		return dst, false
	}
	at, rest := bytes.TrimRight(b[:i], " "), b[i+len(mark):]
	if len(at) < 14 || len(at) > 32 || bytes.IndexByte(at, '-') < 0 {
		return dst, false
	}
	id, rest, ok := bytes.Cut(rest, []byte("] "))
	signature, rest, closed := bytes.Cut(rest, []byte(" [**]"))
	if !ok || !closed || bytes.Count(id, []byte(":")) != 2 {
		return dst, false
	}
	dst = appendKnown(dst, "message", b)
	dst = appendBytes(dst, "timestamp", at)
	dst = appendBytes(dst, "signature_id", id)
	dst = appendBytes(dst, "signature", bytes.Trim(signature, `"`))
	for {
		rest = bytes.TrimLeft(rest, " ")
		if len(rest) == 0 || rest[0] != '[' {
			break
		}
		var part []byte
		part, rest, _ = bytes.Cut(rest[1:], []byte("]"))
		if name, value, ok := bytes.Cut(part, []byte(": ")); ok {
			switch string(name) {
			case "Classification":
				dst = appendBytes(dst, "classification", value)
			case "Priority":
				dst = appendBytes(dst, "alert_priority", value)
			}
		}
	}
	if len(rest) > 2 && rest[0] == '{' {
		var protocol []byte
		protocol, rest, _ = bytes.Cut(rest[1:], []byte("} "))
		dst = appendBytes(dst, "protocol", protocol)
	}
	if from, to, ok := bytes.Cut(bytes.TrimSpace(rest), []byte(" -> ")); ok {
		dst = appendBytes(dst, "source_ip", withoutPort(from))
		dst = appendBytes(dst, "destination_ip", withoutPort(to))
	}
	return dst, true
}
