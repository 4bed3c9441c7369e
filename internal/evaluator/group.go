package evaluator

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	gotemplate "text/template"
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// group is one group of a rule, and its alert.
type group struct {
	e         *Evaluation
	r         *rule.Rule
	labels    map[string]string
	expected  bool
	logs      []*Log // that satisfy match
	resolvers []*Log // that satisfy the query of resolve
	began     instant

	nothing map[literal]bool // what nothing at all satisfies
	silence bool             // the rule can hold without any log

	// the state of the alert
	alive       bool    // the group is known
	from        instant // since when it is
	reset       *Log    // the log that ended the condition last
	resets      []*Log  // all that did
	holds       bool    // as it was judged last
	spent       bool    // it was ended by a log, and has held without any log of its own since
	since       instant // the condition holds since
	until       instant // the condition does not hold since
	up          bool    // an episode has begun to fire, or is suppressed
	muted       bool    // it is suppressed
	waiting     bool    // it is pending
	resolving   bool    // the condition of resolve holds
	severity    string
	own         map[string]string // the labels of the rule
	fired       bool              // whose texts are those of the moment at which the alert fired
	episode     int
	within      bool    // the condition holds within the hours of the rule
	beginning   instant // when it began to, of the episode
	cut         *Log    // the log that resolved before that
	firingSince instant

	notified []Transition
	all      []Transition
	firing   []span
	timers   []instant
}

const week = 7 * 24 * time.Hour

func newGroup(e *Evaluation, r *rule.Rule, labels map[string]string) *group {
	g := &group{e: e, r: r, labels: labels, nothing: map[literal]bool{}}
	if r.When != nil && !r.Record {
		for _, firing := range []bool{false, true} {
			v := &view{g: g, nothing: true, firing: firing}
			g.silence = g.silence || v.truth(r.When)
		}
	}
	return g
}

// literal is a comparison, or what negates it.
type literal struct {
	of   *rule.Binary
	want bool
}

// ofNothing reports whether nothing at all makes a comparison true, or false.
func (g *group) ofNothing(c *rule.Binary, want bool) bool {
	l := literal{c, want}
	holds, ok := g.nothing[l]
	if !ok {
		v := &view{g: g, nothing: true}
		holds = v.is(c, want)
		g.nothing[l] = holds
	}
	return holds
}

func (g *group) matches(q rule.Query, l *Log) bool { return g.e.set.matches(q, l) }

// visible are the logs of a life of the group that the decision of an instant sees.
func (g *group) visible(at instant, in life) (logs []*Log) {
	for _, l := range g.logs {
		if l.Visible <= at && l.At >= in.from && l.Visible > in.removed {
			logs = append(logs, l)
		}
	}
	return logs
}

// life is a stretch of time in which a group is known, without its end.
type life struct {
	from, to instant
	// when the group was removed before: what was seen until then is forgotten, and it stays
	// removed whatever comes late
	removed instant
}

// noted are the logs that counted at an earlier instant.
func (g *group) noted(at instant, in life) (logs []*Log) {
	var cut *Log
	for _, r := range g.resets {
		if r.At < at {
			cut = r
		}
	}
	for _, l := range g.visible(at, in) {
		if cut == nil || order(l, cut) > 0 {
			logs = append(logs, l)
		}
	}
	return logs
}

const never = instant(1<<63 - 1)

// lives are the times in which the group is known, as the decision of an instant sees them.
func (g *group) lives(at instant) (list []life) {
	if (g.silence || g.r.Record) && (len(g.r.By) == 0 || g.expected) {
		if g.began == 0 {
			return nil
		}
		return []life{{from: g.began, to: never}}
	}
	remember := int64(g.r.Remember)
	if remember == 0 {
		remember = int64(week)
	}
	if !g.forgets() {
		remember = never
	}
	logs := slices.Clone(g.logs)
	slices.SortStableFunc(logs, func(a, b *Log) int { return cmp.Compare(a.Visible, b.Visible) })
	var last instant
	for _, l := range logs {
		if l.Visible > at || !g.looksAt(l) {
			continue
		}
		if len(list) == 0 || remember != never && l.Visible > last+remember {
			next := life{from: l.At, to: never}
			if len(list) > 0 {
				next.removed = last + remember
			}
			list, last = append(list, next), l.At
		}
		now := &list[len(list)-1]
		now.from, last = min(now.from, l.At), max(last, l.At)
		if remember != never {
			now.to = last + remember
		}
	}
	return list
}

