package app

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/store"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const usualSeed = 4

var hoursSeed = flag.Uint64("hours.seed", usualSeed,
	"of the logs and faults of TestHours; ALERT_ENGINE_SEED in the environment wins")

// Two days of logs in which everything goes wrong that can: whatever happens to the program, it
// decides what a user decides who reads the whole log once, nothing else, and nothing twice; and
// anyone who was notified that an alert fires is notified that it has ended.
//
// The program is at work in some minutes of each hour, and what was written in the meantime is a
// backlog then: an hour of an idle program costs seconds, and tells nothing.
//
//	ALERT_ENGINE_SEED=7 go test ./internal/app -run TestHours -v
//
// has other logs and other faults; with -v they are listed, and so is what the program said of
// them.
func TestHours(t *testing.T) {
	seed := seedOfHours(t)
	inWorld(t, 4, func(w *world) {
		w.rules = hoursRules
		h := newHours(w, seed)
		h.begin()
		chapters, again := hoursChapters, hoursAgain
		if testing.Short() {
			chapters, again = hoursChapters/3, hoursAgain/3
		}
		for i := range chapters {
			h.chapter()
			if i == again {
				h.again()
			}
		}
		h.last()
		h.compare()
		h.compareValues()
	}, func(o *devbroker.Options) {
		o.Nodes = 3
		o.Topics = append(o.Topics, devbroker.Topic{Name: "values", Partitions: 2})
		// days would be spent on it
	}, func(o *devbroker.Options) { o.CompactEvery = 10 * time.Minute })
}

func seedOfHours(t *testing.T) uint64 {
	t.Helper()
	seed := *hoursSeed
	if text := os.Getenv("ALERT_ENGINE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("ALERT_ENGINE_SEED: %v", err)
		}
	}
	t.Logf("seed %d", seed)
	return seed
}

const hoursRules = `version: 1
groups:
- name: hours
  lateness: 20s
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 10
    window: 10m
    by: [key]
  - alert: Silent
    match: event:heartbeat
    when: count() == 0
    window: 15m
    by: [key]
  - alert: Share
    match: event:request
    when: count(status>=500) / count() > 30% and count() >= 10
    window: 20m
    by: [key]
  - alert: Slow
    match: event:query
    when: p50(took) > 800 and count() >= 8
    window: 15m
    by: [key]
  - alert: Takeover
    sequence:
    - {match: 'event:login_failed', times: 3}
    - {match: 'event:login_ok'}
    - {not: 'event:mfa_ok', within: 2m}
    within: 10m
    window: 5m
    by: [key]
  - record: errors
    match: level>=ERROR
    when: count()
    window: 10m
    by: [key]
`

const (
	hoursChapters = 24
	hoursChapter  = 2 * time.Hour
	hoursStep     = 5 * time.Second // logs are written so often; below the lateness of the rules
	hoursBeat     = time.Minute
	hoursAgain    = 13               // the chapter in which the topic is created again
	hoursQuiet    = 40 * time.Minute // by then whatever has ended has resolved
)

// hoursLog is one log that some rule counts.
type hoursLog struct {
	at     time.Time
	kind   string // Errors, Silent, Share, Slow or Takeover
	key    string
	failed bool   // of Share
	took   int    // of Slow
	event  string // of Takeover
}

