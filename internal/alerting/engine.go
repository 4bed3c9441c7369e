// Package alerting decides when logs amount to an alert, and when it is over.
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
// What is decided is a transition, a models.Alert, which goes to whoever was named by WithEmit. The
// engine reads no clock, starts no goroutine, does no input and output, and keeps nothing on disk:
// Save and Restore pass its state to whoever does.
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

	"github.com/log-monitoring/alert-engine/internal/window"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Engine evaluates logs against rules. EvaluateLog, EvaluateBatch, NewScanner and everything that
// only reads may be used by any number of goroutines. Apply, Advance, Save and Restore are for one:
// whoever owns the order of the logs.
type Engine struct {
	opts    options
	seed    maphash.Seed
	program atomic.Pointer[program]
	scans   sync.Pool // of *scan
	sample  sample    // of the records that were scanned
	singles sync.Pool // of *scanner, for logs that come one by one

	changing sync.Mutex // serialises changes of the rules
	// keeps transitions in order while they are told; taken before mu is released
	telling sync.Mutex

	mu    sync.Mutex // guards what follows
	times timekeeper
	out   []models.Alert // decided, and not told yet
	fed   []models.Alert // decided, and not yet passed on to the rules that read alerts
	life  life           // scratch
	warm  warmer         // scratch
	feed  *scanner
	event window.Event
	total totals
	kept  keeping
	// of partitions that are read again until we are as far as who had them before
	batons map[owner]*baton
	// partitions of whose alerts something was decided since the last HandOver
	handing map[owner]bool
	silent  bool                // nothing that is decided is told
	numbers map[uint64]*numbers // by the fingerprint of the rule's ID, also of rules that are gone
	late    lates
	live    int   // groups of all rules
	fades   int   // groups that may still be dropped in this move
	step    int64 // event time at which logs that come one by one last moved time
}

// totals are what is told of the engine as a whole.
type totals struct {
	logs, rejected, dropped, absurd, hits int64
}

// NewEngine makes an engine. Without options it has a few rules of its own, see DefaultRules, and
// logs its alerts.
func NewEngine(opts ...Option) *Engine {
	e := &Engine{
		seed:    maphash.MakeSeed(),
		times:   newTimekeeper(),
		numbers: make(map[uint64]*numbers),
		batons:  make(map[owner]*baton),
		handing: make(map[owner]bool),
	}
	for _, o := range opts {
		o(&e.opts)
	}
	e.opts.withDefaults()
	e.times.shared, e.times.except = e.opts.shared, e.opts.recordedTopic
	e.scans.New = func() any { return newScan() }
	e.singles.New = func() any { return e.newScanner() }
	e.life.e = e
	e.life.each = e.life.edge
	e.feed = e.newScanner()
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

// EvaluateLog evaluates one log. Time follows the logs: nobody says whether there are more.
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
		e.times.alone(e.times.partition(sc.partition), sc.logs)
	}
	e.moveAlone()
	e.unlock()
	for _, sc := range scans {
		e.release(sc)
	}
}

// moveAlone moves time after logs that came one by one, once in a second of event time.
func (e *Engine) moveAlone() {
	at := e.times.domain(nil).base
	if at == always || at < e.step+int64(time.Second) {
		return
	}
	e.step = at
	e.times.now = max(e.times.now, at)
	e.move()
}

// Apply applies a scan of one of the engine's scanners: those of a partition in the order of their
// offsets. The scan is gone afterwards.
func (e *Engine) Apply(s models.Scan) {
	sc := s.(*scan)
	e.mu.Lock()
	e.apply(sc)
	e.unlock()
	e.release(sc)
}

// Advance tells the time, and how far partitions were read. A partition that is not spoken of
// stands still, and holds back those who read it for a minute.
func (e *Engine) Advance(now time.Time, progress []models.Progress) {
	e.mu.Lock()
	e.times.advance(now.UnixNano(), progress)
	e.forsake()
	for i := range progress {
		if p := &progress[i]; !p.Replay {
			e.receive(models.Partition{Topic: p.Topic, Partition: p.Partition})
		}
	}
	e.move()
	e.unlock()
}

