// Package alerting decides when logs amount to an alert, and when it resolves.
//
// An Engine has two halves. Its scanners read records and find the rules that they match; they
// share nothing that changes, so there are as many of them as there are processors, and a log that
// matches nothing costs no more than being looked at. What matches is a hit. Apply puts hits into
// the window of their rule and group, and Advance tells how far time has come; these two are the
// only ways to change the engine's state, which is therefore a fold of the logs: the same logs give
// the same alerts with the same identities, in whatever batches they come, out of order as far as a
// rule's lateness allows, read as they are written or hours later at full speed, with or without a
// restart in between.
//
// Two ways lead to an alert. A condition that more logs can only make truer, such as count() > 10,
// fires with the log that completes it. Everything else, and the end of every alert, is decided at
// the watermark: the event time before which nothing more is expected. It follows the logs while
// they are behind, and the clock where Kafka itself says that there are none left; so neither a
// backlog nor a broker that is away is mistaken for silence.
//
// What is decided is a transition, a models.Alert, which goes to the function given by WithEmit.
// The engine reads no clock, starts no goroutine, does no input and output, and keeps nothing on
// disk: Save and Restore exchange its state with the caller, which stores it.
package alerting

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Engine evaluates logs against rules. EvaluateLog, EvaluateBatch, NewScanner and everything that
// only reads may be used by any number of goroutines. Apply, Advance, Save and Restore are for one:
// the goroutine that owns the order of the logs.
type Engine struct {
	opts    options
	seed    maphash.Seed
	ruleSet atomic.Pointer[ruleSet]
	scans   sync.Pool // of *scan
	sample  sample    // of the records that were scanned
	singles sync.Pool // of *scanner, for logs that come one by one
	// values of which a regular expression read only the beginning
	regexpsCut atomic.Int64
	notices    [decode.NoticeCount]atomic.Uint64 // of logs, since the start

	changing sync.Mutex // serialises changes of the rules
	// keeps transitions in order while they are emitted; taken before mu is released
	emitting sync.Mutex

	mu sync.Mutex // guards what follows
	// the state of the rules of ruleSet, in its order; and the same by name and by fingerprint
	rules         []*ruleState
	byName        map[string][]*ruleState
	byFingerprint map[uint64]*ruleState
	suppressions  []*suppressionState // in the order of ruleSet
	watermarks    watermarks
	transitions   []models.Alert // decided, and not emitted yet
	alertLogs     []models.Alert // decided, and not yet passed on to the rules that read alerts
	machine       machine        // scratch
	prefetch      prefetcher     // scratch
	alertScanner  *scanner
	event         window.Event
	total         totals
	persisted     persistedKeys
	// by the fingerprint of the rule's ID, also of rules that are gone
	counters    map[uint64]*episodeCounters
	late        lateLog
	missed      []Missed // the newest
	live        int      // groups of all rules
	expirations int      // groups that may still be dropped in this move
	step        int64    // event time at which logs that come one by one last moved time
}

// totals are counters of the engine as a whole.
type totals struct {
	logs, rejected, dropped, futureTimes, hits int64
}

// NewEngine makes an engine. Without options it has a few rules of its own, see DefaultRules, and
// logs its alerts.
func NewEngine(opts ...Option) *Engine {
	e := &Engine{
		seed:       maphash.MakeSeed(),
		watermarks: newWatermarks(),
		counters:   make(map[uint64]*episodeCounters),
	}
	for _, o := range opts {
		o(&e.opts)
	}
	e.opts.withDefaults()
	e.watermarks.except = e.opts.recordedTopic
	e.scans.New = func() any { return newScan() }
	e.singles.New = func() any { return e.newScanner() }
	e.machine.e = e
	e.machine.onEdge = e.machine.edge
	e.alertScanner = e.newScanner()
	p, err := e.compile(e.opts.rules)
	if err != nil {
		panic(fmt.Sprintf("alerting: %v", err))
	}
	e.adopt(p)
	if e.opts.registerer != nil {
		e.opts.registerer.MustRegister(collector{e})
	}
	return e
}

