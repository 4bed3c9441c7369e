package web

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// A cheap value is computed for each request. An expensive one is computed in the background, and
// requests get the last one without waiting, until it is too old.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache[int]{least: 5 * time.Millisecond}
		computed, work := 0, time.Millisecond
		get := func(want int, wait time.Duration) {
			t.Helper()
			began := time.Now()
			got := c.get(func() int {
				time.Sleep(work)
				computed++
				return computed
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
		time.Sleep(cacheTime)
		get(3, 0) // the next is being computed
		get(3, 0)
		time.Sleep(work)
		synctest.Wait()
		get(4, 0)
		time.Sleep(staleTime)
		get(5, work) // too old to be shown
		c.drop()
		get(6, work)
		time.Sleep(cacheTime)
		get(6, 0)
		synctest.Wait()
		c.drop() // also what is being computed
		time.Sleep(work)
		get(8, work)
		c.close()
	})
}

// A computation in the background that panics does not end the process, and another is tried.
func TestCacheSurvivesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics []any
		c := cache[int]{panicked: func(problem any) { panics = append(panics, problem) }}
		value := func() int { time.Sleep(time.Second); return 1 }
		c.get(value)
		for range 2 {
			time.Sleep(cacheTime)
			if got := c.get(func() int { panic("broken") }); got != 1 {
				t.Errorf("it is %d", got)
			}
			synctest.Wait()
		}
		if len(panics) != 2 {
			t.Errorf("panics: %v", panics)
		}
		c.close()
		time.Sleep(cacheTime)
		c.get(func() int { t.Error("computed after it was closed"); return 0 })
		synctest.Wait()
	})
}

// What waits for a computation that began before it was asked does not get its value.
func TestCacheValueIsNotOlderThanRequest(t *testing.T) {
	c, source := cache[int]{}, 1
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		c.get(func() int { close(begun); <-release; return 1 })
	}()
	<-begun
	source = 2
	time.AfterFunc(10*time.Millisecond, func() { close(release) })
	if got := c.get(func() int { return source }); got != 2 {
		t.Errorf("it is %d", got)
	}
	<-done
}

// A page that is asked for after an alert was resolved, or after rules were loaded, shows that.
func TestPagesShowChangesAtOnce(t *testing.T) {
	f, o := newFake(t)
	o.Resolve = func(context.Context, string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.current = nil
		return nil
	}
	o.Alerts, o.Rules = slowAlerts{f}, slowRules{fakeRules{f}}
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, o)
		firing := func() string { _, body := do(s, "GET", "/api/v1/alerts", ""); return body }
		if body := firing(); !strings.Contains(body, `"activeAt"`) {
			t.Fatal(body)
		}
		if code, body := do(s, "POST", "/api/v1/alerts/a1/resolve", `{}`); code != 200 {
			t.Fatal(code, body)
		}
		if body := firing(); strings.Contains(body, `"activeAt"`) {
			t.Error("the alert is resolved and still listed")
		}
		status := func() string { _, body := do(s, "GET", "/api/v1/rules", ""); return body }
		status()
		f.status[0].Error = "it is broken"
		if code, body := do(s, "POST", "/-/reload", ""); code != 200 {
			t.Fatal(code, body)
		}
		if !strings.Contains(status(), "it is broken") {
			t.Error("rules were loaded and the former status is shown")
		}
		s.state.close()
	})
}

// slowAlerts and slowRules take so long that their answers are kept.
type slowAlerts struct{ *fake }

func (f slowAlerts) Current() []models.Alert {
	defer time.Sleep(time.Second)
	return f.fake.Current()
}

type slowRules struct{ fakeRules }

func (f slowRules) Status() []RuleStatus {
	time.Sleep(time.Second)
	return slices.Clone(f.status)
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
		t.Errorf("a limit that is not a number is %d", code)
	}
}
