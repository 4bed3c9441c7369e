package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findStack finds the stack trace: a text of several lines, else an array or object that describes
// the exception, else any text. Arrays are joined and objects rendered, so that a word within them
// is found in the stack. Where no field has it, it is the one in the message.
func (l *Log) findStack() Value {
	c := &l.d.plan.fields[FieldStack]
	for _, x := range l.applicationFirst() {
		if n, _ := c.Present(x.Has); n == 0 && !x.Has.Has(l.d.plan.hints.shortMessage) {
			continue
		}
		best, kind := jsonscan.NoSlot, Absent
		for _, at := range c.Slots {
			s := x.Spans[at]
			if !x.Has.Has(at) || s.Kind <= Bool || s.Kind == Number ||
				s.End-s.Start <= 2 && s.Kind != String || s.End == s.Start {
				continue
			}
			if s.Kind == String && bytes.Contains(x.Doc[s.Start:s.End], []byte(`\n`)) {
				best, kind = at, String
				break
			}
			if best == jsonscan.NoSlot || kind == String && s.Kind >= Array {
				best, kind = at, s.Kind
			}
		}
		if best == jsonscan.NoSlot {
			if t := l.in(x).fullMessage(); len(t) > 0 {
				l.note(FieldStack, l.d.plan.hints.fullMessage)
				return Value{String, t}
			}
			continue
		}
		l.note(FieldStack, best)
		s := x.Spans[best]
		if kind == String {
			return l.in(x).valueOf(s)
		}
		return Value{String, l.d.keep(func(b []byte) []byte {
			return appendException(b, x.Doc[s.Start:s.End], kind, 0)
		})}
	}
	if t := stackWithin(l.Value(FieldMessage).Text); t != nil {
		l.from[FieldStack] = l.source(FieldMessage)
		return Value{String, t}
	}
	return Value{}
}

// fullMessage is GELF's full message, if it is a stack trace.
func (x layer) fullMessage() []byte {
	h := &x.d.plan.hints
	if !x.Has.Has(h.shortMessage) || !x.Has.Has(h.fullMessage) {
		return nil
	}
	v := x.scalar(x.Spans[h.fullMessage])
	if bytes.Contains(v.Text, []byte("\n\tat ")) || bytes.Contains(v.Text, []byte("\n    at ")) ||
		bytes.Contains(v.Text, []byte("Traceback (most recent")) {
		return v.Text
	}
	return nil
}

// maxCauses bounds the depth of objects that are rendered.
const maxCauses = 8

// appendException appends an exception as a text: its class and message, its frames, its other
// fields, and its causes.
func appendException(dst, doc []byte, kind Kind, depth int) []byte {
	if depth > maxCauses {
		return append(dst, jsonscan.AppendText(nil, doc, jsonscan.Wide)...)
	}
	if kind == Array {
		start := len(dst)
		jsonscan.Elements(doc, func(s jsonscan.Span) bool {
			if len(dst) > start {
				dst = append(dst, '\n')
			}
			value := doc[s.Start:s.End]
			switch s.Kind {
			case String:
				dst = bytes.TrimRight(jsonscan.AppendText(dst, value, s.Flags), "\n")
			case Array, Object:
				dst = appendFrame(dst, value, s.Kind, depth+1)
			case Null:
			default:
				dst = append(dst, value...)
			}
			return true
		})
		return dst
	}
	var class, message, stack, frames, cause jsonscan.Span
	jsonscan.Members(doc, func(key []byte, _ uint8, v jsonscan.Span) bool {
		switch exceptionPart(key) {
		case 'c':
			if v.Kind == String && class.Kind == Absent {
				class = v
			}
		case 'm':
			if v.Kind == String && message.Kind == Absent {
				message = v
			}
		case 's':
			if v.Kind >= String && stack.Kind != String {
				stack = v
			}
		case 'f':
			frames = v
		case 'x':
			cause = v
		}
		return true
	})
	text := func(s jsonscan.Span) { dst = jsonscan.AppendText(dst, doc[s.Start:s.End], s.Flags) }
	text(class)
	if class.Kind != Absent && message.Kind != Absent {
		dst = append(dst, ": "...)
	}
	text(message)
	if stack.Kind == String {
		if len(dst) > 0 {
			dst = append(dst, '\n')
		}
		text(stack)
	} else if stack.Kind >= Array {
		dst = appendException(append(dst, '\n'), doc[stack.Start:stack.End], stack.Kind, depth+1)
	}
	if frames.Kind == Array {
		dst = appendException(append(dst, '\n'), doc[frames.Start:frames.End], Array, depth+1)
	}
	jsonscan.Members(doc, func(key []byte, flags uint8, v jsonscan.Span) bool {
		if exceptionPart(key) == 0 && v.Kind > Null && v.End > v.Start {
			dst = append(dst, '\n')
			dst = append(jsonscan.AppendText(dst, key, flags), ": "...)
			dst = jsonscan.AppendText(dst, doc[v.Start:v.End], v.Flags|jsonscan.Wide)
		}
		return true
	})
	if cause.Kind >= Array {
		dst = append(dst, "\nCaused by: "...)
		dst = appendException(dst, doc[cause.Start:cause.End], cause.Kind, depth+1)
	} else if cause.Kind == String {
		dst = append(dst, "\nCaused by: "...)
		text(cause)
	}
	return dst
}

