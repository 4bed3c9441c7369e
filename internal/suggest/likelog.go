package suggest

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// LogsLike is a query of logs like one, and a name for an alert about them: its level from WARN on,
// and the constant part of its message, or else its service.
func LogsLike(e models.LogEntry) (query, name string) {
	var terms []string
	switch level := strings.ToUpper(e.Level); level {
	case "WARN", "ERROR", "FATAL":
		terms = append(terms, "level>="+level)
	}
	phrase := constantPart(e.Message)
	switch {
	case phrase != "":
		terms = append(terms, quoteTerm(phrase))
	case e.Service != "":
		terms = append(terms, "service:"+quoteTerm(e.Service))
	}
	if len(terms) == 0 {
		terms = append(terms, "message:*")
	}
	return strings.Join(terms, " "), alertName(phrase, e.Service)
}

var plainTerm = regexp.MustCompile(`^[\pL\pN_./@][\pL\pN_./@-]*$`)

// quoteTerm is text as a term of a query.
func quoteTerm(text string) string {
	switch strings.ToUpper(text) {
	case "AND", "OR", "NOT":
	default:
		if plainTerm.MatchString(text) {
			return text
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// constantPart is the longest run of words of a message that do not vary: without digits, quotes
// and brackets. The message contains it as it is, so its words are one blank apart.
func constantPart(message string) string {
	message = beginning(message)
	var best, run []string
	size := func(words []string) int { return len(strings.Join(words, " ")) }
	end := func() {
		if size(run) > size(best) {
			best = slices.Clone(run)
		}
		run = run[:0]
	}
	for message != "" {
		text := strings.TrimLeftFunc(message, unicode.IsSpace)
		gap := message[:len(message)-len(text)]
		word := text
		if n := strings.IndexFunc(text, unicode.IsSpace); n >= 0 {
			word = text[:n]
		}
		message = text[len(word):]
		varies := strings.ContainsAny(word, `0123456789"'{}[]()<>=/\@#`) ||
			safetext.Visible(word) != word
		if varies || gap != " " || len(run) == 6 {
			end()
		}
		if !varies && word != "" {
			run = append(run, word)
			if last := word[len(word)-1]; last == ':' || last == ',' || last == '.' {
				run[len(run)-1] = strings.TrimRight(word, ":,.")
				end()
			}
		}
	}
	end()
	if size(best) < 4 {
		return ""
	}
	return strings.Join(best, " ")
}

// beginning is the beginning of a long message, up to the last whole word.
func beginning(message string) string {
	const most = 2000
	if len(message) <= most {
		return message
	}
	return message[:strings.LastIndexFunc(message[:most], unicode.IsSpace)+1]
}

// alertName makes a name of words.
func alertName(phrase, service string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(phrase+" "+service, func(c rune) bool {
		return !unicode.IsLetter(c) || c > unicode.MaxASCII
	}) {
		if b.Len()+len(word) > 40 {
			break
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if b.Len() == 0 {
		return "MyAlert"
	}
	return b.String()
}
