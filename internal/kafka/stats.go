package kafka

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/duration"
)

// Stats are a consumer's totals and lag. Counts only increase.
type Stats struct {
	Messages int64 `json:"messages"` // evaluated records
	Bytes    int64 `json:"bytes"`    // of their values
	Logs     int64 `json:"logs"`     // decoded from them
	// records, or logs within them, that could not be decoded, by reason
	Rejected         map[string]int64 `json:"rejected"`
	RecentRejections []RejectedRecord `json:"recent_rejections"` // newest first
	DeadLetters      int64            `json:"dead_letters"`
	LostDeadLetters  int64            `json:"lost_dead_letters"` // could not be written
	// records that were never read: deleted before, or unreadable
	Lost int64 `json:"lost"`
	// skipped because they were processed before
	Repeated   int64            `json:"repeated"`
	Rebalances int64            `json:"rebalances"`
	Commits    int64            `json:"commits"`
	Errors     map[string]int64 `json:"errors"` // by kind

	// of the group; 0 for unknown
	Members int   `json:"members"`
	Lag     int64 `json:"lag"` // records that are not evaluated yet
	// age of the last evaluated record in the partition that is furthest behind; 0 without lag
	LagTime    time.Duration    `json:"lag_time"`
	Partitions []PartitionStats `json:"partitions"`
}

// PartitionStats are the positions of one partition.
type PartitionStats struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next"`      // offset of the next record to evaluate
	Committed int64  `json:"committed"` // by the group; -1 for none or unknown
	// offset of the oldest record
	Start         int64         `json:"start"`
	HighWatermark int64         `json:"high_watermark"` // offset after the newest record
	Lag           int64         `json:"lag"`
	LagTime       time.Duration `json:"lag_time"`
	Replay        bool          `json:"replay,omitempty"` // state is being rebuilt
	Stuck         string        `json:"stuck,omitempty"`  // why it cannot be read
	Messages      int64         `json:"messages"`         // evaluated since the assignment
	Future        int64         `json:"future,omitempty"` // timestamps ahead of the clock
	Last          time.Time     `json:"last,omitzero"`    // timestamp of the last evaluated record
}

// stats reads counters and partitions.
func (g *groupConsumer) stats() Stats {
	c := g.counters
	s := Stats{
		Messages:         c.messages.Load(),
		Bytes:            c.bytes.Load(),
		Logs:             c.logs.Load(),
		Rejected:         c.rejected.snapshot(),
		RecentRejections: c.recent.all(),
		DeadLetters:      c.deadLettersWritten.Load(),
		LostDeadLetters:  c.deadLettersLost.Load(),
		Lost:             c.lost.Load(),
		Repeated:         c.repeated.Load(),
		Rebalances:       c.rebalances.Load(),
		Commits:          c.commits.Load(),
		Errors:           c.errors.snapshot(),
	}
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	s.Members = g.memberCount
	for _, p := range g.assignment.sorted() {
		ps := p.stats(g.clock)
		s.Partitions = append(s.Partitions, ps)
		s.Lag += ps.Lag
		s.LagTime = max(s.LagTime, ps.LagTime)
	}
	return s
}

func (p *partition) stats(c *clockGuard) PartitionStats {
	s := PartitionStats{
		Topic:         p.Topic,
		Partition:     p.Partition.Partition,
		Next:          p.next,
		Committed:     max(p.committedOffset, -1),
		Start:         p.start,
		HighWatermark: p.end,
		Lag:           max(p.end-max(p.next, p.start), 0),
		Replay:        p.next < p.replayUntil,
		Messages:      p.processed,
		Future:        p.future.total,
		Last:          p.lastTime,
	}
	if s.Lag > 0 && !p.lastTime.IsZero() {
		s.LagTime = max(c.at(time.Now()).Sub(p.lastTime), 0)
	} else if s.Lag > 0 {
		s.LagTime = time.Since(p.lastMoved) // nothing was read yet
	}
	if p.stuck != nil {
		s.Stuck = p.stuck.Error()
	}
	return s
}

// Health is the state of a consumer with its problems.
type Health struct {
	State    HealthState `json:"state"`
	Problems []string    `json:"problems,omitempty"`
	// no problem keeps logs from being evaluated
	Minor bool `json:"minor,omitempty"`
}