// EvaluateLog evaluates one log. Time follows the logs: it is not known whether there are more.
func (e *Engine) EvaluateLog(log models.LogEntry) {
	e.evaluate([]models.LogEntry{log})
}

// EvaluateBatch evaluates logs in their order. It stops when ctx ends, and says so.
func (e *Engine) EvaluateBatch(ctx context.Context, logs []models.LogEntry) error {
	const chunk = 256
	for len(logs) > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("evaluate logs: %d are left: %w", len(logs), err)
		}
		n := min(chunk, len(logs))
		e.evaluate(logs[:n])
		logs = logs[n:]
	}
	return nil
}

func (e *Engine) evaluate(logs []models.LogEntry) {
	s := e.singles.Get().(*scanner)
	scans := make([]*scan, len(logs))
	for i := range logs {
		scans[i] = s.entry(&logs[i])
	}
	e.singles.Put(s)
	e.mu.Lock()
	for _, sc := range scans {
		e.apply(sc)
		e.watermarks.alone(e.watermarks.partition(sc.partition), sc.logs)
	}
	e.advanceAlone()
	e.unlockAndEmit()
	for _, sc := range scans {
		e.release(sc)
	}
}

// advanceAlone moves time after logs that came one by one, once in a second of event time.
func (e *Engine) advanceAlone() {
	at := e.watermarks.progressOf(nil).base
	if at == always || at < e.step+int64(time.Second) {
		return
	}
	e.step = at
	e.watermarks.now = max(e.watermarks.now, at)
	e.advance()
}

// Apply applies a scan of one of the engine's scanners: those of a partition in the order of their
// offsets. The scan is gone afterwards.
func (e *Engine) Apply(s models.Scan) {
	sc := s.(*scan)
	e.mu.Lock()
	e.apply(sc)
	e.unlockAndEmit()
	e.release(sc)
}

// Advance tells the time, and how far partitions were read. A partition that is not spoken of
// stands still, and holds back those who read it for a minute.
func (e *Engine) Advance(now time.Time, progress []models.Progress) {
	e.mu.Lock()
	e.watermarks.advance(now.UnixNano(), progress)
	e.advance()
	e.unlockAndEmit()
}

// ResumeAt gives an engine that was restored the time of the last Advance before it was saved. It
// decides nothing.
func (e *Engine) ResumeAt(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watermarks.now, e.watermarks.advanced = max(e.watermarks.now, now.UnixNano()), true
}

// LongestWindow is how far back the logs matter that some rule looks at.
func (e *Engine) LongestWindow() time.Duration {
	longest := time.Duration(0)
	for _, c := range e.ruleSet.Load().rules {
		longest = max(longest, c.condition.Lookback()+c.rule.For+time.Duration(c.mostLateness()))
	}
	return longest
}

// unlockAndEmit releases the state, and emits the transitions. They are emitted without the lock,
// so that the receiver may read the engine.
func (e *Engine) unlockAndEmit() {
	out := e.takeTransitions()
	if len(out) == 0 {
		e.mu.Unlock()
		return
	}
	e.emitting.Lock()
	e.mu.Unlock()
	for i := range out {
		e.opts.emit(out[i])
	}
	e.emitting.Unlock()
}

func (e *Engine) release(sc *scan) {
	if sc.recycle() {
		e.scans.Put(sc)
	}
}

// apply puts the hits of a scan into their groups.
func (e *Engine) apply(sc *scan) {
	e.total.logs += int64(sc.logs)
	e.total.rejected += int64(len(sc.rejected) + sc.rejectedElsewhere)
	e.total.dropped += int64(sc.dropped)
	e.total.futureTimes += int64(sc.futureTimes)
	e.total.hits += int64(len(sc.hits))
	if sc.logs == 0 {
		return
	}
	pt := e.watermarks.observe(sc)
	for i := range sc.suppressionHits {
		m := &sc.suppressionHits[i]
		if s := e.suppressionOf(sc.rules, m.suppression); s != nil {
			e.decideSuppressed(s, m.time)
			s.note(string(sc.bytes(m.key)), logPlace{m.time, sc.order(m.offset, m.index)}, m.end)
			e.wake(s)
		}
	}
	for i := range sc.hits {
		if i%prefetchHits == 0 {
			e.prefetch.prefetch(e, sc, sc.hits[i:min(i+prefetchHits, len(sc.hits))])
		}
		if rs := e.stateOf(sc.rules, sc.hits[i].rule); rs != nil && !rs.backfilling {
			e.hit(rs, sc, &sc.hits[i], pt, e.prefetch.found[i%prefetchHits])
		}
	}
}

