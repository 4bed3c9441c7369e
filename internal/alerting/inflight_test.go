package alerting_test

import (
	"bytes"
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

// handTo gives a partition to another member: to one that was there before, or to a new one, which
// fills its windows first.
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
		to.next[p] = int64(sort.Search(at, func(i int) bool {
			return !to.topic[p][i].Timestamp.Before(since)
		}))
	}
	if err := to.engine.RestoreInFlight(models.Partition{Topic: "logs", Partition: p},
		baton); err != nil {
		t.Fatal(err)
	}
}

// decisions are all that was notified, with the identity, the times and the count of each.
func decisions(members ...*member) (list []string) {
	for _, m := range members {
		for _, a := range m.alerts {
			list = append(
				list,
				fmt.Sprint(a.At.Sub(monday), " ", a.Labels["alertname"], " ", a.Labels["service"],
					" #", a.Episode, " ", a.State, " ", a.ID, a.StartsAt, a.EndsAt, a.Count,
					a.Value, a.Historical, a.Severity),
			)
		}
	}
	slices.Sort(list)
	return list
}

// A partition goes from member to member, also to such as have never had it, and others crash after
// something was decided that no one was left: together they decide what one decides that has it all
// the time, with the same identities, times and counts, and nothing twice.
func TestAlertsContinueOnAnotherMember(t *testing.T) {
	set, err := rule.Read("shared.rules.yml", []byte(handoverRules))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range seeds(5) {
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
					tp.write(1, now, fmt.Sprint("s", s), []string{"beat", "beat", "error", "error",
						"error", "fine"}[rng.IntN(6)])
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
			owner.handTo(t, to, 1, int(owner.next[1]), owner.engine.InFlightState(name))
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

// A group whose last alert is long over, and keeps no lines, is numbered on by the member that gets
// it.
func TestNumbersContinueOnAnotherMember(t *testing.T) {
	set := rules(
		t,
		"{alert: A, match: say:error, when: count() > 2, window: 1m, by: [service], samples: "+
			"{first: 0, last: 0}}",
	)
	now, tp := monday, &topic{}
	solo, a, b := newMember(set, tp), newMember(set, tp), newMember(set, tp)
	for _, m := range []*member{solo, a} {
		m.take(0)
		m.take(1)
	}
	b.has = map[int32]int{}
	write := func(errors, seconds int) {
		for i := range seconds {
			if i < errors {
				tp.write(1, now, "s", "error")
			}
			now = now.Add(time.Second)
			for _, m := range []*member{solo, a, b} {
				m.advance(now)
			}
		}
	}
	write(4, 1204)
	write(1, 2)
	a.handTo(t, b, 1, int(a.next[1]), a.engine.InFlightState(models.Partition{Topic: "logs",
		Partition: 1}))
	write(0, 2)
	write(4, 304)
	if diff := cmp.Diff(decisions(solo), decisions(a, b)); diff != "" {
		t.Errorf("one member, and two (-want +got)\n%s", diff)
	}
}

// While a changed rule is rolled out, its partition goes from a member with the old rule to one
// with the new. The old alert has ended, and the new one is another: nothing is notified that the
// alert which is active has ended.
func TestChangedRuleIsAnotherAlert(t *testing.T) {
	rule := "{alert: Same, match: say:error, when: count() > %d, window: 10m, by: [service]}"
	now, tp := monday, &topic{}
	a, b := newMember(rules(t, fmt.Sprintf(rule, 2)), tp),
		newMember(rules(t, fmt.Sprintf(rule, 3)), tp)
	a.take(0)
	a.take(1)
	now = errorsFor(8, now, tp, a, b)
	a.handTo(t, b, 1, int(a.next[1]), a.engine.InFlightState(models.Partition{Topic: "logs",
		Partition: 1}))
	errorsFor(120, now, tp, a, b)
	up := b.engine.Alerts()
	if len(up) != 1 || len(a.alerts) == 0 || up[0].ID == a.alerts[0].ID {
		t.Fatalf("up are %+v, and were %+v", up, a.alerts)
	}
	for _, one := range b.alerts {
		if one.State == models.AlertResolved && one.ID == up[0].ID {
			t.Errorf("what is up was said to be over: %+v", one)
		}
	}
}

// errorsFor writes an error each second, and returns what time it is then.
func errorsFor(seconds int, now time.Time, tp *topic, members ...*member) time.Time {
	for range seconds {
		tp.write(1, now, "s", "error")
		now = now.Add(time.Second)
		for _, m := range members {
			m.advance(now)
		}
	}
	return now
}

// rules reads rules of one group.
func rules(t *testing.T, text string) *rule.Set {
	t.Helper()
	set, err := rule.Read("x.rules.yml", []byte("groups:\n- name: g\n  rules:\n  - "+text+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// While a new version is rolled out, a member may be handed a partition in a format that it does
// not know: its numbers go on, and no group is misread.
func TestHandoverOfAnotherFormat(t *testing.T) {
	set := rules(
		t,
		"{alert: Same, match: say:error, when: count() > 2, window: 10m, by: [service]}",
	)
	now, tp := monday, &topic{}
	a, b := newMember(set, tp), newMember(set, tp)
	a.take(0)
	a.take(1)
	now = errorsFor(8, now, tp, a, b)
	baton := a.engine.InFlightState(models.Partition{Topic: "logs", Partition: 1})
	other := bytes.Replace(baton, []byte(`"format":`), []byte(`"format":9`), 1)
	if bytes.Equal(other, baton) {
		t.Fatal("there is no format in what is handed over")
	}
	a.handTo(t, b, 1, int(a.next[1]), other)
	errorsFor(120, now, tp, a, b)
	up := b.engine.Alerts()
	if len(up) != 1 || up[0].State != models.AlertFiring || up[0].Episode != 2 {
		t.Errorf("up are %+v", up)
	}
}
