package web

import (
	"context"
	"iter"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Alerts are the alerts that the engine knows. What its methods return belongs to the caller, but
// is not to be changed within.
type Alerts interface {
	Current() []models.Alert // the newest transition of each alert that is not over
	History() []models.Alert // the transitions that are kept, oldest first
	// the value that an alert's rule held against its threshold, over the time that is kept; oldest
	// first
	Series(id string) []Point
}

// Point is a value at an instant of event time.
type Point struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// Rules are the rules in force.
type Rules interface {
	Set() *rule.Set
	Status() []RuleStatus
}

// RuleStatus is how a rule fares. Numbers count since the program started.
type RuleStatus struct {
	ID        string    `json:"id"`
	Matches   int64     `json:"matches"`
	PerMinute float64   `json:"per_minute"` // matches, of late
	LastMatch time.Time `json:"last_match,omitzero"`
	Groups    int       `json:"groups"`
	Bytes     int64     `json:"bytes"` // of state
	// CPU per log that is read, estimated, in nanoseconds
	Cost        float64 `json:"cost_ns"`
	Backfilling bool    `json:"backfilling"`     // reads its own past before it may fire
	Error       string  `json:"error,omitempty"` // why it does not work as it should
}

// Groups is what rules know of their groups.
type Groups interface {
	// false when there is no such rule
	Group(rule string, labels map[string]string) (GroupStatus, bool)
}

// GroupStatus is what a rule knows of a group.
type GroupStatus struct {
	Known     bool              `json:"known"`           // a log of it was seen
	State     models.AlertState `json:"state,omitempty"` // of its alert, when there is one
	Holds     bool              `json:"holds"`           // the condition, for all that is decided
	Value     float64           `json:"value"`
	Threshold string            `json:"threshold,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Episodes  int64             `json:"episodes"` // alerts that it has had
	Since     time.Time         `json:"since,omitzero"`
	Seen      time.Time         `json:"seen,omitzero"`      // the newest log of it
	Watermark time.Time         `json:"watermark,omitzero"` // everything before it is decided
}

// Engine is the machine that reads and evaluates.
type Engine interface{ Status() EngineStatus }

// EngineStatus is how the reading goes. Numbers count since the program started.
type EngineStatus struct {
	Started   time.Time `json:"started"`
	Brokers   []string  `json:"brokers"`
	Group     string    `json:"group"`
	Members   int       `json:"members,omitempty"` // of the group; 0 for unknown
	Connected bool      `json:"connected"`         // brokers answer
	Problem   string    `json:"problem,omitempty"`
	Records   int64     `json:"records"`
	Logs      int64     `json:"logs"`
	PerSecond float64   `json:"per_second"` // logs, of late
	// matches that came later than their rule allows
	Late           int64             `json:"late"`
	LateSample     []LateLog         `json:"late_sample,omitempty"` // the newest; newest first
	Delay          DelayStatus       `json:"delay"`
	Rejected       map[string]int64  `json:"rejected"`                  // by reason
	RejectedSample []RejectedRecord  `json:"rejected_sample,omitempty"` // the newest; newest first
	Partitions     []PartitionStatus `json:"partitions"`
	Checkpoint     time.Time         `json:"checkpoint,omitzero"` // the last one
	StateBytes     int64             `json:"state_bytes"`
	Outbox         int               `json:"outbox"` // transitions that wait to be told
}

// PartitionStatus is how far one partition has been read.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next"`
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
	// how old the newest log that was read is, when there is more to read
	Behind time.Duration `json:"behind_ns"`
	// event time up to which everything is decided
	Watermark time.Time     `json:"watermark,omitzero"`
	State     string        `json:"state"`              // reading, caught up, stuck
	Delay     time.Duration `json:"delay_ns,omitempty"` // of 99 of 100 logs; 0 for unknown
}

// LateLog is a match that came later than its rule allows.
type LateLog struct {
	Rule    string        `json:"rule"`
	Behind  time.Duration `json:"behind_ns"`  // how far its time lay behind the newest
	Allowed time.Duration `json:"allowed_ns"` // the rule's lateness
	Counted bool          `json:"counted"`    // it lay in the window all the same
	Line    models.Line   `json:"line"`
}

// DelayStatus is how long after their time logs are seen, as far as some of them tell.
type DelayStatus struct {
	Counts []DelayCount  `json:"counts"` // by ascending bound
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	// what a rule would have to allow for as good as all of them; 0 for unknown
	Lateness time.Duration `json:"lateness_ns"`
}

// DelayCount is how many logs were seen within a time, and not within the one before.
type DelayCount struct {
	Within time.Duration `json:"within_ns"` // 0 for those beyond all bounds
	Logs   int64         `json:"logs"`
}

// RejectedRecord is a record that could not be read.
type RejectedRecord struct {
	Position models.Position `json:"position"`
	Reason   string          `json:"reason"`
	Detail   string          `json:"detail"`
	Sample   string          `json:"sample,omitempty"` // the beginning of the record
}

// Logs give access to the logs on the topics, beside the engine and without a trace in its group.
type Logs interface {
	Topics() []string
	Decode(topic string) decode.Config
	Records(ctx context.Context, from From) iter.Seq2[models.Record, error]
}

// From says which records to read. Without Follow the reading ends where the partitions ended when
// it began.
type From struct {
	Topic     string    // "" for all that the engine reads
	Time      time.Time // records written at or after it; zero for only those to come
	Partition int32     // with Offset
	Offset    int64     // read this partition alone, from here; counts when At is true
	At        bool
	Follow    bool
}

// Backtest evaluates rules over the logs on the topics since a time, without telling anybody, and
// returns what it found. When ctx ends first, the result covers what was read until then and says
// so. Of some rules, whose IDs are given, the values of their conditions are wanted.
type Backtest func(ctx context.Context, set *rule.Set, since time.Time, values []string) (BacktestResult, error)

// BacktestResult is what rules would have done.
type BacktestResult struct {
	Records   int            `json:"records"`
	Logs      int            `json:"logs"`
	From      time.Time      `json:"from,omitzero"`
	To        time.Time      `json:"to,omitzero"`
	Alerts    []models.Alert `json:"alerts"` // every transition, in order
	Truncated bool           `json:"truncated,omitempty"`

	// that a rule's condition had, after as good as evenly many of its matches
	Values map[string][]float64 `json:"-"`
}

// Notifier is what tells people.
type Notifier interface {
	Deliveries(alertID string) []Delivery // oldest first
	Status() NotifierStatus
}

// Delivery is one attempt to tell somebody of an alert, or the reason why nobody was told.
type Delivery struct {
	At          time.Time         `json:"at"`
	State       models.AlertState `json:"state"` // what was to be told
	Receiver    string            `json:"receiver"`
	Integration string            `json:"integration,omitempty"` // slack, webhook, ...
	Sent        bool              `json:"sent"`
	Detail      string            `json:"detail,omitempty"` // the answer, the error, or why not
}

// NotifierStatus is how telling goes. Numbers count since the program started.
type NotifierStatus struct {
	Waiting   int        `json:"waiting"`
	Sent      int64      `json:"sent"`
	Failed    int64      `json:"failed"`
	Receivers []string   `json:"receivers"`
	Problem   string     `json:"problem,omitempty"`
	Recent    []Delivery `json:"recent,omitempty"` // newest last
}

// DeadLetters are the records that could not be read and were put aside.
type DeadLetters interface {
	List(ctx context.Context, most int) ([]DeadLetter, error) // newest first
	// writes the record to the topic it came from once more
	Replay(ctx context.Context, at models.Position) error
}

// DeadLetter is a record that was put aside.
type DeadLetter struct {
	At       models.Position `json:"at"`     // among the dead letters
	Origin   models.Position `json:"origin"` // where it stood
	Time     time.Time       `json:"time"`
	Reason   string          `json:"reason"`
	Detail   string          `json:"detail,omitempty"`
	Value    []byte          `json:"value"`
	Replayed bool            `json:"replayed"`
}