func (l *hoursLog) value() []byte {
	at := l.at.UTC().Format(time.RFC3339Nano)
	switch l.kind {
	case "Errors":
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"ERROR","service":"shop","key":%q,`+
			`"message":"payment failed"}`, at, l.key)
	case "Silent":
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"agent","key":%q,`+
			`"event":"heartbeat","message":"alive"}`, at, l.key)
	}
	switch l.kind {
	case "Slow":
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"db","key":%q,`+
			`"event":"query","took":%d,"message":"SELECT"}`, at, l.key, l.took)
	case "Takeover":
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"login","key":%q,`+
			`"event":%q,"message":"somebody"}`, at, l.key, l.event)
	}
	status := 200
	if l.failed {
		status = 503
	}
	return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"shop","key":%q,`+
		`"event":"request","status":%d,"message":"GET /cart"}`, at, l.key, status)
}

// partition is where producers put the logs of a key.
func (l *hoursLog) partition() int32 { return int32(l.key[len(l.key)-1]-'0') % 4 }

// hours is the state of two days.
type hours struct {
	w       *world
	rand    *rand.Rand
	start   time.Time
	at      time.Time  // logs before it were written
	todo    []hoursLog // to be written, in order
	all     []hoursLog
	silence map[string]time.Time // agents that say nothing until then

	written [4]atomic.Int64 // to each partition
	run     *run            // nil while no process reads
	spread  bool            // over the partitions, without regard to keys
	dirs    int

	ahead atomic.Int64 // of this machine's clock
}

func newHours(w *world, seed uint64) *hours {
	now := time.Now()
	h := &hours{
		w:       w,
		rand:    rand.New(rand.NewPCG(seed, 0)),
		start:   now,
		at:      now,
		silence: map[string]time.Time{},
	}
	h.answerEpochs()
	return h
}

func recordHours(p *process) { p.config.Kafka.RecordsTopic = "values" }

// answerEpochs answers where the epoch of a leader ended, as Kafka does: at the end of the log, as
// long as no later leader has written anything. The test's broker says that it does not know, and
// the client then takes records for lost that are not.
func (h *hours) answerEpochs() {
	h.w.broker.Cluster().
		ControlKey(kmsg.OffsetForLeaderEpoch.Int16(), func(r kmsg.Request) (kmsg.Response, error,
			bool) {
			h.w.broker.Cluster().KeepControl()
			answer := r.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
			for _, t := range r.(*kmsg.OffsetForLeaderEpochRequest).Topics {
				topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
				topic.Topic = t.Topic
				for _, p := range t.Partitions {
					end := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
					end.Partition, end.LeaderEpoch, end.EndOffset = p.Partition, p.LeaderEpoch,
						h.written[p.Partition].Load()
					topic.Partitions = append(topic.Partitions, end)
				}
				answer.Topics = append(answer.Topics, topic)
			}
			return answer, nil, true
		})
}

func (h *hours) dir() string { return fmt.Sprint("data-", h.dirs) }

// between draws a duration.
func (h *hours) between(low, high time.Duration) time.Duration {
	return low + time.Duration(h.rand.Int64N(int64(high-low))).Truncate(time.Millisecond)
}

// note keeps what happened, for anyone who must find out why something is missing.
func (h *hours) note(format string, args ...any) {
	h.w.t.Logf("%8s  %s", time.Since(h.start).Truncate(time.Second), fmt.Sprintf(format, args...))
}

// chapter is two hours: some minutes of work with a fault, an end of the program of some kind, and
// hours that no process reads.
func (h *hours) chapter() {
	begin := time.Now()
	h.scenarios(begin, begin.Add(hoursChapter-hoursQuiet), 4)
	h.scenarios(begin, begin.Add(3*time.Minute), 3)
	h.beats(begin, begin.Add(hoursChapter))
	if h.rand.IntN(3) == 0 {
		h.wrongClocks(begin)
	}
	fault := h.fault()
	h.pass(h.between(time.Minute, 2*time.Minute))
	fault()
	h.pass(h.between(20*time.Second, 90*time.Second))
	h.end()
	if h.rand.IntN(2) == 0 {
		h.pass(h.between(time.Second, time.Minute))
		h.begin()
		h.pass(h.between(time.Second, time.Minute))
		h.end()
	}
	h.pass(time.Until(begin.Add(hoursChapter)))
	h.begin()
}

// again has the topic deleted and created again, once all of it was read: what is lost with it
// no one could evaluate.
func (h *hours) again() {
	for h.run.source.Health().State != kafka.Ready || h.run.source.Lag() > 0 {
		h.pass(hoursStep)
	}
	h.recreate()
}

func (h *hours) recreate() {
	h.note("the topic is deleted and created again")
	if err := h.w.broker.Cluster().DeleteTopic(worldTopic); err != nil {
		h.w.t.Error(err)
	}
	for i := range h.written {
		h.written[i].Store(0)
	}
	if err := h.w.broker.CreateTopic(devbroker.Topic{Name: worldTopic, Partitions: 4}); err != nil {
		h.w.t.Error(err)
	}
	h.w.producer.PurgeTopicsFromClient(worldTopic)
	h.pass(2 * time.Minute)
}

// end ends the program, cleanly or as a power cut does.
func (h *hours) end() {
	r := h.run
	defer func() {
		for line := range strings.Lines(r.out.String()) {
			if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
				h.note("it said: %s", strings.TrimSpace(line))
			}
		}
	}()
	if h.rand.IntN(2) == 0 {
		h.note("stop")
		h.run.end()
	} else {
		h.note("kill")
		h.dirs++
		h.run.kill(h.dir())
	}
	h.run = nil
}

func (h *hours) begin() {
	h.note("start")
	h.run = h.w.start(h.dir(), h.clock, recordHours)
}

// clock gives a program a clock that can be wrong.
func (h *hours) clock(p *process) {
	p.wall = func() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }
}

// last lets all have ended with a program in health.
func (h *hours) last() {
	begin := time.Now()
	h.beats(begin, begin.Add(hoursQuiet))
	h.pass(hoursQuiet)
	for _, p := range h.run.state.Watermarks() {
		h.note("partition %d: %d logs, %d late", p.Partition, p.Logs, p.Late)
	}
	h.run.end()
}

// fault lets something go wrong; the function that it returns ends it.
func (h *hours) fault() (over func()) {
	cluster := h.w.broker.Cluster()
	failing := func(what string, err *kerr.Error, keys ...kmsg.Key) func() {
		h.note("%s fails with %s", what, err.Message)
		return cluster.Fault(kfake.Fault{Keys: keys, Topic: worldTopic, Err: err, Count: -1}).Remove
	}
	partition := h.rand.Int32N(4)
	switch h.rand.IntN(11) {
	case 0:
		h.note("the network is down")
		h.run.link.cut()
		return h.run.link.mend
	case 1:
		return failing("fetching", kerr.NotLeaderForPartition, kmsg.Fetch)
	case 2:
		return failing("fetching", kerr.UnknownServerError, kmsg.Fetch)
	case 3:
		return failing("asking for the ends", kerr.LeaderNotAvailable, kmsg.ListOffsets)
	case 4:
		return failing("committing", kerr.CoordinatorLoadInProgress, kmsg.OffsetCommit)
	case 5:
		h.note("leaders move")
		if err := cluster.MoveTopicPartition(worldTopic, partition, h.rand.Int32N(3)); err != nil {
			h.w.t.Error(err)
		}
		return func() {
			if err := cluster.MoveTopicPartition(worldTopic, partition,
				h.rand.Int32N(3)); err != nil {
				h.w.t.Error(err)
			}
		}
	case 6:
		h.note("the receiver answers 500")
		h.w.refuseAll(func() (int, time.Duration) { return http.StatusInternalServerError, 0 })
		return func() { h.w.refuseAll(nil) }
	case 7:
		h.note("the receiver answers 429, slowly")
		h.w.refuseAll(
			func() (int, time.Duration) { return http.StatusTooManyRequests, 3 * time.Second },
		)
		return func() { h.w.refuseAll(nil) }
	case 8:
		h.note("the group's coordinator moves")
		return cluster.Fault(
			kfake.Fault{
				Keys:  []kmsg.Key{kmsg.Heartbeat, kmsg.OffsetCommit},
				Err:   kerr.NotCoordinator,
				Count: 3,
			},
		).Remove
	case 9:
		ahead := []time.Duration{24 * time.Hour, -24 * time.Hour, time.Hour,
			-10 * time.Minute}[h.rand.IntN(4)]
		h.note("this machine's clock jumps by %s", ahead)
		h.ahead.Store(int64(ahead))
		return func() { h.ahead.Store(0) }
	}
	return func() {}
}

// scenarios draws bursts of errors, shares of failing requests, silences, slow queries, and logins,
// some just below what rules allow.
func (h *hours) scenarios(from, to time.Time, n int) {
	for range n {
		at := from.Add(h.between(0, to.Sub(from)))
		key := fmt.Sprint("k", h.rand.IntN(8))
		switch h.rand.IntN(5) {
		case 0:
			over := h.between(10*time.Second, 12*time.Minute)
			for range 8 + h.rand.IntN(10) {
				h.add(hoursLog{at: at.Add(h.between(0, over)), kind: "Errors", key: key})
			}
		case 1:
			over := h.between(time.Minute, 20*time.Minute)
			for i := range 15 + h.rand.IntN(10) {
				h.add(
					hoursLog{
						at:     at.Add(h.between(0, over)),
						kind:   "Share",
						key:    key,
						failed: i < 3 || h.rand.IntN(3) == 0,
					},
				)
			}
		case 2:
			h.silence[fmt.Sprint("a", h.rand.IntN(4))] = at.Add(h.between(12*time.Minute,
				30*time.Minute))
		case 3:
			over := h.between(time.Minute, 18*time.Minute)
			for range 6 + h.rand.IntN(10) {
				h.add(
					hoursLog{
						at:   at.Add(h.between(0, over)),
						kind: "Slow",
						key:  key,
						took: 300 + h.rand.IntN(1200),
					},
				)
			}
		case 4:
			h.logins(at, key)
		}
	}
}

// logins are some that fail, one that does not, and perhaps a second factor, some time later.
func (h *hours) logins(at time.Time, key string) {
	over := h.between(4*time.Minute, 11*time.Minute)
	for range 2 + h.rand.IntN(4) {
		h.add(
			hoursLog{
				at:    at.Add(h.between(0, over)),
				kind:  "Takeover",
				key:   key,
				event: "login_failed",
			},
		)
	}
	at = at.Add(h.between(over/2, over+time.Minute))
	h.add(hoursLog{at: at, kind: "Takeover", key: key, event: "login_ok"})
	if h.rand.IntN(2) == 0 {
		h.add(
			hoursLog{
				at:    at.Add(h.between(time.Second, 4*time.Minute)),
				kind:  "Takeover",
				key:   key,
				event: "mfa_ok",
			},
		)
	}
}

// beats has agents give a sign of life each minute, but where one is to be silent: it falls silent
// within the half hour before it speaks again.
func (h *hours) beats(from, to time.Time) {
	for k := range 4 {
		key := fmt.Sprint("a", k)
		until := h.silence[key]
		for at := from.Add(time.Duration(k) * 7 * time.Second); at.Before(to); at = at.Add(
			hoursBeat) {
			if at.Before(until) && at.After(until.Add(-25*time.Minute)) {
				continue
			}
			h.add(hoursLog{at: at, kind: "Silent", key: key})
		}
	}
}

func (h *hours) add(l hoursLog) {
	h.all = append(h.all, l)
	at, _ := slices.BinarySearchFunc(h.todo, l, func(a, b hoursLog) int {
		return a.at.Compare(b.at)
	})
	h.todo = slices.Insert(h.todo, at, l)
}

// wrongClocks writes logs of hosts whose clocks are a day ahead or behind. What is said of those
// hosts is of no account, but no other is to suffer.
func (h *hours) wrongClocks(now time.Time) {
	h.note("clocks a day ahead and a day behind")
	for i := range 12 {
		for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
			l := hoursLog{
				at:   now.Add(off + time.Duration(i)*time.Second),
				kind: "Errors",
				key:  fmt.Sprint("wrong", i%4),
			}
			h.write([]hoursLog{l})
		}
	}
}

// pass lets time pass while logs are written.
func (h *hours) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		step := hoursStep
		if h.run == nil { // no process reads
			step = d
		}
		time.Sleep(min(step, time.Until(end)))
		n := 0
		for n < len(h.todo) && !h.todo[n].at.After(time.Now()) {
			n++
		}
		h.write(h.todo[:n])
		h.todo = h.todo[n:]
	}
}

func (h *hours) write(logs []hoursLog) {
	for i := range logs {
		partition := logs[i].partition()
		if h.spread {
			partition = h.rand.Int32N(4)
		}
		h.written[partition].Add(1)
		h.w.producer.Produce(
			context.Background(),
			&kgo.Record{Partition: partition, Value: logs[i].value()},
			func(_ *kgo.Record, err error) {
				if err != nil {
					h.w.t.Error(err)
				}
			},
		)
	}
	if err := h.w.producer.Flush(context.Background()); err != nil {
		h.w.t.Error(err)
	}
}

// hoursEpisode is an alert from its beginning to its end.
type hoursEpisode struct {
	rule, key string
	from, to  time.Time
}

func (e hoursEpisode) String() string {
	return fmt.Sprintf("%s %s %s - %s", e.rule, e.key, e.from.UTC().Format("02 15:04:05.000"),
		e.to.UTC().Format("02 15:04:05.000"))
}

// compare holds what was decided and notified against the evaluator that reads everything once.
func (h *hours) compare() {
	t := h.w.t
	got, twice := h.decided()
	got = slices.DeleteFunc(got, func(e hoursEpisode) bool { return e.rule == addedRule })
	want := h.expected()
	t.Logf("%d logs, %d alerts expected, %d decided, %d notifications", len(h.all), len(want),
		len(got), len(h.w.received))
	if len(want) < 20 || len(h.w.received) < 10 {
		t.Errorf("too little has happened to show anything")
	}
	for _, e := range want {
		if !slices.Contains(got, e) {
			t.Errorf("missing: %v", e)
		}
	}
	for _, e := range got {
		if !slices.Contains(want, e) {
			t.Errorf("extra: %v", e)
		}
	}
	for _, text := range twice {
		t.Errorf("decided twice: %s", text)
	}
	notified := map[string]string{}
	for _, n := range h.w.received {
		notified[n.labels["alertname"]+" "+n.labels["key"]] = n.status
	}
	for alert, status := range notified {
		switch {
		case status == "resolved" || strings.Contains(alert, "wrong"):
		default:
			t.Errorf("no notification that %s has ended", alert)
		}
	}
}

// decided reads what was decided.
func (h *hours) decided() (episodes []hoursEpisode, twice []string) {
	seen := map[string]bool{}
	byID := map[string]*hoursEpisode{}
	var order []string
	s, err := store.Open(filepath.Join(h.run.dir, "state"), store.Options{})
	if err != nil {
		h.w.t.Fatal(err)
	}
	for _, a := range s.History() {
		if strings.HasPrefix(a.Labels["key"], "wrong") {
			continue
		}
		id := fmt.Sprint(a.ID, a.State, a.At, a.StartsAt)
		if seen[id] {
			twice = append(
				twice,
				fmt.Sprintf("%s %s of %s at %s", a.Rule, a.State, a.Labels["key"], a.At),
			)
		}
		seen[id] = true
		e := byID[a.ID]
		if e == nil {
			e = &hoursEpisode{rule: a.Labels["alertname"], key: a.Labels["key"]}
			byID[a.ID] = e
			order = append(order, a.ID)
		}
		e.from = a.StartsAt
		if a.State == models.AlertResolved {
			e.to = a.EndsAt
		}
	}
	if err := s.Close(); err != nil {
		h.w.t.Error(err)
	}
	for _, id := range order {
		e := *byID[id]
		e.from, e.to = e.from.UTC(), e.to.UTC()
		episodes = append(episodes, e)
	}
	return episodes, twice
}

// expected reads the whole log once.
func (h *hours) expected() []hoursEpisode {
	byGroup := map[[2]string][]hoursLog{}
	for _, l := range h.all {
		byGroup[[2]string{l.kind, l.key}] = append(byGroup[[2]string{l.kind, l.key}], l)
	}
	var all []hoursEpisode
	for group, logs := range byGroup {
		slices.SortStableFunc(logs, func(a, b hoursLog) int { return a.at.Compare(b.at) })
		switch group[0] {
		case "Errors":
			all = append(
				all,
				spans(logs, 10*time.Minute, time.Time{}, func(in []hoursLog) bool {
					return len(in) > 10
				})...)
		case "Share":
			all = append(all, spans(logs, 20*time.Minute, time.Time{}, func(in []hoursLog) bool {
				failed := 0
				for _, l := range in {
					if l.failed {
						failed++
					}
				}
				return len(in) >= 10 && float64(failed)/float64(len(in)) > 0.3
			})...)
		case "Slow":
			all = append(all, spans(logs, 15*time.Minute, time.Time{}, func(in []hoursLog) bool {
				quick := 0
				for _, l := range in {
					if l.took <= 800 {
						quick++
					}
				}
				return len(in) >= 8 && 2*quick < len(in)
			})...)
		case "Takeover":
			all = append(
				all,
				spans(takeovers(logs), 5*time.Minute, time.Time{}, func(in []hoursLog) bool {
					return len(in) > 0
				})...)
		case "Silent":
			all = append(
				all,
				spans(logs, 15*time.Minute, logs[0].at.Add(15*time.Minute),
					func(in []hoursLog) bool {
						return len(in) == 0
					})...)
		}
	}
	return slices.DeleteFunc(all, func(e hoursEpisode) bool { return e.from.After(time.Now()) })
}

// takeovers are the instants at which a sequence was completed, as logs.
func takeovers(logs []hoursLog) (out []hoursLog) {
	for i, l := range logs {
		var failed []time.Time
		for _, before := range logs[:i] {
			if before.event == "login_failed" {
				failed = append(failed, before.at)
			}
		}
		n := len(failed)
		if l.event != "login_ok" || n < 3 || l.at.Sub(failed[n-3]) >= 10*time.Minute {
			continue
		}
		if !slices.ContainsFunc(
			logs[i+1:],
			func(after hoursLog) bool {
				return after.event == "mfa_ok" && after.at.Before(l.at.Add(2*time.Minute))
			},
		) {
			out = append(out, hoursLog{at: l.at.Add(2 * time.Minute), kind: l.kind, key: l.key})
		}
	}
	slices.SortFunc(out, func(a, b hoursLog) int { return a.at.Compare(b.at) })
	return out
}

// spans looks at every instant at which a log enters or leaves the window.
func spans(
	logs []hoursLog,
	window time.Duration,
	from time.Time,
	holds func(in []hoursLog) bool,
) []hoursEpisode {
	var instants []time.Time
	for _, l := range logs {
		instants = append(instants, l.at, l.at.Add(window))
	}
	slices.SortFunc(instants, time.Time.Compare)
	var out []hoursEpisode
	open := false
	low, high := 0, 0 // logs[low:high] are within the window
	for _, at := range slices.Compact(instants) {
		for high < len(logs) && !logs[high].at.After(at) {
			high++
		}
		for low < high && !logs[low].at.After(at.Add(-window)) {
			low++
		}
		switch now := holds(logs[low:high]) && !at.Before(from); {
		case now && !open:
			out = append(out, hoursEpisode{rule: logs[0].kind, key: logs[0].key, from: at.UTC()})
			open = true
		case !now && open:
			out[len(out)-1].to = at.UTC()
			open = false
		}
	}
	return out
}

// compareValues holds the values that were recorded against the definition: at each second, how
// many errors there were in the ten minutes before. What is written twice is the same.
func (h *hours) compareValues() {
	got := map[string]string{}
	for _, r := range h.w.read("values") {
		var v struct{ Value float64 }
		if err := json.Unmarshal(r.Value, &v); err != nil && len(r.Value) > 0 {
			h.w.t.Error(err)
		}
		text := fmt.Sprint(v.Value)
		if len(r.Value) == 0 {
			text = "gone"
		}
		at := fmt.Sprintf("%s %s", r.Key, r.Timestamp.UTC().Format("02 15:04:05"))
		switch before := got[at]; {
		case strings.Contains(at, "wrong"), !r.Timestamp.After(h.start.Add(11 * time.Minute)):
		case before == "" || before == text || before == "0":
			got[at] = text
		// the end is written as 0, and then as gone; both once more
		case before != "gone" || text != "0":
			h.w.t.Errorf("%s: written as %s, and as %s", at, before, text)
		}
	}
	want := h.expectedValues()
	h.w.t.Logf("%d values expected, %d recorded", len(want), len(got))
	if len(want) < 200 {
		h.w.t.Error("too little was recorded to show anything")
	}
	for at, text := range got {
		if want[at] != text {
			h.w.t.Errorf("extra: %s %s, want %q", at, text, want[at])
		}
	}
	for at, text := range want {
		if got[at] == "" {
			h.w.t.Errorf("missing: %s %s", at, text)
		}
	}
}

func (h *hours) expectedValues() map[string]string {
	want := map[string]string{}
	byKey := map[string][]time.Time{}
	for _, l := range h.all {
		if l.kind == "Errors" {
			byKey[l.key] = append(byKey[l.key], l.at)
		}
	}
	// of which a member that shares begins to tell when it has read as much
	const window = 10 * time.Minute
	for key, times := range byKey {
		count := func(at time.Time) (n int) {
			for _, l := range times {
				if !l.After(at) && l.After(at.Add(-window)) {
					n++
				}
			}
			return n
		}
		for _, l := range times {
			for _, moves := range []time.Time{l, l.Add(window)} {
				at := moves.Add(time.Second - 1).Truncate(time.Second)
				before, now := count(at.Add(-time.Second)), count(at)
				text := fmt.Sprint(now)
				if now == 0 {
					text = "gone"
				}
				if now != before && at.After(h.start.Add(window+time.Minute)) {
					want[fmt.Sprintf("hours/errors{key=%q} %s", key,
						at.UTC().Format("02 15:04:05"))] = text
				}
			}
		}
	}
	return want
}
