package ruletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Contract is a backtest with expectations: how often alerts fire over the logs of a file.
type Contract struct {
	Name string `yaml:"name"`
	File string `yaml:"file"` // of logs, relative to the script's directory
	// which lines are those of one log, as formats.join of the configuration says
	Join        decode.JoinConfig `yaml:"join"`
	Expect      []Bound           `yaml:"expect"`
	NothingElse bool              `yaml:"nothing_else"` // no alert fires but those expected
	Line        int               `yaml:"-"`
}

// Bound is how often an alert must fire, or one time at which it must. Without numbers and times it
// must fire at all.
type Bound struct {
	Alert    string            `yaml:"alert"`
	Labels   map[string]string `yaml:"labels"` // that the alert has, among others
	AtLeast  *int              `yaml:"at_least"`
	AtMost   *int              `yaml:"at_most"`
	Fires    *time.Time        `yaml:"fires"`
	Resolves *time.Time        `yaml:"resolves"` // the alert that fires then
	Line     int               `yaml:"-"`
}

// SetPos notes the line, for messages.
func (c *Contract) SetPos(pos problem.Pos) { c.Line = pos.Line }

// SetPos notes the line, for messages.
func (b *Bound) SetPos(pos problem.Pos) { b.Line = pos.Line }

// validate passes what is wrong with the contract to wrong.
func (c *Contract) validate(wrong func(line int, format string, args ...any)) {
	switch {
	case c.Name == "":
		wrong(c.Line, "the backtest has no name")
	case c.File == "":
		wrong(c.Line, "the backtest %q names no file of logs", c.Name)
	case len(c.Expect) == 0 && !c.NothingElse:
		wrong(c.Line, "the backtest %q expects nothing, so it cannot fail; add expect, or "+
			"nothing_else: true", c.Name)
	}
	if _, err := decode.NewJoiner(decode.Config{Join: c.Join}); err != nil {
		wrong(c.Line, "the backtest %q: %v", c.Name, err)
	}
	for _, b := range c.Expect {
		switch {
		case b.Alert == "":
			wrong(b.Line, "the expectation names no alert")
		case b.Fires != nil && (b.AtLeast != nil || b.AtMost != nil):
			wrong(b.Line, "fires is about one alert; at_least and at_most count alerts")
		case b.Resolves != nil && b.Fires == nil:
			wrong(b.Line, "resolves needs fires, which says of which alert")
		case b.AtLeast != nil && b.AtMost != nil && *b.AtLeast > *b.AtMost:
			wrong(b.Line, "at_least %d is more than at_most %d", *b.AtLeast, *b.AtMost)
		}
	}
}

// run evaluates the logs, and returns a message for each difference.
func (c *Contract) run(script string, members Members, f Factory) []string {
	failed := func(err error) []string {
		return []string{fmt.Sprintf("%s:%d: %v", script, c.Line, err)}
	}
	if f.Lists != nil {
		var err error
		if f, err = f.Lists(members); err != nil {
			return failed(err)
		}
	}
	file := c.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(script), file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return failed(err)
	}
	var unread error
	b := Backtest{
		Factory:  Factory{Past: f.past}, // nothing is late at the end
		Rejected: func(err error) { unread = err },
	}
	logs := decode.ReadFile(file, decode.ReadOptions{Time: info.ModTime()})
	report, err := b.Run(
		context.Background(),
		decode.JoinSamples(logs, func(string) decode.Config { return decode.Config{Join: c.Join} }),
	)
	switch {
	case err != nil:
		return failed(err)
	case report.Logs == 0:
		return failed(errors.Join(fmt.Errorf("%s has no readable logs", file), unread))
	}
	return c.check(script, episodes(report.Alerts))
}

// check compares the episodes with what is expected.
func (c *Contract) check(script string, list []*episode) (failures []string) {
	rest := slices.Clone(list)
	for i := range c.Expect {
		b := &c.Expect[i]
		var of []*episode
		for _, e := range list {
			if b.matches(e) {
				of = append(of, e)
			}
		}
		rest = slices.DeleteFunc(rest, func(e *episode) bool { return slices.Contains(of, e) })
		if message := b.check(of); message != "" {
			failures = append(failures, fmt.Sprintf("%s:%d: %s", script, b.Line, message))
		}
	}
	if c.NothingElse {
		for _, e := range rest {
			failures = append(failures, fmt.Sprintf(
				"%s:%d: nothing else should fire, but this does: %s", script, c.Line, e.place()))
		}
	}
	return failures
}

// matches reports whether the expectation is about the episode.
func (b *Bound) matches(e *episode) bool {
	if b.Alert != e.fired.Labels["alertname"] && b.Alert != e.fired.Rule {
		return false
	}
	for name, value := range b.Labels {
		if e.fired.Labels[name] != value {
			return false
		}
	}
	return true
}

// check returns what is wrong with the episodes of the alert; nothing if they are as expected.
func (b *Bound) check(list []*episode) string {
	if b.Fires != nil {
		return b.checkTime(list)
	}
	least := 0
	if b.AtLeast != nil {
		least = *b.AtLeast
	} else if b.AtMost == nil {
		least = 1
	}
	what := fmt.Sprintf("%s fires %d times", b.Alert, len(list))
	if len(list) > 0 {
		what += ", first " + list[0].place()
	}
	switch {
	case len(list) < least:
		return fmt.Sprintf("%s; expected are at least %d", what, least)
	case b.AtMost != nil && len(list) > *b.AtMost:
		return fmt.Sprintf("%s; expected are at most %d", what, *b.AtMost)
	}
	return ""
}

func (b *Bound) checkTime(list []*episode) string {
	i := slices.IndexFunc(list, func(e *episode) bool { return e.fired.At.Equal(*b.Fires) })
	switch {
	case i >= 0 && (b.Resolves == nil || list[i].resolved != nil &&
		list[i].resolved.At.Equal(*b.Resolves)):
		return ""
	case i >= 0:
		return fmt.Sprintf("%s does not resolve at %s: %s", b.Alert, stamp(*b.Resolves),
			list[i].place())
	case len(list) == 0:
		return fmt.Sprintf("%s does not fire at %s, nor at another time", b.Alert, stamp(*b.Fires))
	}
	return fmt.Sprintf("%s does not fire at %s; it fires %d times, first %s",
		b.Alert, stamp(*b.Fires), len(list), list[0].place())
}

// place is when and for which labels the alert was active.
func (e *episode) place() string {
	until := "open at the end"
	if e.resolved != nil {
		until = "until " + e.resolved.At.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s %s, %s %s",
		e.fired.Rule, e.fired.At.UTC().Format(time.RFC3339Nano), until, labelText(e.fired.Labels))
}

// past is an engine that decides at the watermark alone.
func (f Factory) past(emit func(models.Alert)) (Engine, error) {
	if f.Past != nil {
		return f.Past(emit)
	}
	return f.New(emit)
}
