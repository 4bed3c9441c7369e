package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/log-monitoring/alert-engine/internal/wait"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// The alerts of a cluster have one home, the partition of its frames topic. They are notified by
// the leader, and by no other member. The states of alerts whose home another member has stay, but
// are not handed to the dispatcher. Each change of a state is published, so that the next leader
// knows what was notified. Lead begins with a home. Release ends with it: its alerts leave their
// groups without a message, since they are not resolved.

// Changelog is what the members of a cluster know of its alerts, by key: what the leaders have
// published.
type Changelog map[string][]byte

// Publish passes on what the next leader must know, which gets all of the entries, or none. It must
// not block.
type Publish func(home models.Partition, entries []Entry)

// Entry is what is known under a key; without a value it is taken back.
type Entry struct {
	Key   string
	Value []byte
}

// publisher passes on together what is one change: a leader that is killed in the middle would
// leave a transition that counts as notified, and is not in the queue of the file and the topic.
type publisher struct {
	publish Publish

	mu       sync.Mutex // guards what follows, and the order of what is passed on
	together bool
	home     models.Partition
	waiting  []Entry
}

func (p *publisher) pass(home models.Partition, key string, value []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.together {
		p.home, p.waiting = home, append(p.waiting, Entry{key, value})
		return
	}
	p.publish(home, []Entry{{key, value}})
}

// asOne passes on together what is passed on during a call, by any goroutine.
func (p *publisher) asOne(f func()) {
	p.mu.Lock()
	p.together = true
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.together = false; len(p.waiting) > 0 {
		p.publish(p.home, p.waiting)
		p.waiting = nil
	}
}

// How long a state is kept whose home another member may have.
const dormancy = 7 * 24 * time.Hour

// Lead has all alerts of a cluster be ours to notify, until Release. notified is the notification
// state that the former leaders have published, with all that they did. firing are the alerts that
// fire according to the engine. open has the outbox yield what is to be notified, from then on.
func (n *Notifier) Lead(firing []models.Alert, notified Changelog, open func()) {
	home := n.opts.Home
	n.nflog.mergeAll(notified, n.logger)
	n.states.own(home, notified)
	n.shared.lead(notified)
	n.mirror.lead(n, firing)
	n.entering.Lock()
	n.taken = 0 // from the start: members that led since may lack what we took when we led before
	clear(n.overtook)
	n.unread = nil
	n.entering.Unlock()
	open()
	n.takeOutbox() // before what fires: it has the transitions as they were decided
	n.states.acquire(home, firing, time.Now(), n.whole)
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// MergeSilence takes over a silence of another member. It returns the ID of the silence and until
// when it is kept; an empty ID when the silence cannot be read.
func (n *Notifier) MergeSilence(silence []byte) (id string, until time.Time) {
	if id, until = SilenceID(silence); id == "" {
		n.logger.Error("a silence of another member cannot be read")
		return "", time.Time{}
	}
	n.nflog.merging.Store(true)
	defer n.nflog.merging.Store(false)
	if err := n.silences.Merge(silence); err != nil {
		n.logger.Error("a silence of another member cannot be read", "error", err)
	}
	return id, until
}

// SilenceID is the ID of a silence of another member, and until when the silence is kept; an empty
// ID when it cannot be read.
func SilenceID(silence []byte) (id string, until time.Time) {
	var e silencepb.MeshSilence
	if protodelim.UnmarshalFrom(bytes.NewReader(silence), &e) != nil {
		return "", time.Time{}
	}
	return e.Silence.GetId(), e.ExpiresAt.AsTime()
}

// InheritableState is the notification state of the instance without a cluster that had our
// directory before, as a leader publishes it, and its silences, as MergeSilence takes them.
func (n *Notifier) InheritableState() (notified Changelog, silences [][]byte) {
	notified = Changelog{}
	n.states.mu.Lock()
	for _, s := range n.states.byLabels {
		if s.last().Alert.Home != n.opts.Home {
			continue
		}
		if value, err := json.Marshal(s); err == nil {
			notified[keyAlert+s.fp.String()] = value
		}
	}
	n.states.mu.Unlock()
	for _, prefix := range []string{keyEpisode, keyLog} {
		n.wal.each(prefix, time.Now(), func(key, value string) {
			notified[prefix+key] = []byte(value)
		})
	}
	n.wal.each(keySilence, time.Now(), func(_, value string) {
		silences = append(silences, []byte(value))
	})
	return notified, silences
}

// Continue makes the notification state of a cluster, as its leaders have published it, that of an
// instance without one, in the data directory of a notifier that is not made yet. It may be called
// again.
func Continue(dataDir string, logger *slog.Logger, notified Changelog, silences [][]byte) error {
	now := time.Now()
	w, err := openWAL(filepath.Join(dataDir, "notify"), logger, now)
	if err != nil {
		return err
	}
	var known []string // what this member knew of the alerts of the cluster
	w.each(keyAlert, now, func(key, value string) {
		s, err := unpackState(value)
		if err != nil || (s.last().Alert.Home != models.Partition{}) {
			known = append(known, keyAlert+key)
		}
	})
	for _, key := range known {
		w.remove(key)
	}
	continueQueue(w, notified, now)
	for key, value := range notified {
		switch {
		case strings.HasPrefix(key, keyAlert):
			s, err := unpackState(string(value))
			if err != nil {
				logger.Error("notification state of the cluster cannot be read; the alert is "+
					"notified again if it still fires", "error", err)
				continue
			}
			s.rehome(models.Partition{})
			w.put(key, s.pack(), s.expires())
		case strings.HasPrefix(key, keyEpisode):
			if e := (&episode{}); json.Unmarshal(value, e) == nil {
				w.put(key, string(value), e.expires())
			}
		case strings.HasPrefix(key, keyLog):
			var e nflogpb.MeshEntry
			if protodelim.UnmarshalFrom(bytes.NewReader(value), &e) == nil {
				w.put(key, string(value), e.ExpiresAt.AsTime())
			}
		}
	}
	for _, silence := range silences {
		if id, until := SilenceID(silence); id != "" {
			w.put(keySilence+id, string(silence), until)
		}
	}
	return w.close()
}

// move gives the alert of an instance without a cluster the home that all alerts have in one. The
// process's own alerts are not shared in the cluster.
func (s *state) move(home models.Partition) {
	if (s.last().Alert.Home == models.Partition{} && !internalAlert(s.rule())) {
		s.rehome(home)
	}
}

func (s *state) rehome(home models.Partition) {
	for i := range s.Steps {
		a := s.Steps[i].Alert.alert()
		a.Home = home
		s.Steps[i].Alert = pack(a)
	}
}

// own makes the states of a partition those that another member has left.
func (b *states) own(home models.Partition, notified Changelog) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owning.Lock()
	b.homes[home] = true
	b.owning.Unlock()
	b.replace(home, notified)
}

