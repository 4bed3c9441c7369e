package app

import (
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// The heap of an ordinary program grows as Go lets it, up to a bound; a large one by a sixth, and
// never by less than a small one may.
func TestCollectorPercent(t *testing.T) {
	f := func(live uint64, want int) {
		t.Helper()
		if got := collectorPercent(live); got != want {
			t.Errorf("%d MB alive: %d, not %d", live>>20, got, want)
		}
	}
	f(0, 100)
	f(30<<20, 100)
	f(48<<20, 100)
	f(64<<20, 100)
	f(176<<20, 100)
	f(256<<20, 37)
	f(304<<20, 16)
	f(352<<20, 16)
	f(4<<30, 16)
	grown := func(live uint64) uint64 { return live * uint64(collectorPercent(live)) / 100 }
	for live := uint64(smallHeap); live < 8<<30; live += live / 64 {
		if grown(live) < smallHeap*95/100 { // the percent is rounded
			t.Errorf("with %d MB alive it grows by %d MB", live>>20, grown(live)>>20)
		}
		least := live + max(smallHeap, live/largeShare)
		if live+grown(live) > max(least, roomyHeap) {
			t.Errorf("with %d MB alive the heap has %d MB", live>>20, (live+grown(live))>>20)
		}
	}
}

// In a container with a limit the program stays below it instead of being killed; without one it is
// not limited.
func TestMemoryLimit(t *testing.T) {
	f := func(files map[string]string, want int64, wantOK bool) {
		t.Helper()
		got, ok := groupLimit(func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if ok != wantOK || ok && got != want {
			t.Errorf("%v: %d, %v, want %d, %v", files, got, ok, want, wantOK)
		}
	}
	f(map[string]string{"/sys/fs/cgroup/memory.max": "536870912\n"}, 512<<20, true)
	f(map[string]string{"/sys/fs/cgroup/memory.max": "max\n"}, 0, false)
	f(
		map[string]string{
			"/proc/self/cgroup":                                "0::/system.slice/a.service\n",
			"/sys/fs/cgroup/memory.max":                        "max\n",
			"/sys/fs/cgroup/system.slice/a.service/memory.max": "268435456\n",
		},
		256<<20,
		true,
	)
	f(map[string]string{
		"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
	}, 0, false)
	f(map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, 1<<30, true)
	f(nil, 0, false)
}

// What the start took is given back once, a while after it.
func TestMemoryOfTheStartIsGivenBack(t *testing.T) {
	skipShort(t)
	inWorld(t, 1, func(w *world) {
		var freed atomic.Int32
		r := w.start("data", func(p *process) { p.settled = func() { freed.Add(1) } })
		time.Sleep(time.Hour)
		r.end()
		if n := freed.Load(); n != 1 {
			t.Errorf("given back %d times", n)
		}
	})
}
