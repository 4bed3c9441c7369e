package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/log-monitoring/alert-engine/internal/cluster"
	"github.com/log-monitoring/alert-engine/internal/imports"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// clusterMember is this process as a member of a cluster. The source drives its scanner, which
// appends frames to the frames topic; its fold applies that topic to the engine, which decides. The
// notifier works in every member, but only the leader's has alerts: see notify.Lead.
//
//	source ─► scanner ─► frames topic ─► fold ─► engine ─► history, pages of every member
//	                         ▲                     └─► decisions ─► notifier of the leader
//	                         └── notification state, silences ◄──────────┘
type clusterMember struct {
	p         *process
	log       *slog.Logger
	self      cluster.Author
	topic     *kafka.OrderedTopic
	home      models.Partition // of all alerts
	snapshots clusterSnapshots
	pages     *clusterPages
	notes     *clusterNotes

	scanner *cluster.Scanner
	ready   chan struct{} // is closed when the fold has reached the end of the topic once
	elected atomic.Bool   // by the group; whether we lead, the topic says
	epoch   atomic.Int64  // in which we notify

	// one change of the leader at a time; taken before mu, and held while waiting, which a mutex
	// would not be in fake time
	leading chan struct{}
	saving  chan struct{} // one checkpoint at a time

	mu        sync.Mutex // guards what follows
	fold      *cluster.Fold
	source    store.Source  // of the frames topic, in the store
	moved     chan struct{} // closed when the fold has moved
	lease     cluster.Lease
	notifies  bool // the notifier has the alerts
	claimed   time.Time
	ticked    int64 // the epoch in which we have sent a tick
	decided   int
	changed   chan struct{} // closed by changePending
	proposal  cluster.Rules // the rules of our files; without a hash before they are known
	own       *rule.Set     // the same, with the rule files of the pages
	inForce   uint64        // hash of the rules in force without the rule files of the pages
	refusal   refusal       // of our proposal
	presented time.Time     // when we presented ourselves last
	applied   time.Time     // when a record was applied last
	// what an operator should repair at the topics of the cluster, by what does not work
	problems map[string]error
}

const (
	claimEvery   = 2 * time.Second
	memberEvery  = 5 * time.Second
	clusterGrace = 5 * time.Second // for what is under way at the end
	saveSoon     = time.Second     // between two checkpoints, when something was decided
	saveEvery    = 5 * time.Second
	retryFrames  = time.Second
	topicSilent  = time.Minute // after which it is asked whether a topic is gone
	topicsEvery  = 15 * time.Second

	settingsEvery = 10 * time.Minute
)

// framesTopic is the topic that orders what counts in a cluster.
func (c *Config) framesTopic() string { return c.clusterPrefix() + ".frames" }

func (c *Config) clusterPrefix() string { return cmp.Or(c.Cluster.Prefix, c.Kafka.Group) }

// leadGroup is the consumer group that elects the leader.
func (c *Config) leadGroup() string { return c.clusterPrefix() + ".lead" }

// openCluster makes the member, whose engine has been made. What it knows is restored when it has
// seen the frames topic: see join.
func (p *process) openCluster(set *rule.Set) error {
	topic := p.config.framesTopic()
	m := &clusterMember{
		p: p, log: p.logger, self: cluster.Author(rand.Uint64() >> 1),
		home:  models.Partition{Topic: topic},
		ready: make(chan struct{}), moved: make(chan struct{}), changed: make(chan struct{}),
		ticked: -1, leading: make(chan struct{}, 1),
		saving: make(chan struct{}, 1), problems: map[string]error{},
	}
	o := p.config.source()
	o.Client.Dial = p.network.dial
	var err error
	if m.topic, err = kafka.NewOrderedTopic(o.Client, topic, p.logger); err != nil {
		return err
	}
	p.lives.onEnd(func() error { m.topic.Close(); return nil })
	m.snapshots.m, m.pages, m.notes = m, newClusterPages(m), &clusterNotes{m: m}
	m.snapshots.topic, err = kafka.NewOrderedTopic(o.Client, p.config.snapshotsTopic(), p.logger)
	if err != nil {
		return err
	}
	p.lives.onEnd(func() error { m.snapshots.topic.Close(); return nil })
	m.scanner = cluster.NewScanner(cluster.ScannerOptions{
		Self: m.self, Engine: p.state.Engine, Append: m.append, CaughtUp: m.caughtUp,
		Position: m.position, Next: m.next, Clock: time.Now,
	})
	m.fold = cluster.NewFold(cluster.FoldOptions{
		Self: m.self, Engine: p.state.Engine, SetRules: m.setRules,
		Silence: func(b []byte) (string, time.Time) {
			return p.notifier.MergeSilence(bytes.Clone(b))
		},
		Written: p.state.values.covered, Noted: m.notes.take,
	})
	p.state.cluster, p.state.values.cluster = m, m
	p.registry.MustRegister(clusterMetrics{m})
	r, err := p.rulesOf(p.config)
	if err != nil {
		return err
	}
	if err := p.compiles(set); err != nil {
		return err
	}
	return m.propose(set, r)
}

