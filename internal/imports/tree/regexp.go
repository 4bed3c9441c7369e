package tree

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Find is the condition that a regular expression matches somewhere in a field. What is a text, or
// texts, is written as such: it costs less, and users read it.
func Find(field, expr string) (Node, error) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if texts, fold, ok := literals(re.Simplify()); ok {
		return Contains(field, !fold, texts...), nil
	}
	if text, _, fold, ok := affix(re.Simplify()); ok { // .* at the ends of a search is nothing
		return Contains(field, !fold, text), nil
	}
	return Leaf{Field: field, Mods: "re", Values: []string{expr}}, nil
}

// Contains is the condition that one of some texts occurs in a field.
func Contains(field string, cased bool, texts ...string) Node {
	values := make([]string, len(texts))
	for i, t := range texts {
		if t == "" {
			return And{}
		}
		values[i] = Escape(t)
	}
	return Leaf{Field: field, Mods: mods("contains", cased), Values: values}
}

// Whole is the condition that a regular expression matches the whole value of a field. absent is
// the condition that the field is absent or empty.
func Whole(field, expr string, absent Node) (Node, error) {
	re, err := regexp.Compile("^(?s:" + expr + ")$")
	if err != nil {
		if _, own := regexp.Compile(expr); own != nil {
			err = own
		}
		return nil, err
	}
	n := whole(field, expr)
	if re.MatchString("") {
		return Any(n, absent), nil
	}
	return n, nil
}

func whole(field, expr string) Node {
	switch expr {
	case ".*", "(?s).*":
		return And{}
	case ".+":
		return Leaf{Field: field, Values: []string{"?*"}}
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err == nil {
		tree = tree.Simplify()
		if texts, fold, ok := literals(tree); ok {
			for i, t := range texts {
				texts[i] = Escape(t)
			}
			return Leaf{Field: field, Mods: mods("", !fold), Values: texts}
		}
		if text, mod, fold, ok := affix(tree); ok {
			return Leaf{Field: field, Mods: mods(mod, !fold), Values: []string{Escape(text)}}
		}
	}
	return Leaf{Field: field, Mods: "re", Values: []string{"^(?s:" + expr + ")$"}}
}

func mods(mod string, cased bool) string {
	if cased {
		mod += "|cased"
	}
	return strings.TrimPrefix(mod, "|")
}

// maxLiterals bounds the texts that an expression is written out to.
const maxLiterals = 50

// literals are the texts that an expression matches, if these are few, and whether in any case.
func literals(re *syntax.Regexp) (texts []string, fold, ok bool) {
	if hasCase(re) != hasFold(re) && hasFold(re) {
		fold = true
	} else if hasFold(re) {
		return nil, false, false
	}
	texts, ok = expand(re)
	for _, t := range texts {
		ok = ok && t != ""
	}
	return texts, fold, ok && len(texts) > 0
}

// hasFold reports whether some literal is compared in any case, hasCase whether some with letters
// is not.
func hasFold(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral {
		return re.Flags&syntax.FoldCase != 0
	}
	for _, sub := range re.Sub {
		if hasFold(sub) {
			return true
		}
	}
	return false
}

func hasCase(re *syntax.Regexp) bool {
	if re.Op == syntax.OpLiteral {
		text := string(re.Rune)
		return re.Flags&syntax.FoldCase == 0 && strings.ToUpper(text) != strings.ToLower(text)
	}
	if re.Op == syntax.OpCharClass {
		return true
	}
	for _, sub := range re.Sub {
		if hasCase(sub) {
			return true
		}
	}
	return false
}

func expand(re *syntax.Regexp) (texts []string, ok bool) {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, true
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if texts = append(texts, string(r)); len(texts) > 10 {
					return nil, false
				}
			}
		}
		return texts, true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			more, ok := expand(sub)
			if !ok || len(texts)+len(more) > maxLiterals {
				return nil, false
			}
			texts = append(texts, more...)
		}
		return texts, true
	case syntax.OpConcat:
		texts = []string{""}
		for _, sub := range re.Sub {
			more, ok := expand(sub)
			if !ok || len(texts)*len(more) > maxLiterals {
				return nil, false
			}
			var next []string
			for _, a := range texts {
				for _, b := range more {
					next = append(next, a+b)
				}
			}
			texts = next
		}
		return texts, true
	case syntax.OpQuest:
		more, ok := expand(re.Sub[0])
		return append(more, ""), ok
	}
	return nil, false
}

// affix recognizes text.*, .*text and .*text.*
func affix(re *syntax.Regexp) (text, mod string, fold, ok bool) {
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || len(re.Sub) > 3 {
		return "", "", false, false
	}
	subs := re.Sub
	any := func(re *syntax.Regexp) bool {
		return re.Op == syntax.OpStar &&
			(re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
	}
	before, after := any(subs[0]), any(subs[len(subs)-1])
	switch {
	case len(subs) == 3 && before && after:
		mod, subs = "contains", subs[1:2]
	case len(subs) == 2 && after:
		mod, subs = "startswith", subs[:1]
	case len(subs) == 2 && before:
		mod, subs = "endswith", subs[1:]
	default:
		return "", "", false, false
	}
	if subs[0].Op != syntax.OpLiteral {
		return "", "", false, false
	}
	return string(subs[0].Rune), mod, subs[0].Flags&syntax.FoldCase != 0, true
}
