package rule

import "github.com/log-monitoring/alert-engine/internal/problem"

// Pos is a place in a rule file.
type Pos = problem.Pos

// syntaxError is a mistake at a byte of a query or a condition.
type syntaxError struct {
	at            int
	problem, hint string
}

func (e *syntaxError) Error() string { return e.Unwrap().Error() }

// Unwrap is the mistake with its place in the text, whose only line is the first.
func (e *syntaxError) Unwrap() error {
	return &problem.Error{
		Pos:     Pos{Line: 1, Column: e.at + 1},
		Problem: e.problem,
		Hint:    e.hint,
	}
}
