package kafka

import (
	"strings"
	"testing"

	"github.com/log-monitoring/alert-engine/pkg/models"
)

// Where the reading of a partition begins: checkpoint, group and log may each say something else.
func TestDecide(t *testing.T) {
	old, now := [16]byte{1}, [16]byte{2}
	at := func(next, committed int64) *models.SourcePosition {
		return &models.SourcePosition{
			TopicID:   now,
			Cluster:   "c",
			Next:      next,
			Committed: committed,
			Epoch:     3,
		}
	}
	given := func(p *models.SourcePosition) *models.SourcePosition { p.Left = true; return p }
	f := func(what string, c startInput, next, replayUntil int64, loud bool) {
		t.Helper()
		if c.id == ([16]byte{}) {
			c.id = now
		}
		c.cluster, c.high = "c", 1000
		p := c.resolve()
		if p.next != next || p.replayUntil != replayUntil || p.warn != loud || p.reason == "" {
			t.Errorf("%s: begins at %d, replays until %d, loud %v (%s)", what, p.next,
				p.replayUntil, p.warn, p.reason)
		}
	}
	f("nothing is known", startInput{committed: -1, rewind: -1, low: 5}, 5, -1, false)
	f("new group at the end", startInput{committed: -1, rewind: -1, start: StartEnd}, 1000,
		-1, false)
	f("new group at an offset", startInput{committed: -1, rewind: -1, start: 70}, 70, -1, false)
	f("new group at an offset that is gone", startInput{committed: -1, rewind: -1, start: 70,
		low: 100}, 100, -1, true)
	f("new partition, though at the end", startInput{committed: -1, rewind: -1, start: StartEnd,
		groupHasOffsets: true}, 0, -1, false)
	f("new topic, though at the end", startInput{committed: -1, rewind: -1, start: StartEnd,
		newTopic: true}, 0, -1, false)
	f("committed", startInput{committed: 50, rewind: -1}, 50, -1, false)
	f("committed to zero", startInput{committed: 0, rewind: -1, start: StartEnd}, 0, -1, false)
	f("committed, rewound", startInput{committed: 50, rewind: 20}, 20, 50, false)
	f("committed, nothing to rewind to", startInput{committed: 50, rewind: 50}, 50, -1, false)
	f("committed beyond the end", startInput{committed: 2000, rewind: -1}, 1000, -1, true)
	f("committed before the beginning", startInput{committed: 50, rewind: -1, low: 60}, 60,
		-1, true)
	f("checkpoint and commit agree", startInput{committed: 50, saved: at(50, 40)}, 50, -1, false)
	f("crash between checkpoint and commit", startInput{committed: 40, saved: at(50, 40)}, 50,
		-1, false)
	f("the group has forgotten", startInput{committed: -1, saved: at(50, 40)}, 50, -1, false)
	f("reset back", startInput{committed: 10, saved: at(50, 40)}, 10, -1, true)
	f("reset back by less than a second's work", startInput{committed: 45, saved: at(50, 40)}, 45,
		-1, true)
	f("reset back, with state", startInput{committed: 10, saved: at(50, 40), stateful: true}, 50,
		-1, true)
	f("reset forth", startInput{committed: 90, saved: at(50, 40)}, 90, -1, true)
	f("crash while a commit was under way", startInput{committed: 45, saved: at(50, -1)}, 50,
		-1, false)
	f("reset forth after such a crash", startInput{committed: 60, saved: at(50, -1)}, 60, -1, true)
	f("crash during a replay", startInput{committed: 50, saved: at(30, 50)}, 30, 50, false)
	f("the checkpoint is beyond the end", startInput{committed: 2000, saved: at(2000, 2000)}, 1000,
		-1, true)
	f("we released it, no member read it since", startInput{committed: 50, saved: given(at(50, 50))},
		50, -1, false)
	f("we gave it up, another has read on",
		startInput{committed: 90, rewind: -1, saved: given(at(50, 50))}, 90, -1, false)
	f("and we have to know what it read", startInput{
		committed:     90,
		rewind:        -1,
		rebuildsState: true,
		saved:         given(at(50, 50)),
	}, 50, 90, false)
	f("we gave it up, and it was reset", startInput{committed: 10, saved: given(at(50, 50))}, 10,
		-1, true)
	f(
		"created again",
		startInput{
			committed: -1,
			saved:     &models.SourcePosition{TopicID: old, Cluster: "c", Next: 50},
			start:     StartEnd,
		},
		0,
		-1,
		true,
	)
	f(
		"another cluster",
		startInput{
			committed: 50,
			saved:     &models.SourcePosition{TopicID: now, Cluster: "other", Next: 50},
		},
		0,
		-1,
		true,
	)
	f(
		"a broker without topic IDs",
		startInput{
			committed: 50,
			saved:     &models.SourcePosition{Cluster: "c", Next: 50, Committed: 50},
		},
		50,
		-1,
		false,
	)
	if p := (startInput{committed: -1, rewind: -1, start: StartEnd, high: 7}).resolve(); !p.pin {
		t.Error("the end is not pinned")
	}
}

// The end of a batch is found by its header, however damaged the rest is.
func TestEndOf(t *testing.T) {
	batch := func(first byte, lastDelta byte, body int) string {
		head := make([]byte, 27)
		head[7], head[11], head[16], head[26] = first, byte(27-12+body), 2, lastDelta
		return string(head) + strings.Repeat("x", body)
	}
	f := func(what, batches string, offset, want int64, found bool) {
		t.Helper()
		end, ok := batchEnd([]byte(batches), offset)
		if ok != found || ok && end != want {
			t.Errorf("%s: got %d, %v", what, end, ok)
		}
	}
	f("in the first", batch(10, 4, 50), 10, 15, true)
	f("in its middle", batch(10, 4, 50), 13, 15, true)
	f("in the second", batch(10, 4, 50)+batch(15, 9, 50), 15, 25, true)
	f("in neither", batch(10, 4, 50)+batch(15, 9, 50), 25, 0, false)
	f("before the first", batch(10, 4, 50), 3, 0, false)
	f("cut off", batch(10, 4, 50)[:40], 20, 0, false)
	f("nothing", "", 0, 0, false)
	f("another format", strings.Repeat("\x00", 60), 0, 0, false)
}
