package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// nearText is how far behind the time of a line its level is searched. Further on, an upper-case
// ERROR is more often a word of the message.
const nearText = 64

// textLevel finds the level in a line of text whose time is known. It is the first of these:
//
//   - a whole upper-case level word;
//   - a level word in any case that a line's structure marks as one: alone in brackets, between
//     tabs or bars, padded with blanks, before a colon, or directly behind the time, where nothing
//     but the head of the line precedes it.
//
// Words in quotes, paths, addresses and pairs do not count: "Terror", GET /FATAL and user=ERROR are
// no levels. See pairLevel for level=error.
func textLevel(text []byte, h head) level { return findTextLevel(text, h, false) }

// headLevel is textLevel of the head of a line. Behind it only a word that stands between dashes or
// bars, or before a colon, is a level: other words are prose.
func headLevel(text []byte, h head) level { return findTextLevel(text, h, true) }

func findTextLevel(text []byte, h head, headOnly bool) level {
	if text[0] == '=' { // =ERROR REPORT==== of Erlang
		if word, rest, _ := bytes.Cut(text[1:], []byte(" ")); bytes.HasPrefix(rest,
			[]byte("REPORT====")) {
			switch string(word) {
			case "CRASH", "SUPERVISOR":
				return levelError
			case "PROGRESS":
				return levelInfo
			}
			return levelWord(word)
		}
	}
	if h.end == 0 {
		h.end = clockEnd(text)
	}
	if l := consoleLevel(text, h); l.word != nil {
		return l
	}
	if l := db2Level(text, h); l.word != nil {
		return l
	}
	if l := nagiosLevel(text[h.end:]); l.word != nil {
		return l
	}
	if len(text) > 12 && (text[0] == '[' && text[1]-'0' <= 9 || text[8] == '@') {
		if l := ircLevel(text); l.word != nil {
			return l
		}
	}
	if l := markLevel(text, h); l.word != nil {
		return l
	}
	if l := letterLevel(text, h); l.word != nil {
		return l
	}
	if l := threadLevel(text); l.word != nil {
		return l
	}
	if l, ok := postgresLevel(text, h); ok {
		return l
	}
	if rest, ok := bytes.CutPrefix(text, []byte("npm ")); ok && rest[0]-'a' < 26 { // npm 10
		word, _, _ := bytes.Cut(rest[:min(len(rest), 8)], []byte(" "))
		return levelWord(word)
	}
	inHead := true // nothing but the head of a line was read so far
	limit := min(len(text), h.end+nearText)
	for i := 0; i < limit; {
		if i == h.start && h.end > 0 {
			i = h.end
			continue
		}
		c := text[i]
		if !isWord(c) {
			if c == '"' {
				end := quoteEnd(text[:limit], i+1)
				if end < 0 {
					return level{}
				}
				i, inHead = end, false
			}
			i++
			continue
		}
		start := i
		for i < limit && isWord(text[i]) {
			i++
		}
		if i == limit {
			for i < len(text) && i < limit+8 && isWord(text[i]) {
				i++
			}
		}
		word := text[start:i]
		if headOnly && !inHead && !setApart(text, start, i) &&
			!(start > h.end && behindNames(text[h.end:start]) && (isUpper(word) ||
				text[start-1] == '[' && i < len(text) && text[i] == ']')) {
			continue
		}
		if (inHead || text[start-1] == '\n') && (word[0] >= 0x80 || word[0]-'A' < 26) {
			if l := localLevel(text, start, i, h); l.word != nil {
				return l
			}
		}
		if len(word) >= 3 && len(word) <= 13 && standsAlone(text, start, i, inHead) {
			if word[0]-'A' < 26 && word[1]-'A' < 26 {
				if l := textWord(word); l.word != nil && isUpper(word) {
					if string(word) != "LOG" || i+2 < len(text) && (text[i] == ':' &&
						text[i+1] == ' ' && inHead || text[i+1] == '[' && h.end > 0 &&
						len(bytes.TrimLeft(text[min(h.end, start):start], " ")) == 0 || // NestJS
						inHead && start > h.end && behindProcess(text[h.end:start])) { // PgBouncer
						return l
					}
				}
				if string(word) == "CONFIG" && isJULConfig(text, start, i, h) {
					return levelDebug
				}
			}
			if l := markedWord(text, start, i, inHead, h); l.word != nil {
				return l
			}
		}
		inHead = inHead && headWord(text, start, i)
	}
	if text[0] == '[' && text[2] == ']' {
		return stunnelLevel(text)
	}
	if h.end > 0 {
		if l := sqlServerLevel(text, h); l.word != nil {
			return l
		}
		if l := tarantoolLevel(text[h.end:]); l.word != nil {
			return l
		}
	}
	return mnemonicLevel(text[h.end:])
}

// tarantoolLevel is the level of a line of Tarantool, a letter behind process, fiber and file:
//
//	2026-05-04 10:11:12.345 [123] main/103/init.lua F> can't open
func tarantoolLevel(t []byte) level {
	if i := bytes.Index(t[:min(len(t), nearText)], []byte("> ")); i > 1 && t[i-2] == ' ' {
		return androidLetter(t[i-1])
	}
	return level{}
}

