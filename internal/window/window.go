// Package window says when the condition of a rule holds for one group of logs, over event time.
//
// A Condition is the compiled condition of one rule, shared by all of its groups; a Group is what
// one group has seen. A window of length w at the instant T holds the events with T-w < t <= T, so
// an event enters with its own time and leaves exactly w later, and all events of one instant enter
// before the condition is evaluated. What is asked is therefore never "does it hold now" but "when
// does it begin and cease to hold": an answer that depends on the times of the events alone, not on
// the order or the batches in which they arrive.
//
// There are two ways to ask. Sweep is final: it advances to the watermark, before which nothing
// more is expected, and yields every change of truth on the way. Eager is early: for conditions
// that more events can only make truer, it says at once that the event just added completes one,
// without waiting for the watermark. What Eager says, Sweep confirms later, at the same or an
// earlier time.
//
// An event at or before the watermark is late. It still enters the window and counts from the
// watermark on; what was already said is not taken back. An event so old that it would have left is
// refused.
//
// count() > 2 over a window of 10 s, on a time line:
//
//	events    a   b     c               d
//	time      +---+-----+---------+---+-+---+---------
//	          0   2     5         10  12    15 s
//	in window a...................
//	              b...................
//	                    c...................
//	truth               ##########  begins at 5 with c, ceases at 10: a leaves
//
// Eager says 5 as soon as c is added. Sweep says 5 and 10 once the watermark has passed them. The
// watermark is the newest event time less the lateness.
//
// Memory is bounded: of very many events of a group windows are kept in panes, see paneLimit, and
// very many different texts are estimated, see Exactly. What is coarse then is so whatever the
// order of arrival.
//
// docs/reference/glossary.md defines edge, eager, late, sweep and watermark.
//
// Times are in nanoseconds since the Unix epoch. Nothing here reads a clock or starts a goroutine,
// and one goroutine uses a Group at a time. A number that is undefined (an empty aggregate, a
// division by zero) makes the comparison it stands in false.
package window

import (
	"cmp"
	"math"
)

// Never is later than any event.
const Never = math.MaxInt64

// Unknown is the time since which a group is known of which only logs were seen that do not make it
// known. It may be added to, and is later than any event.
const Unknown = math.MaxInt64 / 2

// unswept is the watermark of a group that was never swept; far from the end of the range, so that
// windows can be subtracted from it.
const unswept = math.MinInt64 / 2

// Event is one log of a group, reduced to what the condition asks of it.
type Event struct {
	Time   int64
	Order  Order
	Bits   uint64  // bit i is the truth of Condition.Filters()[i]
	Values []Value // Values[i] is that of Condition.Fields()[i]; the group copies what it keeps
}

// Order decides between events of one instant: the place of the log in its source. Topic is any
// number that is the same in every run.
type Order struct {
	Topic     uint32
	Partition int32
	Offset    int64
	Index     int32
}

// Compare orders places.
func (o Order) Compare(p Order) int {
	return cmp.Or(
		cmp.Compare(o.Topic, p.Topic),
		cmp.Compare(o.Partition, p.Partition),
		cmp.Compare(o.Offset, p.Offset),
		cmp.Compare(o.Index, p.Index),
	)
}

// Arrival is what became of an event.
type Arrival uint8

const (
	OnTime  Arrival = iota
	Late            // at or before the watermark: counts from the watermark on
	TooLate         // so old that it would have left every window
)

// Edge is a change of truth.
type Edge struct {
	At    int64 // when it happens
	Holds bool  // the condition begins to hold; otherwise it ceases
	// not a change of truth: the rule's resolve query was met, or its resolve condition begins to
	// hold while the condition does not
	Resolves bool
	// of one that resolves: the condition held, and what came before counts no more; if it holds
	// all the same, an edge of the same instant follows
	Cut       bool
	Late      bool    // a late event brought it about
	Value     float64 // left side of the comparison that decided; NaN when it is undefined
	Threshold string  // what it was held against: "> 10"
	Reason    string  // for people: "11 > 10 in 5m"
	Count     int64   // events of the group in the window, or in the time that a sequence may take
	// the last of the rule's levels that the value satisfies, -1 for none; when it moves while the
	// condition holds, that is an edge too
	Level int
	// no change: the condition of a rule with levels holds on, with the level of the edge before,
	// which need not be that of an alert that fired in between, after for or when hours began
	Same bool
}

// Env answers what a condition asks about other alerts. It knows which group asks.
type Env interface {
	// Firing says whether the other alert fires at that instant, for the labels that both share.
	Firing(alert string, at int64) bool
	// Change is the first instant after at at which Firing changes, or Never.
	Change(alert string, after int64) int64
}
