package decode

import (
	"bytes"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// findLevel finds the level. An inner level counts if the outer one may be a shipper's guess;
// without either, the text is searched.
func (l *Log) findLevel() {
	if l.levelSeen {
		return
	}
	l.levelSeen = true
	if l.layout != nil && l.layout.level >= 0 {
		if s := &l.root.Spans[l.layout.level]; s.Kind == String && s.Flags == 0 {
			if v := l.d.words.of(l.root.Doc[s.Start:s.End]); v.severity > 0 &&
				!(v.weak() && l.isPriority(l.layout.level)) {
				l.level, l.from[FieldLevel] = v, source(l.layout.level)
				return
			}
		}
	}
	var known *wideLevel
	var text []byte
	if l.wide != nil && !l.wide.nested {
		if known, text = l.wideLevelOf(); known != nil && known.level.word != nil &&
			known.text == string(text) {
			l.level, l.from[FieldLevel] = known.level, known.from
			return
		}
	}
	outer, at := l.in(l.root).level()
	priority := outer.explicit() && l.isPriority(at)
	for i := 0; i < len(l.under) && !outer.explicit(); i++ {
		if v, s := l.in(l.under[i]).level(); v.word != nil {
			outer, at = v, s
		}
	}
	for i := len(l.over) - 1; i >= 0 && outer.weak(); i-- {
		if i < l.parts && outer.explicit() {
			break
		}
		if v, s := l.in(l.over[i]).level(); v.explicit() {
			outer, at = v, s
			priority = l.d.plan.scales[s] == scaleSyslog ||
				l.over[i].Has.Has(l.d.plan.hints.facility)
			break
		}
	}
	l.from[FieldLevel] = fromDefault
	if at != jsonscan.NoSlot {
		l.note(FieldLevel, at)
	}
	if priority && outer.weak() {
		if v := l.levelOfHead(); v.severity > 0 {
			outer, at = v, jsonscan.NoSlot
			l.from[FieldLevel] = fromText
		}
	}
	if !outer.explicit() {
		if v := l.levelOfText(); v.word != nil {
			outer = v
			l.from[FieldLevel] = fromText
		}
	}
	if outer.word == nil || !outer.explicit() {
		outer = l.d.defaultLevel
	}
	l.level = outer
	if known != nil && outer.explicit() && at != jsonscan.NoSlot &&
		l.from[FieldLevel] == source(at) {
		*known = wideLevel{string(text), outer, source(at)}
	}
}

// levelOfText finds the level in the text of the message.
func (l *Log) levelOfText() level {
	text := l.Value(FieldMessage).Text
	if l.isAccess || len(text) < 4 {
		return level{}
	}
	if v := textLevel(text, l.lineHead()); v.word != nil || l.format == "auditd" {
		return v // pairs of auditd have no level
	}
	return pairLevel(text)
}

// level finds the level in the layer. Many loggers write a field called level behind their
// own: the last of equal names counts, but where it is no level and the first is one, the first
// does. OpenTelemetry's forms have one level.
func (x layer) level() (level, jsonscan.Slot) {
	last, at := x.lastLevel()
	if last.severity > 0 || !last.explicit() || at == jsonscan.NoSlot || len(x.Doc) == 0 ||
		x.Doc[0] != '{' || x.Extractor == x.d.log.root && strings.HasPrefix(x.d.log.format, "otlp") {
		return last, at
	}
	name, found := x.d.plan.path(at), last
	jsonscan.Members(x.Doc, func(key []byte, flags uint8, v jsonscan.Span) bool {
		if flags != 0 || string(key) != name {
			return true
		}
		kept := x.Spans[at]
		x.Spans[at] = v
		if first := x.readLevel(at); first.severity > 0 {
			found = first
		}
		x.Spans[at] = kept
		return false
	})
	return found, at
}

// isPriority says whether the level in a slot is a priority of syslog. Of those INFO and NOTICE are
// what journald, rsyslog and others give to lines without one, as programs write them to their
// output.
func (l *Log) isPriority(at jsonscan.Slot) bool {
	return at != jsonscan.NoSlot &&
		(l.d.plan.scales[at] == scaleSyslog || strings.HasPrefix(l.format, "syslog"))
}

// levelOfHead finds the level in the text of a message that has a head of its own: it begins with a
// time, with the level, or with a name in brackets before it.
func (l *Log) levelOfHead() level {
	text := l.Value(FieldMessage).Text
	if l.isAccess || len(text) < 4 || startsWithWord(text) {
		return level{}
	}
	may := mayName(text) || mayMark(text)
	if !may && text[0]-'0' > 9 { // a time may have a level in another language behind it
		return level{}
	}
	h := l.lineHead()
	switch {
	case h.end > 0:
		if !may && !isUpper(wordAt(bytes.TrimLeft(text[h.end:], " "))) {
			return level{}
		}
	case !may:
		return level{}
	case startsWithClock(text) || text[0] == '=' || namedLevel(text):
	default:
		return level{}
	}
	return headLevel(text, h)
}

// namedLevel reports whether a text begins with a level, perhaps in brackets or behind a word in
// brackets.
func namedLevel(text []byte) bool {
	if bytes.HasPrefix(text, []byte("PHP ")) {
		return true
	}
	start := 0
	if text[0] == '[' || text[0] == '<' {
		if word := wordAt(text[1:min(len(text), 17)]); levelWord(word).word != nil {
			return true
		}
		if start = bytes.IndexByte(text[:min(len(text), 40)], ']') + 1; start == 0 ||
			bytes.IndexByte(bytes.TrimLeft(text[1:start], " "), ' ') >= 0 {
			return false
		}
		for start < len(text) && text[start] == ' ' {
			start++
		}
		word := wordAt(text[start:min(len(text), start+16)])
		return isUpper(word) && levelWord(word).word != nil
	}
	return levelWord(wordAt(text[:min(len(text), 16)])).word != nil
}

// startsWithClock reports whether a text begins with a time of day, perhaps in brackets: 10:11:12
// or 9:11AM.
func startsWithClock(text []byte) bool {
	if n := jsonscan.Digits(text[:min(len(text), 3)]); n > 0 && n < 3 && len(text) > n+6 &&
		text[n] == ':' && text[n+4] == 'M' && text[n+5] == ' ' {
		return true
	}
	if text[0] == '[' || text[0] == '(' {
		text = text[1:]
	}
	return len(text) > 8 && text[0]-'0' <= 2 && text[1]-'0' <= 9 && text[2] == ':' &&
		text[3]-'0' <= 9 && text[4]-'0' <= 9 && text[5] == ':'
}

// startsWithWord reports whether a text begins with a word in lower case that belongs to no head of
// a line, and another word behind it.
func startsWithWord(text []byte) bool {
	n := 0
	for n < len(text) && text[n]-'a' < 26 {
		n++
	}
	return n > 2 && n+1 < len(text) && text[n] == ' ' && text[n+1]|0x20-'a' < 26 &&
		levelWord(text[:n]).word == nil
}

// lastLevel finds the level in the layer, of equal names the last; the zero level means none.
func (x layer) lastLevel() (level, jsonscan.Slot) {
	p, h := x.d.plan, &x.d.plan.hints
	n, only := p.level.Present(x.Has)
	var found level
	at := jsonscan.NoSlot
	guess := false // a number under a key that every library uses in its own way
	if v, s := x.shapedLevel(); v.word != nil {
		return v, s
	}
	if n == 1 {
		found, at = x.readLevel(only), only
	} else if n > 1 {
		for _, s := range p.level.Slots {
			if !x.Has.Has(s) {
				continue
			}
			v := x.readLevel(s)
			switch {
			case v.word == nil:
				continue
			case found.explicit(): // a guess, or a word that is no level: what is certain beats it
				if v.severity > 0 && (!x.isDigits(s) ||
					found.severity == 0 && p.scales[s] != scaleAny) {
					found, at = v, s
					guess = false
				}
			default:
				found, at = v, s
				guess = p.scales[s] == scaleAny && x.isDigits(s)
			}
			if found.severity > 0 && !guess {
				break
			}
		}
		found = x.refine(found, at)
	}
	if found.word != nil && found.explicit() {
		return found, at
	}
	if x.Has.Has(h.mongoSeverity) && x.Has.Has(h.mongoTime) {
		return x.readWord(h.mongoSeverity), h.mongoSeverity
	}
	if x.Has.Has(h.zapLevel) && x.Has.Has(h.zapMessage) {
		return x.readWord(h.zapLevel), h.zapLevel
	}
	if x.Has.Has(h.oneLevel) && x.Has.Has(h.oneMessage) {
		if v := x.readWord(h.oneLevel); v.severity > 0 {
			return v, h.oneLevel
		}
	}
	if x.Has.Has(h.status) && x.Has.Has(h.ddsource) {
		return x.readWord(h.status), h.status
	}
	if found.word == nil && x.Has.Has(h.clefTime) &&
		(x.Has.Has(h.template) || x.Has.Has(h.rendered) || x.Has.Has(h.clefID)) {
		return levelInfo, h.clefTime // CLEF omits the level Information
	}
	return found, at
}

// shapedLevel finds the level of programs that are known by their fields alone: consola, whose
// numbers begin with 0 for errors, the components of Kubernetes, whose errors have no level, its
// events, which are normal or warnings, Nextcloud, Eliot, whose actions fail or succeed, and
// Logbook, whose numbers go from 9 for a trace to 15 for a critical error.
func (x layer) shapedLevel() (level, jsonscan.Slot) {
	h := &x.d.plan.hints
	if x.Has.Has(h.kindWord) && x.Has.Has(h.reason) &&
		(x.Has.Has(h.involvedObject) || x.Has.Has(h.regarding)) {
		switch string(x.scalar(x.Spans[h.kindWord]).Text) {
		case "Warning":
			return levelWarn, h.kindWord
		case "Normal":
			return levelInfo, h.kindWord
		}
	}
	if x.Has.Has(h.args) && x.Spans[h.args].Kind == Array && x.Has.Has(h.kindWord) {
		if v := x.readWord(h.kindWord); v.severity > 0 {
			return v, h.kindWord
		}
		if x.Has.Has(h.level) && x.Spans[h.level].Kind == Number {
			if n, ok := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End]); ok &&
				n < 10 {
				level := stepped(
					n, levelError, levelWarn, levelInfo, levelInfo, levelDebug, levelTrace,
				)
				return level, h.level
			}
		}
	}
	if v, at := x.logrLevel(); v.word != nil {
		return v, at
	}
	if x.Has.Has(h.requestID) && x.Has.Has(h.remoteAddress) && x.Has.Has(h.level) &&
		x.Spans[h.level].Kind == Number { // Nextcloud, from 0 for debug to 4
		if n, ok := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End]); ok && n < 5 {
			level := stepped(n, levelDebug, levelInfo, levelWarn, levelError, levelFatal)
			return level, h.level
		}
	}
	if x.Has.Has(h.logbook) && x.Has.Has(h.level) && x.Spans[h.level].Kind == Number {
		n, _ := smallNumber(x.Doc[x.Spans[h.level].Start:x.Spans[h.level].End])
		return stepped(n-9, levelTrace, levelDebug, levelInfo, levelNotice, levelWarn, levelError,
			levelCritical), h.level
	}
	if x.Has.Has(h.actionStatus) && x.Has.Has(h.taskID) {
		if string(x.scalar(x.Spans[h.actionStatus]).Text) == "failed" {
			return levelError, h.actionStatus
		}
		return levelInfo, h.actionStatus
	}
	if x.Has.Has(h.caller) && x.Has.Has(h.ts) && x.Spans[h.ts].Kind == Number && x.Has.Has(h.msg) {
		if n, _ := x.d.plan.level.Present(x.Has); n == 0 {
			if x.Has.Has(h.verbosity) {
				return levelInfo, h.verbosity
			}
			return levelError, h.caller
		}
	}
	return level{}, jsonscan.NoSlot
}

