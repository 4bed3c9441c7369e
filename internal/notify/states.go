package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	// Alertmanager's API and inhibition get a firing alert anew this often.
	resendInterval = time.Minute
	// How long a firing alert holds in Alertmanager's API unless it is sent anew.
	alertLifetime = 30 * 24 * time.Hour
	// How long an orphan stays: an alert from before a restart that the engine does not know.
	orphanTimeout = 5 * time.Minute
	// How long a pending resolve is tried. Longer than a clock is likely to jump.
	resolveTimeout = 48 * time.Hour
	// How long a closed episode is kept, so that its transitions are recognised when they
	// are read again.
	episodeMemory = 72 * time.Hour
	// How many transitions of one alert wait for a receiver. Beyond it episodes are merged.
	maxSteps = 6
	// How many IDs a message names of the episodes that were merged into it.
	maxMergedIDs = 20
)

// step is one transition of an alert, as receivers are notified of it.
type step struct {
	N     uint64      `json:"n"` // counts the steps of one notification state
	Alert packedAlert `json:"alert"`
	Since time.Time   `json:"since"` // by our clock: when this episode fired
	Until time.Time   `json:"until,omitzero"`

	// Episodes before this one that no message was sent of, because the group's interval is
	// longer than they were.
	Merged      int       `json:"merged,omitempty"`
	MergedIDs   []string  `json:"merged_ids,omitempty"`
	MergedSince time.Time `json:"merged_since,omitzero"` // event time

	// By route: whether the alert was muted there at its group's turn, while this step was the
	// present.
	Muted map[string]bool `json:"muted,omitempty"`
}

func (t *step) firing() bool { return t.Alert.State != models.AlertResolved }

// peak is the value that was furthest beyond the threshold.
func peak(a *models.Alert) float64 {
	switch {
	case a.Peak != 0:
		return a.Peak
	case a.FiredValue != 0:
		return a.FiredValue
	default:
		return a.Value
	}
}

// progress is the last step that an integration was notified of.
type progress struct {
	N     uint64            `json:"n"`
	ID    string            `json:"id"`
	State models.AlertState `json:"state"` // "" when the step was passed over
	At    time.Time         `json:"at"`
}

// state is the notification state of the alert with one set of labels: the steps that some
// integration has not been notified of, the last one being the present, and the progress of each
// integration. What is exported is in the write-ahead log.
//
//	           fire                    resolve
//	(none) ───────────► firing ───────────────────► pending resolve ──► (none)
//	                    ▲    │                        │          all integrations notified,
//	    the engine      │    │ not known to the       │ fire     or 48 h later
//	    confirms it     │    ▼ engine at a restart    ▼
//	                   orphan ──── 5 min ────► pending resolve, then firing as the next step
//
//	event \ state   none            firing               orphan              pending resolve
//	fire, same ID   add step        update the step      confirm, update     ignored: read again
//	fire, other ID  add step        resolve, add step    resolve, add step   add step
//	fire, other     new state       new state, with      new state, with     add step
//	  rule                          the label rule       the label rule
//	resolve         not notified    add step             add step            ignored: read again
//	historical fire not notified    -                    confirm             not notified
type state struct {
	Labels   packedLabels        `json:"labels"`
	Steps    []step              `json:"steps"`
	Notified map[string]progress `json:"notified,omitempty"` // by integration

	fp       model.Fingerprint
	aliases  []string  // other IDs under which the engine knows the present episode
	orphan   time.Time // when the orphan is resolved; zero when the engine knows the alert
	sent     time.Time // when Alertmanager's parts got it last; zero before the first time
	groups   map[*group]bool
	waits    *waiting // it waits for a place; nil if not
	reserved bool     // it has a reserved place
}

func (s *state) last() *step  { return &s.Steps[len(s.Steps)-1] }
func (s *state) firing() bool { return s.last().firing() }
func (s *state) rule() string { return s.last().Alert.Rule }

// present is a copy of a state with only its present step. It is read without a lock.
func (s *state) present() *state {
	return &state{Labels: s.Labels, Steps: []step{*s.last()}, fp: s.fp, orphan: s.orphan}
}