// hit puts one hit into its group.
func (e *Engine) hit(rs *ruleState, sc *scan, h *hit, pt *partitionTime, likely prefetched) {
	rs.matches++
	rs.lastMatch = max(rs.lastMatch, h.time)
	e.startRule(rs, pt.oldest)
	watermark := rs.watermark
	late := watermark != always && h.time <= watermark
	var behind, allowed time.Duration
	if late {
		behind, allowed = e.lateBy(rs, pt, h.time)
		rs.late++
		pt.late++
		if h.time+rs.condition.Retains() <= watermark+1 { // no instant that is not decided sees it
			rs.tooLate++
			e.late.note(rs, sc, h, behind, allowed, false)
			e.noteMissed(rs, sc, h, pt, behind)
			return
		}
	}
	number, ok := rs.groups.group(sc.bytes(h.key), likely)
	if ok && rs.groups.at(number).due <= watermark { // it has expired, and waits to be dropped
		e.decide(rs, number)
		number, ok = rs.groups.find(sc.bytes(h.key))
	}
	if !ok {
		if !e.room(rs, pt, h) {
			return
		}
		number = e.newGroup(rs, string(sc.bytes(h.key)), window.Unknown)
	}
	m := e.at(rs, number)
	if lag := watermark - m.g.win.SweptTo(); watermark != always && lag > 0 &&
		(h.time <= watermark || lag > int64(rs.condition.Lookback())/2) {
		m.sweep(watermark)
	}
	m.keepRecorded(h.time)
	first := m.g.win.KnownSince()
	arrival := m.add(e.eventOf(sc, h), late)
	if late {
		e.late.note(rs, sc, h, behind, allowed, arrival != window.TooLate)
	}
	if arrival == window.TooLate {
		rs.tooLate++
		e.noteMissed(rs, sc, h, pt, behind)
		return
	}
	if rs.condition.MakesKnown(h.bits) {
		rs.noteSeen(number, m.g, h.time, first)
	}
	if rs.values != nil {
		m.sampleValue(h.time)
	}
	ed, fires := window.Edge{}, false
	if m.g.alert == nil && m.firesEarly() {
		ed, fires = m.g.win.Eager(rs.condition)
	}
	rs.sample(m.g, sc, h, fires)
	if fires {
		m.fireEarly(ed)
	}
	m.notePeak(h.time)
	rs.touch(number, m.g)
	if len(rs.missed) > 0 {
		e.followMissed(rs, m, sc, h)
	}
	if arrival == window.OnTime && !fires && m.postpones(h.time) {
		return
	}
	m.scheduleEarlier()
}

// firesEarly says whether the alert fires with the log that completes its condition. Whether a
// suppression holds is only known at the watermark, and so is all that is about other alerts. A
// label with the value must not depend on which of several logs came first.
func (m *machine) firesEarly() bool { return m.u.firesEarly() && !m.e.opts.atWatermark }

func (rs *ruleState) firesEarly() bool {
	return rs.condition.FiresEarly() && len(rs.suppressedBy) == 0 && !rs.readsAlerts &&
		!rs.rule.Record && !rs.labelsAtFiring
}