// ircLevel is the level of a line of ngIRCd, a severity of syslog beside the ID of the process, or
// of i2pd, behind the clock and the thread:
//
//	[1234:3    0] Can't bind to address
//	10:11:12@917/error - NTCP2: connect failed
func ircLevel(text []byte) level {
	if text[0] == '[' {
		n := jsonscan.Digits(text[1:min(len(text), 9)])
		rest := text[1+n:]
		if n == 0 || len(rest) < 8 || rest[0] != ':' || rest[1]-'0' > 7 || rest[2] != ' ' {
			return level{}
		}
		rest = bytes.TrimLeft(rest[2:], " ")
		if n = jsonscan.Digits(rest); n == 0 || n >= len(rest) || rest[n] != ']' ||
			len(text) < 12 {
			return level{}
		}
		return syslogLevel(int(text[2+jsonscan.Digits(text[1:9])] - '0'))
	}
	if len(text) < 18 || text[8] != '@' || text[2] != ':' || text[5] != ':' {
		return level{}
	}
	thread := jsonscan.Digits(text[9:min(len(text), 16)])
	word, _, ok := bytes.Cut(text[9+thread:min(len(text), 32)], []byte(" - "))
	if !ok || len(word) < 2 || word[0] != '/' {
		return level{}
	}
	return levelWord(word[1:])
}

// stunnelLevel is the level of a line of stunnel before it has a log: a mark in brackets.
//
//	[!] Invalid configuration file name "/etc/stunnel.conf"
func stunnelLevel(text []byte) level {
	if text[3] != ' ' {
		return level{}
	}
	switch text[1] {
	case '!':
		return levelError
	case ':':
		return levelWarn
	case '.':
		return levelNotice
	case ' ':
		return levelInfo
	}
	return level{}
}

// db2Level is the level of a record of IBM's Db2, in the last column of its first line:
//
//	2026-05-04-10.11.12.345678+060 I27204F655         LEVEL: Error
func db2Level(text []byte, h head) level {
	if h.end < 26 || h.start > 0 || text[10] != '-' {
		return level{}
	}
	_, rest, ok := bytes.Cut(text[h.end:min(len(text), h.end+nearText)], []byte(" LEVEL: "))
	if !ok {
		return level{}
	}
	word, _, _ := bytes.Cut(rest, []byte(" "))
	word, _, _ = bytes.Cut(word, []byte("\n"))
	if string(word) == "Event" {
		return levelInfo
	}
	return levelWord(word)
}

// nagiosLevel is the level of an event of Nagios, Naemon or Icinga 1, which is the state that it
// says; that of a recovery is information.
//
//	[1777889472] SERVICE ALERT: web-1;HTTP;CRITICAL;SOFT;1;connection refused
//	[1777889472] HOST ALERT: web-1;UP;HARD;1;PING OK
func nagiosLevel(t []byte) level {
	t = bytes.TrimLeft(t, " ")
	at := 2 // the column of the state
	rest, ok := bytes.CutPrefix(t, []byte("SERVICE ALERT: "))
	if !ok {
		at = 1
		if rest, ok = bytes.CutPrefix(t, []byte("HOST ALERT: ")); !ok {
			return level{}
		}
	}
	for ; at > 0; at-- {
		if _, rest, ok = bytes.Cut(rest, []byte(";")); !ok {
			return level{}
		}
	}
	state, _, _ := bytes.Cut(rest, []byte(";"))
	switch string(state) {
	case "OK", "UP", "RECOVERY":
		return levelInfo
	case "WARNING", "UNKNOWN":
		return levelWarn
	case "CRITICAL", "DOWN", "UNREACHABLE":
		return levelCritical
	}
	return level{}
}

// sqlServerLevel is the level of an error of Microsoft's SQL Server, which has a severity: up to 10
// it is information, from 20 on the connection or the server has ended.
//
//	2026-05-04 10:11:12.34 Logon       Error: 18456, Severity: 14, State: 8.
func sqlServerLevel(text []byte, h head) level {
	if h.end < 19 || h.end+13 > len(text) {
		return level{}
	}
	if !bytes.Contains(text[h.end:min(len(text), h.end+20)], []byte(" Error: ")) {
		return level{}
	}
	_, rest, ok := bytes.Cut(text[h.end:min(len(text), h.end+nearText)], []byte(", Severity: "))
	n := jsonscan.Digits(rest[:min(len(rest), 2)])
	switch severity := number(rest[:n]); {
	case !ok || n == 0:
		return level{}
	case severity <= 10:
		return levelInfo
	case severity >= 20:
		return levelFatal
	}
	return levelError
}

// clockEnd returns the index behind a time of day at the start of a text, 0 for none.
func clockEnd(text []byte) int {
	if len(text) < 10 || text[2] != ':' || text[5] != ':' || text[0]-'0' > 2 {
		return 0
	}
	var v civil
	if end := v.clock(text, 0); end > 7 && end < len(text) && text[end] == ' ' {
		return end
	}
	return 0
}

