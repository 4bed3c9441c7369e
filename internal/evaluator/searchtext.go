package evaluator

import (
	"errors"
	"regexp"
	"strings"
)

// searchText reads a query as it is typed into a search box.
type searchText struct {
	rest  string
	lists Lists
}

// ReadSearch reads a query that is a text.
func ReadSearch(text string, lists Lists) (Search, error) {
	s := &searchText{text, lists}
	search, err := s.either("")
	if err == nil && s.rest != "" {
		err = errors.New("a parenthesis closes nothing")
	}
	return search, err
}

// take takes what an expression matches at the beginning of the rest, and returns its groups.
func (s *searchText) take(pattern string) []string {
	m := expression(`^(?:` + pattern + `)`).FindStringSubmatch(s.rest)
	if m != nil {
		s.rest = s.rest[len(m[0]):]
	}
	return m
}

// operator takes and, or, or not, when it stands alone.
func (s *searchText) operator(word string) bool {
	m := expression(`^(?i:` + word + `)(?:[\s()"]|$)`).FindString(s.rest)
	if m == "" {
		return false
	}
	s.rest = s.rest[len(word):]
	return true
}

func (s *searchText) either(field string) (Search, error) {
	var list []Search
	for {
		one, err := s.both(field)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
		if s.take(`\s*`); !s.operator("or") {
			return anyOf(list), nil
		}
	}
}

func (s *searchText) both(field string) (Search, error) {
	var list []Search
	for {
		one, err := s.negated(field)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
		s.take(`\s*`)
		if s.operator("and") {
			continue
		}
		ends := expression(`^(?i:or)(?:[\s()"]|$)`)
		if s.rest == "" || s.rest[0] == ')' || ends.MatchString(s.rest) {
			return allOf(list), nil
		}
	}
}

func (s *searchText) negated(field string) (Search, error) {
	s.take(`\s*`)
	minus := strings.HasPrefix(s.rest, "-") && !(field != "" && s.digitAt(1))
	if minus {
		s.rest = s.rest[1:]
	}
	if minus || s.operator("not") {
		search, err := s.negated(field)
		if err != nil {
			return nil, err
		}
		return not(search), nil
	}
	if s.rest == "" || s.operator("and") || s.operator("or") {
		return nil, errors.New("a term is missing")
	}
	if s.take(`\(`) != nil {
		search, err := s.either(field)
		if err == nil && s.take(`\s*\)`) == nil {
			err = errors.New("a parenthesis is not closed")
		}
		return search, err
	}
	if field != "" {
		return s.value(field, "")
	}
	return s.term()
}

func (s *searchText) digitAt(i int) bool {
	return len(s.rest) > i && s.rest[i] >= '0' && s.rest[i] <= '9'
}

// wordByte is one of what stands up to a blank, a parenthesis or a quote.
const wordByte = `(?:\\.|[^\s()"\\]|\\$)`

// term reads a word, a phrase, an expression, or a field and what it is compared with.
func (s *searchText) term() (Search, error) {
	if strings.HasPrefix(s.rest, `"`) || strings.HasPrefix(s.rest, "/") {
		return s.value("", "")
	}
	if m := s.take(`((?:\\.|[^\s()"\\:<>~])+)~` +
		`(?:"((?:\\.|[^"\\])*)"|([\pL\pN_]` + wordByte + `*))`); m != nil {
		return of(m[1], hasWords(unquoted(m[2])+m[3])), nil
	}
	if m := s.take(`((?:\\.|[^\s()"\\:<>~])+)(:=|:|>=|<=|>|<)`); m != nil {
		if m[2] == ":" && s.take(`\(`) != nil {
			search, err := s.either(m[1])
			if err == nil && s.take(`\s*\)`) == nil {
				err = errors.New("a parenthesis is not closed")
			}
			return search, err
		}
		return s.value(m[1], m[2])
	}
	m := s.take(wordByte + `+`)
	if m == nil {
		return nil, errors.New("a term is missing")
	}
	return of("", occurs(queryPattern(m[0]), false)), nil
}

// unquoted is the text of a phrase, in which a backslash is before a quote or a backslash.
func unquoted(text string) string {
	return regexp.MustCompile(`\\(["\\])`).ReplaceAllString(text, "$1")
}