// ofMember reports whether the store was written by a member of a cluster.
func ofMember(s *store.Store) (member bool, err error) {
	err = s.Load(func(key, _ []byte) error {
		member = member || cluster.IsSaved(key)
		return nil
	})
	return member, err
}

// rulesOf are the texts of the rules of a configuration that was read just now.
func (p *process) rulesOf(c *Config) (r cluster.Rules, err error) {
	texts, err := p.ruleTexts(c)
	if err != nil {
		return r, err
	}
	for _, f := range texts {
		if m := p.state.cluster; m != nil && m.pages.has(f) {
			continue // it is not of the configuration
		}
		r.Files = append(r.Files, cluster.File{Name: f.Name, Text: string(f.Data)})
	}
	slices.SortFunc(r.Files, func(a, b cluster.File) int {
		return strings.Compare(filepath.Base(a.Name), filepath.Base(b.Name))
	})
	if len(c.Sigma) == 0 {
		return r, nil
	}
	for _, d := range p.sigma.taken {
		text, err := yaml.Marshal(d.Root)
		if err != nil {
			return r, fmt.Errorf("the Sigma rule of %s: %w", d.File, err)
		}
		r.Documents = append(r.Documents, cluster.Document{
			File: d.File, Line: d.Root.Line, Text: string(text),
		})
	}
	return r, nil
}

// proposed are the texts of the rules that we propose.
func (m *clusterMember) proposed() cluster.Rules {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proposal
}

// propose makes a set of rules, with its texts, the one that we propose to the others.
func (m *clusterMember) propose(set *rule.Set, r cluster.Rules) error {
	r.Lists = map[string][]string{}
	for name, l := range set.Lists {
		if l.Values != nil {
			r.Lists[name] = l.Values
		}
	}
	r.Pages = nil
	r.Hash = cluster.HashOf(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proposal, m.own, m.presented = r, set, time.Time{}
	if m.fold.Rules().Hash == 0 {
		m.p.set.Store(set)
	}
	return nil
}

// ownSet is the rules of our files and of the pages.
func (m *clusterMember) ownSet() *rule.Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own
}

// setOf reads rules from their texts.
func (m *clusterMember) setOf(r cluster.Rules) (*rule.Set, error) {
	var files []rule.File
	lists := map[string][]string{}
	for _, f := range r.Pages {
		maps.Copy(lists, f.Lists)
	}
	maps.Copy(lists, r.Lists)
	for _, f := range r.Files {
		files = append(files, rule.File{Name: f.Name, Data: []byte(f.Text), Members: lists})
	}
	for _, f := range r.Pages {
		files = append(files, rule.File{
			Name: m.pages.path(f.Name), Data: []byte(f.Text), Members: lists,
		})
	}
	var documents []rule.Document
	for _, d := range r.Documents {
		one, err := documentOf(d)
		if err != nil {
			return nil, err
		}
		documents = append(documents, one)
	}
	set, err := rule.LoadDocuments(slices.Values(documents), files)
	if err != nil {
		return nil, err
	}
	for _, mistakes := range set.Refused {
		return nil, mistakes // the members that have accepted it decide with it
	}
	given := map[string][]string{}
	for name, values := range lists {
		if set.Lists[name] != nil {
			given[name] = values
		}
	}
	return set.WithMembers(given)
}