// logrLevel finds the level of logr's JSON, whose number is a verbosity, 0 for information, and
// whose errors have no level:
//
//	{"logger":"pay","level":0,"msg":"paid"}
//	{"logger":"pay","msg":"payment failed","error":"card declined"}
func (x layer) logrLevel() (level, jsonscan.Slot) {
	h := &x.d.plan.hints
	if x.Has.Has(h.subsystem) && x.Has.Has(h.threadID) && x.Has.Has(h.msg) {
		return x.powerDNSLevel()
	}
	if !x.Has.Has(h.logger) || !x.Has.Has(h.msg) || x.Spans[h.logger].Kind != String {
		return level{}, jsonscan.NoSlot
	}
	if n, only := x.d.plan.level.Present(x.Has); n == 0 {
		if x.Has.Has(h.error) {
			return levelError, h.error
		}
	} else if s := x.Spans[h.level]; n == 1 && only == h.level && s.Kind == Number {
		switch v, ok := smallNumber(x.Doc[s.Start:s.End]); {
		case !ok || v < 0 || v > 9:
		case v == 0:
			return levelInfo, h.level
		default:
			return levelDebug, h.level
		}
	}
	return level{}, jsonscan.NoSlot
}

// powerDNSLevel finds the level of PowerDNS's Recursor, whose number is a verbosity, too, and whose
// priority is a word that not every log has:
//
//	msg="Unable to open file" error="No such file" subsystem="config" level="0" tid="0"
func (x layer) powerDNSLevel() (level, jsonscan.Slot) {
	h := &x.d.plan.hints
	if n, only := x.d.plan.level.Present(x.Has); n != 1 || only != h.level || !x.isDigits(only) {
		return level{}, jsonscan.NoSlot
	}
	if x.Has.Has(h.error) {
		return levelError, h.error
	}
	return levelInfo, h.level
}

