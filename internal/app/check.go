package app

import (
	"context"
	"fmt"
	"io"
	"strings"

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

// CheckOptions is what rules are held against besides their own sense.
type CheckOptions struct {
	Logs *Against // nil for none
	// by which producers put logs on partitions, for several instances; none for one instance
	RecordKey []string
}

// Check reads rule files as Run would and prints every mistake with its place and a hint; or, if
// there is none, what is allowed but probably not meant. With logs to hold the rules against it
// also prints what it finds there; that these cannot be read is an error of its own.
func Check(
	ctx context.Context,
	out io.Writer,
	files []string,
	o CheckOptions,
) (CheckResult, error) {
	set, err := rule.Load(files...)
	if err != nil {
		fmt.Fprintln(out, err)
		return CheckErrors, nil
	}
	if !compiles(out, set) {
		return CheckErrors, nil
	}
	costly, err := match.Lint(set)
	if err != nil {
		fmt.Fprintln(out, err)
		return CheckErrors, nil
	}
	found := append(rule.Lint(set), costly...)
	found = append(found, spread(set, o.RecordKey)...)
	var table func(io.Writer) error
	if o.Logs != nil {
		if found, table, err = o.Logs.look(ctx, set, found); err != nil {
			return CheckErrors, err
		}
	}
	return conclude(out, set, set.NotIgnored(found), table)
}

// spread finds the rules that several instances cannot share, if there are to be several.
func spread(set *rule.Set, key []string) (found []rule.Finding) {
	if len(key) == 0 {
		return nil
	}
	fields := strings.Join(key, ", ")
	for _, r := range set.Spread(key) {
		found = append(found, rule.Finding{
			Name: rule.SpreadGroups, Rule: r.ID(), Pos: set.Place(r, "by"),
			Text: fmt.Sprintf(
				"logs are put on partitions by %s, and what the rule looks at together may be on several, so it needs an instance that reads all of them",
				fields,
			),
			Hint: fmt.Sprintf("group by %s, or give it an instance of its own", fields),
		})
	}
	return found
}

// conclude prints what was found, and the table of what the rules saw, if they saw something.
func conclude(
	out io.Writer,
	set *rule.Set,
	found []rule.Finding,
	table func(io.Writer) error,
) (CheckResult, error) {
	for _, f := range found {
		fmt.Fprintln(out, f)
	}
	if table != nil {
		if err := table(out); err != nil {
			return CheckErrors, err
		}
	}
	fmt.Fprintf(out, "rules: %d, to look at: %d\n", len(set.Rules), len(found))
	if len(found) > 0 {
		return CheckLints, nil
	}
	return CheckGood, nil
}

// compiles prints what a condition asks for that cannot be computed.
func compiles(out io.Writer, set *rule.Set) bool {
	good := true
	for _, r := range set.Rules {
		if err := alerting.CheckCompiles(r); err != nil {
			fmt.Fprintln(out, err)
			good = false
		}
	}
	return good
}
