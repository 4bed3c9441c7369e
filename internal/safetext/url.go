package safetext

import "strings"

// URL is a text that should be a URL, as an error may show it: the scheme and the host, on one
// line. What may be secret is left out: the user, the password, and what follows the host. A long
// word that is not a host, such as a token, is cut after its first letters.
func URL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	rest = rest[strings.LastIndex(rest, "@")+1:]
	if end := strings.IndexAny(rest, "/?#"); end >= 0 && end < len(rest)-1 {
		rest = rest[:end] + "/…"
	}
	const word = 16 // letters of a word that is shown whole
	if !strings.ContainsAny(rest, ".:/") && len(rest) > word {
		rest = Clip(rest, word/2)
	}
	if found {
		rest = scheme + "://" + rest
	}
	return ClipLine(rest, 100)
}
