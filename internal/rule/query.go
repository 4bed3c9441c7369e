package rule

import "regexp"

// A Query is the tree of a match expression: And, Or, Not and Leaf. It is immutable once read.
//
// A leaf whose field is absent is false; so a Not over it is true, as in Lucene and Sigma.
type Query interface{ isQuery() }

// And holds when all of its members hold; an empty And always holds.
type And struct{ Of []Query }

// Or holds when one of its members holds; an empty Or never does.
type Or struct{ Of []Query }

// Not holds when Of does not.
type Not struct{ Of Query }

// AnyField is the field of leaves that hold when the value of any field does.
const AnyField = "*"

// Leaf compares one field with one value.
type Leaf struct {
	// canonical dotted path, see decode.Canonical; "" for the text fields: the message and a stack
	// trace, or the whole record when it has no message; AnyField for the values of all fields
	Field string
	Op    Op
	// OpContains, OpPrefix, OpSuffix, OpEqual, OpGlob, OpWords, OpCIDR, OpList (the list's name)
	Text string
	// of a comparison with the value of another field, its canonical path: OpContains, OpPrefix,
	// OpSuffix, OpEqual, and OpRange, of which Text is then the operator
	Other string
	// the text operators distinguish upper from lower case; otherwise they compare by Unicode
	// simple folding
	Cased  bool
	Regexp *regexp.Regexp // OpRegexp
	// of Regexp, about; 0 for unknown
	Instructions int
	Range        Range // OpRange, OpLevel
	Pos          Pos
	// written as field:/text/, where the text may be meant as an expression or as a path
	Slashes bool
}

// Op is what a leaf does with its field. An array satisfies a leaf when one of its members does.
type Op uint8

const (
	OpContains Op = iota // Text occurs in the value
	OpPrefix             // the value begins with Text
	OpSuffix             // the value ends with Text
	OpEqual              // the value is Text
	// the whole value matches Text, in which * stands for any run of characters and ? for one; \
	// escapes
	OpGlob
	OpRegexp // Regexp matches somewhere in the value
	OpExists // the field is present and not null
	// the value is a number within Range; units in the record ("250ms") are understood
	OpRange
	OpLevel // the severity number is within Range
	OpCIDR  // the value is an IP address within the network Text
	// the value is a member of the list Text, or matches one that is a network or has wildcards
	OpList
	OpWords // the words of Text occur in the value, in a row and whole
)

// Range is an interval of numbers. Infinite bounds are open ends.
type Range struct {
	Min, Max         float64
	OpenMin, OpenMax bool // the bound itself does not belong to the range
}

// Contains reports whether v lies in the range.
func (r Range) Contains(v float64) bool {
	return (v > r.Min || v == r.Min && !r.OpenMin) && (v < r.Max || v == r.Max && !r.OpenMax)
}

func (*And) isQuery()  {}
func (*Or) isQuery()   {}
func (*Not) isQuery()  {}
func (*Leaf) isQuery() {}
