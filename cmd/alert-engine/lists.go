package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/log-monitoring/alert-engine/internal/app"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/ruletest"
)

// listFiles are the members of lists that are given with flags, NAME=FILE each.
type listFiles []string

func (l *listFiles) addFlag(cmd *cobra.Command) {
	cmd.Flags().
		StringArrayVar((*[]string)(l), "list", nil,
			"NAME=FILE: members of a list, one per line; repeat for more")
}

// members reads the files.
func (l listFiles) members() (ruletest.Members, error) {
	members := ruletest.Members{}
	for _, given := range l {
		name, file, ok := strings.Cut(given, "=")
		if !ok || name == "" || file == "" {
			return nil, fmt.Errorf("--list %s: write NAME=FILE", given)
		}
		values, err := rule.ReadMembers(file)
		if err != nil {
			return nil, fmt.Errorf("--list %s: %w", given, err)
		}
		members[name] = append(members[name], values...)
	}
	return members, nil
}

// give gives the lists of rules the members of the files, and leaves others as they are. A list
// that these rules lack is an error, unless others of the run have it.
func (l listFiles) give(set *rule.Set, others ...*rule.Set) (*rule.Set, error) {
	members, err := l.members()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(members, func(name string, _ []string) bool {
		return set.Lists[name] == nil &&
			slices.ContainsFunc(others, func(other *rule.Set) bool {
				return other.Lists[name] != nil
			})
	})
	with, err := set.WithMembers(members)
	if err != nil {
		return nil, fmt.Errorf("--list: %w", err)
	}
	return with, nil
}

// giveAll is give where no topic can be read: lists from topics need files.
func (l listFiles) giveAll(set *rule.Set, others ...*rule.Set) (*rule.Set, error) {
	with, err := l.give(set, others...)
	if err != nil {
		return nil, err
	}
	return ruletest.WithMembers(with, nil, "give its members with --list %s=FILE")
}

// giveFrom is give where lists from topics are read as they are now, unless files are given.
func (l listFiles) giveFrom(
	ctx context.Context,
	c *app.Config,
	set *rule.Set,
	others ...*rule.Set,
) (*rule.Set, error) {
	with, err := l.give(set, others...)
	if err != nil {
		return nil, err
	}
	return app.ReadLists(ctx, c, with)
}