// postpones says whether an event that is in time cannot bring anything about earlier than the
// group is due: a condition that more events only make truer, and that holds or was notified to
// hold, can only hold for longer, unless an event may end the alert. It spares busy groups, which
// have alerts, a look at their whole window for each event. An event that enters an earlier window
// later, as with offset, may end it then.
func (m *machine) postpones(at int64) bool {
	return m.firesEarly() && !m.u.recorded && len(m.u.rule.Levels) == 0 &&
		!m.u.condition.ReadsPast() &&
		m.u.rule.Resolve.Match == nil &&
		m.g.due != never &&
		(m.g.win.Holds() ||
			m.g.alert != nil && m.g.alert.early != nil && at >= m.g.alert.early.startsAt)
}

// eventOf is the event of a hit. It is valid until the next call.
func (e *Engine) eventOf(sc *scan, h *hit) *window.Event {
	ev := &e.event
	ev.Time, ev.Bits, ev.Values = h.time, h.bits, ev.Values[:0]
	ev.Order = sc.order(h.offset, h.index)
	for _, v := range sc.values[h.values.from:h.values.to] {
		out := window.Value{Kind: v.kind, Num: v.num}
		if v.kind == window.List {
			for _, member := range sc.members[v.from:v.to] {
				out.List = append(
					out.List,
					window.Value{Kind: member.kind, Num: member.num, Text: sc.bytes(member.span)},
				)
			}
		} else {
			out.Text = sc.bytes(v.span)
		}
		ev.Values = append(ev.Values, out)
	}
	return ev
}

// at points the scratch life at a group.
func (e *Engine) at(rs *ruleState, number uint32) *machine {
	e.machine.u, e.machine.number, e.machine.g = rs, number, rs.groups.at(number)
	e.machine.edgeAt = always
	return &e.machine
}

// newGroup makes a group whose key is known since an instant. What lies before the watermark is
// decided, so nothing begins there.
func (e *Engine) newGroup(rs *ruleState, key string, known int64) uint32 {
	number := rs.groups.add(key)
	e.live++
	g := rs.groups.at(number)
	g.win = *rs.condition.NewGroup(window.Unknown)
	if last := rs.counters.last[key].episode; last > 0 {
		g.extend().episodes = last
	}
	if rs.watermark != always {
		e.at(rs, number).sweep(rs.watermark)
	}
	g.win.Know(known)
	return number
}

// touch notes that a group is to be saved.
func (rs *ruleState) touch(number uint32, g *group) {
	if g.dirty {
		return
	}
	g.dirty = true
	if chunk := number / chunkGroups; !rs.groups.dirty[chunk] {
		rs.groups.dirty[chunk] = true
		rs.dirty = append(rs.dirty, chunk)
	}
}

// startRule notes when a rule began to look: with the oldest log, or the first time that was given.
// From then on the keys that must exist are known. Partitions are read at different paces, so an
// older log may come later; it moves the beginning as long as nothing there is decided.
func (e *Engine) startRule(rs *ruleState, at int64) {
	switch {
	case at == always || at == never:
	case rs.started == always:
		rs.started, rs.changed = at, true
		e.expect(rs, at)
	case at < rs.started && at > rs.watermark:
		rs.started, rs.changed = at, true
		rs.groups.each(func(number uint32, g *group) {
			if g.expected {
				g.win.Know(at)
				e.at(rs, number).schedule()
				rs.touch(number, g)
			}
		})
	}
}

// expect makes the groups that must exist since an instant, whether a log of them was seen or not.
func (e *Engine) expect(rs *ruleState, since int64) {
	if !rs.condition.HoldsEmpty() && !rs.rule.Record {
		return
	}
	keys := make(map[string]bool)
	if len(rs.by) == 0 {
		keys[""] = true
	}
	if len(rs.by) == 1 {
		for _, v := range rs.expected {
			keys[keyOf([]string{v})] = true
		}
	}
	rs.groups.each(func(_ uint32, g *group) {
		if g.expected && !keys[g.key] {
			g.expected = false
		}
	}) // the list may be shorter than it was
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		number, ok := rs.groups.find([]byte(key))
		if !ok {
			number = e.newGroup(rs, key, since)
		}
		m := e.at(rs, number)
		m.g.extend().expected = true
		m.schedule()
		rs.touch(number, m.g)
	}
}

