package main

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/log-monitoring/alert-engine/internal/evaluator"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// kindsOfRules are thirteen kinds of rules. Their times are short, so that much happens between two
// kills. What the last ones say depends on the alerts of others.
const kindsOfRules = `version: 1
suppressions:
- {name: deployment, start: 'kind:deploy', end: 'kind:deployed', by: [key], max: 12s}
groups:
- name: chaos
  lateness: %v
  rules:
  - {alert: Errors, match: 'kind:error', when: count() > 10, window: 10s, by: [key]}
  - {alert: Users, match: 'kind:login', when: distinct(user) > 5, window: 8s, by: [key]}
  - {alert: Silent, match: 'kind:beat', when: count() == 0, window: 6s, by: [key]}
  - {alert: Any, match: 'kind:any', window: 5s, by: [key]}
  - {alert: Share, match: 'kind:request', by: [key], window: 10s,
     when: 'count(status>=500) / count() > 30%% and count() >= 8'}
  - {alert: Slow, match: 'kind:request', when: max(took) > 900, window: 4s, by: [key], keep_firing_for: 3s}
  - {alert: Bytes, match: 'kind:request', when: sum(bytes) > 6000, window: 6s, by: [key], for: 2s}
  - {alert: Steps, by: [key], within: 8s, window: 5s,
     sequence: [{match: 'kind:login', times: 3}, {match: 'kind:any'}, {not: 'kind:step', within: 2s}]}
  - {alert: Queue, match: 'kind:queue', when: max(depth) > 10, window: 4s, by: [key],
     levels: {warning: '> 10', critical: '> 50'}}
  - {alert: Down, match: 'kind:down', window: 4s, by: [key], resolve: 'kind:up'}
  - {alert: Attack, match: 'kind:error', when: count() > 3 and firing(Users), window: 8s, by: [key]}
  - {alert: Deployed, match: 'kind:error', when: count() > 5, window: 6s, by: [key], suppressed_by: [deployment]}
- name: about
  source: alerts
  rules:
  - {alert: Many, match: 'state:firing', when: distinct(key) > 4, window: 5s}
`

// lasting is the time that the condition of an alert must hold before it fires.
var lasting = map[string]time.Duration{"Bytes": 2 * time.Second}

const (
	promiseKeys   = 24
	promiseAgents = 8
	// Without incidents at the end, so that all alerts are resolved and notified.
	quietEnd = 40 * time.Second
)

// promised is the workload of kindsOfRules: incidents of all kinds, for each key one after the
// other. It follows from its seed alone.
type promised struct {
	start  time.Time
	length time.Duration
	rate   int       // ordinary logs a second
	events []written // those that rules look at, ordered by time, each with its own millisecond
	seed   uint64
}

// written is a log with the partition it is written to. It has no key.
type written struct {
	at        time.Duration // after the start
	partition int32
	fields    map[string]any
}

func newPromised(
	seed uint64,
	start time.Time,
	length time.Duration,
	rate, partitions int,
) *promised {
	w := &promised{start: start, length: length, rate: rate, seed: seed}
	r := rand.New(rand.NewPCG(seed, 5))
	for k := range promiseKeys {
		key := fmt.Sprintf("k%02d", k)
		for at := time.Duration(r.Int64N(int64(20 * time.Second))); at < length-quietEnd; {
			at += w.incident(r, at, key, int32(k%partitions), partitions)
			at += time.Duration(r.Int64N(int64(25 * time.Second)))
		}
	}
	for k := range promiseAgents {
		next := time.Duration(r.Int64N(int64(time.Minute)))
		for at := time.Duration(k) * 50 * time.Millisecond; at < length; at += time.Second {
			if at > next && at < length-quietEnd {
				at += 5*time.Second + time.Duration(r.Int64N(int64(8*time.Second)))
				next = at + 20*time.Second + time.Duration(r.Int64N(int64(time.Minute)))
			}
			fields := map[string]any{"kind": "beat", "key": fmt.Sprintf("agent%d", k)}
			w.events = append(w.events, written{at, int32(r.IntN(partitions)), fields})
		}
	}
	slices.SortStableFunc(w.events, func(a, b written) int { return int(a.at - b.at) })
	last := time.Duration(-1)
	for i := range w.events {
		at := max(w.events[i].at.Truncate(time.Millisecond), last+time.Millisecond)
		w.events[i].at, last = at, at
	}
	return w
}

