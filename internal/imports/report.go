package imports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Verdict is how much of a rule was translated.
type Verdict string

const (
	Exact      Verdict = "exact"            // the same alerts
	ExactTexts Verdict = "exact with texts" // and the same texts
	WithinPoll Verdict = "within a poll"    // the same alerts, as exactly as the other system polls
	Differs    Verdict = "differs"          // translated, with a difference that the remark says
	Skipped    Verdict = "skipped"          // not asked for, or not a rule over logs
	Refused    Verdict = "refused"          // not translated
	Note       Verdict = "note"             // about all rules; it counts as none
)

// verdicts are all verdicts from the best to the worst.
var verdicts = []Verdict{ExactTexts, Exact, WithinPoll, Differs, Skipped, Refused}

// Remark is what is to be said of one rule. A rule may have several.
type Remark struct {
	System  string  `json:"system,omitempty"`
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Rule    string  `json:"rule,omitempty"`
	Verdict Verdict `json:"verdict"`
	Code    string  `json:"code,omitempty"` // a constant word, for lists of accepted remarks
	Text    string  `json:"text,omitempty"`

	// Mistake is the text of a refused rule with its place in the file; nil for others.
	Mistake *problem.Error `json:"-"`
	// Subject is what remarks of one code are counted by, such as the logsource that is missing.
	Subject string `json:"-"`
}

// String is one line of a report.
func (r Remark) String() string {
	if r.Verdict == Note {
		return fmt.Sprintf("%s: %s", r.Verdict, r.Text)
	}
	place := fmt.Sprintf("%s:%d", r.File, r.Line)
	if r.Rule != "" {
		place += " " + r.Rule
	}
	return fmt.Sprintf("%s: %s: %s", place, r.Verdict, r.Text)
}

// Report is the remarks of an import, one at least for each rule.
type Report struct{ Remarks []Remark }

// Add adds a remark.
func (r *Report) Add(m Remark) { r.Remarks = append(r.Remarks, m) }

// rules are the verdicts of all rules. That of a rule is the worst of its remarks.
func (r *Report) rules() map[Remark]Verdict {
	rules := map[Remark]Verdict{}
	for _, m := range r.Remarks {
		if m.Verdict == Note {
			continue
		}
		one := Remark{File: m.File, Line: m.Line, Rule: m.Rule}
		worst, seen := rules[one]
		if !seen || slices.Index(verdicts, m.Verdict) > slices.Index(verdicts, worst) {
			rules[one] = m.Verdict
		}
	}
	return rules
}

// Count is how many rules have a verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, worst := range r.rules() {
		if worst == v {
			n++
		}
	}
	return n
}

// Summary is the last line of a report.
func (r *Report) Summary() string {
	rules := r.rules()
	var parts []string
	for _, v := range verdicts {
		if n := r.Count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(rules) == 0 {
		return "no rules"
	}
	noun := "rules"
	if len(rules) == 1 {
		noun = "rule"
	}
	return fmt.Sprintf("%d %s: %s", len(rules), noun, strings.Join(parts, ", "))
}