// LongestWindow is how far back the logs matter that some rule looks at.
func (e *Engine) LongestWindow() time.Duration {
	longest := time.Duration(0)
	for _, u := range e.program.Load().units {
		longest = max(longest, u.plan.Retention()+u.rule.For+time.Duration(u.lateness()))
	}
	return longest
}

// unlock releases the state, and tells what was decided. It is told without the lock, so that
// whoever is told may read the engine.
func (e *Engine) unlock() {
	out := e.takeOut()
	if len(out) == 0 {
		e.mu.Unlock()
		return
	}
	e.telling.Lock()
	e.mu.Unlock()
	for i := range out {
		e.opts.emit(out[i])
	}
	e.telling.Unlock()
}

func (e *Engine) release(sc *scan) {
	if sc.recycle() {
		e.scans.Put(sc)
	}
}

// apply puts the hits of a scan into their groups.
func (e *Engine) apply(sc *scan) {
	e.total.logs += int64(sc.logs)
	e.total.rejected += int64(len(sc.rejected))
	e.total.dropped += int64(sc.dropped)
	e.total.absurd += int64(sc.absurd)
	e.total.hits += int64(len(sc.hits))
	if sc.logs == 0 {
		return
	}
	pt := e.times.observe(sc)
	for i := range sc.marks {
		m := &sc.marks[i]
		m.suppression.mark(string(sc.bytes(m.key)), m.time, m.end)
		e.wake(m.suppression)
	}
	for i := range sc.hits {
		if i%warmHits == 0 {
			e.warm.warm(sc, sc.hits[i:min(i+warmHits, len(sc.hits))])
		}
		if u := sc.hits[i].unit.current(); u != nil && !u.warming {
			e.hit(u, sc, &sc.hits[i], pt, e.warm.guesses[i%warmHits])
		}
	}
}

// hit puts one hit into its group.
func (e *Engine) hit(u *unit, sc *scan, h *hit, pt *partitionTime, likely guess) {
	u.matches++
	u.lastMatch = max(u.lastMatch, h.time)
	e.begin(u, pt.oldest)
	watermark := e.watermark(u, pt.number)
	late := watermark != always && h.time <= watermark
	if late {
		u.late++
		pt.late++
	}
	number, ok := u.groups.group(sc.bytes(h.key), likely)
	if ok && u.groups.at(number).due <= watermark { // it has faded, and waits to be dropped
		e.decide(u, number)
		number, ok = u.groups.find(sc.bytes(h.key))
	}
	if !ok {
		if !e.room(u) {
			return
		}
		number = e.newGroup(u, string(sc.bytes(h.key)), h.time, pt.number)
	}
	if e.opts.shared {
		u.own(number, pt.number)
	}
	l := e.at(u, number)
	if lag := watermark - l.g.win.Swept(); watermark != always && lag > 0 &&
		(h.time <= watermark || lag > int64(u.plan.Retention())/2) {
		l.sweep(watermark)
	}
	arrival := l.g.win.Add(u.plan, e.eventOf(sc, h))
	if late {
		e.late.note(u, sc, h, arrival != window.Refused)
	}
	if arrival == window.Refused {
		u.tooLate++
		return
	}
	u.sees(number, l.g, h.time)
	if u.values != nil {
		l.noteValue(h.time)
	}
	var ed window.Edge
	fires := false
	if l.g.alert == nil && l.eager() {
		ed, fires = l.g.win.Eager(u.plan)
	}
	u.sample(l.g, sc, h, fires)
	if fires {
		l.early(ed)
	}
	u.touch(number, l.g)
	if arrival == window.InTime && !fires && l.postpones() {
		return
	}
	l.scheduleEarlier()
}

// eager says whether the alert fires with the log that completes its condition.
func (l *life) eager() bool { return l.u.plan.Eager() && !l.e.opts.final }

// postpones says whether an event that is in time cannot bring anything about earlier than the
// group is due: a condition that more events only make truer, and that holds or was told to hold,
// can only hold for longer, unless an event may end the alert. It spares busy groups, which have
// alerts, a look at their whole window for each event.
func (l *life) postpones() bool {
	return l.eager() && !l.u.recorded && len(l.u.rule.Levels) == 0 &&
		l.u.rule.Resolve.Match == nil &&
		l.g.due != never &&
		(l.g.win.True() || l.g.alert != nil && l.g.alert.early)
}

