package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/web"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// clusterSilent is after how long without a record the topic of the cluster is in trouble: its
// leader sends a tick four times a second.
const clusterSilent = 15 * time.Second

// snapshotsOld is after how many times the time between two snapshots the newest one is old.
const snapshotsOld = 6

// health is an error while this member does not decide what the others decide.
func (m *clusterMember) health() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.isReady() {
		return fmt.Errorf("reading the topic %s, record %d", m.home.Topic, m.fold.Next())
	}
	_, epoch := m.fold.Leader()
	switch age := time.Since(m.applied); {
	case age > clusterSilent:
		return fmt.Errorf("no record of the topic %s for %s; nothing is decided", m.home.Topic,
			duration.Format(age.Round(time.Second)))
	case epoch < 0:
		return errors.New("no member leads yet")
	}
	return nil
}

// topicsHealth is an error while an operator should repair a topic of the cluster; members continue
// in the meantime.
func (m *clusterMember) topicsHealth() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(m.problems)) {
		errs = append(errs, fmt.Errorf("%s: %w", what, m.problems[what]))
	}
	if err := m.refusal.err; err != nil && m.refusal.proposal == m.proposal.Hash {
		errs = append(errs, fmt.Errorf("%s: %w", refusedRules, err))
	}
	most := snapshotsOld * m.p.config.Cluster.SnapshotEvery
	if age := m.fold.SnapshotAge(); age > most {
		errs = append(errs, fmt.Errorf("the newest snapshot is %s old; the frames topic grows",
			duration.Format(age.Round(time.Second))))
	}
	return errors.Join(errs...)
}

// currentRole is role for the health check.
func (m *clusterMember) currentRole() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.role()
}

// role is leader or follower. The caller holds mu.
func (m *clusterMember) role() string {
	if m.notifies && m.lease.Valid(time.Now()) {
		return "leader"
	}
	return "follower"
}

// slowest is the partition that was known to be read to its end longest ago, and how long ago by
// the time of the topic. The caller holds mu.
func (m *clusterMember) slowest() (p models.Partition, held time.Duration) {
	for _, at := range m.fold.Progress() {
		if behind := m.fold.Now().Sub(at.At); at.At.IsZero() || behind > held {
			p = models.Partition{Topic: at.Topic, Partition: at.Partition}
			if held = behind; at.At.IsZero() {
				return p, 0
			}
		}
	}
	return p, held
}

// differ is how many members have other rules than those in force. The caller holds mu.
func (m *clusterMember) differ() (n int) {
	for _, other := range m.fold.Members() {
		if other.Rules != m.inForce {
			n++
		}
	}
	return n
}

// status is for the pages.
func (m *clusterMember) status() *web.ClusterStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	leader, _ := m.fold.Leader()
	s := &web.ClusterStatus{
		Role: m.role(), Applied: m.applied, Differ: m.differ(), Members: []web.ClusterMember{},
	}
	if p, held := m.slowest(); held > clusterSilent {
		s.Held = fmt.Sprintf("%s/%d, for %s", p.Topic, p.Partition,
			duration.Format(held.Round(time.Second)))
	}
	for author, other := range m.fold.Members() {
		s.Members = append(s.Members, web.ClusterMember{
			Name: other.Name, Host: other.Host, Version: other.Version, Seen: other.At,
			Leader: author == leader, Self: author == m.self,
			SameRules: other.Rules == m.inForce, Partitions: other.Partitions,
		})
	}
	slices.SortFunc(s.Members, func(a, b web.ClusterMember) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Name, b.Name))
	})
	return s
}

// clusterMetrics are those of a member.
type clusterMetrics struct{ m *clusterMember }

