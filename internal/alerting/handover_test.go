package alerting_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const handoverRules = sharedRules + `
  - {alert: Kept, match: say:error, when: count() > 2, window: 1m, by: [service], keep_firing_for: 20m}
  - {alert: Until, match: say:error, when: count() > 2, window: 1m, by: [service], resolve: {match: say:fine}}
  - {alert: Share, match: 'say:*', when: count(say:error) / count() > 30% and count() >= 5, window: 3m, by: [service]}
  - alert: Levels
    match: say:error
    when: count() > 2
    window: 2m
    by: [service]
    levels: {info: '> 2', warning: '> 4'}
`

// handTo gives a partition to another member: to one that was there before, or to a new one, which fills its windows first.
func (m *member) handTo(t *testing.T, to *member, p int32, at int, baton []byte) {
	t.Helper()
	m.give(p)
	to.has[p] = at
	if next, was := to.next[p]; was && next > 0 {
		if int(next) > at {
			t.Fatalf("it has read up to %d, and gets it at %d", next, at)
		}
	} else if at > 0 {
		since := to.topic[p][at-1].Timestamp.Add(-to.engine.LongestWindow())
		to.next[p] = int64(sort.Search(at, func(i int) bool { return !to.topic[p][i].Timestamp.Before(since) }))
	}
	if err := to.engine.TakeOver(models.Partition{Topic: "logs", Partition: p}, baton); err != nil {
		t.Fatal(err)
	}
}

// decisions are all that was told, with the identity, the times and the count of each.
func decisions(members ...*member) (list []string) {
	for _, m := range members {
		for _, a := range m.alerts {
			list = append(list, fmt.Sprint(a.At.Sub(monday), " ", a.Labels["alertname"], " ", a.Labels["service"], " #", a.Episode, " ", a.State, " ", a.ID, a.StartsAt, a.EndsAt, a.Count, a.Value, a.Historical, a.Severity))
		}
	}
	slices.Sort(list)
	return list
}

// A partition goes from member to member, also to such as have never had it, and others crash after something was decided that nobody was left: together they decide
// what one decides that has it all the time, with the same identities, times and counts, and nothing twice.
func TestAlertsGoOnWhereAnotherMemberHandsThemOver(t *testing.T) {
	set, err := rule.Read("shared.rules.yml", []byte(handoverRules))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 7))
		now, tp := monday, &topic{}
		solo := newMember(set, tp)
		solo.take(0)
		solo.take(1)
		all := []*member{newMember(set, tp)}
		owner := all[0]
		owner.take(0)
		owner.take(1)
		name := models.Partition{Topic: "logs", Partition: 1}
		moves := 0
		for range 1500 {
			now = now.Add(time.Second)
			for s := range 3 {
				for range max(0, rng.IntN(12)-9) {
					tp.write(1, now, fmt.Sprint("s", s), []string{"beat", "beat", "error", "error", "error", "fine"}[rng.IntN(6)])
				}
			}
			if now.Sub(monday)%(7*time.Minute) > 4*time.Minute {
				now = now.Add(20 * time.Second) // it is quieter now
			}
			solo.advance(now)
			for _, m := range all {
				m.advance(now)
			}
			if rng.IntN(60) > 0 {
				continue
			}
			moves++
			to := all[rng.IntN(len(all))]
			if to == owner || rng.IntN(3) == 0 && len(all) < 8 {
				to = newMember(set, tp)
				all = append(all, to)
			}
			owner.handTo(t, to, 1, int(owner.next[1]), owner.engine.HandOver(name))
			owner = to
		}
		for range 60 {
			now = now.Add(time.Minute)
			solo.advance(now)
			for _, m := range all {
				m.advance(now)
			}
		}
		want := decisions(solo)
		if diff := cmp.Diff(want, decisions(all...)); diff != "" {
			t.Fatalf("seed %d, %d moves (-alone +together):\n%s", seed, moves, diff)
		}
		if len(want) < 50 || moves < 5 {
			t.Fatalf("seed %d: %d transitions and %d moves show nothing", seed, len(want), moves)
		}
	}
}