// refine combines a word with the number beside it if both mean the same level: OTLP's severity
// text and number, and those of a LogEntry.
func (x layer) refine(found level, at jsonscan.Slot) level {
	h := &x.d.plan.hints
	if at == h.level && found.severity > 0 && x.Has.Has(h.severity) &&
		x.Spans[h.severity].Kind == Number {
		s := x.Spans[h.severity]
		if n, ok := smallNumber(x.Doc[s.Start:s.End]); ok && n > 0 && n <= 24 &&
			(n-1)/4 == (found.severity-1)/4 {
			found.severity = n
		}
	}
	if at != jsonscan.NoSlot && x.d.plan.scales[at] == scaleOTel {
		for _, s := range [...]jsonscan.Slot{h.severityText, h.bigSeverityText} {
			if !x.Has.Has(s) {
				continue
			}
			if w := x.readWord(s); w.severity > 0 && (w.severity-1)/4 == (found.severity-1)/4 {
				found.word = w.word
			}
		}
	}
	return found
}

// readLevel reads the level in a slot, a word or number.
func (x layer) readLevel(at jsonscan.Slot) level {
	s := x.Spans[at]
	h := &x.d.plan.hints
	if s.Kind == Object || s.Kind == Null {
		return level{}
	}
	v := x.scalar(s)
	if v.Kind == Absent {
		return level{}
	}
	if own, ok := x.d.set.levels[string(v.Text)]; ok {
		return own
	}
	if len(v.Text) > 0 && (v.Text[0]-'0' <= 9 || v.Text[0] == '-') {
		if n, ok := smallNumber(v.Text); ok {
			scale := x.d.plan.scales[at]
			if scale == scaleAny && x.Has.Has(h.shortMessage) {
				scale = scaleSyslog
			}
			if at == h.bigLevel && (x.Has.Has(h.eventID) || x.Has.Has(h.channel)) ||
				(at == h.bigLevel || at == h.level) && x.Has.Has(h.resourceID) {
				scale = scaleWindows
			}
			v := numberLevel(scale, n)
			if v.severity == 0 && (x.d.plan.weak.Has(at) || scale == scaleOTel) {
				return level{} // unspecified
			}
			return v
		}
	}
	if at == h.level && (x.Has.Has(h.auditID) || x.Has.Has(h.auditLevel)) && isAuditLevel(v.Text) {
		return levelUnknown
	}
	if n, ok := bytes.CutPrefix(v.Text, []byte("SEVERITY_NUMBER_")); ok {
		return otelName(n)
	}
	word := x.d.word(v.Text)
	if x.d.plan.weak.Has(at) && word.severity == 0 {
		return level{}
	}
	return word
}

func (x layer) readWord(at jsonscan.Slot) level {
	v := x.scalar(x.Spans[at])
	if v.Kind == Absent {
		return level{}
	}
	return x.d.word(v.Text)
}