// mergeAll takes over the entries that a former leader has published.
func (l *notificationLog) mergeAll(notified Changelog, logger *slog.Logger) {
	l.merging.Store(true)
	defer l.merging.Store(false)
	for key, value := range notified {
		if !strings.HasPrefix(key, keyLog) {
			continue
		}
		if err := l.log.Merge(value); err != nil {
			logger.Error("an entry of the notification log cannot be read", "key", key,
				"error", err)
		}
	}
}

// DrainOutbox takes in at once what the outbox has, and publishes it.
func (n *Notifier) DrainOutbox() { n.takeOutbox() }

// Release notifies of what is still to be notified of some partitions, as far as ctx allows, and
// then no more: another member may continue with them.
func (n *Notifier) Release(ctx context.Context, homes []models.Partition) {
	if ctx.Err() == nil {
		n.takeOutbox()
	}
	l := n.pipeline.Load()
	for l != nil && ctx.Err() == nil &&
		(n.states.unsent(homes) || l.dispatcher.isBusy() || n.busyQueues()) {
		n.dispatch(time.Now())
		wait.Sleep(ctx, 20*time.Millisecond)
	}
	// The mirror hands the API each alert once, which is to be after they leave it here.
	n.mirror.refreshing.Lock()
	defer n.mirror.refreshing.Unlock()
	gone := n.states.release(homes, time.Now())
	n.shared.reset()
	if l != nil && len(gone) > 0 {
		// The alerts leave the API and inhibition.
		if err := n.alerts.Put(context.Background(), gone...); err != nil {
			n.logger.Error("alerts cannot be taken out of Alertmanager's API", "error", err)
		}
	}
}

// ours reports whether an alert is ours to notify. The caller holds mu.
func (b *states) ours(s *state) bool {
	home := s.last().Alert.Home
	return home == models.Partition{} || b.homes[home]
}

// release gives partitions up. It returns their alerts, as ended now.
func (b *states) release(homes []models.Partition, now time.Time) (gone []*alert.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owning.Lock()
	for _, home := range homes {
		delete(b.homes, home)
	}
	b.owning.Unlock()
	for _, s := range b.byLabels {
		if b.ours(s) || !slices.Contains(homes, s.last().Alert.Home) {
			continue
		}
		delete(b.changed, s)
		b.leaveGroups(s)
		b.admitted.release(s)
		if !s.sent.IsZero() {
			a := model.Alert{Labels: s.Labels.set(), StartsAt: s.last().Since, EndsAt: now}
			gone = append(gone, alert.New(a, now, false))
		}
		s.sent = time.Time{}
		b.save(s) // it may expire
	}
	return gone
}

// unsent reports whether an alert of some partitions has not been handed to the dispatcher. What
// waits for its group's turn is notified by the next owner.
func (b *states) unsent(homes []models.Partition) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.changed {
		if b.ours(s) && s.waits == nil && slices.Contains(homes, s.last().Alert.Home) {
			return true
		}
	}
	return false
}

// acquire continues with a partition.
func (b *states) acquire(
	home models.Partition,
	firing []models.Alert,
	now time.Time,
	whole func(models.Alert) models.Alert,
) {
	b.mu.Lock()
	b.owning.Lock()
	b.homes[home] = true
	b.owning.Unlock()
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	for _, s := range b.byLabels {
		if s.last().Alert.Home != home {
			continue
		}
		if s.firing() && !known[s.last().Alert.ID] {
			s.orphan = now.Add(orphanTimeout)
		}
		b.change(s)
	}
	b.mu.Unlock()
	for _, a := range firing {
		if a = whole(a); a.Historical {
			b.confirm(a)
		} else {
			b.fire(a, now)
		}
	}
}

// replace makes the states of a partition those that another member has left.
func (b *states) replace(home models.Partition, published Changelog) {
	for _, s := range slices.Collect(maps.Values(b.byLabels)) {
		if s.last().Alert.Home == home {
			b.evict(s)
		}
	}
	for key, value := range published {
		switch {
		case strings.HasPrefix(key, keyEpisode):
			e := &episode{}
			if json.Unmarshal(value, e) != nil ||
				!e.End.IsZero() && time.Since(e.End) > episodeMemory {
				b.publish.pass(home, key, nil)
				continue
			}
			b.wal.put(key, string(value), e.expires())
		case strings.HasPrefix(key, keyAlert):
			s, err := unpackState(string(value))
			if err != nil {
				b.logger.Error(
					"another member's notification state cannot be read; "+
						"the alert is notified again if it still fires",
					"error", err,
				)
				continue
			}
			b.wal.put(key, s.pack(), time.Time{})
			b.add(s)
		}
	}
}