// behindProcess reports whether a text is the ID of a process in brackets.
func behindProcess(t []byte) bool {
	t = bytes.Trim(t, " ")
	return len(t) > 2 && t[0] == '[' && t[len(t)-1] == ']' &&
		jsonscan.Digits(t[1:]) == len(t)-2
}

// isJULConfig reports whether the word CONFIG is a level of java.util.logging: behind
// the time, or in brackets at the start. Before a colon it is the name of a part of other programs.
func isJULConfig(text []byte, start, end int, h head) bool {
	if end >= len(text) || text[end] != ' ' && text[end] != ']' {
		return false
	}
	return start == 1 && text[0] == '[' ||
		h.end > 0 && start >= h.end && len(bytes.Trim(text[h.end:start], " [")) == 0
}

// localLevels are levels in languages other than English, as java.util.logging, PostgreSQL and
// others write them in the language of their machine.
var localLevels = map[string]level{
	"SCHWERWIEGEND": levelError, "FEHLER": levelError, "GRAVE": levelError, "GRAVES": levelError,
	"ERREUR": levelError, "ERRO": levelError, "ERRORE": levelError, "FEL": levelError,
	"ALLVARLIGT": levelError, "ALLVARLIG": levelError, "BŁĄD": levelError, "HATA": levelError, "FOUT": levelError,
	"ОШИБКА": levelError, "CHYBA": levelError, "エラー": levelError, "重大": levelError,
	"错误": levelError, "錯誤": levelError, "严重": levelError, "嚴重": levelError,
	"오류": levelError, "심각": levelError,
	"WARNUNG": levelWarn, "AVERTISSEMENT": levelWarn, "ATTENTION": levelWarn,
	"ADVERTENCIA": levelWarn, "ADVERTÊNCIA": levelWarn, "AVISO": levelWarn, "AVVERTENZA": levelWarn,
	"ATTENZIONE": levelWarn, "VARNING": levelWarn, "OSTRZEŻENIE": levelWarn, "UYARI": levelWarn,
	"WAARSCHUWING": levelWarn, "ПРЕДУПРЕЖДЕНИЕ": levelWarn, "警告": levelWarn, "경고": levelWarn,
	"HINWEIS": levelNotice, "ЗАМЕЧАНИЕ": levelNotice,
	"INFOS": levelInfo, "INFORMACIÓN": levelInfo, "INFORMAZIONI": levelInfo,
	"INFORMAÇÕES": levelInfo, "СООБЩЕНИЕ": levelInfo, "ИНФОРМАЦИЯ": levelInfo,
	"情報": levelInfo, "信息": levelInfo, "정보": levelInfo, "日志": levelInfo,
	"致命错误": levelFatal, "치명적오류": levelFatal, "FATALE": levelFatal, "ВАЖНО": levelFatal,
	"PANIK": levelFatal, "ПАНИКА": levelFatal,
	"KONFIGURATION": levelDebug, "FEIN": levelDebug,
}

// localLevel is the level of a word of another language, before a colon, in brackets, or directly
// behind the time.
func localLevel(text []byte, start, end int, h head) level {
	word := text[start:end]
	if len(word) < 3 || len(word) > 30 || word[len(word)-1]-'a' < 26 {
		return level{}
	}
	if !(end < len(text) && (text[end] == ':' || text[end] == ']')) &&
		!(h.end > 0 && start >= h.end && len(bytes.Trim(text[h.end:start], " [")) == 0) {
		return level{}
	}
	return localLevels[string(word)]
}

// maxPrefix bounds what PostgreSQL writes between the time and the severity.
const maxPrefix = 400

// postgresLevel is the level of a line of PostgreSQL, whose severity stands before a colon and two
// blanks, behind a prefix of any length that the configuration may fill with the user, database and
// application; or in a column of its CSV. The lines of details, hints and statements that follow an
// error have no level, whatever the statement holds.
//
//	2026-05-04 10:11:12 UTC [97]: [4-1] user=ann,db=shop,app=psql,client=[local] ERROR:  failed
func postgresLevel(text []byte, h head) (l level, ok bool) {
	if h.end > 0 && h.end < len(text) && text[h.end] == ',' {
		l = csvLevel(text[h.end:])
		return l, l.word != nil
	}
	rest := text[h.end:min(len(text), h.end+maxPrefix)]
	end := bytes.Index(rest, []byte(":  "))
	if end < 3 {
		return level{}, false
	}
	start := end
	for start > 0 && (rest[start-1]-'A' < 26 || rest[start-1]-'0' <= 9 || rest[start-1] >= 0x80) {
		start--
	}
	if start > 0 && isWord(rest[start-1]) {
		return level{}, false
	}
	switch word := rest[start:end]; string(word) {
	case "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC":
		return levelWord(word), true
	case "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return levelDebug, true
	case "STATEMENT", "DETAIL", "HINT", "CONTEXT", "QUERY", "LOCATION", "BACKTRACE",
		"ANWEISUNG", "TIPP", "KONTEXT", "INSTRUCTION", "ASTUCE", "CONTEXTE", "SENTENCIA",
		"DETALLE", "SUGERENCIA", "CONTEXTO", "COMANDO", "DETALHE", "DICA":
		return level{}, true
	default:
		l := localLevels[string(word)]
		return l, l.word != nil
	}
}