// minorProblems keep no log from being evaluated: offsets stay behind, and records that could not
// be read are lost to their dead letter topic.
var minorProblems = []string{"checkpoint", "dead letters"}

// HealthState is a state of health.
type HealthState string

// States of health. Lag is none of them: a restart would only increase it.
const (
	// no broker has answered yet, or no partitions were assigned yet
	Starting HealthState = "starting"
	Ready    HealthState = "ready"
	// running with problems
	Degraded HealthState = "degraded"
	// stopped, or blocked for so long that only a restart helps
	Dead HealthState = "dead"
)

const (
	loopTimeout         = 2 * time.Minute  // without a loop iteration
	networkGrace        = 10 * time.Second // a broker restart is not a problem yet
	maxUnansweredProbes = 5
)

// health collects the problems of partitions, network and group.
func (g *groupConsumer) health() Health {
	g.assignment.mu.Lock()
	defer g.assignment.mu.Unlock()
	h := Health{State: Ready}
	major, minor := g.problems.texts()
	h.Problems = major
	if since, err := g.problems.network(); err != nil && time.Since(since) > networkGrace &&
		len(h.Problems) == 0 && (g.unansweredProbes > 0 || len(g.assignment.parts) == 0) {
		h.Problems = append(h.Problems, err.Error())
	}
	if g.unansweredProbes >= maxUnansweredProbes && len(h.Problems) == 0 {
		h.Problems = append(h.Problems, "brokers do not answer")
	}
	for _, p := range g.assignment.sorted() {
		if p.stuck != nil {
			h.Problems = append(
				h.Problems,
				fmt.Sprintf("%s/%d: %v", p.Topic, p.Partition.Partition, p.stuck),
			)
		}
	}
	minor = append(minor, g.futureProblems()...)
	h.Minor = len(h.Problems) == 0 && len(minor) > 0
	if h.Problems = append(h.Problems, minor...); len(h.Problems) > 0 {
		h.State = Degraded
	}
	if !g.joined {
		h.State, h.Minor = Starting, false
	}
	return h
}

// Stats may be called at any time.
func (s *Source) Stats() Stats { return s.group.stats() }

// Lag is the number of records that are not evaluated yet.
func (s *Source) Lag() int64 { return s.group.stats().Lag }

// Health may be called at any time.
func (s *Source) Health() Health {
	if err := s.ended.Load(); err != nil {
		h := Health{State: Dead, Problems: []string{"stopped"}}
		if *err != nil {
			h.Problems = []string{(*err).Error()}
		}
		return h
	}
	h := s.group.health()
	if err := s.sharedPartitionsError(); err != nil {
		h.State, h.Minor, h.Problems = Degraded, false, append(h.Problems, err.Error())
	}
	if step := s.lastLoop.Load(); step != nil && h.State != Starting &&
		time.Since(*step) > loopTimeout {
		return Health{
			State: Dead,
			Problems: []string{
				fmt.Sprintf(
					"no poll for %s",
					duration.Format(time.Since(*step).Round(time.Second)),
				),
			},
		}
	}
	return h
}

// Future says of which partitions too many records have timestamps ahead of the clock, and who
// wrote the last one. It may be called at any time.
func (s *Source) Future() []string {
	s.group.assignment.mu.Lock()
	defer s.group.assignment.mu.Unlock()
	return s.group.futureProblems()
}

// Clock returns an error while the system clock is not trusted. It may be called at any time.
func (s *Source) Clock() error { return s.group.clock.problem() }

// sourceMetrics collects the metrics of a source.
type sourceMetrics struct{ s *Source }