// looksAt reports whether any part of the condition looks at a log: one without a filter looks at
// all, and firing looks at none. A rule about silence and a record look at all in any case.
func (g *group) looksAt(l *Log) bool {
	looks := g.silence || g.r.When == nil || g.r.Record
	for _, c := range []rule.Condition{g.r.When, g.r.Resolve.When} {
		calls(c, func(c *rule.Call) {
			looks = looks || c.Of == nil && c.Func != "firing" && g.matches(c.Filter, l)
		})
	}
	return looks
}

// forgets reports whether the rule forgets groups that have been silent.
func (g *group) forgets() bool {
	if g.silence {
		return true
	}
	values := false
	calls(g.r.When, func(c *rule.Call) { values = values || c.Func == "new" })
	return values && g.r.Remember > 0
}

// run takes the alert through all instants.
func (g *group) run() {
	g.timers = g.instants(g.lives(never))
	for len(g.timers) > 0 {
		slices.Sort(g.timers)
		at := g.timers[0]
		for len(g.timers) > 0 && g.timers[0] == at {
			g.timers = g.timers[1:]
		}
		if at > g.e.end {
			break
		}
		g.step(at)
	}
	if g.up && !g.muted {
		g.firing = append(g.firing, span{g.labels, g.firingSince, never})
	}
}

// step decides one instant.
func (g *group) step(at instant) {
	lives := g.lives(at)
	i := slices.IndexFunc(lives, func(l life) bool { return at >= l.from && at < l.to })
	if i < 0 || !g.alive {
		if g.up {
			g.resolve(at, Number{})
		}
		g.reset, g.holds, g.spent, g.resolving, g.waiting = nil, false, false, false, false
		g.within = false
	}
	if g.alive = i >= 0; !g.alive {
		return
	}
	g.from = lives[i].from
	v := g.look(at, lives[i])
	judged := g.r.Every == 0 || at%int64(g.r.Every) == 0
	was := g.holds
	if judged {
		g.holds = v.holds()
		g.spent = g.spent && g.holds
		g.holds = g.holds && !g.spent
	}
	ended := false
	for _, l := range slices.Backward(g.resolvers) {
		if max(l.At, l.Visible) != at {
			continue
		}
		ended = true
		if g.holds || !judged && was {
			g.reset = l
			if l.Visible > l.At { // it resolves as if it came first at this instant
				g.reset = &Log{At: at, Place: -1, late: true}
			}
			g.resets = append(g.resets, g.reset)
			v = g.look(at, lives[i])
			nothing := *v
			nothing.logs = nil
			g.spent = nothing.holds() && (v.holds() || !judged)
			g.holds = judged && v.holds() && !g.spent
			g.since, was, g.within = at, false, false
		}
		break
	}
	if ended && g.up {
		g.resolve(at, v.valueOr())
	}
	if g.holds && !was {
		g.since = at
		g.after(at, g.r.For)
	}
	if !g.holds && was {
		g.until = at
		g.after(at, g.r.KeepFiringFor)
		g.after(at, g.r.Resolve.After)
		g.after(at, g.r.KeepFiringFor+g.r.Resolve.After)
	}
	g.advance(at, v, judged)
}

// advance moves the alert on, once it is known whether the condition holds.
func (g *group) advance(at instant, v *view, judged bool) {
	resolving := g.resolving
	if judged {
		g.resolving = g.r.Resolve.When != nil && !g.holds && v.truth(g.r.Resolve.When)
	}
	if g.up && (!g.e.set.active(g.r, at) || !g.holds && g.over(at, !resolving && g.resolving)) {
		g.resolve(at, v.valueOr())
	}
	within := g.holds && g.e.set.active(g.r, at)
	if within && !g.within && !g.up {
		g.beginning, g.cut = at, g.reset
	}
	g.within = within
	waits := g.holds && !g.up && at-g.since < int64(g.r.For) && g.e.set.active(g.r, at)
	if waits && !g.waiting {
		g.fired = false
		g.tell("pending", at, v.valueOr())
	}
	g.waiting = waits
	if g.holds && (g.up || at-g.since >= int64(g.r.For)) {
		g.raise(at, v, judged)
		return
	}
	if g.up && g.muted && !g.e.muted(g.r, g.labels, at) {
		g.muted, g.severity = false, g.level(v)
		g.fire(at, v)
	}
}

