package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/duration"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/notify"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	// members write something four times a second
	leaveQuiet    = 2 * time.Second
	leavePatience = 2 * time.Minute
)

// leaveCluster makes the state of a member of a cluster, which is in the store, that of an instance
// without one. It applies the records of the frames topic that the state does not cover: they say
// what the last leader has notified. The members must be stopped. The store changes last, so a
// process that is killed in the meantime begins again. It returns the transitions that were
// decided.
func (p *process) leaveCluster(ctx context.Context) (decided []models.Alert, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, leavePatience)
	defer cancel()
	m, err := p.formerMember()
	if err != nil {
		return nil, err
	}
	defer m.topic.Close()
	source, next, _, err := m.owned()
	if err != nil {
		return nil, err
	}
	if err := m.load(source); err != nil {
		return nil, err
	}
	gone, err := m.applyRest(ctx, source, next)
	if err != nil {
		return nil, fmt.Errorf(
			"data_dir %s holds the state of a member of a cluster, with which an "+
				"instance without one cannot go on: %w",
			p.config.DataDir,
			err,
		)
	}
	if err := m.pages.write(m.fold.Pages()); err != nil {
		return nil, err
	}
	left := m.fold.Leave()
	err = notify.Continue(string(p.config.DataDir), p.logger, left.Notified, left.Silences)
	if err != nil {
		return nil, err
	}
	ids, err := m.topic.IDs(ctx, topicsIn(left.Positions))
	if err != nil {
		return nil, err
	}
	if gone {
		// other members may have read on, and nothing says of what they have notified
		err := m.topic.CommitOffsets(ctx, p.config.Kafka.Group, current(left.Positions, ids))
		if err != nil {
			return nil, err
		}
	}
	c := p.store.Begin()
	c.SetFull()
	p.state.Save(true, c.Put, c.Delete)
	p.state.values.save(true, c.Put, c.Delete)
	for at, position := range left.Positions {
		c.SetPosition(store.Source{
			Cluster: source.Cluster, TopicID: fullID(ids[at.Topic], position.Incarnation),
			Topic: at.Topic, Partition: at.Partition,
		}, store.Position{Next: position.Next, Committed: -1, Epoch: -1})
	}
	for _, a := range left.Pending {
		a.Home = models.Partition{}
		c.Append(a)
	}
	if err := p.store.Commit(c); err != nil {
		return nil, err
	}
	p.logger.Info("the instance goes on with the state of a member of a cluster",
		"partitions", len(left.Positions), "to_notify", len(left.Pending),
		"took", duration.Format(time.Since(began)))
	return p.state.take(), nil
}

// formerMember is a member that neither reads logs nor notifies. The state of the process is its
// state from here on, with metrics that are not shown.
func (p *process) formerMember() (*clusterMember, error) {
	hidden := prometheus.NewRegistry()
	m := &clusterMember{
		p: p, log: p.logger, self: cluster.Author(rand.Uint64() >> 1),
		home: models.Partition{Topic: p.config.framesTopic()},
	}
	p.state = &state{
		store: p.store, cluster: m,
		values: newRecorded(p.config.Kafka.RecordsTopic, p.topics, p.logger, hidden),
	}
	p.state.values.cluster = m
	p.state.Engine = alerting.NewEngine(append(p.engineOptions(hidden),
		alerting.WithFrames(), alerting.WithBackfill())...)
	o := p.config.source()
	o.Client.Dial = p.network.dial
	var err error
	if m.topic, err = kafka.NewOrderedTopic(o.Client, m.home.Topic, p.logger); err != nil {
		return nil, err
	}
	m.scanner = cluster.NewScanner(cluster.ScannerOptions{Self: m.self, Engine: p.state.Engine})
	m.pages = newClusterPages(m)
	m.fold = cluster.NewFold(cluster.FoldOptions{
		Self: m.self, Engine: p.state.Engine, SetRules: m.setRules,
		Silence: func(b []byte) (string, time.Time) { return notify.SilenceID(bytes.Clone(b)) },
		Written: p.state.values.covered,
	})
	return m, nil
}

// applyRest applies the records of the frames topic from one on. When the topic is gone, the state
// is the last that there is: other members may have read on since.
func (m *clusterMember) applyRest(
	ctx context.Context, source store.Source, next int64,
) (gone bool, err error) {
	_, id, err := m.topic.ID(ctx)
	if kafka.IsGone(err) {
		m.log.Warn("the topic of the cluster is gone; the state of data_dir is taken as it is, so "+
			"what another member has notified since may be notified again", "topic", m.home.Topic)
		return true, nil
	} else if err != nil {
		return false, err
	}
	start, end, err := m.topic.Ends(ctx)
	if err != nil {
		return false, err
	}
	if id != source.TopicID || next < start || next > end {
		return false, fmt.Errorf(
			"topic %q has the records from offset %d to %d, and the state goes on at "+
				"%d; take another member's data_dir, or start this one as a member until it has caught up",
			m.home.Topic,
			start,
			end,
			next,
		)
	}
	if !wait.Sleep(ctx, leaveQuiet) {
		return false, ctx.Err()
	}
	if _, later, err := m.topic.Ends(ctx); err != nil {
		return false, err
	} else if later > end {
		return false, errors.New("other members of the cluster still run; stop all members first")
	}
	return false, m.topic.Read(ctx, next, end, func(r kafka.OrderedRecord) error {
		return m.fold.Apply(r.Offset, r.At, r.Value)
	})
}

func topicsIn(positions map[models.Partition]cluster.Position) (list []string) {
	seen := map[string]bool{}
	for p := range positions {
		if !seen[p.Topic] {
			seen[p.Topic] = true
			list = append(list, p.Topic)
		}
	}
	return list
}

// current are the offsets of topics that were not created again since.
func current(
	positions map[models.Partition]cluster.Position, ids map[string][16]byte,
) map[models.Partition]int64 {
	offsets := map[models.Partition]int64{}
	for at, position := range positions {
		if id, exists := ids[at.Topic]; exists && id == fullID(id, position.Incarnation) {
			offsets[at] = position.Next
		}
	}
	return offsets
}

// fullID is the ID of a topic of which a cluster keeps the beginning. A topic that was created
// again since has another one.
func fullID(id [16]byte, incarnation uint64) [16]byte {
	if binary.BigEndian.Uint64(id[:]) != incarnation {
		id = [16]byte{}
		binary.BigEndian.PutUint64(id[:], incarnation)
	}
	return id
}
