package ruletest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flood is more logs of a group than windows hold one by one, and more values than they count
// exactly, in waves.
var flood = scenario{
	rules: `
  - {alert: ManyUsers, match: 'user:*', when: 'distinct(user) > 3000', window: 1m}
  - {alert: FewOfMany, match: 'user:*', when: 'distinct(user) > 900', window: 30s}
  - {alert: OftenTheSame, match: 'user:*', when: 'distinct(user) / count() < 70% and count() > 100', window: 1m}
  - {alert: Skewed, match: 'took:*', when: 'p99(took) > 8 * p50(took) and count() > 100', window: 1m}
  - {alert: Slow, match: 'took:*', when: 'p90(took) > 600', window: 1m}
  - {alert: Errors, match: 'user:*', when: 'count(level:error) / count() > 20% and count() > 100', window: 1m}
  - {alert: Spread, match: 'took:*', when: 'stddev(took) > 400 and max(took) > 3000', window: 1m}`,
	logs: func(m *maker) {
		for wave := range 3 {
			at, slow := 200*wave, float64(wave+1)
			for range 5000 {
				m.log(at+1+m.IntN(2), "user", fmt.Sprint("u", m.IntN(2000*(1+wave))),
					"took", math.Round(100*slow*math.Exp(m.NormFloat64())),
					"level", m.one("error", "info", "info", "info"))
			}
			m.burst(at, 120, 300, "user", "ann", "took", 250)
		}
	},
}

// What is folded, pruned and estimated does not depend on the order in which logs come, on how many
// are read at once, or on restarts.
func TestFloodIsIndependentOfOrder(t *testing.T) {
	set, test := flood.read(t, 1)
	factory := EngineFactory(set)
	list, err := test.arrivals()
	if err != nil {
		t.Fatal(err)
	}
	end := flood.end(list).Add(factory.Lateness)
	texts := func(list []arrival, how live) []string {
		alerts, err := how.run(factory, test.Start, list, end)
		if err != nil {
			t.Fatal(err)
		}
		return spellTexts(notified(alerts))
	}
	want := texts(list, live{backlog: 100})
	for _, r := range set.Rules {
		if !strings.Contains(strings.Join(want, "\n"), r.Name) {
			t.Errorf("%s never fires, so nothing is shown", r.Name)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, how := range []live{{backlog: len(list)}, {backlog: 7}, {backlog: 900}, {crash: 2111}} {
		if diff := cmp.Diff(want, texts(shuffled(list, factory.Lateness, rng), how)); diff != "" {
			t.Errorf("%+v (-in order +shuffled):\n%s", how, diff)
		}
	}
}