// raise has the alert fire, if the hours and the suppressions allow it, or moves its severity.
func (g *group) raise(at instant, v *view, judged bool) {
	severity := g.severity
	muted := g.e.muted(g.r, g.labels, at)
	if judged || !g.up || g.muted && !muted {
		severity = g.level(v)
	}
	switch {
	case !g.up && g.e.set.active(g.r, at):
		g.up, g.muted, g.severity = true, muted, severity
		g.fired = false
		g.episode++
		if muted {
			g.tell("suppressed", at, v.valueOr())
		} else {
			g.fire(at, v)
		}
	case g.up && g.muted && !muted:
		g.muted, g.severity = false, severity
		g.fire(at, v)
	case g.up && severity != g.severity:
		g.severity = severity
		if !g.muted {
			g.tell("firing", at, v.valueOr())
		}
	}
}

// over reports whether an alert ends whose condition does not hold.
func (g *group) over(at instant, resolving bool) bool {
	r := g.r.Resolve
	if resolving {
		return true
	}
	if r.Manual || (r.Match != nil || r.When != nil) && r.After == 0 {
		return false
	}
	wait := g.r.KeepFiringFor
	switch {
	case g.r.Sequence != nil: // which has held for that long
	case r.Match != nil || r.When != nil:
		wait = max(wait, r.After)
	default:
		wait += r.After
	}
	return at >= g.until+int64(wait)
}

func (g *group) fire(at instant, v *view) {
	g.firingSince = at
	g.tell("firing", at, v.valueOr())
}

func (g *group) resolve(at instant, value Number) {
	if !g.muted {
		g.firing = append(g.firing, span{g.labels, g.firingSince, at})
		g.tell("resolved", at, value)
	}
	g.up, g.muted = false, false
}

// tell notes a transition.
func (g *group) tell(state string, at instant, value Number) {
	if !g.fired {
		g.own = g.texts(value)
	}
	g.fired = g.fired || state == "firing"
	labels := maps.Clone(g.labels)
	for name, text := range g.own {
		// a label of the rule wins over one of the envelope, and not over one that by names
		named := slices.ContainsFunc(g.r.By, func(l rule.Label) bool { return l.Name == name })
		if _, taken := labels[name]; !taken || !named {
			labels[name] = text
		}
	}
	labels["alertname"] = g.r.Name
	if g.severity != "" {
		labels["severity"] = g.severity
	}
	t := Transition{g.r.ID(), labels, state, timeOf(at), value, g.count(at), g.episode}
	g.all = append(g.all, t)
	if state == "firing" || state == "resolved" {
		g.notified = append(g.notified, t)
	}
}

// texts are the labels of the rule, of which some are templates that ask for the value.
func (g *group) texts(value Number) map[string]string {
	labels := map[string]string{}
	for name, text := range g.r.Labels {
		var b strings.Builder
		data := struct {
			Value  float64
			Labels map[string]string
		}{Labels: g.labels}
		if g.r.When == nil { // it is left open, but not 0
			data.Value = 1
		} else if n := value.Float(); !math.IsNaN(n) && !math.IsInf(n, 0) {
			data.Value = n
		}
		t := gotemplate.Must(gotemplate.New("").Option("missingkey=zero").Parse(text))
		if err := t.Execute(&b, data); err != nil {
			panic(err)
		}
		labels[name] = b.String()
	}
	return labels
}

// count is the number of logs of an alert: those of the window in which its condition began to
// hold within the hours of the rule, and all since. A log that no part of the condition looks at is
// not counted, nor is one before the instant of a log that resolved.
func (g *group) count(at instant) (n int) {
	span := int64(g.r.Window)
	if g.r.Sequence != nil {
		span = taken(g.r)
	}
	for _, l := range g.logs {
		if l.At > g.beginning-span && l.At >= g.from && l.At <= at && l.Visible <= at &&
			g.countsIn(l) && (g.cut == nil || l.At >= g.cut.At) {
			n++
		}
	}
	return n
}

