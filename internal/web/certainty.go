package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/safetext"
)

// certainty says how far the list of alerts can be trusted. An empty list means that nothing is
// wrong only if it is complete: Kafka is connected, all partitions are read to their end, and all
// rules work.
type certainty struct {
	Headline string   // of a page without alerts
	Doubt    string   // of the reasons on a page with alerts
	Reasons  []string // why the list may be incomplete, or what else fails
	Unknown  bool     // nothing is known of the present
	Bad      bool     // not just a warning
	aside    string   // what fails while the list is complete
	partial  int      // reasons why the list may be incomplete
}

const (
	toleratedLag    = 5000
	toleratedBehind = time.Minute
)

// certainty collects what makes the list of alerts unreliable.
func (h *health) certainty() certainty {
	c := certainty{Headline: "No active alerts"}
	for _, check := range slices.Concat(h.live, h.ready) {
		err := check.Err()
		if err == nil {
			continue
		}
		if reason := check.Name + ": " + err.Error(); !slices.Contains(c.Reasons, reason) {
			c.Reasons = append(c.Reasons, reason)
		}
		c.Bad = c.Bad || !check.Soft
		if c.aside = cmp.Or(c.aside, check.Aside); check.Aside == "" {
			c.Unknown, c.partial = c.Unknown || !check.Soft, c.partial+1
		}
	}
	known := len(c.Reasons)
	c.addEngine(h.state)
	c.addRules(h.state)
	c.partial += len(c.Reasons) - known
	c.describe()
	return c
}

// describe sets the headlines.
func (c *certainty) describe() {
	empty := c.Headline == "No active alerts"
	switch {
	case c.Unknown:
		c.Headline, c.Doubt, c.Bad = "Alert status unknown", "This list may be out of date", true
	case c.partial > 0:
		c.Doubt = "This list may be incomplete"
		if empty {
			c.Headline = "No active alerts found, but evaluation is incomplete"
		}
	case c.aside != "":
		c.Doubt = strings.ToUpper(c.aside[:1]) + c.aside[1:]
		if empty {
			c.Headline = "No active alerts, but " + c.aside
		}
	}
}

func (c *certainty) addEngine(s *engineState) {
	if s.engine == nil {
		c.Unknown, c.Reasons = true, append(c.Reasons, "engine status is not available")
		return
	}
	e := s.engineStatus()
	if !e.Connected {
		c.Unknown = true
		if len(c.Reasons) == 0 {
			c.Reasons = append(c.Reasons, "not connected to Kafka")
		}
	}
	if e.Problem != "" && !slices.ContainsFunc(c.Reasons, func(r string) bool {
		return r == "kafka: "+e.Problem || len(r) > len(e.Problem) &&
			r[len(r)-len(e.Problem):] == e.Problem
	}) {
		c.Reasons = append(c.Reasons, e.Problem)
	}
	if len(e.Partitions) == 0 {
		c.Unknown = true
		c.Reasons = append(c.Reasons, "no partitions are assigned to this instance")
	}
	lag, behind, stuck := int64(0), time.Duration(0), 0
	for _, p := range e.Partitions {
		lag += max(p.Lag, 0)
		behind = max(behind, p.Behind)
		if p.State == "stuck" {
			stuck++
		}
	}
	if stuck > 0 {
		c.Reasons = append(c.Reasons, fmt.Sprintf("%s stuck",
			counted(stuck, "partition is", "partitions are")))
	}
	if lag > toleratedLag || lag > 0 && behind > toleratedBehind {
		c.Headline = "No active alerts in the logs read so far"
		reason := humanNumber(lag) + " records are not read yet"
		if behind > time.Second {
			c.Headline = "No active alerts as of " + duration.Format(behind.Round(time.Second)) +
				" ago"
			reason += "; the newest log read is " + duration.Format(behind.Round(time.Second)) +
				" old"
		}
		c.Reasons = append(c.Reasons, reason)
	}
}

func (c *certainty) addRules(s *engineState) {
	if s.rules == nil {
		return
	}
	if len(s.ruleSet().Rules) == 0 {
		c.Headline = "No rules"
		c.Reasons = append(c.Reasons, "no rules are loaded")
	}
	failed, backfilling := 0, 0
	for _, r := range s.rulesStatus() {
		if r.Error != "" {
			failed++
		}
		if r.Backfilling {
			backfilling++
		}
	}
	if failed > 0 {
		c.Reasons = append(c.Reasons, counted(failed, "rule is", "rules are")+" in error")
	}
	if backfilling > 0 {
		c.Reasons = append(c.Reasons, counted(backfilling, "rule is", "rules are")+" backfilling")
	}
}

// counted is a number with its noun.
func counted(n any, one, many string) string {
	return safetext.Count(humanNumber(n), one, many)
}
