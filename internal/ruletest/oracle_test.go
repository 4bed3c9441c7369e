package ruletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/match"
	"github.com/log-monitoring/alert-engine/internal/number"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// oracle evaluates rules over a whole log that lies before it, from the definitions of RULES.md and
// as simply as possible: at every instant at which anything could change it counts everything anew.
// It knows no watermark, no order of arrival and no state, so it is the second opinion on an engine
// that knows them all.
type oracle struct {
	set        *rule.Set
	logs       []*seenLog // in the order of their times, and of their places where times are equal
	start, end int64      // from when the rules look, and until when
	episodes   map[string][]spell
}

// seenLog is a log, with what any rule asks of it.
type seenLog struct {
	at    int64
	topic string
	holds map[rule.Query]bool
	value map[string]seenValue
}

type seenValue struct {
	text    string
	num     float64
	present bool
	numeric bool
}

// spell is an alert that fired: its condition began to hold at start, people heard of it at fired,
// and that it is over at resolved.
type spell struct {
	rule   string
	labels map[string]string // without those of the rule itself
	// resolved is farFuture for an alert that is up at the end
	start, fired, resolved int64
	// how many logs it was about when it fired, and at its end
	early, logs int
}

const farFuture = math.MaxInt64

// String is the spell as it is compared.
func (s spell) String() string {
	resolved := "stays up"
	if s.resolved != farFuture {
		resolved = fmt.Sprintf(
			"resolved %s after %d",
			time.Unix(0, s.resolved).UTC().Format(time.RFC3339Nano),
			s.logs,
		)
	}
	return fmt.Sprintf(
		"%s %s from %s, fired %s with %d, %s",
		s.rule,
		labelText(s.labels),
		time.Unix(0, s.start).UTC().Format(time.RFC3339Nano),
		time.Unix(0, s.fired).UTC().Format(time.RFC3339Nano),
		s.early,
		resolved,
	)
}

// foretell returns the spells of all rules over some records.
func foretell(set *rule.Set, records []models.Record, start, end time.Time) ([]spell, error) {
	o := &oracle{
		set:      set,
		start:    start.UnixNano(),
		end:      end.UnixNano(),
		episodes: map[string][]spell{},
	}
	if err := o.read(records); err != nil {
		return nil, err
	}
	var all []spell
	var err error
	for left := slices.Clone(set.Rules); len(left) > 0; {
		n := len(left)
		left = slices.DeleteFunc(left, func(r *rule.Rule) bool {
			if slices.ContainsFunc(left, func(other *rule.Rule) bool {
				return other != r &&
					(asksFor(r.When, other.Name) || r.Source == "alerts" && other.Source != "alerts")
			}) {
				return false // the other rule comes first
			}
			if r.Source == "alerts" {
				var about oracle // which no rule of these logs asks
				if about, err = o.about(all); err != nil {
					return true
				}
				all = append(all, about.rule(r)...)
				return true
			}
			if r.Mode == rule.Off || r.Record {
				return true
			}
			list := o.rule(r)
			o.episodes[r.Name] = append(o.episodes[r.Name], list...)
			all = append(all, list...)
			return true
		})
		if len(left) == n {
			return nil, fmt.Errorf("rules ask for each other")
		}
	}
	return all, err
}

// about is an oracle whose logs are the transitions of alerts.
func (o *oracle) about(spells []spell) (oracle, error) {
	var records []models.Record
	tell := func(s spell, at int64, state models.AlertState) error {
		if at == farFuture {
			return nil
		}
		fields := map[string]any{
			"timestamp": time.Unix(0, at).UTC().Format(time.RFC3339Nano),
			"state":     state,
			"alertname": s.rule[strings.Index(s.rule, "/")+1:],
			"message":   "m",
		}
		for name, value := range s.labels {
			fields[name] = value
		}
		value, err := json.Marshal(fields)
		records = append(
			records,
			models.Record{Topic: "alerts", Timestamp: time.Unix(0, at), Value: value},
		)
		return err
	}
	for _, s := range spells {
		if err := errors.Join(tell(s, s.fired, models.AlertFiring), tell(s, s.resolved, models.AlertResolved)); err != nil {
			return oracle{}, err
		}
	}
	about := oracle{set: o.set, start: o.start, end: o.end, episodes: map[string][]spell{}}
	return about, about.read(records)
}