// countsIn reports whether any part of the condition looks at a log.
func (g *group) countsIn(l *Log) bool {
	looks, any := false, false
	for _, s := range g.r.Sequence {
		any, looks = true, looks || g.matches(s.Match, l)
	}
	for _, c := range []rule.Condition{g.r.When, g.r.Resolve.When} {
		calls(c, func(c *rule.Call) {
			if c.Of == nil && c.Func != "firing" {
				any, looks = true, looks || g.matches(c.Filter, l)
			}
		})
	}
	return looks || !any || g.r.When == nil && g.r.Sequence == nil
}

// taken is how long a sequence may take.
func taken(r *rule.Rule) int64 {
	var waits time.Duration
	for _, s := range r.Sequence {
		if s.Not {
			waits = max(waits, cmp.Or(s.Within, r.Within))
		} else {
			waits = 0
		}
	}
	return int64(r.Within + waits)
}

// level is the severity that an alert has by its value.
func (g *group) level(v *view) (severity string) {
	for _, l := range g.r.Levels {
		if compare(l.Op, v.value(), constant("", l.Value)) {
			severity = l.Severity
		}
	}
	return severity
}

// look is the view of the group at an instant.
func (g *group) look(at instant, l life) *view {
	v := &view{g: g, at: at, life: l, known: l.from}
	if g.reset != nil && !g.reset.late && g.matches(g.r.Match, g.reset) {
		v.before = g.reset
	}
	for _, log := range g.visible(at, l) {
		if g.reset == nil || order(log, g.reset) > 0 {
			v.logs = append(v.logs, log)
		}
	}
	return v
}

func order(a, b *Log) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Place, b.Place)) }

func sortByTime(logs []*Log) { slices.SortStableFunc(logs, order) }

// holds evaluates what the rule asks for.
func (v *view) holds() bool {
	r := v.g.r
	switch {
	case r.Sequence != nil:
		for _, at := range v.completed() {
			if v.at < at+holding(r) {
				return true
			}
		}
		return false
	case r.When == nil:
		return len(v.within(nil, v.at-int64(r.Window), v.at)) > 0
	}
	return v.truth(r.When)
}

// holding is for how long a completed sequence counts.
func holding(r *rule.Rule) int64 {
	if r.Resolve.After > 0 {
		return int64(r.Resolve.After)
	}
	return int64(r.Window)
}

// alternatives reports whether a condition has several ways to hold, so that none of them decides
// when it does not.
func alternatives(c rule.Condition) bool {
	switch c := c.(type) {
	case *rule.Binary:
		return c.Op == "or" || c.Op == "and" && (alternatives(c.Left) || alternatives(c.Right))
	case *rule.Unary:
		return alternatives(c.Of)
	}
	return false
}

// valueOr is the value of an alert, undefined where the rule reference leaves it open.
func (v *view) valueOr() Number {
	if v.g.r.When == nil || !v.g.holds && alternatives(v.g.r.When) {
		return Number{}
	}
	return v.value()
}

// after has an instant looked at that comes some time later.
func (g *group) after(now instant, wait time.Duration) {
	if wait > 0 {
		g.timers = append(g.timers, now+int64(wait))
	}
}

// instants are all at which the group can change by logs and time alone.
func (g *group) instants(lives []life) (list []instant) {
	add := func(at instant) { list = append(list, at) }
	for _, l := range g.logs {
		for _, d := range g.delays() {
			at := l.At + d.after
			if d.grid > 0 {
				at = roundUp(max(at, l.Visible), d.grid) + d.ago
			}
			add(max(at, l.Visible))
		}
	}
	for _, l := range g.resolvers {
		add(max(l.At, l.Visible))
		for _, d := range g.delays() {
			if d.grid > 0 { // what was noted after it is without the logs before it
				add(roundUp(max(l.At, l.Visible)+1, d.grid) + d.ago)
			}
		}
	}
	for _, l := range lives {
		for _, d := range g.delays() {
			at := l.from + d.after
			if d.grid > 0 {
				at = roundUp(at, d.grid) + d.ago
			}
			add(at)
		}
		add(l.to)
	}
	calls(g.r.When, func(c *rule.Call) {
		if c.Func == "firing" {
			list = append(list, g.e.changes(c.Alert)...)
		}
		if c.Func == "baseline" || c.Func == "zscore" {
			for t := g.began - g.began%day + day; t <= g.e.end; t += day {
				add(t)
			}
		}
	})
	list = append(list, g.e.set.boundaries(g.r, g.began, g.e.end)...)
	for _, name := range g.r.SuppressedBy {
		for _, s := range g.e.muteOf(name, g.r).spans {
			list = append(list, s.from, s.to)
		}
	}
	if every := int64(g.r.Every); every > 0 {
		for _, at := range slices.Clone(list) {
			if at < never-every {
				add(roundUp(at, every))
			}
		}
	}
	return list
}

