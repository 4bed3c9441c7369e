package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/prometheus/alertmanager/alert"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	// between two changes of one alert: Alertmanager takes alerts in with several goroutines, which
	// may swap what comes back to back
	spacing = 250 * time.Millisecond
	// a firing alert is handed over anew this often, so that it goes on to fire
	resend = time.Minute
	// for which an alert holds unless it is handed over anew; far beyond any flush, and any jump of
	// the clock, or it would seem resolved
	lifetime = 30 * 24 * time.Hour
	// for which an alert from before a restart holds that the engine does not know as firing
	doubt = 5 * time.Minute
	// for which an alert that is over is tried to be told; more than a clock is likely to jump
	patience = 48 * time.Hour
	// for which an alert that is over is remembered, so that a transition read again tells nothing
	// again
	memory = 72 * time.Hour
)

// told is what an integration was last told of an alert, and when.
type told struct {
	State models.AlertState `json:"state"` // firing or resolved; "" for nothing yet
	At    time.Time         `json:"at"`

	// by another member, and our notification log does not know
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// record is what people are to know about the alert with one set of labels. What is exported
// outlives the process.
type record struct {
	Alert  models.Alert    `json:"alert"`  // the transition that counts
	Firing bool            `json:"firing"` // or over, and perhaps not everybody knows yet
	Since  time.Time       `json:"since"`  // by our clock, unlike the times in Alert
	Until  time.Time       `json:"until,omitzero"`
	Told   map[string]told `json:"told,omitempty"` // by integration
	// by route: whether it was muted there when its turn came last while it fired
	Muted map[string]bool `json:"muted,omitempty"`
	// of other rules, that fire with the same labels: for people it is one alert
	Others []models.Alert `json:"others,omitempty"`

	labels  model.LabelSet
	updated time.Time       // when it was handed over last; zero before the first time
	settled map[string]bool // routes that are done with it, now that it is over
	// when it is taken for over, because the engine does not know it; zero for not
	doubted time.Time
	rests   time.Time // when it may be handed over next, after it was taken back
}

// book holds what people are to know. The loop of the notifier changes it and hands it over to
// Alertmanager, whose stages tell it what became of that.
type book struct {
	journal *journal
	logger  *slog.Logger
	limit   int     // alerts handed over at most
	share   Publish // passes on what other members have to know

	mu       sync.Mutex // guards what follows
	records  map[model.Fingerprint]*record
	byID     map[string]*record
	changed  map[*record]bool          // those to be handed over
	homes    map[models.Partition]bool // whose alerts are ours to tell, beside those without a home
	nextTime time.Time                 // when all that fires is handed over anew
	within   int                       // records that were handed over
	refused  int                       // records that found no room the last time
	strays   []*alert.Alert            // that are over, which a group does not know yet
	moved    chan struct{}             // is closed when a record changes
}

func newBook(j *journal, logger *slog.Logger, limit int, share Publish) *book {
	if share == nil {
		share = func(models.Partition, string, []byte) {}
	}
	return &book{
		journal: j,
		logger:  logger,
		limit:   limit,
		share:   share,
		homes:   map[models.Partition]bool{},
		records: map[model.Fingerprint]*record{},
		byID:    map[string]*record{},
		changed: map[*record]bool{},
		moved:   make(chan struct{}),
	}
}

// movement returns a channel that is closed when a record changes.
func (b *book) movement() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moved
}

// restore reads what was known before a restart. firing are the alerts that the engine knows now:
// what it does not know is doubted, and over after a while.
func (b *book) restore(firing []models.Alert, now time.Time) {
	known := map[string]bool{}
	for _, a := range firing {
		known[a.ID] = true
	}
	b.journal.each("alert/", now, func(key string, value []byte) {
		r := &record{}
		if err := json.Unmarshal(value, r); err != nil {
			b.logger.Error(
				"an alert from before the restart cannot be read; it is told again if it still fires",
				"error",
				err,
			)
			return
		}
		r.Others = slices.DeleteFunc(r.Others, func(a models.Alert) bool { return !known[a.ID] })
		if !known[r.Alert.ID] && len(r.Others) > 0 {
			r.Alert, r.Others = r.Others[0], r.Others[1:]
		}
		if r.Firing && !known[r.Alert.ID] && b.ours(r) {
			r.doubted = now.Add(doubt)
		}
		b.add(r)
	})
	for _, a := range firing {
		if a.State == models.AlertFiring && !a.Historical && !a.Shadow {
			b.fire(a, now)
		}
	}
}

