package rule

import "time"

// A Condition is the tree of a when expression. Comparisons and logic yield truth, everything else
// numbers. An undefined number (an empty aggregate, a division by zero) makes the comparison it
// stands in false.
type Condition interface{ isCondition() }

// Number is a constant; durations are in seconds, percentages in fractions, sizes in bytes.
type Number struct {
	Value float64
	Text  string // as written
}

// Binary joins two conditions: + - * / and, or, == != < <= > >=.
type Binary struct {
	Op          string
	Left, Right Condition
}

// Unary is "not" or "-".
type Unary struct {
	Op string
	Of Condition
}

// Call is a function over the window of a group.
type Call struct {
	// count, rate, sum, avg, min, max, stddev, percentile, quantile, distinct, first, last, new,
	// changed, since, firing, baseline, zscore
	Func string
	// canonical path of the field, for the functions that take one; "@template" is the masked
	// message
	Field string
	// new only: further fields, whose values count together with that of Field
	Also     []string
	Quantile float64       // percentile: 0.99 for p99; quantile
	Filter   Query         // nil when there is none
	Alert    string        // firing only
	Of       Condition     // baseline, zscore: the aggregate they are about
	Span     time.Duration // baseline, zscore: how far they look back; 0 for the default
	Over     time.Duration // agg over 5m: a shorter window than that of the rule; 0 for that
	Offset   time.Duration // agg offset 1w; 0 for none
	// changed only: how long after the event before a change counts; 0 for any time
	Within time.Duration
	Pos    Pos
}

func (*Number) isCondition() {}
func (*Binary) isCondition() {}
func (*Unary) isCondition()  {}
func (*Call) isCondition()   {}
