package notify

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Whatever happens (a receiver that comes and goes, kills at any instant, an outbox that brings up
// to ten transitions once more after one) nothing is notified twice, and in the end everyone knows
// what is so: what fires was notified to fire, and what has ended, to have ended.
func TestLaw(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { law(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func law(t *testing.T, rng *rand.Rand) {
	w := newWorld(t, "hook")
	w.sites["hook"].ids = true
	down := w.sites["hook"].breakable()
	file := configFile(t, `
route: {receiver: r, group_by: ['...'], group_interval: 10s, repeat_interval: 1y}
receivers: [{name: r, webhook_configs: [{url: 'http://hook/x'}]}]
`)
	dir := t.TempDir()
	l := start(t, w, Options{AlertmanagerConfig: file, DataDir: dir})
	up := map[string]models.Alert{}
	episodes := map[string]int64{}
	var all []models.Alert
	var received []string
	add := func(a models.Alert) {
		t.Log(time.Now().Format("15:04:05.000"), a.State, a.ID)
		all = append(all, a)
		l.outbox.add(a)
	}
	for range 60 {
		switch g := string(rune('a' + rng.IntN(4))); rng.IntN(8) {
		case 0, 1, 2, 3:
			if a, ok := up[g]; ok {
				delete(up, g)
				add(over(a))
			} else {
				episodes[g]++
				up[g] = firingAlert("Errors", g, episodes[g])
				add(up[g])
			}
		case 4:
			down.Store(!down.Load())
		case 5:
			t.Log(time.Now().Format("15:04:05.000"), "kill")
			disk := killed(t, dir)
			pending := l.outbox.Pending()
			received = append(received, w.sites["hook"].received()...)
			down.Store(true) // what the old process does after its death does not count
			l.stop()
			w.sites["hook"].received()
			again := newOutbox()
			again.add(all[max(0, len(all)-len(pending)-rng.IntN(10)):]...)
			firing := []models.Alert{}
			for _, a := range up {
				firing = append(firing, a)
			}
			down.Store(rng.IntN(3) == 0)
			dir = disk
			l = start(t, w, Options{
				AlertmanagerConfig: file,
				DataDir:            dir,
				Outbox:             again,
				Firing:             firing,
			})
		}
		after(time.Duration(rng.Int64N(int64(40 * time.Second))))
	}
	down.Store(false)
	after(10 * time.Minute)
	received = append(received, w.sites["hook"].received()...)

	state, notified := map[string]string{}, map[string]bool{}
	for _, one := range received {
		is, g, _ := strings.Cut(one, " Errors ")
		state[strings.Fields(g)[0]] = is
		if notified[one] {
			t.Errorf("%q was notified twice; all that was notified: %q", one, received)
		}
		notified[one] = true
	}
	for g := range episodes {
		want := "resolved"
		if _, ok := up[g]; ok {
			want = "firing"
		}
		if state[g] != want {
			t.Errorf(
				"alert %s is %s, but was last notified to be %q; all that was notified: %q",
				g,
				want,
				state[g],
				received,
			)
		}
	}
	if firing, over := l.n.states.counts(); firing != len(up) || over != 0 {
		t.Errorf("%d firing and %d pending states; %d alerts fire", firing, over, len(up))
	}
}