func (b *book) add(r *record) {
	r.labels = labels(r.Alert)
	b.records[r.labels.Fingerprint()], b.changed[r] = r, true
	if old := b.byID[r.Alert.ID]; old == nil || !old.Firing {
		b.byID[r.Alert.ID] = r
	}
	for _, a := range r.Others {
		b.byID[a.ID] = r
	}
}

// fire notes that an alert fires. It returns why that is nothing new, if it is not.
func (b *book) fire(a models.Alert, now time.Time) (nothing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isOver(a, now) {
		return "it was told before, and is over since"
	}
	set := labels(a)
	fp := set.Fingerprint()
	if old := b.byID[a.ID]; old != nil && old.labels.Fingerprint() != fp && old.Firing {
		if a.At.Before(old.Alert.At) {
			return "" // read once more
		}
		// Its labels have moved, such as the severity. For Alertmanager that is another alert.
		old.Alert.Reason = "goes on with other labels"
		if a.Severity != "" && a.Severity != old.Alert.Severity {
			old.Alert.Reason = "goes on with severity " + a.Severity
		}
		b.end(old, old.Alert, now)
		delete(b.byID, a.ID)
	}
	r := b.records[fp]
	switch {
	case r != nil && r.Alert.ID == a.ID && !r.Firing && !a.At.After(r.Alert.At):
		return "it is over" // and read once more
	case r == nil:
		r = &record{Alert: a, Firing: true, Since: now}
		b.add(r)
	case r.Alert.ID == a.ID && r.Firing:
		if a.At.Before(r.Alert.At) && r.doubted.IsZero() {
			return "" // read once more
		}
		r.Alert, r.doubted = a, time.Time{}
	case r.Firing && r.doubted.IsZero() && r.Alert.Rule != a.Rule:
		r.withdraw(a.ID)
		r.Others = append(r.Others, a)
		b.byID[a.ID] = r
	default:
		b.again(r, a, now)
	}
	b.change(r)
	return ""
}

// withdraw forgets an alert of another rule.
func (r *record) withdraw(id string) {
	r.Others = slices.DeleteFunc(r.Others, func(a models.Alert) bool { return a.ID == id })
}

// confirm notes that the engine knows that an alert fires, even though nobody is to be told: it
// reads once more what an earlier run told.
func (b *book) confirm(a models.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.byID[a.ID]
	if r == nil {
		r = b.records[labels(a).Fingerprint()]
	}
	if r == nil || !r.Firing || r.doubted.IsZero() {
		return
	}
	delete(b.byID, r.Alert.ID)
	a.Labels = r.Alert.Labels // which say what it is
	r.Alert, r.doubted = a, time.Time{}
	b.byID[a.ID] = r
	b.change(r)
}

// change has a record stored and handed over.
func (b *book) change(r *record) {
	b.changed[r] = true
	b.save(r)
	close(b.moved)
	b.moved = make(chan struct{})
}

// again makes a record that was over, or was of another alert with the same labels, one of this
// alert.
func (b *book) again(r *record, a models.Alert, now time.Time) {
	if !r.Firing {
		b.remember(r.Alert, r.Until)
		r.Since = now
	}
	delete(b.byID, r.Alert.ID)
	b.byID[a.ID] = r
	for who, last := range r.Told {
		if last.State == models.AlertResolved {
			delete(r.Told, who)
		}
	}
	r.Alert, r.Firing, r.Until, r.Muted, r.settled, r.doubted = a, true, time.Time{}, nil, nil, time.Time{}
}

// resolve notes that an alert is over. It returns why nobody needs to know, if so.
func (b *book) resolve(a models.Alert, now time.Time) (nothing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.byID[a.ID]
	switch {
	case b.isOver(a, now):
		return "it was told before"
	case r == nil:
		return unheard
	case !r.Firing:
		return "it was told before"
	case r.Alert.ID == a.ID && len(r.Others) == 0:
		b.end(r, a, now)
		return ""
	case r.Alert.ID == a.ID:
		r.Alert, r.Others = r.Others[0], r.Others[1:]
	}
	r.withdraw(a.ID)
	delete(b.byID, a.ID)
	b.remember(a, now)
	b.change(r)
	return "an alert of another rule, which has the same labels, still fires"
}

// unheard is why nobody hears that an alert is over of which nobody heard before.
const unheard = "nobody was told that it fired"