func asksFor(c rule.Condition, alert string) bool {
	return slices.ContainsFunc(
		callsOf(c),
		func(call *rule.Call) bool { return call.Func == "firing" && call.Alert == alert },
	)
}

func callsOf(c rule.Condition) []*rule.Call {
	switch c := c.(type) {
	case *rule.Binary:
		return append(callsOf(c.Left), callsOf(c.Right)...)
	case *rule.Unary:
		return callsOf(c.Of)
	case *rule.Call:
		return append([]*rule.Call{c}, callsOf(c.Of)...)
	}
	return nil
}

// read decodes the records, and asks each log everything that a rule might.
func (o *oracle) read(records []models.Record) error {
	var queries []rule.Query
	var paths []string
	ask := func(c rule.Condition) {
		for _, call := range callsOf(c) {
			queries, paths = append(queries, call.Filter), append(paths, call.Field)
		}
	}
	for _, s := range o.set.Suppressions {
		queries = append(queries, s.Start, s.End)
		for _, l := range s.By {
			paths = append(paths, l.Fields...)
		}
	}
	for _, r := range o.set.Rules {
		queries = append(queries, r.Match, r.Resolve.Match)
		ask(r.When)
		ask(r.Resolve.When)
		for _, s := range r.Sequence {
			queries = append(queries, s.Match)
		}
		for _, l := range r.By {
			paths = append(paths, l.Fields...)
		}
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == "" || p == "@template" })
	d, err := decode.New(decode.Config{}, decode.NewFields(paths...))
	if err != nil {
		return err
	}
	lists := func(name string) ([]string, bool) { return o.set.Lists[name].Values, true }
	for i := range records {
		d.Decode(&records[i], func(l *decode.Log) {
			seen := &seenLog{
				at:    l.Time(),
				topic: records[i].Topic,
				holds: map[rule.Query]bool{nil: true},
				value: map[string]seenValue{},
			}
			for _, q := range queries {
				seen.holds[q] = match.Eval(q, l, lists)
			}
			for _, p := range paths {
				seen.value[p] = valueSeen(l.Lookup(p))
			}
			seen.value["@template"] = seenValue{
				text:    masked(string(l.Lookup("message").Text)),
				present: true,
			}
			o.logs = append(o.logs, seen)
		}, func(reason decode.Reason, detail string) { err = fmt.Errorf("record %d: %s: %s", i, reason, detail) })
	}
	slices.SortStableFunc(
		o.logs,
		func(a, b *seenLog) int { return int(max(-1, min(1, a.at-b.at))) },
	)
	return err
}

func valueSeen(v decode.Value) seenValue {
	if v.Kind <= decode.Null {
		return seenValue{}
	}
	out := seenValue{text: string(v.Text), present: true}
	out.num, out.numeric = number.Parse(v.Text)
	return out
}

var varying = regexp.MustCompile(`"[^"]*"|'[^']*'|\d+`)

// masked is a message in which quoted texts and numbers are alike.
func masked(message string) string { return varying.ReplaceAllString(message, "_") }

// subject is one group of one rule.
type subject struct {
	*oracle
	r        *rule.Rule
	labels   map[string]string
	events   []*seenLog // that the rule matches
	related  []*seenLog // those, and the ones that resolve it
	known    int64      // since when the group is known
	expected bool
	// the last time that a log resolved it while its condition held: what came before counts no
	// more
	reset int64
}

