package web

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/history"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Alerts are the alerts of the engine. Callers own the returned slices but must not change the
// alerts in them.
type Alerts interface {
	// each alert that is not resolved, without annotations, lines and the most frequent values
	Current() []models.Alert
	Detailed([]models.Alert) []models.Alert // with those
	History() []models.Alert                // transitions, oldest first
	// values of an alert's condition over time, oldest first
	Series(a models.Alert) []Point
}

// History has the transitions of alerts for longer than Alerts do.
type History interface {
	Transitions(HistoryQuery) []models.Alert // oldest first; of too many, the newest
	// how rules did, those that fired most first
	Statistics(from, to time.Time, rules ...string) ([]history.RuleStatistics, error)
	// when alerts of rules fired that began in a time, by rule, in order
	Episodes(from, to time.Time, rules ...string) (map[string][]history.Span, error)
	// RuleIDs are the rules with transitions in a time, also those that are gone.
	RuleIDs(from, to time.Time) ([]string, error)
	// why something was not notified, and what receivers refused; newest first
	NotNotified(HistoryQuery) []history.Entry
	// writes all that the query selects, newest first, as JSON lines or CSV
	Export(ctx context.Context, w io.Writer, q HistoryQuery, format string) error
}

// HistoryQuery selects transitions. Zero fields select all.
type HistoryQuery struct {
	From, To time.Time         // event time of the transition
	Rule     string            // ID
	Alert    string            // ID
	State    models.AlertState // "" for all
	Most     int
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

// RuleStatus is the status of a rule. Counters start with the program.
type RuleStatus struct {
	ID        string    `json:"id"`
	Matches   int64     `json:"matches"`
	PerMinute float64   `json:"per_minute"` // recent matches
	LastMatch time.Time `json:"last_match,omitzero"`
	Groups    int       `json:"groups"`
	Bytes     int64     `json:"bytes"` // of state
	// CPU per log that is read, estimated, in nanoseconds
	Cost float64 `json:"cost_ns"`
	// alerts that did not fire because their logs came too late to count
	Missed int64 `json:"missed"`
	// the lateness in force, of a rule whose lateness follows the delays of logs; 0 for others
	Lateness    time.Duration `json:"lateness_ns,omitempty"`
	Backfilling bool          `json:"backfilling"`     // reads earlier logs before it may fire
	Error       string        `json:"error,omitempty"` // why it does not work as configured
}

// Groups give the state of a rule's groups.
type Groups interface {
	// false if the rule does not exist
	Group(rule string, labels map[string]string) (GroupStatus, bool)
}

// GroupStatus is the state of a group.
type GroupStatus struct {
	Known     bool              `json:"known"`           // a log of the group was read
	State     models.AlertState `json:"state,omitempty"` // of its alert, if any
	Holds     bool              `json:"holds"`           // the condition, up to the watermark
	Value     float64           `json:"value"`
	Threshold string            `json:"threshold,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Episodes  int64             `json:"episodes"` // number of alerts so far
	Since     time.Time         `json:"since,omitzero"`
	Seen      time.Time         `json:"seen,omitzero"`      // time of its newest log
	Watermark time.Time         `json:"watermark,omitzero"` // windows up to it are final
}

// Engine gives the status of reading and evaluating.
type Engine interface{ Status() EngineStatus }

// EngineStatus is the status of the engine. Counters start with the program.
type EngineStatus struct {
	Started   time.Time `json:"started"`
	Brokers   []string  `json:"brokers"`
	Group     string    `json:"group"`
	Members   int       `json:"members,omitempty"` // of the consumer group; 0 for unknown
	Connected bool      `json:"connected"`         // to the brokers
	Problem   string    `json:"problem,omitempty"`
	Records   int64     `json:"records"`
	Logs      int64     `json:"logs"`
	PerSecond float64   `json:"per_second"` // recent logs
	// matches later than the lateness of their rule
	Late       int64     `json:"late"`
	LateSample []LateLog `json:"late_sample,omitempty"` // the newest; newest first
	// the newest alerts that did not fire because their logs came too late; newest first
	Missed         []MissedAlert     `json:"missed,omitempty"`
	Delay          DelayStatus       `json:"delay"`
	Rejected       map[string]int64  `json:"rejected"`                  // by reason
	RejectedSample []RejectedRecord  `json:"rejected_sample,omitempty"` // the newest; newest first
	Partitions     []PartitionStatus `json:"partitions"`
	Checkpoint     time.Time         `json:"checkpoint,omitzero"` // the last one
	StateBytes     int64             `json:"state_bytes"`
	Outbox         int               `json:"outbox"` // transitions not yet passed to the notifier
	Cluster        *ClusterStatus    `json:"cluster,omitempty"`
}

// ClusterStatus is what a member knows of its cluster.
type ClusterStatus struct {
	Role    string          `json:"role"`              // leader or follower
	Applied time.Time       `json:"applied,omitzero"`  // when the last record was applied
	Differ  int             `json:"differ"`            // members with other rules than those in force
	Held    string          `json:"held_by,omitempty"` // the partition that holds back time, if any
	Members []ClusterMember `json:"members"`
}

// ClusterMember is a member of a cluster.
type ClusterMember struct {
	Name       string    `json:"name"`
	Host       string    `json:"host"`
	Version    string    `json:"version"`
	Leader     bool      `json:"leader"`
	Self       bool      `json:"self"`
	SameRules  bool      `json:"same_rules"` // its rule files are the rules in force
	Partitions int       `json:"partitions"`
	Seen       time.Time `json:"seen"`
}

// PartitionStatus is the status of a partition.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next"`
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
	// age of the newest log read, if there is lag
	Behind time.Duration `json:"behind_ns"`
	// windows up to it are final
	Watermark time.Time     `json:"watermark,omitzero"`
	State     string        `json:"state"`              // reading, caught up, stuck
	Delay     time.Duration `json:"delay_ns,omitempty"` // 99th percentile; 0 for unknown
	// the lateness in force for rules whose lateness follows the delays
	Lateness time.Duration `json:"lateness_ns,omitempty"`
}

// LateLog is a match later than the lateness of its rule.
type LateLog struct {
	Rule    string        `json:"rule"`
	Behind  time.Duration `json:"behind_ns"`  // time behind the newest log
	Allowed time.Duration `json:"allowed_ns"` // lateness of the rule
	Counted bool          `json:"counted"`    // it still counted in its window
	Line    models.Line   `json:"line"`
}

// MissedAlert is an alert that did not fire because logs that complete its condition came too late.
type MissedAlert struct {
	Rule   string            `json:"rule"`
	Labels map[string]string `json:"labels"`
	At     time.Time         `json:"at"`        // when its condition would have begun to hold
	Behind time.Duration     `json:"behind_ns"` // how late the log was that completed it
	Reason string            `json:"reason"`
}

// DelayStatus is the distribution of delays between a log's time and its arrival, by samples.
type DelayStatus struct {
	Counts []DelayCount  `json:"counts"` // by ascending bound
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	// lateness that covers nearly all logs; 0 for unknown
	Lateness time.Duration `json:"lateness_ns"`
}

// DelayCount is a bucket of the delay histogram.
type DelayCount struct {
	Within time.Duration `json:"within_ns"` // upper bound; 0 for infinity
	Logs   int64         `json:"logs"`
}

// RejectedRecord is a record that could not be decoded.
type RejectedRecord struct {
	Position models.Position `json:"position"`
	Reason   string          `json:"reason"`
	Detail   string          `json:"detail"`
	Sample   string          `json:"sample,omitempty"` // beginning of the record
}

// Logs read the topics independently of the engine and its consumer group.
type Logs interface {
	Topics() []string
	Decode(topic string) decode.Config
	Records(ctx context.Context, from From) iter.Seq2[models.Record, error]
}

// From selects records. Without Follow reading stops at the ends that the partitions had at the
// start.
type From struct {
	Topic     string    // "" for all topics of the engine
	Time      time.Time // records written at or after it; zero for only new ones
	Until     time.Time // and before it; zero for no bound
	Partition int32     // with Offset
	Offset    int64     // with At: read only Partition, from here
	At        bool
	Follow    bool
}

// Backtest evaluates rules over the logs on the topics since a time, without notifications. If ctx
// ends first, the result is partial and marked truncated. It records the condition values of the
// rules in values.
type Backtest func(
	ctx context.Context, set *rule.Set, since time.Time, values []string,
) (BacktestResult, error)

// BacktestResult is the result of a backtest.
type BacktestResult struct {
	Records   int            `json:"records"`
	Logs      int            `json:"logs"`
	From      time.Time      `json:"from,omitzero"`
	To        time.Time      `json:"to,omitzero"`
	Alerts    []models.Alert `json:"alerts"` // all transitions, in order
	Truncated bool           `json:"truncated,omitempty"`

	// condition values of rules by ID, sampled over their matches
	Values map[string][]float64 `json:"-"`
}

// Notifier sends notifications.
type Notifier interface {
	Deliveries(alertID string) []Delivery // oldest first
	Status() NotifierStatus
}

// Delivery is an attempt to notify a receiver, or the reason why it was not notified.
type Delivery struct {
	At          time.Time         `json:"at"`
	State       models.AlertState `json:"state"` // of the alert
	Receiver    string            `json:"receiver"`
	Integration string            `json:"integration,omitempty"` // slack, webhook, ...
	Sent        bool              `json:"sent"`
	Detail      string            `json:"detail,omitempty"` // answer, error, or reason
}

// NotifierStatus is the status of the notifier. Counters start with the program.
type NotifierStatus struct {
	Waiting   int        `json:"waiting"`
	Sent      int64      `json:"sent"`
	Failed    int64      `json:"failed"`
	Receivers []string   `json:"receivers"`
	Problem   string     `json:"problem,omitempty"`
	Recent    []Delivery `json:"recent,omitempty"` // newest last
}

// DeadLetters are the records on the dead-letter topic.
type DeadLetters interface {
	List(ctx context.Context, most int) ([]DeadLetter, error) // newest first
	// writes the record to its topic again
	Replay(ctx context.Context, at models.Position) error
}

// DeadLetter is a record that could not be decoded.
type DeadLetter struct {
	At       models.Position `json:"at"`     // on the dead-letter topic
	Origin   models.Position `json:"origin"` // original position
	Time     time.Time       `json:"time"`
	Reason   string          `json:"reason"`
	Detail   string          `json:"detail,omitempty"`
	Value    []byte          `json:"value"`
	Replayed bool            `json:"replayed"`
}

// RuleChange writes or removes a rule file of the pages.
type RuleChange struct {
	Name string
	Text []byte // nil removes the file
	Seen string // TextID of the text that the author began from; "" if that is not known
}

// RuleEdit is the last edit of a rule file of the pages.
type RuleEdit struct {
	At     time.Time
	By     string // name of the member's host; "" for unknown
	Unseen bool   // it replaced a text that its author had not seen
}

// Audit stores who changed what.
type Audit interface {
	Record(AuditEntry) error
	Entries(most int) []AuditEntry  // newest first
	Of(alertID string) []AuditEntry // of an alert, newest first
}

// AuditEntry is a change by a page or an API.
type AuditEntry struct {
	At     time.Time         `json:"at"`
	What   string            `json:"what"`   // "silence created"
	Client string            `json:"client"` // user or role
	From   string            `json:"from"`   // address
	Facts  map[string]string `json:"facts,omitempty"`
}

// Receivers shows and tests where notifications go.
type Receivers interface {
	List() []Receiver
	Routes() []Route                            // each before its children
	RoutedTo(labels map[string]string) []string // names of receivers
	Preview(receiver string, resolved bool) ([]MessagePreview, error)
	// sends a sample to a receiver
	Test(ctx context.Context, receiver string, resolved bool) ([]TestResult, error)
}

// Receiver is a destination of notifications.
type Receiver struct {
	Name         string    `json:"name"`
	Integrations []string  `json:"integrations"`           // webhook[0], slack[0]
	Failing      time.Time `json:"failing_since,omitzero"` // since the first failure
	Error        string    `json:"error,omitempty"`        // last error while failing
}

// Route is a node of the tree of routes.
type Route struct {
	Depth          int           `json:"depth"`
	Receiver       string        `json:"receiver"`
	Matchers       []string      `json:"matchers,omitempty"`
	Continue       bool          `json:"continue,omitempty"`
	GroupBy        []string      `json:"group_by,omitempty"` // "..." for all labels
	GroupWait      time.Duration `json:"group_wait_ns"`
	GroupInterval  time.Duration `json:"group_interval_ns"`
	RepeatInterval time.Duration `json:"repeat_interval_ns"`
	Mute           []string      `json:"mute,omitempty"` // time intervals
	Active         []string      `json:"active,omitempty"`
	Digest         time.Duration `json:"digest_ns,omitempty"`
	After          time.Duration `json:"escalates_after_ns,omitempty"`
}

// MessagePreview is the message that an integration would send.
type MessagePreview struct {
	Integration string         `json:"integration"`
	Fields      []MessageField `json:"fields"`
	Error       string         `json:"error,omitempty"`
}

// MessageField is a part of a message.
type MessageField struct{ Name, Text string }

// TestResult is the outcome of a test of an integration.
type TestResult struct {
	Integration string `json:"integration"`
	Sent        bool   `json:"sent"`
	Detail      string `json:"detail"` // answer or error
}