// appendFrame appends a frame of a stack as a line, or an exception that stands in a list.
func appendFrame(dst, doc []byte, kind Kind, depth int) []byte {
	var class, method, file, line jsonscan.Span
	exception := false
	if kind == Object {
		jsonscan.Members(doc, func(key []byte, _ uint8, v jsonscan.Span) bool {
			switch string(key) {
			case "class", "module", "package":
				class = v
			case "method", "function", "name", "func", "methodName", "funcName":
				method = v
			case "file", "filename", "fileName", "source", "fileNameWithLine", "abs_path":
				file = v
			case "line", "lineno", "lineNumber", "fileLine":
				line = v
			case "frames", "exc_type", "stack", "message", "value", "type", "stacktrace",
				"causedBy":
				exception = true
			}
			return true
		})
	}
	if kind != Object || exception || method.Kind == Absent && file.Kind == Absent {
		return appendException(dst, doc, kind, depth)
	}
	text := func(s jsonscan.Span) { dst = jsonscan.AppendText(dst, doc[s.Start:s.End], s.Flags) }
	dst = append(dst, "\tat "...)
	if class.Kind != Absent {
		text(class)
		dst = append(dst, '.')
	}
	text(method)
	dst = append(dst, '(')
	text(file)
	if line.Kind != Absent {
		dst = append(dst, ':')
		text(line)
	}
	return append(dst, ')')
}

// exceptionPart says what a key of an exception's object means: its class, its message, its stack,
// its frames, or its cause; 0 for anything else.
func exceptionPart(key []byte) byte {
	switch string(key) {
	case "type", "name", "class", "className", "exc_type", "exceptionType", "exception_class",
		"error_class", "kind", "Type", "ClassName", "exception_type":
		return 'c'
	case "message", "value", "exc_value", "msg", "exception_message", "Message", "localizedMessage":
		return 'm'
	case "stack", "stacktrace", "stack_trace", "stackTrace", "trace", "backtrace",
		"extendedStackTrace", "StackTrace", "traceback", "StackTraceString":
		return 's'
	case "frames":
		return 'f'
	case "cause", "causedBy", "innerException", "InnerException", "previous", "exception":
		return 'x'
	}
	return 0
}

// classOf finds the class of the exception in a stack trace, nil for none: of Python in its last
// line, of other languages in its first.
func classOf(stack []byte) []byte {
	stack = bytes.TrimSpace(stack)
	line := stack
	if i := bytes.IndexByte(stack, '\n'); i >= 0 {
		line = stack[:i]
	}
	if bytes.HasPrefix(line, []byte("Traceback (most recent call last)")) ||
		bytes.HasPrefix(line, []byte("File \"")) {
		line = stack[bytes.LastIndexByte(stack, '\n')+1:]
	}
	if bytes.HasPrefix(line, []byte(groupTraceback)) {
		return classOfGroup(stack)
	}
	if isBoxed(line) {
		line = stack[bytes.LastIndexByte(stack, '\n')+1:]
	}
	line = bytes.TrimPrefix(line, []byte("Exception in thread \"main\" "))
	n := 0
	for n < len(line) && n < 200 && (isWord(line[n]) && line[n] < 0x80 || line[n] == '.' ||
		line[n] == '$' || line[n] == '\\') {
		n++
	}
	if n < 3 || n < len(line) && line[n] != ':' && line[n] != '\r' &&
		!bytes.HasPrefix(line[n:], []byte(" (")) {
		return nil
	}
	name := line[:n]
	last := name[bytes.LastIndexAny(name, ".\\$")+1:]
	if len(last) < 3 || last[0]-'A' >= 26 {
		return nil
	}
	for _, suffix := range [...]string{
		"Error", "Exception", "Throwable", "Failure", "Fault", "Interrupt", "Exit", "Warning",
		"Iteration", "ExceptionGroup",
	} {
		if bytes.HasSuffix(last, []byte(suffix)) {
			return name
		}
	}
	return nil
}

