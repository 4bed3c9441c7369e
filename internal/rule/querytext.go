package rule

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// QueryText writes a query as ParseQuery reads it: the text of a tree reads as the same tree. It
// refuses what only a map can say, such as a wildcard that tells case, and fields whose name has
// characters with a meaning.
func QueryText(q Query) (string, error) {
	var b strings.Builder
	if err := writeQuery(&b, q); err != nil {
		return "", err
	}
	return b.String(), nil
}

func writeQuery(b *strings.Builder, q Query) error {
	switch q := q.(type) {
	case *And:
		if l := knownLeaf(q); l != nil {
			return writeQuery(b, l)
		}
		return writeAll(b, q.Of, " ")
	case *Or:
		return writeAll(b, q.Of, " or ")
	case *Not:
		if isUnknown(q.Of) {
			b.WriteString("level:*")
			return nil
		}
		b.WriteString("not ")
		return writeMember(b, q.Of)
	case *Leaf:
		if isUnknown(q) {
			b.WriteString("not level:*")
			return nil
		}
		text, err := leafText(q)
		b.WriteString(text)
		return err
	}
	return fmt.Errorf("%T is not a query", q)
}

func writeAll(b *strings.Builder, of []Query, between string) error {
	if len(of) < 2 {
		return fmt.Errorf("a query of %d members has no text", len(of))
	}
	for i, m := range of {
		if i > 0 {
			b.WriteString(between)
		}
		if err := writeMember(b, m); err != nil {
			return err
		}
	}
	return nil
}

// writeMember writes a query that is part of another.
func writeMember(b *strings.Builder, q Query) error {
	switch q.(type) {
	case *And, *Or:
		b.WriteByte('(')
		err := writeQuery(b, q)
		b.WriteByte(')')
		return err
	}
	return writeQuery(b, q)
}

// isUnknown reports whether a query is that a log has no level.
func isUnknown(q Query) bool {
	l, ok := q.(*Leaf)
	return ok && l.Field == "level" && l.Op == OpEqual && l.Text == "UNKNOWN" && l.Cased
}

// knownLeaf is the leaf that known was given; nil of other queries.
func knownLeaf(q Query) *Leaf {
	and, ok := q.(*And)
	if !ok || len(and.Of) != 2 {
		return nil
	}
	there, ok := and.Of[0].(*Not)
	l, isLeaf := and.Of[1].(*Leaf)
	if ok && isLeaf && isUnknown(there.Of) && l.Field == "level" && l.Op != OpLevel {
		return l
	}
	return nil
}

// leafText writes a leaf in the first way that reads as the same leaf.
func leafText(l *Leaf) (string, error) {
	colon := l.Field + ":"
	if l.Field == "" {
		colon = ""
	}
	for _, text := range spelled(l, colon) {
		// with something behind it, so that a backslash at its end is seen
		read, err := parseQuery("("+text+" or x)", &regexpBudget{})
		or, ok := read.(*Or)
		if err != nil || !ok || len(or.Of) != 2 {
			continue
		}
		if and := knownLeaf(or.Of[0]); and != nil {
			or.Of[0] = and
		}
		if sameLeaf(or.Of[0], l) {
			return text, nil
		}
	}
	return "", fmt.Errorf("no query says what field %q is compared with", l.Field)
}

// spelled are the ways in which a leaf may be written.
func spelled(l *Leaf, colon string) []string {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(l.Text) + `"`
	switch l.Op {
	case OpContains:
		return []string{colon + quoted, colon + "*" + escapeQuery(l.Text) + "*"}
	case OpPrefix:
		return []string{colon + escapeQuery(l.Text) + "*"}
	case OpSuffix:
		return []string{colon + "*" + escapeQuery(l.Text)}
	case OpEqual:
		if l.Cased {
			return []string{l.Field + ":=" + quoted}
		}
		plain := colon + l.Text
		if strings.ContainsAny(l.Text, `()"`+"\n\r") {
			plain = ""
		}
		return []string{plain, colon + quoted}
	case OpGlob:
		return []string{
			colon + escapePattern(l.Text), colon + escapePattern(strings.Trim(l.Text, "*")),
		}
	case OpRegexp:
		re := slashes(l.Regexp.String())
		return []string{colon + "/" + re + "/"}
	case OpExists:
		return []string{colon + "*"}
	case OpRange:
		return rangeTexts(l.Field, l.Range)
	case OpCIDR:
		return []string{colon + l.Text}
	case OpList:
		return []string{colon + "@" + l.Text}
	case OpWords:
		return []string{l.Field + "~" + l.Text, l.Field + "~" + quoted}
	}
	return nil
}

// slashes escapes the slashes of an expression that no backslash escapes.
func slashes(re string) string {
	var b strings.Builder
	for i := 0; i < len(re); i++ {
		if re[i] == '\\' && i+1 < len(re) {
			b.WriteString(re[i : i+2])
			i++
			continue
		}
		if re[i] == '/' {
			b.WriteByte('\\')
		}
		b.WriteByte(re[i])
	}
	return b.String()
}

func rangeTexts(field string, r Range) []string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	switch {
	case math.IsInf(r.Max, 1) && r.OpenMin:
		return []string{field + ">" + number(r.Min)}
	case math.IsInf(r.Max, 1):
		return []string{field + ">=" + number(r.Min)}
	case math.IsInf(r.Min, -1) && r.OpenMax:
		return []string{field + "<" + number(r.Max)}
	case math.IsInf(r.Min, -1):
		return []string{field + "<=" + number(r.Max)}
	case !r.OpenMin && !r.OpenMax:
		return []string{field + ":" + number(r.Min) + ".." + number(r.Max)}
	}
	return nil // it takes two comparisons
}

// escapeQuery is a text as an unquoted value that means itself.
func escapeQuery(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(queryEscapes, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// escapePattern is a pattern as an unquoted value.
func escapePattern(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' || c == '?':
			b.WriteByte(c)
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(escapeQuery(pattern[i : i+1]))
		default:
			b.WriteString(escapeQuery(pattern[i : i+1]))
		}
	}
	return b.String()
}

// sameLeaf reports whether a query is a leaf with the same meaning.
func sameLeaf(q Query, l *Leaf) bool {
	read, ok := q.(*Leaf)
	if !ok || (read.Regexp == nil) != (l.Regexp == nil) ||
		l.Regexp != nil && read.Regexp.String() != l.Regexp.String() {
		return false
	}
	x, y := *read, *l
	x.Pos, y.Pos, x.Regexp, y.Regexp = Pos{}, Pos{}, nil, nil
	x.Instructions, y.Instructions, x.Slashes, y.Slashes = 0, 0, false, false
	return x == y
}

// All is the conjunction of queries: what always holds is left out, and conjunctions are joined.
func All(of ...Query) Query {
	var list []Query
	for _, q := range of {
		switch q := q.(type) {
		case nil:
		case *And:
			list = append(list, q.Of...)
		default:
			list = append(list, q)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &And{slices.Clip(list)}
}

// Any is the disjunction of queries, of which there is one at least; disjunctions are joined. With
// a query that always holds, nil, it always holds.
func Any(of ...Query) Query {
	var list []Query
	for _, q := range of {
		switch q := q.(type) {
		case nil:
			return nil
		case *Or:
			list = append(list, q.Of...)
		default:
			list = append(list, q)
		}
	}
	if len(list) == 1 {
		return list[0]
	}
	return &Or{slices.Clip(list)}
}