// csvLevel is the level in the CSV of PostgreSQL, whose columns begin behind the time: the twelfth,
// with a code of five characters behind it.
func csvLevel(t []byte) level {
	for range 10 {
		if len(t) == 0 || t[0] != ',' {
			return level{}
		}
		if t = t[1:]; len(t) > 0 && t[0] == '"' {
			for end := 1; ; end++ {
				n := bytes.IndexByte(t[end:], '"')
				if n < 0 {
					return level{}
				}
				if end += n; end+1 >= len(t) || t[end+1] != '"' {
					t = t[end+1:]
					break
				}
				end++
			}
			continue
		}
		n := bytes.IndexByte(t, ',')
		if n < 0 {
			return level{}
		}
		t = t[n:]
	}
	word, rest, _ := bytes.Cut(bytes.TrimPrefix(t, []byte(",")), []byte(","))
	if len(rest) < 6 || rest[5] != ',' || !isUpper(bytes.TrimRight(word, "12345")) {
		return level{}
	}
	return levelWord(bytes.TrimRight(word, "12345"))
}

// maxPairs bounds the text in which a pair or member with the level is searched.
const maxPairs = 256

// pairLevel finds the level of a text that is no logfmt or JSON but holds a pair or member with the
// level: "[app] level=error failed", `app_1 | {"level":"error"}`.
func pairLevel(text []byte) level {
	text = text[:min(len(text), maxPairs)]
	mark := byte('=')
	if bytes.Contains(text, []byte(`{"`)) || bytes.HasPrefix(text, []byte("{ ")) {
		mark = ':' // { level: 'error' } as Node prints it
	}
	for end := 0; ; end++ {
		n := bytes.IndexByte(text[end:], mark)
		if n < 0 {
			return level{}
		}
		end += n
		key := bytes.TrimSuffix(text[:end], []byte(`"`))
		start := len(key)
		if start == 0 ||
			bytes.IndexByte([]byte("lytLY"), key[start-1]) < 0 { // as keys of levels end
			continue
		}
		for start > 0 && (isWord(key[start-1]) || key[start-1] == '.') {
			start--
		}
		before := byte(' ')
		if start > 0 {
			before = key[start-1]
		}
		if !isLevelKey(key[start:]) || string(key[start:]) == "log_level" || // a setting
			before > ' ' &&
				bytes.IndexByte([]byte(`@,;|[({"`), before) < 0 || inProse(text[:start]) {
			continue
		}
		value := bytes.TrimLeft(text[end+1:], ` "'`)
		size := 0
		for size < len(value) && isWord(value[size]) {
			size++
		}
		if l := levelWord(value[:size]); l.word != nil {
			return l
		}
	}
}

// inProse reports whether a text ends with a word that is no pair, so that a pair behind it may be
// a part of a sentence.
func inProse(before []byte) bool {
	before = bytes.TrimRight(before, " ")
	if len(before) == 0 || !isWord(before[len(before)-1]) {
		return false
	}
	word := before[bytes.LastIndexByte(before, ' ')+1:]
	return bytes.IndexByte(word, '=') < 0 && bytes.IndexByte(word, ':') < 0
}

// standsAlone reports whether a word is no part of a path, an address, a pair or a longer word.
func standsAlone(text []byte, start, end int, inHead bool) bool {
	next := byte(0)
	if end < len(text) {
		next = text[end]
	}
	if start > 0 {
		switch c := text[start-1]; c {
		case '/', '=', '@', '?', '&', '%', '$', '\\', '~', '+':
			return false
		case '\'': // a repr of Python, and no text of SQL: a='ERROR', IN ('ERROR')
			switch before := lastOf(text[:start-1]); {
			case before == '=', before == '(', before == ',', before == '<', before == '>',
				isWord(before):
				return false
			}
			return next == '\''
		case '-':
			if start > 1 && isWord(text[start-2]) || next != '-' && next != ' ' && next != ']' {
				return false
			}
		case '.': // Monolog's cart.ERROR:
			if next != ':' {
				return false
			}
		}
	}
	switch next {
	case '=', '@', '\'':
		return false
	case '.':
		return end+1 >= len(text) || !isWord(text[end+1])
	case '/': // Celery's ERROR/MainProcess, Icinga's critical/Application
		return inHead
	}
	return true
}

// mayName reports whether the beginning of a line may name a level other than info: it has the
// first letters of one, or begins with a letter as glog's and Tornado's lines do. It costs less
// than to find the head.
func mayName(text []byte) bool {
	if text[0]-'A' < 26 && text[1]-'0' <= 9 ||
		text[0] == '[' && text[1]-'A' < 26 && text[2] == ' ' {
		return true
	}
	text = text[:min(len(text), nearHead)]
	for i := 2; i < len(text); i++ {
		switch text[i] | 0x20 { // the third letter
		case 'r', 'o', 'n', 't', 'i', 'b', 'g', 'e', 'a', 'v', 'c', 'l':
			switch string([]byte{text[i-2] | 0x20, text[i-1] | 0x20, text[i] | 0x20}) {
			case "err", "ero", "war", "wrn", "fat", "cri", "deb", "dbg", "ale", "eme", "pan", "tra",
				"sev", "trc", "not", "fai", "ver", "fin", "ftl", "crt", "pnc", "suc", "vrb", "log":
				return true
			}
		}
	}
	return false
}