// after returns the steps behind a progress.
func (s *state) after(p progress) []step {
	i, found := slices.BinarySearchFunc(s.Steps, p.N, func(t step, n uint64) int {
		return cmp.Compare(t.N, n)
	})
	if found {
		i++
	}
	return s.Steps[i:]
}

// states holds all notification states. The relay changes them, the dispatcher and its stages read
// them and note what each destination was notified of.
type states struct {
	wal     *wal
	logger  *slog.Logger
	limit   int // alerts handed to Alertmanager's parts at most
	publish publisher
	// Writes a transition to the ordered sinks.
	enqueue func(a models.Alert)
	home    models.Partition // of all alerts in a cluster

	owning   sync.RWMutex // the last to be taken
	mu       sync.Mutex   // guards what follows
	byLabels map[model.Fingerprint]*state
	byID     map[string]*state
	changed  map[*state]bool // to be handed to the dispatcher
	// whose alerts are ours, beside those without a home; changed with mu and owning, read with
	// either
	homes    map[models.Partition]bool
	renewal  time.Time // when all that fires is handed over anew
	renewing []*state  // those that are left of the last time
	admitted admission
	moved    chan struct{} // closed when a state changes
}

func newStates(w *wal, logger *slog.Logger, limit int, publish Publish) *states {
	if publish == nil {
		publish = func(models.Partition, []Entry) {}
	}
	return &states{
		wal:      w,
		logger:   logger,
		limit:    limit,
		publish:  publisher{publish: publish},
		enqueue:  func(models.Alert) {},
		homes:    map[models.Partition]bool{},
		byLabels: map[model.Fingerprint]*state{},
		byID:     map[string]*state{},
		changed:  map[*state]bool{},
		moved:    make(chan struct{}),
		admitted: newAdmission(),
	}
}

// movement returns a channel that is closed when a state changes.
func (b *states) movement() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moved
}

// restore reads the states from before a restart. firing are the alerts that the engine knows now,
// which whole completes; the others are orphans. Transitions that wait in the outbox are taken
// before: they have what is to be notified, as it was decided, and the ends of episodes before
// those that fire now.
func (b *states) restore(
	firing []models.Alert, now time.Time, whole func(models.Alert) models.Alert, takeOutbox func(),
) {
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	b.mu.Lock()
	b.wal.each(keyAlert, now, func(_, value string) {
		s, err := unpackState(value)
		if err != nil {
			b.logger.Error(
				"notification state cannot be read; the alert is notified again if it still fires",
				"error", err,
			)
			return
		}
		if b.home != (models.Partition{}) {
			s.move(b.home)
		}
		if s.firing() && !known[s.last().Alert.ID] && b.ours(s) && !internalAlert(s.rule()) {
			s.orphan = now.Add(orphanTimeout)
		}
		b.add(s)
	})
	b.mu.Unlock()
	takeOutbox()
	for _, a := range firing {
		if a.State == models.AlertFiring && !a.Historical && !a.Shadow {
			b.fire(whole(a), now)
		}
	}
}

func (b *states) add(s *state) {
	s.fp = s.Labels.set().Fingerprint()
	b.byLabels[s.fp], b.changed[s] = s, true
	id := s.last().Alert.ID
	if old := b.byID[id]; old == nil || !old.firing() {
		b.byID[strings.Clone(id)] = s
	}
}

