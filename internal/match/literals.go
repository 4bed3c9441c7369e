package match

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// What a regular expression or a wildcard pattern demands is found by literals first: some are
// nothing but literals and become a set of them; of the others, a set is found without which they
// cannot match.

// regexpSet returns literals, any of which holds exactly where the expression matches; or nothing
// if it is more than that.
func regexpSet(expr string) []literal {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return wholeSet(re.Simplify(), true, true)
}

// wholeSet returns the literals of an expression. Before it may stand any text if the value is open
// at the left, and behind it if it is open at the right.
func wholeSet(re *syntax.Regexp, left, right bool) []literal {
	switch re.Op {
	case syntax.OpCapture:
		return wholeSet(re.Sub[0], left, right)
	case syntax.OpAlternate:
		var all []literal
		for _, sub := range re.Sub {
			set := wholeSet(sub, left, right)
			if set == nil {
				return nil
			}
			all = append(all, set...)
		}
		return all
	case syntax.OpConcat:
		sub := re.Sub
		if sub[0].Op == syntax.OpBeginText {
			left, sub = false, sub[1:]
		}
		if n := len(sub); n > 0 && sub[n-1].Op == syntax.OpEndText {
			right, sub = false, sub[:n-1]
		}
		for left && len(sub) > 1 && isAnything(sub[0]) {
			sub = sub[1:]
		}
		for right && len(sub) > 1 && isAnything(sub[len(sub)-1]) {
			sub = sub[:len(sub)-1]
		}
		if len(sub) != 1 {
			return nil
		}
		return wholeSet(sub[0], left, right)
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if r == utf8.RuneError { // matches any invalid byte, which only folding replaces
				return nil
			}
		}
		op := rule.OpContains
		switch {
		case !left && !right:
			op = rule.OpEqual
		case !left:
			op = rule.OpPrefix
		case !right:
			op = rule.OpSuffix
		}
		return []literal{newLiteral(op, string(re.Rune), re.Flags&syntax.FoldCase == 0)}
	}
	return nil
}

// isAnything says of an expression that it matches no matter what, so that at the open end of an
// expression it says nothing.
func isAnything(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar &&
		(re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL) ||
		re.Op == syntax.OpEmptyMatch
}

// regexpNeeds returns sets of literals, of each of which every text has one that the expression
// matches, the most useful set first; nothing if there are no useful ones. They are compared
// without regard to case even where the expression is not: that is coarser, never wrong.
func regexpNeeds(expr string) [][]literal {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	all := allNeeded(re.Simplify())
	slices.SortStableFunc(all, func(a, b []string) int { return usefulness(b) - usefulness(a) })
	var sets [][]literal
	for _, texts := range all[:min(len(all), maxNeeds)] {
		var set []literal
		for _, text := range texts {
			set = append(set, newLiteral(rule.OpContains, text, false))
		}
		sets = append(sets, set)
	}
	return sets
}

// maxNeeds is how many sets are asked for before an expression is run.
const maxNeeds = 3

// allNeeded returns what each part of an expression demands that stands behind another.
func allNeeded(re *syntax.Regexp) (all [][]string) {
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return allNeeded(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			all = append(all, allNeeded(sub)...)
		}
		return all
	}
	if texts := needed(re); texts != nil {
		all = append(all, texts)
	}
	return all
}

// regexpSubstrings returns substrings that every match of the expression has, in this order and
// without overlap. They may be as short as one byte: the search for them costs little beside
// running the expression.
func regexpSubstrings(expr string) [][]byte {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return substrings(re.Simplify(), nil)
}

// maxSubstrings bounds the substrings of one expression.
const maxSubstrings = 16

func substrings(re *syntax.Regexp, dst [][]byte) [][]byte {
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return substrings(re.Sub[0], dst)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			dst = substrings(sub, dst)
		}
	case syntax.OpLiteral:
		var text []byte
		for _, r := range re.Rune {
			same := re.Flags&syntax.FoldCase == 0 || unicode.SimpleFold(r) == r
			if same && r != utf8.RuneError { // which matches any invalid byte
				text = utf8.AppendRune(text, r)
				continue
			}
			if len(text) > 0 {
				dst, text = append(dst, text), nil
			}
		}
		if len(text) > 0 {
			dst = append(dst, text)
		}
	}
	return dst[:min(len(dst), maxSubstrings)]
}

// hasSubstrings reports whether a value has substrings in this order, without overlap.
func hasSubstrings(value []byte, substrings [][]byte) bool {
	for _, text := range substrings {
		i := bytes.Index(value, text)
		if i < 0 {
			return false
		}
		value = value[i+len(text):]
	}
	return true
}

const maxNeeded = 256 // alternatives

func needed(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if s := string(re.Rune); len(s) >= minShort {
			return []string{s}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return needed(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return needed(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if s := needed(sub); s != nil && (best == nil || usefulness(s) > usefulness(best)) {
				best = s
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			s := needed(sub)
			if s == nil {
				return nil
			}
			all = append(all, s...)
		}
		if len(all) <= maxNeeded {
			return all
		}
	}
	return nil
}

// usefulness is greater for a few long texts than for many short ones.
func usefulness(texts []string) int {
	shortest := 12
	for _, s := range texts {
		shortest = min(shortest, len(s))
	}
	return 10*shortest - len(texts)
}

// globSet returns the one literal that a wildcard pattern amounts to, if it does, and otherwise
// literals that it needs.
func globSet(pattern string, cased bool) (whole, need []literal) {
	var segs []string
	var stars []bool // whether a star stands before the segment; the last one: behind all
	seg, star, plain, jokers := "", false, true, false
	rs := []rune(pattern)
	for i := 0; i < len(rs); i++ {
		switch r := rs[i]; r {
		case '*', '?':
			if r == '?' {
				jokers = true
			}
			if seg != "" {
				segs, stars = append(segs, seg), append(stars, star)
				seg, star = "", false
			}
			star = true
			plain = false
			continue
		case '\\':
			if i+1 < len(rs) {
				i++
			}
		}
		if rs[i] == utf8.RuneError && cased {
			return nil, nil
		}
		seg += string(rs[i])
	}
	if seg != "" || plain {
		segs, stars = append(segs, seg), append(stars, star)
		star = false
	}
	lit := func(op rule.Op, text string) []literal { return []literal{newLiteral(op, text, cased)} }
	if !jokers {
		switch {
		case plain:
			return lit(rule.OpEqual, segs[0]), nil
		case len(segs) == 0:
			return lit(rule.OpContains, ""), nil
		case len(segs) == 1 && !stars[0]:
			return lit(rule.OpPrefix, segs[0]), nil
		case len(segs) == 1 && !star:
			return lit(rule.OpSuffix, segs[0]), nil
		case len(segs) == 1:
			return lit(rule.OpContains, segs[0]), nil
		}
	}
	best := -1
	for i, s := range segs {
		if best < 0 || len(s) > len(segs[best]) {
			best = i
		}
	}
	switch {
	case best < 0:
		return nil, nil
	case best == 0 && !stars[0]:
		return nil, lit(rule.OpPrefix, segs[best])
	case best == len(segs)-1 && !star:
		return nil, lit(rule.OpSuffix, segs[best])
	case len(segs[best]) < minShort:
		return nil, nil
	}
	return nil, lit(rule.OpContains, segs[best])
}