// mayMark is a quick check of whether a mark or letter near the start of a text may be its level.
func mayMark(text []byte) bool {
	if text[1] == ' ' && text[2] == '[' { // CUPS
		return true
	}
	text = text[:min(len(text), nearHead)]
	for i := 1; i+1 < len(text); i++ {
		switch c := text[i]; {
		case c-'A' >= 26 && c != '#' && c != '*' && c != '.' && c != '-':
		case text[i-1] != ' ' && text[i-1] != '[':
		case text[i+1] == ' ' || text[i+1] == '!' || text[i+1] == ']':
			return true
		}
	}
	return false
}

// nearHead is the length of a time and what stands between it and the level.
const nearHead = 32 + nearText

// behindNames reports whether nothing but names and numbers stands between the time of a line and
// its level, as of threads, hosts and processes: each has a byte within it that is no letter.
func behindNames(t []byte) bool {
	for len(t) > 0 {
		word, rest, _ := bytes.Cut(t, []byte(" "))
		t = rest
		n := 0
		for n < len(word) && word[n]|0x20-'a' < 26 {
			n++
		}
		if n > 0 && n+1 >= len(word) {
			return false
		}
	}
	return true
}

// setApart reports whether a word stands before a colon, between dashes or bars, or in upper case
// in brackets.
func setApart(text []byte, start, end int) bool {
	if end < len(text) && (text[end] == ':' ||
		text[end] == ']' && text[start-1] == '[' && isUpper(text[start:end])) {
		return true
	}
	mark := func(t []byte, at int) bool {
		return at >= 0 && at < len(t) && (t[at] == '-' || t[at] == '|')
	}
	before, after := bytes.TrimRight(text[:start], " "), bytes.TrimLeft(text[end:], " ")
	return mark(before, len(before)-1) && mark(after, 0)
}

// headWord reports whether a word still belongs to the head of a line: a number, a level, or a word
// before a colon or bracket.
func headWord(text []byte, start, end int) bool {
	word := text[start:end]
	// a symbol
	if word[0]-'0' <= 9 || string(word) == "PHP" || string(word) == "LibClamAV" ||
		word[0] >= 0x80 && word[len(word)-1] >= 0x80 {
		return true
	}
	for end < len(text) && (isWord(text[end]) || text[end] == '-' || text[end] == '.') {
		end++
	}
	if end >= len(text) {
		return false
	}
	switch text[end] {
	case ':', '[', ']', '|', '\t', ')', '>', '#', '(', '}':
		return true
	}
	return start > 0 && (text[start-1] == '[' || text[start-1] == '(' || text[start-1] == '{')
}

// markedWord returns the level of a word in any case that the structure of the line marks as a
// level.
func markedWord(text []byte, start, end int, inHead bool, h head) level {
	before, after := byte(0), byte(0)
	if start > 0 {
		before = text[start-1]
	}
	if end < len(text) {
		after = text[end]
	}
	if before == '(' && after == ')' && end+1 < len(text) && text[end+1] == ':' && // Puppet
		start > h.end && bytes.IndexByte(bytes.TrimSpace(text[h.end:start-1]), ' ') < 0 {
		return levelWord(text[start:end])
	}
	if !inHead && h.end == 0 && before != '[' && before != ':' && before != '#' {
		return level{}
	}
	blanks := end
	for blanks < len(text) && text[blanks] == ' ' && blanks < end+16 {
		blanks++
	}
	closing := byte(0)
	if blanks < len(text) {
		closing = text[blanks]
	}
	padded := blanks-end >= 2 || closing == '|' || closing == '\t'
	word := text[start:end]
	if closing == '=' { // Debug   = True: a setting
		return level{}
	}
	marked := false
	switch {
	case closing == ']':
		marked = before == '[' && (inHead || !inSentence(text[h.end:start])) || before == ':' ||
			before == '#' || before == ' ' && inHead
	case closing == '>':
		marked = before == '<' && inHead
	case closing == ')':
		marked = before == '(' && inHead && blanks == end && string(word) != "log" // a call
	case closing == '|':
		marked = inHead && lastOf(text[:start]) == '|'
	case before == '\t' && after == '\t', inHead && padded && blanks < len(text):
		marked = inHead
	case after == ':', closing == ':': // libvirt has a blank before the colon
		marked = inHead && !opensObject(text[blanks+1:])
	case bytes.HasPrefix(text[end:], []byte(" - ")): // between dashes, or first
		marked = inHead || h.end > 0 && bytes.HasSuffix(text[:start], []byte(" - "))
	case after == '/' && h.end > 0 && start >= h.end && // critical/Application: of Icinga
		len(bytes.Trim(text[h.end:start], " ]")) == 0:
		facility, _, ok := bytes.Cut(text[end+1:min(len(text), end+40)], []byte(": "))
		marked = ok && bytes.IndexByte(facility, ' ') < 0
	case after == ' ' && inHead && string(word) == "debug" && end+2 < len(text) && // BIND
		text[end+1]-'0' <= 9:
		marked = text[end+2] == ':'
	case before == ':' && after == ',': // [ns_server:error,2026-05-04T10:11:12Z of Couchbase
		marked = h.end > 0 && end+1 == h.start
	case after == '[': // error[E0382]: of rustc
		code, _, ok := bytes.Cut(text[end:min(len(text), end+12)], []byte("]:"))
		marked = inHead && ok && len(code) > 1
	case after == ' ' && h.end > 0 && start >= h.end &&
		len(bytes.Trim(text[h.end:start], " ]-|,")) == 0:
		// 2026-05-04 10:11:12 error boom, 2026-05-04 10:11:12 Error com.shop.Pay: boom
		marked = word[0] >= 'a' || namesLogger(text[end+1:])
	case after == ' ' && inHead && start > 1 && before == ' ' && text[start-2] >= 0x80 &&
		closing == '[': // ✗ error [shop] of diary
		marked = true
	case after == ' ' && inHead && bytes.HasPrefix(text[end:], []byte(" error:")): // fatal error:
		marked = true
	}
	if !marked {
		return level{}
	}
	if (string(word) == "Note" || string(word) == "System") && after == ']' { // MySQL
		return levelInfo
	}
	if string(word) == "Parse" && after == ' ' || string(word) == "Recoverable" { // PHP
		return levelError
	}
	if string(word) == "Deprecated" && after == ':' &&
		bytes.Contains(text[:start], []byte("PHP ")) {
		return levelNotice
	}
	return levelWord(word)
}

