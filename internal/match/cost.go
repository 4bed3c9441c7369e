package match

import (
	"bytes"
	"fmt"
	"sync/atomic"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// counter is the counts of one query, over all matchers.
type counter struct{ candidates, matches, nanos atomic.Int64 }

// work is the counts of the whole index.
type work struct{ regexps, cut, compared atomic.Int64 }

// counts are what all matchers of an index have counted, and those of the former indexes over
// the same queries.
type counts struct {
	logs     atomic.Int64
	counters []counter // by query
	work     work
}

// tally is a matcher's own counts. They are added to the index's once in many logs, so that
// goroutines do not contend for them.
type tally struct {
	logs       int
	timing     bool
	candidates []uint32 // by query
	matches    []uint32
	nanos      []int64
	regexps    int
	cut        int
	compared   int
}

const (
	flushEvery = 1 << 13 // logs
	timeEvery  = 1 << 9  // of which one is timed
)

func (t *tally) init(queries int) {
	t.candidates, t.matches = make([]uint32, queries), make([]uint32, queries)
}

func (t *tally) candidate(id int32) { t.candidates[id]++ }

func (t *tally) took(id int32, nanos int64) {
	if t.nanos == nil {
		t.nanos = make([]int64, len(t.matches))
	}
	t.nanos[id] += nanos * timeEvery
}

// noteCut counts a value that is longer than an expression reads, or is compared with.
func (m *Matcher) noteCut() {
	m.cut++
	if m.ix.cut != nil {
		m.ix.cut.Add(1)
	}
}

// noteComparison counts a comparison of two fields whose lists were too long to be compared whole.
func (m *Matcher) noteComparison() {
	if m.comparison.cut {
		m.noteCut()
	}
}

// count closes the log whose matches are given.
func (m *Matcher) count(matches []int32) {
	for _, id := range matches {
		m.matches[id]++
	}
	m.logs++
	m.timing = m.ix.now != nil && m.logs%timeEvery == 0
	if m.logs == flushEvery {
		m.Flush()
	}
}

// Flush adds the matcher's counts to the index's. The matcher does so every few thousand logs; call
// Flush before the matcher is dropped.
func (m *Matcher) Flush() {
	p, t := m.ix, &m.tally
	p.logs.Add(int64(t.logs))
	p.work.regexps.Add(int64(t.regexps))
	p.work.cut.Add(int64(t.cut))
	p.work.compared.Add(int64(t.compared))
	t.logs, t.regexps, t.cut, t.compared = 0, 0, 0, 0
	for i, n := range t.candidates {
		if n == 0 {
			continue
		}
		c := &p.counters[i]
		c.candidates.Add(int64(n))
		t.candidates[i] = 0
		if n := t.matches[i]; n != 0 {
			c.matches.Add(int64(n))
			t.matches[i] = 0
		}
		if t.nanos != nil && t.nanos[i] != 0 {
			c.nanos.Add(t.nanos[i])
			t.nanos[i] = 0
		}
	}
}

// Cost is what a query costs, and why.
type Cost struct {
	// Access is the access predicate: what must hold for the query to be evaluated; "" if it is
	// evaluated for every log
	Access string `json:"access"`
	// the expected share of logs for which it is evaluated
	Expected   float64 `json:"expected"`
	Logs       int64   `json:"logs"`       // matched so far by the index
	Candidates int64   `json:"candidates"` // of these, those for which the query was evaluated
	Matches    int64   `json:"matches"`    // and those for which it held
	// time spent on evaluating the query, averaged over all logs; 0 without a clock
	NanosPerLog float64 `json:"nanos_per_log"`
	Regexps     int     `json:"regexps"` // regular expressions in the query
	// of these, those without a literal that must be there
	Unfiltered  int    `json:"unfiltered"`
	Hint        string `json:"hint,omitempty"` // how the query can be made cheaper
	HintSubject string `json:"-"`              // the part of the query that the hint is about
}

// Cost reports on a query. Its counters lag behind by the logs that matchers have not flushed.
func (ix *Index) Cost(i int) Cost {
	q, c := &ix.queries[i], &ix.counters[i]
	cost := Cost{
		Access:     ix.accessText(q),
		Expected:   min(q.freq, 1),
		Logs:       ix.logs.Load(),
		Candidates: c.candidates.Load(),
		Matches:    c.matches.Load(),
	}
	if cost.Logs > 0 {
		cost.NanosPerLog = float64(c.nanos.Load()) / float64(cost.Logs)
	}
	ix.walk(q.expr, func(pr *predicate) {
		if pr.kind != predRegexp {
			return
		}
		cost.Regexps++
		if pr.need == none {
			cost.Unfiltered++
			cost.HintSubject = pr.pattern.regexp.String()
		}
	})
	switch {
	case q.always && len(q.expr.of) == 0 && q.expr.op >= opAnd:
		cost.Hint = "it holds for every log; if that is not meant, name a field or a word"
	case q.always && cost.Unfiltered > 0:
		cost.Hint = fmt.Sprintf(
			"the regular expression /%s/ runs for every log: no text of three characters is in "+
				"all that it matches; add such a text, or a field, beside it",
			cost.HintSubject,
		)
	case q.always:
		cost.Hint = "nothing in it must be present, so it is evaluated for every log: add a " +
			"field, a word of three characters or more, or a level that must be there"
	case cost.Unfiltered > 0:
		cost.Hint = fmt.Sprintf(
			"no text of three characters is in all that the regular expression /%s/ matches, so "+
				"it runs whenever the rest of the query holds",
			cost.HintSubject,
		)
	}
	return cost
}

// Work is what the index did besides evaluating queries.
type Work struct {
	Logs     int64 // matched
	Regexps  int64 // regular expressions run
	Cut      int64 // of these, those that read only the beginning of a value
	Compared int64 // texts compared because one of their n-grams occurred
	// the most literals that share an n-gram: a hostile log can cause so many comparisons at each
	// place
	Longest int
}

// Work reports on the index, over all matchers.
func (ix *Index) Work() Work {
	w := Work{
		Logs:     ix.logs.Load(),
		Regexps:  ix.work.regexps.Load(),
		Cut:      ix.work.cut.Load(),
		Compared: ix.work.compared.Load(),
	}
	for _, u := range ix.fieldIndexes {
		for _, g := range []*prefilter{u.prefilter4, u.prefilter3} {
			if g != nil {
				w.Longest = max(w.Longest, g.starts.longest())
			}
		}
	}
	return w
}

func (ix *Index) walk(e *expr, f func(*predicate)) {
	if e.op == opPred || e.op == opNotPred {
		f(&ix.preds[e.pred])
	}
	for _, sub := range e.of {
		ix.walk(sub, f)
	}
}

const shownAccesses = 3

func (ix *Index) accessText(q *query) string {
	text := ""
	for i, id := range q.access {
		if i == shownAccesses {
			return fmt.Sprintf("%s or %d more", text, len(q.access)-i)
		}
		if i > 0 {
			text += " or "
		}
		text += ix.describe(&ix.preds[id])
	}
	return text
}

// describe writes a predicate nearly as a rule would.
func (ix *Index) describe(pr *predicate) string {
	l := rule.Leaf{Range: pr.values}
	if pr.pattern != nil {
		l.Regexp, l.Cased = pr.pattern.regexp, pr.pattern.cased
	}
	if pr.place.field == anyField {
		l.Field = rule.AnyField
	} else if pr.place.field != textField {
		l.Field = ix.fields.Path(pr.place.field)
	}
	switch pr.kind {
	case predSet:
		if len(pr.members) == 0 {
			return "nothing"
		}
		m := pr.members[0]
		l.Op, l.Text, l.Cased = m.op, string(m.text), m.cased
		if n := len(pr.members) - 1; n > 0 && !pr.members[1].numeric {
			return fmt.Sprintf("%s and %d alternatives", Describe(&l), n)
		}
	case predExists:
		l.Op = rule.OpExists
	case predLevel:
		return "level" + levelsText(pr.levels)
	case predRange:
		l.Op = rule.OpRange
	case predNetwork:
		l.Op, l.Text = rule.OpCIDR, pr.network.String()
	case predGlob:
		l.Op, l.Text = rule.OpGlob, string(pr.pattern.glob)
	case predRegexp:
		l.Op = rule.OpRegexp
	case predWords:
		l.Op, l.Text = rule.OpWords, string(bytes.Join(pr.pattern.words, []byte(" ")))
	case predReference:
		return Describe(pr.leaf)
	}
	return Describe(&l)
}