// fire notes that an alert fires. It returns why that is nothing new, if it is not.
func (b *states) fire(a models.Alert, now time.Time) (known string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.episode(a.ID, now)
	if e.closed(a) {
		return "the episode is closed; it was read again"
	}
	id := notificationID(a)
	repeated := slices.Contains(e.Sent, id)
	base := labels(a)
	s := b.byID[a.ID]
	if s != nil && s.firing() && !maps.Equal(labels(s.last().Alert.alert()), base) {
		if repeated || a.At.Before(s.last().Alert.At) {
			return "it was read again"
		}
		// The labels have changed, such as the severity. For Alertmanager that is another alert.
		reason := "goes on with other labels"
		if a.Severity != "" && a.Severity != s.last().Alert.Severity {
			reason = "goes on with severity " + a.Severity
		}
		b.end(s, movedOn(s.last().Alert.alert(), reason), now)
		delete(b.byID, a.ID)
		s = nil
	}
	if s == nil || !s.firing() {
		s = b.place(base, a)
	}
	switch last := s.lastOrNil(); {
	case last != nil && last.firing() && last.Alert.ID == a.ID:
		if a.At.Before(last.Alert.At) && s.orphan.IsZero() {
			return "it was read again"
		}
		last.Alert, s.orphan = pack(a), time.Time{}
		repeated = repeated || len(e.Sent) > 0 // its beginning may have moved: no news
	case last != nil && last.Alert.ID == a.ID && repeated:
		return "it was read again"
	default:
		if last != nil && last.firing() { // its end was lost with the engine's state
			end := movedOn(last.Alert.alert(), "the next episode began")
			end.At = a.At
			b.end(s, end, now)
			b.closeEpisode(end, now)
			b.enqueue(end)
		}
		b.push(s, step{Alert: pack(a), Since: now})
		b.byID[a.ID] = s
	}
	if !repeated {
		e.Sent = append(e.Sent, id)
		e.Open = true
		b.saveEpisode(a, e, time.Time{})
		b.enqueue(a)
	}
	b.change(s)
	return ""
}

func (s *state) lastOrNil() *step {
	if len(s.Steps) == 0 {
		return nil
	}
	return s.last()
}

// place returns the state of a set of labels, a new one if need be. An alert of another rule with
// the same labels gets the label rule, so that each keeps its own beginning and end.
func (b *states) place(set model.LabelSet, a models.Alert) *state {
	for range 2 {
		fp := set.Fingerprint()
		s := b.byLabels[fp]
		if s == nil {
			s = &state{Labels: packLabels(set), fp: fp}
			b.byLabels[fp] = s
			return s
		}
		if !s.firing() || s.rule() == a.Rule || set["rule"] != "" {
			return s
		}
		set = set.Clone()
		set["rule"] = model.LabelValue(clean(a.Rule, maxLabel))
	}
	return b.byLabels[set.Fingerprint()]
}

// movedOn is the end of an alert that continues under other labels, or is resolved without the
// engine.
func movedOn(a models.Alert, reason string) models.Alert {
	a.State, a.Reason = models.AlertResolved, reason
	return a
}

// push adds a step to a state.
func (b *states) push(s *state, t step) {
	t.N = 1
	if last := s.lastOrNil(); last != nil {
		t.N = last.N + 1
	}
	s.Steps = append(s.Steps, t)
	s.orphan = time.Time{}
	s.compact()
}

// compact keeps the steps of a state few: it drops those that all integrations have been notified
// of, and merges whole episodes that none has been notified of into the next one.
func (s *state) compact() {
	for len(s.Steps) > maxSteps {
		i := s.mergeable()
		if i < 0 {
			return
		}
		s.Steps[i+2].merge(s.Steps[i])
		s.Steps = slices.Delete(s.Steps, i, i+2)
	}
}

// merge has a beginning stand for an earlier one as well. That may be of the same episode, which
// had another severity in between: it is no other alert.
func (t *step) merge(earlier step) {
	ids := earlier.MergedIDs
	if earlier.Alert.ID != t.Alert.ID {
		ids = append(ids, earlier.Alert.ID)
		t.Merged++
		t.MergedSince = earlier.Alert.alert().StartsAt
	}
	if t.Merged += earlier.Merged; earlier.Merged > 0 {
		t.MergedSince = earlier.MergedSince
	}
	t.MergedIDs = append(ids, t.MergedIDs...)
	t.MergedIDs = t.MergedIDs[max(0, len(t.MergedIDs)-maxMergedIDs):]
}