// groupTraceback begins the stack trace of a group of exceptions of Python, whose lines have bars
// before them.
const groupTraceback = "+ Exception Group Traceback (most recent call last)"

// classOfGroup finds the class of a group of exceptions.
//
//   - Exception Group Traceback (most recent call last):
//     |   File "shop.py", line 7, in pay
//     | ExceptionGroup: payments failed (2 sub-exceptions)
func classOfGroup(stack []byte) []byte {
	for line := range bytes.SplitSeq(stack, []byte("\n")) {
		rest, ok := bytes.CutPrefix(bytes.TrimLeft(line, " "), []byte("| "))
		if ok && len(rest) > 0 && rest[0]-'A' < 26 {
			return classOf(rest)
		}
	}
	return nil
}

// isBoxed reports whether a line is the upper edge of the box in which Rich draws a stack trace of
// Python; the exception stands behind the box.
func isBoxed(line []byte) bool {
	return bytes.HasPrefix(line, []byte("╭")) && bytes.Contains(line, []byte(" Traceback "))
}

// appendTraced appends an object behind which lines of a stack trace stand, with the stack as a
// member and without its closing bracket: programs print them so, and shippers join them.
//
//	{"event": "failed", "level": "error"}
//	Traceback (most recent call last):
func appendTraced(dst, b []byte) ([]byte, bool) {
	if b[0] != '{' {
		return dst, false
	}
	end, v := jsonscan.ScanValue(b, 0)
	if end < 0 || v.Kind != Object || end >= len(b) || b[end] != '\n' && b[end] != '\r' {
		return dst, false
	}
	stack := bytes.TrimSpace(b[end:])
	if len(stack) == 0 || stack[0] == '{' || bytes.Contains(stack, []byte("\n{")) ||
		stackWithin(b[end:]) == nil || !jsonscan.Valid(b[:end]) {
		return dst, false
	}
	dst = append(dst, bytes.TrimSpace(b[:end-1])...)
	return appendMember(dst, "stack_trace", stack), true
}

// stackWithin finds the stack trace within a text of several lines, nil for none. That of Python
// begins with its own line, others with the class of the exception, which stands in the line before
// the first frame, perhaps behind the message.
func stackWithin(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 {
		return nil
	}
	if python := []byte("Traceback (most recent call last)"); bytes.HasPrefix(text, python) {
		return text
	} else if i := bytes.Index(text, []byte("\nTraceback (most recent call last)")); i >= 0 {
		return text[i+1:]
	}
	if i := bytes.Index(text, []byte(groupTraceback)); i >= 0 {
		return text[i:]
	}
	if i := bytes.Index(text, []byte("╭")); i >= 0 {
		if line, _, _ := bytes.Cut(text[i:], []byte("\n")); isBoxed(line) {
			return text[i:]
		}
	}
	start := 0
	// Dropwizard has an exclamation mark before each line
	for line := range bytes.SplitSeq(text[:min(len(text), 4<<10)], []byte("\n")) {
		if start > 0 && bytes.HasPrefix(bytes.TrimLeft(line, " \t!"), []byte("at ")) {
			at := bytes.LastIndexByte(text[:start-1], '\n') + 1
			for before := text[at : start-1]; ; {
				blanks := len(before) - len(bytes.TrimLeft(before, " "))
				before, at = before[blanks:], at+blanks
				if classOf(bytes.TrimSpace(before)) != nil {
					return text[at:]
				}
				word, rest, ok := bytes.Cut(before, []byte(" "))
				if !ok {
					return nil
				}
				before, at = rest, at+len(word)+1
			}
		}
		start += len(line) + 1
	}
	return nil
}