// eventOf is the event of a hit. It is valid until the next call.
func (e *Engine) eventOf(sc *scan, h *hit) *window.Event {
	ev := &e.event
	ev.Time, ev.Bits, ev.Values = h.time, h.bits, ev.Values[:0]
	ev.Order = window.Order{
		Topic:     sc.topicNumber(),
		Partition: sc.partition.Partition,
		Offset:    h.offset,
		Index:     h.index,
	}
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
func (e *Engine) at(u *unit, number uint32) *life {
	e.life.u, e.life.number, e.life.g = u, number, u.groups.at(number)
	return &e.life
}

// newGroup makes a group whose key is known since an instant, and whose logs are on a partition.
func (e *Engine) newGroup(u *unit, key string, known int64, owner owner) uint32 {
	number := u.groups.add(key)
	e.live++
	g := u.groups.at(number)
	g.win = *u.plan.NewGroup(known)
	if last := u.numbers.last[key].episode; last > 0 {
		g.extend().episodes = last
	}
	u.own(number, owner)
	if watermark := e.watermark(u, owner); watermark != always {
		e.at(u, number).sweep(watermark)
	}
	return number
}

// touch notes that a group is to be saved.
func (u *unit) touch(number uint32, g *group) {
	if g.dirty {
		return
	}
	g.dirty = true
	if chunk := number / chunkGroups; !u.groups.dirty[chunk] {
		u.groups.dirty[chunk] = true
		u.dirty = append(u.dirty, chunk)
	}
}

// begin notes when a rule began to look: with the first log, or the first time that was told. From
// then on the keys that must exist are known.
func (e *Engine) begin(u *unit, at int64) {
	if u.start != always || at == always || at == never {
		return
	}
	u.start, u.changed = at, true
	e.expect(u, at)
}

// expect makes the groups that must exist since an instant, whether a log of them was seen or not.
func (e *Engine) expect(u *unit, since int64) {
	if !u.plan.Known() {
		return
	}
	keys := make(map[string]bool)
	if len(u.by) == 0 {
		keys[""] = true
	}
	if len(u.by) == 1 {
		for _, v := range u.expected {
			keys[keyOf([]string{v})] = true
		}
	}
	u.groups.each(func(_ uint32, g *group) {
		if g.expected && !keys[g.key] {
			g.expected = false
		}
	}) // the list may be shorter than it was
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		number, ok := u.groups.find([]byte(key))
		if !ok {
			number = e.newGroup(u, key, since, nobody)
		}
		l := e.at(u, number)
		l.g.extend().expected = true
		l.schedule()
		u.touch(number, l.g)
	}
}

// move moves every rule to the time that its partitions have reached.
func (e *Engine) move() {
	e.bury()
	e.fades = fadesPerMove
	domains := e.times.domains()
	slowest := int64(never)
	for _, u := range e.program.Load().units {
		if u.warming {
			continue
		}
		if u.readsAlerts {
			e.feedAlerts()
			e.moveTo(u, slowest, e.times.domain(nil))
			continue
		}
		d := domains(u)
		if d.known {
			lateness := u.lateness()
			if e.opts.final && d.caughtUp {
				lateness = 0
			}
			e.moveTo(u, d.base-lateness, d)
			slowest = min(slowest, u.watermark, d.base-u.lateness())
		}
		u.behind = !d.known || !d.caughtUp
	}
	if slowest != never && slowest != always {
		for _, s := range e.program.Load().suppressions {
			s.forget(slowest)
		}
	}
}