// inSentence reports whether the text before a bracket is prose: it has a word behind a colon.
//
//	[2026-05-04 10:11:12] logfile: invalid loglevel [debug] defaulting to 'info'
func inSentence(t []byte) bool {
	_, rest, ok := bytes.Cut(t, []byte(": "))
	return ok && len(rest) > 1 && rest[0]|0x20-'a' < 26
}

// namesLogger reports whether a text begins with a name with dots before a colon.
func namesLogger(t []byte) bool {
	word, _, ok := bytes.Cut(t[:min(len(t), 100)], []byte(": "))
	return ok && bytes.IndexByte(word, ' ') < 0 && bytes.IndexByte(word, '.') > 0
}

// opensObject reports whether behind a colon nothing but an opening bracket follows: the line is of
// an object that was printed over several lines, and the word before it is a key.
func opensObject(t []byte) bool {
	t = bytes.TrimSpace(t[:min(len(t), 4)])
	return len(t) == 1 && (t[0] == '{' || t[0] == '[')
}

// lastOf returns the last byte of a text that is no blank.
func lastOf(t []byte) byte {
	t = bytes.TrimRight(t, " ")
	if len(t) == 0 {
		return 0
	}
	return t[len(t)-1]
}

// threadLevel is the level that stands behind the name of a thread in the first brackets of a line,
// as Minecraft and its mods write it: [10:11:12] [Server thread/WARN]: ...
func threadLevel(text []byte) level {
	text = text[:min(len(text), 160)]
	for len(text) > 0 && text[0] == '[' {
		end := bytes.IndexByte(text, ']')
		if end < 0 {
			break
		}
		slash := bytes.IndexByte(text[:end], '/')
		if slash > 1 && isWord(text[slash-1]) && isUpper(text[slash+1:end]) {
			if l := levelWord(text[slash+1 : end]); l.word != nil {
				return l
			}
		}
		text = bytes.TrimLeft(text[end+1:], " ")
	}
	return level{}
}

// markLevel is the level of a line of Redis, which is a mark behind the time:
//
//	8:M 29 Nov 2026 07:46:57.233 * Ready to accept connections
func markLevel(text []byte, h head) level {
	if h.start < 4 || h.end+2 >= len(text) || text[h.end] != ' ' || text[h.end+2] != ' ' ||
		text[h.start-1] != ' ' {
		return level{}
	}
	if (text[h.start-2]-'A' >= 26 || text[h.start-3] != ':') &&
		!behindProcess(text[:h.start]) { // [1234] of Redis before 3
		return level{}
	}
	switch text[h.end+1] {
	case '.':
		return levelDebug
	case '-':
		return levelInfo
	case '*':
		return levelNotice
	case '#':
		return levelWarn
	}
	return level{}
}