var (
	clusterLeader = prometheus.NewDesc("alert_engine_cluster_leader",
		"Whether this member leads the cluster and notifies.", nil, nil)
	clusterEpoch = prometheus.NewDesc("alert_engine_cluster_epoch",
		"Offset of the claim of the present leader; -1 before the first.", nil, nil)
	clusterMembers = prometheus.NewDesc("alert_engine_cluster_members",
		"Members that have presented themselves in the last 30 seconds.", nil, nil)
	clusterDiffer = prometheus.NewDesc("alert_engine_cluster_rules_differ",
		"Members whose rule files are others than the rules in force.", nil, nil)
	clusterTakeovers = prometheus.NewDesc("alert_engine_cluster_takeovers_total",
		"Claims to lead that this member has read.", nil, nil)
	clusterWritten = prometheus.NewDesc("alert_engine_cluster_frames_written_total",
		"Frames that this member has written.", nil, nil)
	clusterBytes = prometheus.NewDesc("alert_engine_cluster_frame_bytes_total",
		"Bytes of the frames that this member has written, before compression.", nil, nil)
	clusterHits = prometheus.NewDesc("alert_engine_cluster_frame_matches_total",
		"Matches in the frames that this member has written.", nil, nil)
	clusterFailed = prometheus.NewDesc("alert_engine_cluster_frames_failed_total",
		"Frames that could not be written; their records were read again.", nil, nil)
	clusterRestarts = prometheus.NewDesc("alert_engine_cluster_restarts_total",
		"How often this member has read again from where the cluster stands.", nil, nil)
	clusterSpans = prometheus.NewDesc("alert_engine_cluster_spans_total",
		"Spans of records in the frames that this member has read, by what became of them.",
		[]string{"outcome"}, nil)
	clusterDamaged = prometheus.NewDesc("alert_engine_cluster_damaged_records_total",
		"Records of the frames topic that could not be read.", nil, nil)
	clusterDropped = prometheus.NewDesc("alert_engine_cluster_decisions_dropped_total",
		"Decisions that waited too long for a leader.", nil, nil)
	clusterAge = prometheus.NewDesc("alert_engine_cluster_record_age_seconds",
		"Seconds since this member has applied a record of the frames topic.", nil, nil)
	clusterSnapshotAge = prometheus.NewDesc("alert_engine_cluster_snapshot_age_seconds",
		"Seconds since the newest snapshot was begun, by the time of the frames topic; before the "+
			"first one, since this member's first record.", nil, nil)
	clusterSnapshotBytes = prometheus.NewDesc("alert_engine_cluster_snapshot_bytes",
		"Bytes of the newest snapshot, before compression.", nil, nil)
	clusterHeld = prometheus.NewDesc("alert_engine_cluster_held_back_seconds",
		"Seconds since the slowest partition was known to be read to its end.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c clusterMetrics) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, ch)
}

// Collect implements prometheus.Collector.
func (c clusterMetrics) Collect(ch chan<- prometheus.Metric) {
	m := c.m
	scanned := m.scanner.Counts()
	m.mu.Lock()
	counts, members, differ := m.fold.Counts(), len(m.fold.Members()), m.differ()
	_, epoch := m.fold.Leader()
	leads, applied := m.role() == "leader", m.applied
	_, held := m.slowest()
	snapshots, age := m.fold.Snapshots(), m.fold.SnapshotAge()
	m.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	leader := 0.0
	if leads {
		leader = 1
	}
	gauge(clusterLeader, leader)
	gauge(clusterEpoch, float64(epoch))
	gauge(clusterMembers, float64(members))
	gauge(clusterDiffer, float64(differ))
	if !applied.IsZero() {
		gauge(clusterAge, time.Since(applied).Seconds())
	}
	gauge(clusterHeld, held.Seconds())
	gauge(clusterSnapshotAge, age.Seconds())
	if n := len(snapshots); n > 0 {
		gauge(clusterSnapshotBytes, float64(snapshots[n-1].Bytes))
	}
	counter(clusterTakeovers, counts.Claims)
	counter(clusterWritten, scanned.Frames)
	counter(clusterBytes, scanned.Bytes)
	counter(clusterHits, scanned.Hits)
	counter(clusterFailed, scanned.Failed)
	counter(clusterRestarts, scanned.Restarts)
	for _, v := range []cluster.Verdict{
		cluster.Applied, cluster.Known, cluster.Gap, cluster.Other, cluster.Version,
	} {
		counter(clusterSpans, counts.Spans[v], string(v))
	}
	counter(clusterDamaged, counts.Damaged)
	counter(clusterDropped, counts.Dropped)
}