// end makes a record one that is over. Its labels stay, since they say what it is.
func (b *book) end(r *record, a models.Alert, now time.Time) {
	r.Alert.State, r.Firing, r.Until, r.doubted = models.AlertResolved, false, now, time.Time{}
	if a.State == models.AlertResolved {
		a.Labels, a.Severity, a.Home = r.Alert.Labels, r.Alert.Severity, r.Alert.Home
		// it is over because its rule is gone, and with it what the rule had to say
		if len(a.Annotations) == 0 {
			a.Annotations, a.First, a.Last, a.Top, a.Source = r.Alert.Annotations, r.Alert.First, r.Alert.Last, r.Alert.Top, r.Alert.Source
		}
		r.Alert = a
	}
	b.change(r)
}

// isOver says whether the end of the alert was told, at or after this transition. IDs are of
// episodes and do not come back, except after state was lost.
func (b *book) isOver(a models.Alert, now time.Time) bool {
	var end time.Time
	b.journal.get("over/"+a.ID, now, func(value []byte) { _ = end.UnmarshalBinary(value) })
	return !end.IsZero() && !a.At.After(end)
}

// remember keeps the end of an alert in mind.
func (b *book) remember(a models.Alert, until time.Time) {
	if end, err := a.At.MarshalBinary(); err == nil {
		b.journal.put(sharedOver+a.ID, end, until.Add(memory))
		b.pass(a.Home, sharedOver+a.ID, end)
	}
}

// pass shares what is said of an alert of a partition that is ours.
func (b *book) pass(home models.Partition, key string, value []byte) {
	if b.homes[home] {
		b.share(home, key, value)
	}
}

func (b *book) save(r *record) {
	value, err := json.Marshal(r)
	if err != nil { // a value that is not a number
		one := *r
		one.Alert.Value = 0
		value, _ = json.Marshal(&one)
	}
	var expires time.Time
	switch {
	case !b.ours(r):
		expires = time.Now().Add(dormancy)
	case !r.Firing:
		expires = r.Until.Add(patience)
	}
	key := sharedAlert + r.labels.Fingerprint().String()
	b.journal.put(key, value, expires)
	b.pass(r.Alert.Home, key, value)
}

// due returns what is to be handed over to Alertmanager now, and when to ask again.
func (b *book) due(now time.Time, external *url.URL) (list []*alert.Alert, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.nextTime) {
		b.renew(now)
	}
	next, b.refused = b.nextTime, 0
	list, b.strays = b.strays, nil
	for _, r := range slices.SortedFunc(maps.Keys(b.changed), oldest) {
		if !b.ours(r) {
			delete(b.changed, r)
			continue
		}
		at := r.rests
		if !r.updated.IsZero() {
			at = r.updated.Add(spacing)
		}
		if now.Before(at) {
			next = earlier(next, at)
			continue
		}
		if r.updated.IsZero() && b.within >= b.limit {
			b.refused++
			continue
		}
		if r.updated.IsZero() {
			b.within++
		}
		delete(b.changed, r)
		list = append(list, b.handOver(r, now, external))
	}
	return list, next
}

func oldest(a, b *record) int {
	return cmp.Or(
		a.Since.Compare(b.Since),
		a.Alert.At.Compare(b.Alert.At),
		strings.Compare(a.Alert.ID, b.Alert.ID),
	)
}

// renew has all that fires handed over anew, and ends what is doubted.
func (b *book) renew(now time.Time) {
	b.nextTime = now.Add(resend)
	for _, r := range b.records {
		switch {
		case !b.ours(r): // and to be told by somebody else
		case r.Firing && !r.doubted.IsZero() && !now.Before(r.doubted):
			r.Alert.Reason = "the engine no longer knows it"
			b.end(r, r.Alert, now)
		case r.Firing:
			b.changed[r] = true
		case now.After(r.Until.Add(patience)):
			b.drop(r)
		}
	}
}

func (b *book) handOver(r *record, now time.Time, external *url.URL) *alert.Alert {
	r.updated = now
	a := &alert.Alert{UpdatedAt: now, Alert: modelAlert(r, now.Add(lifetime))}
	a.GeneratorURL = link(external, r.Alert.ID)
	switch {
	case !r.Firing:
		a.EndsAt = r.Until
	case !r.doubted.IsZero():
		a.EndsAt, a.Timeout = r.doubted, true
	}
	return a
}

func modelAlert(r *record, ends time.Time) model.Alert {
	return model.Alert{
		Labels:      r.labels,
		Annotations: annotations(r.Alert),
		StartsAt:    r.Since,
		EndsAt:      ends,
	}
}