// mergeable is the index of the first whole episode, which another one follows, and whose beginning
// no integration has been notified of or may be being notified of: the first beginning that an
// integration lacks may be on its way, or the process was killed before its answer. -1 if there is
// none.
func (s *state) mergeable() int {
	for i := 1; i+2 < len(s.Steps); i++ {
		if !s.Steps[i].firing() || s.Steps[i+1].firing() || !s.Steps[i+2].firing() {
			continue
		}
		begun := false
		for _, p := range s.Notified {
			next := slices.IndexFunc(s.Steps, func(t step) bool { return t.N > p.N && t.firing() })
			begun = begun || p.N == s.Steps[i].N || next == i
		}
		if !begun {
			return i
		}
	}
	return -1
}

// trim drops the steps that all integrations have passed. The last one stays.
func (s *state) trim(integrations []string) {
	least := s.last().N
	for _, destination := range integrations {
		least = min(least, s.Notified[destination].N)
	}
	i := 0
	for i < len(s.Steps)-1 && s.Steps[i].N <= least {
		i++
	}
	s.Steps = slices.Delete(s.Steps, 0, i)
}

// confirm notes that the engine knows an alert that is not to be notified: the engine has read once
// more what an earlier run notified, perhaps under another ID.
func (b *states) confirm(a models.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[a.ID]
	if s == nil {
		s = b.byLabels[labels(a).Fingerprint()]
	}
	if s == nil || !s.firing() || s.orphan.IsZero() {
		return
	}
	if a.ID != s.last().Alert.ID {
		s.aliases = append(s.aliases, a.ID)
		b.byID[a.ID] = s
	}
	s.orphan = time.Time{}
	b.change(s)
}

// resolve notes that an alert is resolved. It returns why no receiver needs to know, if so.
func (b *states) resolve(a models.Alert, now time.Time) (known string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID[a.ID]
	switch {
	case b.episode(a.ID, now).closed(a):
		return "it was notified before"
	case s == nil:
		return neverNotified
	case !s.firing():
		return "it was notified before"
	}
	notified := s.last().Alert.ID // the same, but after the engine's state was lost
	// It may have fired early with a log that is later than its end.
	closed, fired := a, s.last().Alert.At
	if fired.After(closed.At) {
		closed.At = fired
	}
	b.closeEpisode(closed, now)
	a.ID, closed.ID = notified, notified
	b.end(s, a, now)
	b.closeEpisode(closed, now)
	b.enqueue(s.last().Alert.alert())
	return ""
}

// neverNotified is why no receiver is notified of the end of an alert.
const neverNotified = "no receiver was notified that it fired"

// end adds the step that resolves an alert. Its labels stay, since they say what it is.
func (b *states) end(s *state, a models.Alert, now time.Time) {
	last, was := s.last(), s.last().Alert.alert()
	a.Labels, a.Severity, a.Home = was.Labels, was.Severity, was.Home
	// An alert is also resolved because its rule is gone, and with it the rule's annotations, lines
	// and place. What the end has itself does not depend on what is known here, which after a
	// restart may be another beginning.
	if len(a.Annotations) == 0 {
		a.Annotations = was.Annotations
	}
	if len(a.First)+len(a.Last)+len(a.Top) == 0 {
		a.First, a.Last, a.Top = was.First, was.Last, was.Top
	}
	if a.Source == "" {
		a.Source = was.Source
	}
	for _, id := range s.aliases {
		delete(b.byID, id)
	}
	s.aliases = nil
	b.push(s, step{Alert: pack(a), Since: last.Since, Until: now})
	b.change(s)
}

// change has a state stored and handed to the dispatcher.
func (b *states) change(s *state) {
	b.changed[s] = true
	b.save(s)
	b.wake()
}

// wake wakes the forwarders, which wait for movement.
func (b *states) wake() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// expires is when a state is forgotten; zero for never.
func (s *state) expires() time.Time {
	if s.firing() {
		return time.Time{}
	}
	return s.last().Until.Add(resolveTimeout)
}

func (b *states) save(s *state) {
	expires := s.expires()
	if !b.ours(s) {
		expires = time.Now().Add(dormancy)
	}
	key := keyAlert + s.fp.String()
	b.wal.put(key, s.pack(), expires)
	if home := s.last().Alert.Home; b.homes[home] {
		if value, err := json.Marshal(s); err == nil { // none of its values can fail
			b.publish.pass(home, key, value)
		}
	}
}

