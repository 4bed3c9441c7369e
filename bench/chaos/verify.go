package main

import (
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"
)

// verdict is what is wrong with what one of several was given: the history, the file, the topic, a
// webhook.
type verdict struct {
	of                                           string
	got, repeated, merged                        int
	missing, extra, wrong, unpaired, disarranged []string
}

func (v *verdict) faults() int {
	return len(v.missing) + len(v.extra) + len(v.wrong) + len(v.unpaired) + len(v.disarranged)
}

// report prints a verdict, with some of what is wrong.
func (v *verdict) report() {
	log.Printf(
		"%-16s %6d transitions, %4d repeated, %4d merged: "+
			"%d missing, %d extra, %d wrong, %d unpaired, %d out of order",
		v.of,
		v.got,
		v.repeated,
		v.merged,
		len(v.missing),
		len(v.extra),
		len(v.wrong),
		len(v.unpaired),
		len(v.disarranged),
	)
	for _, kind := range []struct {
		name string
		list []string
	}{
		{"missing", v.missing},
		{"extra", v.extra},
		{"wrong", v.wrong},
		{"unpaired", v.unpaired},
		{"out of order", v.disarranged},
	} {
		for _, text := range kind.list[:min(5, len(kind.list))] {
			log.Printf("    %s: %s", kind.name, text)
		}
	}
}

func (c change) String() string {
	name := c.alert
	if c.severity != "" {
		name += " " + c.severity
	}
	return fmt.Sprintf("%s %s at %s", name, c.state, c.at.UTC().Format("15:04:05.000"))
}

// whole compares with what must be complete: the history, the file and the topic. Each transition
// has to be there, in order, and an episode's under its own ID. An alert may fire later than it
// began, when logs of several partitions were read in another order than they were written; its end
// says when it began.
func whole(
	of string, want map[string][]change, got []change, repeated int,
) *verdict {
	v := &verdict{of: of, got: len(got), repeated: repeated}
	byAlert := map[string][]change{}
	for _, c := range got {
		byAlert[c.alert] = append(byAlert[c.alert], c)
	}
	for alert := range byAlert {
		if len(want[alert]) == 0 {
			want[alert] = nil
		}
	}
	for _, alert := range slices.Sorted(maps.Keys(want)) {
		v.compare(want[alert], byAlert[alert])
	}
	return v
}

// nth numbers the transitions of an alert that differ only in their times.
type nth struct {
	state, severity string
	n               int
}

func numbered(list []change) map[nth]int {
	index, counts := map[nth]int{}, map[nth]int{}
	for i, c := range list {
		kind := nth{c.state, c.severity, 0}
		counts[kind]++
		index[nth{c.state, c.severity, counts[kind]}] = i
	}
	return index
}

// tooLate says whether a transition is said to be after the one that follows it. An alert fires
// with the log that completes its condition in the order in which logs are read. When the
// partitions are read at different paces, as after an outage, that may be a log after its end,
// but only of a later episode; the alert's end has the right times.
func tooLate(got change, after []change) bool {
	next := after[0]
	if !got.at.After(next.at) {
		return false
	}
	if got.state != "firing" || next.state != "resolved" {
		return true
	}
	var began time.Time
	for i, c := range after[1:] {
		switch {
		case c.state == "resolved":
			if !got.at.Before(began) && got.at.Before(c.at) {
				return false
			}
		case after[i].state == "resolved":
			began = c.at
		}
	}
	return true
}

// compare compares one alert's transitions.
func (v *verdict) compare(want, got []change) {
	wanted, have := numbered(want), numbered(got)
	last := -1
	began, muted := time.Time{}, false // it began before the end of a suppression
	for i, w := range want {
		if w.state == "firing" && (i == 0 || want[i-1].state != "firing") {
			rule, _, _ := strings.Cut(w.alert, " ")
			began = w.at.Add(-lasting[rule])
			muted = rule == "Deployed" && i < len(got) && got[i].from.Before(w.at)
		}
		name := nameOf(want, i)
		at, ok := have[name]
		if !ok {
			v.missing = append(v.missing, w.String())
			continue
		}
		g := got[at]
		switch {
		case w.state == "resolved" && (!g.at.Equal(w.at) || !g.from.Equal(began) && !muted):
			v.wrong = append(v.wrong, fmt.Sprintf("%v, since %s, was %v, since %s",
				w, stampOf(began), g, stampOf(g.from)))
		case g.at.Before(w.at) || i+1 < len(want) && tooLate(g, want[i+1:]):
			v.wrong = append(v.wrong, fmt.Sprintf("%v was %v", w, g))
		}
		if at < last {
			v.disarranged = append(v.disarranged, g.String())
		}
		last = max(last, at)
	}
	for name, i := range have {
		if _, ok := wanted[name]; !ok {
			v.extra = append(v.extra, got[i].String())
		}
	}
	v.pair(got)
}

