package alerting_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/log-monitoring/alert-engine/internal/alerting"
	"github.com/log-monitoring/alert-engine/internal/rule"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

const sharedRules = `
version: 1
groups:
- name: g
  lateness: 1s
  rules:
  - {alert: Errors, match: say:error, when: count() > 2, window: 1m, by: [service]}
  - {alert: Many, match: say:error, when: distinct(n) > 2, window: 1m, by: [service]}
  - {alert: Lasting, match: say:error, when: count() > 0, window: 1m, for: 30s, by: [service]}
  - {alert: Silent, match: say:beat, when: count() == 0, window: 1m, by: [service]}
`

// topic is the partitions that members share: what was written, and when.
type topic [2][]models.Record

func (tp *topic) write(partition int32, at time.Time, service, say string) {
	list := &tp[partition]
	value := fmt.Appendf(nil, `{"timestamp":%q,"service":%q,"say":%q,"n":%d,"message":"m"}`,
		at.Format(time.RFC3339Nano), service, say, len(*list))
	*list = append(
		*list,
		models.Record{
			Topic:     "logs",
			Partition: partition,
			Offset:    int64(len(*list)),
			Timestamp: at,
			Value:     value,
		},
	)
}

// member is an engine that shares the topic.
type member struct {
	*play
	topic *topic
	has   map[int32]int // partitions, and up to which offset others have evaluated them
}

func newMember(set *rule.Set, tp *topic) *member {
	m := &member{play: newPlay(set, alerting.WithShared()), topic: tp, has: map[int32]int{}}
	return m
}

// advance reads everything that the member's partitions have, and tells the time: first of all
// which partitions these are.
func (m *member) advance(now time.Time) {
	m.engine.Advance(now, m.progress())
	for n, until := range m.has {
		m.apply(m.topic[n][min(int(m.next[n]), until):until])
	}
	m.engine.Advance(now, m.progress())
	for n := range m.has {
		m.apply(m.topic[n][m.next[n]:])
	}
	m.engine.Advance(now, m.progress())
}

func (m *member) progress() (list []models.Progress) {
	for n, until := range m.has {
		end := int64(len(m.topic[n]))
		list = append(
			list,
			models.Progress{
				Topic:     "logs",
				Partition: n,
				Next:      m.next[n],
				End:       end,
				CaughtUp:  m.next[n] == end,
				Replay:    m.next[n] < int64(until),
			},
		)
	}
	return list
}

func (m *member) take(partition int32) { m.has[partition] = len(m.topic[partition]) }
func (m *member) give(partitions ...int32) {
	for _, p := range partitions {
		delete(m.has, p)
	}
}

// notified is what people hear from the member.
func (m *member) notified() (list []string) {
	for _, a := range m.alerts {
		if !a.Historical && (a.State == models.AlertFiring || a.State == models.AlertResolved) {
			list = append(
				list,
				fmt.Sprint(a.State, " ", a.Labels["alertname"], " ", a.Labels["service"]),
			)
		}
	}
	slices.Sort(list)
	return list
}

func (m *member) shows() (list []string) {
	for _, a := range m.engine.Alerts() {
		if a.State == models.AlertFiring {
			list = append(list, a.Labels["alertname"]+" "+a.Labels["service"])
		}
	}
	slices.Sort(list)
	return list
}

// "A partition moves to another member and back. Is anyone notified that the alert has ended, while
// it is not?"
func TestReleasedPartitionStandsStill(t *testing.T) {
	set, err := rule.Read("shared.rules.yml", []byte(sharedRules))
	if err != nil {
		t.Fatal(err)
	}
	for _, restart := range []bool{false, true} {
		now, tp := monday, &topic{}
		a, b := newMember(set, tp), newMember(set, tp)
		same := func(what string, got []string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("restart %v, %s (-want +got):\n%s", restart, what, diff)
			}
		}
		run := func(seconds int) {
			for i := range seconds {
				now = now.Add(time.Second)
				if i%10 == 0 {
					tp.write(0, now, "quiet", "beat")
					tp.write(1, now, "broken", "beat")
					tp.write(1, now, "broken", "error")
				}
				a.advance(now)
				b.advance(now)
			}
			if restart {
				a.crash(set, true)
				b.crash(set, true)
			}
		}
		a.take(0)
		a.take(1)
		all := []string{"Errors broken", "Lasting broken", "Many broken"}
		firing := []string{"firing Errors broken", "firing Lasting broken", "firing Many broken"}
		run(120)
		same("A hears", a.notified(), firing...)

		a.give(1)
		b.take(1)
		run(600)
		a.advance(now)
		b.advance(now)
		same("A, when the partition is B's", a.notified(), firing...)
		same("A shows", a.shows())
		same("B hears", b.notified())
		same("B shows", b.shows(), all...)

		b.give(1)
		a.take(1)
		run(600)
		a.advance(now)
		b.advance(now)
		same("A, when it is back", a.notified(), firing...)
		same("A shows again", a.shows(), all...)
		same("B, when it is A's again", b.notified())
		same("B shows", b.shows())

		for range 90 { // nothing is wrong any more, and no one beats
			now = now.Add(time.Second)
			a.advance(now)
			b.advance(now)
		}
		want := append(slices.Clone(firing), "firing Silent broken", "firing Silent quiet",
			"resolved Errors broken", "resolved Lasting broken", "resolved Many broken")
		same("A at the end", a.notified(), want...)
		same("B at the end", b.notified())
		if groups := b.engine.Stats().Groups; groups != 4 {
			t.Errorf("B has %d groups", groups)
		}
		now = now.Add(36 * 24 * time.Hour)
		b.advance(now)
		b.advance(now)
		if groups := b.engine.Stats().Groups; groups != 0 {
			t.Errorf("B never forgets: %d groups", groups)
		}
	}
}