// moveTo moves one rule's watermark, and decides what it reaches.
func (e *Engine) moveTo(u *unit, watermark int64, d domain) {
	if d.base == always || watermark == never {
		return
	}
	e.begin(u, min(d.oldest, d.base))
	for name := range u.asks {
		for _, other := range e.named(name) {
			if other != u && !other.warming {
				watermark = min(watermark, other.watermark)
			}
		}
	}
	if watermark > u.watermark {
		u.watermark, u.changed = watermark, true
	}
	if u.watermark == always {
		return
	}
	if len(u.asks) > 0 {
		u.groups.each(func(number uint32, _ *group) { e.decide(u, number) })
	}
	for i := range u.due {
		e.decideDue(u, owner(i))
	}
	e.fades -= e.fade(u, e.fades)
	e.remind(u, d)
	e.settleRefusals(u)
}

// decideDue decides what is due in the groups of a partition.
func (e *Engine) decideDue(u *unit, owner owner) {
	watermark := e.watermark(u, owner)
	for {
		number, due := u.due[owner].first()
		if due > watermark {
			return
		}
		e.decide(u, number)
	}
}

// fadesPerMove is how many groups are dropped at once that have faded: some milliseconds.
const fadesPerMove = 1024

// fade drops groups that have faded, at most so many: that of a million together must not hold up
// what is to be told. What is late to be dropped makes no difference, for a log of such a group has
// it dropped before.
func (e *Engine) fade(u *unit, most int) (dropped int) {
	for i := range u.fading {
		for watermark := e.watermark(u, owner(i)); dropped < most; dropped++ {
			number, due := u.fading[i].first()
			if due > watermark {
				break
			}
			e.decide(u, number)
		}
	}
	return dropped
}

// decide sweeps a group to the watermark, and drops it when nothing is left of it.
func (e *Engine) decide(u *unit, number uint32) {
	l := e.at(u, number)
	watermark := l.watermark()
	if watermark == always {
		return
	}
	u.touch(number, l.g)
	over := l.forgetting(watermark)
	l.sweep(watermark)
	// what was learnt is not to be learnt again
	if over || !u.plan.Known() && u.rule.Learn == 0 && l.g.alert == nil && l.g.win.Empty() {
		u.drop(number)
		e.live--
		return
	}
	if l.g.alert == nil && l.eager() {
		if ed, ok := l.g.win.Eager(u.plan); ok {
			l.early(ed)
		}
	}
	l.schedule()
}

// sweep decides the group's life up to an instant before which nothing more is expected.
func (l *life) sweep(upTo int64) {
	if l.u.recorded {
		l.record(upTo)
		return
	}
	l.sweepTo(upTo)
}

func (l *life) sweepTo(upTo int64) {
	win := &l.g.win
	before := win.Swept()
	win.Decide(l.u.plan, upTo, environment{l.e, l.u, l.g}, l.each)
	l.run(upTo)
	if win.Swept() > before {
		win.Forget(l.u.plan)
	}
	if a := l.g.alert; a != nil {
		a.at = max(a.at, upTo)
		l.plot(upTo)
	}
}

// schedule puts the group where it is due.
func (l *life) schedule() {
	due, fades := l.due()
	if due != never {
		due = max(due, l.watermark()+1) // everything before was decided
	}
	l.u.setDue(l.number, due, fades)
}

// scheduleEarlier moves a group forward if need be, but not back: where it then is due too early,
// it is looked at once in vain, which is cheaper than moving it with every event.
func (l *life) scheduleEarlier() {
	if due, fades := l.due(); due < l.g.due || l.g.fades && !fades {
		l.u.setDue(l.number, due, fades)
	}
}

// drop removes a group.
func (u *unit) drop(number uint32) {
	g := u.groups.at(number)
	u.setDue(number, never, false)
	u.own(number, nobody)
	delete(u.open, number)
	delete(u.seen, number)
	delete(u.gaps, number)
	if g.samples != nil && g.samples.counted {
		u.sampled--
	}
	u.removed = append(u.removed, g.key)
	u.groups.remove(number)
}

// wake has the groups that a suppression mutes looked at again.
func (e *Engine) wake(s *suppression) {
	for _, u := range e.program.Load().units {
		for _, by := range u.mutedBy {
			if by.muting != s.muting {
				continue
			}
			for number := range u.open {
				if l := e.at(u, number); l.g.alert.phase == muted {
					due, _ := l.due()
					u.setDue(number, min(l.g.due, max(due, l.watermark()+1)), false)
				}
			}
		}
	}
}