func stampOf(t time.Time) string { return t.UTC().Format("15:04:05.000") }

func nameOf(list []change, i int) nth {
	name := nth{list[i].state, list[i].severity, 0}
	for _, c := range list[:i+1] {
		if c.state == name.state && c.severity == name.severity {
			name.n++
		}
	}
	return name
}

// pair looks for episodes that do not begin and end under one ID of their own.
func (v *verdict) pair(got []change) {
	used := map[string]bool{}
	open := ""
	for _, c := range got {
		switch {
		case c.state == "firing" && open == "" && used[c.id]:
			v.unpaired = append(v.unpaired, c.String()+" has the ID of an earlier episode")
		case c.state == "firing" && open != "" && open != c.id:
			v.unpaired = append(v.unpaired, c.String()+" before the episode before it has ended")
		case c.state == "resolved" && open != c.id:
			v.unpaired = append(v.unpaired, c.String()+" is of an episode that did not fire")
		}
		used[c.id] = true
		if open = c.id; c.state == "resolved" {
			open = ""
		}
	}
}

// received compares what a receiver behind Alertmanager's pipeline got with the transitions that
// were decided. There the labels are the alert, with the severity, and episodes that follow each
// other within the group's interval may be merged: then a message names those before it.
// What was decided ends before an instant; of what came later only what a message names counts.
func received(of string, decided []change, got []notice, until time.Time) *verdict {
	v := &verdict{of: of}
	type episode struct {
		order           int
		c               change
		fired, resolved int
		merged          bool
		moved           bool // had several severities
		over            bool
	}
	episodes := map[string]*episode{}
	ordered := map[string][]*episode{} // by alert
	for _, c := range decided {
		e := episodes[c.id]
		if e == nil {
			e = &episode{order: len(ordered[c.alert]), c: c}
			episodes[c.id] = e
			ordered[c.alert] = append(ordered[c.alert], e)
		}
		e.moved = e.moved || e.c.severity != c.severity
		e.over = c.state == "resolved"
	}
	merge := func(m *episode) {
		if !m.merged {
			m.merged = true
			v.merged++
		}
	}
	newest := map[string]int{}    // episode, by labels
	state := map[string]*notice{} // the last one, by labels
	for i, n := range got {
		e, later := episodes[n.id], !n.at.Before(until)
		if e == nil && !later {
			v.extra = append(v.extra, n.String())
			continue
		}
		for _, id := range n.merged {
			switch m := episodes[id]; {
			case m != nil && (e == nil || m.c.alert == e.c.alert && m.order < e.order):
				merge(m)
			case !later:
				v.wrong = append(v.wrong, n.String()+" names "+id+", which is no alert before it")
			}
		}
		if n.further > 0 && len(n.merged) > 0 && episodes[n.merged[0]] != nil {
			oldest := episodes[n.merged[0]] // that it names
			for i, left := oldest.order-1, n.further; i >= 0 && left > 0; i-- {
				if m := ordered[oldest.c.alert][i]; m.fired == 0 {
					merge(m)
					left--
				}
			}
		}
		if later {
			continue
		}
		v.got++
		labels := n.alert + " " + n.severity
		if e.order < newest[labels] {
			v.disarranged = append(v.disarranged, n.String())
		}
		before := state[labels]
		switch {
		case n.state == "firing" && before != nil && before.id != n.id && before.state == "firing":
			v.unpaired = append(v.unpaired, n.String()+" before the end of the episode before it")
		case n.state == "firing" && e.resolved > 0 && !e.moved:
			v.disarranged = append(v.disarranged, n.String()+" after its end")
		}
		if before != nil && before.id == n.id && before.state == n.state {
			v.repeated++
		}
		if n.state == "firing" {
			e.fired++
		} else {
			e.resolved++
		}
		newest[labels], state[labels] = e.order, &got[i]
	}
	for _, e := range episodes {
		switch {
		case e.fired == 0 && e.resolved == 0 && !e.merged:
			v.missing = append(v.missing, e.c.String())
		case e.fired > 0 && e.resolved == 0 && e.over && !e.merged:
			v.unpaired = append(v.unpaired, e.c.String()+" was not resolved")
		}
	}
	for labels, n := range state {
		if e := episodes[n.id]; e != nil && n.state == "firing" && e.over {
			v.wrong = append(v.wrong, strings.TrimSpace(labels)+" stays firing")
		}
	}
	return v
}
