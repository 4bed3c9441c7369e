package alerting

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// A table agrees with a map, whatever is added and removed.
func TestTableIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	table, want := newTable(maphash.MakeSeed()), map[string]uint32{}
	heap := timerHeap{table: &table}
	for range 50_000 {
		key := fmt.Sprint(rng.IntN(600))
		number, ok := table.find([]byte(key))
		if known, is := want[key]; is != ok || is && known != number {
			t.Fatalf("%s is %d, %v; want %d, %v", key, number, ok, known, is)
		}
		switch {
		case !ok:
			want[key] = table.add(key)
		case rng.IntN(2) == 0:
			heap.set(number, never)
			table.remove(number)
			delete(want, key)
		default:
			heap.set(number, rng.Int64N(100))
		}
		if table.live != len(want) {
			t.Fatalf("%d live, want %d", table.live, len(want))
		}
	}
	last := int64(-1)
	for n := len(heap.numbers); n > 0; n-- {
		number, due := heap.first()
		if due < last || int(table.at(number).pos) != 0 {
			t.Fatalf("%d is due after %d", due, last)
		}
		last = due
		heap.set(number, never)
	}
}

// A table that has grown beyond single chunks still finds every group, and where it stood.
func TestTableOfSlabs(t *testing.T) {
	table := newTable(maphash.MakeSeed())
	keys := make([]string, slabsAbove+slabGroups+1)
	groups := make([]*group, len(keys))
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		groups[i] = table.at(table.add(keys[i]))
	}
	for i, key := range keys {
		number, ok := table.find([]byte(key))
		if !ok || table.at(number) != groups[i] || groups[i].key != key {
			t.Fatalf("%s is %d, %v", key, number, ok)
		}
	}
	if want := slabsAbove + 2*slabGroups; table.bytes() < want*groupBytes {
		t.Errorf("%d bytes, but there is room for %d groups", table.bytes(), want)
	}
}