// advance moves every rule to the time that its partitions have reached.
func (e *Engine) advance() {
	e.resolveOrphans()
	e.expirations = expirationsPerAdvance
	domains := e.watermarks.progressCache()
	slowest := int64(never)
	readsLogs := slices.ContainsFunc(e.rules, func(rs *ruleState) bool { return !rs.readsAlerts })
	for _, rs := range e.rules {
		if rs.backfilling {
			continue
		}
		if rs.readsAlerts {
			e.evaluateAlerts()
			all := e.watermarks.progressOf(nil)
			if !readsLogs { // there is no alert that it could wait for
				slowest = e.decides(rs, all)
			}
			e.advanceRule(rs, slowest, all)
			continue
		}
		d := domains(rs)
		if d.known {
			rs.autoLateness = d.lateness
			to := e.decides(rs, d)
			if len(rs.suppressedBy) > 0 { // whose logs may be on any topic
				all := e.watermarks.progressOf(nil)
				all.caughtUp = d.caughtUp
				to = min(to, e.decides(rs, all))
			}
			e.advanceRule(rs, to, d)
			slowest = min(slowest, rs.watermark, e.decides(rs, d))
		}
		rs.behind = !d.known || !d.caughtUp
	}
	for _, rs := range e.rules {
		e.expireSpans(rs)
	}
	if slowest != never && slowest != always {
		for _, s := range e.suppressions {
			s.expire(slowest)
		}
	}
}

// decides is the last instant that a rule decides. Where nothing comes after what was read it
// waits for nothing.
func (e *Engine) decides(rs *ruleState, d topicsProgress) int64 {
	if e.opts.atWatermark && d.caughtUp {
		return d.base
	}
	return rs.decides(d.base, d.watermark)
}

// advanceRule moves one rule's watermark, and decides what it reaches.
func (e *Engine) advanceRule(rs *ruleState, watermark int64, d topicsProgress) {
	if d.base == always || watermark == never {
		return
	}
	rs.base = max(rs.base, d.base)
	e.startRule(rs, min(d.oldest, d.base))
	for name := range rs.observes {
		for _, other := range e.byName[name] {
			if other != rs && !other.backfilling && !e.neverRead(other, d) {
				watermark = min(watermark, other.watermark)
			}
		}
	}
	if watermark > rs.watermark {
		rs.watermark, rs.changed = watermark, true
	}
	if rs.watermark == always {
		return
	}
	if n := e.observedChanges(rs); n != rs.observedAt {
		rs.observedAt = n
		rs.groups.each(func(number uint32, _ *group) { e.decide(rs, number) })
	}
	e.decideDue(rs)
	e.expirations -= e.expireGroups(rs, e.expirations)
	e.notifyDeferred(rs, d)
	e.resolveRefusals(rs)
}

// neverRead says whether all is read, and none of it from a topic of a rule: a backtest of one
// topic does not wait for the alerts of others.
func (e *Engine) neverRead(rs *ruleState, d topicsProgress) bool {
	return rs.watermark == always && e.opts.atWatermark && d.caughtUp &&
		!e.watermarks.progressOf(rs.topics).known
}

// decideDue decides what is due.
func (e *Engine) decideDue(rs *ruleState) {
	for {
		number, due := rs.timers.first()
		if due > rs.watermark {
			return
		}
		e.decide(rs, number)
	}
}

// expirationsPerAdvance is how many groups are dropped at once that have expired: some
// milliseconds.
const expirationsPerAdvance = 1024

// expireGroups drops groups that have expired, at most so many: a million at once must not
// delay notifications. Dropping a group later makes no difference, since a log of such a group
// drops it first.
func (e *Engine) expireGroups(rs *ruleState, most int) (dropped int) {
	for ; dropped < most; dropped++ {
		number, due := rs.expiring.first()
		if due > rs.watermark {
			break
		}
		e.decide(rs, number)
	}
	return dropped
}

// decide sweeps a group to the watermark, and drops it when nothing is left of it.
func (e *Engine) decide(rs *ruleState, number uint32) {
	if rs.watermark != always {
		e.decideTo(rs, number, rs.watermark)
	}
}