// current returns the alerts of a group without those that the group takes for firing although they
// have been over for a while. That is what remains when Alertmanager took two changes of an alert
// in the wrong order; the group is set right with what is handed over next. Nor does it return what
// another member is to tell.
func (b *book) current(alerts []*alert.Alert, now time.Time) []*alert.Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(alerts), func(a *alert.Alert) bool {
		r := b.records[a.Fingerprint()]
		if r != nil && !b.ours(r) {
			return true
		}
		if a.Resolved() ||
			r != nil && (r.Firing || b.changed[r] || now.Before(r.updated.Add(spacing))) {
			return false
		}
		stray := *a
		stray.EndsAt, stray.UpdatedAt = now, now
		b.strays = append(b.strays, &stray)
		return true
	})
}

// settle notes that a settler, a route or an Alertmanager, is done with alerts that are over. When
// all its settlers are, the alert is history. A route is only done with what was handed over to it
// last.
func (b *book) settle(
	settler string,
	settlers func(model.LabelSet) []string,
	alerts []*alert.Alert,
	route bool,
) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range alerts {
		r := b.records[a.Fingerprint()]
		if r == nil || !b.ours(r) || r.Firing || !a.Resolved() ||
			route && !a.UpdatedAt.Equal(r.updated) {
			continue
		}
		if r.settled == nil {
			r.settled = map[string]bool{}
		}
		r.settled[settler] = true
		if covers(r.settled, settlers(r.labels)) {
			b.remember(r.Alert, r.Until)
			b.drop(r)
		}
	}
}

func covers(done map[string]bool, all []string) bool {
	for _, one := range all {
		if !done[one] {
			return false
		}
	}
	return true
}

func (b *book) drop(r *record) {
	b.pass(r.Alert.Home, sharedAlert+r.labels.Fingerprint().String(), nil)
	b.forget(r)
}

// forget drops a record, of which others may know.
func (b *book) forget(r *record) {
	fp := r.labels.Fingerprint()
	b.journal.remove(sharedAlert + fp.String())
	delete(b.records, fp)
	delete(b.changed, r)
	if b.byID[r.Alert.ID] == r {
		delete(b.byID, r.Alert.ID)
	}
	if !r.updated.IsZero() {
		b.within--
	}
}

// sent notes what a receiver was told, and says whether that is news.
func (b *book) sent(who string, a *alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[a.Fingerprint()]
	if r == nil {
		return false
	}
	what := stateOf(a)
	if last := r.Told[who]; last.State == what && !last.Elsewhere {
		return false
	}
	if r.Told == nil {
		r.Told = map[string]told{}
	}
	r.Told[who] = told{State: what, At: time.Now()}
	b.save(r)
	return true
}

// mute notes whether an alert that fires is muted on a route.
func (b *book) mute(routeID string, a *alert.Alert, muted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[a.Fingerprint()]
	if r == nil || !r.Firing || r.Muted[routeID] == muted {
		return
	}
	if r.Muted == nil {
		r.Muted = map[string]bool{}
	}
	r.Muted[routeID] = muted
	b.save(r)
}

// heard says whether a receiver was told that an alert fires, and nothing since.
func (b *book) heard(who string, a *alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[a.Fingerprint()]
	return r != nil && r.Told[who].State == models.AlertFiring
}

// owed says whether an integration must yet be told that an alert is over: it was told that it
// fires, or missed it.
func (b *book) owed(routeID, who string, a *alert.Alert) bool {
	return a.Resolved() && (b.heard(who, a) || b.missed(routeID, who, a))
}

// missed says whether an alert is over of which an integration was not told in time, while nothing
// muted it.
func (b *book) missed(routeID, who string, a *alert.Alert) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[a.Fingerprint()]
	return r != nil && !r.Firing && r.Told[who].State == "" && !r.Muted[routeID]
}

// id is the ID of the alert that has these labels.
func (b *book) id(fp model.Fingerprint) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.records[fp]; r != nil {
		return r.Alert.ID
	}
	return ""
}

// alarm returns an error while alerts cannot be handed over for want of room.
func (b *book) alarm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused == 0 {
		return nil
	}
	return fmt.Errorf(
		"%d alerts wait, because %d fire already: nobody is told of them until others are over; silence does not help, a rule with fewer groups does",
		b.refused,
		b.limit,
	)
}

// counts are the alerts that fire, and those over of which somebody is still to be told.
func (b *book) counts() (firing, over int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		switch {
		case !b.ours(r):
		case r.Firing:
			firing++
		default:
			over++
		}
	}
	return firing, over
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
