package app

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
)

// addedRule is a rule that comes and goes in the meantime. It means the same as Errors.
const addedRule = "Added"

const addedRules = `  - alert: ` + addedRule + `
    match: level>=ERROR
    when: count() > 10
    window: 10m
    by: [key]
    annotations: {summary: 'as Errors'}
`

// clusterHours are hours with two members, of which the first one may have a wrong clock.
type clusterHours struct {
	*hours
	names    []string // of their directories
	list     []*run   // nil for one that does not run
	rules    string
	added    [][2]time.Time // when the rule was there; the last one may have no end
	emptied  int
	replaced int // counts directories
}

// Sixteen hours as those of TestHours, or with a seed of one's own two days, in which two members
// share a topic whose records have no keys: they are stopped, killed, and lose their directories,
// and rules come and go. Each member decides what a user decides who reads the whole log once, and
// whoever was notified that an alert fires is notified that it has ended.
func TestClusterHours(t *testing.T) {
	skipShort(t)
	seed := seedOfHours(t)
	inWorld(t, 4, func(w *world) {
		// members begin and end one after another, and no logs are written in the meantime
		w.rules = strings.Replace(hoursRules, "lateness: 20s", "lateness: 2m", 1)
		c := &clusterHours{
			hours: newHours(w, seed),
			names: []string{"m0-0", "m1-0"},
			rules: w.rules,
		}
		c.list, c.spread = make([]*run, 2), true
		c.beginAll()
		chapters, again := hoursChapters/3, hoursAgain/3
		if seed != usualSeed {
			chapters, again = hoursChapters, hoursAgain
		}
		for i := range chapters {
			c.chapter(i == again)
		}
		c.lastOfAll()
		c.compareAll()
	}, func(o *devbroker.Options) { o.Nodes = 3 },
		func(o *devbroker.Options) { o.CompactEvery = 10 * time.Minute })
}

func (c *clusterHours) chapter(again bool) {
	begin := time.Now()
	c.scenarios(begin, begin.Add(hoursChapter-hoursQuiet), 4)
	c.scenarios(begin, begin.Add(3*time.Minute), 3)
	c.beats(begin, begin.Add(hoursChapter))
	if c.rand.IntN(3) == 0 {
		c.wrongClocks(begin)
	}
	if again {
		for _, r := range c.list {
			for r.source.Health().State != kafka.Ready || r.source.Lag() > 0 {
				c.pass(hoursStep)
			}
		}
		c.recreate()
	}
	c.run = c.list[c.rand.IntN(len(c.list))]
	over := c.fault()
	c.pass(c.between(30*time.Second, time.Minute))
	over()
	c.pass(c.between(10*time.Second, time.Minute))
	c.beginEnded()
	switch c.rand.IntN(3) {
	case 0:
		c.changeRules()
	case 1: // one continues alone for a while
		one := c.rand.IntN(len(c.list))
		c.endOne(one)
		c.pass(c.between(time.Second, 2*time.Minute))
		c.beginAll()
	}
	c.pass(c.between(time.Second, time.Minute))
	c.emptied = 0
	for _, one := range c.rand.Perm(len(c.list)) {
		c.endOne(one)
		c.pass(c.between(time.Millisecond, 20*time.Second))
	}
	c.run = nil
	c.pass(time.Until(begin.Add(hoursChapter)))
	c.beginAll()
}

// beginAll starts the members that do not run.
func (c *clusterHours) beginAll() {
	c.w.rules = c.rules
	var starting sync.WaitGroup
	for i, r := range c.list {
		if r != nil {
			continue
		}
		c.note("start %s", c.names[i])
		r = c.w.prepare(c.names[i])
		c.w.often(r.process)
		if i == 0 {
			c.clock(r.process)
		}
		c.list[i] = r
		starting.Go(r.begin)
	}
	starting.Wait()
	c.run = c.list[0]
}