// passOf returns a function that publishes what is known of a partition that is ours. The
// notification log calls it with its own lock, for which the dispatcher waits with mu.
func (b *states) passOf(home models.Partition) func(key string, value []byte) {
	return func(key string, value []byte) {
		b.owning.RLock()
		defer b.owning.RUnlock()
		b.pass(home, key, value)
	}
}

// pass publishes what is known of an alert of a partition that is ours.
func (b *states) pass(home models.Partition, key string, value []byte) {
	if b.homes[home] {
		b.publish.pass(home, key, value)
	}
}

// take returns the states that have changed and may be handed to the dispatcher, oldest first. Once
// a minute it returns all that fire and have a place. Those that there is no room for wait.
func (b *states) take(now time.Time) (list []*state, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.renewing) == 0 && !now.Before(b.renewal) {
		b.renewal = now.Add(resendInterval)
		b.renewing = slices.Collect(maps.Values(b.byLabels))
	}
	b.publish.asOne(func() { b.renew(now) })
	admitted := false
	for s := b.admitted.next(b.limit); s != nil; s = b.admitted.next(b.limit) {
		delete(b.changed, s)
		s.sent, admitted = now, true
		list = append(list, s)
	}
	for _, s := range slices.SortedFunc(maps.Keys(b.changed), byAge) {
		delete(b.changed, s)
		switch {
		case !b.ours(s), s.waits != nil:
			continue
		case s.sent.IsZero():
			if !b.admitted.admit(s, b.limit) {
				continue
			}
			admitted = true
		}
		s.sent = now
		list = append(list, s)
	}
	if admitted {
		b.wake() // a forwarder that looked between the change and the admission has passed it over
	}
	if len(b.renewing) > 0 {
		return list, now
	}
	return list, b.renewal
}

// portion is how many states are looked at before others may have the lock. A flood of ten thousand
// alerts, or one group of them, must not hold back what is notified of other rules.
const portion = 256

// portions calls f with each state of a list, and its index, under the lock.
func (b *states) portions(list []*state, f func(i int, s *state)) {
	for from := 0; from < len(list); from += portion {
		b.mu.Lock()
		for i, s := range list[from:min(from+portion, len(list))] {
			f(from+i, s)
		}
		b.mu.Unlock()
	}
}

// aged is a state and its age. The age is read under the lock, the state sorted by it without.
type aged struct {
	s         *state
	since, at time.Time
	id        string
}

func ageOf(s *state) aged {
	last := s.last()
	return aged{s, last.Since, last.Alert.At, last.Alert.ID}
}

func (a aged) compare(b aged) int {
	return cmp.Or(
		a.since.Compare(b.since),
		a.at.Compare(b.at),
		strings.Compare(a.id, b.id),
		cmp.Compare(a.s.fp, b.s.fp),
	)
}

func oldestFirst(list []aged) []*state {
	slices.SortFunc(list, aged.compare)
	sorted := make([]*state, len(list))
	for i := range list {
		sorted[i] = list[i].s
	}
	return sorted
}

func byAge(a, b *state) int { return ageOf(a).compare(ageOf(b)) }

// renew has what fires handed over anew, resolves orphans, and drops resolves that stayed pending
// too long, one portion each time.
func (b *states) renew(now time.Time) {
	list := b.renewing[:min(portion, len(b.renewing))]
	if b.renewing = b.renewing[len(list):]; len(b.renewing) == 0 {
		b.renewing = nil
	}
	for _, s := range list {
		switch {
		case b.byLabels[s.fp] != s || !b.ours(s):
		case s.firing() && !s.orphan.IsZero() && !now.Before(s.orphan):
			b.end(s, movedOn(s.last().Alert.alert(), "the engine no longer knows it"), now)
			ended := s.last().Alert.alert()
			b.closeEpisode(ended, now)
			b.enqueue(ended)
		case s.firing() && s.waits == nil:
			b.changed[s] = true
		case s.firing():
		case now.After(s.last().Until.Add(resolveTimeout)):
			b.drop(s)
		}
	}
}