func roundUp(at, step int64) int64 { return at + (step-at%step)%step }

// delay is how long after a log something can change: on a grid, and then some time later.
type delay struct{ after, grid, ago int64 }

// delays are all that follow a log, or the birth of the group.
func (g *group) delays() []delay {
	window := int64(g.r.Window)
	list := []delay{{}, {after: window}}
	if g.r.Sequence != nil {
		list = append(list, delay{after: holding(g.r)})
		for _, s := range g.r.Sequence {
			w := int64(s.Within)
			if w == 0 {
				w = int64(g.r.Within)
			}
			if s.Not {
				list = append(list, delay{after: w}, delay{after: w + holding(g.r)})
			}
		}
	}
	for _, c := range []rule.Condition{g.r.When, g.r.Resolve.When} {
		comparisons(c, func(b *rule.Binary) {
			for _, side := range []rule.Condition{b.Left, b.Right} {
				if n, ok := side.(*rule.Number); ok {
					list = append(list, around(constant(n.Text, n.Value))...)
				}
			}
		})
		calls(c, func(c *rule.Call) {
			switch {
			case c.Func == "baseline" || c.Func == "zscore":
				for ago := day; ago <= span28(c); ago += day {
					list = append(list, ofPast(g.r, window, ago)...)
				}
			case c.Offset > 0:
				list = append(list, ofPast(g.r, windowOf(g.r, c), int64(c.Offset))...)
			case c.Over > 0:
				list = append(list, delay{after: int64(c.Over)})
			}
		})
	}
	for _, l := range g.r.Levels {
		list = append(list, around(constant("", l.Value))...)
	}
	return list
}

// reach is for how long a log can have an influence on a rule: as long as it is in one of its
// windows, or not older than a time that since is compared with.
func reach(r *rule.Rule) int64 {
	most := int64(r.Window)
	if r.Sequence != nil {
		most = max(most, taken(r)+holding(r))
	}
	for _, c := range []rule.Condition{r.When, r.Resolve.When} {
		calls(c, func(c *rule.Call) {
			if c.Offset > 0 && int64(c.Offset) < day {
				most = max(most, windowOf(r, c)+int64(c.Offset))
			}
		})
		comparisons(c, func(b *rule.Binary) {
			if !isSince(b) {
				return
			}
			for _, side := range []rule.Condition{b.Left, b.Right} {
				if n, ok := side.(*rule.Number); ok {
					most = max(most, int64(math.Round(constant(n.Text, n.Value).Float()*1e9))+1)
				}
			}
			for _, l := range r.Levels {
				most = max(most, int64(math.Round(l.Value*1e9))+1)
			}
		})
	}
	return most
}

// ofPast are the delays after which a log enters and leaves an earlier window.
func ofPast(r *rule.Rule, window, ago int64) []delay {
	if ago < day {
		return []delay{{after: ago}, {after: ago + window}}
	}
	step := grid(r)
	return []delay{{0, step, ago}, {window, step, ago}}
}

// around are the instants at which since() reaches and exceeds a number of seconds.
func around(n Number) []delay {
	ns := int64(n.Float() * 1e9)
	if ns <= 0 || ns > 1e17 {
		return nil
	}
	return []delay{{after: ns}, {after: ns + 1}}
}

func comparisons(c rule.Condition, each func(*rule.Binary)) {
	switch c := c.(type) {
	case *rule.Binary:
		if c.Op != "and" && c.Op != "or" {
			each(c)
			return
		}
		comparisons(c.Left, each)
		comparisons(c.Right, each)
	case *rule.Unary:
		comparisons(c.Of, each)
	}
}