var (
	metricMessages = prometheus.NewDesc(
		"alert_engine_kafka_messages_total",
		"Records evaluated.",
		nil,
		nil,
	)
	metricBytes = prometheus.NewDesc(
		"alert_engine_kafka_bytes_total",
		"Bytes of the values of evaluated records.",
		nil,
		nil,
	)
	metricLogs = prometheus.NewDesc(
		"alert_engine_kafka_logs_total",
		"Logs decoded from records.",
		nil,
		nil,
	)
	metricRejected = prometheus.NewDesc(
		"alert_engine_kafka_rejected_total",
		"Records, or logs within them, that could not be decoded, by reason.",
		[]string{"reason"},
		nil,
	)
	metricDeadLetters = prometheus.NewDesc(
		"alert_engine_kafka_dead_letters_total",
		"Dead letters, by result (written, lost).",
		[]string{"result"},
		nil,
	)
	metricLost = prometheus.NewDesc(
		"alert_engine_kafka_lost_total",
		"Records that were never read: deleted before, or unreadable.",
		nil,
		nil,
	)
	metricRebalances = prometheus.NewDesc(
		"alert_engine_kafka_rebalances_total",
		"Rebalances of the consumer group.",
		nil,
		nil,
	)
	metricCommits = prometheus.NewDesc(
		"alert_engine_kafka_commits_total",
		"Offset commits.",
		nil,
		nil,
	)
	metricErrors = prometheus.NewDesc(
		"alert_engine_kafka_errors_total",
		"Errors, by kind.",
		[]string{"kind"},
		nil,
	)
	metricLag = prometheus.NewDesc(
		"alert_engine_kafka_consumer_lag",
		"Records that are not evaluated yet.",
		[]string{"topic", "partition"},
		nil,
	)
	metricLagTime = prometheus.NewDesc(
		"alert_engine_kafka_consumer_lag_seconds",
		"Age of the last evaluated record; 0 without lag.",
		[]string{"topic", "partition"},
		nil,
	)
	metricPosition = prometheus.NewDesc(
		"alert_engine_kafka_position",
		"Offset of the next record to evaluate.",
		[]string{"topic", "partition"},
		nil,
	)
	metricEnd = prometheus.NewDesc(
		"alert_engine_kafka_high_watermark",
		"Offset after the newest record.",
		[]string{"topic", "partition"},
		nil,
	)
	metricJumps = prometheus.NewDesc(
		"alert_engine_kafka_clock_jumps_total",
		"Jumps of the system clock.",
		nil,
		nil,
	)
	metricAhead = prometheus.NewDesc(
		"alert_engine_kafka_clock_ahead_seconds",
		"How far the system clock is ahead of engine time; 0 while it is trusted.",
		nil,
		nil,
	)
	metricFuture = prometheus.NewDesc(
		"alert_engine_kafka_future_records_total",
		"Records with timestamps ahead of the clock; the clock's time was used.",
		[]string{"topic", "partition"},
		nil,
	)
	metricStuck = prometheus.NewDesc(
		"alert_engine_kafka_partition_stuck",
		"1 while the partition cannot be read.",
		[]string{"topic", "partition"},
		nil,
	)
)

// Describe lists the metrics.
func (m sourceMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		metricMessages, metricBytes, metricLogs, metricRejected, metricDeadLetters, metricLost,
		metricRebalances, metricCommits, metricErrors,
		metricLag, metricLagTime, metricPosition, metricEnd, metricStuck, metricFuture,
		metricJumps, metricAhead,
	} {
		ch <- d
	}
}

// Collect reads the metrics.
func (m sourceMetrics) Collect(ch chan<- prometheus.Metric) {
	s := m.s.Stats()
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(metricMessages, s.Messages)
	count(metricBytes, s.Bytes)
	count(metricLogs, s.Logs)
	count(metricLost, s.Lost)
	count(metricRebalances, s.Rebalances)
	count(metricCommits, s.Commits)
	clock := m.s.group.clock.stats()
	count(metricJumps, clock.jumps)
	ch <- prometheus.MustNewConstMetric(metricAhead, prometheus.GaugeValue, clock.ahead.Seconds())
	count(metricDeadLetters, s.DeadLetters, "written")
	count(metricDeadLetters, s.LostDeadLetters, "lost")
	for reason, n := range s.Rejected {
		count(metricRejected, n, reason)
	}
	for kind, n := range s.Errors {
		count(metricErrors, n, kind)
	}
	for _, p := range s.Partitions {
		gauge := func(d *prometheus.Desc, v float64) {
			partition := fmt.Sprint(p.Partition)
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, p.Topic, partition)
		}
		stuck := 0.0
		if p.Stuck != "" {
			stuck = 1
		}
		gauge(metricLag, float64(p.Lag))
		gauge(metricLagTime, p.LagTime.Seconds())
		gauge(metricPosition, float64(p.Next))
		gauge(metricEnd, float64(p.HighWatermark))
		gauge(metricStuck, stuck)
		count(metricFuture, p.Future, p.Topic, fmt.Sprint(p.Partition))
	}
}