// drop removes a state of an alert that is resolved, and publishes that to other members.
func (b *states) drop(s *state) {
	b.pass(s.last().Alert.Home, keyAlert+s.fp.String(), nil)
	b.evict(s)
}

// evict removes a state, of which others may know.
func (b *states) evict(s *state) {
	b.wal.remove(keyAlert + s.fp.String())
	delete(b.byLabels, s.fp)
	delete(b.changed, s)
	for _, id := range append(s.aliases, s.last().Alert.ID) {
		if b.byID[id] == s {
			delete(b.byID, id)
		}
	}
	b.leaveGroups(s)
	b.admitted.release(s)
}

func (b *states) leaveGroups(s *state) {
	for g := range s.groups {
		delete(g.members, s.fp)
	}
	s.groups = nil
}

// notified notes that an integration was notified of a step, and reports whether that is news.
func (b *states) notified(destination string, fp model.Fingerprint, t *step) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byLabels[fp]
	if s == nil {
		return false
	}
	at := models.AlertResolved
	if t.firing() {
		at = models.AlertFiring
	}
	last := s.Notified[destination]
	if last.N == t.N && last.State == at {
		return false
	}
	b.progress(s, destination, progress{N: t.N, ID: t.Alert.ID, State: at, At: time.Now()})
	return true
}

// skip notes that an integration will not be notified of a step.
func (b *states) skip(destination string, s *state, t *step) {
	b.progress(s, destination, progress{N: t.N, ID: t.Alert.ID, At: time.Now()})
}

func (b *states) progress(s *state, destination string, p progress) {
	if s.Notified == nil {
		s.Notified = map[string]progress{}
	}
	p.ID = strings.Clone(p.ID) // that of the step keeps its packed alert
	s.Notified[destination] = p
	b.save(s)
}

// mute notes whether a firing alert is muted on a route.
func (b *states) mute(route string, s *state, muted bool) {
	t := s.last()
	if !t.firing() || t.Muted[route] == muted {
		return
	}
	if t.Muted == nil {
		t.Muted = map[string]bool{}
	}
	t.Muted[route] = muted
	b.save(s)
}

// all returns the states that are ours, oldest first.
func (b *states) all() []*state {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []*state
	for _, s := range b.byLabels {
		if b.ours(s) && !s.sent.IsZero() {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, byAge)
	return list
}

// counts are the alerts that fire, and those whose resolve is pending.
func (b *states) counts() (firing, pending int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.byLabels {
		switch {
		case !b.ours(s):
		case s.firing():
			firing++
		default:
			pending++
		}
	}
	return firing, pending
}

// episode is what the engine's episodes are recognised by when they are read again.
type episode struct {
	Sent []string  `json:"sent,omitempty"` // IDs of the notifications that went to the sinks
	Open bool      `json:"open,omitempty"`
	End  time.Time `json:"end,omitzero"` // event time of its end
}

// closed reports whether the episode was resolved at or after this transition.
func (e *episode) closed(a models.Alert) bool { return !e.End.IsZero() && !a.At.After(e.End) }

// expires is when an episode is forgotten; zero for never.
func (e *episode) expires() time.Time {
	if e.End.IsZero() {
		return time.Time{}
	}
	return e.End.Add(episodeMemory)
}

func (b *states) episode(id string, now time.Time) *episode {
	e := &episode{}
	if value, ok := b.wal.get(keyEpisode+id, now); ok {
		_ = json.Unmarshal([]byte(value), e)
	}
	return e
}

func (b *states) closeEpisode(a models.Alert, now time.Time) {
	b.saveEpisode(a, &episode{End: a.At}, now.Add(episodeMemory))
}

func (b *states) saveEpisode(a models.Alert, e *episode, expires time.Time) {
	value, err := json.Marshal(e)
	if err != nil {
		return
	}
	b.wal.put(keyEpisode+a.ID, string(value), expires)
	b.pass(a.Home, keyEpisode+a.ID, value)
}

func (p progress) String() string { return fmt.Sprintf("%d %s %s", p.N, p.ID, p.State) }
