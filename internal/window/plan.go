package window

import (
	"time"

	"github.com/log-monitoring/alert-engine/internal/rule"
)

// Plan is the compiled condition of one rule. It is immutable and shared by all groups.
type Plan struct {
	window  int64
	text    string // of the window, for people: "5m"
	count   *counting
	eager   bool
	known   bool
	retains int64
	filters []rule.Query
	fields  []string
	alerts  []string
}

// Compile reads what a rule says about truth: when, window, every, sequence, resolve.match and resolve.when, learn and remember. Its error is a *rule.Error.
func Compile(r *rule.Rule) (*Plan, error) {
	p := &Plan{window: int64(r.Window), text: shortDuration(r.Window), retains: int64(r.Window)}
	if p.count = countingOf(r); p.count != nil {
		p.eager = r.For == 0
		return p, nil
	}
	return nil, &rule.Error{Pos: r.Pos, Problem: "condition " + r.WhenText + " is not supported yet"}
}

// Match selects the logs that are events of the rule. It is narrower than the rule's own where only some of its matches matter, and wider where logs that resolve
// are events too.
func (p *Plan) Match() rule.Query { return nil }

// Filters are the queries whose truth each event carries in its bits.
func (p *Plan) Filters() []rule.Query { return p.filters }

// Fields are the canonical paths of the fields whose values each event carries; "@template" is the masked message, see Mask.
func (p *Plan) Fields() []string { return p.fields }

// Alerts are the names of the alerts that the condition asks Env about.
func (p *Plan) Alerts() []string { return p.alerts }

// Eager says that more events can only make the condition truer, and that it need not last: so it is decided with the event that completes it.
func (p *Plan) Eager() bool { return p.eager }

// Known says that the condition may hold without events, so that groups live on while their key is known.
func (p *Plan) Known() bool { return p.known }

// Retention is how far back events matter.
func (p *Plan) Retention() time.Duration { return time.Duration(p.retains) }
