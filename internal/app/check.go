package app

import (
	"fmt"
	"io"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/rule"
)

// CheckResult is what Check made of rule files.
type CheckResult int

const (
	CheckGood   CheckResult = iota
	CheckLints              // the rules are allowed, but something is probably not meant
	CheckErrors             // the rules cannot be used
)

// Check reads rule files as Run would and prints every mistake with its place and a hint; or, if there is none, what is allowed but probably not meant.
func Check(out io.Writer, files []string) CheckResult {
	set, err := rule.Load(files...)
	if err != nil {
		fmt.Fprintln(out, err)
		return CheckErrors
	}
	if !compiles(out, set) {
		return CheckErrors
	}
	costly, err := match.Lint(set)
	if err != nil {
		fmt.Fprintln(out, err)
		return CheckErrors
	}
	found := set.Heeded(append(rule.Lint(set), costly...))
	for _, f := range found {
		fmt.Fprintln(out, f)
	}
	fmt.Fprintf(out, "rules: %d, to look at: %d\n", len(set.Rules), len(found))
	if len(found) > 0 {
		return CheckLints
	}
	return CheckGood
}

// compiles prints what a condition asks for that cannot be computed.
func compiles(out io.Writer, set *rule.Set) bool {
	good := true
	for _, r := range set.Rules {
		if err := alerting.Compiles(r); err != nil {
			fmt.Fprintln(out, err)
			good = false
		}
	}
	return good
}
