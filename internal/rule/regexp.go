package rule

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// The bounds of regular expressions, in instructions of the compiled program. The time of a match
// is at most that of the instructions times the text.
const (
	maxInstructions    = 10_000  // of one expression
	maxInstructionsAll = 100_000 // of a query, or of a rule file
)

// regexpBudget bounds the regular expressions of a query or a file together.
type regexpBudget struct{ used int }

// compile sets the expression of a leaf. It refuses an expression that is too large before it
// spends the memory.
func (b *regexpBudget) compile(leaf *Leaf, text string) error {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err
	}
	size := instructions(tree)
	if size > maxInstructions {
		return fmt.Errorf("regular expression is too large: it has about %d instructions, "+
			"and %d are possible; repeat less", size, maxInstructions)
	}
	if b.used += size; b.used > maxInstructionsAll {
		return fmt.Errorf("regular expressions are too large together: more than %d instructions",
			maxInstructionsAll)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return err
	}
	leaf.Op, leaf.Regexp, leaf.Instructions = OpRegexp, re, size
	return nil
}

// instructions estimates the size of a compiled expression, with its repetitions written out.
func instructions(re *syntax.Regexp) int {
	const most = 1 << 30 // nested repetitions multiply
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n = 1 + len(re.Rune)/32
	}
	for _, sub := range re.Sub {
		n = min(n+instructions(sub), most)
	}
	if re.Op == syntax.OpRepeat {
		times := re.Max
		if times < 0 {
			times = re.Min + 1
		}
		n = min(n*max(times, 1), most)
	}
	return n
}
