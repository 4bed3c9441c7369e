// Package logql reads LogQL, the query language of Loki, as rules use it: metric queries over
// streams, with their pipelines.
package logql

import "time"

// Expr is a metric query.
type Expr interface{ isExpr() }

// Number is a constant, and Vector one that is a series without labels.
type (
	Number struct{ Value float64 }
	Vector struct{ Value float64 }
)

// Binary joins two queries: + - * / % ^, comparisons, and, or, unless.
type Binary struct {
	Op          string
	Left, Right Expr
	Bool        bool     // a comparison that yields 0 or 1
	On          []string // labels by which both sides are joined
	Ignoring    []string // labels that are left out when they are
	Joined      bool     // On or Ignoring is given
	Group       bool     // group_left or group_right
}

// Aggregate aggregates series: sum, min, topk and so on.
type Aggregate struct {
	Func     string
	Param    float64 // of topk and its like
	Grouping *Grouping
	Of       Expr
}

// Grouping is by or without.
type Grouping struct {
	Without bool
	Labels  []string
}

// Range aggregates the lines of a range: count_over_time and its like.
type Range struct {
	Func     string
	Param    float64 // of quantile_over_time
	Selector []Matcher
	Stages   []Stage
	Unwrap   *Unwrap
	Range    time.Duration
	Offset   time.Duration
	Grouping *Grouping
}

// Replace is label_replace, which is read and not understood.
type Replace struct{ Of Expr }

// Matcher compares a label of a stream with a text: = != =~ !~.
type Matcher struct{ Name, Op, Value string }

// Stage is a stage of a pipeline.
type Stage interface{ isStage() }

// LineFilter keeps lines: |= != |~ !~ |> !>. One of the texts must be found, or none may.
type LineFilter struct {
	Op    string
	Texts []Text
}

// Text is the text of a line filter, or ip("...").
type Text struct {
	Value string
	IP    bool
}

// Parser is json, logfmt, pattern, regexp or unpack.
type Parser struct {
	Kind   string
	Text   string // of pattern and regexp
	Params []Param
}

// Param is a field that a parser is asked for, and where it is.
type Param struct{ Name, Path string }

// LabelFilter keeps lines by their labels.
type LabelFilter struct{ Of Predicate }

// Predicate is a condition on labels.
type Predicate interface{ isPredicate() }

// Joint is "and" or "or" of two predicates.
type Joint struct {
	Op          string
	Left, Right Predicate
}

// Compare compares a label.
type Compare struct {
	Name, Op string
	Text     string // as it is compared: the text, or the number with its unit
	Number   bool
	IP       bool
}

// LineFormat replaces the line, LabelFormat labels; Other is drop, keep or decolorize.
type (
	LineFormat  struct{ Text string }
	LabelFormat struct{ Renames, Templates []Param }
	Other       struct {
		Kind   string
		Labels []string
	}
)

// Unwrap takes a label for the value of a line.
type Unwrap struct{ Label, Conversion string }

// Ranges calls each with the ranges of a query.
func Ranges(e Expr, each func(*Range)) {
	switch e := e.(type) {
	case *Range:
		each(e)
	case *Aggregate:
		Ranges(e.Of, each)
	case *Replace:
		Ranges(e.Of, each)
	case *Binary:
		Ranges(e.Left, each)
		Ranges(e.Right, each)
	}
}

func (*Number) isExpr()    {}
func (*Vector) isExpr()    {}
func (*Binary) isExpr()    {}
func (*Aggregate) isExpr() {}
func (*Range) isExpr()     {}
func (*Replace) isExpr()   {}

func (*LineFilter) isStage()  {}
func (*Parser) isStage()      {}
func (*LabelFilter) isStage() {}
func (*LineFormat) isStage()  {}
func (*LabelFormat) isStage() {}
func (*Other) isStage()       {}

func (*Joint) isPredicate()   {}
func (*Compare) isPredicate() {}