func (e *Engine) decideTo(rs *ruleState, number uint32, watermark int64) {
	m := e.at(rs, number)
	rs.touch(number, m.g)
	expired := m.expireKey(watermark)
	if !expired {
		m.sweep(watermark)
	}
	if expired || !rs.condition.KeepsKeys() && m.g.alert == nil && m.g.win.Empty() {
		rs.drop(number)
		e.live--
		return
	}
	if m.g.alert == nil && m.firesEarly() {
		if ed, ok := m.g.win.Eager(rs.condition); ok {
			m.fireEarly(ed)
		}
	}
	m.schedule()
}

// sweep decides the group's life up to an instant before which nothing more is expected.
func (m *machine) sweep(upTo int64) {
	if m.u.recorded {
		m.record(upTo)
		return
	}
	m.sweepTo(upTo)
}

func (m *machine) sweepTo(upTo int64) {
	win := &m.g.win
	before := win.SweptTo()
	win.Decide(m.u.condition, upTo, m.env(), m.onEdge)
	m.runTimers(upTo)
	if win.SweptTo() > before {
		win.Forget(m.u.condition)
	}
	if a := m.g.alert; a != nil {
		a.decidedTo = max(a.decidedTo, upTo)
		m.addPoint(upTo)
	}
	if s := m.g.samples; s != nil {
		s.decide(m.u.compiledRule, upTo)
	}
}

// schedule puts the group where it is due.
func (m *machine) schedule() {
	due, fades := m.nextDue()
	if due != never {
		due = max(due, m.u.watermark+1) // everything before was decided
	}
	m.u.setTimer(m.number, due, fades)
}

// scheduleEarlier moves a group forward if need be, but not back: where it then is due too early,
// it is looked at once in vain, which is cheaper than moving it with every event.
func (m *machine) scheduleEarlier() {
	if due, fades := m.nextDue(); due < m.g.due || m.g.expires && !fades {
		m.u.setTimer(m.number, due, fades)
	}
}

// timerHeap is where a group stands when it is due.
func (rs *ruleState) timerHeap(fades bool) *timerHeap {
	if fades {
		return &rs.expiring
	}
	return &rs.timers
}

// setTimer puts a group where it is due.
func (rs *ruleState) setTimer(number uint32, due int64, fades bool) {
	g := rs.groups.at(number)
	if g.expires != fades {
		rs.timerHeap(g.expires).set(number, never)
		g.expires = fades
	}
	rs.timerHeap(fades).set(number, due)
}

// drop removes a group.
func (rs *ruleState) drop(number uint32) {
	g := rs.groups.at(number)
	rs.setTimer(number, never, false)
	delete(rs.alerts, number)
	delete(rs.lastSeen, number)
	delete(rs.gaps, number)
	if g.samples != nil && g.samples.counted {
		rs.sampled--
	}
	rs.removed = append(rs.removed, g.key)
	rs.groups.remove(number)
}

// decideSuppressed decides what a suppression mutes up to the watermark, before a log of it is
// noted that comes too late to change that.
func (e *Engine) decideSuppressed(s *suppressionState, at int64) {
	for _, rs := range e.rules {
		if !slices.Contains(rs.suppressedBy, s) || at > rs.watermark {
			continue
		}
		for number := range rs.alerts {
			m := e.at(rs, number)
			if to := m.u.watermark; m.g.alert.phase == suppressed && to != always {
				m.sweep(to)
				rs.touch(number, m.g)
			}
		}
	}
}

// wake has the groups that a suppression mutes looked at again.
func (e *Engine) wake(s *suppressionState) {
	for _, rs := range e.rules {
		for _, by := range rs.suppressedBy {
			if by != s {
				continue
			}
			for number := range rs.alerts {
				if m := e.at(rs, number); m.g.alert.phase == suppressed {
					due, _ := m.nextDue()
					rs.setTimer(number, min(m.g.due, max(due, m.u.watermark+1)), false)
				}
			}
		}
	}
}