// pathNames are parts of the names of fields that hold paths.
var pathNames = regexp.MustCompile(
	`(?i)path|ur[il]|route|endpoint|file|dir|target|mount|resource|location`)

// value reads what a field is compared with. Values in parentheses have no operator of their own.
func (s *searchText) value(field, op string) (Search, error) {
	if m := s.take(`"((?:\\.|[^"\\])*)"`); m != nil {
		text := unquoted(m[1])
		switch {
		case op == ":=":
			return of(field, equals(ordinary(text), true)), nil
		case op != "" && op != ":":
			return comparison(field, op, text)
		case field == "level":
			return comparison(field, "", text)
		case isTextField(field):
			return of(field, occurs(ordinary(text), false)), nil
		}
		return of(field, equals(ordinary(text), false)), nil
	}
	if op == "" || op == ":" {
		before := s.rest
		if m := s.take(`/((?:\\.|[^/\\])*)/(i?)`); m != nil {
			path := m[2] == "" && pathNames.MatchString(field) &&
				regexp.MustCompile(`^[\w/-]+$`).MatchString(m[1])
			if !path && (s.rest == "" || strings.ContainsAny(s.rest[:1], " \t()\"")) {
				flags := ""
				if m[2] != "" {
					flags = "(?i)"
				}
				holds, err := matchesRegexp(flags + strings.ReplaceAll(m[1], `\/`, `/`))
				return of(field, holds), err
			}
			s.rest = before
		}
		if field == "" && strings.HasPrefix(s.rest, "/") {
			return nil, errors.New("a path needs quotes")
		}
	}
	m := s.take(wordByte + `+`)
	if m == nil {
		return nil, errors.New("a value is missing")
	}
	switch op {
	case ":=":
		text, _ := withoutEscapes(escapedWildcards(queryPattern(m[0])))
		return of(field, equals(ordinary(text), true)), nil
	case "", ":":
		return plainValue(field, m[0], queryPattern, s.lists)
	}
	return comparison(field, op, m[0])
}

// escapedWildcards makes the wildcards of a pattern ordinary.
func escapedWildcards(pattern string) string {
	return regexp.MustCompile(`\\.|[*?]`).ReplaceAllStringFunc(pattern, func(c string) string {
		return `\` + c[len(c)-1:]
	})
}

var rangeText = regexp.MustCompile(`^(.+?)\.\.(.+)$`)

// plainValue is what field:value means.
func plainValue(
	field, text string, pattern func(string) string, lists Lists,
) (Search, error) {
	if text == "*" {
		return there(field), nil
	}
	if list, ok := strings.CutPrefix(text, "@"); ok && list != "" {
		return of(field, member(lists[list])), nil
	}
	if _, plain := withoutEscapes(pattern(text)); field == "level" && plain {
		return comparison(field, "", text)
	}
	if m := rangeText.FindStringSubmatch(text); m != nil {
		low, ok := readNumber(m[1])
		high, ok2 := readNumber(m[2])
		if ok && ok2 {
			if compare(">", low, high) {
				return nil, errors.New("the range is empty")
			}
			return of(field, func(n node) bool {
				own, ok := n.number()
				return ok && compare(">=", own, low) && compare("<=", own, high)
			}), nil
		}
	}
	if isNetwork(text) && !isTextField(field) {
		return of(field, inside(text)), nil
	}
	if isTextField(field) {
		return of(field, occurs(pattern(text), false)), nil
	}
	return of(field, equals(pattern(text), false)), nil
}

// queryPattern is the pattern of a text of a query, in which a backslash before a character with a
// meaning makes it ordinary.
func queryPattern(text string) string { return patternIn(text, "*?\\ \t()\":<>=~@/-") }

// mapPattern is that of a text of a map.
func mapPattern(text string) string { return patternIn(text, `*?\`) }

func patternIn(text, meaning string) string {
	return regexp.MustCompile(`(?s)\\.|\\$`).ReplaceAllStringFunc(text, func(m string) string {
		switch {
		case len(m) == 1 || !strings.Contains(meaning, m[1:]):
			return `\\` + m[1:]
		case strings.Contains(`*?\`, m[1:]):
			return m
		}
		return m[1:]
	})
}