// beginEnded starts members again that have ended: while one was cut off, the frames that it comes
// to next were deleted behind snapshots.
func (c *clusterHours) beginEnded() {
	for i, r := range c.list {
		select {
		case err := <-r.done:
			c.note("%s ended: %v", c.names[i], err)
			if err == nil || !strings.Contains(err.Error(), "begins with a snapshot") {
				c.w.t.Error(err)
			}
			c.list[i] = nil
		default:
		}
	}
	c.beginAll()
}

// endOne stops a member or kills it; what it knew is gone then, or not.
func (c *clusterHours) endOne(i int) {
	r := c.list[i]
	switch how := c.rand.IntN(3); {
	case how == 0:
		c.note("stop %s", c.names[i])
		r.end()
	default:
		c.replaced++
		was := c.names[i]
		c.names[i] = fmt.Sprintf("m%d-%d", i, c.replaced)
		c.note("kill %s", was)
		r.kill(c.names[i])
		if how == 2 && c.emptied == 0 {
			c.emptied++
			c.replaced++
			c.names[i] = fmt.Sprintf("m%d-%d", i, c.replaced)
			c.note("%s begins with nothing", c.names[i])
		}
	}
	for line := range strings.Lines(r.out.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			c.note("it said: %s", strings.TrimSpace(line))
		}
	}
	c.list[i] = nil
	c.run = c.list[1-i]
}

// changeRules adds the rule, or removes it, and waits until it is in force.
func (c *clusterHours) changeRules() {
	remove := strings.HasSuffix(c.rules, addedRules)
	if remove {
		c.rules = strings.TrimSuffix(c.rules, addedRules)
		c.added[len(c.added)-1][1] = time.Now()
	} else {
		c.rules += addedRules
	}
	c.note("the rule is removed: %v", remove)
	c.w.reloadAll(c.list, c.rules)
	c.pass(time.Minute)
	if !remove {
		c.added = append(c.added, [2]time.Time{time.Now()})
	}
	for i, r := range c.list {
		has := slices.Contains(r.states(), addedRule+" backfilling")
		if n := len(r.state.Rules()); has || (n == 7) == remove {
			c.w.t.Errorf("%s: member %d has the rules %s", time.Since(c.start), i, r.states())
		}
	}
}

func (c *clusterHours) lastOfAll() {
	begin := time.Now()
	c.beats(begin, begin.Add(hoursQuiet))
	c.pass(hoursQuiet)
	for _, r := range c.list {
		r.end()
	}
}

// compareAll compares what each member has decided.
func (c *clusterHours) compareAll() {
	var first []hoursEpisode
	for i, r := range c.list {
		c.run = r
		c.compare()
		all, _ := c.decided()
		added := slices.DeleteFunc(all, func(e hoursEpisode) bool { return e.rule != addedRule })
		if i == 0 {
			first = added
		}
		if !slices.Equal(first, added) {
			c.w.t.Errorf(
				"of the rule that came and went, the members decided\n%v\n%v",
				first,
				added,
			)
		}
		c.compareAdded(added)
	}
}

// compareAdded holds the alerts of the rule that came and went against those that are expected of
// Errors: those that fired while it was there, and had ended a chapter before it went, so that all
// was read.
func (c *clusterHours) compareAdded(got []hoursEpisode) {
	n := 0
	for _, e := range c.expected() {
		for _, there := range c.added {
			until := there[1]
			if until.IsZero() {
				until = time.Now()
			}
			if e.rule != "Errors" || strings.HasPrefix(e.key, "wrong") || e.from.Before(there[0]) ||
				!e.to.Before(until.Add(-hoursChapter)) {
				continue
			}
			n++
			if e.rule = addedRule; !slices.Contains(got, e) {
				c.w.t.Errorf("missing: %v", e)
			}
		}
	}
	c.w.t.Logf("the rule was there %d times, and %d alerts of it were expected", len(c.added), n)
	if n == 0 {
		c.w.t.Error("too little has happened to the rule that came and went")
	}
}