// setRules puts the rules in force that the topic names. The fold calls it.
func (m *clusterMember) setRules(r cluster.Rules) error {
	set, err := m.setOf(r)
	if err != nil {
		return err
	}
	err = m.scanner.SetRules(r.Hash, func() error { return m.p.state.SetRules(set) })
	if err != nil {
		return err
	}
	m.p.set.Store(set)
	r.Pages = nil
	m.inForce = cluster.HashOf(r)
	ring(m.pages.bell)
	if m.p.backfills != nil {
		m.p.backfills.changed()
	}
	m.log.Info("rules of the cluster are in force", "rules", len(set.Rules),
		"version", fmt.Sprintf("%08x", uint32(r.Hash)))
	ring(m.p.retentions.bell)
	return nil
}

// documentOf is a rule of another system as package rule reads it.
func documentOf(d cluster.Document) (rule.Document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(d.Text), &root); err != nil {
		return rule.Document{}, fmt.Errorf("the rule of %s:%d: %w", d.File, d.Line, err)
	}
	if len(root.Content) != 1 {
		return rule.Document{}, fmt.Errorf("the rule of %s:%d is empty", d.File, d.Line)
	}
	return rule.Document{
		File: d.File, Root: imports.Place(imports.Unplaced(root.Content[0]), d.Line, 1),
	}, nil
}

// run is a member of the cluster until ctx is done.
func (m *clusterMember) run(ctx context.Context) error {
	for {
		if err := m.prepare(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		err := m.follow(ctx)
		if !errors.Is(err, cluster.ErrGenesis) {
			return err
		}
	}
}

// follow folds the frames topic until ctx is done, or the fold ends with an error.
func (m *clusterMember) follow(ctx context.Context) error {
	var helpers sync.WaitGroup
	helping, stop := context.WithCancel(ctx)
	helpers.Go(func() { m.joinElection(helping) })
	helpers.Go(func() { m.lead(helping) })
	helpers.Go(func() { m.snapshots.run(helping) })
	helpers.Go(func() { m.checkTopics(helping) })
	helpers.Go(func() { m.pages.run(helping) })
	saved := time.Now()
	err := m.topic.Tail(ctx, m.next(), func(batch []kafka.OrderedRecord) error {
		if err := m.apply(batch); err != nil {
			return err
		}
		m.checkLead(true)
		if since := time.Since(saved); since >= saveEvery ||
			since >= saveSoon && m.p.state.Urgent() {
			if m.save() {
				saved = time.Now()
			}
		}
		return nil
	})
	m.leave()
	stop()
	helpers.Wait()
	m.awaitSaved()
	if errors.Is(err, cluster.ErrGenesis) {
		return err // there is nothing to save
	}
	m.save()
	m.awaitSaved()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// prepare creates the topics, and takes over the state that we continue with.
func (m *clusterMember) prepare(ctx context.Context) error {
	var limited time.Time
	for {
		err := m.topic.Create(ctx)
		if err == nil {
			err = m.snapshots.topic.Create(ctx)
		}
		if err == nil {
			var final error
			if final, err = m.join(ctx); final != nil {
				return final
			}
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return nil
		case kafka.IsFinal(err):
			return err
		}
		if time.Since(limited) > time.Minute {
			limited = time.Now()
			m.log.Warn("the cluster cannot be joined yet", "topic", m.home.Topic,
				"error", err)
		}
		wait.Sleep(ctx, retryFrames)
	}
}

// checkTopics checks the settings of the topics until ctx is done.
func (m *clusterMember) checkTopics(ctx context.Context) {
	for ctx.Err() == nil {
		for _, topic := range []*kafka.OrderedTopic{m.topic, m.snapshots.topic} {
			problems, err := topic.Settings(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				m.log.Warn("the settings of a topic of the cluster are not known", "error", err)
			default:
				m.note(fmt.Sprintf("topic %q is not set up for a cluster", topic.Name()),
					errors.Join(problems...))
			}
		}
		wait.Sleep(ctx, settingsEvery)
	}
}

// note notes what does not work with the topics of the cluster, and logs it when that changes; nil
// says that it works.
func (m *clusterMember) note(what string, err error) {
	m.mu.Lock()
	before := m.problems[what]
	if m.problems[what] = err; err == nil {
		delete(m.problems, what)
	}
	m.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		m.log.Error(what, "error", err)
	}
}

// apply applies some records.
func (m *clusterMember) apply(batch []kafka.OrderedRecord) error {
	if len(batch) == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.decided
	for _, r := range batch {
		if err := m.fold.Apply(r.Offset, r.At, r.Value); err != nil {
			return err
		}
	}
	m.applied = time.Now()
	if m.fold.TakeValues() {
		m.p.state.values.open()
	}
	m.lease.Read(m.fold.Tick())
	if m.fold.TakeRefused() {
		m.scanner.Restart()
	}
	close(m.moved)
	m.moved = make(chan struct{})
	if m.decided != before {
		m.changePending()
	}
	return nil
}

// emit takes a transition of the engine, while a record is applied.
func (m *clusterMember) emit(a models.Alert) {
	m.decided++
	m.fold.Decided(a)
}

// joinElection joins the election of the leader once we know all that was decided so far.
func (m *clusterMember) joinElection(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := m.caughtUp(ctx, nil)
		if err == nil {
			break
		}
		m.log.Warn("the topic of the cluster cannot be read to its end; retrying", "error", err)
		wait.Sleep(ctx, retryFrames)
	}
	if ctx.Err() != nil {
		return
	}
	if !m.isReady() {
		close(m.ready)
	}
	o := m.p.config.source()
	o.Client.Dial = m.p.network.dial
	e := kafka.Election{
		Client: o.Client, Group: m.p.config.leadGroup(), Topic: m.home.Topic, Logger: m.log,
	}
	for ctx.Err() == nil {
		err := e.Run(ctx, func(is bool) { m.elected.Store(is) })
		if m.elected.Store(false); err != nil {
			m.log.Error("the election of the leader cannot be joined; retrying", "error", err)
		}
		wait.Sleep(ctx, retryFrames)
	}
}