// letterLevel is the level of a line that has a letter for it beside its time, as programs write
// that set it apart from words:
//
//	[E 260504 10:11:12 web:1234] payment failed                 Tornado, Jupyter
//	[2026-05-04 10:11:12.345678] E [MSGID: 1] [a.c:1:f] failed  GlusterFS, Ruby's semantic_logger
//	2026-05-04T10:11:12Z E! [outputs.kafka] payment failed      Telegraf
//	[ E 2026-05-04 10:11:12.3821 1234/T5 age/Cor.cpp:123 ]: failed   Phusion Passenger
//	2026-05-04 10:11:12.382123 E | etcdserver: payment failed   etcd 3.4
//	2026.05.04 10:11:12 LOG3[0]: connect 127.0.0.1:9: refused   stunnel, a severity of syslog
//	E [04/May/2026:10:11:12 +0000] Unable to open listen socket CUPS
//	E[2026-05-04|10:11:12.382] payment failed module=p2p        CometBFT
func letterLevel(text []byte, h head) level {
	if h.end == 0 {
		return level{}
	}
	if h.start == 1 && text[0] != '[' && text[0] != '(' && text[0] != '<' { // CockroachDB
		return levelLetter(text[0])
	}
	if h.start == 2 && text[1] == '[' { // CometBFT
		return levelLetter(text[0])
	}
	if h.start == 3 && text[1] == ' ' && text[2] == '[' { // CUPS, whose X is an emergency
		return levelLetter(text[0])
	}
	if h.start >= 3 && text[h.start-1] == ' ' && (text[h.start-3] == '[' ||
		h.start >= 4 && text[h.start-3] == ' ' && text[h.start-4] == '[') {
		return levelLetter(text[h.start-2])
	}
	rest := bytes.TrimLeft(text[h.end:], "] ")
	if l := spacedLetter(rest); l.word != nil {
		return l
	}
	if len(rest) > 3 && (rest[1] == '!' && rest[2] == ' ' || rest[1] == ' ' && (rest[2] == '[' ||
		rest[2] == '|' && rest[3] == ' ')) {
		return levelLetter(rest[0])
	}
	if len(rest) > 5 && string(rest[:3]) == "LOG" && rest[3]-'0' < 8 && rest[4] == '[' { // stunnel
		return syslogLevel(int(rest[3] - '0'))
	}
	if h.start <= 1 {
		return columnLetter(rest)
	}
	return level{}
}

// spacedLetter is the level of a line with a letter between blanks behind its time. Letters that
// are words, too, need the name of a logger or a file behind them.
//
//	2026-05-04 10:11:12 E com.shop.Pay payment failed
//	2026-05-04T10:11:12.345+0000 I NETWORK  [conn7] end connection       MongoDB before 4.4
func spacedLetter(rest []byte) level {
	if len(rest) < 4 || rest[1] != ' ' || rest[0]-'A' >= 26 {
		return level{}
	}
	word, after, _ := bytes.Cut(rest[2:min(len(rest), 100)], []byte(" "))
	if after = bytes.TrimLeft(after, " "); len(after) > 2 && after[0] == '[' &&
		(string(word) == "-" || len(word) > 2 && isUpper(word)) {
		return levelLetter(rest[0]) // MongoDB before 4.4
	}
	named := len(word) > 2 && (word[len(word)-1] == ':' ||
		bytes.IndexByte(word[1:len(word)-1], '.') > 0 || bytes.Contains(word, []byte("::"))) &&
		word[0]|0x20-'a' < 26
	switch rest[0] {
	case 'E', 'W', 'F', 'D':
		if named || len(word) > 0 && word[0]|0x20-'a' < 26 {
			return levelLetter(rest[0])
		}
	case 'I', 'T', 'C', 'N':
		if named {
			return levelLetter(rest[0])
		}
	}
	return level{}
}

// columnLetter is the level of a line whose letter for it stands some columns behind the time:
//
//	11-29 08:04:36.382  1234  1234 E AndroidRuntime: FATAL EXCEPTION: main   Android
//	[11/29/26, 8:04:36:382 UTC] 0000002a com.ibm.ws.webapp E SRVE0777E: Exception   WebSphere
//	2026/11/29 08:04:36 ...eb/auth/auth.go:12:SignInPost() [E] Failed   Gitea
func columnLetter(rest []byte) level {
	var f [4][]byte
	for i := range f {
		rest = bytes.TrimLeft(rest, " ")
		f[i], rest, _ = bytes.Cut(rest, []byte(" "))
	}
	switch {
	case len(f[2]) == 1 && len(f[0]) > 0 && jsonscan.Digits(f[0]) == len(f[0]) &&
		len(f[1]) > 0 && jsonscan.Digits(f[1]) == len(f[1]):
		return androidLetter(f[2][0])
	case len(f[2]) == 1 && isHex8(f[0]) && len(f[3]) > 0:
		switch f[2][0] {
		case 'R':
			return levelError // System.err
		case 'O', 'A': // System.out, audit
			return levelInfo
		case 'C':
			return levelDebug
		}
		return levelLetter(f[2][0])
	case isBracketed(f[1]) && (bytes.HasSuffix(f[0], []byte("()")) || isLabel(f[0])):
		return levelLetter(f[1][1])
	case isBracketed(f[0]): // [E] [main.go:12] of Beego
		return levelLetter(f[0][1])
	}

	return level{}
}

// isBracketed reports whether a word is a letter in brackets.
func isBracketed(word []byte) bool {
	return len(word) == 3 && word[0] == '[' && word[2] == ']'
}

