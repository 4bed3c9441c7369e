package decode

import (
	"bytes"

	"github.com/log-monitoring/alert-engine/internal/jsonscan"
)

// appendCompose rewrites a line as Docker Compose prints it: the name of the container, blanks, a
// bar, and the line. Swarm's names have the node behind an at sign. A name without a number needs
// two blanks before the bar, which Compose writes, because columns of other formats have bars, too.
//
//	web-1  | {"level":"error","msg":"payment failed"}
//	shop_web.1.x7k2m@node-1    | 2026-05-04 10:11:12 ERROR payment failed
func appendCompose(dst, b []byte) ([]byte, bool) {
	name, text := cutCompose(b)
	if name == nil {
		return dst, false
	}
	service, node, _ := bytes.Cut(name, []byte("@"))
	if len(node) > 0 {
		service, _, _ = bytes.Cut(service, []byte("."))
	}
	if n := unnumbered(service); n > 0 {
		service = service[:n]
	}
	dst = appendKnown(dst, "container_name", name)
	dst = appendBytes(dst, "host", node)
	dst = appendKnown(dst, "com.docker.compose.service", service)
	return appendKnown(dst, "message", text), true
}

// cutCompose cuts the name of a container and the bar off a line; name is nil if there is none.
func cutCompose(b []byte) (name, text []byte) {
	bar := bytes.Index(b[:min(len(b), 100)], []byte(" | "))
	if bar <= 1 || len(b) == bar+3 {
		return nil, nil
	}
	name, text = bytes.TrimRight(b[:bar], " "), b[bar+3:]
	if len(name) < 2 || levelWord(name).word != nil || !isServiceName(name) {
		return nil, nil
	}
	word, rest, _ := bytes.Cut(text[:min(len(text), 20)], []byte(" "))
	if levelWord(word).word != nil && bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte("|")) {
		return nil, nil // the name of a logger, and its level
	}
	if bar == len(name) && unnumbered(name) == 0 && bytes.IndexByte(name, '@') < 0 {
		return nil, nil
	}
	return name, text
}

// unnumbered returns the length of a name without the number of the container behind a dash, 0 if
// it has none.
func unnumbered(name []byte) int {
	n := len(bytes.TrimRight(name, "0123456789"))
	if n < 2 || n == len(name) || name[n-1] != '-' && name[n-1] != '_' {
		return 0
	}
	return n - 1
}

// mayBeCompose is a quick check of whether a bar may follow the first word of a line, which ends
// at b[i].
func mayBeCompose(b []byte, i int) bool {
	return i > 0 && i+4 < len(b) && b[i] == ' ' && (b[i+1] == ' ' || b[i+1] == '|')
}

// isServiceName reports whether a word can be the name of a container.
func isServiceName(word []byte) bool {
	for _, c := range word {
		if !isWord(c) && c != '.' && c != '-' && c != '@' || c >= 0x80 {
			return false
		}
	}
	return jsonscan.Digits(word) < len(word) && isWord(word[0])
}