// isReady reports whether the fold has reached the end of the topic once.
func (m *clusterMember) isReady() bool {
	select {
	case <-m.ready:
		return true
	default:
		return false
	}
}

// lead claims, sends ticks and gives up, as the group and the topic say, until ctx is done.
func (m *clusterMember) lead(ctx context.Context) {
	for looked := time.Now(); wait.Sleep(ctx, cluster.TickEvery); {
		m.checkLead(false)
		m.present(false)
		m.proposeRules()
		m.pages.adopt()
		m.notes.send()
		if time.Since(looked) >= topicsEvery {
			looked = time.Now()
			m.removeTopics(ctx)
		}
	}
}

// checkLead sends what a leader must, and ends to notify when we no longer lead. It begins to
// notify only where the fold stands still.
func (m *clusterMember) checkLead(still bool) {
	m.leading <- struct{}{}
	defer func() { <-m.leading }()
	now := time.Now()
	m.mu.Lock()
	_, epoch := m.fold.Leader()
	leads, elected := m.fold.Leads(), m.elected.Load()
	switch {
	case elected && !leads && now.Sub(m.claimed) >= claimEvery:
		m.claimed = now
		m.append(cluster.Claim(m.self), m.noted)
	case elected && leads && (m.ticked != epoch || now.Sub(m.lease.Sent()) >= cluster.TickEvery):
		m.ticked = epoch
		m.append(cluster.Tick(m.self, epoch, m.lease.Send(now)), m.noted)
	}
	// what is written under the epoch of an earlier claim of ours counts no more
	may := leads && elected && m.lease.Valid(now) && (!m.notifies || epoch == m.epoch.Load())
	begin, end := may && still && !m.notifies, !may && m.notifies
	if end {
		m.notifies = false
		m.changePending()
	}
	var firing []models.Alert
	var notified map[string][]byte
	if begin {
		firing, notified = m.p.state.firing(models.Partition{}), m.fold.Notified()
		for i := range firing {
			firing[i].Home = m.home
		}
		m.epoch.Store(epoch)
	}
	m.mu.Unlock()
	switch {
	case begin:
		m.log.Info("this member leads the cluster and notifies", "epoch", epoch)
		m.p.notifier.Lead(firing, notified, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.notifies = true
			ring(m.p.backfills.bell)
		})
	case end:
		m.log.Info("this member no longer leads the cluster")
		m.mu.Lock()
		m.lease.End()
		m.mu.Unlock()
		m.release(context.Background(), true)
	}
}