// rule returns the spells of a rule, group by group.
func (o *oracle) rule(r *rule.Rule) (all []spell) {
	groups := map[string]*subject{}
	group := func(labels map[string]string, known int64) *subject {
		key := labelText(labels)
		if groups[key] == nil {
			groups[key] = &subject{
				oracle: o,
				r:      r,
				labels: labels,
				known:  known,
				reset:  math.MinInt64,
			}
		}
		return groups[key]
	}
	if len(r.By) == 0 && speaksOfSilence(r.When) {
		group(map[string]string{}, o.start).expected = true
	}
	if r.Expect != "" {
		for _, v := range o.set.Lists[r.Expect].Values {
			group(map[string]string{r.By[0].Name: v}, o.start).expected = true
		}
	}
	for _, l := range o.logs {
		if r.Source != "" && r.Source != l.topic && !slices.Contains(r.Sources, l.topic) {
			continue
		}
		matched, resolves := l.holds[r.Match] &&
			matters(r, l), r.Resolve.Match != nil &&
			l.holds[r.Resolve.Match]
		if !matched && !resolves {
			continue
		}
		g := group(labelsOf(r.By, l), l.at)
		g.related = append(g.related, l)
		if matched {
			g.events = append(g.events, l)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		all = append(all, groups[key].spells()...)
	}
	return all
}

// matters says whether any part of the condition looks at a log; one that none looks at does not
// make its group known.
func matters(r *rule.Rule, l *seenLog) bool {
	if r.When == nil && len(r.Sequence) == 0 {
		return true
	}
	for _, call := range append(callsOf(r.When), callsOf(r.Resolve.When)...) {
		if call.Func != "firing" && call.Of == nil && l.holds[call.Filter] {
			return true
		}
	}
	return slices.ContainsFunc(r.Sequence, func(s rule.Step) bool { return l.holds[s.Match] })
}

// labelsOf are the labels of a log's group: for each, the first of its fields that is there.
func labelsOf(by []rule.Label, l *seenLog) map[string]string {
	labels := map[string]string{}
	for _, label := range by {
		for _, field := range label.Fields {
			if v := l.value[field]; v.present && v.text != "" {
				labels[label.Name] = v.text
				break
			}
		}
	}
	return labels
}

// instants are all at which anything about the group may change, in order: each log, and each log
// later by any duration that the rule speaks of. Those at which nothing changes do no harm.
func (s *subject) instants() []int64 {
	r := s.r
	delays := map[int64]bool{
		0:                      true,
		int64(r.Window):        true,
		int64(r.Resolve.After): true,
		int64(r.Within):        true,
		int64(r.Learn):         true,
		int64(r.Remember):      true,
		1:                      true,
	}
	speak := func(c rule.Condition) {
		for _, call := range callsOf(c) {
			delays[int64(call.Offset)], delays[int64(call.Offset+r.Window)] = true, true
			if call.Func == "baseline" || call.Func == "zscore" {
				for day := range 32 {
					d := time.Duration(day) * 24 * time.Hour
					delays[int64(d)], delays[int64(d+r.Window)] = true, true
				}
			}
		}
		for _, n := range numbersOf(c) {
			if n > 0 && n < 1e7 {
				delays[int64(n*1e9)], delays[int64(n*1e9)+1] = true, true
			}
		}
	}
	speak(r.When)
	speak(r.Resolve.When)
	for _, step := range r.Sequence {
		for _, d := range []time.Duration{0, r.Window, r.Resolve.After} {
			delays[int64(step.Within+d)], delays[int64(r.Within+d)] = true, true
		}
	}
	times := map[int64]bool{}
	for d := range delays {
		times[s.start+d], times[s.known+d] = true, true
		for _, l := range s.related {
			times[l.at+d] = true
		}
	}
	for t := s.start - s.start%60e9; len(r.Active) > 0 && t <= s.end; t += 60e9 {
		times[t] = true
	}
	for _, list := range s.episodes {
		for _, e := range list {
			times[e.fired], times[e.resolved] = true, true
		}
	}
	if grid := grid(r); asksForDays(r.When) {
		for t := s.start - s.start%grid; t <= s.end; t += grid {
			times[t] = true
		}
	}
	if r.Every > 0 {
		for t := range maps.Clone(times) {
			times[t-t%int64(r.Every)], times[t-t%int64(r.Every)+int64(r.Every)] = true, true
		}
	}
	sorted := slices.Sorted(maps.Keys(times))
	return slices.DeleteFunc(sorted, func(t int64) bool { return t < s.start || t > s.end })
}

// grid is the distance of the windows whose past is remembered for days: a divisor of a day, at
// most a quarter of the window, and a minute at least.
func grid(r *rule.Rule) int64 {
	g := time.Minute
	for _, m := range []time.Duration{2, 5, 10, 15, 30, 60} {
		if m*time.Minute <= r.Window/4 {
			g = m * time.Minute
		}
	}
	return int64(g)
}

const oneDay = 24 * time.Hour

func asksForDays(c rule.Condition) bool {
	return slices.ContainsFunc(
		callsOf(c),
		func(call *rule.Call) bool { return call.Offset >= oneDay || call.Of != nil },
	)
}

func numbersOf(c rule.Condition) []float64 {
	switch c := c.(type) {
	case *rule.Number:
		return []float64{c.Value}
	case *rule.Binary:
		return append(numbersOf(c.Left), numbersOf(c.Right)...)
	case *rule.Unary:
		return numbersOf(c.Of)
	}
	return nil
}

// stay is how long an alert stays up after its condition ceased to hold, and farFuture when it
// waits for something else.
func stay(r *rule.Rule) int64 {
	if r.Resolve.Manual ||
		r.Resolve.After == 0 && (r.Resolve.Match != nil || r.Resolve.When != nil) {
		return farFuture
	}
	if len(r.Sequence) > 0 {
		return int64(r.KeepFiringFor) // how long it counts is up to the sequence
	}
	return int64(max(r.KeepFiringFor, r.Resolve.After))
}

// spells walks through the instants once: what the condition says, and what becomes of the alert.
func (s *subject) spells() (list []spell) {
	const (
		idle = iota
		pending
		muted
		up
	)
	phase, held, blocked := idle, false, false // blocked: resolved although the condition holds
	var now spell
	var fell int64
	end := func(at int64) {
		if phase == up {
			now.resolved, now.logs = at, s.tally(now, at)
			list = append(list, now)
		}
		phase = idle
	}
	tick := func(at int64) { // what time alone brings about
		if phase == pending && held && at >= now.start+int64(s.r.For) {
			phase, now.fired = muted, at
		}
		if phase == muted && !s.suppressed(at) {
			phase, now.fired, now.early = up, at, s.tally(now, at)
		}
		if phase != idle && !held && stay(s.r) != farFuture && at >= fell+stay(s.r) {
			end(fell + stay(s.r))
		}
	}
	for _, at := range s.withDelays(s.instants()) {
		truth := s.holds(at)
		recovers := s.recovers(at, truth)
		if truth && recovers && !blocked {
			s.reset = at
			truth = s.holds(at)
			blocked = truth
		}
		blocked = blocked && truth
		active := s.active(at)
		holds := truth && active && !blocked
		switch {
		case holds && !held && phase == idle:
			now = spell{rule: s.r.ID(), labels: s.labels, start: at, resolved: farFuture}
			phase = pending
		case !holds && held && (phase == pending && s.r.For > 0 || !active):
			end(at)
		}
		if held && !holds {
			fell = at
		}
		held = holds
		tick(at)
		if phase != idle && recovers {
			end(at)
		}
	}
	if phase == up {
		list = append(list, now)
	}
	return list
}

// tally is how many logs an alert is about up to an instant: those of the window in which its
// condition began to hold, and all since.
func (s *subject) tally(now spell, at int64) int {
	span := s.r.Window
	if len(s.r.Sequence) > 0 {
		span = s.r.Within
		// after the last step it waits for what must not happen
		for n := len(s.r.Sequence); s.r.Sequence[n-1].Not; n-- {
			span = max(span, s.r.Within+time.Duration(s.within(s.r.Sequence[n-1])))
		}
	}
	return len(between(s.events, now.start-int64(span), at))
}

// withDelays adds to the instants those at which time alone does something after one of them.
func (s *subject) withDelays(instants []int64) []int64 {
	times := map[int64]bool{}
	for _, at := range instants {
		times[at] = true
		times[at+int64(s.r.For)] = true
		if stay(s.r) != farFuture {
			times[at+stay(s.r)] = true
		}
	}
	for _, name := range s.r.SuppressedBy {
		for _, sup := range s.set.Suppressions {
			for _, l := range s.logs {
				if sup.Name == name && (l.holds[sup.Start] || l.holds[sup.End]) {
					times[l.at], times[l.at+int64(sup.Max)], times[l.at+int64(sup.After)] = true, true, true
				}
			}
		}
	}
	return slices.DeleteFunc(
		slices.Sorted(maps.Keys(times)),
		func(t int64) bool { return t < s.start || t > s.end },
	)
}

// holds says whether the condition holds at an instant; with every, what it said at the last
// multiple.
func (s *subject) holds(at int64) bool {
	if s.r.Every > 0 {
		at -= at % int64(s.r.Every)
	}
	if !s.expected && s.absence() {
		if last := s.last(s.events, at); last == nil || last.at+s.remember() <= at {
			return false // forgotten
		}
	}
	switch {
	case len(s.r.Sequence) > 0:
		return s.sequence(at)
	case s.r.When == nil:
		return len(s.now(at)) > 0
	}
	return s.truth(s.r.When, at)
}

// since is the instant since which the group is known without a break: a group that was forgotten
// is known anew.
func (s *subject) since(at int64) int64 {
	known := s.known
	if s.expected || !s.absence() || len(s.events) == 0 {
		return known
	}
	for i, l := range s.events[1:] {
		if l.at <= at && l.at > s.events[i].at+s.remember() {
			known = max(known, l.at)
		}
	}
	return known
}

// absence says whether the rule may speak of a group in which nothing happens.
func (s *subject) absence() bool { return speaksOfSilence(s.r.When) }

// remember is how long a group is remembered that is silent.
func (s *subject) remember() int64 {
	if s.r.Remember == 0 {
		return int64(7 * oneDay)
	}
	return int64(s.r.Remember)
}

func speaksOfSilence(c rule.Condition) bool {
	switch c := c.(type) {
	case *rule.Unary:
		return !speaksOfSilence(c.Of)
	case *rule.Binary:
		switch c.Op {
		case "and":
			return speaksOfSilence(c.Left) && speaksOfSilence(c.Right)
		case "or":
			return speaksOfSilence(c.Left) || speaksOfSilence(c.Right)
		}
		return silent(c)
	}
	return false
}

// active says whether the instant lies in the rule's hours.
func (s *subject) active(at int64) bool {
	within, named := false, false
	for _, a := range s.r.Active {
		in := s.set.Intervals[a.Interval].Contains(time.Unix(0, at).UTC())
		if a.Not && in {
			return false
		}
		named, within = named || !a.Not, within || in && !a.Not
	}
	return within || !named
}

// suppressed says whether a suppression mutes the group: since a log that starts it, until after
// the first log that ends it, and no longer than max.
func (s *subject) suppressed(at int64) bool {
	for _, sup := range s.set.Suppressions {
		if !slices.Contains(s.r.SuppressedBy, sup.Name) {
			continue
		}
		mine := func(l *seenLog) bool {
			for name, value := range labelsOf(sup.By, l) {
				if s.labels[name] != value {
					return false
				}
			}
			return true
		}
		for _, l := range s.logs {
			if !l.holds[sup.Start] || l.at > at || !mine(l) {
				continue
			}
			until := l.at + int64(sup.Max)
			for _, e := range s.logs {
				if e.at >= l.at && e.holds[sup.End] && mine(e) {
					until = min(until, e.at+int64(sup.After))
					break
				}
			}
			if at < until {
				return true
			}
		}
	}
	return false
}

// recovers says whether something other than the condition's own end resolves the alert.
func (s *subject) recovers(at int64, truth bool) bool {
	if q := s.r.Resolve.Match; q != nil {
		for _, l := range s.related {
			if l.at == at && l.holds[q] {
				return true
			}
		}
	}
	return s.r.Resolve.When != nil && !truth && s.truth(s.r.Resolve.When, at)
}

// window is the events with at-window < t <= at.
func (s *subject) window(at int64) []*seenLog { return between(s.events, at-int64(s.r.Window), at) }

// now is the window that nothing has reset.
func (s *subject) now(at int64) []*seenLog {
	return between(s.events, max(at-int64(s.r.Window), s.reset), at)
}

func between(logs []*seenLog, after, to int64) (list []*seenLog) {
	for _, l := range logs {
		if l.at > after && l.at <= to {
			list = append(list, l)
		}
	}
	return list
}

// last is the newest log not after an instant, or nil.
func (s *subject) last(logs []*seenLog, at int64) *seenLog {
	in := between(logs, math.MinInt64, at)
	if len(in) == 0 {
		return nil
	}
	return in[len(in)-1]
}

// sequence says whether the steps were completed within the time for which that counts: the window,
// or what resolve says.
func (s *subject) sequence(at int64) bool {
	counts := int64(s.r.Window)
	if s.r.Resolve.After > 0 {
		counts = int64(s.r.Resolve.After)
	}
	fresh := *s
	fresh.events = between(s.events, s.reset, farFuture)
	return slices.ContainsFunc(
		fresh.completions(),
		func(t int64) bool { return t > max(at-counts, s.reset) && t <= at },
	)
}

// completions are the instants at which the steps of the rule are completed, in whichever way its
// events are chosen.
func (s *subject) completions() (times []int64) {
	steps, quiet := s.r.Sequence, int64(0)
	var not []rule.Step
	for n := len(steps); steps[n-1].Not; n-- {
		not, steps = append(not, steps[n-1]), steps[:n-1]
		quiet = max(quiet, s.within(not[len(not)-1]))
	}
	for i, e := range s.events {
		if start := s.begun(steps, i); start == math.MinInt64 || e.at-start >= int64(s.r.Within) {
			continue
		}
		if !slices.ContainsFunc(
			not,
			func(step rule.Step) bool { return s.happens(step.Match, i+1, e.at+s.within(step)) },
		) {
			times = append(times, e.at+quiet)
		}
	}
	return times
}

func (s *subject) within(step rule.Step) int64 {
	if step.Within > 0 {
		return int64(step.Within)
	}
	return int64(s.r.Within)
}

// happens says whether an event from the i-th on, and before an instant, is one of a query.
func (s *subject) happens(q rule.Query, i int, before int64) bool {
	for ; i < len(s.events) && s.events[i].at < before; i++ {
		if s.events[i].holds[q] {
			return true
		}
	}
	return false
}

// begun is the latest instant at which steps may have begun that event i completes; the beginning
// of time when it completes none.
func (s *subject) begun(steps []rule.Step, i int) int64 {
	var not []rule.Step
	n := len(steps) - 1
	step := steps[n]
	if !s.events[i].holds[step.Match] {
		return math.MinInt64
	}
	first, found := i, 1
	for found < step.Times && first > 0 {
		first--
		if s.events[first].holds[step.Match] {
			found++
		}
	}
	if found < step.Times {
		return math.MinInt64
	}
	for n > 0 && steps[n-1].Not {
		not, n = append(not, steps[n-1]), n-1
	}
	if n == 0 {
		return s.events[first].at
	}
	start := int64(math.MinInt64)
	for before := range first {
		if s.events[i].at-s.events[before].at >= s.within(step) {
			continue
		}
		prevented := slices.ContainsFunc(not, func(no rule.Step) bool {
			for j := before + 1; j < i; j++ {
				if s.events[j].holds[no.Match] &&
					s.events[j].at < s.events[before].at+s.within(no) {
					return true
				}
			}
			return false
		})
		if !prevented {
			start = max(start, s.begun(steps[:n], before))
		}
	}
	return start
}

func (s *subject) truth(c rule.Condition, at int64) bool {
	switch c := c.(type) {
	case *rule.Unary:
		if speaksOfSilence(c) && windowed(c) && at < s.since(at)+int64(s.r.Window) {
			return false
		}
		plain := *s
		plain.known = math.MinInt64 / 2 // it is the whole that says nothing yet
		return !plain.truth(c.Of, at)
	case *rule.Call: // firing
		return slices.ContainsFunc(s.episodes[c.Alert], func(e spell) bool {
			for name, value := range e.labels {
				if mine, shared := s.labels[name]; shared && mine != value {
					return false
				}
			}
			return e.fired <= at && at < e.resolved
		})
	case *rule.Binary:
		switch c.Op {
		case "and":
			return s.truth(c.Left, at) && s.truth(c.Right, at)
		case "or":
			return s.truth(c.Left, at) || s.truth(c.Right, at)
		}
		left, ok := s.number(c.Left, at)
		right, too := s.number(c.Right, at)
		if silent(c) && windowed(c) && at < s.since(at)+int64(s.r.Window) {
			return false // before the group was known for a window, its silence means nothing
		}
		return ok && too && compared(left, c.Op, right)
	}
	panic("not a truth")
}

// windowed says whether a condition looks at the window at all.
func windowed(c rule.Condition) bool {
	return slices.ContainsFunc(callsOf(c), func(call *rule.Call) bool {
		return call.Of == nil && call.Offset < oneDay && call.Func != "since" &&
			call.Func != "firing"
	})
}

// silent says whether a comparison holds of a group in which nothing ever happened, while there was
// plenty in the past that it may be held against.
func silent(c *rule.Binary) bool {
	var number func(c rule.Condition) float64
	number = func(c rule.Condition) float64 {
		switch c := c.(type) {
		case *rule.Number:
			return c.Value
		case *rule.Unary:
			return -number(c.Of)
		case *rule.Binary:
			left, right := number(c.Left), number(c.Right)
			if c.Op == "/" && right == 0 {
				return math.NaN()
			}
			return map[string]float64{"+": left + right, "-": left - right, "*": left * right, "/": left / right}[c.Op]
		}
		call := c.(*rule.Call)
		switch {
		case call.Offset > 0 || call.Func == "baseline":
			return 1e12
		case call.Func == "since":
			return math.Inf(1)
		case slices.Contains([]string{"count", "rate", "distinct", "new", "changed"}, call.Func):
			return 0
		}
		return math.NaN()
	}
	return compared(number(c.Left), c.Op, number(c.Right))
}

func compared(left float64, op string, right float64) bool {
	if math.IsNaN(left) || math.IsNaN(right) {
		return false
	}
	return map[string]bool{"==": left == right, "!=": left != right, "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]
}

// number is the value of a term; ok is false when it is undefined.
func (s *subject) number(c rule.Condition, at int64) (value float64, ok bool) {
	switch c := c.(type) {
	case *rule.Number:
		return c.Value, true
	case *rule.Unary:
		value, ok = s.number(c.Of, at)
		return -value, ok
	case *rule.Binary:
		left, ok := s.number(c.Left, at)
		right, too := s.number(c.Right, at)
		if !ok || !too || c.Op == "/" && right == 0 {
			return 0, false
		}
		return map[string]float64{"+": left + right, "-": left - right, "*": left * right, "/": left / right}[c.Op], true
	}
	return s.call(c.(*rule.Call), at)
}

func (s *subject) call(c *rule.Call, at int64) (float64, bool) {
	all := s.now(at)
	if at -= int64(c.Offset); c.Offset > 0 {
		if c.Offset >= oneDay {
			at -= at % grid(s.r)
		}
		if at-int64(s.r.Window) < s.known {
			return 0, false // what came before the group was known is not known to be nothing
		}
		all = s.window(at)
	}
	in := slices.DeleteFunc(slices.Clone(all), func(l *seenLog) bool { return !l.holds[c.Filter] })
	present := slices.DeleteFunc(
		slices.Clone(in),
		func(l *seenLog) bool { return !l.value[c.Field].present },
	)
	var numbers []float64
	for _, l := range present {
		if v := l.value[c.Field]; v.numeric {
			numbers = append(numbers, v.num)
		}
	}
	sum := 0.0
	for _, n := range numbers {
		sum += n
	}
	n := float64(len(numbers))
	switch c.Func {
	case "count":
		return float64(len(in)), true
	case "rate":
		return float64(len(in)) / s.r.Window.Seconds(), true
	case "sum":
		return sum, n > 0
	case "avg":
		return sum / n, n > 0
	case "min":
		return slices.Min(append(numbers, math.Inf(1))), n > 0
	case "max":
		return slices.Max(append(numbers, math.Inf(-1))), n > 0
	case "stddev":
		return deviation(numbers), n > 0
	case "percentile":
		slices.Sort(numbers)
		if n == 0 {
			return 0, false
		}
		return numbers[max(0, int(math.Ceil(c.Quantile*n-1e-9))-1)], true
	case "first", "last":
		if n == 0 {
			return 0, false
		}
		return numbers[map[string]int{"first": 0, "last": len(numbers) - 1}[c.Func]], true
	case "distinct":
		different := map[string]bool{}
		for _, l := range present {
			different[l.value[c.Field].text] = true
		}
		return float64(len(different)), true
	case "since":
		last := s.last(
			slices.DeleteFunc(
				slices.Clone(s.events),
				func(l *seenLog) bool { return !l.holds[c.Filter] },
			),
			at,
		)
		switch {
		case last != nil:
			return float64(at-last.at) / 1e9, true
		case s.absence():
			return float64(at-s.known) / 1e9, true
		}
		return math.Inf(1), true
	case "new":
		return s.news(c, at), true
	case "changed":
		return s.changes(c, at), true
	case "baseline", "zscore":
		return s.past(c, at)
	}
	panic("unknown function " + c.Func)
}

// closed is an aggregate over a window of the past, which nothing resets.
func (s *subject) closed(c rule.Condition, at int64) (float64, bool) {
	past := *s
	past.reset = math.MinInt64
	return past.number(c, at)
}

func deviation(numbers []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, n := range numbers {
		mean += n / float64(len(numbers))
	}
	for _, n := range numbers {
		squares += (n - mean) * (n - mean)
	}
	return math.Sqrt(squares / float64(len(numbers)))
}

// news is how many values were seen for the first time within the window, after the time of
// learning; a value that was not seen for as long as it is remembered is seen for the first time
// again.
func (s *subject) news(c *rule.Call, at int64) float64 {
	fresh := map[string]bool{}
	seen := map[string]int64{}
	for _, l := range between(s.events, math.MinInt64, at) {
		v := l.value[c.Field]
		if !v.present || !l.holds[c.Filter] {
			continue
		}
		last, known := seen[v.text]
		forgotten := s.r.Remember > 0 && known && l.at-last > int64(s.r.Remember)
		if (!known || forgotten) && l.at >= s.known+int64(s.r.Learn) &&
			l.at > at-int64(s.r.Window) {
			fresh[v.text] = true
		}
		seen[v.text] = l.at
	}
	return float64(len(fresh))
}

// changes is how often within the window a value was another than the one before.
func (s *subject) changes(c *rule.Call, at int64) (n float64) {
	before, known := "", false
	for _, l := range between(s.events, math.MinInt64, at) {
		v := l.value[c.Field]
		if !v.present || !l.holds[c.Filter] {
			continue
		}
		if known && v.text != before && l.at > at-int64(s.r.Window) {
			n++
		}
		before, known = v.text, true
	}
	return n
}

// past is the median, or the distance from the mean in deviations, of the same window on earlier
// days of the same kind. Of fewer than three days nothing is said.
func (s *subject) past(c *rule.Call, at int64) (float64, bool) {
	span := c.Span
	if span == 0 {
		span = 4 * 7 * 24 * time.Hour
	}
	weekend := func(t int64) bool { return slices.Contains([]time.Weekday{0, 6}, time.Unix(0, t).UTC().Weekday()) }
	var values []float64
	for day := int64(24 * time.Hour); day <= int64(span); day += int64(24 * time.Hour) {
		then := at - at%grid(s.r) - day
		if then-int64(s.r.Window) < s.known || weekend(then) != weekend(at) {
			continue
		}
		if v, ok := s.closed(c.Of, then); ok {
			values = append(values, v)
		}
	}
	if len(values) < 3 {
		return 0, false
	}
	slices.Sort(values)
	if c.Func == "baseline" {
		return (values[(len(values)-1)/2] + values[len(values)/2]) / 2, true
	}
	now, ok := s.number(c.Of, at)
	mean := 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	return (now - mean) / deviation(values), ok && deviation(values) > 0
}
