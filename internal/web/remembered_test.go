package web

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A cheap value is made anew for each request; one that takes long is made beside the requests,
// which get the last one without waiting, until it is too old.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembered[int]{from: 5 * time.Millisecond}
		made, work := 0, time.Millisecond
		get := func(want int, wait time.Duration) {
			t.Helper()
			began := time.Now()
			got := m.get(func() int {
				time.Sleep(work)
				made++
				return made
			})
			if took := time.Since(began); got != want || took != wait {
				t.Errorf("it is %d after %v, not %d after %v", got, took, want, wait)
			}
		}
		get(1, work)
		get(2, work)
		work = time.Second
		get(3, work)
		get(3, 0)
		time.Sleep(rememberedMost)
		get(3, 0) // the next is being made
		get(3, 0)
		time.Sleep(work)
		synctest.Wait()
		get(4, 0)
		time.Sleep(rememberedBeside)
		get(5, work) // too old to be shown
		m.refresh.Wait()
	})
}

// Alerts are sorted by their start and ID.
func TestSortByStart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		list := make([]models.Alert, rng.IntN(50))
		for i := range list {
			list[i].ID = fmt.Sprint(rng.IntN(1000))
			list[i].StartsAt = time.Unix(int64(rng.IntN(5)), 0)
		}
		want := slices.Clone(list)
		compare := func(a, b models.Alert) int {
			if c := a.StartsAt.Compare(b.StartsAt); c != 0 {
				return c
			}
			return strings.Compare(a.ID, b.ID)
		}
		slices.SortFunc(want, compare)
		sortByStart(list)
		for i := range list {
			if compare(list[i], want[i]) != 0 {
				t.Fatalf("%d: %v is not %v", i, list[i].ID, want[i].ID)
			}
		}
	}
}

// A client may ask for a few of many alerts, and learns that there are more.
func TestLimitOfAlerts(t *testing.T) {
	f, o := newFake(t)
	for _, id := range []string{"b1", "b2"} {
		a := f.current[0]
		a.ID = id
		f.current = append(f.current, a)
	}
	s := newServer(t, o)
	all := len(f.current)
	count := func(path string) (int, string) {
		code, body := do(s, "GET", path, "")
		if code != 200 {
			t.Fatalf("%s is %d: %s", path, code, body)
		}
		return strings.Count(body, `"activeAt"`), body
	}
	if n, body := count("/api/v1/alerts"); n != all || strings.Contains(body, "truncated") {
		t.Errorf("%d of %d alerts: %s", n, all, body)
	}
	if n, body := count("/api/v1/alerts?limit=1"); n != 1 || !strings.Contains(body, "truncated") {
		t.Errorf("%d alerts: %s", n, body)
	}
	if n, _ := count("/api/v1/alerts?limit=0"); n != all {
		t.Errorf("%d of %d alerts", n, all)
	}
	if code, _ := do(s, "GET", "/api/v1/alerts?limit=many", ""); code != 400 {
		t.Errorf("a limit that is no number is %d", code)
	}
}