func androidLetter(c byte) level {
	switch c {
	case 'V':
		return levelTrace
	case 'D', 'I', 'W', 'E', 'F':
		return levelLetter(c)
	}
	return level{}
}

func isHex8(t []byte) bool {
	return len(t) == 8 && isHex(t)
}

func levelLetter(c byte) level {
	switch c {
	case 'T':
		return levelTrace
	case 'D':
		return levelDebug
	case 'I':
		return levelInfo
	case 'N':
		return levelNotice
	case 'W':
		return levelWarn
	case 'E':
		return levelError
	case 'C':
		return levelCritical
	case 'A':
		return levelAlert
	case 'F':
		return levelFatal
	}
	return level{}
}

// mnemonicLevel is the level of a message of Cisco's, which is the syslog severity within its
// mnemonic: %ASA-3-106010: or %LINK-3-UPDOWN:, behind a time or at the start.
func mnemonicLevel(text []byte) level {
	start := bytes.IndexByte(text[:min(len(text), nearText)], '%')
	if bytes.HasPrefix(text, []byte("ASA-")) || bytes.HasPrefix(text, []byte("FTD-")) {
		start = -1 // the sign was cut off
	} else if start < 0 {
		return level{}
	}
	mnemonic, _, ok := bytes.Cut(text[start+1:min(len(text), start+nearText)], []byte(":"))
	if !ok {
		return level{}
	}
	for _, c := range mnemonic {
		if c-'A' >= 26 && c-'0' > 9 && c != '_' && c != '-' {
			return level{}
		}
	}
	parts := bytes.Split(mnemonic, []byte("-"))
	if len(parts) < 3 || len(parts[0]) == 0 || parts[0][0]-'A' >= 26 {
		return level{}
	}
	severity := parts[len(parts)-2]
	if len(severity) != 1 || severity[0]-'0' > 7 {
		return level{}
	}
	return syslogLevel(int(severity[0] - '0'))
}

// consoleLevel is the level of a line of .NET's console: "fail: Shop.Pay[7]", alone on its line or
// before the text, and perhaps behind a time.
func consoleLevel(text []byte, h head) level {
	text = bytes.TrimLeft(text[h.end:], " ")
	if len(text) < 9 || text[4] != ':' || text[5] != ' ' || text[0]-'a' >= 26 {
		return level{}
	}
	category, _, _ := bytes.Cut(text[6:min(len(text), 200)], []byte("\n"))
	category, _, _ = bytes.Cut(bytes.TrimSpace(category), []byte(" "))
	open := bytes.LastIndexByte(category, '[')
	if open <= 0 || category[len(category)-1] != ']' ||
		jsonscan.Digits(category[open+1:]) != len(category)-open-2 {
		return level{}
	}
	switch string(text[:4]) {
	case "trce":
		return levelTrace
	case "dbug":
		return levelDebug
	case "info":
		return levelInfo
	case "warn":
		return levelWarn
	case "fail":
		return levelError
	case "crit":
		return levelCritical
	}
	return level{}
}

// textWord returns the level of an upper-case word in a text, where fewer words than in a field of
// the level are certain.
func textWord(word []byte) level {
	switch string(word) {
	case "TRACE", "FINEST", "FINER", "VERBOSE", "TRC", "TRAC", "VRB":
		return levelTrace
	case "DEBUG", "FINE", "DBG", "DEBU", "DBUG", "DEBG", "DEBUG1", "DEBUG2", "DEBUG3":
		return levelDebug
	case "INFO", "INFORMATION", "INFORMATIONAL", "INF", "LOG":
		return levelInfo
	case "NOTICE", "NOTI":
		return levelNotice
	case "SUCCESS":
		return levelSuccess
	case "WARN", "WARNING", "WRN", "WARNI": // %-5.5s of Alembic and Pyramid
		return levelWarn
	case "ERROR", "ERR", "SEVERE", "ERRO", "EROR", "ERRS":
		return levelError
	case "CRITICAL", "CRIT", "DPANIC", "CRT", "CRITI":
		return levelCritical
	case "ALERT":
		return levelAlert
	case "FATAL", "PANIC", "FTL", "FATA", "PANI", "PNC":
		return levelFatal
	case "EMERG", "EMERGENCY":
		return levelEmergency
	}
	return level{}
}

// levelWord returns the level of a word in any case, as textWord knows it, or of a constant of
// syslog, such as LOG_ERR.
func levelWord(word []byte) level {
	word = bytes.TrimPrefix(word, []byte("LOG_"))
	if len(word) < 3 || len(word) > 13 {
		return level{}
	}
	var buffer [13]byte
	upper := buffer[:len(word)]
	for i, c := range word {
		if c-'a' < 26 {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	return textWord(upper)
}

func isWord(c byte) bool { return c|0x20-'a' < 26 || c-'0' <= 9 || c == '_' || c >= 0x80 }

func isUpper(word []byte) bool {
	for _, c := range word {
		if c-'A' >= 26 {
			return false
		}
	}
	return true
}