// release gives the alerts up. When another member may lead already, nothing more is sent.
func (m *clusterMember) release(ctx context.Context, lost bool) {
	ctx, cancel := context.WithTimeout(ctx, clusterGrace)
	defer cancel()
	if lost {
		cancel()
	}
	m.p.notifier.Release(ctx, []models.Partition{m.home})
}

// leave ends to lead, in order: what is under way is sent, and the next leader knows of it.
func (m *clusterMember) leave() {
	m.leading <- struct{}{}
	defer func() { <-m.leading }()
	m.mu.Lock()
	notifies := m.notifies
	m.mu.Unlock()
	if notifies {
		m.release(context.Background(), false)
	}
	m.mu.Lock()
	m.notifies = false
	m.changePending()
	m.mu.Unlock()
	m.elected.Store(false)
	m.notes.send()
	m.present(true)
	ctx, cancel := context.WithTimeout(context.Background(), clusterGrace)
	defer cancel()
	if err := m.topic.Flush(ctx); err != nil {
		m.log.Warn("the last records of this member are not in the topic of the cluster",
			"error", err)
	}
}

// leads reports whether we may notify at this moment.
func (m *clusterMember) leads() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notifies && m.lease.Valid(time.Now())
}

// present appends our name, and which rules we have, for the other members, once we are ready: with
// the record of a member that has no state the cluster would begin without that of an instance.
func (m *clusterMember) present(stopped bool) {
	if !m.isReady() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); stopped || now.Sub(m.presented) >= memberEvery {
		m.presented = now
		host, _ := os.Hostname()
		m.append(cluster.MemberRecord(m.self, cluster.Member{
			Name: fmt.Sprintf("%08x", uint32(m.self)), Host: host, Version: Version(),
			Rules: m.proposal.Hash, Partitions: m.scanner.Partitions(), Stopped: stopped,
		}), m.noted)
	}
}

// proposeRules puts our rules in force, if we lead, and all members have the same other ones than
// those in force; or at once, if there are none. The rule files of the pages stay.
func (m *clusterMember) proposeRules() {
	m.mu.Lock()
	defer m.mu.Unlock()
	base := m.fold.Rules()
	if !m.notifies || base.Hash != 0 && m.proposal.Hash == m.inForce || len(m.own.Unknown()) > 0 {
		return
	}
	for _, other := range m.fold.Members() {
		if base.Hash != 0 && other.Rules != m.proposal.Hash {
			return
		}
	}
	if base.Hash != 0 && len(m.fold.Members()) == 0 {
		return
	}
	if m.refuses(base) {
		return
	}
	m.append(cluster.RulesRecord(m.self, base.Hash, m.proposal), m.noted)
}

// refusal is why rules that we propose cannot come in force beside others that are.
type refusal struct {
	proposal, base uint64 // hashes
	err            error
}

const refusedRules = "the rules of the configuration cannot come in force beside the rule files of " +
	"the pages"

// refuses reports whether our rules cannot be read with the rule files of the pages: a member that
// reads them in the topic would end. The caller holds mu.
func (m *clusterMember) refuses(base cluster.Rules) bool {
	if len(base.Pages) == 0 {
		return false
	}
	if is := m.refusal; is.proposal != m.proposal.Hash || is.base != base.Hash {
		r := m.proposal
		r.Pages = base.Pages
		_, err := m.setOf(r)
		m.refusal = refusal{m.proposal.Hash, base.Hash, err}
		if err != nil {
			m.log.Error(refusedRules, "error", err)
		}
	}
	return m.refusal.err != nil
}