// incident draws one incident of a key, and returns how long it takes.
func (w *promised) incident(
	r *rand.Rand, at time.Duration, key string, own int32, partitions int,
) time.Duration {
	took := 2*time.Second + time.Duration(r.Int64N(int64(8*time.Second)))
	add := func(after time.Duration, partition int32, fields map[string]any) {
		fields["key"] = key
		w.events = append(w.events, written{at + after, partition, fields})
	}
	somewhere := func() int32 { return int32(r.IntN(partitions)) }
	within := func() time.Duration { return time.Duration(r.Int64N(int64(took))) }
	several := func(n int, fields func() map[string]any) {
		for range n {
			add(within(), somewhere(), fields())
		}
	}
	kind := func(name string) func() map[string]any {
		return func() map[string]any { return map[string]any{"kind": name} }
	}
	login := func() map[string]any {
		return map[string]any{"kind": "login", "user": fmt.Sprint("u", r.IntN(9))}
	}
	switch r.IntN(9) {
	case 0:
		several(8+r.IntN(14), kind("error"))
	case 1:
		several(6+r.IntN(10), login)
		if r.IntN(2) == 0 {
			several(3+r.IntN(6), kind("error")) // an attack
		}
	case 2: // short episodes in close succession
		for range 1 + r.IntN(4) {
			add(within(), somewhere(), map[string]any{"kind": "any"})
		}
	case 3:
		several(6+r.IntN(14), func() map[string]any {
			return map[string]any{
				"kind": "request", "status": []int{200, 200, 200, 500}[r.IntN(4)],
				"took": r.IntN(1100), "bytes": r.IntN(2000),
			}
		})
	case 4:
		several(4, login)
		add(took+500*time.Millisecond, somewhere(), map[string]any{"kind": "any"})
		if r.IntN(3) == 0 {
			add(took+1500*time.Millisecond, somewhere(), map[string]any{"kind": "step"})
		}
	case 5: // by their key, so that severities come in their order
		for i := range 2 + r.IntN(5) {
			depth := []int{5, 20, 30, 70}[r.IntN(4)]
			add(
				time.Duration(i)*1500*time.Millisecond,
				own,
				map[string]any{"kind": "queue", "depth": depth},
			)
		}
	case 6:
		several(1+r.IntN(2), kind("down"))
		add(took+time.Second, somewhere(), map[string]any{"kind": "up"})
	case 7:
		add(0, somewhere(), map[string]any{"kind": "deploy"})
		several(6+r.IntN(6), kind("error"))
		if r.IntN(2) == 0 {
			add(took/2, somewhere(), map[string]any{"kind": "deployed"})
		}
	case 8: // a burst
		took /= 4
		several(11+r.IntN(5), kind("error"))
	}
	return took + 2*time.Second
}

// value is the log as JSON.
func (e written) value(start time.Time) []byte {
	at := start.Add(e.at).UTC().Format("2006-01-02T15:04:05.000Z")
	b := fmt.Appendf(nil, `{"timestamp":%q`, at)
	for _, name := range slices.Sorted(maps.Keys(e.fields)) {
		switch v := e.fields[name].(type) {
		case string:
			b = fmt.Appendf(b, `,%q:%q`, name, v)
		default:
			b = fmt.Appendf(b, `,%q:%v`, name, v)
		}
	}
	return append(b, '}')
}

// logs are all logs in the order of time, ordinary ones between the others.
func (w *promised) logs(partitions int) iter.Seq[written] {
	return func(yield func(written) bool) {
		r := rand.New(rand.NewPCG(w.seed, 6))
		rest := w.events
		for i := range int(w.length.Seconds() * float64(w.rate)) {
			at := time.Duration(i) * time.Second / time.Duration(w.rate)
			for len(rest) > 0 && rest[0].at <= at {
				if !yield(rest[0]) {
					return
				}
				rest = rest[1:]
			}
			fields := map[string]any{
				"kind": "ordinary",
				"key":  fmt.Sprintf("k%02d", r.IntN(promiseKeys)),
			}
			if !yield(written{at, int32(r.IntN(partitions)), fields}) {
				return
			}
		}
		for _, e := range rest {
			if !yield(e) {
				return
			}
		}
	}
}

// change is a transition as the evaluator, the history, and each receiver must see it.
type change struct {
	alert    string // its name and key
	severity string
	state    string
	at       time.Time
	from     time.Time // of a resolved alert: when it began; zero with the evaluator
	id       string    // of the episode; "" with the evaluator
}

// expected has the evaluator read all logs. It returns the transitions of each alert before an
// instant, in their order.
func (w *promised) expected(rules string, until time.Time) (map[string][]change, error) {
	set, err := evaluator.ReadRules("chaos.rules.yml", []byte(rules))
	if err != nil {
		return nil, err
	}
	reader, err := evaluator.NewReader(set)
	if err != nil {
		return nil, err
	}
	var logs []*evaluator.Log
	for _, e := range w.events {
		record := models.Record{
			Topic:     "logs",
			Timestamp: w.start.Add(e.at),
			Value:     e.value(w.start),
		}
		logs = append(logs, reader.Read(record)...)
	}
	all := map[string][]change{}
	course := evaluator.Course{Began: w.start, End: until}
	for _, t := range evaluator.Evaluate(set, logs, course) {
		if t.At.Before(until) {
			c := change{
				alert:    alertName(t.Labels),
				severity: t.Labels["severity"],
				state:    t.State,
				at:       t.At,
			}
			all[c.alert] = append(all[c.alert], c)
		}
	}
	return all, nil
}

// alertName identifies an alert, except for its severity.
func alertName[K, V ~string](labels map[K]V) string {
	return string(labels["alertname"]) + " " + string(labels["key"])
}
