package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/safetext"
	"github.com/log-monitoring/alert-engine/internal/sentence"
)

// validator reads the text of rule files.
type validator struct {
	checkRule func(*rule.Rule) error // nil for no check
	receivers Receivers
}

func (v *validator) routes() []route {
	return []route{{"POST /api/v1/validate", Reader, costly, api(v.post)}}
}

// ruleProblem is an error in a rule file.
type ruleProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

// validation is the result of reading the text of a rule file.
type validation struct {
	Valid    bool          `json:"valid"`
	Problems []ruleProblem `json:"problems"`
	Rules    []ruleRead    `json:"rules"`
}

type ruleRead struct {
	ID       string `json:"id"`
	Sentence string `json:"sentence"`
	// match as written; "" when absent or a map
	Query    string   `json:"query"`
	Mode     string   `json:"mode"`
	Notifies []string `json:"notifies"` // receivers, as far as fixed labels decide
}

func (v *validator) read(text string) (validation, *rule.Set) {
	out := validation{Problems: []ruleProblem{}, Rules: []ruleRead{}}
	set, err := rule.Read("", []byte(text))
	if errs, is := errors.AsType[problem.List](err); is {
		for _, e := range errs {
			out.Problems = append(
				out.Problems,
				ruleProblem{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint},
			)
		}
		return out, nil
	}
	if err != nil {
		out.Problems = append(out.Problems, ruleProblem{Problem: err.Error()})
		return out, nil
	}
	for _, r := range set.Rules {
		out.Problems = append(out.Problems, v.uncomputable(r)...)
	}
	if len(out.Problems) > 0 {
		return out, nil
	}
	out.Valid = true
	for _, r := range set.Rules {
		out.Rules = append(out.Rules, ruleRead{
			r.ID(), sentence.Of(r), r.MatchText, string(r.Mode),
			append([]string{}, receiversOf(v.receivers, r)...),
		})
	}
	return out, set
}

// uncomputable is what a rule asks for that the engine cannot compute.
func (v *validator) uncomputable(r *rule.Rule) (list []ruleProblem) {
	if v.checkRule == nil {
		return nil
	}
	err := v.checkRule(r)
	if err == nil {
		return nil
	}
	if errs, is := errors.AsType[problem.List](err); is {
		for _, e := range errs {
			list = append(list, ruleProblem{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint})
		}
		return list
	}
	if e, is := errors.AsType[*problem.Error](err); is {
		return []ruleProblem{{e.Pos.Line, e.Pos.Column, e.Problem, e.Hint}}
	}
	return []ruleProblem{{Line: r.Pos.Line, Column: r.Pos.Column, Problem: err.Error()}}
}

func (v *validator) post(w http.ResponseWriter, r *http.Request) error {
	text, err := readAll(r)
	if err != nil {
		return err
	}
	out, _ := v.read(text)
	return ok(w, out)
}

// checkVisible returns an error if the text of a rule file has hidden characters, so that a rule
// means what it looks like.
func checkVisible(text string) error {
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if shown := safetext.Visible(line); shown != line {
			return &apiError{http.StatusUnprocessableEntity, fmt.Sprintf(
				"%d:1: hidden character: %s (write it as \\x{…} in a regular expression)",
				i+1, safetext.Clip(shown, 120),
			)}
		}
	}
	return nil
}
