package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// The rules that run, and what the evaluator knows of them. Times are short, so that much happens between two kills.
const (
	rules = `version: 1
groups:
- name: chaos
  lateness: %v
  rules:
  - alert: Errors
    match: level>=ERROR
    when: count() > 10
    window: 10s
    by: [key]
  - alert: Users
    match: event:login_failed
    when: distinct(user) > 5
    window: 8s
    by: [key]
  - alert: Silent
    match: event:heartbeat
    when: count() == 0
    window: 6s
    by: [key]
`
	errorWindow  = 10 * time.Second
	userWindow   = 8 * time.Second
	silentWindow = 6 * time.Second
	longest      = 15 * time.Second // by then whatever is over has resolved
	beat         = time.Second
)

// entry is one log that some rule counts, or one that none does.
type entry struct {
	at    time.Time
	group int
	key   string
	kind  kind
	user  int
}

type kind uint8

const (
	ordinary kind = iota
	failure
	login
	heartbeat
)

func (e *entry) value() []byte {
	at := e.at.UTC().Format(time.RFC3339Nano)
	switch e.kind {
	case failure:
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"ERROR","service":"shop","key":%q,"message":"payment failed"}`, at, e.key)
	case login:
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"WARN","service":"login","key":%q,"event":"login_failed","user":"u%d","message":"login failed"}`, at, e.key, e.user)
	case heartbeat:
		return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"agent","key":%q,"event":"heartbeat","message":"alive"}`, at, e.key)
	}
	return fmt.Appendf(nil, `{"timestamp":%q,"level":"INFO","service":"shop","key":%q,"message":"GET /cart 200 in 12 ms"}`, at, e.key)
}

// workload is every log that will be written, decided by its seed alone. The logs that rules count are kept; the ordinary ones are made as they are needed.
type workload struct {
	seed       uint64
	start, end time.Time
	total      int
	rate       int
	special    []entry       // ordered by time
	delay      time.Duration // the longest that a log was written after its time
}

const (
	keys   = 60
	agents = 12
)

// newWorkload draws incidents: per key bursts of errors and of failed logins, some just below what the rules allow, and agents that fall silent.
func newWorkload(seed uint64, start time.Time, total, rate int) *workload {
	length := time.Duration(total) * time.Second / time.Duration(rate)
	w := &workload{seed: seed, start: start, end: start.Add(length), total: total, rate: rate}
	r := rand.New(rand.NewPCG(seed, 2))
	// So many incidents that the transitions fit into the history that the engine keeps, however long this runs.
	pause := max(25*time.Second, length*keys*2/420)
	for k := range keys {
		key := fmt.Sprintf("k%02d", k)
		for at := time.Duration(r.Int64N(int64(pause))); at < length-longest; at += pause/2 + time.Duration(r.Int64N(int64(pause))) {
			kind, n, over := failure, 8+r.IntN(12), 2*time.Second+time.Duration(r.Int64N(int64(9*time.Second)))
			if r.IntN(2) == 0 {
				kind = login
			}
			for range n {
				t := start.Add(at + time.Duration(r.Int64N(int64(over))).Truncate(time.Millisecond))
				w.special = append(w.special, entry{at: t, group: k, key: key, kind: kind, user: r.IntN(9)})
			}
		}
	}
	for k := range agents {
		key := fmt.Sprintf("agent%02d", k)
		silent := max(60*time.Second, length/4)
		next := time.Duration(r.Int64N(int64(silent))) + 10*time.Second
		for at := time.Duration(k) * 50 * time.Millisecond; at < length; at += beat {
			if at > next {
				at += 4*time.Second + time.Duration(r.Int64N(int64(8*time.Second))).Truncate(time.Millisecond)
				next = at + silent/2 + time.Duration(r.Int64N(int64(silent)))
			}
			if at < length {
				w.special = append(w.special, entry{at: start.Add(at), group: keys + k, key: key, kind: heartbeat})
			}
		}
	}
	slices.SortStableFunc(w.special, func(a, b entry) int { return a.at.Compare(b.at) })
	return w
}

// logs are all logs in the order of time. After the end, agents go on beating until the windows of everything else are over.
func (w *workload) logs() iter.Seq[entry] {
	return func(yield func(entry) bool) {
		r := rand.New(rand.NewPCG(w.seed, 3))
		rest := w.special
		for i := range w.total - len(w.special) {
			at := w.start.Add(time.Duration(i) * w.end.Sub(w.start) / time.Duration(w.total-len(w.special)))
			for len(rest) > 0 && rest[0].at.Before(at) {
				if !yield(rest[0]) {
					return
				}
				rest = rest[1:]
			}
			k := r.IntN(keys)
			if !yield(entry{at: at, group: k, key: fmt.Sprintf("k%02d", k)}) {
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

// episode is an alert from its beginning to its end, as the evaluator or the engine sees it.
type episode struct {
	rule, key  string
	number     int64
	from, to   time.Time
	count      int64 // logs that were in its windows, from the first that made it fire to the last before it resolved
	unresolved bool
}

// expected evaluates the whole log from the rules' definition: v(T) at every time at which it can change.
func (w *workload) expected() []episode {
	byKey := map[kind]map[string][]entry{failure: {}, login: {}, heartbeat: {}}
	for _, e := range w.special {
		byKey[e.kind][e.key] = append(byKey[e.kind][e.key], e)
	}
	var all []episode
	for kind, groups := range byKey {
		for key, list := range groups {
			switch kind {
			case failure:
				all = append(all, spans("chaos/Errors", key, list, errorWindow, time.Time{}, func(in []entry) bool { return len(in) > 10 })...)
			case login:
				all = append(all, spans("chaos/Users", key, list, userWindow, time.Time{}, func(in []entry) bool { return users(in) > 5 })...)
			case heartbeat:
				all = append(all, spans("chaos/Silent", key, list, silentWindow, list[0].at.Add(silentWindow), func(in []entry) bool { return len(in) == 0 })...)
			}
		}
	}
	return all
}

func users(in []entry) int {
	seen := map[int]bool{}
	for _, e := range in {
		seen[e.user] = true
	}
	return len(seen)
}

// spans looks at every instant at which a log enters or leaves the window.
func spans(rule, key string, list []entry, window time.Duration, from time.Time, holds func([]entry) bool) []episode {
	var instants []time.Time
	for _, e := range list {
		instants = append(instants, e.at, e.at.Add(window))
	}
	slices.SortFunc(instants, time.Time.Compare)
	var out []episode
	open := false
	for _, t := range slices.Compact(instants) {
		var in []entry
		for _, e := range list {
			if e.at.After(t.Add(-window)) && !e.at.After(t) {
				in = append(in, e)
			}
		}
		switch now := holds(in) && !t.Before(from); {
		case now && !open:
			out = append(out, episode{rule: rule, key: key, number: int64(len(out) + 1), from: t, count: int64(len(in)), unresolved: true})
		case !now && open:
			e := &out[len(out)-1]
			e.to, e.unresolved, e.count = t, false, 0
			for _, l := range list {
				if l.at.After(e.from.Add(-window)) && !l.at.After(t) {
					e.count++
				}
			}
		}
		open = len(out) > 0 && out[len(out)-1].unresolved
	}
	return out
}
