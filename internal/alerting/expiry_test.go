package alerting

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A million groups that end together hold up nothing that is to be notified; that they are still
// there makes no difference.
func TestGroupsExpireInSteps(t *testing.T) {
	const users = 3 * expirationsPerAdvance
	var notified []string
	e := NewEngine(
		WithRules(read(t, countErrors)),
		WithMaxGroups(users+1),
		WithEmit(func(a models.Alert) {
			notified = append(notified, fmt.Sprint(a.State, " ", a.Labels["user"], " ", a.Count))
		}),
	)
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	s, next := e.NewScanner(), int64(0)
	fail := func(user string, n int) {
		for range n {
			value := fmt.Appendf(nil, `{"level":"ERROR","user":%q}`, user)
			e.Apply(
				s.Scan([]models.Record{{Topic: "logs", Offset: next, Timestamp: at, Value: value}}),
			)
			next++
		}
	}
	advance := func() {
		e.Advance(at, []models.Progress{{Topic: "logs", Next: next, End: next, CaughtUp: true}})
	}
	for i := range users {
		fail(fmt.Sprintf("u%05d", i), 1)
	}
	fail("noisy", 11)
	at = at.Add(time.Hour)
	advance()
	if n := e.Stats().Groups; n != users+1-1-expirationsPerAdvance &&
		n != users+1-expirationsPerAdvance {
		t.Errorf("after one move there are %d groups", n)
	}
	for i := users - 100; i < users; i++ { // all of which have expired, be they there or not
		fail(fmt.Sprintf("u%05d", i), 10)
	}
	for i := range expirationsPerAdvance {
		// for which there is room only without those that have expired
		fail(fmt.Sprintf("new%05d", i), 1)
	}
	for range 4 {
		advance()
	}
	if n := e.Stats().Groups; n != 100+expirationsPerAdvance {
		t.Errorf("in the end there are %d groups", n)
	}
	if got := fmt.Sprint(notified); got != "[firing noisy 11 resolved noisy 11]" {
		t.Errorf("notified: %s", got)
	}
}

// How much memory a rule holds is asked at each scrape, while logs wait. Of a million groups that
// have ended none is looked at.
func TestMemoryLooksAtFewGroups(t *testing.T) {
	big := &group{key: strings.Repeat("k", 1000), live: true}
	for _, tt := range []struct{ groups, places, from int }{
		{0, 1 << 20, 1 << 20}, {1, 1, 0}, {255, 255, 0}, {257, 257, 0}, {511, 512, 1},
		{1 << 20, 1 << 20, 0}, {1 << 18, 1 << 20, 3 << 18},
	} {
		calls, found := 0, 0
		bytes := bytesOf(tt.groups, tt.places, looked, func(place int) *group {
			if calls++; place < tt.from {
				return nil
			}
			found++
			return big
		})
		if want := tt.groups * (len(big.key) + big.win.Bytes()); bytes != want || calls > looked {
			t.Errorf("%+v: %d bytes, not %d, of %d groups in %d places", tt, bytes, want, found,
				calls)
		}
	}
}

// Few groups that are left of very many count for what they hold.
func TestMemoryAfterFlood(t *testing.T) {
	rules := read(t, countErrors)
	rs := NewEngine(WithRules(rules), WithEmit(func(models.Alert) {})).state.rules[0]
	const flood, left = 20 * looked, 5
	for i := range flood + left {
		rs.groups.add(fmt.Sprintf("%01000d", i))
	}
	for i := range uint32(flood) {
		rs.groups.remove(i)
	}
	for i := range uint32(left) {
		rs.timers.set(flood+i, int64(i))
	}
	g := rs.groups.at(flood)
	want := rs.groups.bytes() + cap(rs.timers.numbers)*4 + left*(len(g.key)+g.win.Bytes())
	if got := rs.memory(); got != want {
		t.Errorf("%d bytes, not %d", got, want)
	}
}
