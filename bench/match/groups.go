package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const (
	groupCount = 1_000_000
	groupChunk = 512    // records that are scanned and applied at once, as the program does
	groupPoll  = 20_000 // records of a poll, after which time moves on

	groupRules = `
version: 1
groups:
- name: hosts
  rules:
  - {alert: HostErrors, match: level>=ERROR, when: count() > 20, window: 5m, by: [host], limit: 2000000}
`
)

// groups measures the state of a million live groups of one rule, in the engine itself: what each
// takes, key and all, and what it costs to apply a hit to one of them, and to move time on after
// each poll. Hits come in random order; reading and matching the logs is not counted.
func groups() {
	set, err := rule.Read("groups.rules.yml", []byte(groupRules))
	check(err)
	before := heap()
	engine := alerting.NewEngine(alerting.WithRules(set), alerting.WithMaxGroups(2*groupCount),
		alerting.WithEmit(func(models.Alert) {}))
	scanner := engine.NewScanner()
	start := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	order := rand.New(rand.NewPCG(7, 7))
	offset := int64(0)
	hit := func(at time.Time, hosts []int) (spent time.Duration) {
		for len(hosts) > 0 {
			chunk := hosts[:min(groupChunk, len(hosts))]
			hosts = hosts[len(chunk):]
			records := make([]models.Record, len(chunk))
			for i, h := range chunk {
				value := fmt.Appendf(nil, `{"timestamp":"%s","level":"error","message":"disk `+
					`failure","host":"host-%07d.example"}`, at.Format(time.RFC3339Nano), h)
				records[i] = models.Record{
					Topic:     "logs",
					Offset:    offset,
					Timestamp: at,
					Value:     value,
				}
				offset++
				at = at.Add(10 * time.Microsecond)
			}
			scan := scanner.Scan(records)
			began := threadCPU()
			engine.Apply(scan)
			if offset%groupPoll < groupChunk {
				engine.Advance(
					at,
					[]models.Progress{{Topic: "logs", Next: offset, End: groupCount * 100}},
				)
			}
			spent += threadCPU() - began
		}
		return spent
	}
	pass := func(at time.Time) float64 {
		return float64(hit(at, order.Perm(groupCount))) / groupCount
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	created := pass(start)
	bytes := float64(heap()-before) / groupCount
	updated := math.Inf(1)
	for i := range *rounds {
		updated = min(updated, pass(start.Add(time.Duration(i+1)*11*time.Second)))
	}
	d := newDisk()
	defer d.remove()
	d.checkpoint(engine)
	hit(start.Add(100*time.Second), order.Perm(groupCount)[:groupCount/10])
	saving, written := d.checkpoint(engine)
	restart := min(d.restart(set), d.restart(set), d.restart(set))
	pause := expire(engine, start.Add(time.Hour), offset)
	runtime.KeepAlive(engine)
	fmt.Printf("## %d live groups of one rule, hits in random order\n\n", groupCount)
	fmt.Printf("a new group %.0f ns; a hit on one of them %.0f ns\n", created, updated)
	verdict("bytes a group, key and first hit included", bytes, "<=", 160)
	verdict("million hits a second", 1000/updated, ">=", 3)
	verdict("milliseconds of the longest Advance while all of them end", float64(pause)/1e6,
		"<=", 5)
	verdict("seconds until all are restored from disk, by the clock on the wall", restart.Seconds(),
		"<=", 3)
	fmt.Printf(
		"a checkpoint after a hit on every tenth of them: %.0f ms by the clock on the wall, "+
			"%.1f MB\n",
		float64(saving)/1e6,
		float64(written)/1e6,
	)
	fmt.Println()
}

// expire lets all groups end at one instant, and returns the longest that one Advance took.
func expire(engine *alerting.Engine, now time.Time, next int64) (longest time.Duration) {
	for engine.Stats().Groups > 0 {
		now = now.Add(time.Second)
		began := threadCPU()
		engine.Advance(
			now,
			[]models.Progress{{Topic: "logs", Next: next, End: next, CaughtUp: true}},
		)
		longest = max(longest, threadCPU()-began)
		// as the program does every second
		engine.Save(false, func(_, _ []byte) {}, func([]byte) {})
	}
	return longest
}