// removeTopics removes topics that are gone or are no longer read: no member says how far they are
// read, and they would hold back time forever.
func (m *clusterMember) removeTopics(ctx context.Context) {
	m.mu.Lock()
	var silent []cluster.Topic
	if m.notifies {
		silent = m.fold.Silent(topicSilent)
	}
	m.mu.Unlock()
	for _, t := range silent {
		k := m.p.config.Kafka
		read := slices.Contains(k.Topics, t.Name) || k.patternFor(t.Name) != ""
		if !read || m.topic.IsMissing(ctx, t.Name) {
			m.log.Warn("a topic is gone; it no longer holds back the rules", "topic", t.Name)
			m.append(cluster.RemoveTopic(m.self, m.epoch.Load(), t.Name, t.Incarnation), m.noted)
		}
	}
}

// notified is the notification state as we have read it.
func (m *clusterMember) notified() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fold.Notified()
}

// append appends a record to the topic.
func (m *clusterMember) append(record []byte, done func(offset int64, err error)) {
	m.topic.Append(record, done)
}

// noted is for records whose loss is made good by the next one.
func (m *clusterMember) noted(int64, error) {}

// position is where a partition stands.
func (m *clusterMember) position(p models.Partition) (cluster.Position, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fold.Position(p)
}

// next is the offset of the record that is applied next.
func (m *clusterMember) next() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fold.Next()
}

// caughtUp waits until all is applied that is in the topic now, and returns where partitions stand.
func (m *clusterMember) caughtUp(
	ctx context.Context, of []models.Partition,
) (cluster.Positions, error) {
	_, end, err := m.topic.Ends(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.await(ctx, end); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	positions := cluster.Positions{}
	for _, p := range of {
		if at, known := m.fold.Position(p); known {
			positions[p] = at
		}
	}
	return positions, nil
}

// await waits until all records before an offset are applied.
func (m *clusterMember) await(ctx context.Context, end int64) error {
	for {
		m.mu.Lock()
		next, moved := m.fold.Next(), m.moved
		m.mu.Unlock()
		if next >= end {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// save takes a checkpoint, and has it written while the fold continues. It does not when the last
// one is not written yet, or new rules are about to go live.
func (m *clusterMember) save() bool {
	select {
	case m.saving <- struct{}{}:
	default:
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.fold.MaySave() {
		<-m.saving
		return false
	}
	write := m.p.state.checkpoint([]models.SourcePosition{{
		Cluster: m.source.Cluster, TopicID: m.source.TopicID, Topic: m.source.Topic,
		Next: m.fold.Next(), Committed: -1, Epoch: -1,
	}}, nil)
	go func() {
		defer func() { <-m.saving }()
		if err := write(); err != nil {
			m.log.Error("checkpoint failed; a restart takes longer", "error", err)
		}
	}()
	return true
}

// awaitSaved waits until the last checkpoint is written.
func (m *clusterMember) awaitSaved() {
	m.saving <- struct{}{}
	<-m.saving
}

// resolve resolves an alert by hand, in all members.
func (m *clusterMember) resolve(ctx context.Context, alertID, reason string) error {
	offset, err := m.appendAndWait(ctx, cluster.ResolveRecord(m.self,
		cluster.Resolve{Alert: alertID, Reason: reason}))
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if done, _ := m.fold.TakeAnswer(offset); !done {
		return errors.New("no such alert is active")
	}
	return nil
}

// appendAndWait appends a record, and waits until we have applied it.
func (m *clusterMember) appendAndWait(ctx context.Context, record []byte) (int64, error) {
	offset, err := m.appended(ctx, record)
	if err != nil {
		return 0, err
	}
	return offset, m.await(ctx, offset+1)
}

// appended appends a record, and waits until the brokers have it.
func (m *clusterMember) appended(ctx context.Context, record []byte) (int64, error) {
	type answer struct {
		offset int64
		err    error
	}
	done := make(chan answer, 1)
	m.append(record, func(offset int64, err error) { done <- answer{offset, err} })
	select {
	case a := <-done:
		return a.offset, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// changePending says that Pending has changed. The caller holds mu.
func (m *clusterMember) changePending() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// before has a part begin when the fold has reached the end of the topic.
func (m *clusterMember) before(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-m.ready:
			return run(ctx)
		}
	}
}
