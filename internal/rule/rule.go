// Package rule reads rules: what to match, when matches amount to an alert, and what the alert
// says.
package rule

import (
	"strconv"
	"strings"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/problem"
)

// Set is all the rules of some files, ready to be compiled. It is immutable.
type Set struct {
	Rules        []*Rule
	Suppressions []*Suppression
	Lists        map[string]*List
	Intervals    map[string]Interval
	// the mistakes of the documents that LoadDocuments left out, by their places in its list
	Refused map[int]problem.List

	places map[*Rule]map[string]Pos // the places of the values of a rule's keys
	// the leaves that are texts of lists, which are often meant as queries
	keywords    map[*Leaf]bool
	unversioned []Finding // the files that have no version
}

// Rule is one alert or record rule.
type Rule struct {
	Name          string   // the alert's name, or the record's
	Group         string   // the name of its group
	UID           string   // identity that survives renaming; "" for Group/Name
	Record        bool     // yields a value instead of an alert
	Source        string   // name of the source (a topic, or "alerts"); "" for the default source
	Sources       []string // further sources of the same rule
	Extract       []decode.Extraction
	Match         Query     // nil matches every log of the source
	MatchText     string    // as written, for users
	When          Condition // nil: any match
	WhenText      string
	Window        time.Duration // sliding; 5 m by default
	Every         time.Duration // hopping when > 0; tumbling when it equals Window
	Lateness      time.Duration // allowed disorder of the source; 10 s by default
	LatenessAuto  bool          // it follows the delays of the logs; Lateness is the first one
	By            []Label
	Sequence      []Step
	Within        time.Duration // of the sequence
	For           time.Duration
	KeepFiringFor time.Duration
	Resolve       Resolve
	Levels        []Level
	Active        []Activity
	SuppressedBy  []string
	Expect        string // name of the list of keys that must exist
	Learn         time.Duration
	Remember      time.Duration
	Mode          Mode
	NotifyLimit   NotifyLimit
	Samples       Samples
	Top           []string // canonical paths
	Limit         int      // groups; 10,000 by default
	Labels        map[string]string
	LintIgnore    []string // lints that do not report this rule
	// Go templates, parsed when read
	Annotations map[string]string
	Origin      Origin   // of an imported rule
	Author      string   // shown with every alert, as some licenses ask
	References  []string // where to read more
	Pos         Pos
}

// Bounds of a lateness that follows the delays of the logs: with which it begins, until enough are
// known, and the greatest one.
const (
	FirstLateness = 10 * time.Second
	MostLateness  = 5 * time.Minute
)

// MostLateness is the greatest disorder that the rule allows at any time.
func (r *Rule) MostLateness() time.Duration {
	if r.LatenessAuto {
		return MostLateness
	}
	return r.Lateness
}

// Origin is where an imported rule comes from.
type Origin struct {
	System string `yaml:"system"`
	File   string `yaml:"file"`
	Line   int    `yaml:"line"`
	ID     string `yaml:"id"`
}

// String is "sigma rules/a.yml:3".
func (o Origin) String() string {
	text := strings.TrimSpace(o.System + " " + o.File)
	if o.Line > 0 {
		text += ":" + strconv.Itoa(o.Line)
	}
	return text
}

// ID is the rule's identity in alerts, state and metrics.
func (r *Rule) ID() string {
	if r.UID != "" {
		return r.UID
	}
	return r.Group + "/" + r.Name
}

// Label is one member of a group key: the alert label, and the fields that may hold its value; the
// first present one wins. With Of it depends on the log which fields these are.
type Label struct {
	Name   string
	Fields []string // all, with those of Of
	Of     []LabelOf
}

// LabelOf is the fields that hold a label's value in the logs of one selection.
type LabelOf struct {
	Selection string
	Query     Query
	Fields    []string
}

// FieldsIn are the fields that may hold the label's value in one log: with Of those of the first
// selection that the log matches, none if it matches none. holds reports whether the log matches a
// query.
func (l *Label) FieldsIn(holds func(Query) bool) []string {
	if len(l.Of) == 0 {
		return l.Fields
	}
	for _, of := range l.Of {
		if holds(of.Query) {
			return of.Fields
		}
	}
	return nil
}

// Step is one step of a sequence.
type Step struct {
	Match  Query
	Times  int           // at least this many; 1 by default
	Not    bool          // must not happen
	Within time.Duration // after the previous step; 0 for the sequence's own
}

// Resolve says when an alert ends, besides its condition no longer holding.
type Resolve struct {
	After  time.Duration // resolve: 1h; or_after
	Match  Query         // resolve: QUERY
	When   Condition
	Manual bool
}

// Level is a severity that an alert has while its value satisfies Op Value. The last level that
// holds wins.
type Level struct {
	Severity string
	Op       string
	Value    float64
}

// Activity is a time interval outside which (or, with Not, inside which) a rule does not fire.
type Activity struct {
	Interval string
	Not      bool
}

// NotifyLimit is how many alerts of a rule are notified in a time. Zero means no limit.
type NotifyLimit struct {
	Count int
	Per   time.Duration
}

// Mode is whether a rule is evaluated and notified.
type Mode string

const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // everything but the notification
	Signal Mode = "signal" // not notified; other rules use its alerts
	Off    Mode = "off"
)

// Samples says which logs an alert shows.
type Samples struct {
	First, Last int
	Fields      []string
}

// Suppression suppresses rules from a start log to an end log.
type Suppression struct {
	Name       string
	Start, End Query
	By         []Label
	Max, After time.Duration
	Pos        Pos
}

// List is a named set of values.
type List struct {
	Name   string
	File   string
	Topic  string   // whose keys are the values, see WithMembers
	Values []string // nil for those of a topic that is not read yet
}

// Interval decides whether an instant lies in a named time interval.
type Interval interface{ Contains(t time.Time) bool }
